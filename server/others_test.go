package server

import (
	"net/http"
	"slices"
	"testing"

	"freehold.example/core/account"
	"freehold.example/matrix/id"
	"freehold.example/test/address"
)

// An administrator sees the other servers, what is wrong with them, and tries them.
func TestOtherServers(t *testing.T) {
	open := func(addr string) func(*Config) {
		return func(c *Config) {
			c.ServerName, c.ListenFederation, c.Registration = id.Server(addr), addr, account.Open
		}
	}
	here, there, nobody := address.For(t), address.For(t), address.For(t)
	s, base, _, _ := start(t, open(here))
	_, made := ask(t, "POST", base+"/_matrix/client/v3/register", "", map[string]any{
		"username": "alice", "password": "secret alice", "auth": map[string]any{"type": "m.login.dummy"},
	})
	token, _ := made["access_token"].(string)
	if err := s.accounts.SetAdmin(t.Context(), id.User("@alice:"+here), true); err != nil {
		t.Fatal(err)
	}
	call := func(method, path string, want int) map[string]any {
		t.Helper()
		status, out := ask(t, method, base+path, token, nil)
		if status != want {
			t.Fatalf("%s %s: got %d %v, want %d", method, path, status, out, want)
		}
		return out
	}
	const ours, theirs = "/_freehold/admin/v1/federation/servers", "/_synapse/admin/v1/federation/destinations"
	if out := call("GET", ours, http.StatusOK); out["total"] != 0.0 || len(out["servers"].([]any)) != 0 {
		t.Errorf("at first: %v", out)
	}
	call("GET", ours+"/"+nobody, http.StatusNotFound)
	call("GET", theirs+"/"+nobody, http.StatusNotFound)
	call("POST", theirs+"/"+nobody+"/reset_connection", http.StatusNotFound)
	call("GET", ours+"?order_by=x", http.StatusBadRequest)

	steps := func(out map[string]any) (names []string) {
		for _, s := range out["steps"].([]any) {
			names = append(names, s.(map[string]any)["step"].(string))
		}
		return names
	}
	out := call("POST", ours+"/"+nobody+"/try", http.StatusOK)
	if got := steps(out); out["ok"] != false || !slices.Equal(got, []string{"settings", "discovery", "connection"}) {
		t.Errorf("nobody: %v", out)
	}
	_, _, _, stop := start(t, open(there))
	out = call("POST", ours+"/"+there+"/try", http.StatusOK)
	if got := steps(out); out["ok"] != true || !slices.Equal(got, []string{"settings", "discovery", "connection", "certificate", "keys", "signed request"}) {
		t.Errorf("somebody: %v", out)
	}
	stop()
	call("POST", ours+"/"+there+"/try", http.StatusOK)
	// Only a request that somebody waits for makes it silent; what looks is none.
	_, _ = ask(t, "GET", base+"/_matrix/client/v3/profile/@bob:"+there, token, nil)

	gone := call("GET", ours+"/"+there, http.StatusOK)
	if gone["state"] != "silent" || gone["silent_since_ts"] == nil || gone["last_success_ts"] == nil || gone["place"] != there || gone["last_address"] != there ||
		gone["last_error"] != "There is a machine, and nothing listens on that port." || gone["next_try_ts"] == nil || gone["failures"] == 0.0 {
		t.Errorf("a server that is gone: %v", gone)
	}
	if out := call("GET", ours+"?state=silent", http.StatusOK); out["total"] != 1.0 {
		t.Errorf("silent: %v", out)
	}
	if out := call("GET", ours+"?order_by=last_failure_ts&dir=b&limit=1", http.StatusOK); out["total"] != 2.0 || out["next_token"] != 1.0 {
		t.Errorf("a page: %v", out)
	}
	out = call("GET", theirs+"?limit=1", http.StatusOK)
	if out["total"] != 2.0 || out["next_token"] != "1" || len(out["destinations"].([]any)) != 1 {
		t.Errorf("Synapse's list: %v", out)
	}
	out = call("GET", theirs+"/"+there, http.StatusOK)
	if out["destination"] != there || out["failure_ts"] == nil || out["retry_last_ts"] == 0.0 {
		t.Errorf("Synapse's form: %v", out)
	}
	if out := call("GET", theirs+"/"+there+"/rooms", http.StatusOK); out["total"] != 0.0 {
		t.Errorf("rooms: %v", out)
	}
	call("POST", theirs+"/"+there+"/reset_connection", http.StatusOK)
	if out := call("GET", ours+"/"+there, http.StatusOK); out["next_try_ts"] != nil {
		t.Errorf("after it was reset: %v", out)
	}
}
