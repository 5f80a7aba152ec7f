package room

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// Overview is what a room is, for administrators: all of it is in its current state.
type Overview struct {
	Current
	Version     string
	Creator     id.User
	Name        string
	Topic       string
	Avatar      string
	Alias       id.Alias // the canonical one
	Type        string   // "" for an ordinary room
	Encryption  string   // the algorithm, or ""
	JoinRule    string
	GuestAccess string
	Visibility  string // of the history
	Federates   bool
	StateEvents int
	Tombstoned  bool
	Replacement id.Room
	Joined      int64 // members
	JoinedHere  int64 // members who are of this server
}

// overviews remembers what rooms are, for as long as their state is the same.
type overviews struct {
	mu sync.Mutex           // guards m
	m  map[id.Room]Overview // bounded by maxOverviews
}

// limit: rooms as administrators list them, in memory | %d of at most 8 KiB | any others are read again
const maxOverviews = 5000

func (o *overviews) get(now Current) (Overview, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	old, ok := o.m[now.RoomID]
	return old, ok && old.Current == now
}

func (o *overviews) put(v Overview) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil {
		o.m = map[id.Room]Overview{}
	}
	for other := range o.m {
		if len(o.m) < maxOverviews {
			break
		}
		delete(o.m, other)
	}
	o.m[v.RoomID] = v
}

const (
	sqlEveryRoom  = `SELECT nid, room_id, state, emptied FROM room WHERE room_id > $1 ORDER BY room_id LIMIT $2`
	sqlHeadcounts = `SELECT room, count(*), count(*) FILTER (WHERE user_id LIKE $1 ESCAPE '!') FROM membership
		WHERE membership = 'join' GROUP BY room`
	sqlHeadcount = `SELECT count(*), count(*) FILTER (WHERE user_id LIKE $1 ESCAPE '!') FROM membership
		WHERE membership = 'join' AND room = $2`
	sqlRoomFacts = `SELECT version, creator FROM room WHERE nid = $1`
)

// here is the pattern of the users of this server. A server name has none of the characters that mean something in it.
func (r *Rooms) here() string { return "%:" + string(r.Server) }

// Overviews gives all rooms of this server, in the order of their ids.
func (r *Rooms) Overviews(ctx context.Context) (all []Overview, err error) {
	const atOnce = 200 // so that no snapshot is held for long
	heads := map[NID][2]int64{}
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		rows, err := tx.Query(sqlHeadcounts, r.here())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var room NID
			var n [2]int64
			if err := rows.Scan(&room, &n[0], &n[1]); err != nil {
				return err
			}
			heads[room] = n
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("count the members of all rooms: %w", err)
	}
	for after := id.Room(""); ; {
		var some []Overview
		err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
			some = nil
			rooms, err := sqldb.All(tx, scanCurrent, sqlEveryRoom, after, atOnce)
			if err != nil {
				return err
			}
			for _, now := range rooms {
				o, err := r.overview(tx, now)
				if err != nil {
					return err
				}
				n := heads[now.Room]
				o.Joined, o.JoinedHere = n[0], n[1]
				some = append(some, o)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read all rooms: %w", err)
		}
		if all = append(all, some...); len(some) < atOnce {
			return all, nil
		}
		after = some[len(some)-1].RoomID
	}
}

// Overview gives one room. Errors: M_NOT_FOUND.
func (r *Rooms) Overview(ctx context.Context, room id.Room) (o Overview, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		now, err := r.Current(tx, room)
		if err != nil {
			return err
		}
		if len(now) == 0 {
			return errUnknownRoom
		}
		if o, err = r.overview(tx, now[0]); err != nil {
			return err
		}
		return tx.Row(sqlHeadcount, r.here(), o.Room).Scan(&o.Joined, &o.JoinedHere)
	})
	return o, err
}

// overview reads what a room is, without its members.
func (r *Rooms) overview(tx *sqldb.Tx, now Current) (Overview, error) {
	if o, ok := r.views.get(now); ok {
		return o, nil
	}
	o := Overview{Current: now, Federates: true}
	if err := tx.Row(sqlRoomFacts, now.Room).Scan(&o.Version, &o.Creator); err != nil {
		return o, err
	}
	for _, part := range []struct {
		typ string
		set func(content []byte)
	}{
		{keyCreate.Type, func(c []byte) {
			o.Type = textIn(c, "type")
			var federates bool
			if raw := canon.Get(c, "m.federate"); raw != nil && json.Unmarshal(raw, &federates) == nil {
				o.Federates = federates
			}
		}},
		{"m.room.name", func(c []byte) { o.Name = textIn(c, "name") }},
		{"m.room.topic", func(c []byte) { o.Topic = textIn(c, "topic") }},
		{"m.room.avatar", func(c []byte) { o.Avatar = textIn(c, "url") }},
		{"m.room.canonical_alias", func(c []byte) { o.Alias = id.Alias(textIn(c, "alias")) }},
		{"m.room.encryption", func(c []byte) { o.Encryption = textIn(c, "algorithm") }},
		{keyJoinRules.Type, func(c []byte) { o.JoinRule = authrule.ParseJoinRules(c).Rule }},
		{"m.room.guest_access", func(c []byte) { o.GuestAccess = textIn(c, "guest_access") }},
		{keyVisibility.Type, func(c []byte) { o.Visibility = textIn(c, "history_visibility") }},
		{"m.room.tombstone", func(c []byte) { o.Tombstoned, o.Replacement = true, id.Room(textIn(c, "replacement_room")) }},
	} {
		s, err := r.StateEvent(tx, now.State, part.typ, "")
		if err != nil {
			return o, err
		}
		if s != nil {
			part.set(s.Event.Content())
		}
	}
	var err error
	if o.StateEvents, err = r.StateLen(tx, now.State); err != nil {
		return o, err
	}
	r.views.put(o)
	return o, nil
}
