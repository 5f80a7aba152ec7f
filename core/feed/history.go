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
	bulk     []room.NID // what more there is of the state, where that is long
	viewer   *room.Viewer
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
	w, err := l.window(v, s, max(after, min(l.since.begins, upto)), upto, l.q.Filter.Timeline.Limit(usualLimit, maxTimeline))
	if err == nil && w.Forked && after == 0 && l.since.begins == 0 {
		w, err = l.f.Rooms.Latest(l.tx, s.Room, upto, l.q.Filter.Timeline.Limit(usualLimit, maxTimeline), l.chooser(v, s))
	}
	if err != nil {
		return nil, err
	}
	h := &history{viewer: v, timeline: csapi.Timeline{
		Events:    none,
		Limited:   w.Limited || fresh && (!l.since.initial() || l.since.lost),
		PrevBatch: w.Back.String(),
	}}
	if n := len(w.Events); n > 0 {
		h.newest = w.Events[n-1].NID
		if h.timeline.Events, err = l.events(w.Events, v, h.timeline.Limited); err != nil {
			return nil, err
		}
	}
	if v.Parted != nil {
		upto = min(upto, v.Parted.Pos) // what came to be after the user had gone is not for her
	}
	return h, l.state(h, v, s, w, after, upto, fresh)
}

// window reads the newest events between two positions that are for the user: at most limit of them.
func (l *look) window(v *room.Viewer, s *room.Standing, after, upto sqldb.Pos, limit int) (*room.Window, error) {
	return l.f.Rooms.Window(l.tx, s.Room, after, upto, limit, l.chooser(v, s))
}

// chooser says which events of a room are for the user.
func (l *look) chooser(v *room.Viewer, s *room.Standing) func(*room.Stored) (room.Choice, error) {
	return func(e *room.Stored) (room.Choice, error) {
		_, isState := e.Event.StateKey()
		wanted := l.speaks(e, s.RoomID)
		if !wanted && !isState {
			return room.Skip, nil
		}
		sees, err := v.Sees(e)
		if err == nil && sees && wanted {
			wanted, err = v.HasChild(e, l.q.Filter.Timeline.RelatedBySenders, l.q.Filter.Timeline.RelatedByRelTypes)
		}
		switch {
		case err != nil || !sees && isState:
			return room.Stop, err // the timeline begins after it, so that it is told as state
		case sees && wanted:
			return room.Keep, nil
		}
		return room.Skip, nil
	}
}

// state finds what has changed of the room's state from the token to the beginning of the timeline, or with
// use_state_after to its end, and never past upto; all of it for a room the client does not know.
func (l *look) state(h *history, v *room.Viewer, s *room.Standing, w *room.Window, after, upto sqldb.Pos, fresh bool) error {
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
	h.state, err = l.stateEvents(l.letThrough(events, s.RoomID), v)
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
	if !fresh && !l.after() && w.Whole && !l.q.FullState && !l.lazy() {
		return nil, end, nil // the timeline begins where the client is
	}
	switch {
	case l.after() || w.Before >= upto:
	case w.HasState:
		end = w.State
	default:
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
	if fresh && !l.lazy() {
		nids, err := l.f.Rooms.StateNIDs(l.tx, end)
		if w.Forked && !l.after() {
			nids = w.Undo(nids)
		}
		if err != nil || len(nids) > longState {
			h.bulk = nids
			return nil, end, err
		}
		events, err = l.f.Rooms.LoadAll(l.tx, nids)
		return events, end, err
	}
	events, err = l.f.Rooms.StateDelta(l.tx, known, end, fresh && l.lazy())
	if err == nil && w.Forked && fresh && !l.after() {
		nids := make([]room.NID, len(events))
		for i, e := range events {
			nids[i] = e.NID
		}
		events, err = l.f.Rooms.LoadAll(l.tx, w.Undo(nids))
	}
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
		e, err := l.f.Rooms.Speaker(l.tx, end, user, w.Events)
		if err != nil {
			return nil, err
		}
		redundant := e != nil && !fresh && !l.q.FullState && !l.q.Filter.State.IncludeRedundantMembers &&
			l.f.told.known(reader{Caller: l.q.Caller}, e.NID, l.since.pos)
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
