package feed

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// key begins a member of the object that b ends in. An empty b is what follows a part that has gone out, which ends in the
// midst of an object.
func key(b []byte, name string) []byte {
	if len(b) == 0 || b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(canon.AppendString(b, name), ':')
}

func flag(b []byte, name string, value bool) []byte { return strconv.AppendBool(key(b, name), value) }

func number[N int | sqldb.Pos](b []byte, name string, value N) []byte {
	return strconv.AppendInt(key(b, name), int64(value), 10)
}

func eventList(b []byte, name string, events []json.RawMessage) []byte {
	b = append(key(b, name), '[')
	return append(appendList(b, events), ']')
}

// head writes all that comes before the rooms.
func (l *slideLook) head() error {
	pos := slidePos{token: l.token(), number: l.turn.number, n: l.turn.n}
	if pos.number == 0 {
		if pos.n = 0; l.ask.Extensions.AccountData != nil {
			pos.n = hasAccountData
		}
	}
	b := canon.AppendString(key(append(l.b, '{'), "pos"), pos.String())
	b = append(key(b, "lists"), '{')
	for _, name := range slices.Sorted(maps.Keys(l.counts)) {
		b = append(number(append(key(b, name), '{'), "count", l.counts[name]), '}')
	}
	l.b = append(b, '}')
	return nil
}

// open begins the next room.
func (l *slideLook) open(v *inView, initial bool) {
	if l.section == "" {
		l.b = append(key(l.b, "rooms"), '{')
	}
	l.section, l.news = "rooms", true
	b := append(key(l.b, string(v.RoomID)), '{')
	if initial {
		b = flag(b, "initial", true)
	}
	if l.ask.Stable {
		b = canon.AppendString(key(b, "membership"), v.Membership)
		if len(v.lists) > 0 {
			b = appendStrings(key(b, "lists"), v.lists)
		}
	}
	l.b = b
}

// putRoom writes a room that the user is or was in. chats says that its being a direct chat is news.
func (l *slideLook) putRoom(n *roomNews, chats bool) error {
	l.open(n.inView, n.fresh)
	b := l.b
	if chats {
		b = flag(b, "is_dm", l.view.labels.Direct[n.RoomID])
	}
	b, err := l.appendNames(b, n)
	if err != nil {
		return err
	}
	if n.expanded {
		name := "unstable_expanded_timeline"
		if l.ask.Stable {
			name = "expanded_timeline"
		}
		b = flag(b, name, true)
	}
	state, err := l.stateEvents(n.state, n.viewer)
	if err != nil {
		return err
	}
	events, err := l.events(n.window.Events, n.viewer, n.window.Limited)
	if err != nil {
		return err
	}
	if len(state) > 0 || n.fresh {
		b = eventList(b, "required_state", state)
	}
	name := "timeline"
	if l.ask.Stable {
		name = "timeline_events"
	}
	b = flag(eventList(b, name, events), "limited", n.window.Limited)
	b = canon.AppendString(key(b, "prev_batch"), room.StreamToken(n.window.Before).String())
	live := 0
	for _, e := range n.window.Events {
		if pos := l.since.token.pos; pos != 0 && e.Pos > pos {
			live++
		}
		if n.fresh {
			if n.timeline == nil {
				n.timeline = map[id.Event]bool{}
			}
			n.timeline[e.Event.ID()] = true
		}
	}
	b = number(b, "num_live", live)
	if n.Membership == "join" {
		if n.members {
			joined, invited, err := l.f.Rooms.Counts(l.tx, n.Room, n.end)
			if err != nil {
				return err
			}
			b = number(number(b, "joined_count", joined), "invited_count", invited)
		}
		b = number(number(b, "notification_count", n.notices), "highlight_count", n.shouts)
	}
	if b, err = l.appendStamp(b, n); err != nil {
		return err
	}
	l.b = append(b, '}')
	return nil
}

// appendNames writes what the room is called and shows, where that is news.
func (l *slideLook) appendNames(b []byte, n *roomNews) ([]byte, error) {
	text := func(b []byte, typ, field, name string) ([]byte, bool, error) {
		e, err := l.f.Rooms.StateEvent(l.tx, n.end, typ, "")
		if err != nil {
			return b, false, err
		}
		var s string
		if e != nil {
			s, _ = canon.String(canon.Get(e.Event.Content(), field))
		}
		switch {
		case s != "":
			b = canon.AppendString(key(b, name), s)
		case !n.fresh:
			b = append(key(b, name), "null"...)
		}
		return b, s != "", nil
	}
	if n.pictured {
		var err error
		if b, _, err = text(b, "m.room.avatar", "url", "avatar"); err != nil {
			return b, err
		}
	}
	if !n.named && !n.members {
		return b, nil
	}
	called, has, err := text(b, "m.room.name", "name", "name")
	if err != nil {
		return b, err
	}
	if n.named {
		b = called
	}
	if has || !n.config.heroes {
		return b, nil
	}
	return l.appendHeroes(b, n)
}

// appendHeroes writes who gives a room without a name one.
func (l *slideLook) appendHeroes(b []byte, n *roomNews) ([]byte, error) {
	users, err := l.f.Rooms.Heroes(l.tx, n.Room, n.end, l.user)
	if err != nil {
		return b, err
	}
	b = append(key(b, "heroes"), '[')
	for i, user := range users {
		if i > 0 {
			b = append(b, ',')
		}
		e, err := l.f.Rooms.StateEvent(l.tx, n.end, memberType, string(user))
		if err != nil {
			return b, err
		}
		b = canon.AppendString(key(append(b, '{'), "user_id"), user)
		for _, field := range []string{"displayname", "avatar_url"} {
			if e == nil {
				break
			}
			if s, _ := canon.String(canon.Get(e.Event.Content(), field)); s != "" {
				b = canon.AppendString(key(b, field), s)
			}
		}
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

// bumps are the events that count as activity worth moving a room up for.
func bumps(typ string) bool {
	switch typ {
	case "m.room.create", "m.room.message", "m.room.encrypted", "m.sticker", "m.call.invite", "m.poll.start",
		"org.matrix.msc3381.poll.start", "m.beacon_info", "org.matrix.msc3672.beacon_info":
		return true
	}
	return false
}

// appendStamp writes when something last happened that counts, where that is news.
func (l *slideLook) appendStamp(b []byte, n *roomNews) ([]byte, error) {
	if n.Membership != "join" {
		return number(b, "bump_stamp", n.Pos), nil
	}
	for _, e := range slices.Backward(n.window.Events) {
		if bumps(e.Event.Type()) {
			return number(b, "bump_stamp", e.Pos), nil
		}
	}
	if !n.fresh && !n.window.Limited {
		return b, nil
	}
	after := n.after
	if n.fresh {
		after = 0
	}
	w, err := l.f.Rooms.Window(l.tx, n.Room, after, n.window.Before, 1, func(e *room.Stored) (room.Choice, error) {
		if bumps(e.Event.Type()) && l.speaks(e, n.RoomID) {
			return room.Keep, nil
		}
		return room.Skip, nil
	})
	switch {
	case err != nil:
		return b, err
	case len(w.Events) > 0:
		return number(b, "bump_stamp", w.Events[0].Pos), nil
	case n.fresh:
		return number(b, "bump_stamp", n.Pos), nil // since the user came nothing has happened, or much that does not count
	}
	return b, nil
}

// putStripped writes an invitation or a knock.
func (l *slideLook) putStripped(v *inView, state []json.RawMessage) error {
	l.open(v, v.was.as != outside)
	b := l.b
	if l.view.labels.Direct[v.RoomID] {
		b = flag(b, "is_dm", true)
	}
	b = eventList(b, l.strippedName(), state)
	l.b = append(number(b, "bump_stamp", v.Pos), '}')
	return nil
}

func (l *slideLook) strippedName() string {
	if l.ask.Stable {
		return "stripped_state"
	}
	return "invite_state"
}

// putTurnedAway writes the end of an invitation or a knock.
func (l *slideLook) putTurnedAway(v *inView, own, stripped []json.RawMessage) error {
	l.open(v, false)
	b := eventList(l.b, "required_state", own)
	if l.ask.Stable {
		b = eventList(b, l.strippedName(), stripped)
	}
	l.b = append(number(b, "bump_stamp", v.Pos), '}')
	return nil
}

// putForgotten says only that a room is gone.
func (l *slideLook) putForgotten(v *inView) error {
	l.open(v, false)
	l.b = append(eventList(l.b, "required_state", nil), '}')
	return nil
}
