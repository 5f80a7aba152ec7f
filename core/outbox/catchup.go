package outbox

import (
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
)

const (
	scan   = 200 // events of a room that are read at most to find those that a server is to be sent
	fewest = 20  // ... at once at least
)

// catchUp reads what a destination lacks into the draft, as far as there is room. For gaps of the kind missed that is the newest of each
// room, as many of one as of another, so that the other side can show them all; then the rest in its order.
func (o *Outbox) catchUp(tx *sqldb.Tx, d *destination, p plan, f *draft) (steps []step, err error) {
	for i, g := range p.gaps {
		space := p.pdus - len(f.pdus)
		if space <= 0 || f.bytes > maxBytes {
			break
		}
		var s step
		if g.kind == missed {
			s, err = o.newest(tx, d, g, max(1, space/(len(p.gaps)-i)), f)
		} else {
			s, err = o.oldest(tx, d, g, space, f)
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
		if g.kind != missed && !s.whole {
			break // one room after the other, in which each event comes after those it refers to
		}
	}
	return steps, nil
}

// newest adds at most n of the last events of a gap.
func (o *Outbox) newest(tx *sqldb.Tx, d *destination, g open, n int, f *draft) (step, error) {
	s := step{room: g.room, after: g.after, tail: true, from: g.upto + 1, upto: g.upto}
	var found [][]byte
	page := max(n, fewest)
	for seen := 0; seen < scan && len(found) < n && f.bytes <= maxBytes; {
		events, err := o.Rooms.Between(tx, g.room, g.after, s.from-1, true, page)
		if err != nil {
			return step{}, err
		}
		for _, e := range events {
			if len(found) == n {
				break
			}
			concerns, err := o.concerns(tx, e, d)
			if err != nil {
				return step{}, err
			}
			if concerns {
				found = append(found, e.Event.Bytes())
			}
			s.from = e.Pos
			seen++
		}
		if s.whole = len(events) < page && (len(events) == 0 || s.from == events[len(events)-1].Pos); s.whole {
			break
		}
	}
	slices.Reverse(found)
	for _, pdu := range found {
		f.add(pdu)
	}
	return s, nil
}

// oldest adds at most n of the first events of a gap.
func (o *Outbox) oldest(tx *sqldb.Tx, d *destination, g open, n int, f *draft) (step, error) {
	s := step{room: g.room, after: g.after, upto: g.after}
	page := max(n, fewest)
	for seen, found := 0, 0; seen < scan; {
		events, err := o.Rooms.Between(tx, g.room, s.upto, g.upto, false, page)
		if err != nil {
			return step{}, err
		}
		for _, e := range events {
			if found == n || f.bytes > maxBytes {
				return s, nil
			}
			concerns, err := o.concerns(tx, e, d)
			if err != nil {
				return step{}, err
			}
			if concerns {
				f.add(e.Event.Bytes())
				found++
			}
			s.upto = e.Pos
			seen++
		}
		if len(events) < page {
			s.upto, s.whole = g.upto, true
			return s, nil
		}
		if found == n {
			return s, nil
		}
	}
	return s, nil
}

// concerns says whether a server is to be sent an event.
func (o *Outbox) concerns(tx *sqldb.Tx, e *room.Stored, d *destination) (bool, error) {
	to, err := o.whom(tx, e)
	return to.has(d.server), err
}
