package conformance

import (
	"slices"
	"testing"
)

// 11 State and power levels

func TestB148(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	sent := alice.setState(room, "com.example", "key", obj{"v": 1})
	at := path("/v3/rooms", room, "state", "com.example", "key")
	if got := alice.get(at).ok(); !got.equals(obj{"v": 1}) {
		t.Errorf("got %s", got.raw)
	}
	got := alice.get(at + "?format=event").ok()
	if got.str("sender") != alice.id || got.str("room_id") != room || got.str("event_id") != sent || got.num("content", "v") != 1 {
		t.Errorf("got %s", got.raw)
	}
}

func TestB149(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	alice.state(room, "com.example", "").fails(404, "M_NOT_FOUND")
	alice.state(room, "m.room.name", "").fails(404, "M_NOT_FOUND")
}

func TestB150(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"name": "n", "topic": "t"})
	a := alice.get(path("/v3/rooms", room, "state")).ok()
	for _, e := range a.list() {
		if !e.isString("type") || !e.isString("state_key") || !e.isString("event_id") || e.at("content").missing() || e.str("room_id") != room {
			t.Errorf("got %v", e)
		}
	}
	for _, typ := range []string{"m.room.create", "m.room.join_rules", "m.room.power_levels", "m.room.name", "m.room.topic"} {
		if a.find(typ, "").missing() {
			t.Errorf("there is no %s", typ)
		}
	}
}

func TestB151(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	for typ, content := range map[string]obj{"m.room.name": {"name": "n"}, "m.room.topic": {"topic": "t"}} {
		since := alice.now()
		alice.setState(room, typ, "", content)
		if got := alice.state(room, typ, "").ok(); !got.equals(content) {
			t.Errorf("got %s, want %v", got.raw, content)
		}
		a := alice.soon(since, typ, func(a *answer) bool { return !a.timeline(room).find(typ, "").missing() })
		if e := a.timeline(room).find(typ, ""); e.str("sender") != alice.id || !e.at("content").equals(content) {
			t.Errorf("got %v", e)
		}
	}
}

func TestB152(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"room_version": "11"})
	levels := obj{
		"users":  obj{alice.id: 100, "@random-other-user:matrix.example:8448": 20, "@u:[::1]": -3},
		"events": obj{"com.example": -9007199254740991}, "invite": 100, "com.example.stray": list{obj{"a": nil}, true, "x"},
	}
	sent := alice.setState(room, "m.room.power_levels", "", levels)
	if got := alice.get(path("/v3/rooms", room, "event", sent)).ok(); !got.at("content").equals(levels) {
		t.Errorf("got %s", got.raw)
	}
}

func TestB153(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"room_version": "11"})
	levels := alice.state(room, "m.room.power_levels", "").ok().v.(map[string]any)
	delete(levels, "events")
	alice.setState(room, "m.room.power_levels", "", levels)
	delete(levels, "users")
	alice.setState(room, "m.room.power_levels", "", levels)
	alice.put(path("/v3/rooms", room, "state", "m.room.power_levels", ""), obj{"users": obj{alice.id: 100}}).fails(403, "M_FORBIDDEN")
	if got := alice.state(room, "m.room.power_levels", "").ok(); got.has("users") {
		t.Errorf("got %s", got.raw)
	}
	emptied := alice.createRoom(obj{"room_version": "11"})
	alice.setState(emptied, "m.room.power_levels", "", obj{})
	alice.put(path("/v3/rooms", emptied, "state", "m.room.power_levels", ""), obj{"users": obj{}}).fails(403, "M_FORBIDDEN")
}

func TestB154(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"room_version": "11"})
	alice.setState(room, "m.room.power_levels", "", obj{"users_default": 100, "users": obj{alice.id: 100}})
	alice.setState(room, "m.room.power_levels", "", obj{"users_default": 40, "users": obj{alice.id: 100}})
}

func TestB155(t *testing.T) {
	alice := newUser(t)
	for _, v := range []string{"11", "12"} {
		room := alice.createRoom(obj{"room_version": v})
		alice.put(path("/v3/rooms", room, "state", "m.room.create", ""), obj{"room_version": v}).fails(400)
	}
}

// Beyond the lines: someone outside a room learns nothing of it and changes nothing, whatever state she names.
func TestOutsiders(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"name": "private"})
	for _, p := range []string{
		path("/v3/rooms", room, "state"), path("/v3/rooms", room, "state", "m.room.name", ""), path("/v3/rooms", room, "members"),
		path("/v3/rooms", room, "joined_members"), path("/v3/rooms", room, "messages") + "?dir=b",
	} {
		bob.get(p).fails(403, "M_FORBIDDEN")
	}
	for _, p := range []string{
		path("/v3/rooms", room, "state", "m.room.name", ""), path("/v3/rooms", room, "send", "m.room.message", "1"),
		path("/v3/rooms", room, "redact", "$x", "1"), path("/v3/rooms", room, "state", "m.room.member", bob.id),
		path("/v3/rooms", room, "state", "m.room.member", alice.id),
	} {
		bob.put(p, obj{"membership": "join", "name": "private"}).fails(403, "M_FORBIDDEN")
	}
	// The refusals do not tell who is in.
	carol := newUser(t)
	for _, verb := range []string{"kick", "ban", "unban", "invite"} {
		in, out := bob.about(verb, room, alice), bob.about(verb, room, carol)
		if in.status != 403 || in.str("error") != out.str("error") {
			t.Errorf("%s: got %s for a member and %s for a stranger", verb, in.raw, out.raw)
		}
	}
	if got := alice.state(room, "m.room.name", "").str("name"); got != "private" {
		t.Errorf("got name %q", got)
	}
}

// Beyond the lines: what no database keeps as text is refused, not an internal error.
func TestNULs(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	send := path("/v3/rooms", room, "send")
	for _, c := range []struct{ method, path, body string }{
		{"PUT", send + "/m.a%00b/1", `{}`},
		{"PUT", send + "/m.room.message/a%00b", `{}`},
		{"PUT", path("/v3/rooms", room, "state") + "/m.a%00b/", `{}`},
		{"PUT", path("/v3/rooms", room, "state") + "/m.a/a%00b", `{}`},
		{"GET", path("/v3/rooms", room, "event") + "/%24a%00b", ``},
		{"GET", path("/v3/rooms", room, "context") + "/%24a%00b", ``},
		{"PUT", path("/v3/rooms", room, "redact") + "/%24a%00b/1", `{}`},
		{"GET", path("/v3/rooms", room, "messages") + "?dir=b&from=s%00", ``},
		{"GET", path("/v3/rooms", room, "members") + "?membership=a%00", ``},
		{"POST", "/v3/createRoom", `{"initial_state":[{"type":"m.a\u0000b","content":{}}]}`},
		{"POST", "/v3/createRoom", `{"initial_state":[{"type":"m.a","state_key":"\u0000","content":{}}]}`},
		{"POST", "/v3/createRoom", `{"room_alias_name":"a\u0000b"}`},
		{"POST", "/v3/createRoom", `{"room_version":"1\u0000"}`},
		{"POST", path("/v3/rooms", room, "invite"), `{"user_id":"@a\u0000b:house.example"}`},
		{"PUT", path("/v3/rooms", room, "state", "m.room.canonical_alias", ""), `{"alias":"#a\u0000b:house.example"}`},
	} {
		if a := alice.do(c.method, c.path, c.body); a.status < 400 || a.status >= 500 || a.errcode == "" {
			t.Errorf("%s %s: got %d %s", a.asked, c.body, a.status, a.raw)
		}
	}
	sent := alice.sendEvent(room, "m.room.message", `{"body":"a\u0000b"}`) // in a content it is a character like another
	if got := alice.get(path("/v3/rooms", room, "event", sent)).ok().str("content", "body"); got != "a\x00b" {
		t.Errorf("got %q", got)
	}
	if !slices.Contains(alice.get(path("/v3/rooms", room, "messages")+"?dir=b").ok().at("chunk").all("event_id"), sent) {
		t.Errorf("the event is not in /messages")
	}
}
