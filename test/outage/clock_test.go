package outage

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/base/limit"
	"freehold.example/server"
	"freehold.example/test/harness"
)

const decade = 10 * 365 * 24 * time.Hour

// jumps are what happens to the clock: it is wrong for a while, and right again.
var jumps = [][]time.Duration{{decade, -decade}, {-decade, decade}}

// The clock jumps by ten years under a running server, and back.
func TestClockJumps(t *testing.T) {
	for _, there := range jumps {
		t.Run(there[0].String(), func(t *testing.T) {
			t.Parallel()
			var offset atomic.Int64
			base := inProcess(t, func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) })
			w := newWorld(t, base)
			for _, jump := range there {
				w.prepare()
				offset.Add(int64(jump))
				w.check(time.Duration(offset.Load()))
			}
		})
	}
}

// The clock is ten years off when the server starts again, as on a machine whose battery is empty, and right at the next
// start.
func TestClockJumpsOverARestart(t *testing.T) {
	for _, there := range jumps {
		t.Run(there[0].String(), func(t *testing.T) {
			t.Parallel()
			s := harness.On(t, t.TempDir(), "FREEHOLD_RATE_LIMITS=on", "FREEHOLD_CLOCK_OFFSET=0s", "FREEHOLD_LOG_LEVEL=warn")
			s.Start()
			w := newWorld(t, s.URL)
			var offset time.Duration
			for _, jump := range there {
				w.prepare()
				s.Stop()
				offset += jump
				s.Set("FREEHOLD_CLOCK_OFFSET=" + offset.String())
				s.Start()
				w.check(offset)
			}
			s.Stop()
		})
	}
}

// inProcess runs a server in this process, so that its clock can be moved while it runs.
func inProcess(t *testing.T, now func() time.Time) (base string) {
	t.Helper()
	c := server.Defaults()
	c.ServerName, c.DataDir, c.ListenClient, c.ListenFederation = "house.example", t.TempDir(), "127.0.0.1:0", ""
	c.Registration, c.PasswordHashing, c.LogFormat = "open", "fast", "text"
	c.Now, c.Out = now, io.Discard
	c.Limits = map[string]limit.Rate{}
	for _, name := range []string{"login", "guess", "password", "account", "register"} {
		c.Limits[name] = limit.Rate{Burst: 10, Every: time.Second} // less time to sit out
	}
	s, err := server.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.ClientAddr()
}

// world is what is under way when the clock jumps.
type world struct {
	t          *testing.T
	alice, bob *user
	room       string
	refresh    string // token of bob's
	since      string // where bob's sync is
	session    string // of alice's confirmation of what needs her password
	device     string // that she wants to delete
	reserved   string // server and id of media that alice will upload
	delayed    string // text of a message that is to be sent later
	sent       []string
	n          int
}

func newWorld(t *testing.T, base string) *world {
	w := &world{t: t, alice: register(t, base, "alice"), bob: &user{t: t, base: base}}
	register(t, base, "bob")
	a := w.bob.ok("POST", client+"/login", obj{"type": "m.login.password", "identifier": obj{"type": "m.id.user", "user": "bob"}, "password": "bobbob", "refresh_token": true})
	w.bob.id, w.bob.token, w.refresh = a.str("user_id"), a.str("access_token"), a.str("refresh_token")
	w.room = w.alice.room()
	w.bob.ok("POST", client+"/join/"+url.PathEscape(w.room), nil)
	return w
}

func (w *world) path(rest string) string {
	return client + "/rooms/" + url.PathEscape(w.room) + "/" + rest
}

func (w *world) say() {
	w.t.Helper()
	w.n++
	text := fmt.Sprint("message ", w.n)
	if a := w.alice.send(w.room, fmt.Sprint("txn", w.n), text); a.status != http.StatusOK {
		w.t.Errorf("send: got %s", a)
		return
	}
	w.sent = append(w.sent, text)
}

// prepare begins everything that has to do with time.
func (w *world) prepare() {
	w.t.Helper()
	w.say()
	w.alice.ok("PUT", w.path("typing/"+w.alice.id), obj{"typing": true, "timeout": 2000})
	w.since = w.bob.ok("GET", client+"/sync", nil).str("next_batch")
	w.alice.ok("PUT", client+"/presence/"+w.alice.id+"/status", obj{"presence": "online"})
	w.device = w.login("alice").str("device_id")
	asked := w.alice.do("DELETE", client+"/devices/"+w.device, obj{})
	if w.session = asked.str("session"); asked.status != http.StatusUnauthorized || w.session == "" {
		w.t.Fatalf("delete a device: got %s", asked)
	}
	w.reserved = strings.TrimPrefix(w.alice.ok("POST", "/_matrix/media/v1/create", nil).str("content_uri"), "mxc://")
	w.n++
	w.delayed = fmt.Sprint("delayed ", w.n)
	a := w.alice.do("PUT", w.path(fmt.Sprintf("send/m.room.message/txn%d?org.matrix.msc4140.delay=3000", w.n)), obj{"msgtype": "m.text", "body": w.delayed})
	if a.status != http.StatusOK || a.str("delay_id") == "" {
		w.t.Fatalf("delay a message: got %s", a)
	}
	for range 40 { // guess until it is enough
		a = w.guess()
		if a.status == http.StatusTooManyRequests {
			break
		}
	}
	if a.status != http.StatusTooManyRequests {
		w.t.Fatalf("guesses at a password are not limited: %s", a)
	}
}

func (w *world) guess() *answer {
	return (&user{t: w.t, base: w.alice.base}).once("POST", client+"/login", obj{"type": "m.login.password", "identifier": obj{"type": "m.id.user", "user": "carol"}, "password": "a guess"})
}

// login signs in, however long the limit on logins makes it wait.
func (w *world) login(name string) *answer {
	w.t.Helper()
	for end := time.Now().Add(90 * time.Second); ; {
		a := (&user{t: w.t, base: w.alice.base}).do("POST", client+"/login", obj{"type": "m.login.password", "identifier": obj{"type": "m.id.user", "user": name}, "password": name + name})
		if a.status == http.StatusOK {
			return a
		}
		wait, _ := a.json["retry_after_ms"].(float64)
		if a.status != http.StatusTooManyRequests || wait > 60_000 || time.Now().After(end) {
			w.t.Errorf("login: got %s", a)
			return a
		}
		time.Sleep(time.Duration(wait) * time.Millisecond)
	}
}

// check looks whether all of it goes on with the clock so far from the true time.
func (w *world) check(offset time.Duration) {
	t := w.t
	t.Helper()
	when := fmt.Sprintf("clock %+.0f years", offset.Hours()/24/365)

	// Tokens.
	w.alice.ok("GET", client+"/account/whoami", nil)
	a := w.bob.do("GET", client+"/account/whoami", nil)
	if soft, _ := a.json["soft_logout"].(bool); a.status != http.StatusOK && (a.str("errcode") != "M_UNKNOWN_TOKEN" || !soft) {
		t.Errorf("%s: bob's token: got %s", when, a)
	}
	a = w.bob.ok("POST", client+"/refresh", obj{"refresh_token": w.refresh})
	w.bob.token, w.refresh = a.str("access_token"), a.str("refresh_token")
	w.bob.ok("GET", client+"/account/whoami", nil)

	// Limits: nobody waits for ten years.
	if a := w.guess(); a.status == http.StatusTooManyRequests {
		if wait, _ := a.json["retry_after_ms"].(float64); wait > 60_000 {
			t.Errorf("%s: a limit asks to wait for %v", when, time.Duration(wait)*time.Millisecond)
		}
	}
	w.login("alice")

	// Confirmation, with the session that was begun before or with a new one.
	auth := func(session string) *answer {
		return w.alice.do("DELETE", client+"/devices/"+w.device, obj{"auth": obj{
			"type": "m.login.password", "session": session,
			"identifier": obj{"type": "m.id.user", "user": "alice"}, "password": "alicealice",
		}})
	}
	if a = auth(w.session); a.status != http.StatusOK {
		if a = auth(a.str("session")); a.status == http.StatusUnauthorized {
			a = auth(a.str("session"))
		}
	}
	if a.status != http.StatusOK {
		t.Errorf("%s: confirm with a password: got %s", when, a)
	}

	// Media.
	if a := w.alice.do("PUT", "/_matrix/media/v3/upload/"+w.reserved, []byte("late")); a.status != http.StatusOK && a.status != http.StatusNotFound {
		t.Errorf("%s: upload to a reserved id: got %s", when, a)
	}
	for range 3 {
		at := strings.TrimPrefix(w.alice.ok("POST", "/_matrix/media/v1/create", nil).str("content_uri"), "mxc://")
		w.alice.ok("PUT", "/_matrix/media/v3/upload/"+at, []byte("new"))
		if got := w.bob.ok("GET", "/_matrix/client/v1/media/download/"+at, nil); string(got.raw) != "new" {
			t.Errorf("%s: download: got %s", when, got)
		}
	}

	// Presence.
	p := w.bob.ok("GET", client+"/presence/"+w.alice.id+"/status", nil)
	if ago, ok := p.json["last_active_ago"].(float64); ok && (ago < 0 || ago > 1.1*float64(decade.Milliseconds())) {
		t.Errorf("%s: presence: got %s", when, p)
	}

	// Messages, with the time they were sent at by this clock, in the order in which they were sent.
	for range 5 {
		w.say()
	}
	w.waitFor(when)
	chunk, _ := w.bob.ok("GET", w.path("messages?dir=b&limit=1"), nil).json["chunk"].([]any)
	for _, e := range chunk {
		event, _ := e.(obj)
		ts, _ := event["origin_server_ts"].(float64)
		if want := time.Now().Add(offset); math.Abs(float64(want.UnixMilli())-ts) > float64(5*time.Minute.Milliseconds()) {
			t.Errorf("%s: a message is of %v, want %v", when, time.UnixMilli(int64(ts)), want)
		}
	}
	if got := slices.DeleteFunc(w.bob.texts(w.room), func(s string) bool { return strings.HasPrefix(s, "delayed") }); !slices.Equal(got, w.sent) {
		t.Errorf("%s: got the messages %q, want %q", when, got, w.sent)
	}
	register(t, w.alice.base, fmt.Sprint("new", w.n))
}

// waitFor syncs on from before the jump until the messages are there, the delayed one too, and alice, who types once more,
// has been seen to begin and to end.
func (w *world) waitFor(when string) {
	w.t.Helper()
	w.alice.ok("PUT", w.path("typing/"+w.alice.id), obj{"typing": false})
	w.alice.ok("PUT", w.path("typing/"+w.alice.id), obj{"typing": true, "timeout": 1000})
	missing := append(slices.Clone(w.sent[len(w.sent)-5:]), w.delayed)
	began, typing, since := false, false, w.since
	for end := time.Now().Add(90 * time.Second); len(missing) > 0 || !began || typing; {
		if time.Now().After(end) {
			w.t.Errorf("%s: did not come: %q of %q; alice was seen typing: %v, and is for ever: %v", when, missing, w.bob.texts(w.room), began, typing)
			return
		}
		a := w.bob.ok("GET", client+"/sync?timeout=1000&since="+url.QueryEscape(since), nil)
		since = a.str("next_batch")
		missing = slices.DeleteFunc(missing, func(text string) bool { return strings.Contains(string(a.raw), `"`+text+`"`) })
		if strings.Contains(string(a.raw), `"m.typing"`) {
			typing = strings.Contains(string(a.raw), `"user_ids":["@alice`)
			began = began || typing
		}
	}
}
