package conformance

import (
	"fmt"
	"strings"
	"testing"
)

// Beyond the lines: reports, OpenID tokens, and a server without mail.

// A report is answered alike whatever it is of, and kept for the administrators when it can be true.
func TestReports(t *testing.T) {
	admin, alice, bob := newAdmin(t), newUser(t), newUser(t)
	room := bob.publicRoom()
	hidden := bob.createRoom(nil)
	secret := bob.send(hidden, "secret")
	alice.join(room)
	bad := bob.send(room, "bad")
	tag := freeName()
	tell := func(what string, segments ...string) {
		t.Helper()
		a := alice.post(path("/v3", segments...), obj{"reason": tag + " " + what}).ok()
		if len(a.keys()) != 0 {
			t.Errorf("%s: got %s, want {}", what, a.raw)
		}
	}
	tell("event", "rooms", room, "report", bad)
	tell("room", "rooms", hidden, "report")
	tell("user", "users", bob.id, "report")
	for _, nothing := range [][]string{
		{"rooms", hidden, "report", secret},
		{"rooms", room, "report", "$nothing"},
		{"rooms", room, "report", secret},
		{"rooms", "!nothing:elsewhere.example", "report", bad},
		{"rooms", "nonsense", "report"},
		{"users", "nonsense", "report"},
	} {
		tell("nothing", nothing...)
	}
	tell("room", "rooms", "!nothing:elsewhere.example", "report")
	tell("user", "users", "@nobody:"+bob.server(), "report")
	alice.post(path("/v3/rooms", room, "report"), obj{"reason": 1}).fails(400, "M_BAD_JSON")
	nobody(t).post(path("/v3/rooms", room, "report"), obj{"reason": ""}).fails(401, "M_MISSING_TOKEN")

	const all = "/_synapse/admin/v1/event_reports"
	alice.get(all).fails(403, "M_FORBIDDEN")
	kept := map[string]int{}
	var ids []string
	for _, r := range admin.get(all + "?limit=1000").ok().list("event_reports") {
		if what, mine := strings.CutPrefix(r.str("reason"), tag+" "); mine {
			kept[what]++
			ids = append(ids, fmt.Sprintf("%.0f", r.num("id")))
			if what == "event" && (r.str("event_id") != bad || r.str("sender") != bob.id || r.str("user_id") != alice.id || r.str("room_id") != room) {
				t.Errorf("the report of an event is kept as %v", r)
			}
		}
	}
	if kept["event"] != 1 || kept["room"] != 2 || kept["user"] != 2 || kept["nothing"] != 0 {
		t.Errorf("got the reports %v, want one of an event, two of rooms, two of users", kept)
	}
	page := admin.get(all + "?limit=1").ok()
	if len(page.list("event_reports")) != 1 || !page.isNumber("next_token") {
		t.Fatalf("got %s, want one and where to go on", page.raw)
	}
	next := admin.get(fmt.Sprintf("%s?limit=1&from=%.0f", all, page.num("next_token"))).ok()
	if a, b := page.at("event_reports", 0).num("id"), next.at("event_reports", 0).num("id"); b >= a {
		t.Errorf("got %v after %v", b, a)
	}
	admin.get(path(all, ids[0])).ok()
	admin.do("DELETE", path(all, ids[0]), nil).ok()
	admin.get(path(all, ids[0])).fails(404, "M_NOT_FOUND")
}

func TestOpenID(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	a := alice.post(path("/v3/user", alice.id, "openid", "request_token"), obj{}).ok()
	if a.str("access_token") == "" || a.str("token_type") != "Bearer" || a.str("matrix_server_name") != alice.server() || a.num("expires_in") <= 0 {
		t.Errorf("got %s", a.raw)
	}
	(&user{t: t, token: a.str("access_token")}).get("/v3/account/whoami").fails(401, "M_UNKNOWN_TOKEN")
	bob.post(path("/v3/user", alice.id, "openid", "request_token"), obj{}).fails(403, "M_FORBIDDEN")
}

// A server that sends no mail says so, in the words of each endpoint.
func TestNoMail(t *testing.T) {
	alice := newUser(t)
	ask := obj{"client_secret": "x", "email": "alice@example.org", "send_attempt": 1}
	for p, want := range map[string]struct {
		status  int
		errcode string
	}{
		"/v3/register/email/requestToken":          {403, "M_THREEPID_DENIED"},
		"/v3/register/msisdn/requestToken":         {403, "M_THREEPID_DENIED"},
		"/v3/account/password/email/requestToken":  {400, "M_THREEPID_NOT_FOUND"},
		"/v3/account/password/msisdn/requestToken": {400, "M_THREEPID_NOT_FOUND"},
		"/v3/account/3pid/email/requestToken":      {400, "M_THREEPID_MEDIUM_NOT_SUPPORTED"},
		"/v3/account/3pid/msisdn/requestToken":     {400, "M_THREEPID_MEDIUM_NOT_SUPPORTED"},
	} {
		nobody(t).post(p, ask).fails(want.status, want.errcode)
	}
	alice.post("/v3/account/3pid", obj{"three_pid_creds": obj{"sid": "x", "client_secret": "y"}}).fails(403)
	for _, p := range []string{"add", "bind"} {
		alice.post("/v3/account/3pid/"+p, obj{"sid": "x", "client_secret": "y", "id_server": "id.example", "id_access_token": "z"}).fails(403, "M_FORBIDDEN")
	}
	if alice.get("/v3/capabilities").ok().flag("capabilities", "m.3pid_changes", "enabled") {
		t.Error("the capability m.3pid_changes is there")
	}
	for _, p := range []string{"delete", "unbind"} {
		got := alice.post("/v3/account/3pid/"+p, obj{"medium": "email", "address": "x@example.org"}).ok().str("id_server_unbind_result")
		if got != "no-support" {
			t.Errorf("%s: got %q, want no-support: there is no identity server to unbind it from", p, got)
		}
	}
	if got := alice.get("/v3/account/3pid").ok().list("threepids"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
