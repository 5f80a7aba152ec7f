package room

import (
	"errors"
	"slices"
	"strings"

	"freehold.example/base/pmap"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

var errNotInterned = errors.New("bug: a state key was not interned")

// storable says whether an event can have the text as a state key.
func storable(key string) bool { return len(key) <= id.MaxLength && strings.IndexByte(key, 0) < 0 }

// judge decides about one event, and plans what is written of it: nil where nothing is. nid is its number if it is new.
func (s *sight) judge(in *Incoming, nid NID) (*planned, Receipt, error) {
	e := in.Event
	receipt := Receipt{Event: e.ID()}
	known, err := s.event(e.ID())
	if err != nil {
		return nil, receipt, err
	}
	p := &planned{event: e, nid: nid}
	if known != nil {
		switch {
		case known.Room != s.h.nid:
			receipt.Verdict, receipt.Cause = Rejected, errForeign
			return nil, receipt, nil
		case known.isLoose() && s.history:
			p.had = known
		case known.Aside == "":
			receipt.Verdict = Known
			return nil, receipt, nil
		case known.Aside != Outlier:
			receipt.Verdict = known.Aside
			return nil, receipt, nil
		}
		p.nid, p.wasAside, p.event = known.NID, p.had == nil, known.Event
	}
	auth, missing, err := s.authEvents(e)
	if err != nil {
		return nil, receipt, err
	}
	if len(missing) > 0 {
		if in.Before == nil { // all that is to be fetched is named at once
			_, before, err := s.parents(e)
			if err != nil {
				return nil, receipt, err
			}
			before = slices.DeleteFunc(before, func(m id.Event) bool { return slices.Contains(missing, m) })
			missing = append(missing, before...)
		}
		receipt.Verdict, receipt.Missing = Lacking, missing
		return nil, receipt, nil
	}
	refused := checkAuth(in, auth) // check 4
	before, missing, err := s.stateBefore(p, in)
	switch {
	case err != nil:
		return nil, receipt, err
	case len(missing) > 0 && refused == nil:
		receipt.Verdict, receipt.Missing = Lacking, missing
		return nil, receipt, nil
	case len(missing) > 0:
		return s.reject(p, refused, nil)
	}
	if refused == nil { // check 5
		if refused, err = s.check(in, before, auth); err != nil {
			return nil, receipt, err
		}
	}
	if refused != nil {
		return s.reject(p, refused, &span{before: before, after: before})
	}
	after, err := s.with(p, before)
	if err != nil {
		return nil, receipt, err
	}
	if s.history {
		receipt.Verdict = Accepted
		p.past, p.root, p.before = true, after, before
		if p.had != nil {
			p.own = &span{before: before, after: after}
		}
		s.plan(p)
		if err := s.passed(p); err != nil || p.had != nil {
			return p, receipt, err
		}
		return p, receipt, s.redacts(p)
	}
	if receipt.Cause = in.Objection; receipt.Cause == nil && before != s.h.root { // check 6
		if receipt.Cause, err = s.check(in, s.h.root, auth); err != nil {
			return nil, receipt, err
		}
	}
	if receipt.Cause == nil && len(s.h.extremities) >= maxExtremities && !s.extends(e) {
		receipt.Cause = errForked
	}
	if receipt.Cause != nil {
		receipt.Verdict = SoftFailed
		return p, receipt, s.putAside(p, SoftFailed, &span{before: before, after: after})
	}
	receipt.Verdict, p.gap = Accepted, in.Before != nil
	return p, receipt, s.accept(p, before, after)
}

// maxExtremities is how many ends a room's graph may have here. What would make more of them is not followed: the cost of
// every event grows with them, and only somebody who wants that makes so many. Events that follow any of them are taken on, and
// those of this server bring twenty together at a time.
//
// limit: forward extremities of a room | %d | an event that would make one more is soft failed
const maxExtremities = 100

var errForked = fault.New(fault.LimitExceeded, "The room has forked too often")

// extends says whether an event follows one of the room's ends, or comes before one.
func (s *sight) extends(e *event.Event) bool {
	return s.followed[e.ID()] || slices.ContainsFunc(e.Prev(), func(prev id.Event) bool {
		_, is := s.h.after[prev]
		return is
	})
}

// reject is judge for what the rules refuse.
func (s *sight) reject(p *planned, why error, own *span) (*planned, Receipt, error) {
	receipt := Receipt{Event: p.event.ID(), Verdict: Rejected, Cause: why}
	if p.had != nil {
		return nil, receipt, nil // it was told to a user, and stays what it is
	}
	return p, receipt, s.putAside(p, Rejected, own)
}

// putAside plans an event that gets no place in the timeline.
func (s *sight) putAside(p *planned, v Verdict, own *span) error {
	p.aside, p.own = v, own
	s.plan(p)
	return s.passed(p)
}

// check judges an event in a state. refused is what the rules say against it.
func (s *sight) check(in *Incoming, root pmap.Root, auth []*Stored) (refused, err error) {
	state, err := s.authState(root, in, auth)
	if err != nil {
		return nil, err
	}
	return authrule.Check(in.Event, state, in.SignedBy...), nil
}

// authEvents finds the events by which an event says that it may happen.
func (s *sight) authEvents(e *event.Event) (auth []*Stored, missing []id.Event, err error) {
	for _, name := range authNames(e) {
		a, err := s.event(name)
		if err != nil {
			return nil, nil, err
		}
		if a == nil {
			missing = append(missing, name)
			continue
		}
		auth = append(auth, a)
	}
	return auth, missing, nil
}

// checkAuth judges an event by its own auth events, among them the create event where the room is named after it. refused is
// what the rules say against it.
func checkAuth(in *Incoming, auth []*Stored) (refused error) {
	return new(gathered).check(in, auth)
}

// gathered is the state that an event's auth events made, for the next that has the same.
type gathered struct {
	of    []*event.Event
	state *authrule.State
}

// check is checkAuth.
func (g *gathered) check(in *Incoming, auth []*Stored) (refused error) {
	rejected := map[id.Event]bool{}
	events := make([]*event.Event, len(auth))
	for i, a := range auth {
		events[i] = a.Event
		if a.Aside == Rejected {
			rejected[a.Event.ID()] = true
		}
	}
	if err := authrule.CheckAuthEvents(in.Event, events, rejected); err != nil {
		return err
	}
	if g.state == nil || !slices.Equal(g.of, events) {
		state, err := authrule.Gather(in.Event.Version(), events)
		if err != nil {
			return err
		}
		g.of, g.state = events, state
	}
	return authrule.Check(in.Event, g.state, in.SignedBy...)
}

// authNames are the events that an event is judged by.
func authNames(e *event.Event) []id.Event {
	if !e.Version().RoomIDIsCreateHash || e.IsState(keyCreate.Type, "") || len(e.Room()) < 2 {
		return e.Auth()
	}
	return append(slices.Clip(e.Auth()), id.Event("$"+e.Room()[1:]))
}
