package admin

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.example/base/route"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/account"
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
	return &API{accounts}
}

func TestSocket(t *testing.T) {
	a := newAPI(t, "")
	table, err := route.New(route.Config[Call]{Rows: a.SocketRows(), Guard: Guard})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "admin")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(table)
	server.Listener.Close()
	server.Listener = l
	server.Start()
	defer server.Close()

	c := NewClient(socket)
	user, err := c.AddUser(t.Context(), AddUserRequest{Name: "Alice", Password: "secret", Admin: true})
	if err != nil || user != "@alice:s1" {
		t.Fatalf("got %s (%v), want @alice:s1", user, err)
	}
	if _, err = c.AddUser(t.Context(), AddUserRequest{Name: "alice", Password: "secret"}); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("got %v, want the name to be taken", err)
	}
	if _, err = c.AddUser(t.Context(), AddUserRequest{Name: "bob", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	var got []User
	if err := c.Users(t.Context(), func(u User) { got = append(got, u) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].User != "@alice:s1" || !got[0].Admin || got[1].User != "@bob:s1" || got[1].Admin {
		t.Errorf("got %+v, want alice, an administrator, and bob", got)
	}
	token, err := c.Invite(t.Context(), InviteRequest{Uses: 1})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := a.Accounts.Invited(t.Context(), token); !ok || err != nil {
		t.Errorf("got %v (%v), want a valid invitation", ok, err)
	}
	if err := NewClient(filepath.Join(t.TempDir(), "none")).Users(t.Context(), func(User) {}); err == nil {
		t.Error("got no error, want one when nothing listens")
	}
}

func TestShared(t *testing.T) {
	table := func(a *API) http.Handler {
		t.Helper()
		h, err := route.New(route.Config[Call]{Rows: SharedRows[Call](a), Guard: Guard})
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
	if got := register("us,er", "notadmin", false, 400); got["errcode"] != "M_INVALID_USERNAME" {
		t.Errorf("got %v, want M_INVALID_USERNAME", got)
	}
	register("eve", "notadmin", true, 403)
}
