package conformance

import (
	"slices"
	"testing"
)

// 26 Push rules and pushers: pushers

func pusher(key string) obj {
	return obj{
		"kind": "http", "app_id": "org.example.app", "pushkey": key, "app_display_name": "App", "device_display_name": "Phone",
		"profile_tag": "tag", "lang": "en", "data": obj{"url": "https://push.example.org/_matrix/push/v1/notify", "custom": 1},
	}
}

func TestB354(t *testing.T) {
	alice := newUser(t)
	if a := alice.get("/v3/pushers").ok(); !a.isList("pushers") || len(a.list("pushers")) != 0 {
		t.Errorf("of nobody: %s", a.raw)
	}
	want := pusher("b354" + alice.id)
	alice.post("/v3/pushers/set", want).ok()
	for _, session := range []*user{alice, alice.login("")} {
		if got := session.get("/v3/pushers").ok().at("pushers"); !got.equals(list{want}) {
			t.Errorf("got %s, want %v", got, want)
		}
	}
	alice.post("/v3/pushers/set", obj{"kind": nil, "app_id": want["app_id"], "pushkey": want["pushkey"]}).ok()
	if got := alice.get("/v3/pushers").ok().list("pushers"); len(got) != 0 {
		t.Errorf("after it was removed: %v", got)
	}
}

func TestPushersThatAreNone(t *testing.T) {
	alice := newUser(t)
	for key, bad := range map[string]any{
		"kind": "email", "data": obj{"url": "https://push.example.org/elsewhere"}, "lang": "", "app_id": "",
	} {
		p := pusher("x")
		p[key] = bad
		alice.post("/v3/pushers/set", p).fails(400)
	}
	none := pusher("x")
	delete(none, "kind")
	alice.post("/v3/pushers/set", none).fails(400, "M_MISSING_PARAM")
	alice.post("/v3/pushers/set", "{").fails(400, "M_NOT_JSON")
}

func TestB54(t *testing.T) {
	alice := newUser(t)
	other := alice.login("")
	own, others := "own"+alice.id, "other"+alice.id
	alice.post("/v3/pushers/set", pusher(own)).ok()
	other.post("/v3/pushers/set", pusher(others)).ok()
	alice.post("/v3/account/password", obj{
		"new_password": "another battery", "logout_devices": false,
		"auth": obj{
			"type": "m.login.password", "password": alice.password,
			"identifier": obj{"type": "m.id.user", "user": alice.id},
		},
	}).ok()
	if got := other.get("/v3/pushers").ok().at("pushers").all("pushkey"); !slices.Equal(got, []string{own}) {
		t.Errorf("got %v, want %s", got, own)
	}
}

func TestMutualRooms(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	shared := alice.publicRoom()
	alice.createRoom(nil)
	ask := func(user string) *answer { return alice.get("/v1/mutual_rooms?user_id=" + user) }
	if a := ask(bob.id).ok(); !a.isList("joined") || a.num("count") != 0 {
		t.Errorf("before: %s", a.raw)
	}
	bob.join(shared)
	if a := ask(bob.id).ok(); !a.at("joined").equals(list{shared}) || a.num("count") != 1 || a.has("next_batch") {
		t.Errorf("got %s", a.raw)
	}
	ask(alice.id).fails(400, "M_INVALID_PARAM")
	ask("bob").fails(400, "M_INVALID_PARAM")
	alice.get("/v1/mutual_rooms").fails(400)
}
