package room

import (
	"freehold.example/base/news"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// What is known of late writes, so that a sync that is not far behind looks at the rooms that were written and not at every
// room its user is in, and asks the database for none of them where memory has it all.

// roomKey names a room both ways.
type roomKey struct {
	nid  NID
	room id.Room
}

// move is a change of somebody's membership.
type move struct {
	nid        NID
	room       id.Room
	user       id.User
	membership string
	event      NID
}

const (
	// limit: rooms and memberships written of late, in memory | each twice %d of at most 600 bytes | the older half goes; the disk is asked
	maxChanges = 8192 // writes of rooms that are remembered, twice as many at times
	maxMoves   = 8192 // memberships
	maxChanged = 500  // rooms past which all are better looked at
)

// changedRooms lists the rooms that were written after a position. ok is false when that was too long ago, or they are too
// many.
func (r *Rooms) changedRooms(pos sqldb.Pos) (rooms []roomKey, ok bool) {
	var first [16]roomKey
	rooms = first[:0]
	seen := map[NID]bool(nil)
	ok = r.changes.Since(pos, func(e news.Entry[roomKey]) bool {
		switch {
		case len(rooms) < len(first):
			for _, k := range rooms {
				if k.nid == e.Key.nid {
					return true
				}
			}
		default:
			if seen == nil {
				seen = map[NID]bool{}
				for _, k := range rooms {
					seen[k.nid] = true
				}
			}
			if seen[e.Key.nid] {
				return true
			}
			seen[e.Key.nid] = true
		}
		rooms = append(rooms, e.Key)
		return len(rooms) <= maxChanged
	})
	return rooms, ok && len(rooms) <= maxChanged
}

const (
	sqlStandingsIn = `SELECT ` + standingColumns + ` FROM room r JOIN membership m ON m.room = r.nid AND m.user_id = $1
		WHERE r.nid IN ({ints $2})`
	sqlStandingsOf = `SELECT ` + standingColumns + ` FROM room r JOIN membership m ON m.room = r.nid AND m.user_id = $1
		WHERE r.room_id IN ({list $2})`
)

const sqlOwn = `SELECT room_id, nid, membership, event, pos, sender, forgotten, whole, mended FROM membership m JOIN room r ON r.nid = m.room
	WHERE m.user_id = $1`

// ChangedStandings is those of Standings that say something new after a position of the stream, and those of other rooms,
// which a caller has reasons of its own to look at. It may be all of them.
func (r *Rooms) ChangedStandings(tx *sqldb.Tx, user id.User, since sqldb.Pos, others []id.Room) ([]*Standing, error) {
	rooms, ok := r.changedRooms(since)
	if tx.Peeking() {
		if own := r.owns.get(user, tx.Pos()); own != nil && ok {
			if all, ok := r.standingsOf(own, tx.Pos(), rooms, others); ok {
				return all, nil
			}
		}
		return nil, sqldb.ErrPeek
	}
	if err := r.learnOwn(tx, user); err != nil {
		return nil, err
	}
	if !ok || len(others) > maxChanged {
		return r.Standings(tx, user)
	}
	var all []*Standing
	if len(rooms) > 0 {
		nids := make([]NID, len(rooms))
		for i, k := range rooms {
			nids[i] = k.nid
		}
		var err error
		if all, err = sqldb.All(tx, scanStanding, sqlStandingsIn, user, sqldb.List(nids)); err != nil {
			return nil, err
		}
	}
	if len(others) == 0 {
		return all, nil
	}
	more, err := sqldb.All(tx, scanStanding, sqlStandingsOf, user, sqldb.List(others))
	if err != nil {
		return nil, err
	}
	r.plant(tx, more)
	seen := make(map[NID]bool, len(all))
	for _, s := range all {
		seen[s.Room] = true
	}
	for _, s := range more {
		if !seen[s.Room] {
			all = append(all, s)
		}
	}
	return all, nil
}

// standingsOf is the user's standings in these rooms as they were at a moment; ok is false where memory does not say.
func (r *Rooms) standingsOf(own *own, at sqldb.Pos, rooms []roomKey, others []id.Room) (all []*Standing, ok bool) {
	all = make([]*Standing, 0, len(rooms))
	add := func(row *Standing) bool {
		for _, s := range all {
			if s.Room == row.Room {
				return true
			}
		}
		end, ok := r.tails.get(row.Room, at)
		if !ok {
			return false
		}
		s := *row
		s.Version = end.version
		s.Head, s.State = end.now(at)
		all = append(all, &s)
		return true
	}
	for _, k := range rooms {
		if row := own.rooms[k.room]; row != nil && !add(row) {
			return nil, false
		}
	}
	for _, room := range others {
		if row := own.rooms[room]; row != nil && !add(row) {
			return nil, false
		}
	}
	return all, true
}

// learnOwn reads the memberships of a user who syncs, where memory does not have them.
func (r *Rooms) learnOwn(tx *sqldb.Tx, user id.User) error {
	if r.owns.get(user, tx.Pos()) != nil {
		return nil
	}
	rooms := map[id.Room]*Standing{}
	rows, err := tx.Query(sqlOwn, user)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		s := new(Standing)
		if err := rows.Scan(&s.RoomID, &s.Room, &s.Membership, &s.Event, &s.Pos, &s.Sender, &s.ForgotAt, &s.Whole, &s.Mended); err != nil {
			return err
		}
		s.Forgotten = s.ForgotAt != 0
		rooms[s.RoomID] = s
	}
	if err := rows.Err(); err != nil {
		return err
	}
	r.owns.put(user, tx.Pos(), rooms)
	return nil
}

// plant remembers where rooms stand that were read in a snapshot.
func (r *Rooms) plant(tx *sqldb.Tx, standings []*Standing) {
	r.tails.plant(standings, r.writtenSince(tx))
}

// writtenSince says of a room whether it was, or may have been, written after the snapshot.
func (r *Rooms) writtenSince(tx *sqldb.Tx) func(NID) bool {
	var late map[NID]bool
	all := false
	return func(room NID) bool {
		if late == nil {
			late = map[NID]bool{}
			all = !r.changes.Since(tx.Pos(), func(e news.Entry[roomKey]) bool {
				late[e.Key.nid] = true
				return true
			})
		}
		return all || late[room]
	}
}
