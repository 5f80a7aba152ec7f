package feed

import (
	"maps"
	"slices"
	"strings"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/inviterule"
)

// inView is a room that the client is to be shown.
type inView struct {
	*member
	was    shown
	after  sqldb.Pos // what the client has of the room goes up to here; 0 for nothing
	config *config
	at     uint8    // index of config
	lists  []string // that it is in
	named  bool     // the client names it

	wanted   []*Wanted         // what config is made of
	timeline map[id.Event]bool // events that were shown with it when it was new to the client
}

// findRooms goes through the lists: counts what is in them, and collects what is in their ranges.
func (l *slideLook) findRooms() error {
	all, err := l.candidates()
	if err != nil {
		return err
	}
	in := make(map[room.NID]*inView, len(l.since.rooms))
	var block []inView // they are made many at once
	see := func(m *member) *inView {
		v := in[m.Room]
		if v == nil {
			if len(block) == 0 {
				block = make([]inView, 64)
			}
			v, block = &block[0], block[1:]
			v.member, v.was = m, l.since.rooms[m.Room]
			if v.was.as != unseen {
				if v.after = v.was.behind; v.after == 0 {
					v.after = l.since.token.pos
				}
			}
			in[m.Room] = v
			l.visible = append(l.visible, v)
		}
		return v
	}
	for _, name := range slices.Sorted(maps.Keys(l.ask.Lists)) {
		list := l.ask.Lists[name]
		passes, err := l.passing(&list.Filter, all)
		if err != nil {
			return err
		}
		n, alone, wants := 0, []string{name}, []*Wanted{&list.Wanted} // of rooms that are in no other list
		for _, m := range all {
			ok, err := passes(m)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if list.shows(n) {
				v := see(m)
				if v.lists == nil {
					v.lists, v.wanted = alone, wants
				} else {
					v.lists, v.wanted = append(v.lists, name), append(v.wanted, &list.Wanted)
				}
			}
			n++
		}
		l.counts[name] = n
	}
	if len(l.ask.Rooms) > 0 {
		for _, m := range all {
			if w := l.ask.Rooms[m.RoomID]; w != nil {
				v := see(m)
				v.named = true
				v.wanted = append(v.wanted, w)
			}
		}
	}
	l.news = l.news || !maps.Equal(l.counts, l.since.counts)
	if err := l.configure(); err != nil {
		return err
	}
	l.leaveOut(in, all)
	return nil
}

func (list *List) shows(n int) bool {
	return list.Ranges == nil || slices.ContainsFunc(list.Ranges, func(r [2]int) bool { return r[0] <= n && n <= r[1] })
}

// candidates are the rooms that lists are made of: those the user is in, invited to or knocks on; those she was sent away
// from; and those she has left until the client has been told.
func (l *slideLook) candidates() ([]*member, error) {
	all := make([]*member, 0, len(l.view.rooms))
	for _, m := range l.view.rooms {
		was := l.since.rooms[m.Room].as
		ok := true
		switch m.Membership {
		case "join", "knock":
		case "invite":
			ok = !l.ignored[m.Sender] && l.view.labels.Rules.Of(m.Sender) == inviterule.Allow
		default:
			ok = m.sentAway || was == inside || was == outside
		}
		if ok {
			all = append(all, m)
		}
	}
	return all, nil
}

// leaveOut notes which rooms the client does not look at any more, from when on it is behind with them. A room that the user
// has left is told once more, wherever it is in the lists.
func (l *slideLook) leaveOut(in map[room.NID]*inView, all []*member) {
	var left []*inView
	if len(l.ask.Lists) > 0 {
		for _, m := range all {
			if was := l.since.rooms[m.Room]; in[m.Room] == nil && (was.as == inside || was.as == outside) && (m.Membership == "leave" || m.Membership == "ban") {
				v := &inView{member: m, was: was, at: was.config, config: l.turn.config(was.config), after: was.behind}
				if v.after == 0 {
					v.after = l.since.token.pos
				}
				in[m.Room] = v
				left = append(left, v)
			}
		}
	}
	l.visible = append(l.visible, left...)
	for nid, was := range l.since.rooms {
		if in[nid] != nil {
			continue
		}
		if was.behind == 0 {
			was.behind = l.since.token.pos
			was.flags &^= hasTyping // which has no history
			l.changes[nid] = was
		}
	}
}

// configure finds what the client wants to know of each room.
func (l *slideLook) configure() error {
	keys := map[*Wanted]string{}
	known := map[string]uint8{} // by key: index
	alone := map[*Wanted]uint8{}
	for _, v := range l.visible {
		if at, ok := alone[v.wanted[0]]; ok && len(v.wanted) == 1 {
			v.at, v.config = at, l.turn.config(at)
			continue
		}
		var of []*Wanted
		var parts []string
		for _, w := range v.wanted {
			key, ok := keys[w]
			if !ok {
				key = w.key()
				keys[w] = key
			}
			if !slices.Contains(parts, key) {
				of, parts = append(of, w), append(parts, key)
			}
		}
		slices.Sort(parts)
		key := strings.Join(parts, "\n")
		at, ok := known[key]
		if !ok {
			var err error
			if at, err = l.f.connections.index(l.turn, combine(of, parts)); err != nil {
				return err
			}
			known[key] = at
		}
		v.at, v.config = at, l.turn.config(at)
		if len(v.wanted) == 1 {
			alone[v.wanted[0]] = at
		}
	}
	return nil
}

// passing makes a function of a filter.
func (l *slideLook) passing(f *ListFilter, all []*member) (func(*member) (bool, error), error) {
	var types map[room.NID]string
	if f.Types != nil || f.NotTypes != nil {
		nids := make([]room.NID, len(all))
		for i, m := range all {
			nids[i] = m.Room
		}
		var err error
		if types, err = l.f.Rooms.Types(l.tx, nids); err != nil {
			return nil, err
		}
	}
	var children map[id.Room]bool
	if f.Spaces != nil {
		var err error
		if children, err = l.childrenOf(f.Spaces, all); err != nil {
			return nil, err
		}
	}
	labels := l.view.labels
	name := strings.ToLower(f.Name)
	return func(m *member) (bool, error) {
		tagged := func(tag string) bool { return slices.Contains(labels.Tags[m.RoomID], tag) }
		switch {
		case f.Direct != nil && labels.Direct[m.RoomID] != *f.Direct,
			f.Invited != nil && (m.Membership == "invite") != *f.Invited,
			f.Types != nil && !slices.Contains(f.Types, types[m.Room]),
			f.NotTypes != nil && slices.Contains(f.NotTypes, types[m.Room]),
			f.Spaces != nil && !children[m.RoomID],
			f.Tags != nil && !slices.ContainsFunc(f.Tags, tagged),
			f.NotTags != nil && slices.ContainsFunc(f.NotTags, tagged):
			return false, nil
		}
		if f.Encrypted != nil {
			root, err := l.rootFor(m)
			if err != nil {
				return false, err
			}
			encrypted, err := l.f.Rooms.HasState(l.tx, root, "m.room.encryption", "")
			if err != nil || encrypted != *f.Encrypted {
				return false, err
			}
		}
		if name != "" {
			root, err := l.rootFor(m)
			if err != nil {
				return false, err
			}
			e, err := l.f.Rooms.StateEvent(l.tx, root, "m.room.name", "")
			if err != nil || e == nil {
				return false, err
			}
			text, _ := canon.String(canon.Get(e.Event.Content(), "name"))
			return strings.Contains(strings.ToLower(text), name), nil
		}
		return true, nil
	}, nil
}

// rootFor is the state that the user may know of: of a room that she is not in, that of when she had to do with it.
func (l *slideLook) rootFor(m *member) (pmap.Root, error) {
	if m.Membership == "join" {
		return m.State, nil
	}
	own, err := l.f.Rooms.Load(l.tx, m.Event)
	if err != nil {
		return pmap.Root{}, err
	}
	return own.State, nil
}

// childrenOf lists the rooms that are directly in one of the spaces, as far as the user is in those.
func (l *slideLook) childrenOf(spaces []id.Room, all []*member) (map[id.Room]bool, error) {
	in := map[id.Room]bool{}
	for _, m := range all {
		if m.Membership != "join" || !slices.Contains(spaces, m.RoomID) {
			continue
		}
		events, err := l.f.Rooms.Settings(l.tx, m.State)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			key, _ := e.Event.StateKey()
			via := canon.OpenArray(canon.Get(e.Event.Content(), "via"))
			if _, some := via.Next(); some && e.Event.Type() == "m.space.child" {
				in[id.Room(key)] = true
			}
		}
	}
	return in, nil
}
