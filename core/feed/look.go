package feed

import (
	"context"
	"encoding/json"

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
	receipts  map[id.Room]bool // rooms with new receipts; nil when each has to be asked
	met       room.Encounter   // whom the user came to share a room with since the token
	out       *csapi.SyncResponse
	news      bool
	roomsOut  csapi.SyncRooms

	fresh   map[room.NID]bool     // rooms the client is told all of, for told
	members map[room.NID]room.NID // member events the client is told, and their rooms, when it loads them lazily
}

// look reads what is new since the token. news says whether there is anything worth answering for.
func (f *Feed) look(ctx context.Context, q *Request, since token) (out *csapi.SyncResponse, news bool, err error) {
	l := &look{f: f, q: q, user: q.Caller.User, since: since, serial: f.Ephemeral.Serial(), out: &csapi.SyncResponse{}, fresh: map[room.NID]bool{}, members: map[room.NID]room.NID{}}
	err = f.DB.Read(ctx, func(tx *sqldb.Tx) error {
		l.tx = tx
		if l.upto, err = tx.High(); err != nil {
			return err
		}
		l.since = since.settle(l.upto, l.serial)
		for _, part := range []func() error{l.accountData, l.rooms, l.toDevice, l.keys, l.presence} {
			if err := part(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	if r := &l.roomsOut; len(r.Join)+len(r.Invite)+len(r.Knock)+len(r.Leave) > 0 {
		l.out.Rooms, l.news = r, true
	}
	if l.lazy() {
		f.told.tell(q.Caller, l.upto, l.since.initial(), l.fresh, l.members)
	}
	return l.out, l.news, nil
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
	l.out.NextBatch = token{pos: l.upto, serial: l.serial, inbox: next}.String()
	return nil
}

func (l *look) keys() error {
	stock, err := l.f.Keys.Stock(l.tx, l.user, l.q.Caller.Device)
	if err != nil {
		return err
	}
	l.out.OneTimeKeys, l.out.FallbackKeys = stock.Counts, stock.UnusedFallback
	if l.since.initial() {
		return nil
	}
	if l.met, err = l.f.Rooms.Encounters(l.tx, l.user, l.since.pos, l.standings); err != nil {
		return err
	}
	changed, left, err := l.f.deviceLists(l.tx, l.user, l.since.pos, l.upto, l.met)
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
	for _, p := range changed {
		if l.ignored[p.User] {
			continue
		}
		content := l.presenceContent(p)
		raw, err := json.Marshal(map[string]any{"type": "m.presence", "sender": p.User, "content": content})
		if err != nil {
			return err
		}
		if l.q.Filter.Presence.Event("m.presence", p.User, "", nil) {
			events = append(events, raw)
		}
	}
	if len(events) > 0 {
		l.out.Presence, l.news = &csapi.Events{Events: events}, true
	}
	return nil
}

func (l *look) presenceContent(p ephemeral.Presence) map[string]any {
	content := map[string]any{"presence": p.State, "currently_active": p.CurrentlyActive}
	if p.StatusMsg != "" {
		content["status_msg"] = p.StatusMsg
	}
	if !p.LastActive.IsZero() {
		content["last_active_ago"] = max(l.f.Now().Sub(p.LastActive).Milliseconds(), 0)
	}
	return content
}

// events shows events of a room in the form the client asked for.
func (l *look) events(events []*room.Stored, v *room.Viewer) ([]json.RawMessage, error) {
	shown, err := l.f.Rooms.Render(l.tx, events, room.Form{Caller: l.q.Caller, WithoutRoom: true, Viewer: v})
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
