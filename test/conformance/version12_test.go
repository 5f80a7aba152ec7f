package conformance

import (
	"slices"
	"strings"
	"testing"
)

// 38 Room version 12

// room12 makes a room of version 12; body may be nil.
func (u *user) room12(body obj) string {
	u.t.Helper()
	if body == nil {
		body = obj{}
	}
	body["room_version"] = "12"
	return u.createRoom(body)
}

// createEvent is a room's create event as /state gives it.
func (u *user) createEvent(room string) value {
	u.t.Helper()
	return u.get(path("/v3/rooms", room, "state")).ok().find("m.room.create", "")
}

func TestB508(t *testing.T) {
	alice := newUser(t)
	room := alice.room12(nil)
	if want := "!" + strings.TrimPrefix(alice.createEvent(room).str("event_id"), "$"); room != want {
		t.Errorf("made: got %s, want %s", room, want)
	}
}

func TestB510(t *testing.T) {
	alice := newUser(t)
	room := alice.room12(obj{"preset": "public_chat"})
	create := alice.createEvent(room)
	sent := alice.send(room, "x")
	around := func(event string) *answer {
		return alice.get(path("/v3/rooms", room, "context", event) + "?limit=100").ok()
	}
	for what, e := range map[string]value{
		"/state":        create,
		"/messages":     alice.get(path("/v3/rooms", room, "messages")+"?dir=f&limit=100").ok().at("chunk").find("m.room.create", ""),
		"/event":        alice.event(room, create.str("event_id")).ok().value,
		"/context":      around(create.str("event_id")).at("event"),
		"events_before": around(sent).at("events_before").find("m.room.create", ""),
		"state":         around(sent).at("state").find("m.room.create", ""),
		"format=event":  alice.get(path("/v3/rooms", room, "state", "m.room.create", "") + "?format=event").ok().value,
	} {
		if got := e.str("room_id"); got != room {
			t.Errorf("%s: room_id is %q, want %s", what, got, room)
		}
	}
	if e := alice.sync("", nil).timeline(room).find("m.room.create", ""); e.missing() || e.has("room_id") {
		t.Errorf("/sync: got %v", e)
	}
}

// What the invited and who knocks are shown is stripped, the create event too, of a room here and of one elsewhere. Between
// servers it is whole.
func TestStrippedCreateEvent(t *testing.T) {
	alice := first(t).newUser(t)
	for where, bob := range map[string]*user{"here": first(t).newUser(t), "elsewhere": second(t).newUser(t)} {
		check := func(what string, events value) {
			e := events.find("m.room.create", "")
			if keys := e.keys(); !slices.Equal(keys, []string{"content", "sender", "state_key", "type"}) || e.str("content", "room_version") != "12" {
				t.Errorf("%s, %s: got %v", where, what, events)
			}
		}
		room := alice.room12(nil)
		alice.invite(room, bob)
		a := bob.soon("", "the invitation", func(a *answer) bool { return !a.invited(room).missing() })
		check("invited", a.invited(room).at("invite_state", "events"))
		room = alice.room12(obj{"initial_state": list{obj{"type": "m.room.join_rules", "content": obj{"join_rule": "knock"}}}})
		bob.post(path("/v3/knock", room)+"?via="+alice.server(), obj{}).ok()
		a = bob.soon("", "the knock", func(a *answer) bool { return !a.knocked(room).missing() })
		check("knocked", a.knocked(room).at("knock_state", "events"))
	}
}

func TestB513(t *testing.T) {
	alice := newUser(t)
	got := alice.state(alice.room12(nil), "m.room.power_levels", "").ok()
	if !got.at("users").equals(obj{}) || got.num("events", "m.room.tombstone") != 150 {
		t.Errorf("got %s", got.raw)
	}
}

func TestB514(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	for _, listed := range []*user{alice, bob} {
		body := obj{"room_version": "12", "creation_content": obj{"additional_creators": list{bob.id}}}
		room := alice.createRoom(body)
		levels := obj{"users": obj{listed.id: 100}}
		alice.put(path("/v3/rooms", room, "state", "m.room.power_levels"), levels).fails(400)
		body["power_level_content_override"] = levels
		alice.post("/v3/createRoom", body).fails(400)
	}
}

func TestB515(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.room12(obj{"power_level_content_override": obj{"users": obj{bob.id: 50}}})
	if got := alice.state(room, "m.room.power_levels", "").ok(); !got.at("users").equals(obj{bob.id: 50}) {
		t.Errorf("got %s", got.raw)
	}
}

func TestB516(t *testing.T) {
	alice := newUser(t)
	const most = 1<<53 - 1
	for _, level := range []int{100, 150, most} {
		bob := newUser(t)
		room := alice.room12(obj{"preset": "public_chat", "power_level_content_override": obj{"users": obj{bob.id: level}}})
		bob.join(room)
		bob.about("kick", room, alice).fails(403, "M_FORBIDDEN")
		alice.about("kick", room, bob).ok()
	}
	t.Run("B517", func(t *testing.T) {
		room := alice.room12(nil)
		for _, level := range []int{most + 1, 1 << 60} {
			alice.put(path("/v3/rooms", room, "state", "m.room.power_levels"), obj{"users": obj{"@x:y": level}}).fails(400)
		}
	})
}

func TestB518(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.room12(obj{"preset": "public_chat", "creation_content": obj{"additional_creators": list{bob.id}}})
	if got := alice.state(room, "m.room.create", "").ok(); !got.at("additional_creators").equals(list{bob.id}) {
		t.Errorf("got %s", got.raw)
	}
	bob.join(room)
	bob.setState(room, "m.room.name", "", obj{"name": "Bob's too"})
	alice.about("kick", room, bob).fails(403, "M_FORBIDDEN")
}

func TestB519(t *testing.T) {
	alice, bob, charlie := newUser(t), newUser(t), newUser(t)
	room := alice.room12(obj{
		"preset": "trusted_private_chat", "invite": list{bob.id, charlie.id},
		"creation_content": obj{"additional_creators": list{charlie.id, "@far:away.example"}},
	})
	got := words(alice.state(room, "m.room.create", "").ok().at("additional_creators"))
	slices.Sort(got)
	want := []string{bob.id, charlie.id, "@far:away.example"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if levels := alice.state(room, "m.room.power_levels", "").ok(); !levels.at("users").equals(obj{}) {
		t.Errorf("got %s", levels.raw)
	}
}

func TestB520(t *testing.T) {
	alice := newUser(t)
	for _, bad := range []any{
		"@a:b",
		obj{},
		5,
		list{5},
		list{obj{}},
		list{nil},
		list{"bob"},
		list{""},
		list{"#a:b"},
		list{"@a"},
		list{"@a:"},
		list{"@a:not a server"},
		list{"@a:b:port"},
		list{"@a:b", "x"},
	} {
		body := obj{"room_version": "12", "creation_content": obj{"additional_creators": bad}}
		if a := alice.post("/v3/createRoom", body); a.status != 400 {
			t.Errorf("%v: got %d %s", bad, a.status, a.raw)
		}
	}
	alice.room12(obj{"creation_content": obj{"additional_creators": list{"@a:unknown.example", "@b:1.2.3.4:80", "@c:[::1]"}}})
}
