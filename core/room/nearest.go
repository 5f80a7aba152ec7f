package room

import (
	"context"
	"math"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	sqlAtOrAfter = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND e.ts >= $2 AND (e.ts > $2 OR e.depth > $3 OR (e.depth = $3 AND e.pos > $4))
		ORDER BY e.ts, e.depth, e.pos LIMIT $5`
	sqlAtOrBefore = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND e.ts <= $2 AND (e.ts < $2 OR e.depth < $3 OR (e.depth = $3 AND e.pos < $4))
		ORDER BY e.ts DESC, e.depth DESC, e.pos DESC LIMIT $5`
)

var errNothingThen = fault.New(fault.NotFound, "There is no event on that side of that time")

// Nearest finds the event nearest to a time, in milliseconds since 1970: the first at or after it, or the last at or before
// it. Of several with one timestamp it is the topologically first or last. It looks at maxScan events for one that the user
// may see. Errors: M_FORBIDDEN, M_NOT_FOUND.
func (r *Rooms) Nearest(ctx context.Context, user id.User, room id.Room, ts int64, forward bool) (*Stored, error) {
	var found *Stored
	err := r.View(ctx, room, user, func(_ *sqldb.Tx, v *Viewer) (err error) {
		found, err = nearest(v.tx, v.Room, ts, forward, v.Sees)
		return err
	})
	return found, err
}

// Nearest is Rooms.Nearest for another server. Errors: M_NOT_FOUND.
func (v *Resident) Nearest(ts int64, forward bool) (*Stored, error) {
	return nearest(v.tx, v.Room, ts, forward, v.sees)
}

func nearest(tx *sqldb.Tx, room NID, ts int64, forward bool, sees func(*Stored) (bool, error)) (*Stored, error) {
	query, depth, pos := sqlAtOrBefore, int64(math.MaxInt64), sqldb.Pos(math.MaxInt64)
	if forward {
		query, depth, pos = sqlAtOrAfter, -1, -1
	}
	const ask = 100
	for range maxScan / ask {
		events, err := sqldb.All(tx, new(storedReader).scan, query, room, ts, depth, pos, ask)
		if err != nil {
			return nil, err
		}
		for _, s := range events {
			ok, err := sees(s)
			if err != nil {
				return nil, err
			}
			if ok {
				return s, nil
			}
			ts, depth, pos = s.Event.Timestamp(), s.Depth, s.Pos
		}
		if len(events) < ask {
			break
		}
	}
	return nil, errNothingThen
}
