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
	case <-time.After(30 * time.Second): // of the minute that it asked for
		t.Error("the sync goes on waiting")
	}
}

// Who is invited to a room that shows itself from the invitation on sees her invitation, and not all that the room's state
// is: neither by /state nor by what /context gives with an event.
func TestInvitedSeesNoState(t *testing.T) {
	_, base, _, _ := start(t, func(c *Config) { c.Registration = account.Open })
	base += "/_matrix/client/v3"
	token := map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		_, made := ask(t, "POST", base+"/register", "", map[string]any{
			"username": name, "password": "secret " + name, "auth": map[string]any{"type": "m.login.dummy"},
		})
		token[name], _ = made["access_token"].(string)
	}
	_, made := ask(t, "POST", base+"/createRoom", token["alice"], map[string]any{
		"invite": []string{"@bob:localhost"},
		"initial_state": []any{
			map[string]any{"type": "m.room.history_visibility", "content": map[string]any{"history_visibility": "invited"}},
			map[string]any{"type": "m.secret", "content": map[string]any{"of": "members"}},
		},
	})
	id, _ := made["room_id"].(string)
	room := base + "/rooms/" + url.PathEscape(id)
	_, invitation := ask(t, "GET", room+"/state/m.room.member/@bob:localhost?format=event", token["alice"], nil)
	event, _ := invitation["event_id"].(string)
	status, out := ask(t, "GET", room+"/context/"+url.PathEscape(event), token["bob"], nil)
	if shown, err := json.Marshal(out["state"]); status != http.StatusOK || err != nil || string(shown) != "[]" {
		t.Errorf("context of the invitation: got %d with the state %s, %v, want 200 without", status, shown, err)
	}
	if status, out := ask(t, "GET", room+"/state/m.secret", token["bob"], nil); status != http.StatusForbidden {
		t.Errorf("state: got %d %v, want 403", status, out)
	}
	status, out = ask(t, "GET", room+"/context/"+url.PathEscape(event), token["alice"], nil)
	if state, _ := out["state"].([]any); status != http.StatusOK || len(state) < 5 {
		t.Errorf("context for a member: got %d with %d pieces of state", status, len(state))
	}
}
