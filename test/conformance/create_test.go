package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// 8 Room creation

func TestB89(t *testing.T) {
	alice := newUser(t)
	name := "b89-" + run
	room := alice.createRoom(obj{"visibility": "public", "room_alias_name": name})
	alias := "#" + name + ":" + alice.server()
	if got := nobody(t).get(path("/v3/directory/room", alias)).ok().str("room_id"); got != room {
		t.Errorf("the alias stands for %q, want %q", got, room)
	}
	if got := alice.state(room, "m.room.canonical_alias", "").ok().str("alias"); got != alias {
		t.Errorf("got canonical alias %q, want %q", got, alias)
	}
	if got := alice.state(room, "m.room.join_rules", "").ok().str("join_rule"); got != "public" {
		t.Errorf("got join rule %q", got)
	}
}

func TestB90(t *testing.T) {
	alice := newUser(t)
	for _, body := range []obj{{"visibility": "private"}, {}} {
		room := alice.createRoom(body)
		if got := alice.state(room, "m.room.join_rules", "").ok().str("join_rule"); got != "invite" {
			t.Errorf("%v: got join rule %q", body, got)
		}
	}
}

func TestNameAndTopic(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"name": "Name", "topic": "Topic"})
	t.Run("B91", func(t *testing.T) {
		if got := alice.state(room, "m.room.name", "").ok().str("name"); got != "Name" {
			t.Errorf("got name %q", got)
		}
		if got := alice.state(room, "m.room.topic", "").ok().str("topic"); got != "Topic" {
			t.Errorf("got topic %q", got)
		}
	})
	t.Run("B92", func(t *testing.T) {
		rich := alice.state(room, "m.room.topic", "").ok().list("m.topic", "m.text")
		if len(rich) != 1 || rich[0].str("body") != "Topic" || !slices.Contains([]string{"", "text/plain"}, rich[0].str("mimetype")) {
			t.Errorf("got %v", rich)
		}
	})
	given := list{obj{"type": "m.room.topic", "content": obj{"topic": "given"}}}
	t.Run("B93", func(t *testing.T) {
		room := alice.createRoom(obj{"initial_state": given})
		if got := alice.state(room, "m.room.topic", "").ok(); !got.equals(obj{"topic": "given"}) {
			t.Errorf("got %s", got.raw)
		}
	})
	t.Run("B94", func(t *testing.T) {
		room := alice.createRoom(obj{"topic": "wins", "initial_state": given})
		got := alice.state(room, "m.room.topic", "").ok()
		if got.str("topic") != "wins" || got.str("m.topic", "m.text", 0, "body") != "wins" {
			t.Errorf("got %s", got.raw)
		}
	})
}

func TestB95(t *testing.T) {
	alice := newUser(t)
	offered := alice.get("/v3/capabilities").ok().keys("capabilities", "m.room_versions", "available")
	if !slices.Contains(offered, "2") {
		t.Errorf("version 2 is not among %v", offered)
	}
	for _, v := range offered {
		room := alice.createRoom(obj{"room_version": v})
		if got := alice.state(room, "m.room.create", "").ok().str("room_version"); got != v {
			t.Errorf("got a room of version %q, want %q", got, v)
		}
		alice.send(room, "hello")
	}
}

func TestB96(t *testing.T) {
	alice := newUser(t)
	alice.post("/v3/createRoom", obj{"room_version": 1}).fails(400, "M_BAD_JSON")
	alice.post("/v3/createRoom", obj{"room_version": "ahfgwjyerhgiuveisbruvybseyrugvi"}).fails(400, "M_UNSUPPORTED_ROOM_VERSION")
}

func TestB97(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"creation_content": obj{"room_version": "1", "com.example.k": obj{"a": 1}}})
	got := alice.state(room, "m.room.create", "").ok()
	if got.str("room_version") != defaultVersion(alice) || got.num("com.example.k", "a") != 1 {
		t.Errorf("got %s", got.raw)
	}
}

func TestB98(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"creation_content": obj{"m.federate": false}})
	if got := alice.state(room, "m.room.create", "").ok(); !got.at("m.federate").equals(false) {
		t.Errorf("got %s", got.raw)
	}
}

func TestB99(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	since := bob.now()
	room := alice.createRoom(obj{"invite": list{bob.id}})
	bob.soon(since, "the invite", func(a *answer) bool { return !a.invited(room).missing() })
}

func TestB100(t *testing.T) {
	alice := newUser(t)
	for _, v := range []string{"10", "11", defaultVersion(alice)} {
		room := alice.createRoom(obj{"room_version": v})
		first := alice.sync("", nil).timeline(room).at(0)
		if first.str("type") != "m.room.create" || first.str("sender") != alice.id {
			t.Errorf("version %s: the first event is %v", v, first)
		}
		if got := first.str("content", "creator"); v == "10" && got != alice.id {
			t.Errorf("version %s: got creator %q", v, got)
		}
	}
}

func TestB101(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{
		"preset": "public_chat", "name": "n", "topic": "t", "invite": list{bob.id},
		"initial_state": list{obj{"type": "com.example.one", "content": obj{}}, obj{"type": "com.example.two", "content": obj{}}},
	})
	got := alice.sync("", obj{"room": obj{"timeline": obj{"limit": 50}}}).timeline(room).all("type")
	want := []string{
		"m.room.create", "m.room.member", "m.room.power_levels", "m.room.join_rules", "m.room.history_visibility",
		"com.example.one", "com.example.two", "m.room.name", "m.room.topic", "m.room.member",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestB102(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat", "initial_state": list{
		obj{"type": "m.room.join_rules", "state_key": "", "content": obj{"join_rule": "invite"}},
		obj{"type": "m.room.history_visibility", "content": obj{"history_visibility": "joined"}},
	}})
	events := alice.sync("", obj{"room": obj{"timeline": obj{"limit": 50}}}).timeline(room)
	for _, typ := range []string{"m.room.join_rules", "m.room.history_visibility"} {
		n := 0
		for _, got := range events.all("type") {
			if got == typ {
				n++
			}
		}
		if n != 1 {
			t.Errorf("got %d events of type %s, want 1", n, typ)
		}
	}
	if got := alice.state(room, "m.room.join_rules", "").str("join_rule"); got != "invite" {
		t.Errorf("got join rule %q", got)
	}
	if got := alice.state(room, "m.room.history_visibility", "").str("history_visibility"); got != "joined" {
		t.Errorf("got history visibility %q", got)
	}
}

func TestB103(t *testing.T) {
	alice := newUser(t)
	for _, v := range []string{"11", "12"} {
		levels := alice.state(alice.createRoom(obj{"room_version": v}), "m.room.power_levels", "").ok()
		for _, k := range []string{"ban", "kick", "redact", "users_default", "state_default", "events_default"} {
			if !levels.isNumber(k) {
				t.Errorf("version %s: %s is no number in %s", v, k, levels.raw)
			}
		}
		if !levels.has("users") || len(levels.keys("events")) == 0 {
			t.Errorf("version %s: no users or events in %s", v, levels.raw)
		}
		for _, k := range levels.keys("events") {
			if !levels.isNumber("events", k) {
				t.Errorf("version %s: the level of %s is no number", v, k)
			}
		}
		if v == "11" && levels.num("users", alice.id) <= levels.num("users_default") {
			t.Errorf("version %s: the creator has %v", v, levels.num("users", alice.id))
		}
	}
}

func TestB104(t *testing.T) {
	alice := newUser(t)
	levels := alice.state(alice.createRoom(obj{"power_level_content_override": obj{
		"events": obj{"com.example": 7}, "invite": 3,
	}}), "m.room.power_levels", "").ok()
	if !levels.at("events").equals(obj{"com.example": 7}) || levels.num("invite") != 3 || levels.num("ban") != 50 {
		t.Errorf("got %s", levels.raw)
	}
}

func TestB105(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	alice.send(room, "at once")
	a := alice.sync("", nil)
	own := a.timeline(room).find("m.room.member", alice.id)
	if own.missing() {
		own = a.joined(room).at("state", "events").find("m.room.member", alice.id)
	}
	if own.str("sender") != alice.id || own.str("content", "membership") != "join" {
		t.Errorf("the creator's own join is %v", own)
	}
}

func TestB106(t *testing.T) {
	alice := newUser(t)
	var (
		mu   sync.Mutex
		seen = map[string]bool{}
		all  sync.WaitGroup
	)
	const n = 20
	for range n {
		all.Go(func() {
			room := alice.post("/v3/createRoom", obj{"room_version": "12"}).str("room_id")
			mu.Lock()
			defer mu.Unlock()
			seen[room] = strings.HasPrefix(room, "!")
		})
	}
	all.Wait()
	if len(seen) != n || seen[""] {
		t.Errorf("%d rooms have %d ids", n, len(seen))
	}
}

// Beyond the lines: what would make a room misleading, or of nothing that makes sense, is refused.
func TestRoomsThatCannotBe(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	entry := func(typ, key string, content any) obj {
		return obj{"initial_state": list{obj{"type": typ, "state_key": key, "content": content}}}
	}
	for _, c := range []struct {
		body    obj
		status  int
		errcode string
	}{
		{obj{"preset": "nonsense"}, 400, "M_INVALID_PARAM"},
		{obj{"visibility": "nonsense"}, 400, "M_INVALID_PARAM"},
		{obj{"invite": list{"@nobody:elsewhere.example"}}, 403, "M_FORBIDDEN"},
		{obj{"invite": list{"nobody"}}, 400, "M_INVALID_PARAM"},
		{obj{"room_alias_name": "a:b"}, 400, "M_INVALID_PARAM"},
		{obj{"name": strings.Repeat("n", 70_000)}, 413, "M_TOO_LARGE"},
		{obj{"creation_content": obj{"additional_creators": list{"nobody"}}}, 400, "M_INVALID_ROOM_STATE"},
		{obj{"power_level_content_override": obj{"users": obj{alice.id: 100}}}, 400, "M_INVALID_ROOM_STATE"}, // creators have none
		{entry("", "", obj{}), 400, "M_BAD_JSON"},
		{entry("com.example", "", 5), 400, "M_BAD_JSON"},
		{entry("com.example", bob.id, obj{}), 400, "M_INVALID_ROOM_STATE"}, // another's state
		{entry("m.room.create", "", obj{}), 400, ""},
		{entry("m.room.member", bob.id, obj{"membership": "join"}), 400, "M_INVALID_ROOM_STATE"},
		{entry("m.room.member", "@nobody:elsewhere.example", obj{"membership": "invite"}), 403, "M_FORBIDDEN"},
		{entry("m.room.canonical_alias", "", obj{"alias": "#official:" + alice.server()}), 400, "M_BAD_ALIAS"},
	} {
		a := alice.post("/v3/createRoom", c.body)
		if a.fails(c.status); c.errcode != "" && a.errcode != c.errcode {
			t.Errorf("%v: got %s, want %s", c.body, a.raw, c.errcode)
		}
	}
}

// Beyond the lines: what else a room can be made with.
func TestCreateInFull(t *testing.T) {
	alice, bob, carol := newUser(t), newUser(t), newUser(t)
	club := alice.publicRoom()
	t.Run("is_direct", func(t *testing.T) {
		room := alice.createRoom(obj{"preset": "trusted_private_chat", "is_direct": true, "invite": list{bob.id, bob.id, carol.id}})
		for _, u := range []*user{bob, carol} {
			invite := alice.state(room, "m.room.member", u.id).ok()
			if invite.str("membership") != "invite" || !invite.flag("is_direct") {
				t.Errorf("got %s", invite.raw)
			}
			own := u.sync("", nil).invited(room).at("invite_state", "events").find("m.room.member", u.id)
			if !own.flag("content", "is_direct") {
				t.Errorf("the invitation that is synced: %v", own)
			}
		}
		n := 0
		for _, e := range alice.sync("", obj{"room": obj{"timeline": obj{"limit": 50}}}).timeline(room).list() {
			if e.str("type") == "m.room.member" && e.str("state_key") == bob.id {
				n++
			}
		}
		if n != 1 {
			t.Errorf("who is named twice is invited %d times", n)
		}
		room = alice.createRoom(obj{"invite": list{bob.id}})
		if got := alice.state(room, "m.room.member", bob.id).ok(); got.has("is_direct") {
			t.Errorf("got %s", got.raw)
		}
	})
	t.Run("type and encryption", func(t *testing.T) {
		room := alice.createRoom(obj{"creation_content": obj{"type": "m.space", "com.example": list{1, "a"}}, "initial_state": list{
			obj{"type": "m.room.encryption", "state_key": "", "content": obj{"algorithm": "m.megolm.v1.aes-sha2"}},
		}})
		create := alice.state(room, "m.room.create", "").ok()
		if create.str("type") != "m.space" || !create.at("com.example").equals(list{1, "a"}) {
			t.Errorf("got %s", create.raw)
		}
		if got := alice.state(room, "m.room.encryption", "").ok().str("algorithm"); got != "m.megolm.v1.aes-sha2" {
			t.Errorf("got algorithm %q", got)
		}
	})
	t.Run("restricted", func(t *testing.T) {
		for _, r := range []string{"restricted", "knock_restricted"} {
			room := alice.createRoom(rule(r, club))
			carol.post(path("/v3/rooms", room, "join"), nil).fails(403, "M_FORBIDDEN")
			bob.join(club)
			bob.join(room)
			if got := alice.state(room, "m.room.member", bob.id).ok().str("join_authorised_via_users_server"); got != alice.id {
				t.Errorf("%s: authorised by %q", r, got)
			}
		}
	})
	t.Run("presets", func(t *testing.T) {
		for preset, want := range map[string][3]string{
			"private_chat": {"invite", "shared", "can_join"}, "trusted_private_chat": {"invite", "shared", "can_join"},
			"public_chat": {"public", "shared", ""},
		} {
			room := alice.createRoom(obj{"preset": preset})
			got := [3]string{
				alice.state(room, "m.room.join_rules", "").str("join_rule"),
				alice.state(room, "m.room.history_visibility", "").str("history_visibility"),
				alice.state(room, "m.room.guest_access", "").str("guest_access"),
			}
			if got != want {
				t.Errorf("%s: got %v, want %v", preset, got, want)
			}
		}
	})
	t.Run("by third-party id", func(t *testing.T) {
		by := obj{"id_server": "id.example", "id_access_token": "x", "medium": "email", "address": "a@example.org"}
		alice.post("/v3/createRoom", obj{"invite_3pid": list{by}}).fails(403)
		alice.post(path("/v3/rooms", club, "invite"), by).fails(403)
	})
	t.Run("too many", func(t *testing.T) {
		invite := list{}
		for i := range 101 {
			invite = append(invite, fmt.Sprintf("@nobody%d:%s", i, alice.server()))
		}
		alice.post("/v3/createRoom", obj{"invite": invite}).fails(400, "M_INVALID_PARAM")
		alice.post("/v3/createRoom", obj{"invite": invite[1:]}).ok()
		state := list{}
		for i := range 1100 {
			state = append(state, obj{"type": "com.example", "state_key": fmt.Sprint(i), "content": obj{}})
		}
		alice.post("/v3/createRoom", obj{"initial_state": state}).fails(413, "M_TOO_LARGE")
		alice.post("/v3/createRoom", obj{"initial_state": list{obj{"type": "com.example"}}}).fails(400, "M_BAD_JSON")
	})
	t.Run("reasons", func(t *testing.T) {
		room := alice.publicRoom()
		bob.join(room)
		alice.post(path("/v3/rooms", room, "invite"), obj{"user_id": carol.id, "reason": "come in"}).ok()
		if got := carol.sync("", nil).invited(room).at("invite_state", "events").find("m.room.member", carol.id).str("content", "reason"); got != "come in" {
			t.Errorf("invite: got %q", got)
		}
		for _, c := range []struct {
			do     func() *answer
			of     *user
			reason string
		}{
			{func() *answer { return carol.post(path("/v3/rooms", room, "leave"), obj{"reason": "no"}) }, carol, "no"},
			{func() *answer { return carol.post(path("/v3/join", room), obj{"reason": "yes"}) }, carol, "yes"},
			{func() *answer {
				return alice.post(path("/v3/rooms", room, "kick"), obj{"user_id": carol.id, "reason": "out"})
			}, carol, "out"},
			{func() *answer {
				return alice.post(path("/v3/rooms", room, "ban"), obj{"user_id": bob.id, "reason": "never"})
			}, bob, "never"},
			{func() *answer {
				return alice.post(path("/v3/rooms", room, "unban"), obj{"user_id": bob.id, "reason": "well"})
			}, bob, "well"},
		} {
			c.do().ok()
			if got := alice.state(room, "m.room.member", c.of.id).ok().str("reason"); got != c.reason {
				t.Errorf("got reason %q, want %q", got, c.reason)
			}
		}
	})
}
