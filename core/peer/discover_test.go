package peer

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/dial"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// web answers requests in place of the network.
type web func(*http.Request) (*http.Response, error)

func (w web) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// page is an answer.
func page(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// clock is a time that a test sets. A connection that outlives its request may still ask for it.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func clockAt(now time.Time) *clock { return &clock{now: now} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// pass lets time pass.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// peers makes Peers of here.test on a database, whose SRV records are given.
func peers(t *testing.T, db *sqldb.DB, c *clock, srv func(name string) ([]*net.SRV, error)) *Peers {
	t.Helper()
	door := dial.New(dial.Config{Now: c.Now, SRV: func(_ context.Context, name string) ([]*net.SRV, error) { return srv(name) }})
	p, err := New(Config{
		DB: db, Door: door, Now: c.Now, Log: slog.New(slog.DiscardHandler),
		Signer: event.Signer{Server: "here.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

var noRecords = func(string) ([]*net.SRV, error) { return nil, &net.DNSError{IsNotFound: true} }

// TestDiscover: where a server is, for each way of the specification.
func TestDiscover(t *testing.T) {
	documents := map[string]string{
		"to-address.test":  `{"m.server":"192.0.2.7:99"}`,
		"to-address6.test": `{"m.server":"[2001:db8::7]"}`,
		"to-port.test":     `{"m.server":"matrix.there.test:443"}`,
		"to-srv.test":      `{"m.server":"srv.test"}`,
		"to-old.test":      `{"m.server":"old.test"}`,
		"to-host.test":     `{"m.server":"plain.test"}`,
		"bad.test":         `{"m.server":"not a name"}`,
		"worse.test":       `[`,
	}
	srv := func(name string) ([]*net.SRV, error) {
		switch name {
		case "_matrix-fed._tcp.srv.test":
			return []*net.SRV{{Target: "one.test.", Port: 1}, {Target: "two.test.", Port: 2}}, nil
		case "_matrix._tcp.old.test":
			return []*net.SRV{{Target: "three.test.", Port: 3}}, nil
		case "_matrix-fed._tcp.broken.test":
			return nil, errors.New("no resolver")
		}
		return nil, &net.DNSError{IsNotFound: true}
	}
	p := peers(t, sqldbtest.SQLite(t, schema.FS), clockAt(time.UnixMilli(1)), srv)
	p.documents = &http.Client{Transport: web(func(r *http.Request) (*http.Response, error) {
		if body, ok := documents[r.URL.Host]; ok && r.URL.Path == "/.well-known/matrix/server" {
			return page(200, body), nil
		}
		if r.URL.Host == "down.test" {
			return nil, errors.New("connection refused")
		}
		return page(404, "{}"), nil
	})}
	for server, want := range map[id.Server]Route{
		"192.0.2.1":        {Host: "192.0.2.1", Name: "192.0.2.1", Port: "8448"},
		"[2001:db8::1]:80": {Host: "[2001:db8::1]:80", Name: "2001:db8::1", Port: "80"},
		"port.test:1234":   {Host: "port.test:1234", Name: "port.test", Port: "1234"},
		"to-address.test":  {Host: "192.0.2.7:99", Name: "192.0.2.7", Port: "99"},
		"to-address6.test": {Host: "[2001:db8::7]", Name: "2001:db8::7", Port: "8448"},
		"to-port.test":     {Host: "matrix.there.test:443", Name: "matrix.there.test", Port: "443"},
		"to-srv.test":      {Host: "srv.test", Name: "srv.test", Port: "8448", Places: []string{"one.test:1", "two.test:2"}},
		"to-old.test":      {Host: "old.test", Name: "old.test", Port: "8448", Places: []string{"three.test:3"}},
		"to-host.test":     {Host: "plain.test", Name: "plain.test", Port: "8448"},
		"bad.test":         {Host: "bad.test", Name: "bad.test", Port: "8448"},
		"worse.test":       {Host: "worse.test", Name: "worse.test", Port: "8448"},
		"down.test":        {Host: "down.test", Name: "down.test", Port: "8448"},
		"srv.test":         {Host: "srv.test", Name: "srv.test", Port: "8448", Places: []string{"one.test:1", "two.test:2"}},
	} {
		got, err := p.Route(t.Context(), server)
		if got.How == "" {
			t.Errorf("%s: it is not said how it was found", server)
		}
		got.How = ""
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v %s", server, err, cmp.Diff(want, got))
		}
	}
	if r, err := p.Route(t.Context(), "broken.test"); err == nil {
		t.Errorf("without a resolver: got %+v", r)
	}
}

// TestAddressBook: a route is used as long as its document says, and on when none can be found any more, also after a
// restart.
func TestAddressBook(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		c := clockAt(time.UnixMilli(1e12))
		asked, answer := 0, page(200, `{"m.server":"one.test:1"}`, "Cache-Control", "public, max-age=7200")
		open := func() *Peers {
			p := peers(t, db, c, func(string) ([]*net.SRV, error) { return nil, errors.New("no resolver") })
			p.documents = &http.Client{Transport: web(func(*http.Request) (*http.Response, error) {
				asked++
				if answer == nil {
					return nil, errors.New("the link is cut")
				}
				return answer, nil
			})}
			return p
		}
		p := open()
		look := func(want string, wantAsked int) {
			t.Helper()
			r, err := p.Route(t.Context(), "far.test")
			if err != nil || r.Host != want || asked != wantAsked {
				t.Errorf("got %+v, %v after %d questions, want %s after %d", r, err, asked, want, wantAsked)
			}
		}
		look("one.test:1", 1)
		c.pass(2*time.Hour - time.Second)
		look("one.test:1", 1)
		p = open()
		look("one.test:1", 1)
		answer = nil
		c.pass(time.Minute)
		look("one.test:1", 2) // past its time, and the document cannot be had
		p = open()
		look("one.test:1", 3)
		answer = page(200, `{"m.server":"two.test:2"}`)
		c.pass(shortLife)
		look("two.test:2", 4)
		all, err := p.Book(t.Context(), "", 10)
		if err != nil || len(all) != 1 || all[0].Server != "far.test" || all[0].Route.Host != "two.test:2" {
			t.Errorf("the book has %+v (%v)", all, err)
		}
		p.Allowed = func(id.Server) bool { return false }
		if _, err := p.Route(t.Context(), "far.test"); err == nil {
			t.Error("a server that is not allowed was looked for")
		}
	})
}

// TestNameUnknown: what SRV records have said is used on when the DNS knows nothing of a name any more, and a name that it has
// never known leads nowhere.
func TestNameUnknown(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		c := clockAt(time.UnixMilli(1e12))
		known := true
		p := peers(t, db, c, func(name string) ([]*net.SRV, error) {
			if known && name == "_matrix-fed._tcp.far.test" {
				return []*net.SRV{{Target: "at.far.test.", Port: 8449}}, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		})
		p.documents = &http.Client{Transport: web(func(r *http.Request) (*http.Response, error) {
			return nil, &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true} // a name need have no address of its own
		})}
		for _, known = range []bool{true, false, true} {
			r, err := p.Route(t.Context(), "far.test")
			if err != nil || !slices.Equal(r.Places, []string{"at.far.test:8449"}) {
				t.Errorf("known %v: got %+v, %v", known, r, err)
			}
			c.pass(2 * longestLife)
		}
		if r, err := p.Route(t.Context(), "nowhere.test"); err == nil {
			t.Errorf("got %+v of a name that nobody knows", r)
		}
		if all, err := p.Book(t.Context(), "", 10); err != nil || len(all) != 1 {
			t.Errorf("the book has %+v, %v", all, err)
		}
	})
}

func TestLife(t *testing.T) {
	now := time.UnixMilli(1e12)
	for header, want := range map[string]time.Duration{
		"":                          usualLife,
		"max-age=10":                shortLife,
		"public, max-age=36000":     10 * time.Hour,
		"max-age=99999999":          longestLife,
		"max-age=99999999999999999": usualLife,
		"no-store":                  shortLife,
		"max-age=x":                 usualLife,
	} {
		if got := lifeOf(http.Header{"Cache-Control": {header}}, now); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
	if got := lifeOf(http.Header{"Expires": {now.Add(3 * time.Hour).UTC().Format(http.TimeFormat)}}, now); got.Round(time.Hour) != 3*time.Hour {
		t.Errorf("Expires: got %s", got)
	}
}
