package room

import (
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// The ends of a room's graph are the events of its timeline that nothing in the timeline follows. There may be others between the
// two: soft-failed ones, and what became of this server's users while none of them was in the room, which lead from an event to its
// ends all the same; and such as are not here, as a server was out of the room, or a gap was bridged. When those come, late, they are
// no ends: the room's state would be resolved once more with one that is long past, and what was changed since by somebody who may not
// any more would be taken back.

const (
	sqlAddFollowed  = `INSERT INTO event_followed (room, event_id) VALUES ($1, $2) ON CONFLICT (room, event_id) DO NOTHING`
	sqlFollowed     = `SELECT event_id FROM event_followed WHERE room = $1 AND event_id IN ({list $2})`
	sqlDropFollowed = `DELETE FROM event_followed WHERE room = $1`
)

// maxBeside bounds the events beside the timeline that are passed on the way from an event to what it follows.
//
// limit: soft-failed events in a row between an event and the room's end | %d | the end stays one
const maxBeside = 500

// late finds out which of some events, each after those that it follows, something here follows already.
func (s *sight) late(events []*event.Event) error {
	names := make([]id.Event, 0, len(events))
	for _, e := range events {
		if storable(string(e.ID())) {
			names = append(names, e.ID())
		}
	}
	s.followed = map[id.Event]bool{}
	for some := range slices.Chunk(names, 500) {
		found, err := sqldb.Column[id.Event](s.tx, sqlFollowed, s.h.nid, sqldb.List(some))
		if err != nil {
			return err
		}
		for _, name := range found {
			s.followed[name] = true
		}
	}
	for _, p := range s.plans {
		s.follows(p.unplaced)
	}
	for _, e := range slices.Backward(events) {
		if s.followed[e.ID()] {
			s.follows(e.Prev())
		}
	}
	return nil
}

func (s *sight) follows(events []id.Event) {
	for _, name := range events {
		s.followed[name] = true
	}
}

// behind gives the ends of the room that an event follows, and takes down what it follows that has no place here.
func (s *sight) behind(p *planned) (ends []id.Event, err error) {
	todo := slices.Clone(p.event.Prev())
	seen := make(map[id.Event]bool, len(todo))
	for i := 0; i < len(todo) && i < maxBeside; i++ {
		name := todo[i]
		if seen[name] || !storable(string(name)) {
			continue
		}
		seen[name] = true
		if _, is := s.h.after[name]; is {
			ends = append(ends, name)
			continue
		}
		x, err := s.event(name)
		switch {
		case err != nil:
			return nil, err
		case x != nil && (x.Room != s.h.nid || x.Aside == "" && !s.r.besides(x)):
			continue
		case x == nil || x.Aside == Outlier:
			p.unplaced = append(p.unplaced, name)
		}
		if x != nil {
			todo = append(todo, x.Event.Prev()...)
		}
	}
	s.follows(p.unplaced)
	return ends, nil
}

// passed is behind for an event that gets no place at the end of the room: what follows it follows that as well, if anything does.
func (s *sight) passed(p *planned) (err error) {
	if s.followed[p.event.ID()] {
		_, err = s.behind(p)
	}
	return err
}

// follow puts an event of the timeline into the room's graph, and gives the states after its ends.
func (s *sight) follow(p *planned) (roots []pmap.Root, err error) {
	h := s.h
	ends, err := s.behind(p)
	if err != nil {
		return nil, err
	}
	h.follow(p)
	if s.followed[p.event.ID()] {
		ends = append(ends, p.event.ID())
	}
	if left := slices.DeleteFunc(slices.Clone(h.extremities), func(x id.Event) bool { return slices.Contains(ends, x) }); len(left) > 0 {
		for _, x := range ends {
			delete(h.after, x)
		}
		h.extremities = left // writes under way hold the old slice
	}
	for _, x := range h.extremities {
		roots = append(roots, h.after[x])
	}
	return roots, nil
}

// persistFollowed writes down what came before an event and may come yet.
func (p *planned) persistFollowed(tx *sqldb.Tx, room NID) error {
	for _, name := range p.unplaced {
		if err := tx.Put(sqlAddFollowed, room, name); err != nil {
			return err
		}
	}
	return nil
}
