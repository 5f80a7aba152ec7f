package room_test

import (
	"fmt"
	"testing"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// BenchmarkForkedJoins is joins into a room of 10,000 members, each of which follows the event before the last: every one
// is a fork that has to be resolved.
func BenchmarkForkedJoins(b *testing.B) {
	const members = 10_000
	db := sqldbtest.SQLite(b, schema.FS)
	rooms := newRoomsOf(b, db, "a.test")
	other := event.Signer{Server: "b.test", Key: "ed25519:1", Private: rooms.Signer.Private}
	made, err := rooms.Create(b.Context(), room.Caller{User: "@u:a.test"}, room.CreateRequest{Version: "11", Preset: "public_chat"})
	if err != nil {
		b.Fatal(err)
	}
	x := &replica{Rooms: rooms, in: made}
	line := x.timelineOf(b)
	var base []id.Event
	for _, s := range line {
		switch s.Event.Type() {
		case "m.room.create", "m.room.power_levels", "m.room.join_rules":
			base = append(base, s.Event.ID())
		}
	}
	tip := line[len(line)-1].Event
	build := func(i int, prev id.Event, depth int64) *event.Event {
		user := fmt.Sprintf("@m%d:b.test", i)
		e, err := event.Build(tip.Version(), event.Draft{
			Room: made, Type: "m.room.member", StateKey: &user, Sender: id.User(user), Content: []byte(`{"membership":"join"}`),
			Prev: []id.Event{prev}, Auth: base, Depth: depth, Timestamp: 1,
		}, other)
		if err != nil {
			b.Fatal(err)
		}
		return e
	}
	var in []room.Incoming
	for i := range members {
		tip = build(i, tip.ID(), tip.Depth()+1)
		in = append(in, room.Incoming{Event: tip})
		if len(in) == 500 {
			if _, err := rooms.Receive(b.Context(), made, in); err != nil {
				b.Fatal(err)
			}
			in = nil
		}
	}
	last, before := tip, tip
	n := members
	for b.Loop() {
		e := build(n, before.ID(), last.Depth()+1)
		receipts, err := rooms.Receive(b.Context(), made, []room.Incoming{{Event: e}})
		if err != nil || receipts[0].Verdict != room.Accepted {
			b.Fatal(receipts, err)
		}
		before, last = last, e
		n++
	}
}

// BenchmarkReceive is messages of another server's in batches of fifty, as transactions bring them.
func BenchmarkReceive(b *testing.B) {
	db := sqldbtest.SQLite(b, schema.FS)
	rooms := newRoomsOf(b, db, "a.test")
	made, err := rooms.Create(b.Context(), room.Caller{User: "@u:a.test"}, room.CreateRequest{Version: "11", Preset: "public_chat"})
	if err != nil {
		b.Fatal(err)
	}
	x := &replica{Rooms: rooms, in: made}
	line := x.timelineOf(b)
	tip := line[len(line)-1].Event
	auth := []id.Event{}
	for _, s := range line {
		switch s.Event.Type() {
		case "m.room.create", "m.room.power_levels", "m.room.member":
			auth = append(auth, s.Event.ID())
		}
	}
	next := func(n int) (in []room.Incoming) {
		for i := range n {
			e, err := event.Build(tip.Version(), event.Draft{
				Room: made, Type: "m.room.message", Sender: "@u:a.test", Content: fmt.Appendf(nil, `{"body":"%d","msgtype":"m.text"}`, i),
				Prev: []id.Event{tip.ID()}, Auth: auth, Depth: tip.Depth() + 1, Timestamp: 1,
			}, rooms.Signer)
			if err != nil {
				b.Fatal(err)
			}
			tip = e
			in = append(in, room.Incoming{Event: e})
		}
		return in
	}
	all := next(b.N)
	b.ResetTimer()
	for len(all) > 0 {
		n := min(50, len(all))
		receipts, err := rooms.Receive(b.Context(), made, all[:n])
		if err != nil || receipts[n-1].Verdict != room.Accepted {
			b.Fatal(receipts, err)
		}
		all = all[n:]
	}
}
