package room

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// What an administrator reads of rooms that she need not be in. Whoever calls writes down that it was done. What members
// have encrypted is as unreadable here as anywhere on the server.

// Overseer opens a room for an administrator of this server, to whom all that is stored of it is shown.
// Errors: M_NOT_FOUND.
func (r *Rooms) Overseer(tx *sqldb.Tx, room id.Room, admin id.User) (*Viewer, error) {
	v, err := r.Onlooker(tx, room, admin)
	if fault.Is(err, fault.Forbidden) {
		return nil, errUnknownRoom
	}
	if err != nil {
		return nil, err
	}
	v.oversees = true
	return v, nil
}

// Oversee runs fn in a read transaction with an administrator's view of a room. Errors: M_NOT_FOUND.
func (r *Rooms) Oversee(ctx context.Context, room id.Room, admin id.User, fn func(*sqldb.Tx, *Viewer) error) error {
	return r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := r.Overseer(tx, room, admin)
		if err != nil {
			return err
		}
		return fn(tx, v)
	})
}

// Fetch shows one event to an administrator. Errors: M_NOT_FOUND.
func (r *Rooms) Fetch(ctx context.Context, event id.Event) (json.RawMessage, error) {
	var shown []json.RawMessage
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		s, err := r.ByID(tx, event)
		if err != nil {
			return err
		}
		if s == nil {
			return fault.New(fault.NotFound, "There is no such event")
		}
		shown, err = r.Render(tx, []*Stored{s}, Form{})
		return err
	})
	if err != nil {
		return nil, err
	}
	return shown[0], nil
}

// NearestOf is Nearest for an administrator. Errors: M_NOT_FOUND.
func (r *Rooms) NearestOf(ctx context.Context, room id.Room, ts int64, forward bool) (*Stored, error) {
	var found *Stored
	err := r.Oversee(ctx, room, "", func(_ *sqldb.Tx, v *Viewer) (err error) {
		found, err = nearest(v.tx, v.Room, ts, forward, v.Sees)
		return err
	})
	return found, err
}

const sqlMembershipsOf = `SELECT r.room_id, m.membership FROM membership m JOIN room r ON r.nid = m.room WHERE m.user_id = $1`

// MembershipsOf says what a user is in each room that she has, or had, to do with.
func (r *Rooms) MembershipsOf(ctx context.Context, user id.User) (map[id.Room]string, error) {
	all := map[id.Room]string{}
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		clear(all)
		rows, err := tx.Query(sqlMembershipsOf, user)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var room id.Room
			var membership string
			if err := rows.Scan(&room, &membership); err != nil {
				return err
			}
			all[room] = membership
		}
		return rows.Err()
	})
	return all, err
}

// Extremity is a forward extremity: an event that no other follows yet.
type Extremity struct {
	Event    id.Event
	Depth    int64
	Received int64 // milliseconds since 1970, as its sender's server says
}

// Extremities lists the forward extremities of a room. Errors: M_NOT_FOUND.
func (r *Rooms) Extremities(ctx context.Context, room id.Room) (all []Extremity, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		all = nil
		var edges []byte
		err := tx.Row(`SELECT extremities FROM room WHERE room_id = $1`, room).Scan(&edges)
		if errors.Is(err, sql.ErrNoRows) {
			return errUnknownRoom
		}
		var ids []id.Event
		if err := errors.Join(err, json.Unmarshal(edges, &ids)); err != nil {
			return err
		}
		for _, e := range ids {
			s, err := r.ByID(tx, e)
			if err != nil {
				return err
			}
			if s != nil {
				all = append(all, Extremity{Event: e, Depth: s.Depth, Received: s.Event.Timestamp()})
			}
		}
		return nil
	})
	return all, err
}

// StateLen is how many events a state has.
func (r *Rooms) StateLen(tx *sqldb.Tx, root pmap.Root) (int, error) {
	return pmap.Len(r.nodesOf(tx), root)
}

// ForgottenByAll says whether everybody of this server who was in the room has left and forgotten it.
func (r *Rooms) ForgottenByAll(ctx context.Context, room id.Room) (bool, error) {
	var n int
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(`SELECT count(*) FROM membership m JOIN room r ON r.nid = m.room WHERE r.room_id = $1 AND m.user_id LIKE $2
			AND m.membership <> 'ban' AND m.forgotten = 0`, room, r.here()).Scan(&n)
	})
	return n == 0, err
}

// Present lists the users of this server who are in a room, are invited to it or knock.
func (r *Rooms) Present(ctx context.Context, room id.Room) (users []id.User, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		users, err = sqldb.Column[id.User](tx, `SELECT m.user_id FROM membership m JOIN room r ON r.nid = m.room
			WHERE r.room_id = $1 AND m.membership IN ('join', 'invite', 'knock') AND m.user_id LIKE $2 ORDER BY m.user_id`, room, r.here())
		return err
	})
	return users, err
}
