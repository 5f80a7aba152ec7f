// Package storm has a crowd try passwords at a server while others write: the server's memory is bounded, and whoever is
// signed in is served as before.
package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	senders  = 4
	guessers = 200
	measured = 5 * time.Second
)

// client makes requests of one kind of people, over connections of their own.
type client struct {
	base string
	http http.Client
}

func newClient(base string) *client {
	return &client{base: base, http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: guessers}}}
}

// must is do for what has to succeed.
func (c *client) must(t *testing.T) func(method, path, token string, body any) map[string]any {
	return func(method, path, token string, body any) map[string]any {
		t.Helper()
		status, _, out, err := c.do(t.Context(), method, path, token, body)
		if err != nil || status != 200 {
			t.Fatalf("%s %s: %d %v %v", method, path, status, out, err)
		}
		return out
	}
}

func (c *client) do(ctx context.Context, method, path, token string, body any) (int, http.Header, map[string]any, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/_matrix/client"+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, nil, err
	}
	var out map[string]any
	_ = json.Unmarshal(raw, &out) // checked by the status
	return resp.StatusCode, resp.Header, out, nil
}

// send has the senders send as fast as they are answered, and gives what each message took, sorted.
func (c *client) send(t *testing.T, token, room string) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	end := time.Now().Add(measured)
	for i := range senders {
		wg.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				path := fmt.Sprintf("/v3/rooms/%s/send/m.room.message/%d-%d-%d", room, i, n, end.UnixNano())
				start := time.Now()
				status, _, out, err := c.do(t.Context(), "PUT", path, token, map[string]string{"msgtype": "m.text", "body": "hello"})
				if err != nil || status != 200 {
					t.Errorf("send: %d %v %v", status, out, err)
					return
				}
				mu.Lock()
				all = append(all, time.Since(start))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(all)
	return all
}

var resident = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`)

// memory is what the server has resident, in bytes.
func (c *client) memory(t *testing.T) int64 {
	t.Helper()
	resp, err := http.Get(c.base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := resident.FindSubmatch(raw)
	if m == nil {
		t.Fatal("the metrics do not say what is resident")
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int64(n)
}

// Two hundred try passwords, each as soon as it was told that the last one was wrong, with no limit of requests in the way:
// what is left is the number of hashes at once and the length of the queue for them.
func TestLoginStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds of both processors")
	}
	s := harness.Start(t, harness.SQLite, "FREEHOLD_PASSWORD_HASHING=standard")
	c := newClient(s.URL)
	must := c.must(t)
	alice := must("POST", "/v3/register", "", map[string]any{
		"username": "alice", "password": "correct horse", "auth": map[string]string{"type": "m.login.dummy"},
	})
	token, _ := alice["access_token"].(string)
	room, _ := must("POST", "/v3/createRoom", token, map[string]any{})["room_id"].(string)
	c.send(t, token, room) // warm
	var slow string
	for range 3 { // the machine may have had other things to do
		if slow = c.storm(t, token, room); slow == "" {
			return
		}
		t.Log(slow)
	}
	t.Error(slow)
}

// storm measures once what a message takes before and during the storm, and says what was too slow about that.
func (c *client) storm(t *testing.T, token, room string) (slow string) {
	t.Helper()
	calm := c.send(t, token, room)
	before := c.memory(t)

	ctx, end := context.WithCancel(t.Context())
	defer end()
	strangers := newClient(c.base)
	var wrong, busy, most atomic.Int64
	var wg sync.WaitGroup
	for i := range guessers {
		wg.Go(func() {
			guess := map[string]any{
				"type": "m.login.password", "password": "wrong",
				"identifier": map[string]string{"type": "m.id.user", "user": []string{"alice", fmt.Sprint("nobody", i)}[i%2]},
			}
			for ctx.Err() == nil {
				status, header, out, err := strangers.do(ctx, "POST", "/v3/login", "", guess)
				switch {
				case ctx.Err() != nil:
					return
				case err != nil:
					t.Error(err)
					return
				case status == 403:
					wrong.Add(1)
				case status == 429 && header.Get("Retry-After") != "" && out["retry_after_ms"] != nil:
					busy.Add(1)
					select {
					case <-ctx.Done():
					case <-time.After(100 * time.Millisecond): // sooner than it was told
					}
				default:
					t.Errorf("a guess: got %d %v", status, out)
					return
				}
			}
		})
	}
	watching, stop := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	watch.Go(func() {
		for watching.Err() == nil {
			most.Store(max(most.Load(), c.memory(t)))
			time.Sleep(200 * time.Millisecond)
		}
	})
	stormy := c.send(t, token, room)
	end()
	wg.Wait()
	stop()
	watch.Wait()

	at := func(all []time.Duration, part int) time.Duration { return all[len(all)*part/100] }
	t.Logf("calm:   %5d messages, median %s, p99 %s; %d MB resident", len(calm), at(calm, 50), at(calm, 99), before>>20)
	t.Logf("stormy: %5d messages, median %s, p99 %s; %d MB resident; %d guesses were wrong, %d were told to wait",
		len(stormy), at(stormy, 50), at(stormy, 99), most.Load()>>20, wrong.Load(), busy.Load())
	if wrong.Load() == 0 || busy.Load() == 0 {
		t.Error("there was no storm")
	}
	if grown := most.Load() - before; grown > 150<<20 {
		t.Errorf("the server grew by %d MB", grown>>20)
	}
	// With room for a machine that is slow; the figures are what is logged.
	switch p99 := at(stormy, 99); {
	case p99 > max(2*time.Second, 20*at(calm, 99)):
		return fmt.Sprintf("a message took %s in the storm at p99, want under two seconds", p99)
	case len(stormy) < min(len(calm)/20, 50): // ten in a second is a machine that does other things
		return fmt.Sprintf("%d messages in the storm, %d before it: the senders were starved", len(stormy), len(calm))
	}
	return ""
}

// Without any setting the server limits: by address, by account, by device and by room, and says when to come back.
func TestLimitsAreOn(t *testing.T) {
	s := harness.Start(t, harness.SQLite, "FREEHOLD_RATE_LIMITS=on")
	c := newClient(s.URL)
	ask := func(want int, method, path, token string, body any) map[string]any {
		t.Helper()
		status, header, out, err := c.do(t.Context(), method, path, token, body)
		if err != nil || status != want {
			t.Fatalf("%s %s: got %d %v %v, want %d", method, path, status, out, err, want)
		}
		if want == 429 {
			seconds, err := strconv.Atoi(header.Get("Retry-After"))
			ms, ok := out["retry_after_ms"].(float64)
			if err != nil || !ok || ms <= 0 || float64(seconds)*1000 < ms {
				t.Errorf("%s %s: got Retry-After %q and %v", method, path, header.Get("Retry-After"), out)
			}
		}
		return out
	}
	flood := func(method, path, token string, body any) (n int) {
		t.Helper()
		for ; n < 2000; n++ {
			if status, _, _, err := c.do(t.Context(), method, path, token, body); err != nil || status == 429 {
				break
			}
		}
		ask(429, method, path, token, body)
		return n
	}
	between := func(what string, got, low, high int) {
		t.Helper()
		if got < low || got > high {
			t.Errorf("%s: got %d before the first 429, want %d to %d", what, got, low, high)
		}
	}
	tokens := map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		a := ask(200, "POST", "/v3/register", "", map[string]any{
			"username": name, "password": "correct horse", "auth": map[string]string{"type": "m.login.dummy"},
		})
		tokens[name], _ = a["access_token"].(string)
	}
	login := func(name, password string) map[string]any {
		return map[string]any{
			"type": "m.login.password", "password": password, "identifier": map[string]string{"type": "m.id.user", "user": name},
		}
	}
	second, _ := ask(200, "POST", "/v3/login", "", login("alice", "correct horse"))["access_token"].(string)
	between("wrong passwords of alice", flood("POST", "/v3/login", "", login("alice", "wrong")), 5, 6)
	ask(200, "POST", "/v3/login", "", login("bob", "correct horse")) // another account, the same address
	between("tokens that nobody has", flood("GET", "/v3/account/whoami", "nobody's", nil), 60, 120)
	ask(200, "GET", "/v3/account/whoami", tokens["alice"], nil)

	var invited []string
	for i := range 40 {
		invited = append(invited, fmt.Sprintf("@nobody%d:elsewhere.example", i))
	}
	ask(429, "POST", "/v3/createRoom", func() string { // the bucket of invitations has room for fifty
		status, _, out, err := c.do(t.Context(), "POST", "/v3/createRoom", tokens["bob"], map[string]any{"invite": invited})
		if err != nil || status == 429 {
			t.Fatalf("createRoom: %d %v %v", status, out, err)
		}
		return tokens["bob"]
	}(), map[string]any{"invite": invited})

	room, _ := ask(200, "POST", "/v3/createRoom", tokens["alice"], map[string]any{})["room_id"].(string)
	topic := "/v3/rooms/" + room + "/state/m.room.topic"
	one := flood("PUT", topic, tokens["alice"], map[string]string{"topic": "x"})
	two := flood("PUT", topic, second, map[string]string{"topic": "x"})
	between("events of a device", one, 50, 200)
	between("events of another device of the same account", two, 30, 200)
}

// rate_limits = "off" turns all of them off.
func TestLimitsOff(t *testing.T) {
	c := newClient(harness.Start(t, harness.SQLite, "FREEHOLD_RATE_LIMITS=off").URL)
	wrong := map[string]any{"type": "m.login.password", "password": "wrong", "user": "alice"}
	for range 100 {
		if status, _, out, err := c.do(t.Context(), "POST", "/v3/login", "", wrong); err != nil || status != 403 {
			t.Fatalf("a wrong password: got %d %v %v", status, out, err)
		}
		if status, _, out, err := c.do(t.Context(), "GET", "/v3/account/whoami", "nobody's", nil); err != nil || status != 401 {
			t.Fatalf("a token that nobody has: got %d %v %v", status, out, err)
		}
	}
}
