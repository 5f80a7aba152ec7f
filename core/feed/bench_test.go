package feed_test

import (
	"fmt"
	"sync"
	"testing"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// many makes rooms that alice is in, with some messages in each.
func (w *world) many(rooms, messages int) []id.Room {
	all := make([]id.Room, rooms)
	var group sync.WaitGroup
	for first := range 20 {
		group.Go(func() {
			for i := first; i < rooms; i += 20 {
				made, err := w.rooms.Create(w.t.Context(), as(alice), room.CreateRequest{Preset: "private_chat"})
				if err != nil {
					w.t.Error(err)
					return
				}
				all[i] = made
				for m := range messages {
					content := fmt.Appendf(nil, `{"msgtype":"m.text","body":"%d"}`, m)
					if _, err := w.rooms.Send(w.t.Context(), as(alice), made, room.Draft{Type: "m.room.message", Content: content}, ""); err != nil {
						w.t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	return all
}

// BenchmarkIncremental is a sync of someone in 1,000 rooms with one new event.
func BenchmarkIncremental(b *testing.B) {
	w := newWorld(b, sqldbtest.SQLite(b, schema.FS))
	all := w.many(1000, 0)
	since := w.sync(alice, "", `{"room":{"rooms":[]}}`).NextBatch
	w.send(all[500], alice, "news")
	b.ReportAllocs()
	for b.Loop() {
		if out := w.sync(alice, since, ""); len(out.Rooms.Join) != 1 {
			b.Fatalf("got %d rooms", len(out.Rooms.Join))
		}
	}
}

// BenchmarkEmpty is a sync of someone in 1,000 rooms in which nothing has happened.
func BenchmarkEmpty(b *testing.B) {
	w := newWorld(b, sqldbtest.SQLite(b, schema.FS))
	w.many(1000, 0)
	since := w.sync(alice, "", `{"room":{"rooms":[]}}`).NextBatch
	b.ReportAllocs()
	for b.Loop() {
		w.sync(alice, since, "")
	}
}

// BenchmarkInitial is a first sync of someone in 200 rooms with 50 messages each.
func BenchmarkInitial(b *testing.B) {
	w := newWorld(b, sqldbtest.SQLite(b, schema.FS))
	w.many(200, 50)
	b.ReportAllocs()
	for b.Loop() {
		w.sync(alice, "", "")
	}
}

// BenchmarkCold is a first sync, of some more messages, right after a start.
func BenchmarkCold(b *testing.B) {
	for _, limit := range []int{10, 50} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			w := newWorld(b, sqldbtest.SQLite(b, schema.FS))
			for _, in := range w.many(200, 50) {
				w.setState(in, alice, "m.room.join_rules", "", `{"join_rule":"public"}`)
				w.ok(w.rooms.Join(b.Context(), as(bob), in, "", nil))
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				w.ephemeral.Close()
				w.open(limits{})
				b.StartTimer()
				w.sync(bob, "", fmt.Sprintf(`{"room":{"timeline":{"limit":%d}}}`, limit))
			}
		})
	}
}

// BenchmarkLazy is a first sync of a room with 5,000 members by a client that loads them lazily.
func BenchmarkLazy(b *testing.B) {
	w := newWorld(b, sqldbtest.SQLite(b, schema.FS))
	in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
	var group sync.WaitGroup
	for first := range 20 {
		group.Go(func() {
			for i := first; i < 5000; i += 20 {
				if err := w.rooms.Join(b.Context(), as(id.User(fmt.Sprintf("@u%d:a.test", i))), in, "", nil); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	b.ReportAllocs()
	for b.Loop() {
		w.sync(alice, "", `{"room":{"state":{"lazy_load_members":true}}}`)
	}
}

// BenchmarkDeliver is one message to 200 members who wait, each delivery from the wake to the answer.
func BenchmarkDeliver(b *testing.B) {
	const members = 200
	w := newWorld(b, sqldbtest.SQLite(b, schema.FS))
	in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
	since := make([]string, members)
	users := make([]id.User, members)
	for i := range members {
		users[i] = id.User(fmt.Sprintf("@u%d:a.test", i))
		if err := w.rooms.Join(b.Context(), as(users[i]), in, "", nil); err != nil {
			b.Fatal(err)
		}
	}
	settle := func() {
		for i, u := range users {
			since[i] = w.sync(u, since[i], "").NextBatch
		}
	}
	settle()
	settle()
	b.ReportAllocs()
	before, read := w.feed.Looks()
	for b.Loop() {
		b.StopTimer()
		w.send(in, alice, "news")
		b.StartTimer()
		settle()
	}
	peeked, readNow := w.feed.Looks()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/members, "ns/delivery")
	b.ReportMetric(float64(readNow-read)/float64(b.N)/members, "reads/delivery")
	b.ReportMetric(float64(peeked-before)/float64(b.N)/members, "peeks/delivery")
}
