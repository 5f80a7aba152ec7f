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
