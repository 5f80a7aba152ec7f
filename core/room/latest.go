package room

import (
	"math"

	"freehold.example/base/sqldb"
)

// Latest is a Window of a room's end by its graph: the newest limit events in topological order of those that arrived up to
// upto. Who sees a room for the first time is told that where it has forked of late: what arrived late is then in the state, and
// the conversation is in the timeline. Before is upto: the room's state to begin with is that at the end, without what
// the events themselves say.
func (r *Rooms) Latest(tx *sqldb.Tx, room NID, upto sqldb.Pos, limit int, choose func(*Stored) (Choice, error)) (*Window, error) {
	w := &Window{Before: upto, Back: StreamToken(upto), Forked: true}
	at := Token{depth: math.MaxInt64, pos: math.MaxInt64}
	for scanned := 0; scanned < maxScan; {
		ask := min(max(limit-len(w.Events)+1, 10), 500)
		events, err := sqldb.All(tx, new(storedReader).scan, sqlBackward, room, at.depth, at.pos, upto, ask)
		if err != nil {
			return nil, err
		}
		for _, s := range events {
			at = pass(at, s, false)
			choice, err := choose(s)
			if err != nil {
				return nil, err
			}
			if choice == Stop || choice == Keep && len(w.Events) == limit || s.Pos <= 0 {
				w.Limited = true
				return w.chronological(), nil
			}
			if choice == Keep {
				w.Events, w.Back = append(w.Events, s), at
			}
			if _, in := r.entrance(s); in || s.own != nil && s.own.gap {
				w.Limited = true
				return w.chronological(), nil
			}
		}
		if len(events) < ask {
			return w.chronological(), nil
		}
		scanned += len(events)
	}
	w.Limited = true
	return w.chronological(), nil
}

// Undo is a state, as the events of which it consists, as it was before a Window.
func (w *Window) Undo(state []NID) []NID {
	prior := make(map[NID]NID, len(w.Events)) // what stood in an event's place, 0 for nothing
	for _, s := range w.Events {              // the oldest first, so that what it replaced is known
		before := s.Replaces
		if earlier, here := prior[before]; here {
			before = earlier
		}
		prior[s.NID] = before
	}
	out := make([]NID, 0, len(state))
	for _, nid := range state {
		before, said := prior[nid]
		if !said {
			before = nid
		}
		if before != 0 {
			out = append(out, before)
		}
	}
	return out
}
