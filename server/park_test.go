package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"freehold.example/base/limit"
	"freehold.example/core/account"
)

// sleeper is a client that waits in /sync, on a connection of its own.
type sleeper struct {
	t            *testing.T
	server       *Server
	base         string
	token, since string
	conn         net.Conn
	in           *bufio.Reader
	out          *output
	stop         func()
}

// newSleeper makes an account on a server that parks whom it lets wait for longer than after. The first sync takes one of
// the two that the account may do.
func newSleeper(t *testing.T, after time.Duration) *sleeper {
	t.Helper()
	s, base, out, stop := start(t, func(c *Config) {
		c.Registration, c.ParkAfter = account.Open, after
		c.Limits = map[string]limit.Rate{"sync": {Burst: 2, Every: 23 * time.Hour}}
	})
	p := &sleeper{t: t, server: s, base: base + "/_matrix/client/v3", out: out, stop: stop}
	_, made := ask(t, "POST", p.base+"/register", "", map[string]any{
		"username": "alice", "password": "secret alice", "auth": map[string]any{"type": "m.login.dummy"},
	})
	p.token, _ = made["access_token"].(string)
	_, first := ask(t, "GET", p.base+"/sync", p.token, nil)
	p.since, _ = first["next_batch"].(string)
	var err error
	if p.conn, err = new(net.Dialer).DialContext(t.Context(), "tcp", s.ClientAddr()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.conn.Close() })
	p.in = bufio.NewReader(p.conn)
	return p
}

// sync begins to wait, and waits until that is parked.
func (p *sleeper) sync(timeout time.Duration) {
	p.t.Helper()
	q := url.Values{"since": {p.since}, "timeout": {fmt.Sprint(timeout.Milliseconds())}}
	_, err := fmt.Fprintf(p.conn, "GET /_matrix/client/v3/sync?%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", q.Encode(), p.token)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.server.config.ParkAfter < timeout {
		p.until("it is parked", func() bool { return p.server.clients.lot.Parked() == 1 })
	}
}

func (p *sleeper) until(what string, is func() bool) {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("%s: it does not happen", what)
		}
	}
}

func (p *sleeper) read() (*http.Response, string) {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	resp, err := http.ReadResponse(p.in, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(body)
}

const parkSoon = 20 * time.Millisecond

// A request that was parked is answered, counted, measured and logged as one.
func TestParkedIsOneRequest(t *testing.T) {
	p := newSleeper(t, parkSoon)
	p.sync(time.Minute)
	if _, body := get(t, strings.TrimSuffix(p.base, "/_matrix/client/v3")+"/metrics"); !strings.Contains(body, "\nfreehold_requests_parked 1\n") {
		t.Error("the metrics do not say that one is parked")
	}
	if status, out := ask(t, "PUT", p.base+"/user/@alice:localhost/account_data/m.test", p.token, map[string]any{"x": 1}); status != http.StatusOK {
		t.Fatalf("got %d %v", status, out)
	}
	if resp, body := p.read(); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"m.test"`) || resp.Close {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	_, body := get(t, strings.TrimSuffix(p.base, "/_matrix/client/v3")+"/metrics")
	if !strings.Contains(body, `freehold_http_request_seconds_count{method="GET",route="/_matrix/client/v3/sync",status="2xx"} 2`+"\n") {
		t.Error("the metrics do not say that there were two syncs")
	}
	if n := strings.Count(p.out.String(), `"route":"/_matrix/client/v3/sync"`); n != 2 {
		t.Errorf("%d records of two syncs", n)
	}
}

var nextBatch = regexp.MustCompile(`"next_batch":"s[0-9]+_[0-9]+_[0-9]+"`)

// The answer when the time is over is the one that a request gets which was not parked, and comes when it should.
func TestParkedIsAnsweredAlike(t *testing.T) {
	const wait = 1500 * time.Millisecond // long enough to see that it is parked
	var answers []string
	for _, after := range []time.Duration{time.Hour, parkSoon} {
		p := newSleeper(t, after)
		began := time.Now()
		p.sync(wait)
		resp, body := p.read()
		if took := time.Since(began); took < wait || took > wait+20*time.Second {
			t.Errorf("answered after %s", took)
		}
		resp.Header.Del("Date")
		body = nextBatch.ReplaceAllLiteralString(body, `"next_batch":"?"`)
		answers = append(answers, fmt.Sprint(resp.Proto, resp.Status, resp.Header, body))
	}
	if answers[0] != answers[1] || !strings.Contains(answers[0], "?") {
		t.Errorf("waited:\n%s\nparked:\n%s", answers[0], answers[1])
	}
}

// Who is parked when his session ends is told so.
func TestParkedEndsWithItsSession(t *testing.T) {
	p := newSleeper(t, parkSoon)
	p.sync(time.Minute)
	if status, out := ask(t, "POST", p.base+"/logout", p.token, nil); status != http.StatusOK {
		t.Fatalf("got %d %v", status, out)
	}
	if resp, body := p.read(); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "M_UNKNOWN_TOKEN") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

// Who is parked when the server stops is told to come again.
func TestParkedWhenTheServerStops(t *testing.T) {
	p := newSleeper(t, parkSoon)
	p.sync(time.Minute)
	p.stop()
	if resp, body := p.read(); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "2" || !resp.Close {
		t.Errorf("got %d %v %s", resp.StatusCode, resp.Header, body)
	}
}

// Who goes away while he is parked leaves a record, as one does who was not, and nothing else.
func TestParkedGoesAway(t *testing.T) {
	p := newSleeper(t, parkSoon)
	p.sync(time.Minute)
	_ = p.conn.Close()
	p.until("it is forgotten", func() bool {
		return p.server.clients.lot.Parked() == 0 && strings.Contains(p.out.String(), `"status":499`)
	})
}
