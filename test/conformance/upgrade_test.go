package conformance

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// 27 Room upgrades; 38 Room version 12

func (u *user) upgrade(room string, body obj) *answer {
	u.t.Helper()
	return u.post(path("/v3/rooms", room, "upgrade"), body)
}

// upgraded upgrades the room to a version and gives the new one.
func (u *user) upgraded(room, version string) string {
	u.t.Helper()
	return u.upgrade(room, obj{"new_version": version}).ok().str("replacement_room")
}

// level changes one user's power level.
func (u *user) level(room string, of *user, level int) {
	u.t.Helper()
	levels := u.state(room, "m.room.power_levels", "").ok()
	content, _ := levels.v.(map[string]any)
	users, _ := content["users"].(map[string]any)
	users[of.id] = level
	u.setState(room, "m.room.power_levels", "", content)
}

func TestB355(t *testing.T) { // and B524, B508
	alice := newUser(t)
	for _, c := range []struct{ from, to string }{{"10", "11"}, {"10", "12"}, {"11", "12"}, {"12", "12"}} {
		room := alice.createRoom(obj{"room_version": c.from})
		made := alice.upgraded(room, c.to)
		if got := alice.state(room, "m.room.tombstone", "").ok().str("replacement_room"); got != made {
			t.Errorf("%v: the tombstone names %q, want %q", c, got, made)
		}
		create := alice.get(path("/v3/rooms", made, "state", "m.room.create", "") + "?format=event").ok()
		if create.str("content", "predecessor", "room_id") != room || create.str("content", "room_version") != c.to {
			t.Errorf("%v: got %s", c, create.raw)
		}
		last := create.str("content", "predecessor", "event_id")
		if c.to == "12" {
			if last != "" || made != "!"+strings.TrimPrefix(create.str("event_id"), "$") {
				t.Errorf("%v: room %s, got %s", c, made, create.raw)
			}
		} else if got := alice.event(room, last).ok().str("type"); got != "m.room.tombstone" {
			t.Errorf("%v: the predecessor's last event is a %q", c, got)
		}
	}
}

func TestB356(t *testing.T) {
	alice := newUser(t)
	for _, c := range []struct{ from, to string }{{"12", "11"}, {"11", "5"}, {"10", "1"}} {
		made := alice.upgraded(alice.createRoom(obj{"room_version": c.from}), c.to)
		alice.setState(made, "m.room.power_levels", "", alice.state(made, "m.room.power_levels", "").ok().v)
		alice.setState(made, "m.room.name", "", obj{"name": "mine"})
	}
}

func TestB357(t *testing.T) {
	for v, level := range map[string]int{"11": 100, "12": 150} {
		alice, bob, carol := newUser(t), newUser(t), newUser(t)
		room := alice.createRoom(obj{"preset": "public_chat", "room_version": v})
		bob.join(room)
		carol.join(room)
		carol.upgrade(room, obj{"new_version": v}).fails(403, "M_FORBIDDEN")
		alice.level(room, bob, level)
		made := bob.upgraded(room, v)
		if got := bob.get(path("/v3/rooms", made, "state", "m.room.create", "") + "?format=event").ok().str("sender"); got != bob.id {
			t.Errorf("version %s: the new room is %s's", v, got)
		}
		alice.join(made)
	}
}

func TestUpgradeRefused(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	alice.upgrade(room, obj{"new_version": "nonsense"}).fails(400, "M_UNSUPPORTED_ROOM_VERSION")
	alice.upgrade(room, obj{}).fails(400)
	alice.upgrade(room, obj{"new_version": 12}).fails(400, "M_BAD_JSON")
	alice.upgrade(room, obj{"new_version": "12", "additional_creators": "me"}).fails(400)
	alice.upgrade(room, obj{"new_version": "12", "additional_creators": list{5}}).fails(400)
	alice.upgrade(room, obj{"new_version": "12", "additional_creators": list{"nobody"}}).fails(400)
	alice.upgrade("!unknown:"+alice.server(), obj{"new_version": "12"}).fails(404, "M_NOT_FOUND")
	bob.upgrade(room, obj{"new_version": "12"}).fails(403, "M_FORBIDDEN")
	alice.state(room, "m.room.tombstone", "").fails(404)
	nobody(t).upgrade(room, obj{"new_version": "12"}).fails(401)
}

func TestUpgradeMovesSettings(t *testing.T) {
	alice, bob, carol := newUser(t), newUser(t), newUser(t)
	name := "up-" + strings.ToLower(strings.TrimPrefix(strings.SplitN(alice.id, ":", 2)[0], "@"))
	alias := "#" + name + ":" + alice.server()
	room := alice.createRoom(obj{
		"room_version": "10", "visibility": "public", "room_alias_name": name, "name": "Name", "topic": "Topic",
		"creation_content": obj{"type": "m.space", "m.federate": false, "com.example": 1},
	})
	settings := map[string]obj{
		"m.room.server_acl":         {"allow": list{"*"}, "deny": list{"evil.example"}},
		"m.room.encryption":         {"algorithm": "m.megolm.v1.aes-sha2"},
		"m.room.avatar":             {"url": "mxc://example.org/a"},
		"m.room.guest_access":       {"guest_access": "can_join"},
		"m.room.history_visibility": {"history_visibility": "joined"},
		"m.room.join_rules":         {"join_rule": "knock"},
	}
	for typ, content := range settings {
		alice.setState(room, typ, "", content)
	}
	alice.setState(room, "com.example", "", obj{"a": 1})
	alice.setState(room, "m.space.child", "!child:example.org", obj{"via": list{"example.org"}, "order": "a"})
	alice.setState(room, "m.space.child", "!gone:example.org", obj{})
	alice.invite(room, bob)
	bob.join(room)
	alice.post(path("/v3/rooms", room, "ban"), obj{"user_id": carol.id, "reason": "spam"}).ok()
	levels := alice.state(room, "m.room.power_levels", "").ok().v
	since := bob.now()

	made := alice.upgraded(room, "11")
	settings["m.room.name"] = obj{"name": "Name"}
	settings["m.room.canonical_alias"] = obj{"alias": alias}
	for typ, content := range settings {
		if got := alice.state(made, typ, "").ok(); !got.equals(content) {
			t.Errorf("%s: got %s, want %v", typ, got.raw, content)
		}
	}
	if got := alice.state(made, "m.room.topic", "").ok().str("topic"); got != "Topic" {
		t.Errorf("got topic %q", got)
	}
	if got := alice.state(made, "m.room.power_levels", "").ok(); !got.equals(levels) {
		t.Errorf("got power levels %s, want %v", got.raw, levels)
	}
	create := alice.state(made, "m.room.create", "").ok()
	if create.str("type") != "m.space" || !create.has("m.federate") || create.flag("m.federate") || create.has("com.example") {
		t.Errorf("got create %s", create.raw)
	}
	if got := alice.state(made, "m.space.child", "!child:example.org").ok(); got.str("order") != "a" {
		t.Errorf("got child %s", got.raw)
	}
	alice.state(made, "m.space.child", "!gone:example.org").fails(404)
	alice.state(made, "com.example", "").fails(404)
	if got := alice.state(made, "m.room.member", carol.id).ok(); !got.equals(obj{"membership": "ban", "reason": "spam"}) {
		t.Errorf("got ban %s", got.raw)
	}
	alice.state(made, "m.room.member", bob.id).fails(404)

	// the alias and the listing
	if got := nobody(t).get(path("/v3/directory/room", alias)).ok().str("room_id"); got != made {
		t.Errorf("the alias leads to %s, want %s", got, made)
	}
	if got := alice.state(room, "m.room.canonical_alias", "").ok(); !got.equals(obj{}) {
		t.Errorf("the old room calls itself %s", got.raw)
	}
	for r, want := range map[string]string{room: "private", made: "public"} {
		if got := alice.get(path("/v3/directory/list/room", r)).ok().str("visibility"); got != want {
			t.Errorf("%s: got %s, want %s", r, got, want)
		}
	}
	// the old room
	old := alice.state(room, "m.room.power_levels", "").ok()
	if old.num("events_default") != 50 || old.num("invite") != 50 || old.num("users", alice.id) != 100 {
		t.Errorf("got old power levels %s", old.raw)
	}
	bob.put(path("/v3/rooms", room, "send", "m.room.message", "t1"), text("still here")).fails(403, "M_FORBIDDEN")
	if bob.sync(since, nil).timeline(room).find("m.room.tombstone", "").missing() {
		t.Errorf("Bob does not see the tombstone")
	}
}

// TestDirectoryFollows: a server whose users follow to the new room has its own aliases and its own directory lead there, as the
// server that was asked to upgrade did.
func TestDirectoryFollows(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob, room := met(t, s, s2)
	alias := "#follows" + run + ":" + string(s2.name)
	bob.put(path("/v3/directory/room", alias), obj{"room_id": room}).ok()
	bob.put(path("/v3/directory/list/room", room), obj{"visibility": "public"}).fails(403)
	alice.level(room, bob, 100)
	bob.soon("", "the level", func(*answer) bool {
		return bob.state(room, "m.room.power_levels", "").ok().num("users", bob.id) == 100
	})
	bob.put(path("/v3/directory/list/room", room), obj{"visibility": "public"}).ok()
	made := alice.upgraded(room, "11")
	bob.soon("", "the tombstone", func(*answer) bool { return bob.state(room, "m.room.tombstone", "").status == 200 })
	bob.joinVia(made, s.name).ok()
	if got := bob.get(path("/v3/directory/room", alias)).ok().str("room_id"); got != made {
		t.Errorf("the alias leads to %s, want %s", got, made)
	}
	for room, want := range map[string]string{room: "private", made: "public"} {
		if got := bob.get(path("/v3/directory/list/room", room)).ok().str("visibility"); got != want {
			t.Errorf("%s is %s, want %s", room, got, want)
		}
	}
	for _, answer := range []*answer{
		alice.put(path("/v3/rooms", made, "state", "m.room.tombstone", ""), obj{"body": "x", "replacement_room": made}),
		alice.put(path("/v3/rooms", made, "send", "m.room.tombstone", "t"), obj{"body": "x", "replacement_room": made}),
	} {
		answer.fails(400, "M_INVALID_PARAM")
	}
	if got := alice.state(made, "m.room.guest_access", "").ok().str("guest_access"); got != "forbidden" {
		t.Errorf("guests: got %q", got)
	}
}

func TestUpgradeTwice(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat", "room_version": "11"})
	bob.join(room)
	alice.level(room, bob, 100)
	var (
		all  sync.WaitGroup
		made [4]string
	)
	for i := range made {
		all.Go(func() { made[i] = alice.upgrade(room, obj{"new_version": "12"}).str("replacement_room") })
	}
	all.Wait()
	if made[0] == "" || len(slices.Compact(made[:])) != 1 {
		t.Errorf("the upgrade, repeated, made %v", made)
	}
	if alice.upgraded(room, "11") == made[0] || bob.upgraded(room, "12") == made[0] {
		t.Errorf("another upgrade gives the room of the first")
	}
}

func TestPushRulesFollow(t *testing.T) { // B358, B359, B361
	rule := func(u *user, room string) value {
		u.t.Helper()
		for _, r := range u.get("/v3/pushrules/").ok().list("global", "room") {
			if r.str("rule_id") == room {
				return r.at("actions")
			}
		}
		return value{}
	}
	synced := func(u *user, since, room string) bool {
		u.t.Helper()
		for _, r := range u.sync(since, nil).at("account_data", "events").find("m.push_rules").list("content", "global", "room") {
			if r.str("rule_id") == room {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		line    string
		upgrade func(u *user, room string) string
	}{
		{"B358", func(u *user, room string) string { return u.upgraded(room, "11") }},
		{"B361", func(u *user, room string) string {
			made := u.createRoom(obj{"preset": "public_chat", "creation_content": obj{"predecessor": obj{"room_id": room}}})
			u.setState(room, "m.room.tombstone", "", obj{"body": "moved", "replacement_room": made})
			return made
		}},
	} {
		t.Run(c.line, func(t *testing.T) {
			alice, bob, carol := newUser(t), newUser(t), newUser(t)
			room := alice.createRoom(obj{"preset": "public_chat", "room_version": "10"})
			bob.join(room)
			carol.join(room)
			for _, u := range []*user{alice, bob} {
				u.put(path("/v3/pushrules/global/room", room), obj{"actions": list{"dont_notify"}}).ok()
			}
			bob.put(path("/v3/user", bob.id, "rooms", room, "tags", "m.favourite"), obj{"order": 0.5}).ok()
			bob.put(path("/v3/user", bob.id, "account_data", "m.direct"), obj{alice.id: list{room}}).ok()
			alices, bobs := alice.now(), bob.now()
			made := c.upgrade(alice, room)
			if got := rule(alice, made); !got.equals(list{"dont_notify"}) || !synced(alice, alices, made) {
				t.Errorf("the upgrader's rule is %v", got)
			}
			if got := rule(bob, made); !got.missing() {
				t.Errorf("Bob, who is not in the new room, has the rule %v", got)
			}
			bob.join(made)
			if got := rule(bob, made); !got.equals(list{"dont_notify"}) || !synced(bob, bobs, made) {
				t.Errorf("Bob's rule is %v", got)
			}
			if got := rule(bob, room); !got.equals(list{"dont_notify"}) {
				t.Errorf("Bob's old rule is %v", got)
			}
			carol.join(made)
			if got := rule(carol, made); !got.missing() {
				t.Errorf("Carol, who had none, has the rule %v", got)
			}
			tags := bob.get(path("/v3/user", bob.id, "rooms", made, "tags")).ok()
			if !tags.at("tags").equals(obj{"m.favourite": obj{"order": 0.5}}) {
				t.Errorf("Bob's tags are %s", tags.raw)
			}
			if got := bob.get(path("/v3/user", bob.id, "account_data", "m.direct")).ok(); !got.equals(obj{alice.id: list{room, made}}) {
				t.Errorf("Bob's direct chats are %s", got.raw)
			}
		})
	}
	t.Run("from anywhere", func(t *testing.T) {
		alice, bob := newUser(t), newUser(t)
		room := alice.publicRoom()
		bob.join(room)
		bob.put(path("/v3/pushrules/global/room", room), obj{"actions": list{"notify"}}).ok()
		made := newUser(t).createRoom(obj{"preset": "public_chat", "creation_content": obj{"predecessor": obj{"room_id": room}}})
		bob.join(made)
		if got := rule(bob, made); !got.missing() {
			t.Errorf("a room that only says it replaces another got its rule: %v", got)
		}
	})
}

func TestUpgradedCreators(t *testing.T) {
	users := func(u *user, room string) value {
		u.t.Helper()
		return u.state(room, "m.room.power_levels", "").ok().at("users")
	}
	t.Run("B521", func(t *testing.T) {
		alice, bob, carol := newUser(t), newUser(t), newUser(t)
		room := alice.createRoom(obj{"preset": "public_chat", "room_version": "11"})
		bob.join(room)
		alice.setState(room, "m.room.power_levels", "", obj{"users": obj{bob.id: 100, carol.id: 50}})
		made := bob.upgraded(room, "12")
		if bob.state(made, "m.room.create", "").ok().has("additional_creators") {
			t.Errorf("the new room has additional creators")
		}
		if got := users(bob, made); !got.equals(obj{carol.id: 50}) {
			t.Errorf("got users %v", got)
		}
	})
	t.Run("B522", func(t *testing.T) {
		alice, bob := newUser(t), newUser(t)
		room := alice.createRoom(obj{"preset": "public_chat", "room_version": "12"})
		bob.join(room)
		alice.level(room, bob, 150)
		made := bob.upgraded(room, "12")
		create := bob.get(path("/v3/rooms", made, "state", "m.room.create", "") + "?format=event").ok()
		if create.str("sender") != bob.id || create.at("content").has("additional_creators") || len(users(bob, made).keys()) != 0 {
			t.Errorf("got %s and %v", create.raw, users(bob, made))
		}
	})
	t.Run("B523", func(t *testing.T) {
		alice, bob, carol := newUser(t), newUser(t), newUser(t)
		room := alice.createRoom(obj{"room_version": "11"})
		alice.level(room, bob, 100)
		alice.level(room, carol, 50)
		made := alice.upgrade(room, obj{"new_version": "12", "additional_creators": list{bob.id}}).ok().str("replacement_room")
		if got := alice.state(made, "m.room.create", "").ok().at("additional_creators"); !got.equals(list{bob.id}) {
			t.Errorf("got additional creators %v", got)
		}
		if got := users(alice, made); !got.equals(obj{carol.id: 50}) {
			t.Errorf("got users %v", got)
		}
		// ignored where the version knows no such thing
		made = alice.upgrade(room, obj{"new_version": "11", "additional_creators": list{bob.id}}).ok().str("replacement_room")
		if alice.state(made, "m.room.create", "").ok().has("additional_creators") {
			t.Errorf("version 11 has additional creators")
		}
	})
}
