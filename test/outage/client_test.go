// Package outage takes away from a running server what it needs - room on the disk, the time - and looks at what it does
// without, and whether it recovers alone.
package outage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"freehold.example/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// user is a session on a server.
type user struct {
	t     *testing.T
	base  string
	id    string
	token string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    []byte
	json   map[string]any
}

func (a *answer) str(key string) string { s, _ := a.json[key].(string); return s }

func (a *answer) String() string { return fmt.Sprintf("%d %.300s", a.status, a.raw) }

// do makes a request, and makes it again when it came too soon after another and has to wait for a moment only. body is
// bytes as they are, or JSON, or nil.
func (u *user) do(method, path string, body any) *answer {
	u.t.Helper()
	for {
		a := u.once(method, path, body)
		wait, _ := a.json["retry_after_ms"].(float64)
		if a.status != http.StatusTooManyRequests || wait > 1500 {
			return a
		}
		time.Sleep(time.Duration(wait) * time.Millisecond)
	}
}

func (u *user) once(method, path string, body any) *answer {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			u.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.base+path, in)
	if err != nil {
		u.t.Fatal(err)
	}
	if u.token != "" {
		req.Header.Set("Authorization", "Bearer "+u.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		u.t.Errorf("%s %s: %v", method, path, err)
		return &answer{}
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if a.raw, err = io.ReadAll(resp.Body); err != nil {
		u.t.Errorf("%s %s: %v", method, path, err)
	}
	_ = json.Unmarshal(a.raw, &a.json) // media is no JSON
	return a
}

// ok is do for what has no reason to fail.
func (u *user) ok(method, path string, body any) *answer {
	u.t.Helper()
	a := u.do(method, path, body)
	if a.status != http.StatusOK {
		u.t.Errorf("%s %s: got %s, want 200", method, path, a)
	}
	return a
}

type obj = map[string]any

const client = "/_matrix/client/v3"

// register makes an account; password is the name twice.
func register(t *testing.T, base, name string) *user {
	t.Helper()
	u := &user{t: t, base: base}
	a := u.ok("POST", client+"/register", obj{"username": name, "password": name + name, "auth": obj{"type": "m.login.dummy"}})
	u.id, u.token = a.str("user_id"), a.str("access_token")
	return u
}

func (u *user) room() string {
	u.t.Helper()
	return u.ok("POST", client+"/createRoom", obj{"preset": "public_chat"}).str("room_id")
}

func (u *user) send(room, txn, text string) *answer {
	u.t.Helper()
	return u.do("PUT", client+"/rooms/"+url.PathEscape(room)+"/send/m.room.message/"+txn, obj{"msgtype": "m.text", "body": text})
}

// texts are all messages of a room, the oldest first.
func (u *user) texts(room string) (texts []string) {
	u.t.Helper()
	from := ""
	for {
		q := url.Values{"dir": {"f"}, "limit": {"500"}}
		if from != "" {
			q.Set("from", from)
		}
		a := u.ok("GET", client+"/rooms/"+url.PathEscape(room)+"/messages?"+q.Encode(), nil)
		chunk, _ := a.json["chunk"].([]any)
		for _, e := range chunk {
			event, _ := e.(obj)
			content, _ := event["content"].(obj)
			if text, ok := content["body"].(string); ok {
				texts = append(texts, text)
			}
		}
		if from = a.str("end"); from == "" || a.status != http.StatusOK {
			return texts
		}
	}
}
