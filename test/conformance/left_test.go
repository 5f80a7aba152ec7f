package conformance

import (
	"fmt"
	"slices"
	"testing"
)

// 15 Sync and filters: rooms that were left

var withLeft = obj{"room": obj{"include_leave": true}}

func TestB213(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	since := alice.now()
	alice.leave(room)
	for what, a := range map[string]*answer{
		"initial":                      alice.sync("", withLeft),
		"full_state":                   alice.sync(alice.now(), withLeft, "full_state=true"),
		"incremental":                  alice.sync(since, withLeft),
		"incremental, without the ask": alice.sync(since, nil),
	} {
		if a.left(room).missing() {
			t.Errorf("%s: got %s", what, a.at("rooms"))
		}
	}
	if a := alice.sync("", nil); !a.left(room).missing() {
		t.Errorf("initial, without the ask: got %s", a.at("rooms"))
	}
}

func TestB214(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	kicked, banned, left := alice.publicRoom(), alice.publicRoom(), alice.publicRoom()
	for _, room := range []string{kicked, banned, left} {
		bob.join(room)
	}
	alice.about("kick", kicked, bob).ok()
	alice.about("ban", banned, bob).ok()
	bob.leave(left)
	a := bob.sync("", nil)
	if a.left(kicked).missing() || a.left(banned).missing() || !a.left(left).missing() {
		t.Errorf("got %s", a.at("rooms"))
	}
}

func TestB215(t *testing.T) {
	alice := newUser(t)
	room, other := alice.createRoom(nil), alice.createRoom(nil)
	since := alice.now()
	alice.leave(room)
	for i := range 20 {
		alice.send(other, fmt.Sprint(i))
	}
	if a := alice.sync(since, obj{"room": obj{"timeline": obj{"limit": 1}}}); a.left(room).missing() {
		t.Errorf("got %s", a.at("rooms"))
	}
}

func TestB216(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	bob.leave(room)
	since := bob.now()
	alice.send(room, "on we go")
	if a := bob.sync(since, nil); !a.left(room).missing() {
		t.Errorf("got %s", a.at("rooms"))
	}
}

func TestB217(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	since := bob.now()
	alice.send(room, "before")
	bob.leave(room)
	alice.send(room, "after")
	alice.setState(room, "m.room.topic", "", obj{"topic": "after"})
	for _, a := range []*answer{bob.sync("", withLeft), bob.sync(since, nil)} {
		r := a.left(room)
		last := r.at("timeline", "events", -1)
		if last.str("state_key") != bob.id || last.str("content", "membership") != "leave" {
			t.Errorf("%s: the last event is %v", a.asked, last)
		}
		if !r.at("state", "events").find("m.room.topic").missing() {
			t.Errorf("%s: the state is that of later: %v", a.asked, r)
		}
	}
}

func TestB218(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	since := bob.now()
	custom := alice.setState(room, "a.madeup.test.state", "", obj{"my_key": 1})
	message := alice.send(room, "before")
	bob.leave(room)
	alice.setState(room, "a.madeup.test.state", "", obj{"my_key": 2})
	alice.send(room, "after")
	types := list{"m.room.message", "a.madeup.test.state"}
	filter := obj{"room": obj{"include_leave": true, "timeline": obj{"types": types}, "state": obj{"types": types}}}
	for _, a := range []*answer{bob.sync("", filter), bob.sync(since, filter)} {
		r := a.left(room)
		if got := r.at("timeline", "events").all("event_id"); !slices.Equal(got, []string{custom, message}) || len(r.list("state", "events")) != 0 {
			t.Errorf("%s: got %v", a.asked, r)
		}
	}
}

func TestB219(t *testing.T) { // and B220
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	since := bob.now()
	alice.setState(room, "a.madeup.test.state", "", obj{"my_key": 1})
	bob.leave(room)
	alice.setState(room, "a.madeup.test.state", "", obj{"my_key": 2})
	filter := obj{"room": obj{"include_leave": true, "timeline": obj{"limit": 0}}}
	for _, a := range []*answer{bob.sync("", filter), bob.sync(since, filter)} {
		r := a.left(room)
		if !r.isList("timeline", "events") || len(r.list("timeline", "events")) != 0 {
			t.Errorf("%s: timeline %v", a.asked, r.at("timeline"))
		}
		state := r.at("state", "events")
		if got := state.find("m.room.member", bob.id).str("content", "membership"); got != "leave" {
			t.Errorf("%s: own membership %q", a.asked, got)
		}
		if got := state.find("a.madeup.test.state").num("content", "my_key"); got != 1 {
			t.Errorf("%s: custom state %v", a.asked, got)
		}
	}
}

func TestB221(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat"})
	alice.setState(room, "m.room.history_visibility", "", obj{"history_visibility": "joined"})
	since := alice.now()
	alice.leave(room)
	r := alice.sync(since, nil).left(room)
	events := r.list("timeline", "events")
	if len(events) != 1 || events[0].str("content", "membership") != "leave" || events[0].str("sender") != alice.id || len(r.list("state", "events")) != 0 {
		t.Errorf("got %v", r)
	}
}

func TestB222(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"initial_state": list{obj{
		"type": "m.room.history_visibility", "state_key": "", "content": obj{"history_visibility": "joined"},
	}}})
	alice.invite(room, bob)
	since := bob.now()
	bob.leave(room)
	r := bob.sync(since, withLeft).left(room)
	events := r.list("timeline", "events")
	if len(events) != 1 || events[0].str("content", "membership") != "leave" || events[0].str("state_key") != bob.id {
		t.Errorf("got %v", r)
	}
	if state := r.list("state", "events"); len(state) != 0 {
		t.Errorf("who never was in is shown %v", state)
	}
}

func TestB223(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"initial_state": list{obj{
		"type": "m.room.join_rules", "state_key": "", "content": obj{"join_rule": "knock"},
	}}})
	bob.post(path("/v3/knock", room), obj{}).ok()
	a := bob.sync("", nil)
	if a.knocked(room).missing() {
		t.Errorf("knock: got %s", a.at("rooms"))
	}
	bob.leave(room)
	events := bob.sync(a.str("next_batch"), withLeft).left(room).list("timeline", "events")
	if len(events) != 1 || events[0].str("content", "membership") != "leave" || events[0].str("state_key") != bob.id {
		t.Errorf("got %v", events)
	}
}

// TestGoneSeesNothing: neither /sync nor the room's endpoints show what came to be after a user had gone, or to one who
// never was in, whatever is done to her membership afterwards.
func TestGoneSeesNothing(t *testing.T) {
	alice, bob, charlie := newUser(t), newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	bob.leave(room)
	alice.invite(room, charlie)
	charlie.leave(room)
	alice.setState(room, "org.secret", "", obj{"x": 1})
	alice.send(room, "secret")
	since, charlies := bob.now(), charlie.now()
	alice.about("ban", room, bob).ok()
	alice.about("ban", room, charlie).ok()
	for _, a := range []*answer{bob.sync("", withLeft), bob.sync(since, nil), charlie.sync("", withLeft), charlie.sync(charlies, nil)} {
		r := a.left(room)
		if !r.at("state", "events").find("org.secret").missing() || !r.at("timeline", "events").find("org.secret").missing() ||
			!r.at("timeline", "events").find("m.room.message").missing() {
			t.Errorf("%s: got %v", a.asked, r)
		}
	}
	if got := bob.get(path("/v3/rooms", room, "state", "org.secret", "")).status; got != 404 {
		t.Errorf("state after a ban: got %d, want 404", got)
	}
	charlie.get(path("/v3/rooms", room, "state")).fails(403)
	charlie.get(path("/v3/rooms", room, "members")).fails(403)
}
