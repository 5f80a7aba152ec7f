package conformance

import (
	"testing"
)

// 12 History visibility and single events

// roomWith makes a public room with a history visibility.
func (u *user) roomWith(visibility string) string {
	u.t.Helper()
	return u.createRoom(obj{"preset": "public_chat", "initial_state": list{
		obj{"type": "m.room.history_visibility", "content": obj{"history_visibility": visibility}},
	}})
}

func (u *user) event(room, id string) *answer {
	u.t.Helper()
	return u.get(path("/v3/rooms", room, "event", id))
}

func TestB156(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	sent := alice.send(room, "hello")
	a := alice.event(room, sent).ok()
	if a.str("type") != "m.room.message" || !a.at("content").equals(text("hello")) || a.str("room_id") != room ||
		a.str("sender") != alice.id || a.str("event_id") != sent || !a.isNumber("origin_server_ts") {
		t.Errorf("got %s", a.raw)
	}
}

func TestB157(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	for visibility, status := range map[string]int{"joined": 404, "shared": 200} {
		room := alice.roomWith(visibility)
		before := alice.send(room, "before")
		bob.join(room)
		if a := bob.event(room, before); a.status != status {
			t.Errorf("%s: got %d %s, want %d", visibility, a.status, a.raw, status)
		}
		bob.event(room, alice.send(room, "after")).ok()
	}
}

func TestB158(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.roomWith("invited")
	before := alice.send(room, "before")
	alice.invite(room, bob)
	between := alice.send(room, "between")
	bob.join(room)
	bob.event(room, between).ok()
	bob.event(room, before).fails(404, "M_NOT_FOUND")
}

func TestB159(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.roomWith("shared")
	bob.event(room, alice.send(room, "shared")).fails(404, "M_NOT_FOUND")
	room = alice.roomWith("world_readable")
	bob.event(room, alice.send(room, "for all")).ok()
}

func TestB160(t *testing.T) {
	alice, bob, carol := newUser(t), newUser(t), newUser(t)
	room := alice.roomWith("shared")
	shared := alice.send(room, "shared")
	alice.setState(room, "m.room.history_visibility", "", obj{"history_visibility": "joined"})
	joined := alice.send(room, "joined")
	bob.join(room)
	bob.event(room, shared).ok()
	bob.event(room, joined).fails(404, "M_NOT_FOUND")
	here := alice.send(room, "while Bob is here")
	bob.leave(room)
	bob.event(room, here).ok()
	alice.setState(room, "m.room.history_visibility", "", obj{"history_visibility": "world_readable"})
	bob.event(room, joined).fails(404, "M_NOT_FOUND")
	carol.event(room, here).fails(404, "M_NOT_FOUND")
	carol.event(room, alice.send(room, "for all")).ok()
}

func TestB161(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat"})
	alice.send(room, "before")
	bob.join(room)
	alice.send(room, "after")
	want := "leave"
	for _, e := range bob.sync("", nil).timeline(room).list() {
		if e.str("type") == "m.room.member" && e.str("state_key") == bob.id {
			want = "join"
		}
		if got := e.str("unsigned", "membership"); got != want {
			t.Errorf("%s: got %q, want %q", e.str("type"), got, want)
		}
	}
	if want != "join" {
		t.Errorf("Bob's join is not in the timeline")
	}
}

func TestB162(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.roomWith("joined")
	other := alice.createRoom(nil)
	hidden, elsewhere := alice.send(room, "hidden"), alice.send(other, "elsewhere")
	bob.join(room)
	for _, id := range []string{hidden, elsewhere, "$unknown", "no id"} {
		bob.event(room, id).fails(404, "M_NOT_FOUND")
	}
	bob.event(other, elsewhere).fails(404, "M_NOT_FOUND")
	bob.event("!unknown:"+bob.server(), hidden).fails(404, "M_NOT_FOUND")
}
