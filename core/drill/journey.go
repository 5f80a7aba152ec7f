package drill

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"freehold.example/matrix/id"
)

// journeys are what two people do, over and over, by the server's own listener for clients, as any app does it.
type journeys struct {
	client   *http.Client
	base     string // of URLs
	users    [2]id.User
	password string

	clock  func() time.Time
	tally  *tally // counts what is answered
	reader string // the second one's token: she stays signed in
	since  string // up to where she has read
	room   id.Room
}

const (
	stepTime  = 20 * time.Second // after which a step has failed
	syncWait  = 8 * time.Second  // for a message to arrive
	indexWait = 5 * time.Second  // for a message to be found
	fileSize  = 4 << 10
)

// step is one thing that somebody does.
type step func(name string, fn func(context.Context) error) bool

// round is one journey: every step is taken, whatever has become of those before. It says whether all went well.
func (j *journeys) round(ctx context.Context, t *tally, made func(id.Room) error) bool {
	ok := true
	var took []int64
	take := func(name string, fn func(context.Context) error) bool {
		if ctx.Err() != nil {
			return false
		}
		limited, cancel := context.WithTimeout(ctx, stepTime)
		defer cancel()
		began := j.clock()
		err := fn(limited)
		if ctx.Err() != nil {
			return false // the drill has ended: that is nobody's failure
		}
		if _, busy := errors.AsType[*busyError](err); busy {
			return false // it was told to come later, in so many words
		}
		spent := j.clock().Sub(began)
		t.step(name, spent, err)
		took = append(took, spent.Milliseconds())
		ok = ok && err == nil
		return err == nil
	}
	j.walk(take, made)
	if ctx.Err() == nil {
		t.round(ok)
		if t.Before == nil {
			t.mu.Lock()
			t.Before = took
			t.mu.Unlock()
		}
	}
	return ok
}

// walk takes the steps.
func (j *journeys) walk(take step, made func(id.Room) error) {
	var token string
	signedIn := take("sign in", func(ctx context.Context) (err error) {
		token, err = j.login(ctx, j.users[0])
		return err
	})
	if j.reader == "" {
		take("sign in", func(ctx context.Context) (err error) {
			j.reader, err = j.login(ctx, j.users[1])
			return err
		})
	}
	if !signedIn || j.reader == "" {
		return
	}
	if j.room == "" && !take("make a room", func(ctx context.Context) error { return j.meet(ctx, token, made) }) {
		return
	}
	if j.since == "" && !take("first sync", func(ctx context.Context) error { _, err := j.sync(ctx, 0); return err }) {
		return
	}
	in := "/_matrix/client/v3/rooms/" + url.PathEscape(string(j.room))
	word := "drill" + rand.Text()[:12]
	var said id.Event
	sent := take("send a message", func(ctx context.Context) error {
		var answer struct {
			Event id.Event `json:"event_id"`
		}
		body := map[string]any{"msgtype": "m.text", "body": "This is a drill. " + word}
		err := j.call(ctx, "PUT", in+"/send/m.room.message/"+word, token, body, &answer)
		said = answer.Event
		return err
	})
	if sent {
		take("read it elsewhere", func(ctx context.Context) error { return j.hear(ctx, said) })
		take("acknowledge it", func(ctx context.Context) error {
			return j.call(ctx, "POST", in+"/receipt/m.read/"+url.PathEscape(string(said)), j.reader, map[string]any{}, nil)
		})
		take("scroll back", func(ctx context.Context) error { return j.history(ctx, in, said) })
		take("search", func(ctx context.Context) error { return j.search(ctx, word, said) })
	}
	take("message a device", func(ctx context.Context) error { return j.whisper(ctx, token, word) })
	take("send a file", func(ctx context.Context) error { return j.file(ctx, token) })
	take("change a name", func(ctx context.Context) error { return j.rename(ctx, token, word) })
	take("ask for health", func(ctx context.Context) error { return j.call(ctx, "GET", "/health", "", nil, nil) })
	take("sign out", func(ctx context.Context) error {
		return j.call(ctx, "POST", "/_matrix/client/v3/logout", token, map[string]any{}, nil)
	})
}

func (j *journeys) login(ctx context.Context, user id.User) (token string, err error) {
	var answer struct {
		Token string `json:"access_token"`
	}
	err = j.call(ctx, "POST", "/_matrix/client/v3/login", "", map[string]any{
		"type": "m.login.password", "identifier": map[string]any{"type": "m.id.user", "user": user}, "password": j.password,
		"initial_device_display_name": "A drill",
	}, &answer)
	return answer.Token, err
}

// meet makes the room of the two, which nobody else finds.
func (j *journeys) meet(ctx context.Context, token string, made func(id.Room) error) error {
	var answer struct {
		Room id.Room `json:"room_id"`
	}
	err := j.call(ctx, "POST", "/_matrix/client/v3/createRoom", token, map[string]any{
		"preset": "private_chat", "visibility": "private", "name": "A drill", "invite": []id.User{j.users[1]},
	}, &answer)
	if err != nil {
		return err
	}
	if err := made(answer.Room); err != nil {
		return err
	}
	j.room = answer.Room
	return j.call(ctx, "POST", "/_matrix/client/v3/join/"+url.PathEscape(string(answer.Room)), j.reader, map[string]any{}, nil)
}

// heard is what the second one is told.
type heard struct {
	Next  string `json:"next_batch"`
	Rooms struct {
		Join map[id.Room]struct {
			Timeline struct {
				Events []struct {
					ID id.Event `json:"event_id"`
				} `json:"events"`
			} `json:"timeline"`
		} `json:"join"`
	} `json:"rooms"`
	ToDevice struct {
		Events []struct {
			Content struct {
				Word string `json:"word"`
			} `json:"content"`
		} `json:"events"`
	} `json:"to_device"`
}

// sync waits so long for news of the second one.
func (j *journeys) sync(ctx context.Context, wait time.Duration) (*heard, error) {
	q := url.Values{"set_presence": {"offline"}, "timeout": {strconv.FormatInt(wait.Milliseconds(), 10)}}
	if j.since != "" {
		q.Set("since", j.since)
	}
	var h heard
	if err := j.call(ctx, "GET", "/_matrix/client/v3/sync?"+q.Encode(), j.reader, nil, &h); err != nil {
		return nil, err
	}
	j.since = h.Next
	return &h, nil
}

// until syncs until something was heard.
func (j *journeys) until(ctx context.Context, what string, found func(*heard) bool) error {
	ctx, cancel := context.WithTimeout(ctx, syncWait)
	defer cancel()
	for {
		h, err := j.sync(ctx, time.Second)
		if ctx.Err() != nil {
			return fmt.Errorf("%s did not arrive within %s", what, syncWait)
		}
		if err != nil || found(h) {
			return err
		}
	}
}

func (j *journeys) hear(ctx context.Context, said id.Event) error {
	return j.until(ctx, "the message", func(h *heard) bool {
		for _, e := range h.Rooms.Join[j.room].Timeline.Events {
			if e.ID == said {
				return true
			}
		}
		return false
	})
}

func (j *journeys) whisper(ctx context.Context, token, word string) error {
	body := map[string]any{"messages": map[id.User]any{j.users[1]: map[string]any{"*": map[string]any{"word": word}}}}
	if err := j.call(ctx, "PUT", "/_matrix/client/v3/sendToDevice/org.freehold.drill/"+word, token, body, nil); err != nil {
		return err
	}
	return j.until(ctx, "the message to a device", func(h *heard) bool {
		for _, e := range h.ToDevice.Events {
			if e.Content.Word == word {
				return true
			}
		}
		return false
	})
}

func (j *journeys) history(ctx context.Context, in string, said id.Event) error {
	var answer struct {
		Chunk []struct {
			ID id.Event `json:"event_id"`
		} `json:"chunk"`
	}
	if err := j.call(ctx, "GET", in+"/messages?dir=b&limit=20", j.reader, nil, &answer); err != nil {
		return err
	}
	for _, e := range answer.Chunk {
		if e.ID == said {
			return nil
		}
	}
	return errors.New("the message is not in the room's history")
}

// search looks for a message until the index has it.
func (j *journeys) search(ctx context.Context, word string, said id.Event) error {
	ctx, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	body := map[string]any{"search_categories": map[string]any{"room_events": map[string]any{"search_term": word, "keys": []string{"content.body"}}}}
	for {
		var answer struct {
			Categories struct {
				Events struct {
					Results []struct {
						Result struct {
							ID id.Event `json:"event_id"`
						} `json:"result"`
					} `json:"results"`
				} `json:"room_events"`
			} `json:"search_categories"`
		}
		if err := j.call(ctx, "POST", "/_matrix/client/v3/search", j.reader, body, &answer); err != nil {
			return err
		}
		for _, r := range answer.Categories.Events.Results {
			if r.Result.ID == said {
				return nil
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the message was not found within %s", indexWait)
		}
	}
}

// file uploads something, and has the other one fetch it.
func (j *journeys) file(ctx context.Context, token string) error {
	content := make([]byte, fileSize)
	_, _ = rand.Read(content) // never fails (crypto/rand)
	var answer struct {
		URI string `json:"content_uri"`
	}
	if err := j.send(ctx, "POST", "/_matrix/media/v3/upload?filename=drill.bin", token, "application/octet-stream", content, &answer); err != nil {
		return err
	}
	u, err := url.Parse(answer.URI)
	if err != nil {
		return err
	}
	got, err := j.raw(ctx, "GET", "/_matrix/client/v1/media/download/"+u.Host+u.EscapedPath(), j.reader, "", nil)
	if err == nil && !bytes.Equal(got, content) {
		err = errors.New("the file that came back is another one")
	}
	return err
}

func (j *journeys) rename(ctx context.Context, token, name string) error {
	path := "/_matrix/client/v3/profile/" + url.PathEscape(string(j.users[0])) + "/displayname"
	if err := j.call(ctx, "PUT", path, token, map[string]any{"displayname": name}, nil); err != nil {
		return err
	}
	var answer struct {
		Name string `json:"displayname"`
	}
	err := j.call(ctx, "GET", path, j.reader, nil, &answer)
	if err == nil && answer.Name != name {
		err = errors.New("the name that came back is another one")
	}
	return err
}

// call makes a request with a JSON body and reads a JSON answer.
func (j *journeys) call(ctx context.Context, method, path, token string, body, into any) error {
	var content []byte
	kind := ""
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
		kind = "application/json"
	}
	return j.send(ctx, method, path, token, kind, content, into)
}

func (j *journeys) send(ctx context.Context, method, path, token, kind string, content []byte, into any) error {
	answer, err := j.raw(ctx, method, path, token, kind, content)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// busyError is an answer that asks to come later: it is no failure.
type busyError struct{ text string }

func (e *busyError) Error() string { return e.text }

func (j *journeys) raw(ctx context.Context, method, path, token, kind string, content []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, j.base+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "Freehold (drill)")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	resp, err := j.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if path != "/health" { // which is not counted among the requests of clients
		j.tally.request(resp.StatusCode)
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return nil, &busyError{"429: " + string(answer)}
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("answered %d: %s", resp.StatusCode, answer)
	}
	return answer, nil
}
