package feed

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// extensions writes what the client asks for besides rooms, and ends the answer.
func (l *slideLook) extensions() error {
	l.b = append(key(l.b, "extensions"), '{')
	x := &l.ask.Extensions
	for _, part := range []func(*Extensions) error{l.toDevices, l.encryption, l.accounts, l.allReceipts, l.typing, l.threads} {
		if err := part(x); err != nil {
			return err
		}
	}
	l.b = append(l.b, `}}`...)
	return nil
}

func (l *slideLook) toDevices(x *Extensions) error {
	if x.ToDevice == nil {
		return nil
	}
	limit := maxToDevice
	if n := x.ToDevice.Limit; n > 0 {
		limit = min(n, maxToDevice)
	}
	since := l.inbox
	if since > l.upto {
		since = 0
	}
	messages, next, err := l.f.Inbox.Since(l.tx, l.user, l.q.Caller.Device, since, l.upto, limit)
	if err != nil {
		return err
	}
	b := append(key(l.b, "to_device"), '{')
	b = canon.AppendString(key(b, "next_batch"), strconv.FormatInt(int64(next), 10))
	if len(messages) > 0 {
		l.news = true
		events := make([]json.RawMessage, len(messages))
		for i, m := range messages {
			events[i] = m.Event
		}
		b = eventList(b, "events", events)
	}
	l.b = append(b, '}')
	return nil
}

func (l *slideLook) encryption(x *Extensions) error {
	if !x.E2EE {
		return nil
	}
	stock, err := l.f.Keys.Stock(l.tx, l.user, l.q.Caller.Device)
	if err != nil {
		return err
	}
	b := append(key(append(key(l.b, "e2ee"), '{'), "device_one_time_keys_count"), '{')
	for _, algorithm := range slices.Sorted(maps.Keys(stock.Counts)) {
		b = number(b, algorithm, stock.Counts[algorithm])
	}
	b = appendStrings(key(append(b, '}'), "device_unused_fallback_key_types"), stock.UnusedFallback)
	if from := l.since.token.pos; from != 0 {
		var changed []*room.Standing
		for _, m := range l.view.rooms {
			if m.Pos > from || m.Head > from {
				changed = append(changed, m.Standing)
			}
		}
		met, err := l.f.Rooms.Encounters(l.tx, l.user, from, changed)
		if err != nil {
			return err
		}
		changedUsers, left, err := l.f.deviceLists(l.tx, l.user, from, l.upto, met)
		if err != nil {
			return err
		}
		if len(changedUsers)+len(left) > 0 {
			l.news = true
			slices.Sort(changedUsers) // asked again, the answer is the same
			slices.Sort(left)
			b = appendStrings(key(append(key(b, "device_lists"), '{'), "changed"), changedUsers)
			b = append(appendStrings(key(b, "left"), left), '}')
		}
	}
	l.b = append(b, '}')
	return nil
}

// each goes through the rooms in view that an extension is for, and notes of which the client has its data: show is told
// whether it has. Rooms out of sight of the extension are begun anew when they come back. first is what the extension has
// besides rooms.
func (l *slideLook) each(name string, first []byte, scope *Scope, has flags, show func(v *inView, now *shown, had bool) (json.RawMessage, error)) error {
	opened := len(first) > 0
	if opened {
		l.b, l.news = append(append(key(l.b, name), '{'), first...), true
	}
	some := false
	for _, v := range l.visible {
		now, changed := l.changes[v.Room]
		if !changed {
			now = v.was
		}
		before, had := now, now.flags&has != 0
		in := scope != nil && now.as == inside && l.inScope(scope, v)
		if in {
			raw, err := show(v, &now, had)
			if err != nil {
				return err
			}
			if raw != nil {
				if !opened {
					l.b, opened = append(key(l.b, name), '{'), true
				}
				if !some {
					l.b, some = append(key(l.b, "rooms"), '{'), true
				}
				l.b, l.news = append(key(l.b, string(v.RoomID)), raw...), true
			}
		}
		if in != had {
			now.flags ^= has
		}
		if now != before && now.as != unseen {
			l.changes[v.Room] = now
		}
	}
	if some {
		l.b = append(l.b, '}')
	}
	if opened {
		l.b = append(l.b, '}')
	}
	return nil
}

func (l *slideLook) inScope(scope *Scope, v *inView) bool {
	if v.named && (scope.Rooms == nil || slices.Contains(scope.Rooms, v.RoomID)) {
		return true
	}
	return scope.Lists == nil && len(v.lists) > 0 || slices.ContainsFunc(v.lists, func(name string) bool { return slices.Contains(scope.Lists, name) })
}

// accounts writes account data: that of the account, and of rooms.
func (l *slideLook) accounts(x *Extensions) error {
	var first []byte
	rooms := map[id.Room][]json.RawMessage{}
	if x.AccountData != nil {
		data := l.data
		if !l.since.data {
			var err error
			later := l.since.token.pos != 0 // it may have been asked for before
			if data, err = l.f.People.OwnAccountData(l.tx, l.user, l.upto, later); err != nil {
				return err
			}
		}
		var own []json.RawMessage
		for _, d := range data {
			if d.Room == "" {
				own = append(own, dataEvent(d))
			}
		}
		for _, d := range l.data {
			if d.Room != "" {
				rooms[d.Room] = append(rooms[d.Room], dataEvent(d))
			}
		}
		if len(own) > 0 {
			first = eventList([]byte{'{'}, "global", own)[1:]
		}
	}
	return l.each("account_data", first, x.AccountData, hasData, func(v *inView, _ *shown, had bool) (json.RawMessage, error) {
		events := rooms[v.RoomID]
		var data []person.Datum
		var err error
		switch {
		case !had:
			events = nil
			data, err = l.f.People.RoomAccountData(l.tx, l.user, v.RoomID, l.upto)
		case v.was.behind != 0:
			events = nil
			data, err = l.f.People.AccountData(l.tx, l.user, v.after, l.upto)
		}
		if err != nil {
			return nil, err
		}
		for _, d := range data {
			if d.Room == v.RoomID || !had {
				events = append(events, dataEvent(d))
			}
		}
		if len(events) == 0 {
			return nil, nil
		}
		return append(appendList([]byte{'['}, events), ']'), nil
	})
}

func (l *slideLook) allReceipts(x *Extensions) error {
	return l.each("receipts", nil, x.Receipts, hasReceipts, func(v *inView, _ *shown, had bool) (json.RawMessage, error) {
		if had && v.was.behind == 0 && l.receipts != nil && !l.receipts[v.RoomID] {
			return nil, nil
		}
		var after sqldb.Pos
		if had {
			after = v.after
		}
		events, err := l.receiptEvents(v.Standing, after, func(r ephemeral.Receipt) bool {
			return had || v.timeline == nil || r.User == l.user || v.timeline[r.Event]
		})
		if err != nil || len(events) == 0 {
			return nil, err
		}
		return events[0], nil // there is room for one
	})
}

func (l *slideLook) typing(x *Extensions) error {
	name := x.TypingName
	if name == "" {
		name = "typing"
	}
	return l.each(name, nil, x.Typing, hasTyping, func(v *inView, now *shown, had bool) (json.RawMessage, error) {
		var since ephemeral.Serial
		if had {
			since = l.look.since.serial
		}
		typists, changed := l.f.Ephemeral.TypingSince(v.RoomID, since)
		if !changed && (had || now.flags&sawTyping == 0) {
			return nil, nil
		}
		if now.flags &^= sawTyping; len(typists) > 0 {
			now.flags |= sawTyping
		}
		return l.typingEvent(typists)
	})
}
