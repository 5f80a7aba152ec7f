package feed

import (
	"encoding/json"
	"errors"
	"math"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/core/notify"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// rooms writes what is new of the rooms in view. A room that fails is left out: the connection stays where it is with that
// room, so that it is tried again with the next answer, and nothing of it is passed over.
func (l *slideLook) rooms() error {
	for _, v := range l.visible {
		mark, section := len(l.b), l.section
		now, err := l.show(v)
		switch {
		case err == nil:
		case errors.Is(err, sqldb.ErrPeek) || l.ctx.Err() != nil:
			return err
		default:
			l.f.failed.Add(1)
			l.f.Log.ErrorContext(l.ctx, "a room could not be shown and is left out of a sync", "room", v.RoomID, "cause", err)
			l.b, l.section = l.b[:mark], section
			if now = v.was; now.as != unseen {
				now.behind = v.after
			}
		}
		if now != v.was || v.was.as != unseen && now.as == unseen {
			l.changes[v.Room] = now
		}
		if err := l.spill(); err != nil {
			return err
		}
	}
	if l.section != "" {
		l.b = append(l.b, '}')
	}
	return nil
}

func (l *slideLook) show(v *inView) (shown, error) {
	now := v.was
	now.config, now.behind = v.at, 0
	switch v.Membership {
	case "join":
		return l.inside(v, now)
	case "invite", "knock":
		return l.outside(v, now)
	}
	return l.gone(v, now)
}

// roomNews is what is new of a room that the user is or was in.
type roomNews struct {
	*inView
	viewer   *room.Viewer
	window   *room.Window
	end      pmap.Root // its state where the timeline ends
	left     sqldb.Pos // when the user's last stay ended; 0 while she is in
	state    []*room.Stored
	fresh    bool // the client knows nothing of it
	expanded bool // the client gets more of the timeline than what is new
	members  bool // somebody came, went or changed
	named    bool // the name or picture may be another
	pictured bool
	notices  int
	shouts   int
	counted  bool
}

// inside is a room that the user is in.
func (l *slideLook) inside(v *inView, now shown) (shown, error) {
	n := &roomNews{inView: v, fresh: v.was.as != inside, window: &room.Window{Before: l.upto, Whole: true}}
	if n.fresh {
		v.after, now.flags, now.limit = 0, now.flags&sawTyping, 0
	}
	now.as = inside
	n.expanded = !n.fresh && v.config.timeline > int(v.was.limit)
	now.flags &^= direct
	if l.view.labels.Direct[v.RoomID] {
		now.flags |= direct
	}
	read := n.fresh || l.recount || l.receipts == nil || l.receipts[v.RoomID] || v.was.behind != 0
	if !n.fresh && !n.expanded && !read && v.at == v.was.config && v.Head <= v.after && now.flags&direct == v.was.flags&direct {
		return now, nil
	}
	var err error
	if n.viewer, err = l.f.Rooms.ViewerOf(l.tx, v.Standing, l.user); err != nil {
		return now, err
	}
	n.end = v.State
	if v.Head > l.upto {
		if n.end, err = l.f.Rooms.RootAt(l.tx, v.Room, l.upto); err != nil {
			return now, err
		}
	}
	if err := l.gather(n, v.after, l.upto); err != nil {
		return now, err
	}
	if n.notices, n.shouts, err = l.unreadIn(v); err != nil {
		return now, err
	}
	n.counted = n.fresh || n.notices != int(v.was.notices) || n.shouts != int(v.was.shouts)
	now.notices, now.shouts = clamp(n.notices), clamp(n.shouts)
	now.limit = n.has(v.was.limit)
	if !n.something() && now.flags&direct == v.was.flags&direct {
		return now, nil
	}
	return now, l.putRoom(n, now.flags&direct != v.was.flags&direct || n.fresh && now.flags&direct != 0)
}

func clamp(n int) int32 { return int32(min(n, math.MaxInt32)) }

// has is how many of the newest events the client has after this.
func (n *roomNews) has(before uint16) uint16 {
	switch {
	case n.window.Limited:
		return uint16(n.config.timeline) // at most maxTimeline
	case n.fresh || n.expanded:
		return math.MaxUint16
	}
	return before
}

func (n *roomNews) something() bool {
	return n.fresh || n.expanded || n.window.Limited || n.members || n.named || n.pictured || n.counted || len(n.window.Events)+len(n.state) > 0
}

// gather reads the timeline and the state, from what the client has to a moment: of a room that it does not know, the newest
// events and all of the state that it wants.
func (l *slideLook) gather(n *roomNews, after, upto sqldb.Pos) error {
	from := after
	if n.fresh || n.expanded {
		from = 0
	}
	var err error
	if n.fresh || n.expanded || n.Head > after {
		if n.window, err = l.window(n.viewer, n.Standing, from, upto, n.config.timeline); err != nil {
			return err
		}
	}
	if n.fresh {
		n.members, n.named, n.pictured = true, true, true
		n.state, err = l.wantedState(n.end, n.config, n.config.state)
	} else {
		err = l.changedState(n, after)
	}
	if err != nil {
		return err
	}
	if n.config.lazy {
		if err := l.introduceTo(n); err != nil {
			return err
		}
	}
	n.state = withoutDoubles(n.state)
	return nil
}

// changedState finds what of the state has changed since the client knew it, and what it has not asked for before.
func (l *slideLook) changedState(n *roomNews, after sqldb.Pos) error {
	if n.Head > after {
		if n.left != 0 {
			after = min(after, n.left)
		}
		known, err := l.f.Rooms.RootAt(l.tx, n.Room, after)
		if err != nil {
			return err
		}
		delta, err := l.f.Rooms.StateDelta(l.tx, known, n.end, false)
		if err != nil {
			return err
		}
		for _, e := range delta {
			typ := e.Event.Type()
			n.members = n.members || typ == memberType
			n.named = n.named || typ == "m.room.name"
			n.pictured = n.pictured || typ == "m.room.avatar"
			if n.config.wants(e) || n.config.lazy && typ == memberType && !n.window.Limited {
				n.state = append(n.state, e)
			}
		}
	}
	if n.at == n.was.config {
		return nil
	}
	old := l.turn.config(n.was.config)
	more, err := l.wantedState(n.end, n.config, func(typ, key string) bool {
		return n.config.state(typ, key) && !old.state(typ, key)
	})
	n.state = append(n.state, more...)
	return err
}

// wantedState reads what of a state a configuration wants and keep keeps. What can be looked up is: a room costs what is
// asked of it and not what it has.
func (l *slideLook) wantedState(root pmap.Root, c *config, keep func(typ, key string) bool) ([]*room.Stored, error) {
	var events []*room.Stored
	if c.scan {
		all, err := l.f.Rooms.StateDelta(l.tx, pmap.Root{}, root, !c.members)
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			if key, _ := e.Event.StateKey(); keep(e.Event.Type(), key) {
				events = append(events, e)
			}
		}
	}
	for _, p := range c.exact {
		if c.scan && (c.members || p.Type != memberType) || !keep(p.Type, p.Key) {
			continue
		}
		e, err := l.f.Rooms.StateEvent(l.tx, root, p.Type, p.Key)
		if err != nil {
			return nil, err
		}
		if e != nil {
			events = append(events, e)
		}
	}
	return events, nil
}

// introduceTo adds the members that a client which loads them lazily needs for the timeline: who speaks, and whom it is
// about; but not those it was told before on this connection, since the last gap in the timeline, at which it forgets them.
func (l *slideLook) introduceTo(n *roomNews) error {
	anew := n.fresh || n.window.Limited
	if anew {
		l.fresh[n.Room] = true
	}
	var users []id.User
	for _, e := range n.window.Events {
		users = append(users, e.Event.Sender())
		if key, _ := e.Event.StateKey(); e.Event.Type() == memberType {
			users = append(users, id.User(key))
		}
	}
	slices.Sort(users)
	for _, user := range slices.Compact(users) {
		e, err := l.f.Rooms.Speaker(l.tx, n.end, user, n.window.Events)
		if err != nil {
			return err
		}
		if e != nil && (anew || !l.f.told.known(l.turn.reader(), e.NID, 0)) {
			n.state = append(n.state, e)
		}
	}
	for _, e := range n.state {
		if e.Event.Type() == memberType {
			l.members[e.NID] = n.Room
		}
	}
	return nil
}

func (l *slideLook) unreadIn(v *inView) (notices, shouts int, err error) {
	counts, err := l.f.Notify.Unread(l.tx, l.user, v.Standing, l.ignored, l.upto)
	if err != nil {
		return 0, 0, err
	}
	for thread, c := range counts {
		if l.ask.Stable && thread != notify.Main {
			continue // threads are for an extension
		}
		notices += c.Notifications
		shouts += c.Highlights
	}
	return notices, shouts, nil
}

// outside is a room that the user is invited to or has knocked on.
func (l *slideLook) outside(v *inView, now shown) (shown, error) {
	if v.was.as == outside && v.Pos <= v.after {
		return now, nil
	}
	now.as, now.limit = outside, 0
	state, err := l.f.Rooms.Stripped(l.tx, v.Standing, l.user)
	if err != nil {
		return now, err
	}
	return now, l.putStripped(v, state)
}

// gone is a room that the user is no longer in. One that she has left herself is told once, and the client then knows
// nothing of it any more; one that she was sent away from stays in its lists.
func (l *slideLook) gone(v *inView, now shown) (shown, error) {
	knows := v.was.as == gone && v.Pos <= v.after
	expands := knows && v.sentAway && (v.at != v.was.config || v.config.timeline > int(v.was.limit))
	if knows && !expands {
		return now, nil
	}
	now.as, now.flags, now.notices, now.shouts = gone, 0, 0, 0
	if !v.sentAway {
		now = shown{}
	}
	if v.Forgotten {
		return now, l.putForgotten(v)
	}
	viewer, err := l.f.Rooms.ViewerOf(l.tx, v.Standing, l.user)
	if err != nil {
		return now, err
	}
	own, err := l.f.Rooms.Load(l.tx, v.Event)
	if err != nil {
		return now, err
	}
	if viewer.Parted == nil {
		shown, err := l.stateEvents([]*room.Stored{own}, viewer)
		if err != nil {
			return now, err
		}
		return now, l.putTurnedAway(v, shown, []json.RawMessage{own.Event.AppendStripped(nil)})
	}
	n := &roomNews{inView: v, viewer: viewer, window: &room.Window{Before: v.Pos, Whole: true}, left: viewer.Parted.Pos}
	n.fresh = v.was.as != inside && (v.was.as != gone || viewer.Parted.Pos > v.after)
	n.expanded = !n.fresh && v.config.timeline > int(v.was.limit)
	upto := min(l.upto, v.Pos)
	if n.end, err = l.f.Rooms.RootAt(l.tx, v.Room, min(upto, n.left)); err != nil {
		return now, err
	}
	if err := l.gather(n, min(v.after, upto), upto); err != nil {
		return now, err
	}
	if v.sentAway {
		now.limit = n.has(v.was.limit)
	}
	if !knows {
		n.state = withoutDoubles(append(n.state, own))
	} else if !n.something() {
		return now, nil
	}
	return now, l.putRoom(n, false)
}
