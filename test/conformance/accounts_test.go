package conformance

import (
	"net/url"
	"testing"
)

// Beyond the lines: what becomes of accounts that are locked, suspended, closed or erased, and login tokens.

func (u *user) deactivate(erase bool) {
	u.t.Helper()
	u.post("/v3/account/deactivate", obj{"auth": u.byPassword("", u.password), "erase": erase}).ok()
}

func TestLockedAccount(t *testing.T) {
	admin, alice := newAdmin(t), newUser(t)
	lock := path("/v1/admin/lock", alice.id)
	alice.put(lock, obj{"locked": true}).fails(403, "M_FORBIDDEN")
	if a := admin.get(lock).ok(); a.flag("locked") {
		t.Errorf("got %s", a.raw)
	}
	admin.put(lock, obj{"locked": true}).ok()
	if a := admin.get(lock).ok(); !a.flag("locked") {
		t.Errorf("got %s", a.raw)
	}
	for _, a := range []*answer{
		alice.get("/v3/sync"), alice.get("/v3/account/whoami"), alice.post("/v3/createRoom", obj{}),
		alice.do("DELETE", path("/v3/devices", alice.device), nil), signIn(t, alice.id, alice.password, nil),
	} {
		if a.fails(401, "M_USER_LOCKED"); !a.flag("soft_logout") {
			t.Errorf("%s: no soft_logout in %s", a.asked, a.raw)
		}
	}
	signIn(t, alice.id, "wrong", nil).fails(403, "M_FORBIDDEN") // only who knows the password hears of it
	admin.put(lock, obj{"locked": false}).ok()
	alice.get("/v3/account/whoami").ok() // her session is as it was
	other := alice.login("")
	admin.put(lock, obj{"locked": true}).ok()
	other.post("/v3/logout", nil).ok()
	admin.put(lock, obj{"locked": false}).ok()
	other.get("/v3/account/whoami").fails(401, "M_UNKNOWN_TOKEN")

	admin.put(path("/v1/admin/lock", admin.id), obj{"locked": true}).fails(403, "M_FORBIDDEN")
	admin.put(path("/v1/admin/lock", "@x:elsewhere.example"), obj{"locked": true}).fails(400, "M_INVALID_PARAM")
	admin.put(path("/v1/admin/lock", "@nobody:"+alice.server()), obj{"locked": true}).fails(404, "M_NOT_FOUND")
	admin.put(lock, obj{}).fails(400, "M_MISSING_PARAM")
}

func TestSuspendedAccount(t *testing.T) {
	admin, alice, bob := newAdmin(t), newUser(t), newUser(t)
	room, other := alice.publicRoom(), bob.publicRoom()
	bob.join(room)
	mine, his := alice.send(room, "mine"), bob.send(room, "his")
	asked := bob.createRoom(obj{"invite": list{alice.id}})
	suspend := path("/v1/admin/suspend", alice.id)
	bob.put(suspend, obj{"suspended": true}).fails(403, "M_FORBIDDEN")
	admin.put(suspend, obj{"suspended": true}).ok()
	if a := admin.get(suspend).ok(); !a.flag("suspended") {
		t.Errorf("got %s", a.raw)
	}
	for _, u := range []*user{alice, alice.login("")} {
		for _, a := range []*answer{
			u.post(path("/v3/rooms", other, "join"), nil), u.post(path("/v3/join", asked), nil), u.post(path("/v3/knock", other), nil),
			u.about("invite", room, bob), u.about("kick", room, bob), u.post("/v3/createRoom", obj{}),
			u.put(path("/v3/rooms", room, "send", "m.room.message", "t1"), obj{"msgtype": "m.text", "body": "x"}),
			u.put(path("/v3/rooms", room, "state", "m.room.topic", ""), obj{"topic": "x"}),
			u.put(path("/v3/profile", u.id, "displayname"), obj{"displayname": "x"}),
			u.put(path("/v3/rooms", room, "redact", his, "t2"), obj{}),
			u.do("POST", "/_matrix/media/v3/upload", "bytes"),
			u.put(path("/v3/rooms", room, "typing", u.id), obj{"typing": true, "timeout": 1000}),
		} {
			a.fails(403, "M_USER_SUSPENDED")
		}
	}
	since := alice.now()
	said := bob.send(room, "can you read me?")
	alice.soon(since, "bob's message", func(a *answer) bool { return a.timeline(room).at(-1).str("event_id") == said })
	alice.get(path("/v3/rooms", room, "messages") + "?dir=b").ok()
	alice.post("/v3/keys/query", obj{"device_keys": obj{}}).ok()
	alice.post("/v3/room_keys/version", obj{"algorithm": "m.megolm_backup.v1", "auth_data": obj{}}).ok()
	alice.put(path("/v3/sendToDevice", "m.key.verification.request", "t3"), obj{"messages": obj{}}).ok()
	alice.put(path("/v3/rooms", room, "redact", mine, "t4"), obj{}).ok()
	alice.leave(asked)
	alice.leave(room)
	admin.put(suspend, obj{"suspended": false}).ok()
	alice.join(room)
	admin.put(suspend, obj{"suspended": true}).ok()
	alice.deactivate(false)
	admin.get(suspend).fails(404, "M_NOT_FOUND")
}

func TestClosedAccount(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	alice.put(path("/v3/profile", alice.id, "displayname"), obj{"displayname": "Alice"}).ok()
	alice.put(path("/v3/user", alice.id, "account_data", "com.example"), obj{"v": 1}).ok()
	room := bob.publicRoom()
	alice.join(room)
	asked := bob.createRoom(obj{"invite": list{alice.id}})
	direct := alice.createRoom(obj{"invite": list{bob.id}, "preset": "trusted_private_chat"})
	bob.join(direct)
	other := alice.login("")
	newAdmin(t).post(noticePath, notice(alice, "before she goes")).ok() // an invitation that she could not turn down
	alice.deactivate(false)
	for _, u := range []*user{alice, other} {
		u.get("/v3/account/whoami").fails(401, "M_UNKNOWN_TOKEN")
	}
	signIn(t, alice.id, alice.password, nil).fails(403, "M_FORBIDDEN")
	signUp(t, alice.local(), nil).fails(400, "M_USER_IN_USE")
	for _, in := range []string{room, asked, direct} {
		if got := bob.state(in, "m.room.member", alice.id).ok().str("membership"); got != "leave" {
			t.Errorf("her membership of %s is %q, want leave", in, got)
		}
	}
	if a := bob.get(path("/v3/profile", alice.id)); len(a.keys()) > 0 && a.status == 200 {
		t.Errorf("her profile is still %s", a.raw)
	}
	keys := bob.post("/v3/keys/query", obj{"device_keys": obj{alice.id: list{}}}).ok()
	if got := keys.keys("device_keys", alice.id); len(got) != 0 {
		t.Errorf("she still has the devices %v", got)
	}
}

// Who joins after an erasure gets redacted copies, by every way there is; who was there before reads on.
func TestErasedAccount(t *testing.T) {
	alice, bob, carol, dora := newUser(t), newUser(t), newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	alice.setState(room, "m.room.name", "", obj{"name": "Our room"})
	secret := alice.send(room, "a secret of alice")
	bob.send(room, "an answer")
	carol.join(room)
	alice.deactivate(true)
	dora.join(room)
	shows := func(u *user) map[string]bool {
		t.Helper()
		seen := map[string]bool{}
		body := func(where string, events []value) {
			for _, e := range events {
				if e.str("event_id") == secret {
					seen[where] = e.str("content", "body") == "a secret of alice"
				}
				if e.str("content", "body") == "an answer" {
					seen["others "+where] = true
				}
			}
		}
		body("messages", u.get(path("/v3/rooms", room, "messages")+"?dir=b&limit=100").ok().list("chunk"))
		body("event", []value{u.get(path("/v3/rooms", room, "event", secret)).ok().value})
		body("context", []value{u.get(path("/v3/rooms", room, "context", secret)).ok().at("event")})
		body("sync", u.sync("", obj{"room": obj{"timeline": obj{"limit": 100}}}).timeline(room).list())
		return seen
	}
	for _, u := range []*user{bob, carol, dora} {
		got := shows(u)
		for _, where := range []string{"messages", "event", "context", "sync"} {
			visible, there := got[where]
			if want := u != dora; !there || visible != want {
				t.Errorf("%s of %s: got %v (there: %v), want %v", where, u.id, visible, there, want)
			}
		}
		if !got["others messages"] || !got["others sync"] {
			t.Errorf("%s: the messages of others are gone", u.id)
		}
	}
	for _, u := range []*user{bob, dora} { // nor can it be found by its words
		found := u.post("/v3/search", obj{"search_categories": obj{"room_events": obj{
			"search_term": "secret", "filter": obj{"rooms": list{room}},
		}}}).ok()
		hits := len(found.list("search_categories", "room_events", "results"))
		if want := map[bool]int{true: 1}[u == bob]; hits != want {
			t.Errorf("%s finds it %d times, want %d", u.id, hits, want)
		}
	}
	if got := dora.state(room, "m.room.name", "").ok().str("name"); got != "Our room" {
		t.Errorf("the room is called %q", got)
	}
}

func TestLoginToken(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	capable := alice.get("/v3/capabilities").ok().flag("capabilities", "m.get_login_token", "enabled")
	offered := false
	for _, f := range nobody(t).get("/v3/login").ok().list("flows") {
		offered = offered || f.str("type") == "m.login.token" && f.flag("get_login_token")
	}
	if !capable || !offered {
		t.Errorf("the capability is %v and the flow %v, want both", capable, offered)
	}
	a := alice.post("/v1/login/get_token", obj{})
	if a.status != 401 || a.str("session") == "" {
		t.Fatalf("got %d %s, want to be asked for the password", a.status, a.raw)
	}
	session := a.str("session")
	bob.post("/v1/login/get_token", obj{"auth": bob.byPassword(session, bob.password)}).fails(403)
	a = alice.post("/v1/login/get_token", obj{"auth": alice.byPassword(session, alice.password)}).ok()
	if n := a.num("expires_in_ms"); n <= 0 || n > 600_000 {
		t.Errorf("got %s", a.raw)
	}
	use := obj{"type": "m.login.token", "token": a.str("login_token"), "refresh_token": true}
	in := nobody(t).post("/v3/login", use).ok()
	if in.str("user_id") != alice.id || in.str("device_id") == alice.device || in.str("refresh_token") == "" {
		t.Errorf("got %s", in.raw)
	}
	nobody(t).post("/v3/login", use).fails(403, "M_FORBIDDEN")
	nobody(t).post("/v3/login", obj{"type": "m.login.token", "token": alice.token}).fails(403, "M_FORBIDDEN")
	// Asked again each time, also right after another time.
	if a := alice.post("/v1/login/get_token", obj{"auth": obj{"session": session}}); a.status != 401 {
		t.Errorf("got %d %s, want to be asked again", a.status, a.raw)
	}
}

// A token in the query is refused: it would end up in logs.
func TestTokenInQuery(t *testing.T) {
	alice := newUser(t)
	nobody(t).get("/v3/account/whoami?access_token="+url.QueryEscape(alice.token)).fails(401, "M_MISSING_TOKEN")
}

// User-interactive authentication is of one user, one request and what it asks for.
func TestConfirmationIsOfOneRequest(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	one, two := alice.login(""), alice.login("")
	remove := func(u *user, device string, auth obj) *answer {
		t.Helper()
		return u.do("DELETE", path("/v3/devices", device), obj{"auth": auth})
	}
	session := alice.do("DELETE", path("/v3/devices", one.device), obj{}).str("session")
	if a := remove(alice, one.device, obj{"session": session}); a.status != 401 { // a stage is not skipped by leaving it out
		t.Errorf("got %d %s", a.status, a.raw)
	}
	remove(alice, one.device, obj{"type": "m.login.dummy", "session": session}).fails(401)
	remove(bob, one.device, bob.byPassword(session, bob.password)).fails(403)       // another's session
	remove(alice, one.device, bob.byPassword(session, bob.password)).fails(403)     // another's password
	remove(alice, two.device, alice.byPassword(session, alice.password)).fails(403) // another device
	alice.post("/v3/account/deactivate", obj{"auth": alice.byPassword(session, alice.password)}).fails(403)
	remove(alice, one.device, alice.byPassword(session, alice.password)).ok()
	if a := remove(alice, one.device, obj{"session": session}); a.status != 401 { // used up
		t.Errorf("got %d %s", a.status, a.raw)
	}
	two.get("/v3/account/whoami").ok()
	one.get("/v3/account/whoami").fails(401, "M_UNKNOWN_TOKEN")
}

// Registration tokens by the admin API of the field's tools.
func TestRegistrationTokens(t *testing.T) {
	const all = "/_synapse/admin/v1/registration_tokens"
	admin, alice := newAdmin(t), newUser(t)
	alice.get(all).fails(403, "M_FORBIDDEN")
	nobody(t).get(all).fails(401, "M_MISSING_TOKEN")
	valid := func(token string) bool {
		t.Helper()
		return nobody(t).get("/v1/register/m.login.registration_token/validity?token=" + token).ok().flag("valid")
	}
	name := "party." + freeName()
	a := admin.post(all+"/new", obj{"token": name, "uses_allowed": 2}).ok()
	if a.str("token") != name || a.num("uses_allowed") != 2 || a.num("completed") != 0 || a.num("pending") != 0 || !a.has("expiry_time") {
		t.Errorf("got %s", a.raw)
	}
	if !valid(name) {
		t.Error("the token is not valid")
	}
	admin.post(all+"/new", obj{"token": name}).fails(400, "M_INVALID_PARAM")
	for _, wrong := range []obj{{"token": "a b"}, {"length": 0}, {"length": 65}, {"uses_allowed": -1}, {"uses_allowed": 1.5}, {"expiry_time": 1}} {
		admin.post(all+"/new", wrong).fails(400, "M_INVALID_PARAM")
	}
	if made := admin.post(all+"/new", obj{"length": 40}).ok().str("token"); len(made) != 40 || !valid(made) {
		t.Errorf("got the token %q", made)
	}
	one := path(all, name)
	if a := admin.put(one, obj{"uses_allowed": 0}).ok(); a.num("uses_allowed") != 0 || !a.isNumber("uses_allowed") || valid(name) {
		t.Errorf("got %s, want a token that lets nobody in", a.raw)
	}
	if a := admin.put(one, obj{"uses_allowed": nil}).ok(); a.isNumber("uses_allowed") || !valid(name) {
		t.Errorf("got %s, want a token without bounds", a.raw)
	}
	listed := func(query string) bool {
		t.Helper()
		for _, v := range admin.get(all + query).ok().list("registration_tokens") {
			if v.str("token") == name {
				return true
			}
		}
		return false
	}
	if !listed("") || !listed("?valid=true") || listed("?valid=false") {
		t.Error("the token is not listed as it should be")
	}
	admin.do("DELETE", one, nil).ok()
	admin.get(one).fails(404, "M_NOT_FOUND")
	admin.do("DELETE", one, nil).fails(404, "M_NOT_FOUND")
	if valid(name) || listed("") {
		t.Error("the token is still there")
	}
}
