package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// look is one reading of all streams, in one snapshot.
type look struct {
	f      *Feed
	tx     *sqldb.Tx
	q      *Request
	user   id.User
	since  token
	upto   sqldb.Pos
	serial ephemeral.Serial

	standings []*room.Standing // the user's, at least where there may be news
	ignored   map[id.User]bool
	data      map[id.Room][]person.Datum
	receipts  map[id.Room]bool                // rooms with new receipts; nil when each has to be asked
	ahead     map[id.Room][]ephemeral.Receipt // all receipts of rooms, where they were read for many at once
	met       room.Encounter                  // whom the user came to share a room with since the token
	out       *csapi.SyncResponse             // all but the rooms
	news      bool
	page

	fresh   map[room.NID]bool     // rooms the client is told all of, for told
	members map[room.NID]room.NID // member events the client is told, and their rooms, when it loads them lazily
}

// look reads what is new since the token: from memory if that has it all, which is what a client who waits is answered
// from, and else from the database. news says whether there is anything worth answering for. The answer is what of it has
// not gone to the sink yet; parts says that some has.
func (f *Feed) look(ctx context.Context, q *Request, since token, to Sink) (answer []byte, parts, news bool, err error) {
	err = f.through(!since.initial() && !q.FullState, func(read reading) (err error) {
		answer, parts, news, err = f.lookIn(ctx, read, q, since, to)
		return err
	})
	return answer, parts, news, err
}

// reading is DB.Peek or DB.Read.
type reading func(context.Context, func(*sqldb.Tx) error) error

// through runs a look, on memory first if peek says that it may have everything, and if that does not, on the database.
func (f *Feed) through(peek bool, look func(reading) error) (err error) {
	run := func(read reading) {
		defer func() {
			if p := recover(); p != nil { // it is not on the goroutine of the request
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		err = look(read)
	}
	if peek {
		f.crew.do(func() { run(f.DB.Peek) })
		if !errors.Is(err, sqldb.ErrPeek) {
			f.peeked.Add(1)
			return err
		}
	}
	f.read.Add(1)
	done := make(chan struct{})
	go func() { // as above: the database needs even more of a stack
		defer close(done)
		run(f.DB.Read)
	}()
	<-done
	return err
}

func (f *Feed) lookIn(
	ctx context.Context, read reading, q *Request, since token, to Sink,
) (answer []byte, parts, news bool, err error) {
	l := &look{f: f, q: q, user: q.Caller.User, since: since, serial: f.Ephemeral.Serial(), out: &csapi.SyncResponse{}, fresh: map[room.NID]bool{}, members: map[room.NID]room.NID{}, page: page{out: to, b: blank()}}
	err = read(ctx, func(tx *sqldb.Tx) error {
		l.tx = tx
		if l.upto, err = tx.High(); err != nil {
			return err
		}
		if tx.Peeking() && since.pos > l.upto {
			return sqldb.ErrPeek // a token of a snapshot that was ahead of what memory has been told, or of another life
		}
		l.since = since.settle(l.upto, l.serial)
		for _, part := range []func() error{l.accountData, l.findStandings, l.toDevice, l.keys, l.presence, l.rooms} {
			if err := part(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, l.parts, false, err
	}
	if l.lazy() {
		f.told.tell(reader{Caller: q.Caller}, l.upto, l.since.initial(), l.fresh, l.members)
	}
	return l.b, l.parts, l.news, nil
}

// accountData answers for what belongs to no room, and sorts the rest by room.
func (l *look) accountData() error {
	var err error
	if l.ignored, err = l.f.People.Ignored(l.tx, l.user); err != nil {
		return err
	}
	data, err := l.f.People.AccountData(l.tx, l.user, l.since.pos, l.upto)
	if err != nil {
		return err
	}
	l.data = map[id.Room][]person.Datum{}
	var events []json.RawMessage
	for _, d := range data {
		if d.Room != "" {
			l.data[d.Room] = append(l.data[d.Room], d)
			continue
		}
		if l.q.Filter.AccountData.Event(d.Type, l.user, "", d.Content) {
			events = append(events, dataEvent(d))
		}
	}
	if len(events) > 0 {
		l.out.AccountData, l.news = &csapi.Events{Events: events}, true
	}
	return nil
}

// dataEvent is account data as clients see it.
func dataEvent(d person.Datum) json.RawMessage {
	b := append(append([]byte(`{"content":`), d.Content...), `,"type":`...)
	return append(canon.AppendString(b, d.Type), '}')
}

func (l *look) toDevice() error {
	messages, next, err := l.f.Inbox.Since(l.tx, l.user, l.q.Caller.Device, l.since.inbox, l.upto, maxToDevice)
	if err != nil {
		return err
	}
	if len(messages) > 0 {
		l.news = true
		l.out.ToDevice = &csapi.Events{}
	}
	for _, m := range messages {
		l.out.ToDevice.Events = append(l.out.ToDevice.Events, m.Event)
	}
	l.q.next = token{pos: l.upto, serial: l.serial, inbox: next}
	l.out.NextBatch = l.q.next.String()
	return nil
}

func (l *look) keys() error {
	stock, err := l.f.Keys.Stock(l.tx, l.user, l.q.Caller.Device)
	if err != nil {
		return err
	}
	l.out.OneTimeKeys, l.out.FallbackKeys = stock.Counts, stock.UnusedFallback
	since := l.since.pos
	if l.since.lost {
		since = l.since.shared
	} else if l.since.initial() {
		return nil
	}
	if l.met, err = l.f.Rooms.Encounters(l.tx, l.user, since, l.standings); err != nil {
		return err
	}
	changed, left, err := l.f.deviceLists(l.tx, l.user, since, l.upto, l.met)
	if err != nil {
		return err
	}
	if len(changed)+len(left) > 0 {
		l.out.DeviceLists, l.news = &csapi.DeviceLists{Changed: changed, Left: left}, true
	}
	return nil
}

func (l *look) presence() error {
	if l.q.Filter.Presence.Nothing() {
		return nil
	}
	changed, err := l.f.Ephemeral.PresenceSince(l.tx, l.user, l.since.serial)
	if err != nil {
		return err
	}
	told := map[id.User]bool{}
	for _, p := range changed {
		told[p.User] = true
	}
	for _, p := range l.f.Ephemeral.PresenceOf(l.met.Met) { // new to the client, though not changed
		if !told[p.User] {
			told[p.User] = true
			changed = append(changed, p)
		}
	}
	var events []json.RawMessage
	all := make([]byte, 0, len(changed)*usualPresence)
	for _, p := range changed {
		if l.ignored[p.User] || !l.q.Filter.Presence.Event("m.presence", p.User, "", nil) {
			continue
		}
		from := len(all)
		all = l.appendPresence(all, p)
		events = append(events, all[from:len(all):len(all)])
	}
	if len(events) > 0 {
		l.out.Presence, l.news = &csapi.Events{Events: events}, true
	}
	return nil
}

// usualPresence is about how many bytes an event of presence has.
const usualPresence = 160

// appendPresence appends the event that shows p. When many come at once, each is shown all of them: by way of a map and
// encoding/json an event was two dozen allocations.
func (l *look) appendPresence(b []byte, p ephemeral.Presence) []byte {
	b = strconv.AppendBool(append(b, `{"content":{"currently_active":`...), p.CurrentlyActive)
	if !p.LastActive.IsZero() {
		b = strconv.AppendInt(append(b, `,"last_active_ago":`...), max(l.f.Now().Sub(p.LastActive).Milliseconds(), 0), 10)
	}
	b = canon.AppendString(append(b, `,"presence":`...), p.State)
	if p.StatusMsg != "" {
		b = canon.AppendString(append(b, `,"status_msg":`...), p.StatusMsg)
	}
	b = canon.AppendString(append(b, `},"sender":`...), p.User)
	return append(b, `,"type":"m.presence"}`...)
}

// events shows events of a room in the form the client asked for. bundle adds the aggregations of their children.
func (l *look) events(events []*room.Stored, v *room.Viewer, bundle bool) ([]json.RawMessage, error) {
	return l.render(events, room.Form{Viewer: v, Bundle: bundle, Ignored: l.ignored})
}

func (l *look) stateEvents(events []*room.Stored, v *room.Viewer) ([]json.RawMessage, error) {
	return l.render(events, room.Form{Viewer: v, State: true})
}

func (l *look) render(events []*room.Stored, form room.Form) ([]json.RawMessage, error) {
	form.Caller, form.WithoutRoom = l.q.Caller, true
	shown, err := l.f.Rooms.Render(l.tx, events, form)
	if err != nil {
		return nil, err
	}
	for i, e := range events {
		if l.q.Filter.Federation {
			shown[i] = e.Event.Bytes()
		}
		if !l.q.Filter.Fields.All() {
			shown[i] = l.q.Filter.Fields.Append(nil, shown[i])
		}
	}
	return shown, nil
}
