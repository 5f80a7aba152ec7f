package push_test

import (
	"fmt"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/ephemeral"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

func (w *world) reads(u id.User, in id.Room, e id.Event) {
	w.t.Helper()
	if err := w.soon.SetReceipts(w.t.Context(), u, in, ephemeral.Mark{Type: ephemeral.ReadPrivate, Event: e}); err != nil {
		w.t.Fatal(err)
	}
}

// Who has read what her phone was told of has that told to the gateway, once for all that she read in a moment.
func TestReadingIsTold(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w, g := newWorld(t, db), newGateway(t)
		in, other := w.room(bob), w.room(bob)
		set(t, w.push, bob, "B", g.pusher("k", `{"format":"event_id_only","brand":"x"}`), false)
		stop := w.run(w.push)
		w.reads(bob, in, w.say(in, "read before anything is told"))
		var sent []id.Event
		for i := range 3 {
			sent = append(sent, w.say(in, fmt.Sprint(i)))
		}
		last := w.say(other, "elsewhere")
		most := 0
		for seen := id.Event(""); seen != last; {
			n := g.next()
			seen, most = n.Event, max(most, unread(n))
		}
		if most < 4 {
			t.Errorf("told of %d, want 4 and those of the join", most)
		}
		for _, e := range sent {
			w.reads(bob, in, e)
		}
		n := g.next()
		d := n.Devices[0]
		if n.Event != "" || n.Room != "" || n.Prio != "low" || unread(n) < 1 || unread(n) >= most || d.Key != "k" || d.Data["brand"] != "x" || d.Tweaks != nil {
			t.Errorf("after a room was read: %+v with %d unread", n, unread(n))
		}
		stop()

		// Also after a restart, and when what was read is all there is; sending is reading too.
		w.reads(bob, other, last)
		w.run(w.again())
		if n := g.next(); n.Event != "" || unread(n) != 0 {
			t.Errorf("all read: %+v with %d unread", n, unread(n))
		}
		w.say(in, "unread")
		if n := g.next(); unread(n) != 1 {
			t.Errorf("one more: %+v with %d unread", n, unread(n))
		}
		if _, err := w.rooms.Send(t.Context(), room.Caller{User: bob}, in, room.Draft{Type: "m.room.message", Content: []byte(`{"body":"x"}`)}, ""); err != nil {
			t.Fatal(err)
		}
		if n := g.next(); n.Event != "" || unread(n) != 0 {
			t.Errorf("answered: %+v with %d unread", n, unread(n))
		}
		time.Sleep(1500 * time.Millisecond)
		if len(g.told) > 0 {
			t.Errorf("something was told that is no news: %+v", <-g.told)
		}
	})
}

// A client that counts by itself is told no counts.
func TestNoCounts(t *testing.T) {
	w, g := newWorld(t, sqldbtest.SQLite(t, schema.FS)), newGateway(t)
	in := w.room(bob)
	set(t, w.push, bob, "B", g.pusher("k", `{"org.matrix.msc4076.disable_badge_count":true}`), false)
	w.run(w.push)
	sent := w.say(in, "hello")
	if n := g.next(); n.Event != sent || n.Counts.Unread != nil {
		t.Errorf("got %+v", n)
	}
	w.reads(bob, in, sent)
	time.Sleep(1500 * time.Millisecond)
	if len(g.told) > 0 {
		t.Errorf("got %+v", <-g.told)
	}
}

// What went wrong with a gateway is written down for those who look after it.
func TestFailuresAreRemembered(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w, g := newWorld(t, db), newGateway(t)
		in := w.room(bob)
		set(t, w.push, bob, "B", g.pusher("k", `{}`), false)
		g.says(503, "")
		w.run(w.push)
		w.say(in, "hello")
		g.next()
		g.next() // a second time
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			list, err := w.push.Health(t.Context(), bob)
			if err != nil || len(list) != 1 {
				t.Fatalf("got %v (%v), want one pusher", list, err)
			}
			h := list[0]
			if len(h.Log) >= 2 {
				if h.Key != "k" || h.Waiting != 1 || h.Failures < 2 || h.Retry.IsZero() || h.Log[0].Times != h.Failures ||
					h.Log[0].Trouble != "the gateway says 503 Service Unavailable" || h.Log[0].At.Before(h.Log[1].At) {
					t.Errorf("got %+v", h)
				}
				break
			}
			if time.Now().After(end) {
				t.Fatalf("got %+v", h)
			}
		}
		if list, err := w.push.Health(t.Context(), alice); err != nil || len(list) != 0 {
			t.Errorf("alice's: %v (%v)", list, err)
		}
	})
}
