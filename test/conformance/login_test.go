package conformance

import (
	"maps"
	"strings"
	"testing"
)

// 3 Login, passwords, tokens, user-interactive authentication

// signIn logs in with these words.
func signIn(t *testing.T, name, password string, more obj) *answer {
	t.Helper()
	body := obj{"type": "m.login.password", "identifier": obj{"type": "m.id.user", "user": name}, "password": password}
	maps.Copy(body, more)
	return nobody(t).post("/v3/login", body)
}

// with is another session of the user, from the answer to a login.
func (u *user) with(a *answer) *user {
	return &user{t: u.t, id: u.id, token: a.str("access_token"), device: a.str("device_id"), password: u.password}
}

// local is the user's name.
func (u *user) local() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(u.id, "@"), ":")
	return name
}

func TestB39(t *testing.T) {
	flows := nobody(t).get("/v3/login").ok().list("flows")
	if len(flows) == 0 {
		t.Error("got no flows")
	}
	for _, f := range flows {
		if !f.isString("type") && !f.isList("stages") {
			t.Errorf("got %v", f)
		}
	}
}

func TestB40(t *testing.T) {
	alice := newUser(t)
	a := signIn(t, alice.id, alice.password, nil).ok()
	if a.str("access_token") == "" || a.str("user_id") != alice.id || a.str("device_id") == "" {
		t.Errorf("got %s", a.raw)
	}
}

func TestB41(t *testing.T) {
	alice := newUser(t)
	if got := signIn(t, alice.local(), alice.password, nil).ok().str("user_id"); got != alice.id {
		t.Errorf("got %s, want %s", got, alice.id)
	}
}

func TestB42(t *testing.T) {
	alice := newUser(t)
	a := signIn(t, "@"+strings.ToUpper(alice.local())+":"+alice.server(), alice.password, nil).ok()
	if got := alice.with(a).get("/v3/account/whoami").ok().str("user_id"); got != alice.id {
		t.Errorf("got %s, want %s", got, alice.id)
	}
}

func TestB43(t *testing.T) {
	alice := newUser(t)
	other := alice.login("")
	other.put(path("/v3/devices", other.device), obj{"display_name": "Kitchen"}).ok()
	a := signIn(t, alice.id, alice.password, obj{"device_id": other.device, "initial_device_display_name": "another"}).ok()
	if got := a.str("device_id"); got != other.device {
		t.Errorf("got the device %s, want %s", got, other.device)
	}
	if got := alice.get(path("/v3/devices", other.device)).ok().str("display_name"); got != "Kitchen" {
		t.Errorf("the device is called %q, want Kitchen", got)
	}
	if got := signIn(t, alice.id, alice.password, nil).ok().str("device_id"); got == other.device || got == alice.device || got == "" {
		t.Errorf("got the device %q, want a new one", got)
	}
}

func TestB44(t *testing.T) {
	alice := newUser(t)
	signIn(t, freeName(), "x", nil).fails(403, "M_FORBIDDEN")
	signIn(t, alice.id, "wrong", nil).fails(403, "M_FORBIDDEN")
}

func TestB45(t *testing.T) {
	alice := newUser(t)
	a := signIn(t, alice.id, alice.password, obj{"refresh_token": true}).ok()
	b := nobody(t).post("/v3/refresh", obj{"refresh_token": a.str("refresh_token")}).ok()
	for _, key := range []string{"access_token", "refresh_token"} {
		if b.str(key) == "" || b.str(key) == a.str(key) {
			t.Errorf("got the %s %q after %q", key, b.str(key), a.str(key))
		}
	}
	if got := alice.with(b).get("/v3/account/whoami").ok().str("device_id"); got != a.str("device_id") {
		t.Errorf("got the device %s, want %s", got, a.str("device_id"))
	}
}

func TestB46(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	again := path("/v3/rooms", room, "send", "m.room.message", "the same")
	first := alice.put(again, obj{"msgtype": "m.text", "body": "once"}).ok().str("event_id")
	second := alice.login(alice.device)
	alice.get("/v3/account/whoami").fails(401, "M_UNKNOWN_TOKEN")
	if got := second.put(again, obj{"msgtype": "m.text", "body": "once"}).ok().str("event_id"); got != first {
		t.Errorf("got the event %s, want %s", got, first)
	}
}

func TestB47(t *testing.T) {
	alice := newUser(t)
	other := alice.login("")
	other.post("/v3/logout", nil).ok()
	other.get("/v3/sync").fails(401, "M_UNKNOWN_TOKEN")
	for _, d := range alice.get("/v3/devices").ok().list("devices") {
		if d.str("device_id") == other.device {
			t.Error("the device is still listed")
		}
	}
}

func TestB48(t *testing.T) {
	alice := newUser(t)
	other := alice.login("")
	other.post("/v3/logout/all", nil).ok()
	alice.get("/v3/sync").fails(401, "M_UNKNOWN_TOKEN")
	other.get("/v3/sync").fails(401, "M_UNKNOWN_TOKEN")
}

func TestB49(t *testing.T) {
	(&user{t: t, token: "nobody's"}).post("/v3/logout", nil).fails(401, "M_UNKNOWN_TOKEN")
	nobody(t).post("/v3/logout", nil).fails(401, "M_MISSING_TOKEN")
}

// changePassword asks for a new password.
func (u *user) changePassword(to string, more obj) *answer {
	u.t.Helper()
	body := obj{"new_password": to, "auth": u.byPassword("", u.password)}
	maps.Copy(body, more)
	return u.post("/v3/account/password", body)
}

func TestPasswordChange(t *testing.T) {
	alice := newUser(t)
	other := alice.login("")
	t.Run("B50", func(*testing.T) { alice.changePassword("another battery", nil).ok() })
	t.Run("B51", func(t *testing.T) {
		signIn(t, alice.id, alice.password, nil).fails(403, "M_FORBIDDEN")
		if got := signIn(t, alice.id, "another battery", nil).ok().str("user_id"); got != alice.id {
			t.Errorf("got %s, want %s", got, alice.id)
		}
	})
	t.Run("B52", func(*testing.T) {
		alice.get("/v3/account/whoami").ok()
		other.get("/v3/account/whoami").fails(401, "M_UNKNOWN_TOKEN")
	})
}

func TestB53(t *testing.T) {
	alice := newUser(t)
	other := alice.login("")
	alice.changePassword("another battery", obj{"logout_devices": false}).ok()
	alice.get("/v3/account/whoami").ok()
	other.get("/v3/account/whoami").ok()
}

func TestDeactivation(t *testing.T) {
	alice := newUser(t)
	t.Run("B55", func(t *testing.T) {
		a := alice.post("/v3/account/deactivate", obj{})
		found := false
		for _, f := range a.list("flows") {
			for _, s := range f.list("stages") {
				found = found || s.v == "m.login.password"
			}
		}
		if a.status != 401 || !found {
			t.Errorf("got %d %s", a.status, a.raw)
		}
	})
	t.Run("B56", func(t *testing.T) {
		alice.post("/v3/account/deactivate", obj{"auth": alice.byPassword("", "wrong")}).fails(401, "M_FORBIDDEN")
		alice.post("/v3/account/deactivate", obj{"auth": alice.byPassword("", alice.password)}).ok()
		signIn(t, alice.id, alice.password, nil).fails(403)
	})
}

func TestB57(t *testing.T) {
	alice := newUser(t)
	a := alice.changePassword("x y z 1 2 3", obj{"auth": alice.byPassword("", "wrong")}).fails(401, "M_FORBIDDEN")
	if !a.isList("flows") || !a.has("params") || a.str("session") == "" {
		t.Errorf("got %s, want flows, params and session", a.raw)
	}
}
