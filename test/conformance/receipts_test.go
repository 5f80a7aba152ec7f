package conformance

import (
	"testing"
)

// 16 Receipts, read markers, typing

// receipt sends one; thread may be "", for none.
func (u *user) receipt(room, event, thread string) {
	u.t.Helper()
	body := obj{}
	if thread != "" {
		body["thread_id"] = thread
	}
	u.post(path("/v3/rooms", room, "receipt", "m.read", event), body).ok()
}

// ephemeral finds an ephemeral event of a joined room.
func (a *answer) ephemeral(room, typ string) value {
	return a.joined(room).at("ephemeral", "events").find(typ)
}

// pair is two people in a room.
func pair(t *testing.T) (alice, bob *user, room string) {
	t.Helper()
	alice, bob = newUser(t), newUser(t)
	room = alice.publicRoom()
	bob.join(room)
	return alice, bob, room
}

func TestB224(t *testing.T) {
	alice, bob, room := pair(t)
	event := alice.send(room, "x")
	since := map[*user]string{alice: alice.now(), bob: bob.now()}
	alice.receipt(room, event, "")
	for _, u := range []*user{alice, bob} {
		u.soon(since[u], "the receipt", func(a *answer) bool {
			r := a.ephemeral(room, "m.receipt")
			if r.missing() {
				return false
			}
			if !r.isNumber("content", event, "m.read", alice.id, "ts") {
				t.Errorf("got %v", r)
			}
			if r.has("room_id") {
				t.Error("B226: it has a room_id")
			}
			return true
		})
	}
}

func TestB225(t *testing.T) {
	alice, bob, room := pair(t)
	event := bob.send(room, "x")
	since := alice.now()
	alice.post(path("/v3/rooms", room, "read_markers"), obj{"m.fully_read": event, "m.read": event}).ok()
	a := alice.sync(since, nil)
	if a.ephemeral(room, "m.receipt").at("content", event, "m.read", alice.id).missing() {
		t.Errorf("no receipt in %v", a.joined(room))
	}
	if got := a.joined(room).at("account_data", "events").find("m.fully_read").str("content", "event_id"); got != event {
		t.Errorf("m.fully_read is %q, want %q", got, event)
	}
}

func TestB227(t *testing.T) {
	alice, bob, room := pair(t)
	event := alice.send(room, "x")
	since := alice.now()
	alice.receipt(room, event, "")
	bob.receipt(room, event, "")
	bob.typing(room, true, 10_000)
	a := alice.soon(since, "typing", func(a *answer) bool { return !a.ephemeral(room, "m.typing").missing() })
	if n := len(a.joined(room).list("ephemeral", "events")); n != 2 || len(a.ephemeral(room, "m.receipt").keys("content", event, "m.read")) != 2 {
		t.Errorf("got %v", a.joined(room).at("ephemeral"))
	}
}

func TestB228(t *testing.T) {
	alice, bob, room := pair(t)
	event := alice.send(room, "x")
	since := bob.now()
	alice.receipt(room, event, "")
	for range 3 {
		if bob.sync(since, nil).ephemeral(room, "m.receipt").missing() {
			t.Error("it is gone")
		}
	}
}

// TestPrivateReceipt: nobody else is told, not even that there is one.
func TestPrivateReceipt(t *testing.T) {
	alice, bob, room := pair(t)
	event := bob.send(room, "x")
	since, bobs := alice.now(), bob.now()
	alice.post(path("/v3/rooms", room, "receipt", "m.read.private", event), obj{}).ok()
	if alice.sync(since, nil).ephemeral(room, "m.receipt").at("content", event, "m.read.private", alice.id).missing() {
		t.Error("its owner is not told")
	}
	for _, a := range []*answer{bob.sync(bobs, nil), bob.sync("", nil)} {
		if !a.ephemeral(room, "m.receipt").missing() {
			t.Errorf("%s: got %v", a.asked, a.joined(room))
		}
	}
}

func (u *user) typing(room string, on bool, timeout int) {
	u.t.Helper()
	u.put(path("/v3/rooms", room, "typing", u.id), obj{"typing": on, "timeout": timeout}).ok()
}

func TestTyping(t *testing.T) {
	alice, bob, room := pair(t)
	outsider := newUser(t)
	outsider.createRoom(nil)
	since, outside := bob.now(), outsider.now()
	t.Run("B229", func(t *testing.T) {
		alice.typing(room, true, 10_000)
		a := bob.soon(since, "typing", func(a *answer) bool { return !a.ephemeral(room, "m.typing").missing() })
		if e := a.ephemeral(room, "m.typing"); !e.at("content", "user_ids").equals(list{alice.id}) || e.has("room_id") {
			t.Errorf("got %v", e)
		}
		since = a.str("next_batch")
	})
	t.Run("B230", func(t *testing.T) {
		alice.typing(room, false, 0)
		a := bob.soon(since, "the end of typing", func(a *answer) bool { return !a.ephemeral(room, "m.typing").missing() })
		if e := a.ephemeral(room, "m.typing"); !e.at("content", "user_ids").equals(list{}) {
			t.Errorf("got %v", e)
		}
		alice.typing(room, true, 0)
		bob.soon(a.str("next_batch"), "typing for no time", func(a *answer) bool { return !a.ephemeral(room, "m.typing").missing() })
	})
	t.Run("B231", func(t *testing.T) {
		if a := outsider.sync(outside, nil); !a.at("rooms", "join").missing() {
			t.Errorf("got %s", a.raw)
		}
		outsider.put(path("/v3/rooms", room, "typing", outsider.id), obj{"typing": true}).fails(403)
	})
}

func TestB232(t *testing.T) {
	alice, bob, room := pair(t)
	charlie := newUser(t)
	charlie.join(room)
	since := map[*user]string{bob: bob.now(), charlie: charlie.now()}
	alice.typing(room, true, 10_000)
	for u, since := range since {
		u.soon(since, "typing", func(a *answer) bool {
			return a.ephemeral(room, "m.typing").at("content", "user_ids").equals(list{alice.id})
		})
	}
}

func TestB233(t *testing.T) {
	alice, bob, room := pair(t)
	event := bob.send(room, "x")
	since := bob.now()
	alice.receipt(room, event, "")
	alice.receipt(room, event, "main")
	for _, u := range []*user{alice, bob} {
		var own []value
		for _, e := range u.sync(since, nil).joined(room).list("ephemeral", "events") {
			if r := e.at("content", event, "m.read", alice.id); !r.missing() {
				own = append(own, r)
			}
		}
		if len(own) != 2 || own[0].has("thread_id") || own[1].str("thread_id") != "main" {
			t.Errorf("got %v, want the one without a thread, then the other in an event of its own", own)
		}
	}
}
