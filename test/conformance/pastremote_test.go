package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"
)

// 13 Messages, context, pagination: what was said before a server came into a room.

// readBack pages back from a place to the end, and gives the ids of the messages.
func (u *user) readBack(room, from string, limit int) (all []string) {
	u.t.Helper()
	for range 100 {
		at := path("/v3/rooms", room, "messages") + fmt.Sprintf("?dir=b&limit=%d", limit)
		if from != "" {
			at += "&from=" + url.QueryEscape(from)
		}
		a := u.get(at).ok()
		for _, e := range a.list("chunk") {
			if e.str("type") == "m.room.message" {
				all = append(all, e.str("event_id"))
			}
		}
		if from = a.str("end"); from == "" {
			return all
		}
	}
	u.t.Fatal("paging does not end")
	return nil
}

// laterServer has bob of S2 come to a room of alice's on S in which n messages were sent, which are given newest first.
func laterServer(t *testing.T, n int) (alice, bob *user, room string, sent []string) {
	t.Helper()
	s, s2 := first(t), second(t)
	alice, bob = s.newUser(t), s2.newUser(t)
	room = alice.createRoom(obj{"preset": "public_chat"})
	for i := range n {
		sent = append(sent, alice.send(room, fmt.Sprint("m", i)))
	}
	slices.Reverse(sent)
	bob.joinVia(room, s.name).ok()
	return alice, bob, room, sent
}

func TestB167(t *testing.T) {
	_, bob, room, sent := laterServer(t, 20)
	if got := bob.readBack(room, "", 10); !slices.Equal(got, sent) {
		t.Errorf("read %v, want %v", got, sent)
	}
	// From where a client begins that has synced.
	_, carol, room, sent := laterServer(t, 20)
	for _, filter := range []obj{{}, {"room": obj{"timeline": obj{"limit": 1}}}} {
		from := carol.soonWith("", filter, "the room", func(a *answer) bool {
			return a.joined(room).at("timeline").isString("prev_batch")
		}).joined(room).str("timeline", "prev_batch")
		if got := carol.readBack(room, from, 10); !slices.Equal(got, sent) {
			t.Errorf("from %s read %v, want %v", from, got, sent)
		}
	}
}

func TestB168(t *testing.T) {
	_, bob, room, sent := laterServer(t, 300)
	if got := bob.readBack(room, "", 200); !slices.Equal(got, sent) {
		t.Errorf("read %d messages, want %d in their order", len(got), len(sent))
	}
}

// TestB178B180: an event of before the join is found by its time (B178), and is there from then on (B180).
func TestB178B180(t *testing.T) {
	for _, dir := range []string{"f", "b"} {
		t.Run(dir, func(t *testing.T) {
			s, s2 := first(t), second(t)
			alice, charlie := s.newUser(t), s2.newUser(t)
			room := alice.createRoom(obj{"preset": "public_chat"})
			time.Sleep(2 * time.Millisecond)
			before := alice.send(room, "a")
			time.Sleep(2 * time.Millisecond)
			want := alice.send(room, "b")
			ts := alice.sentAt(room, want)
			time.Sleep(2 * time.Millisecond)
			after := alice.send(room, "c")
			charlie.joinVia(room, s.name).ok()
			a := charlie.at(room, ts, dir).ok()
			if a.str("event_id") != want || int64(a.num("origin_server_ts")) != ts {
				t.Fatalf("B178: got %s, want %s", a.raw, want)
			}
			context := charlie.get(path("/v3/rooms", room, "context", want) + "?limit=0").ok()
			if got := charlie.readBack(room, context.str("start"), 100); !slices.Equal(got, []string{before}) {
				t.Errorf("B180: before its start is %v, want %s", got, before)
			}
			if got := charlie.readBack(room, context.str("end"), 100); !slices.Equal(got, []string{want, before}) {
				t.Errorf("B180: before its end is %v, want %s and %s", got, want, before)
			}
			if got := charlie.readBack(room, "", 100); !slices.Equal(got, []string{after, want, before}) {
				t.Errorf("all of it is %v, want %v", got, []string{after, want, before})
			}
		})
	}
}

// TestB179: what an application service imported is found backwards from before the room was made.
func TestB179(t *testing.T) {
	s, s2 := first(t), second(t)
	bot, charlie := s.service(t, nil), s2.newUser(t)
	begin := time.Now()
	room := bot.createRoom(obj{"preset": "public_chat"})
	bot.send(room, "now")
	long := begin.Add(-24 * time.Hour).UnixMilli()
	imported := bot.put(path("/v3/rooms", room, "send", "m.room.message", "old")+fmt.Sprintf("?ts=%d", long),
		obj{"msgtype": "m.text", "body": "old"}).ok().str("event_id")
	charlie.joinVia(room, s.name).ok()
	a := charlie.at(room, begin.UnixMilli()-1000, "b").ok()
	if a.str("event_id") != imported || int64(a.num("origin_server_ts")) != long {
		t.Errorf("got %s, want %s", a.raw, imported)
	}
}
