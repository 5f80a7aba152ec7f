package crash

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
)

// client speaks plain HTTP to one server.
type client struct {
	base string
	http *http.Client
}

func newClient(t *testing.T, base string) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{base: base, http: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// call makes one request. body and into are JSON, or bytes as they are. The error is that of the connection, or of an answer that is cut: it says nothing about whether
// the server has done what it was asked to. With a status other than 200, into is not filled.
func (c *client) call(ctx context.Context, token, method, path string, body, into any) (status int, err error) {
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(body)
	default:
		data, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return 0, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, data)
	}
	switch into := into.(type) {
	case nil:
		return resp.StatusCode, nil
	case *[]byte:
		*into = data
		return resp.StatusCode, nil
	default:
		return resp.StatusCode, json.Unmarshal(data, into)
	}
}

// must is call for when the server runs and has no reason to refuse.
func (c *client) must(t *testing.T, token, method, path string, body, into any) {
	t.Helper()
	if _, err := c.call(context.Background(), token, method, path, body, into); err != nil {
		t.Fatal(err)
	}
}

// register makes an account and gives its token.
func (c *client) register(t *testing.T, name string) (token string) {
	t.Helper()
	var resp struct {
		Token string `json:"access_token"`
	}
	body := map[string]any{"username": name, "password": "the password of " + name, "auth": map[string]string{"type": "m.login.dummy"}}
	c.must(t, "", "POST", "/_matrix/client/v3/register", body, &resp)
	return resp.Token
}

// roomEvent is what the tests look at of an event.
type roomEvent struct {
	ID       string `json:"event_id"`
	Type     string `json:"type"`
	Sender   string `json:"sender"`
	StateKey *string
	Content  struct {
		Body       string `json:"body"`
		Membership string `json:"membership"`
		Topic      string `json:"topic"`
	} `json:"content"`
}

func roomPath(room, rest string) string {
	return "/_matrix/client/v3/rooms/" + url.PathEscape(room) + "/" + rest
}

// messages pages backwards through a room, from the newest event or a token, until stop or the beginning.
func (c *client) messages(t *testing.T, token, room, from string, stop func(roomEvent) bool) (events []roomEvent) {
	t.Helper()
	for {
		var page struct {
			Chunk []roomEvent
			End   string
		}
		q := url.Values{"dir": {"b"}, "limit": {"500"}}
		if from != "" {
			q.Set("from", from)
		}
		c.must(t, token, "GET", roomPath(room, "messages?"+q.Encode()), nil, &page)
		for _, e := range page.Chunk {
			if stop != nil && stop(e) {
				return events
			}
			events = append(events, e)
		}
		if from = page.End; from == "" {
			return events
		}
	}
}
