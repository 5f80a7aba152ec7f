package conformance

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// 1 HTTP surface, versions, capabilities

func TestB1(t *testing.T) {
	a := nobody(t).get("/versions").ok()
	form := regexp.MustCompile(`^(r0\.\d+\.\d+|v[1-9]\d*\.\d+)(-\S+)?$`)
	if len(a.list("versions")) == 0 {
		t.Errorf("no versions in %s", a.raw)
	}
	for _, v := range a.list("versions") {
		if !form.MatchString(v.str()) {
			t.Errorf("version %v is not of the form", v)
		}
	}
	for _, k := range a.keys("unstable_features") {
		if _, ok := a.at("unstable_features", k).v.(bool); !ok {
			t.Errorf("unstable feature %s is no boolean", k)
		}
	}
}

func TestB2(t *testing.T) {
	a := newUser(t).get("/v3/capabilities").ok()
	for _, k := range []string{"m.room_versions", "m.change_password"} {
		if a.at("capabilities", k).missing() {
			t.Errorf("no %s in %s", k, a.raw)
		}
	}
	nobody(t).get("/v3/capabilities").fails(401)
}

// defaultVersion is the room version of a room that is made without one.
func defaultVersion(u *user) string {
	u.t.Helper()
	if v := u.get("/v3/capabilities").ok().str("capabilities", "m.room_versions", "default"); v != "" {
		return v
	}
	return "1"
}

func TestB3(t *testing.T) {
	alice := newUser(t)
	got := alice.state(alice.createRoom(nil), "m.room.create", "").ok().str("room_version")
	if want := defaultVersion(alice); got != want {
		t.Errorf("got a room of version %q, want %q", got, want)
	}
}

func TestUnknownPaths(t *testing.T) {
	alice := newUser(t)
	for _, c := range []struct {
		line, method, path string
		status             int
	}{
		{"B4", "GET", "/_matrix/unknown", 404},
		{"B5", "GET", "/_matrix/client/unknown", 404},
		{"B5", "GET", "/v1/unknown", 404},
		{"B5", "GET", "/v3/room/unknown", 404},
		{"B6", "PUT", "/v3/login", 405},
		{"B7", "GET", "/_matrix/federation/unknown", 404},
		{"B7", "GET", "/_matrix/federation/v1/unknown", 404},
		{"B7", "PUT", "/_matrix/federation/v1/version", 405},
		{"B8", "GET", "/_matrix/key/unknown", 404},
		{"B8", "GET", "/_matrix/key/v2/unknown", 404},
		{"B8", "PUT", "/_matrix/key/v2/query", 405},
		{"B9", "GET", "/_matrix/media/unknown", 404},
		{"B9", "GET", "/_matrix/media/v3/unknown", 404},
		{"B9", "PATCH", "/_matrix/media/v3/upload", 405},
	} {
		t.Run(c.line, func(t *testing.T) {
			for _, u := range []*user{nobody(t), alice} {
				a := u.do(c.method, c.path, nil).fails(c.status, "M_UNRECOGNIZED")
				if got := a.header.Get("Content-Type"); got != "application/json" {
					t.Errorf("%s: got content type %q", a.asked, got)
				}
			}
		})
	}
}

func TestB10(t *testing.T) {
	nobody(t).post("/v3/register", []byte("{\"username\":\"a\x81b\"}")).fails(400, "M_NOT_JSON")
}

func TestBodies(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(obj{"room_version": "10"})
	send := func(t *testing.T, txn, body string) *answer {
		alice.t = t
		return alice.put(path("/v3/rooms", room, "send", "m.room.message", txn), body)
	}
	t.Run("B11", func(t *testing.T) {
		send(t, "b11", `"text"`).fails(400, "M_BAD_JSON")
		send(t, "b11", `[]`).fails(400, "M_BAD_JSON")
		send(t, "b11", `{"a":`).fails(400, "M_NOT_JSON")
	})
	t.Run("B12", func(t *testing.T) {
		for _, n := range []string{"9007199254740992", "-9007199254740992", "1.1", "1e400", "-1.5"} {
			send(t, "b12", `{"n":`+n+`}`).fails(400, "M_BAD_JSON")
			send(t, "b12", `{"l":[{"n":`+n+`}]}`).fails(400, "M_BAD_JSON")
		}
		send(t, "b12", `{"n":9007199254740991,"m":-9007199254740991}`).ok()
	})
	t.Run("B13", func(t *testing.T) {
		for _, n := range []string{"Infinity", "-Infinity", "NaN"} {
			send(t, "b13", `{"n":`+n+`}`).fails(400)
		}
	})
}

func TestB14(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	const typ, key = "com.example/a%2F!#:@", "kéy/%41 ☕:@!"
	sent := alice.setState(room, typ, key, obj{"v": 1})
	a := alice.get(path("/v3/rooms", room, "event", sent)).ok()
	if a.str("type") != typ || a.str("state_key") != key {
		t.Errorf("got type %q and state key %q", a.str("type"), a.str("state_key"))
	}
	if got := alice.state(room, typ, key).ok(); got.num("v") != 1 {
		t.Errorf("got %s", got.raw)
	}
	bare := "/v3/rooms/" + room + "/state/m.room.create" // "!" and ":" may stand as they are
	alice.get(bare).ok()
}

func TestB15(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	at := path("/v3/rooms", room, "state", "m.room.name")
	for i, put := range []string{at, at + "/"} {
		name := strings.Repeat("n", i+1)
		alice.put(put, obj{"name": name}).ok()
		for _, get := range []string{at, at + "/"} {
			if got := alice.get(get).ok().str("name"); got != name {
				t.Errorf("%s after PUT %s: got %q, want %q", get, put, got, name)
			}
		}
	}
}

func TestB16(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	for _, body := range []any{nil, obj{}, ""} { // "" has the content type and no body
		room := alice.publicRoom()
		bob.post(path("/v3/rooms", room, "join"), body).ok()
		bob.leave(room)
		bob.post(path("/v3/join", room), body).ok()
		bob.login("").post("/v3/logout", body).ok()
		carol := newUser(t)
		carol.post("/v3/logout/all", body).ok()
	}
}

func TestB17(t *testing.T) {
	alice := newUser(t)
	for _, body := range []any{obj{}, obj{"user_id": "@x:y", "dir": 1}, "no JSON"} {
		if got := alice.do("GET", "/v3/account/whoami", body).ok().str("user_id"); got != alice.id {
			t.Errorf("whoami with a body: got %q", got)
		}
	}
}

func TestB18(t *testing.T) {
	alice := newUser(t)
	for _, body := range []obj{
		{"version": obj{"a": 1}, "room_opts": "x", "room_alias": "y"},
		{"version": "1", "room_opts": obj{}, "room_alias": obj{}},
	} {
		room := alice.createRoom(body)
		if got := alice.state(room, "m.room.create", "").ok().str("room_version"); got != defaultVersion(alice) {
			t.Errorf("got version %q", got)
		}
		alice.state(room, "m.room.canonical_alias", "").fails(404)
	}
}

func TestB19(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	e := alice.send(room, "old prefix")
	nobody(t).get("/r0/login").ok()
	alice.get(path("/r0/rooms", room, "messages") + "?dir=b").ok()
	alice.get(path("/r0/rooms", room, "event", e)).ok()
	alice.get(path("/r0/rooms", room, "context", e)).ok()
	alice.get(path("/r0/rooms", room, "joined_members")).ok()
}

func TestB20(t *testing.T) {
	for _, a := range []*answer{nobody(t).post("/v3/register", obj{}), nobody(t).get("/v3/login").ok()} {
		if got := a.header.Values("Content-Type"); len(got) != 1 || got[0] != "application/json" {
			t.Errorf("%s: got content type %q", a.asked, got)
		}
	}
}

func TestB21(t *testing.T) {
	for _, p := range []string{
		"/v1/media/download/%20/..", "/v1/media/download/house.example/a$b?x=%", "/v1/media/thumbnail/house.example/x",
		"/v1/media/thumbnail/x/y?width=a",
	} {
		nobody(t).get(p).fails(http.StatusUnauthorized, "M_MISSING_TOKEN")
	}
}
