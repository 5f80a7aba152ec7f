package conformance

import (
	"testing"
)

// 33 Knocking and restricted rooms, within one server

// knockRooms runs a test with a room of each join rule that lets people knock.
func knockRooms(t *testing.T, fn func(t *testing.T, alice *user, room string)) {
	for version, rules := range map[string]obj{
		"7": {"join_rule": "knock"}, "10": {"join_rule": "knock_restricted", "allow": list{}}, "12": {"join_rule": "knock"},
	} {
		t.Run(rules["join_rule"].(string)+" in version "+version, func(t *testing.T) {
			alice := newUser(t)
			fn(t, alice, alice.createRoom(obj{"room_version": version, "initial_state": list{
				obj{"type": "m.room.join_rules", "content": rules},
			}}))
		})
	}
}

func (u *user) knock(room, reason string) *answer {
	u.t.Helper()
	body := obj{}
	if reason != "" {
		body["reason"] = reason
	}
	return u.post(path("/v3/knock", room), body)
}

func TestB410(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	for _, version := range []string{"7", "10", "12"} {
		bob.knock(alice.createRoom(obj{"room_version": version}), "").fails(403, "M_FORBIDDEN")
	}
}

func TestKnock(t *testing.T) {
	knockRooms(t, func(t *testing.T, alice *user, room string) {
		bob := newUser(t)
		t.Run("B411", func(t *testing.T) {
			bob.post(path("/v3/rooms", room, "join"), obj{}).fails(403, "M_FORBIDDEN")
		})
		before := alice.now()
		t.Run("B412", func(t *testing.T) {
			bob.knock(room, "let me in").ok()
			own := func(a *answer) value {
				return a.knocked(room).at("knock_state", "events").find("m.room.member", bob.id)
			}
			a := bob.soon("", "the knock", func(a *answer) bool { return !own(a).missing() })
			if got := own(a).str("content", "membership"); got != "knock" {
				t.Errorf("got %q", got)
			}
		})
		t.Run("B413", func(t *testing.T) {
			bob.knock(room, "again").ok()
			bob.knock(room, "").ok()
		})
		t.Run("B414", func(t *testing.T) {
			a := alice.sees(before, room, bob, "knock")
			if got := a.timeline(room).find("m.room.member", bob.id).str("content", "reason"); got != "let me in" {
				t.Errorf("got reason %q", got)
			}
		})
		t.Run("B415", func(t *testing.T) {
			since := bob.now()
			bob.leave(room)
			a := bob.soon(since, "the leave", func(a *answer) bool { return !a.left(room).missing() })
			if got := a.left(room).at("timeline", "events").find("m.room.member", bob.id).str("content", "membership"); got != "leave" {
				t.Errorf("got %v", a.left(room))
			}
			bob.knock(room, "").ok()
		})
		t.Run("B416", func(t *testing.T) {
			since := alice.now()
			alice.about("kick", room, bob).ok()
			alice.sees(since, room, bob, "leave")
			bob.knock(room, "").ok()
		})
		t.Run("B417", func(t *testing.T) {
			alice.invite(room, bob)
			bob.knock(room, "").fails(403, "M_FORBIDDEN")
			bob.join(room)
			bob.knock(room, "").fails(403, "M_FORBIDDEN")
			alice.about("ban", room, bob).ok()
			bob.knock(room, "").fails(403, "M_FORBIDDEN")
		})
	})
}

func TestB419(t *testing.T) {
	alice := newUser(t)
	rules := func(room string) string {
		for _, r := range alice.get("/v3/publicRooms").ok().list("chunk") {
			if r.str("room_id") == room {
				return r.str("join_rule")
			}
		}
		return ""
	}
	for _, c := range []struct{ version, rule string }{{"7", "knock"}, {"10", "knock_restricted"}, {"7", "public"}, {"10", "public"}} {
		room := alice.createRoom(obj{"room_version": c.version, "visibility": "public", "initial_state": list{
			obj{"type": "m.room.join_rules", "content": obj{"join_rule": c.rule, "allow": list{}}},
		}})
		if got := rules(room); got != c.rule {
			t.Errorf("got join rule %q, want %q", got, c.rule)
		}
	}
}

// restricted makes a room that the members of allowed may join.
func (u *user) restricted(version, rule, allowed string) string {
	u.t.Helper()
	return u.createRoom(obj{"room_version": version, "initial_state": list{
		obj{"type": "m.room.join_rules", "content": obj{"join_rule": rule, "allow": list{
			obj{"type": "m.room_membership", "room_id": allowed, "via": list{u.server()}},
		}}},
	}})
}

func TestRestricted(t *testing.T) {
	for version, rule := range map[string]string{"8": "restricted", "10": "knock_restricted", "12": "restricted"} {
		t.Run(rule+" in version "+version, func(t *testing.T) {
			alice, bob := newUser(t), newUser(t)
			allowed := alice.publicRoom()
			room := alice.restricted(version, rule, allowed)
			join := func() *answer { return bob.post(path("/v3/rooms", room, "join"), obj{}) }
			member := path("/v3/rooms", room, "state", "m.room.member", bob.id)
			t.Run("B420", func(t *testing.T) {
				join().fails(403, "M_FORBIDDEN")
				// The server vouches for the joiner; she cannot do that herself.
				forged := obj{"membership": "join", "join_authorised_via_users_server": alice.id}
				bob.put(member, forged).fails(403, "M_FORBIDDEN")
				bob.post(path("/v3/rooms", room, "join"), forged).fails(403, "M_FORBIDDEN")
				bob.join(allowed)
				join().ok()
				if got := alice.state(room, "m.room.member", bob.id).ok(); got.str("join_authorised_via_users_server") != alice.id {
					t.Errorf("got %s", got.raw)
				}
			})
			t.Run("B421", func(t *testing.T) {
				bob.put(member, obj{
					"membership": "join", "displayname": "Bobby", "join_authorised_via_users_server": "unused",
				}).ok()
			})
			t.Run("B422", func(t *testing.T) {
				bob.leave(allowed)
				bob.leave(room)
				join().fails(403, "M_FORBIDDEN")
				alice.invite(room, bob)
				join().ok()
			})
			t.Run("B423", func(t *testing.T) {
				bob.leave(room)
				bob.join(allowed)
				for _, allow := range []any{list{"invalid"}, "invalid", list{obj{"type": "m.room_membership", "room_id": 5}}} {
					alice.setState(room, "m.room.join_rules", "", obj{"join_rule": rule, "allow": allow})
					join().fails(403, "M_FORBIDDEN")
				}
			})
		})
	}
}
