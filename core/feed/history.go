package feed

import (
	"encoding/json"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// history is the timeline of a room and the state that goes with it.
type history struct {
	timeline csapi.Timeline
	state    []json.RawMessage
	newest   room.NID  // the last event of the timeline, or 0
	now      pmap.Root // the state at the end of the timeline
	members  bool      // whether any membership is among what is told
}

// after says whether the client asked for the state at the end of the timeline rather than at its beginning.
func (l *look) after() bool { return l.q.StateAfter || l.q.Unstable }

// speaks says whether the filter lets the event into the timeline, and the user does not ignore its sender: messages,
// never state.
func (l *look) speaks(e *room.Stored, in id.Room) bool {
	_, isState := e.Event.StateKey()
	return (isState || !l.ignored[e.Event.Sender()]) &&
		l.q.Filter.Timeline.Event(e.Event.Type(), e.Event.Sender(), in, e.Event.Content())
}

// history reads what arrived in the room up to upto: since the token, or of a room the client does not know the newest.
func (l *look) history(v *room.Viewer, s *room.Standing, fresh bool, upto sqldb.Pos) (*history, error) {
	after := l.since.pos
	if fresh {
		after = 0
	}
	limit := l.q.Filter.Timeline.Limit(usualLimit, maxTimeline)
	w, err := l.f.Rooms.Window(l.tx, s.Room, after, upto, limit, func(e *room.Stored) (room.Choice, error) {
		_, isState := e.Event.StateKey()
		wanted := l.speaks(e, s.RoomID)
		if !wanted && !isState {
			return room.Skip, nil
		}
		sees, err := v.Sees(e)
		switch {
		case err != nil || !sees && isState:
			return room.Stop, err // the timeline begins after it, so that it is told as state
		case sees && wanted:
			return room.Keep, nil
		}
		return room.Skip, nil
	})
	if err != nil {
		return nil, err
	}
	h := &history{timeline: csapi.Timeline{
		Events:    none,
		Limited:   w.Limited || fresh && !l.since.initial(),
		PrevBatch: room.StreamToken(w.Before).String(),
	}}
	if n := len(w.Events); n > 0 {
		h.newest = w.Events[n-1].NID
		if h.timeline.Events, err = l.events(w.Events, v); err != nil {
			return nil, err
		}
	}
	if v.Parted != nil {
		upto = min(upto, v.Parted.Pos) // what came to be after the user had gone is not for her
	}
	return h, l.state(h, s, w, after, upto, fresh)
}

// state finds what has changed of the room's state from the token to the beginning of the timeline, or with
// use_state_after to its end, and never past upto; all of it for a room the client does not know.
func (l *look) state(h *history, s *room.Standing, w *room.Window, after, upto sqldb.Pos, fresh bool) error {
	events, end, err := l.stateDelta(h, s, w, after, upto, fresh)
	if err != nil {
		return err
	}
	for _, e := range append(events[:len(events):len(events)], w.Events...) {
		h.members = h.members || e.Event.Type() == "m.room.member"
	}
	h.members = h.members || fresh
	if l.q.FullState && !fresh {
		if events, err = l.fullState(events, end); err != nil {
			return err
		}
	}
	if l.lazy() {
		if events, err = l.introduce(events, s, w, end, fresh); err != nil {
			return err
		}
	}
	wanted := events[:0]
	for _, e := range events {
		if l.q.Filter.State.Event(e.Event.Type(), e.Event.Sender(), s.RoomID, e.Event.Content()) {
			wanted = append(wanted, e)
		}
	}
	h.state, err = l.events(wanted, nil)
	return err
}

// stateDelta finds which events of the state are news, and the state they are part of.
func (l *look) stateDelta(h *history, s *room.Standing, w *room.Window, after, upto sqldb.Pos, fresh bool) (
	events []*room.Stored, end pmap.Root, err error,
) {
	h.now = s.State
	if s.Head > upto {
		if h.now, err = l.f.Rooms.RootAt(l.tx, s.Room, upto); err != nil {
			return nil, end, err
		}
	}
	end = h.now
	if !l.after() && w.Before < upto {
		if end, err = l.f.Rooms.RootAt(l.tx, s.Room, w.Before); err != nil {
			return nil, end, err
		}
	}
	if !fresh && !l.after() && w.Whole {
		return nil, end, nil // the timeline begins where the client is
	}
	var known pmap.Root
	if !fresh {
		if known, err = l.f.Rooms.RootAt(l.tx, s.Room, min(after, upto)); err != nil {
			return nil, end, err
		}
	}
	events, err = l.f.Rooms.StateDelta(l.tx, known, end, fresh && l.lazy())
	return events, end, err
}

// lazy says whether the client loads members lazily.
func (l *look) lazy() bool { return l.q.Filter.State.LazyLoadMembers }

// fullState adds to what has changed the rest of the state.
func (l *look) fullState(changed []*room.Stored, end pmap.Root) ([]*room.Stored, error) {
	all, err := l.f.Rooms.StateDelta(l.tx, pmap.Root{}, end, l.lazy())
	if err != nil {
		return nil, err
	}
	return withoutDoubles(append(all, changed...)), nil
}

// introduce adds the members whom a client that loads members lazily needs to know: its own user, and who is seen to
// speak; but not those it was told before, unless it asks for that. After a gap all who came, went or changed in it are
// among the events already.
func (l *look) introduce(events []*room.Stored, s *room.Standing, w *room.Window, end pmap.Root, fresh bool) ([]*room.Stored, error) {
	if fresh {
		l.fresh[s.Room] = true
	}
	users := []id.User{}
	if len(events) > 0 {
		users = append(users, l.user)
	}
	for _, e := range w.Events {
		users = append(users, e.Event.Sender())
	}
	for _, user := range users {
		e, err := l.f.Rooms.StateEvent(l.tx, end, "m.room.member", string(user))
		if err != nil {
			return nil, err
		}
		redundant := e != nil && !fresh && !l.q.FullState && !l.q.Filter.State.IncludeRedundantMembers &&
			l.f.told.known(l.q.Caller, e.NID, l.since.pos)
		if e != nil && !redundant {
			events = append(events, e)
		}
	}
	for _, e := range slices.Concat(events, w.Events) {
		if e.Event.Type() == "m.room.member" {
			l.members[e.NID] = s.Room
		}
	}
	return withoutDoubles(events), nil
}

func withoutDoubles(events []*room.Stored) []*room.Stored {
	seen := make(map[room.NID]bool, len(events))
	return slices.DeleteFunc(events, func(e *room.Stored) bool {
		double := seen[e.NID]
		seen[e.NID] = true
		return double
	})
}
