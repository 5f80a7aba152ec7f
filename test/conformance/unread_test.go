package conformance

import (
	"strings"
	"testing"
)

// 17 Unread counts and thread notifications

var threaded = obj{"room": obj{"timeline": obj{"unread_thread_notifications": true}}}

func TestB234(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	first := alice.sync("", nil)
	alice.send(room, "x")
	for _, a := range []*answer{first, alice.sync(first.str("next_batch"), nil)} {
		if u := a.joined(room).at("unread_notifications"); !u.isNumber("notification_count") || !u.isNumber("highlight_count") {
			t.Errorf("%s: got %v", a.asked, u)
		}
	}
}

func TestThreadNotifications(t *testing.T) {
	alice, bob, room := pair(t)
	since := bob.now()
	inThread := func(body, root string) string {
		return alice.sendEvent(room, "m.room.message", obj{
			"msgtype": "m.text", "body": body, "m.relates_to": obj{"rel_type": "m.thread", "event_id": root},
		})
	}
	a := alice.send(room, "A")
	b := inThread("B", a)
	inThread("C for "+bob.id, a)
	d := alice.send(room, "D for "+bob.id)
	inThread("E", a)
	f := alice.sendEvent(room, "m.room.message", obj{
		"msgtype": "m.text", "body": "F", "m.relates_to": obj{"rel_type": "m.reference", "event_id": a},
	})
	g := alice.sendEvent(room, "m.room.reaction", obj{"m.relates_to": obj{"rel_type": "m.annotation", "event_id": f, "key": "x"}})

	type pair = [2]float64
	check := func(line string, sum, main, thread pair) {
		t.Helper()
		t.Run(line, func(t *testing.T) {
			count := func(v value) pair { return pair{v.num("notification_count"), v.num("highlight_count")} }
			for range 2 { // the same token again
				whole := bob.sync(since, nil).joined(room)
				if got := count(whole.at("unread_notifications")); got != sum {
					t.Errorf("sum: got %v, want %v", got, sum)
				}
				if whole.has("unread_thread_notifications") {
					t.Error("B237: threads without being asked for")
				}
				split := bob.sync(since, threaded).joined(room)
				if got := count(split.at("unread_notifications")); got != main {
					t.Errorf("B238: got %v, want %v", got, main)
				}
				got := split.at("unread_thread_notifications")
				if thread == (pair{}) {
					if !got.missing() {
						t.Errorf("B243: got %v, want no threads", got)
					}
				} else if count(got.at(a)) != thread || len(got.keys()) != 1 {
					t.Errorf("B238, the thread: got %v, want %v", got, thread)
				}
			}
		})
	}
	receipts := func() value { return bob.sync(since, nil).ephemeral(room, "m.receipt").at("content") }
	own := []any{"m.read", bob.id}

	check("B235", pair{6, 2}, pair{3, 1}, pair{3, 1})
	bob.receipt(room, a, "main")
	check("B239", pair{5, 2}, pair{2, 1}, pair{3, 1})
	if got := receipts().at(a).at(own...).str("thread_id"); got != "main" {
		t.Errorf("B239: the receipt is for %q", got)
	}
	bob.receipt(room, b, a)
	check("B240", pair{4, 2}, pair{2, 1}, pair{2, 1})
	if r := receipts(); r.at(b).at(own...).str("thread_id") != a || r.at(a).at(own...).str("thread_id") != "main" {
		t.Errorf("B240: got %v", r)
	}
	bob.receipt(room, d, "")
	check("B241", pair{2, 0}, pair{1, 0}, pair{1, 0})
	if r := receipts().at(d).at(own...); r.missing() || r.has("thread_id") {
		t.Errorf("B241: got %v", r)
	}
	bob.receipt(room, g, a)
	check("B242", pair{1, 0}, pair{1, 0}, pair{}) // and B243
}

// The words of a message count where it does not say whom it mentions.
func TestB236(t *testing.T) {
	alice, bob, room := pair(t)
	since := bob.now()
	local, _, _ := strings.Cut(bob.id[1:], ":")
	for i, c := range []struct {
		content    obj
		highlights float64
	}{
		{obj{"body": "dear " + bob.id}, 1},
		{obj{"body": "dear " + local + ", hello"}, 2},
		{obj{"body": "dear " + local + "s"}, 2},
		{obj{"body": "dear " + local, "m.mentions": obj{}}, 2},
		{obj{"body": "dear you", "m.mentions": obj{"user_ids": list{bob.id}}}, 3},
	} {
		c.content["msgtype"] = "m.text"
		alice.sendEvent(room, "m.room.message", c.content)
		got := bob.sync(since, nil).joined(room).at("unread_notifications")
		if got.num("highlight_count") != c.highlights || got.num("notification_count") != float64(i+1) {
			t.Errorf("%v: got %v, want %v of %d", c.content, got, c.highlights, i+1)
		}
	}
}

// Counts are as of now, in whatever sync has the room.
func TestB244(t *testing.T) {
	alice, bob, room := pair(t)
	tokens := []string{""}
	for i := range 3 {
		tokens = append(tokens, bob.now())
		alice.send(room, "x")
		for _, since := range tokens {
			if got := bob.sync(since, nil).joined(room).num("unread_notifications", "notification_count"); got != float64(i+1) {
				t.Errorf("after %d messages, from %q: got %v", i+1, since, got)
			}
		}
	}
}

// TestUnreadRedacted: what is gone need not be read.
func TestUnreadRedacted(t *testing.T) {
	alice, bob, room := pair(t)
	since := bob.now()
	event := alice.send(room, "for "+bob.id)
	unread := func() string { return bob.sync(since, nil).joined(room).at("unread_notifications").String() }
	if got, want := unread(), `{"highlight_count":1,"notification_count":1}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	alice.put(path("/v3/rooms", room, "redact", event, "t"), obj{}).ok()
	if got, want := unread(), `{"highlight_count":0,"notification_count":0}`; got != want {
		t.Errorf("redacted: got %s, want %s", got, want)
	}
}
