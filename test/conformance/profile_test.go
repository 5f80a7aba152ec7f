package conformance

import (
	"testing"
	"time"
)

// 4 Devices

// byPassword is the auth of a request that user u confirms with her password.
func (u *user) byPassword(session, password string) obj {
	auth := obj{
		"type": "m.login.password", "password": password,
		"identifier": obj{"type": "m.id.user", "user": u.id},
	}
	if session != "" {
		auth["session"] = session
	}
	return auth
}

func TestB58(t *testing.T) {
	alice := newUser(t)
	login := obj{
		"type": "m.login.password", "password": alice.password, "identifier": obj{"type": "m.id.user", "user": alice.id},
		"device_id": "B58", "initial_device_display_name": "Telephone",
	}
	nobody(t).post("/v3/login", login).ok()
	got := alice.get(path("/v3/devices", "B58")).ok()
	if got.str("device_id") != "B58" || got.str("display_name") != "Telephone" {
		t.Errorf("got %s", got.raw)
	}
}

func TestB59(t *testing.T) {
	alice := newUser(t)
	second := alice.login("")
	devices := func() map[string]int {
		n := map[string]int{}
		for _, d := range alice.get("/v3/devices").ok().list("devices") {
			n[d.str("device_id")]++
		}
		return n
	}
	if got := devices(); len(got) != 2 || got[alice.device] != 1 || got[second.device] != 1 {
		t.Errorf("got %v, want %s and %s once", got, alice.device, second.device)
	}
	second.post("/v3/logout", nil).ok()
	if got := devices(); len(got) != 1 || got[alice.device] != 1 {
		t.Errorf("after a logout: got %v, want %s", got, alice.device)
	}
}

func TestB60(t *testing.T) {
	alice := newUser(t)
	alice.get(path("/v3/devices", "NONE")).fails(404)
	alice.put(path("/v3/devices", "NONE"), obj{"display_name": "x"}).fails(404)
	if n := len(alice.get("/v3/devices").ok().list("devices")); n != 1 {
		t.Errorf("got %d devices, want 1", n)
	}
}

func TestB61(t *testing.T) {
	alice := newUser(t)
	alice.put(path("/v3/devices", alice.device), obj{"display_name": "Lamp"}).ok()
	if got := alice.get(path("/v3/devices", alice.device)).ok().str("display_name"); got != "Lamp" {
		t.Errorf("got %q, want Lamp", got)
	}
}

func TestDeleteDevice(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	second := alice.login("")
	at := path("/v3/devices", second.device)
	var session string
	t.Run("B62", func(t *testing.T) {
		a := alice.do("DELETE", at, nil)
		if a.status != 401 || !a.isString("session") || !a.isList("flows") || !a.has("params") {
			t.Errorf("got %d %s", a.status, a.raw)
		}
		session = a.str("session")
	})
	t.Run("B63", func(t *testing.T) {
		a := alice.do("DELETE", at, obj{"auth": alice.byPassword(session, "wrong")}).fails(401, "M_FORBIDDEN")
		if !a.isString("session") || !a.isList("flows") || !a.has("params") {
			t.Errorf("got %s", a.raw)
		}
		alice.get(at).ok()
	})
	t.Run("B65", func(t *testing.T) {
		again := alice.do("DELETE", at, nil).str("session")
		alice.do("DELETE", at, obj{"auth": bob.byPassword(again, bob.password)}).fails(403)
		alice.get(at).ok()
	})
	t.Run("B64", func(t *testing.T) {
		again := alice.do("DELETE", at, nil).str("session")
		alice.do("DELETE", at, obj{"auth": alice.byPassword(again, alice.password)}).ok()
		alice.get(at).fails(404)
		second.get("/v3/sync").fails(401)
	})
}

// 5 Account data and direct chats

func TestAccountData(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	for _, c := range []struct {
		line, at string
		in       []any // where a sync has it
	}{
		{"B66", path("/v3/user", alice.id, "account_data", "org.test"), []any{"account_data", "events"}},
		{"B67", path("/v3/user", alice.id, "rooms", room, "account_data", "org.test"), []any{"rooms", "join", room, "account_data", "events"}},
	} {
		t.Run(c.line, func(t *testing.T) {
			for _, content := range []obj{{"n": 1, "deep": obj{"list": list{1, "a"}}}, {"m": 2}} {
				alice.put(c.at, content).ok()
				if got := alice.get(c.at).ok(); !got.equals(content) {
					t.Errorf("got %s, want %v", got.raw, content)
				}
			}
		})
		line := map[string]string{"B66": "B68", "B67": "B69"}[c.line]
		t.Run(line, func(t *testing.T) {
			first := alice.sync("", nil)
			if got := first.at(c.in...).find("org.test"); !got.equals(obj{"type": "org.test", "content": obj{"m": 2}}) {
				t.Errorf("initial sync: got %v", got)
			}
			later := make(chan *answer)
			go func() { later <- alice.get("/v3/sync?timeout=60000&since=" + first.str("next_batch")) }()
			time.Sleep(100 * time.Millisecond)
			began := time.Now()
			alice.put(c.at, obj{"k": 3}).ok()
			a := <-later
			if got := a.at(c.in...).find("org.test"); got.num("content", "k") != 3 || time.Since(began) > within {
				t.Errorf("long poll: got %v after %v", got, time.Since(began))
			}
		})
	}
}

func TestB70(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"invite": list{bob.id}, "is_direct": true, "preset": "trusted_private_chat"})
	a := bob.soon("", "the invitation", func(a *answer) bool { return !a.invited(room).missing() })
	if e := a.invited(room).at("invite_state", "events").find("m.room.member", bob.id); !e.flag("content", "is_direct") {
		t.Errorf("got %v", e)
	}
}

func TestB72(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	at := path("/v3/user", alice.id, "account_data", "m.direct")
	for _, rooms := range []list{{"!a:x"}, {"!a:x", "!b:x"}} {
		since := alice.now()
		content := obj{bob.id: rooms}
		alice.put(at, content).ok()
		if got := alice.get(at).ok(); !got.equals(content) {
			t.Errorf("got %s", got.raw)
		}
		if got := alice.sync(since, nil).at("account_data", "events").find("m.direct"); !got.at("content").equals(content) {
			t.Errorf("sync: got %v", got)
		}
	}
}

func TestB73(t *testing.T) {
	alice, bob, charlie := newUser(t), newUser(t), newUser(t)
	alice.put(path("/v3/user", alice.id, "account_data", "m.ignored_user_list"), obj{"ignored_users": obj{bob.id: obj{}}}).ok()
	since := alice.now()
	bad := bob.createRoom(obj{"preset": "private_chat", "invite": list{alice.id}})
	good := charlie.createRoom(obj{"preset": "private_chat", "invite": list{alice.id}})
	for _, a := range []*answer{alice.sync(since, nil), alice.sync("", nil)} {
		if a.invited(good).missing() || !a.invited(bad).missing() {
			t.Errorf("got %s", a.at("rooms", "invite"))
		}
	}
}

// TestIgnored is what the specification says of messages of the ignored: only state is shown, and nothing notifies.
func TestIgnored(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	since := alice.now()
	bob.send(room, "before")
	if got := alice.sync(since, nil).joined(room).num("unread_notifications", "notification_count"); got != 1 {
		t.Errorf("got %v notifications, want 1", got)
	}
	alice.put(path("/v3/user", alice.id, "account_data", "m.ignored_user_list"), obj{"ignored_users": obj{bob.id: obj{}}}).ok()
	since = alice.now()
	bob.send(room, "after")
	bob.put(path("/v3/profile", bob.id, "displayname"), obj{"displayname": "Bobby"}).ok()
	a := alice.soon(since, "the new name", func(a *answer) bool { return !a.timeline(room).find("m.room.member").missing() })
	if !a.timeline(room).find("m.room.message").missing() || a.joined(room).num("unread_notifications", "notification_count") != 0 {
		t.Errorf("got %s", a.joined(room))
	}
}

// 6 Profiles

func TestProfile(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	for _, c := range []struct{ field, value string }{{"displayname", "Alice Ä"}, {"avatar_url", "mxc://a/b"}, {"avatar_url", "no uri at all"}} {
		since := alice.now()
		t.Run("B74", func(t *testing.T) {
			alice.put(path("/v3/profile", alice.id, c.field), obj{c.field: c.value}).ok()
			if got := nobody(t).get(path("/v3/profile", alice.id, c.field)).ok().str(c.field); got != c.value {
				t.Errorf("got %q, want %q", got, c.value)
			}
		})
		t.Run("B75", func(t *testing.T) {
			alice.soon(since, "the member event", func(a *answer) bool {
				e := a.timeline(room).find("m.room.member", alice.id)
				return e.str("content", c.field) == c.value && e.str("content", "membership") == "join"
			})
		})
	}
}

// 7 Presence

func (u *user) presence(state, message string) {
	u.t.Helper()
	body := obj{"presence": state}
	if message != "" {
		body["status_msg"] = message
	}
	u.put(path("/v3/presence", u.id, "status"), body).ok()
}

// presenceOf finds the presence of another in a sync.
func (a *answer) presenceOf(of *user) (e value, times int) {
	for _, p := range a.list("presence", "events") {
		if p.str("sender") == of.id {
			e, times = p, times+1
		}
	}
	return e, times
}

func TestB79(t *testing.T) {
	alice := newUser(t)
	if got := alice.get(path("/v3/presence", alice.id, "status")).ok().str("presence"); got == "" {
		t.Error("no presence")
	}
}

func TestB80(t *testing.T) {
	alice := newUser(t)
	alice.presence("unavailable", "lunch")
	got := alice.get(path("/v3/presence", alice.id, "status")).ok()
	if got.str("presence") != "unavailable" || got.str("status_msg") != "lunch" {
		t.Errorf("got %s", got.raw)
	}
}

func TestPresence(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	since := bob.now()
	sees := func(state, message string) func(*answer) bool {
		return func(a *answer) bool {
			p, _ := a.presenceOf(alice)
			if p.missing() {
				return false
			}
			if p.str("type") != "m.presence" || p.str("sender") == "" || !p.isString("content", "presence") {
				t.Errorf("B84: got %v", p)
			}
			return p.str("content", "presence") == state && (message == "" || p.str("content", "status_msg") == message)
		}
	}
	t.Run("B81", func(t *testing.T) {
		alice.sync("", nil, "set_presence=unavailable")
		since = bob.soon(since, "unavailable", sees("unavailable", "")).str("next_batch")
	})
	t.Run("B82", func(t *testing.T) {
		alice.presence("online", "here")
		since = bob.soon(since, "online", sees("online", "here")).str("next_batch")
	})
	t.Run("B83", func(t *testing.T) {
		alice.presence("unavailable", "")
		bob.soon(since, "unavailable", sees("unavailable", ""))
	})
}

func TestPresenceOnJoin(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	alice.presence("online", "a")
	bob.presence("online", "b")
	before, bobBefore := alice.now(), bob.now()
	bob.join(room)
	t.Run("B85", func(t *testing.T) {
		alice.soon("", "Bob in an initial sync", func(a *answer) bool { _, n := a.presenceOf(bob); return n == 1 })
		alice.soon(before, "Bob after his join", func(a *answer) bool { _, n := a.presenceOf(bob); return n == 1 })
	})
	t.Run("B86", func(t *testing.T) {
		a := bob.soon(bobBefore, "Alice after the join", func(a *answer) bool { _, n := a.presenceOf(alice); return n == 1 })
		if _, n := bob.sync(a.str("next_batch"), nil).presenceOf(alice); n != 0 {
			t.Error("it was repeated")
		}
	})
}

func TestB87(t *testing.T) {
	alice, bob, charlie := newUser(t), newUser(t), newUser(t)
	one, two := bob.publicRoom(), charlie.publicRoom()
	alice.join(one)
	alice.join(two)
	since := alice.now()
	bob.presence("unavailable", "b87")
	charlie.presence("unavailable", "c87")
	seen := map[string]bool{}
	alice.soon(since, "both", func(a *answer) bool {
		for _, p := range a.list("presence", "events") {
			seen[p.str("content", "status_msg")] = true
		}
		return seen["b87"] && seen["c87"]
	})
}
