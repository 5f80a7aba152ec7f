package feed

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// Sink takes an answer: as a whole, or when it is long in parts while it is made.
type Sink interface {
	Whole(answer []byte) error
	Write(part []byte) (int, error)
}

// The bounds of what an answer takes in memory, besides the largest timeline: one that has grown to partSize goes out,
// with no snapshot held meanwhile, as whoever reads it may be slow. The state of a room with more than longState events is
// read and sent bulk by bulk.
const (
	partSize  = 64 << 10
	maxPeek   = 1 << 20 // an answer that is longer is read from the database, and so in parts
	longState = 500
	bulk      = 100
)

// page is an answer that is being written: SyncResponse as JSON, what is in rooms last and room by room.
type page struct {
	b       []byte
	section string // the member of rooms that is open
	out     Sink
	parts   bool // some have gone out
}

// pages holds room for answers; what was large is left to the collector.
var pages = sync.Pool{New: func() any { return new([]byte) }}

// blank is room for an answer. Once that has been written, or is not wanted, recycle takes it back.
func blank() []byte { return (*pages.Get().(*[]byte))[:0] }

func recycle(page []byte) {
	if c := cap(page); c > 0 && c <= partSize {
		pages.Put(&page)
	}
}

// head writes all that comes before the rooms.
func (l *look) head() {
	r := l.out
	b := append(l.b, `{"next_batch":`...)
	b = canon.AppendString(b, r.NextBatch)
	for _, part := range []struct {
		name   string
		events *csapi.Events
	}{{"presence", r.Presence}, {"account_data", r.AccountData}, {"to_device", r.ToDevice}} {
		if part.events != nil {
			b = append(append(append(b, `,"`...), part.name...), `":`...)
			b = appendEvents(b, part.events.Events)
		}
	}
	if d := r.DeviceLists; d != nil {
		b = append(b, `,"device_lists":{`...)
		if len(d.Changed) > 0 {
			b = appendStrings(append(b, `"changed":`...), d.Changed)
		}
		if len(d.Left) > 0 {
			if len(d.Changed) > 0 {
				b = append(b, ',')
			}
			b = appendStrings(append(b, `"left":`...), d.Left)
		}
		b = append(b, '}')
	}
	b = append(b, `,"device_one_time_keys_count":{`...)
	for i, algorithm := range slices.Sorted(maps.Keys(r.OneTimeKeys)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(canon.AppendString(b, algorithm), ':')
		b = strconv.AppendInt(b, int64(r.OneTimeKeys[algorithm]), 10)
	}
	b = append(b, `},"device_unused_fallback_key_types":`...)
	l.b = appendStrings(b, r.FallbackKeys)
}

// open begins the next room in a section. The rooms of a section come one after the other.
func (l *look) open(section string, in id.Room) {
	switch l.section {
	case section:
		l.b = append(l.b, ',')
	case "":
		l.b = append(append(append(l.b, `,"rooms":{"`...), section...), `":{`...)
	default:
		l.b = append(append(append(l.b, `},"`...), section...), `":{`...)
	}
	l.section, l.news = section, true
	l.b = append(canon.AppendString(l.b, in), `:{`...)
}

// end writes what comes after the rooms.
func (l *look) end() {
	if l.section != "" {
		l.b = append(l.b, `}}`...)
	}
	l.b = append(l.b, '}')
}

// spill lets a part go out when the page is long.
func (l *look) spill() error {
	switch {
	case len(l.b) < partSize:
		return nil
	case l.tx.Peeking() && len(l.b) < maxPeek:
		return nil
	case l.tx.Peeking():
		return sqldb.ErrPeek
	}
	return l.tx.Pause(func() error {
		l.parts = true
		_, err := l.page.out.Write(l.b)
		l.b = l.b[:0]
		return err
	})
}

func (l *look) putJoined(in id.Room, j *csapi.JoinedRoom, h *history) error {
	l.open("join", in)
	b := l.b
	if s := j.Summary; s != nil {
		b = append(b, `"summary":{`...)
		if len(s.Heroes) > 0 {
			b = append(appendStrings(append(b, `"m.heroes":`...), s.Heroes), ',')
		}
		b = strconv.AppendInt(append(b, `"m.joined_member_count":`...), int64(s.Joined), 10)
		b = strconv.AppendInt(append(b, `,"m.invited_member_count":`...), int64(s.Invited), 10)
		b = append(b, `},`...)
	}
	l.b = b
	if err := l.appendState(h); err != nil {
		return err
	}
	b = appendTimeline(l.b, &j.Timeline)
	b = appendEvents(append(b, `,"ephemeral":`...), j.Ephemeral.Events)
	b = appendEvents(append(b, `,"account_data":`...), j.AccountData.Events)
	b = appendUnread(append(b, `,"unread_notifications":`...), &j.Unread)
	if len(j.UnreadThreads) > 0 {
		b = append(b, `,"unread_thread_notifications":{`...)
		for i, thread := range slices.Sorted(maps.Keys(j.UnreadThreads)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendUnread(append(canon.AppendString(b, thread), ':'), j.UnreadThreads[thread])
		}
		b = append(b, '}')
	}
	l.b = append(b, '}')
	return l.spill()
}

func (l *look) putLeft(in id.Room, h *history) error {
	l.open("leave", in)
	if err := l.appendState(h); err != nil {
		return err
	}
	b := appendTimeline(l.b, &h.timeline)
	l.b = append(b, `,"account_data":{"events":[]}}`...)
	return l.spill()
}

// putOutside writes an invitation or a knock.
func (l *look) putOutside(section, state string, in id.Room, events []json.RawMessage) error {
	l.open(section, in)
	b := append(append(append(l.b, '"'), state...), `":`...)
	l.b = append(appendEvents(b, events), '}')
	return l.spill()
}

// appendState writes the state under the name that the client asked for, and a comma.
func (l *look) appendState(h *history) error {
	name := `"state":{"events":[`
	switch {
	case l.q.StateAfter:
		name = `"state_after":{"events":[`
	case l.q.Unstable:
		name = `"org.matrix.msc4222.state_after":{"events":[`
	}
	l.b = append(l.b, name...)
	some := len(h.state) > 0
	l.b = appendList(l.b, h.state)
	for nids := range slices.Chunk(h.bulk, bulk) {
		events, err := l.f.Rooms.LoadAll(l.tx, nids)
		if err != nil {
			return err
		}
		shown, err := l.stateEvents(l.letThrough(events, h.viewer.RoomID), h.viewer)
		if err != nil {
			return err
		}
		if some && len(shown) > 0 {
			l.b = append(l.b, ',')
		}
		some = some || len(shown) > 0
		l.b = appendList(l.b, shown)
		if err := l.spill(); err != nil {
			return err
		}
	}
	l.b = append(l.b, `]},`...)
	return nil
}

// letThrough keeps what the filter lets into the state. events is changed.
func (l *look) letThrough(events []*room.Stored, in id.Room) []*room.Stored {
	wanted := events[:0]
	for _, e := range events {
		if l.q.Filter.State.Event(e.Event.Type(), e.Event.Sender(), in, e.Event.Content()) {
			wanted = append(wanted, e)
		}
	}
	return wanted
}

func appendTimeline(b []byte, t *csapi.Timeline) []byte {
	b = append(b, `"timeline":{"events":[`...)
	b = appendList(b, t.Events)
	b = strconv.AppendBool(append(b, `],"limited":`...), t.Limited)
	if t.PrevBatch != "" {
		b = canon.AppendString(append(b, `,"prev_batch":`...), t.PrevBatch)
	}
	return append(b, '}')
}

func appendUnread(b []byte, u *csapi.Unread) []byte {
	b = strconv.AppendInt(append(b, `{"notification_count":`...), int64(u.Notifications), 10)
	b = strconv.AppendInt(append(b, `,"highlight_count":`...), int64(u.Highlights), 10)
	return append(b, '}')
}

func appendEvents(b []byte, events []json.RawMessage) []byte {
	b = appendList(append(b, `{"events":[`...), events)
	return append(b, `]}`...)
}

// appendList appends what goes between the brackets.
func appendList(b []byte, events []json.RawMessage) []byte {
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return b
}

func appendStrings[S ~string](b []byte, list []S) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = canon.AppendString(b, s)
	}
	return append(b, ']')
}
