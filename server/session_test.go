package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"freehold.example/core/account"
)

// ask makes a request of the client-server API and gives the status and the answer.
func ask(t *testing.T, method, address, token string, body any) (int, map[string]any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, out
}

// A sync that waits when its session is ended is told so, and nothing that is said afterwards.
func TestWaitingSyncEndsWithItsSession(t *testing.T) {
	_, base, _, _ := start(t, func(c *Config) { c.Registration = account.Open })
	base += "/_matrix/client/v3"
	_, made := ask(t, "POST", base+"/register", "", map[string]any{
		"username": "alice", "password": "secret alice", "auth": map[string]any{"type": "m.login.dummy"},
	})
	token, _ := made["access_token"].(string)
	_, first := ask(t, "GET", base+"/sync", token, nil)
	since, _ := first["next_batch"].(string)
	type answer struct {
		status int
		body   map[string]any
	}
	waiting := make(chan answer)
	go func() {
		q := url.Values{"since": {since}, "timeout": {"60000"}}
		status, body := ask(t, "GET", base+"/sync?"+q.Encode(), token, nil)
		waiting <- answer{status, body}
	}()
	select {
	case a := <-waiting:
		t.Fatalf("the sync did not wait: got %d %v", a.status, a.body)
	case <-time.After(300 * time.Millisecond):
	}
	if status, out := ask(t, "POST", base+"/logout", token, nil); status != http.StatusOK {
		t.Fatalf("logout: got %d %v", status, out)
	}
	select {
	case a := <-waiting:
		if a.status != http.StatusUnauthorized || a.body["errcode"] != "M_UNKNOWN_TOKEN" {
			t.Errorf("got %d %v, want 401 M_UNKNOWN_TOKEN", a.status, a.body)
		}
	case <-time.After(10 * time.Second):
		t.Error("the sync goes on waiting")
	}
}
