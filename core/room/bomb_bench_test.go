package room_test

import (
	"fmt"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// bomb is a room in which a member of another server, who may do no more than talk and change her name, does it in the way
// that costs this server the most.
type bomb struct {
	testing.TB
	rooms              *room.Rooms
	in                 id.Room
	signer             event.Signer
	tip                *event.Event
	create, power, own id.Event
	rules              id.Event
	n                  int
}

func newBomb(b testing.TB) *bomb {
	b.Helper()
	x := &bomb{TB: b, rooms: newRoomsOf(b, sqldbtest.SQLite(b, schema.FS), "a.test")}
	x.signer = event.Signer{Server: "b.test", Key: "ed25519:1", Private: x.rooms.Signer.Private}
	var err error
	if x.in, err = x.rooms.Create(b.Context(), room.Caller{User: "@u:a.test"}, room.CreateRequest{Version: "11", Preset: "public_chat"}); err != nil {
		b.Fatal(err)
	}
	for _, s := range (&replica{Rooms: x.rooms, in: x.in}).timelineOf(b) {
		switch x.tip = s.Event; s.Event.Type() {
		case "m.room.create":
			x.create = s.Event.ID()
		case "m.room.power_levels":
			x.power = s.Event.ID()
		case "m.room.join_rules":
			x.rules = s.Event.ID()
		}
	}
	x.tip = x.name("", x.tip, x.create, x.power, x.rules)
	x.own = x.tip.ID()
	x.take(x.tip)
	return x
}

// name makes a membership of hers with another name.
func (x *bomb) name(name string, after *event.Event, auth ...id.Event) *event.Event {
	return x.build("m.room.member", new("@m:b.test"), fmt.Sprintf(`{"displayname":%q,"membership":"join"}`, name), after, auth...)
}

func (x *bomb) build(typ string, key *string, content string, after *event.Event, auth ...id.Event) *event.Event {
	x.Helper()
	x.n++
	e, err := event.Build(after.Version(), event.Draft{
		Room: x.in, Type: typ, StateKey: key, Sender: "@m:b.test", Content: []byte(content), Prev: []id.Event{after.ID()}, Auth: auth,
		Depth: after.Depth() + 1, Timestamp: int64(x.n),
	}, x.signer)
	if err != nil {
		x.Fatal(err)
	}
	return e
}

func (x *bomb) take(events ...*event.Event) {
	x.Helper()
	for len(events) > 0 {
		n := min(50, len(events))
		var in []room.Incoming
		for _, e := range events[:n] {
			in = append(in, room.Incoming{Event: e})
		}
		if _, err := x.rooms.Receive(x.Context(), x.in, in); err != nil {
			x.Fatal(err)
		}
		events = events[n:]
	}
}

// each sends what throw makes, and says what the last of them cost, one by one.
func (x *bomb) each(b *testing.B, n int, throw func(i int) *event.Event) {
	b.Helper()
	var all []*event.Event
	for i := range n {
		all = append(all, throw(i))
	}
	x.take(all...)
	i := n
	for b.Loop() {
		x.take(throw(i))
		i++
	}
}

// BenchmarkMessageForks is one more message that follows the same event as 2,000 others.
func BenchmarkMessageForks(b *testing.B) {
	x := newBomb(b)
	x.each(b, 2000, func(i int) *event.Event {
		return x.build("m.room.message", nil, fmt.Sprintf(`{"body":"%d"}`, i), x.tip, x.create, x.power, x.own)
	})
}

// BenchmarkStateForks is one more state event that follows the same event as 2,000 others, and contradicts them all.
func BenchmarkStateForks(b *testing.B) {
	x := newBomb(b)
	x.each(b, 2000, func(i int) *event.Event {
		return x.name(fmt.Sprint(i), x.tip, x.create, x.power, x.rules, x.own)
	})
}

// BenchmarkAuthChain is one more state event that contradicts another, at the end of a chain of 2,000 auth events.
func BenchmarkAuthChain(b *testing.B) {
	x := newBomb(b)
	last := x.tip
	x.each(b, 2000, func(i int) *event.Event {
		after := last
		if i >= 2000 {
			after = x.tip // a fork from before the chain
		}
		e := x.name(fmt.Sprint(i), after, x.create, x.power, x.rules, last.ID())
		last = e
		return e
	})
}

// TestBombs: none of this costs more than a moment.
func TestBombs(t *testing.T) {
	x := newBomb(t)
	began := time.Now()
	var all []*event.Event
	for i := range 300 {
		all = append(all, x.name(fmt.Sprint(i), x.tip, x.create, x.power, x.rules, x.own))
	}
	x.take(all...)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("300 contradictions took %v", took)
	}
	if _, err := x.rooms.Send(t.Context(), room.Caller{User: "@u:a.test", Exempt: true}, x.in, room.Draft{Type: "m.room.message", Content: []byte(`{"body":"x"}`)}, ""); err != nil {
		t.Error(err)
	}
}
