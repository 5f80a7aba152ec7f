package conformance

import (
	"strings"
	"testing"
	"time"
)

// 39 Delayed events (MSC4140)

const delayedPath = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"

// later sends a message after a delay in milliseconds and gives the id to manage it by.
func (u *user) later(room, txn, delay, text string) string {
	u.t.Helper()
	return u.put(path("/v3/rooms", room, "send", "m.room.message", txn)+"?org.matrix.msc4140.delay="+delay,
		obj{"msgtype": "m.text", "body": text}).ok().str("delay_id")
}

// stateLater sets org.test state after a delay in milliseconds.
func (u *user) stateLater(room, key, delay string) string {
	u.t.Helper()
	return u.put(path("/v3/rooms", room, "state", "org.test", key)+"?org.matrix.msc4140.delay="+delay, obj{"key": key}).ok().str("delay_id")
}

// waiting are the ids of the user's events that wait.
func (u *user) waiting() []string {
	u.t.Helper()
	return u.get(delayedPath).ok().at("delayed_events").all("delay_id")
}

// eventually asks again until it is so.
func eventually(t *testing.T, what string, seen func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !seen(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

func TestDelayedEvents(t *testing.T) {
	t.Run("B550", func(t *testing.T) {
		alice := newUser(t)
		room := alice.createRoom(nil)
		if alice.later(room, "1", "60000", "x") == "" || alice.stateLater(room, "k", "60000") == "" {
			t.Error("no delay_id")
		}
		alice.state(room, "org.test", "k").fails(404)
		for _, delay := range []string{"0", "-1", "86400001", "9223372036854775807", "-9223372036854775808"} {
			a := alice.put(path("/v3/rooms", room, "state", "org.test", "k")+"?org.matrix.msc4140.delay="+delay, obj{}).fails(400, "M_UNKNOWN")
			if a.str("org.matrix.msc4140.errcode") != "M_MAX_DELAY_EXCEEDED" {
				t.Errorf("%s: got %s", delay, a.raw)
			}
		}
		newUser(t).put(path("/v3/rooms", room, "state", "org.test", "k")+"?org.matrix.msc4140.delay=1", obj{}).fails(403, "M_FORBIDDEN")
		alice.put(path("/v3/rooms", room, "send", "m.room.message", "2"), nil).fails(400, "M_NOT_JSON")
	})
	t.Run("B551", func(t *testing.T) {
		alice := newUser(t)
		room := alice.createRoom(nil)
		first := alice.later(room, "1", "60000", "x")
		again := alice.put(path("/v3/rooms", room, "send", "m.room.message", "1")+"?org.matrix.msc4140.delay=60000", nil).ok().str("delay_id")
		if again != first {
			t.Errorf("got %s, then %s", first, again)
		}
	})
	t.Run("B552", func(t *testing.T) {
		alice, bob := newUser(t), newUser(t)
		room := alice.createRoom(nil)
		if got := alice.waiting(); len(got) != 0 {
			t.Errorf("got %v, want none", got)
		}
		one := alice.later(room, "1", "60000", "x")
		list := alice.get(delayedPath).ok()
		e := list.at("delayed_events").list()[0]
		if e.str("delay_id") != one || e.str("content", "body") != "x" || e.num("delay") != 60000 {
			t.Errorf("got %s", list.raw)
		}
		alice.get(delayedPath + "/" + one).ok()
		bob.get(delayedPath+"/"+one).fails(404, "M_NOT_FOUND")
		if got := bob.waiting(); len(got) != 0 {
			t.Errorf("somebody else sees %v", got)
		}
		nobody(t).get(delayedPath).fails(401)
	})
	t.Run("B553", func(t *testing.T) {
		t.Parallel() // it waits
		alice := newUser(t)
		room := alice.createRoom(nil)
		since := alice.now()
		alice.stateLater(room, "c", "4000") // far enough apart that a slow machine does not turn them round
		alice.stateLater(room, "b", "2500")
		alice.stateLater(room, "a", "1000")
		eventually(t, "the last of them", func() bool { return alice.state(room, "org.test", "c").status == 200 })
		if got := alice.waiting(); len(got) != 0 {
			t.Errorf("%v are waiting still", got)
		}
		a := alice.sync(since, nil, "use_state_after=true")
		var order strings.Builder
		for _, e := range a.timeline(room).list() {
			if e.str("type") == "org.test" {
				order.WriteString(e.str("content", "key"))
			}
		}
		if order.String() != "abc" {
			t.Errorf("got the order %q, want abc", order.String())
		}
		if a.joined(room).at("state_after", "events").find("org.test", "a").missing() {
			t.Errorf("not in state_after: %s", a.raw)
		}
		if got := alice.state(room, "org.test", "b").ok().str("key"); got != "b" {
			t.Errorf("got content %q", got)
		}
	})
	t.Run("B554", func(t *testing.T) {
		t.Parallel() // it waits
		alice := newUser(t)
		room := alice.createRoom(nil)
		act := func(delayID, action string) *answer {
			return nobody(t).post(delayedPath+"/"+delayID+"/"+action, obj{})
		}
		cancelled, sent, restarted := alice.stateLater(room, "cancelled", "5000"), alice.stateLater(room, "sent", "60000"), alice.stateLater(room, "restarted", "6000")
		act(cancelled, "cancel").ok()
		act(sent, "send").ok()
		alice.state(room, "org.test", "sent").ok()
		time.Sleep(3 * time.Second)
		act(restarted, "restart").ok()
		if got := alice.waiting(); len(got) != 1 || got[0] != restarted {
			t.Errorf("B555: %v wait, want %s", got, restarted)
		}
		time.Sleep(4 * time.Second) // by now it would have been sent without the restart
		alice.state(room, "org.test", "restarted").fails(404)
		eventually(t, "the restarted event", func() bool { return alice.state(room, "org.test", "restarted").status == 200 })
		alice.state(room, "org.test", "cancelled").fails(404)
		t.Run("B556", func(t *testing.T) {
			for _, action := range []string{"cancel", "restart", "send"} {
				act(sent, action).fails(404, "M_NOT_FOUND")
				act("unknown", action).fails(404, "M_NOT_FOUND")
			}
			act(sent, "explode").fails(404)
			if got := nobody(t).post(delayedPath+"/"+sent, obj{}).status; got < 400 {
				t.Errorf("without an action: got %d", got)
			}
		})
	})
}
