package room

import (
	"cmp"
	"context"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// maxPeek is the most events that are given at once of one room, and peekPause how often is looked: whoever peeks is in no
// room that would wake her.
const (
	maxPeek   = 100
	peekPause = time.Second
)

// Peek gives what has arrived in a room after a moment of the stream, nil for now, oldest first, waiting up to the timeout
// while there is nothing (Client-Server API, "Room previews"). Errors: M_FORBIDDEN.
func (r *Rooms) Peek(ctx context.Context, user id.User, room id.Room, from *Token, timeout time.Duration,
	render func(tx *sqldb.Tx, v *Viewer, events []*Stored, start, end Token) error,
) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(peekPause)
	defer tick.Stop()
	start := r.DB.Committed()
	if from != nil && from.stream {
		start = min(start, from.moment)
	}
	next := start
	for last := timeout <= 0; ; {
		done := false
		err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
			high, err := tx.High()
			if err != nil {
				return err
			}
			v, err := r.Viewer(tx, room, user)
			if err != nil {
				return err
			}
			seen, reached, err := v.arrived(next, high)
			if err != nil {
				return err
			}
			if len(seen) == 0 && !last {
				next = reached
				return nil
			}
			done = true
			return render(tx, v, seen, StreamToken(start), StreamToken(reached))
		})
		if err != nil || done {
			return err
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			last = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const sqlArrived = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
	WHERE e.room = $1 AND e.pos > $2 AND e.pos <= $3 ORDER BY e.pos LIMIT $4`

// arrived reads what of the room's newer events the user may see, oldest first, and says how far that is.
func (v *Viewer) arrived(after, upto sqldb.Pos) (seen []*Stored, reached sqldb.Pos, err error) {
	events, err := sqldb.All(v.tx, new(storedReader).scan, sqlArrived, v.Room, after, upto, maxPeek)
	if err != nil {
		return nil, 0, err
	}
	reached = upto
	if len(events) == maxPeek {
		reached = events[maxPeek-1].Pos
	}
	for _, s := range events {
		ok, err := v.Sees(s)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			seen = append(seen, s)
		}
	}
	return seen, reached, nil
}

// Heard is an event, and the user who may see it.
type Heard struct {
	Event  *Stored
	Viewer *Viewer
}

// Listen gives what has arrived in all the rooms that the user is in or was invited to after a moment of the stream, nil
// for now, oldest first, waiting up to the timeout while there is nothing.
func (r *Rooms) Listen(ctx context.Context, user id.User, from *Token, timeout time.Duration,
	render func(tx *sqldb.Tx, heard []Heard, start, end Token) error,
) error {
	start := r.DB.Committed()
	if from != nil && from.stream {
		start = min(start, from.moment)
		if by, lost := r.DB.Lost(from.moment); lost {
			start = by.Shared
		}
	}
	sleeper := r.Bus.Sleep(topic(user))
	defer sleeper.Close()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	next := start
	for last := timeout <= 0; ; {
		done := false
		err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
			heard, reached, err := r.heard(tx, user, next)
			if err != nil {
				return err
			}
			if len(heard) == 0 && !last {
				next = reached
				return nil
			}
			done = true
			return render(tx, heard, StreamToken(start), StreamToken(reached))
		})
		if err != nil || done {
			return err
		}
		select {
		case <-sleeper.C():
		case <-deadline.C:
			last = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// heard reads what has arrived after a position in the user's rooms, and says how far that is: where a room has more than is
// given at once, no further than that room was read.
func (r *Rooms) heard(tx *sqldb.Tx, user id.User, after sqldb.Pos) (heard []Heard, reached sqldb.Pos, err error) {
	if reached, err = tx.High(); err != nil {
		return nil, 0, err
	}
	standings, err := r.ChangedStandings(tx, user, after, nil)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range standings {
		if s.Head <= after || s.Forgotten || s.Membership != "join" && s.Pos <= after {
			continue
		}
		v, err := r.ViewerOf(tx, s, user)
		if err != nil {
			return nil, 0, err
		}
		bound := reached
		if s.Membership != "join" {
			bound = min(bound, s.Pos) // the invitation, or her leaving, is the last of it
		}
		events, upto, err := v.arrived(after, bound)
		if err != nil {
			return nil, 0, err
		}
		if upto < bound {
			reached = min(reached, upto)
		}
		for _, e := range events {
			heard = append(heard, Heard{e, v})
		}
	}
	slices.SortFunc(heard, func(a, b Heard) int { return cmp.Compare(a.Event.Pos, b.Event.Pos) })
	for i, h := range heard {
		if h.Event.Pos > reached {
			return heard[:i], reached, nil
		}
	}
	return heard, reached, nil
}

// RoomOf is the room that an event is in, for who has still to be asked whether she may know. Errors: M_NOT_FOUND.
func (r *Rooms) RoomOf(ctx context.Context, eventID id.Event) (in id.Room, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		s, err := r.Shown(tx, eventID)
		if err == nil && s == nil {
			err = errNoEvent
		}
		if err != nil {
			return err
		}
		in = s.Event.Room()
		return nil
	})
	return in, err
}
