package client

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/account"
	"freehold.example/core/appservice"
	"freehold.example/core/audit"
	"freehold.example/core/schema"
)

// site is an API behind its table of routes.
type site struct {
	t        *testing.T
	table    http.Handler
	accounts *account.Accounts
	api      *API
}

func newSite(t *testing.T, registration account.Registration) *site {
	t.Helper()
	return newLimitedSite(t, registration, nil)
}

func newLimitedSite(t *testing.T, registration account.Registration, limits *limit.Limits) *site {
	t.Helper()
	accounts, err := account.New(account.Config{
		DB: sqldbtest.SQLite(t, schema.FS), Now: time.Now, ServerName: "s1", Registration: registration, FastHashing: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{Accounts: accounts, Audit: audit.New(audit.Config{DB: accounts.DB, Now: time.Now}), Desk: appservice.NewDesk(nil, nil, time.Now), LoginTokens: true, Limits: limits, Now: time.Now})
	rows := slices.Concat(a.versionRows(), a.loginRows(), a.registerRows(), a.passwordRows(), a.deviceRows(),
		a.administrationRows(), a.thirdPartyRows(), a.networkRows(), a.wellKnownRows())
	table, err := route.New(route.Config[Call]{
		Rows: rows, Guard: a.Guard, Limits: limits, CORS: true,
		Aliases: map[string]string{"/_matrix/client/r0": "/_matrix/client/v3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, table, accounts, a}
}

// answer is a decoded JSON answer.
type answer map[string]any

func (a answer) str(key string) string { s, _ := a[key].(string); return s }

// call makes a request under /_matrix/client and fails the test unless it is answered with the status and the errcode.
func (s *site) call(method, path, token string, body any, status int, errcode string) answer {
	s.t.Helper()
	var b bytes.Buffer
	switch v := body.(type) {
	case nil:
	case string:
		b.WriteString(v)
	default:
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			s.t.Fatal(err)
		}
	}
	if !strings.HasPrefix(path, "/.") {
		path = "/_matrix/client" + path
	}
	r := httptest.NewRequest(method, path, &b)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.table.ServeHTTP(w, r)
	var out answer
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		s.t.Fatalf("%s %s: got %d %q, want JSON", method, path, w.Code, w.Body)
	}
	if w.Code != status || out.str("errcode") != errcode {
		s.t.Errorf("%s %s: got %d %s, want %d %s", method, path, w.Code, w.Body, status, errcode)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		s.t.Errorf("%s %s: got Content-Type %q, want application/json", method, path, got)
	}
	return out
}

func (s *site) register(name string) answer {
	s.t.Helper()
	return s.call("POST", "/v3/register", "", map[string]any{
		"username": name, "password": "secret " + name, "auth": map[string]any{"type": "m.login.dummy"},
	}, 200, "")
}

func (s *site) login(name string, more map[string]any) answer {
	s.t.Helper()
	body := map[string]any{
		"type": "m.login.password", "identifier": map[string]any{"type": "m.id.user", "user": name}, "password": "secret " + name,
	}
	maps.Copy(body, more)
	return s.call("POST", "/v3/login", "", body, 200, "")
}

func password(name, password, session string) map[string]any {
	auth := map[string]any{
		"type": "m.login.password", "identifier": map[string]any{"type": "m.id.user", "user": name}, "password": password,
	}
	if session != "" {
		auth["session"] = session
	}
	return map[string]any{"auth": auth}
}

// wantChallenge fails the test unless the answer is a whole 401 of user-interactive authentication.
func wantChallenge(t *testing.T, a answer, stage string) {
	t.Helper()
	flows, _ := a["flows"].([]any)
	if a.str("session") == "" || a["params"] == nil || len(flows) != 1 {
		t.Fatalf("got %v, want flows, params and a session", a)
	}
	stages, _ := flows[0].(map[string]any)["stages"].([]any)
	if len(stages) != 1 || stages[0] != stage {
		t.Errorf("got stages %v, want %s", stages, stage)
	}
}

func TestRegisterHTTP(t *testing.T) {
	s := newSite(t, account.Open)
	wantChallenge(t, s.call("POST", "/v3/register", "", "{}", 401, ""), "m.login.dummy") // B22

	got := s.register("user-UPPER") // B23, B24, B26
	if got.str("user_id") != "@user-upper:s1" || got.str("access_token") == "" || got.str("device_id") == "" {
		t.Errorf("got %v, want a session of @user-upper:s1", got)
	}

	body := map[string]any{"username": "two", "password": "secret two", "device_id": "MINE"} // B25, B27
	c := s.call("POST", "/v3/register", "", body, 401, "")
	body["auth"] = map[string]any{"type": "m.login.dummy", "session": c.str("session")}
	got = s.call("POST", "/v3/register", "", body, 200, "")
	if got.str("device_id") != "MINE" {
		t.Errorf("got %v, want the device MINE", got)
	}
	s.call("POST", "/v3/register", "", body, 400, "M_USER_IN_USE")                                                         // B30
	s.call("POST", "/v3/register", "", map[string]any{"username": "a'b", "password": "secret"}, 400, "M_INVALID_USERNAME") // B28

	got = s.call("POST", "/v3/register", "", map[string]any{
		"password": "übergeheim", "inhibit_login": true, "auth": map[string]any{"type": "m.login.dummy"},
	}, 200, "")
	if got.str("user_id") == "" || got["access_token"] != nil || got["device_id"] != nil {
		t.Errorf("got %v, want a made-up name and no session", got)
	}
	s.call("POST", "/v3/login", "", map[string]any{"type": "m.login.password", "user": got.str("user_id"), "password": "übergeheim"}, 200, "") // B31

	s.call("GET", "/v3/register/available?username=free", "", nil, 200, "")                  // B32
	s.call("GET", "/v3/register/available?username=two", "", nil, 400, "M_USER_IN_USE")      // B33
	s.call("GET", "/v3/register/available?username=a,b", "", nil, 400, "M_INVALID_USERNAME") // B34
	s.call("GET", "/v3/register/available", "", nil, 400, "M_MISSING_PARAM")
	s.call("POST", "/v3/register?kind=guest", "", "{}", 403, "M_GUEST_ACCESS_FORBIDDEN")
	s.call("POST", "/v3/register", "", "{\"username\": \"\x81\"}", 400, "M_NOT_JSON") // B10
	s.call("POST", "/v3/register", "", map[string]any{"username": "weak", "password": "12345"}, 400, "M_WEAK_PASSWORD")
	s.call("POST", "/v3/register", "", map[string]any{"username": "none", "auth": map[string]any{"type": "m.login.dummy"}}, 400, "M_MISSING_PARAM")
}

// TestRegisterBehindOneAddress has ten people of one household sign up at once, as clients do it: they ask for the flows,
// look whether names are free while they are typed, and then register.
func TestRegisterBehindOneAddress(t *testing.T) {
	now := time.Now()
	s := newLimitedSite(t, account.Open, limit.New(limit.Config{}, func() time.Time { return now }))
	for i := range 10 {
		name := "person" + string(rune('a'+i))
		s.call("POST", "/v3/register", "", answer{}, 401, "")
		for _, typed := range []string{name[:2], name[:5], name} {
			s.call("GET", "/v3/register/available?username="+typed, "", nil, 200, "")
		}
		body := answer{"username": name, "password": "a long password"}
		body["auth"] = answer{"type": "m.login.dummy", "session": s.call("POST", "/v3/register", "", body, 401, "").str("session")}
		s.call("POST", "/v3/register", "", body, 200, "")
	}
	s.call("POST", "/v3/register", "", answer{}, 429, "M_LIMIT_EXCEEDED")
}

// Tokens that nobody has are told so, and when they do not end, to wait; who has a good one at the same address is served.
func TestUnknownTokensAreCounted(t *testing.T) {
	now := time.Now()
	s := newLimitedSite(t, account.Open, limit.New(limit.Config{}, func() time.Time { return now }))
	good := s.register("alice").str("access_token")
	rate := (limit.Config{}).Rate(limit.Token)
	for i := range rate.Burst {
		if i%2 == 0 {
			s.call("GET", "/v3/account/whoami", "nobody's", nil, 401, "M_UNKNOWN_TOKEN")
		} else {
			s.call("POST", "/v3/refresh", "", answer{"refresh_token": "nobody's"}, 401, "M_UNKNOWN_TOKEN")
		}
	}
	got := s.call("GET", "/v3/account/whoami", "nobody's", nil, 429, "M_LIMIT_EXCEEDED")
	if got["retry_after_ms"] == nil {
		t.Errorf("got %v, want retry_after_ms", got)
	}
	s.call("POST", "/v3/refresh", "", answer{"refresh_token": "nobody's"}, 429, "M_LIMIT_EXCEEDED")
	s.call("GET", "/v3/account/whoami", good, nil, 200, "")
	now = now.Add(rate.Every)
	s.call("GET", "/v3/account/whoami", "nobody's", nil, 401, "M_UNKNOWN_TOKEN")
}

// One device that runs wild leaves something to the others of its owner.
func TestDevicesAreCounted(t *testing.T) {
	now := time.Now()
	s := newLimitedSite(t, account.Open, limit.New(limit.Config{}, func() time.Time { return now }))
	one := s.register("alice").str("access_token")
	two := s.login("alice", nil).str("access_token")
	for range (limit.Config{}).Rate(limit.Read).Burst {
		s.call("GET", "/v3/account/whoami", one, nil, 200, "")
	}
	s.call("GET", "/v3/account/whoami", one, nil, 429, "M_LIMIT_EXCEEDED")
	s.call("GET", "/v3/account/whoami", two, nil, 200, "")
}

func TestLoginTokenHTTP(t *testing.T) {
	s := newSite(t, account.Open)
	mine := s.register("alice").str("access_token")
	wantChallenge(t, s.call("POST", "/v1/login/get_token", mine, "{}", 401, ""), "m.login.password")
	s.call("POST", "/v1/login/get_token", "", "{}", 401, "M_MISSING_TOKEN")
	got := s.call("POST", "/v1/login/get_token", mine, password("alice", "secret alice", ""), 200, "")
	if got.str("login_token") == "" || got["expires_in_ms"] != 120000.0 {
		t.Errorf("got %v, want a token for two minutes", got)
	}
	use := answer{"type": "m.login.token", "token": got.str("login_token"), "device_id": "TABLET"}
	if got := s.call("POST", "/v3/login", "", use, 200, ""); got.str("user_id") != "@alice:s1" || got.str("device_id") != "TABLET" {
		t.Errorf("got %v, want @alice:s1 on TABLET", got)
	}
	s.call("POST", "/v3/login", "", use, 403, "M_FORBIDDEN")
	found := false
	flows, _ := s.call("GET", "/v3/login", "", nil, 200, "")["flows"].([]any)
	for _, f := range flows {
		f, _ := f.(map[string]any)
		found = found || f["type"] == "m.login.token" && f["get_login_token"] == true
	}
	if !found {
		t.Errorf("got the flows %v, want m.login.token with get_login_token", flows)
	}
}

func TestLoginTokensOff(t *testing.T) {
	s := newSite(t, account.Open)
	s.api.LoginTokens = false
	mine := s.register("alice").str("access_token")
	flows, _ := s.call("GET", "/v3/login", "", nil, 200, "")["flows"].([]any)
	if len(flows) != 1 {
		t.Errorf("got the flows %v, want the password alone", flows)
	}
	s.call("POST", "/v1/login/get_token", mine, password("alice", "secret alice", ""), 404, "M_UNRECOGNIZED")
	s.call("POST", "/v3/login", "", answer{"type": "m.login.token", "token": "x"}, 400, "M_UNKNOWN")
	caps, _ := s.call("GET", "/v3/capabilities", mine, nil, 200, "")["capabilities"].(map[string]any)
	if got, _ := caps["m.get_login_token"].(map[string]any); got["enabled"] != false {
		t.Errorf("got the capability %v, want it off", got)
	}
}

func TestRegisterWithTokenHTTP(t *testing.T) {
	s := newSite(t, account.Token)
	wantChallenge(t, s.call("POST", "/v3/register", "", "{}", 401, ""), "m.login.registration_token")
	token, err := s.accounts.Invite(t.Context(), account.Invitation{Allowed: 1})
	if err != nil {
		t.Fatal(err)
	}
	valid := func(token string, want bool) {
		t.Helper()
		got := s.call("GET", "/v1/register/m.login.registration_token/validity?token="+token, "", nil, 200, "")
		if got["valid"] != want {
			t.Errorf("%s: got %v, want %v", token, got, want)
		}
	}
	valid(token, true)
	valid("nonsense", false)
	body := func(name, token string) map[string]any {
		return map[string]any{
			"username": name, "password": "secret", "auth": map[string]any{"type": "m.login.registration_token", "token": token},
		}
	}
	s.call("POST", "/v3/register", "", body("a", "nonsense"), 401, "M_FORBIDDEN")
	s.call("POST", "/v3/register", "", map[string]any{
		"username": "a", "password": "secret", "auth": map[string]any{"type": "m.login.dummy"},
	}, 401, "M_UNRECOGNIZED")
	s.call("POST", "/v3/register", "", body("a", token), 200, "")
	valid(token, false)
	s.call("POST", "/v3/register", "", body("b", token), 401, "M_FORBIDDEN")

	s = newSite(t, account.Closed)
	s.call("POST", "/v3/register", "", "{}", 403, "M_FORBIDDEN")
	s.call("GET", "/v1/register/m.login.registration_token/validity?token=a", "", nil, 403, "M_FORBIDDEN")
}

func TestLoginHTTP(t *testing.T) {
	s := newSite(t, account.Open)
	first := s.register("alice")
	if flows, _ := s.call("GET", "/v3/login", "", nil, 200, "")["flows"].([]any); len(flows) == 0 { // B39
		t.Error("got no flows")
	}
	for _, user := range []string{"alice", "@alice:s1", "@ALICE:s1"} { // B40..B42
		got := s.call("POST", "/v3/login", "", map[string]any{
			"type": "m.login.password", "identifier": map[string]any{"type": "m.id.user", "user": user}, "password": "secret alice",
		}, 200, "")
		who := s.call("GET", "/v3/account/whoami", got.str("access_token"), nil, 200, "")
		if who.str("user_id") != "@alice:s1" || who.str("device_id") != got.str("device_id") || who["is_guest"] != false {
			t.Errorf("%s: got %v, want @alice:s1 on %s", user, who, got.str("device_id"))
		}
	}
	s.call("POST", "/v3/login", "", map[string]any{"type": "m.login.password", "user": "nobody", "password": "x"}, 403, "M_FORBIDDEN") // B44
	s.call("POST", "/v3/login", "", map[string]any{"type": "m.login.password", "user": "alice", "password": "x"}, 403, "M_FORBIDDEN")
	s.call("POST", "/v3/login", "", map[string]any{"type": "m.login.token", "token": "x"}, 403, "M_FORBIDDEN")
	s.call("POST", "/v3/login", "", map[string]any{"type": "m.login.sso", "token": "x"}, 400, "M_UNKNOWN")
	s.call("POST", "/v3/login", "", map[string]any{"type": "m.login.password", "password": "x"}, 400, "M_MISSING_PARAM")
	s.call("PUT", "/v3/login", "", "{}", 405, "M_UNRECOGNIZED") // B6
	s.call("POST", "/r0/login", "", map[string]any{"type": "m.login.password", "user": "alice", "password": "x"}, 403, "M_FORBIDDEN")

	again := s.login("alice", map[string]any{"device_id": first.str("device_id")}) // B43, B46
	if again.str("device_id") != first.str("device_id") {
		t.Errorf("got %v, want the device %s", again, first.str("device_id"))
	}
	s.call("GET", "/v3/account/whoami", first.str("access_token"), nil, 401, "M_UNKNOWN_TOKEN")

	pair := s.login("alice", map[string]any{"refresh_token": true}) // B45
	next := s.call("POST", "/v3/refresh", "", map[string]any{"refresh_token": pair.str("refresh_token")}, 200, "")
	if next.str("access_token") == "" || next.str("refresh_token") == "" || next["expires_in_ms"] == nil {
		t.Errorf("got %v, want a new pair", next)
	}
	who := s.call("GET", "/v3/account/whoami", next.str("access_token"), nil, 200, "")
	if who.str("device_id") != pair.str("device_id") {
		t.Errorf("got %v, want the device %s", who, pair.str("device_id"))
	}
	reuse := s.call("POST", "/v3/refresh", "", map[string]any{"refresh_token": pair.str("refresh_token")}, 401, "M_UNKNOWN_TOKEN")
	if reuse["soft_logout"] != true {
		t.Errorf("got %v, want a soft logout", reuse)
	}
	s.call("GET", "/v3/account/whoami", next.str("access_token"), nil, 401, "M_UNKNOWN_TOKEN")
	s.call("POST", "/v3/refresh", "", "{}", 400, "M_MISSING_PARAM")

	s.call("POST", "/v3/logout", again.str("access_token"), nil, 200, "") // B47
	s.call("GET", "/v3/account/whoami", again.str("access_token"), nil, 401, "M_UNKNOWN_TOKEN")
	s.call("POST", "/v3/logout", again.str("access_token"), nil, 401, "M_UNKNOWN_TOKEN") // B49
	s.call("POST", "/v3/logout", "", nil, 401, "M_MISSING_TOKEN")
	one, two := s.login("alice", nil), s.login("alice", nil) // B48
	s.call("POST", "/v3/logout/all", one.str("access_token"), "{}", 200, "")
	for _, a := range []answer{one, two} {
		s.call("GET", "/v3/account/whoami", a.str("access_token"), nil, 401, "M_UNKNOWN_TOKEN")
	}
	s.call("GET", "/v3/account/whoami?access_token="+two.str("access_token"), "", nil, 401, "M_MISSING_TOKEN")
}

func TestLockedHTTP(t *testing.T) {
	s := newSite(t, account.Open)
	token := s.register("alice").str("access_token")
	if err := s.accounts.SetLocked(t.Context(), "@alice:s1", true); err != nil {
		t.Fatal(err)
	}
	if got := s.call("GET", "/v3/devices", token, nil, 401, "M_USER_LOCKED"); got["soft_logout"] != true {
		t.Errorf("got %v, want a soft logout", got)
	}
	s.call("PUT", "/v3/devices/logout", token, "{}", 401, "M_USER_LOCKED")
	s.call("POST", "/v3/logout", token, nil, 200, "")
}

func TestPasswordHTTP(t *testing.T) {
	s := newSite(t, account.Open)
	mine, other := s.register("alice").str("access_token"), s.login("alice", nil).str("access_token")
	change := password("alice", "secret alice", "")
	change["new_password"], change["logout_devices"] = "changed", false
	s.call("POST", "/v3/account/password", mine, change, 200, "") // B50, B53
	s.call("GET", "/v3/account/whoami", other, nil, 200, "")
	change = password("alice", "changed", "")
	change["new_password"] = "changed again"
	s.call("POST", "/v3/account/password", mine, change, 200, "")
	s.call("GET", "/v3/account/whoami", mine, nil, 200, "") // B52
	s.call("GET", "/v3/account/whoami", other, nil, 401, "M_UNKNOWN_TOKEN")
	old := map[string]any{"type": "m.login.password", "user": "alice", "password": "changed"}
	s.call("POST", "/v3/login", "", old, 403, "M_FORBIDDEN") // B51
	old["password"] = "changed again"
	s.call("POST", "/v3/login", "", old, 200, "")

	wantChallenge(t, s.call("POST", "/v3/account/deactivate", mine, "{}", 401, ""), "m.login.password") // B55
	wantChallenge(t, s.call("POST", "/v3/account/deactivate", mine, password("alice", "wrong", ""), 401, "M_FORBIDDEN"), "m.login.password")
	s.call("POST", "/v3/account/deactivate", mine, password("alice", "changed again", ""), 200, "") // B56
	s.call("POST", "/v3/login", "", old, 403, "M_FORBIDDEN")
	s.call("GET", "/v3/account/whoami", mine, nil, 401, "M_UNKNOWN_TOKEN")
}

func TestDevicesHTTP(t *testing.T) {
	s := newSite(t, account.Open)
	mine := s.register("alice")
	token := mine.str("access_token")
	s.register("bob")
	second := s.login("alice", map[string]any{"device_id": "SECOND", "initial_device_display_name": "phone"})
	got := s.call("GET", "/v3/devices/SECOND", token, nil, 200, "") // B58
	if got.str("device_id") != "SECOND" || got.str("display_name") != "phone" {
		t.Errorf("got %v, want SECOND, phone", got)
	}
	if list, _ := s.call("GET", "/v3/devices", token, nil, 200, "")["devices"].([]any); len(list) != 2 { // B59
		t.Errorf("got %v, want two devices", list)
	}
	s.call("GET", "/v3/devices/NONE", token, nil, 404, "M_NOT_FOUND") // B60
	s.call("PUT", "/v3/devices/NONE", token, map[string]any{"display_name": "x"}, 404, "M_NOT_FOUND")
	s.call("PUT", "/v3/devices/NONE", token, "{}", 404, "M_NOT_FOUND")
	s.call("PUT", "/v3/devices/SECOND", token, map[string]any{"display_name": "renamed"}, 200, "") // B61
	if got := s.call("GET", "/v3/devices/SECOND", token, nil, 200, ""); got.str("display_name") != "renamed" {
		t.Errorf("got %v, want renamed", got)
	}

	c := s.call("DELETE", "/v3/devices/SECOND", token, nil, 401, "") // B62
	wantChallenge(t, c, "m.login.password")
	session := c.str("session")
	c = s.call("DELETE", "/v3/devices/SECOND", token, password("@alice:s1", "wrong", session), 401, "M_FORBIDDEN") // B63
	wantChallenge(t, c, "m.login.password")
	s.call("DELETE", "/v3/devices/SECOND", token, password("@bob:s1", "secret bob", session), 403, "M_FORBIDDEN") // B65
	s.call("GET", "/v3/devices/SECOND", token, nil, 200, "")
	s.call("DELETE", "/v3/devices/SECOND", token, password("@alice:s1", "secret alice", session), 200, "") // B64
	s.call("GET", "/v3/devices/SECOND", token, nil, 404, "M_NOT_FOUND")
	s.call("GET", "/v3/account/whoami", second.str("access_token"), nil, 401, "M_UNKNOWN_TOKEN")

	s.login("alice", map[string]any{"device_id": "A"})
	s.login("alice", map[string]any{"device_id": "B"})
	body := password("alice", "secret alice", "")
	body["devices"] = []string{"A", "B", "UNKNOWN"}
	s.call("POST", "/v3/delete_devices", token, body, 200, "")
	if list, _ := s.call("GET", "/v3/devices", token, nil, 200, "")["devices"].([]any); len(list) != 1 {
		t.Errorf("got %v, want one device", list)
	}
}

func TestVersionsHTTP(t *testing.T) {
	s := newSite(t, account.Open)
	got := s.call("GET", "/versions", "", nil, 200, "") // B1
	if list, _ := got["versions"].([]any); !slices.Contains(list, any("v1.11")) {
		t.Errorf("got %v, want v1.11 among them", got)
	}
	// What matrix-js-sdk looks for before it uses profile fields, as v1.16 is not declared.
	if features, _ := got["unstable_features"].(map[string]any); features["uk.tcpip.msc4133.stable"] != true {
		t.Errorf("got the features %v, want that of profile fields", features)
	}
	s.call("GET", "/v3/capabilities", "", nil, 401, "M_MISSING_TOKEN") // B2
	caps := s.call("GET", "/v3/capabilities", s.register("alice").str("access_token"), nil, 200, "")
	rooms, _ := caps["capabilities"].(map[string]any)["m.room_versions"].(map[string]any)
	if available, _ := rooms["available"].(map[string]any); rooms["default"] != "12" || len(available) != 12 {
		t.Errorf("got %v, want 12 versions, the default 12", rooms)
	}
	known := s.call("GET", "/.well-known/matrix/client", "", nil, 200, "")
	if base := known["m.homeserver"].(map[string]any)["base_url"]; base != "http://example.com" {
		t.Errorf("got %v, want the address that was asked", base)
	}
}
