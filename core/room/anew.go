package room

import (
	"cmp"
	"maps"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// What happened in a room while its members were missing was judged by what was known, and by what the events themselves said of
// members. When all are known it is judged once more, in the order of the room's graph and by the same rules: what should not
// have been let in leaves the timeline, and what should have been comes to it.

// again is one event that is judged once more.
type again struct {
	*Stored
	was     Verdict // "" of one in the timeline
	now     Verdict // the same
	own     span
	root    pmap.Root // the room's state once it was in
	before  pmap.Root // and before
	differs bool      // own is not what root and before say, or is to be told anyhow
}

const (
	sqlSince  = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room WHERE e.room = $1 AND e.pos >= $2 ORDER BY e.pos`
	sqlAsides = `SELECT ` + asideColumns + ` FROM event_aside e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND e.own IS NOT NULL AND e.verdict IN ($2, $3) ORDER BY e.nid DESC LIMIT $4`
)

// maxAgain bounds the events beside the timeline that are looked at again. Those of somebody who makes more of them stay there.
//
// limit: rejected and soft-failed events that are judged again when a room is whole | %d | older ones stay as they are
const maxAgain = 2000

// since reads what came since a join: the timeline in its order, the join first, and the latest of what is kept beside it.
func (s *sight) since(join *Stored) (timeline []*Stored, aside []*Stored, err error) {
	timeline, err = sqldb.All(s.tx, new(storedReader).scan, sqlSince, s.h.nid, join.Pos)
	if err != nil {
		return nil, nil, err
	}
	aside, err = sqldb.All(s.tx, scanAside, sqlAsides, s.h.nid, string(Rejected), string(SoftFailed), maxAgain)
	if err != nil {
		return nil, nil, err
	}
	slices.Reverse(aside)
	here := make(map[NID]bool, len(timeline)+len(aside))
	for _, x := range slices.Concat(timeline, aside) {
		here[x.NID] = true
	}
	queued := slices.DeleteFunc(slices.Collect(maps.Values(s.plans)), func(p *planned) bool { return here[p.nid] || p.past })
	slices.SortFunc(queued, func(a, b *planned) int {
		return cmp.Or(cmp.Compare(a.event.Depth(), b.event.Depth()), cmp.Compare(a.nid, b.nid))
	})
	for _, p := range queued {
		switch x := s.stored(p); {
		case x.Aside == "":
			timeline = append(timeline, x)
		case x.Aside != Outlier && x.own != nil:
			aside = append(aside, x)
		}
	}
	return timeline, aside, nil
}

// inOrder puts events so that each comes after those of them that it follows or names. What was beside the timeline before, and
// follows none of it, is left out.
func inOrder(timeline, aside []*Stored) []*again {
	all := make(map[id.Event]*again, len(timeline)+len(aside))
	for _, x := range timeline {
		all[x.Event.ID()] = &again{Stored: x}
	}
	out := make([]*again, 0, len(all))
	entered := make(map[id.Event]bool, len(all))
	type step struct {
		x    *again
		next []id.Event
	}
	enter := func(first *again) { // without recursion: somebody else decides how long the chain is
		var stack []step
		push := func(x *again) {
			entered[x.Event.ID()] = true
			stack = append(stack, step{x, slices.Concat(x.Event.Prev(), x.Event.Auth())})
		}
		push(first)
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.next) == 0 {
				out = append(out, top.x)
				stack = stack[:len(stack)-1]
				continue
			}
			name := top.next[0]
			top.next = top.next[1:]
			if x := all[name]; x != nil && !entered[name] {
				push(x)
			}
		}
	}
	slices.SortFunc(aside, func(a, b *Stored) int { return cmp.Or(cmp.Compare(a.Depth, b.Depth), cmp.Compare(a.NID, b.NID)) })
	for _, x := range aside {
		since := x.NID > timeline[0].NID || slices.ContainsFunc(x.Event.Prev(), func(prev id.Event) bool { return all[prev] != nil })
		if all[x.Event.ID()] == nil && since {
			all[x.Event.ID()] = &again{Stored: x, was: x.Aside}
		}
	}
	for _, x := range asTheyCame(timeline, aside) {
		if name := x.Event.ID(); all[name] != nil && !entered[name] {
			enter(all[name])
		}
	}
	return out
}

// asTheyCame puts what is beside the timeline, of which no position is known, where it came. Numbers are given in the order in
// which events come; one that was kept as an outlier before has a lower one.
func asTheyCame(timeline, aside []*Stored) []*Stored {
	slices.SortFunc(aside, func(a, b *Stored) int { return cmp.Compare(a.NID, b.NID) })
	out := make([]*Stored, 0, len(timeline)+len(aside))
	for _, x := range timeline {
		for len(aside) > 0 && aside[0].NID < x.NID {
			out, aside = append(out, aside[0]), aside[1:]
		}
		out = append(out, x)
	}
	return append(out, aside...)
}

// replay judges events once more, from the join on, and moves the head along. It belongs to a head that is dropped after.
func (s *sight) replay(c *completion, before pmap.Root) error {
	h := s.h
	h.root, s.partial = before, false
	s.anew, s.anewByNID = map[id.Event]*Stored{}, map[NID]*Stored{}
	events := make([]*event.Event, len(c.all))
	for i, x := range c.all {
		events[i] = x.Event
	}
	if err := s.late(events); err != nil {
		return err
	}
	for _, x := range c.all {
		var err error
		x.own.gap = x.Stored.own != nil && x.Stored.own.gap
		switch {
		case x.NID == c.join:
			h.extremities, h.after = nil, map[id.Event]pmap.Root{}
			x.own.before = before
		case s.wasTold(x.Stored):
			x.own.before, err = s.r.StateBefore(s.tx, x.Stored) // it is another server's word for all of it
		default:
			var roots []pmap.Root
			if roots, _, err = s.parents(x.Event); err == nil {
				x.own.before, err = s.resolve(c.planned, roots)
			}
		}
		if err != nil {
			return err
		}
		if x.NID != c.join {
			if x.now, err = s.judgeAgain(x); err != nil {
				return err
			}
		}
		if err := s.place(c, x); err != nil {
			return err
		}
	}
	return nil
}

// wasTold says whether the state before an event is known from another server alone, as not all that it follows is here.
func (s *sight) wasTold(x *Stored) bool {
	for _, prev := range x.Event.Prev() {
		p, err := s.event(prev)
		if err != nil || p == nil {
			return true
		}
		if _, ok := s.after(p); !ok {
			return true
		}
	}
	return len(x.Event.Prev()) == 0
}

// judgeAgain is judge for an event that was judged before: "" for one that belongs into the timeline.
func (s *sight) judgeAgain(x *again) (Verdict, error) {
	in := &Incoming{Event: x.Event}
	if x.was != Rejected { // whose signatures were looked at
		for server := range x.Event.Signatures() {
			in.SignedBy = append(in.SignedBy, server)
		}
	}
	auth, missing, err := s.authEvents(x.Event)
	if err != nil || len(missing) > 0 {
		return x.was, err
	}
	refused := checkAuth(in, auth)
	if refused == nil {
		if refused, err = s.check(in, x.own.before, auth); err != nil {
			return "", err
		}
		if refused != nil {
			lacks, err := s.lacksSender(x.Event, x.own.before, auth)
			if err != nil {
				return "", err
			}
			if lacks { // its auth events have let it in, and what the room is now has the last word
				refused = nil
			}
		}
	}
	switch {
	case refused != nil:
		return Rejected, nil
	case x.was == SoftFailed && s.h.policy != nil: // for which it may have been
		return SoftFailed, nil
	case x.Event.Sender().Server() == s.r.Server || x.own.before == s.h.root:
		return "", nil
	}
	if refused, err = s.check(in, s.h.root, auth); err != nil {
		return "", err
	}
	if refused != nil || x.was != "" && len(s.h.extremities) >= maxExtremities && !s.extends(x.Event) {
		return SoftFailed, nil
	}
	return "", nil
}

// lacksSender says whether a state cannot be all there was before an event: the sender's membership, which the event names, is not in it. So
// it is with what follows an event of an earlier stay that ended before the members had come.
func (s *sight) lacksSender(e *event.Event, before pmap.Root, auth []*Stored) (bool, error) {
	key := authrule.StateKey{Type: "m.room.member", Key: string(e.Sender())}
	if !slices.ContainsFunc(auth, func(a *Stored) bool { return a.Event.IsState(key.Type, key.Key) }) {
		return false, nil
	}
	there, err := s.get(before, key)
	return there == 0, err
}

// place works out the state after an event that was judged again, and what becomes of the room's.
func (s *sight) place(c *completion, x *again) (err error) {
	h := s.h
	x.own.after, x.before = x.own.before, h.root
	replaces := x.Replaces
	if key, is := keyOf(x.Event); is && x.now != Rejected {
		old, err := s.get(x.own.before, key)
		if err != nil {
			return err
		}
		if old != 0 {
			replaces = old
		}
		k, ok, err := s.r.keyNID(s.tx, key)
		if err != nil || !ok {
			return cmp.Or(err, errNotInterned)
		}
		if x.own.after, err = s.change(c.planned, x.own.before, []pmap.Change{{Key: uint64(k), Value: uint64(x.NID)}}); err != nil {
			return err
		}
	}
	if x.now == "" {
		roots, err := s.follow(&planned{event: x.Event, nid: x.NID, own: &x.own})
		if err != nil {
			return err
		}
		if h.root, err = s.resolve(c.planned, roots); err != nil {
			return err
		}
	}
	x.root = h.root
	x.differs = x.now != "" || x.own != span{before: x.before, after: x.root} || x.NID == c.join
	known := *x.Stored
	known.Aside, known.State, known.Replaces, known.own = x.now, x.root, replaces, nil
	if x.differs {
		known.own = &x.own
	}
	s.anew[x.Event.ID()], s.anewByNID[x.NID] = &known, &known
	x.Stored = &known
	return nil
}
