package admin

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"freehold.example/base/route"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/account"
	"freehold.example/core/audit"
	"freehold.example/core/schema"
)

func newAPI(t *testing.T, secret string) *API {
	t.Helper()
	accounts, err := account.New(account.Config{
		DB: sqldbtest.SQLite(t, schema.FS), Now: time.Now, ServerName: "s1", SharedSecret: secret, FastHashing: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &API{Accounts: accounts, Audit: audit.New(audit.Config{DB: accounts.DB, Now: time.Now})}
}

// call is the kind of call of a table that the rows are put into.
type call struct{}

func guard(*http.Request, route.Auth) (*call, string, error) { return &call{}, "", nil }

func TestShared(t *testing.T) {
	table := func(a *API) http.Handler {
		t.Helper()
		h, err := route.New(route.Config[call]{Rows: sharedRows[call](a), Guard: guard})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	const path = "/_synapse/admin/v1/register"
	do := func(h http.Handler, method string, body map[string]any, status int) map[string]any {
		t.Helper()
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, bytes.NewReader(b)))
		var out map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != status {
			t.Errorf("%s: got %d %s, want %d", method, w.Code, w.Body, status)
		}
		return out
	}
	do(table(newAPI(t, "")), "GET", nil, 404)

	a := newAPI(t, "shhh")
	h := table(a)
	register := func(name, role string, admin bool, status int) map[string]any {
		t.Helper()
		nonce, _ := do(h, "GET", nil, 200)["nonce"].(string) // B35
		mac := hmac.New(sha1.New, []byte("shhh"))
		mac.Write([]byte(nonce + "\x00" + name + "\x00pw\x00" + role))
		return do(h, "POST", map[string]any{
			"nonce": nonce, "username": name, "password": "pw", "admin": admin, "mac": hex.EncodeToString(mac.Sum(nil)),
		}, status)
	}
	got := register("Root", "admin", true, 200) // B36, B38
	if got["user_id"] != "@root:s1" || got["access_token"] == "" || got["device_id"] == "" {
		t.Errorf("got %v, want a session of @root:s1", got)
	}
	register("plain", "notadmin", false, 200)
	for user, want := range map[string]bool{"@root:s1": true, "@plain:s1": false} { // B37
		u, _ := a.Accounts.Named(user)
		if admin, err := a.Accounts.IsAdmin(t.Context(), u); admin != want || err != nil {
			t.Errorf("%s: got %v (%v), want %v", user, admin, err, want)
		}
	}
	list, err := a.Audit.List(t.Context(), audit.Query{Limit: 10})
	if err != nil || len(list) != 2 || list[1].Target != "Root" || list[1].By != bySecret || string(list[1].Params) != `{"admin":true}` || list[1].Outcome != audit.Done {
		t.Errorf("got %+v (%v), want the two registrations", list, err)
	}
	if got := register("us,er", "notadmin", false, 400); got["errcode"] != "M_INVALID_USERNAME" {
		t.Errorf("got %v, want M_INVALID_USERNAME", got)
	}
	register("eve", "notadmin", true, 403)
}
