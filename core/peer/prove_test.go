package peer

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"freehold.example/base/dial"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// own is a server with a certificate that no authority stands for.
type own struct {
	*httptest.Server
	name    id.Server
	key     ed25519.PrivateKey
	until   time.Time
	pins    []string
	asked   int
	rubbish bool // in place of the pins
	refuse  int  // what is answered to requests; 0: all is well
}

func newOwn(t *testing.T, now time.Time) *own {
	t.Helper()
	o := &own{key: private(1), until: now.Add(24 * time.Hour)}
	o.Server = httptest.NewUnstartedServer(o)
	o.EnableHTTP2 = false
	o.Config.ErrorLog = log.New(io.Discard, "", 0)
	o.StartTLS()
	t.Cleanup(o.Close)
	o.name = id.Server(o.Listener.Addr().String())
	o.pins = []string{Pin(o.Certificate())}
	return o
}

func (o *own) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != keyPath {
		o.asked++
		if o.refuse != 0 {
			w.WriteHeader(o.refuse)
			return
		}
		fmt.Fprint(w, `{}`)
		return
	}
	field := fmt.Sprintf(`{"sha256":["%s"]}`, strings.Join(o.pins, `","`))
	if o.rubbish {
		field = `[1]`
	}
	b := fmt.Appendf(nil, `{"server_name":%q,"valid_until_ts":%d,"verify_keys":{"ed25519:a":{"key":%q}},"old_verify_keys":{},%q:%s}`,
		o.name, o.until.UnixMilli(), text(o.key), PinField, field)
	b, err := event.SignJSON(b, string(o.name), "ed25519:a", o.key)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(b)
}

// TestProven: a certificate that no authority stands for is good when the server's own key stands for it.
func TestProven(t *testing.T) {
	c := clockAt(time.UnixMilli(1_900_000_000_000))
	ask := func(p *Peers, o *own) error {
		before := o.asked
		err := p.Ask(t.Context(), Question{Server: o.name, Method: "GET", Path: "/_matrix/x", Now: true}, nil)
		if (err == nil) != (o.asked == before+1) {
			t.Errorf("asked %d times, and got %v", o.asked-before, err)
		}
		return err
	}
	refused := func(what, why string, err error) {
		t.Helper()
		if no, is := errors.AsType[*UnprovenError](err); !is || !strings.Contains(no.Key.Error(), why) {
			t.Errorf("%s: got %v, want %q", what, err, why)
		}
	}

	t.Run("never met", func(t *testing.T) {
		p, o := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords), newOwn(t, c.Now())
		o.pins = []string{"another", "one"}
		refused("another certificate is named", "does not name it", ask(p, o))
		o.rubbish = true
		refused("none is named", "does not name it", ask(p, o))
		o.rubbish, o.pins, o.until = false, []string{"another", Pin(o.Certificate())}, c.Now().Add(-time.Second)
		refused("long ago", "out of date", ask(p, o))
		o.until = c.Now().Add(time.Hour)
		for range 2 {
			if err := ask(p, o); err != nil {
				t.Error(err)
			}
		}
		// From now on it is known, and somebody else is not it.
		c.pass(2 * provenLife)
		o.until = c.Now().Add(time.Hour)
		right := o.key
		o.key = private(2)
		refused("another key", "another than before", ask(p, o))
		o.key = right
		if err := ask(p, o); err != nil {
			t.Error(err)
		}
	})

	t.Run("met when an authority stood for it", func(t *testing.T) {
		p, o := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords), newOwn(t, c.Now())
		strict := p.requests
		p.requests = o.Client()
		if err := p.FetchKeys(t.Context(), o.name); err != nil {
			t.Fatal(err)
		}
		p.requests = strict
		o.until = c.Now().Add(-time.Second)
		refused("out of date", "out of date", ask(p, o))
		o.until = c.Now().Add(time.Hour)
		if err := ask(p, o); err != nil {
			t.Error(err)
		}
		book, err := p.Book(t.Context(), "", 9)
		if err != nil || len(book) != 1 || book[0].Trust != "its signing key" {
			t.Errorf("the book says %+v (%v)", book, err)
		}
	})

	// Whoever hands on what the real one publishes has not its certificate.
	t.Run("in the middle", func(t *testing.T) {
		p, o := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords), newOwn(t, c.Now())
		if err := ask(p, o); err != nil {
			t.Fatal(err)
		}
		o.pins = []string{"the real one's"}
		p.disprove(o.name)
		refused("in the middle", "does not name it", ask(p, o))
	})
}

func TestFirstSight(t *testing.T) {
	for _, tt := range []struct {
		name id.Server
		zone dial.Zone
		ok   bool
	}{
		{"192.168.1.5", dial.Inside, true},
		{"192.168.1.5:8448", dial.Inside, true},
		{"[fd00::1]:8448", dial.Inside, true},
		{"house.local", dial.Inside, true},
		{"House.LAN:8448", dial.Inside, true},
		{"house", dial.Inside, true},
		{"localhost:8448", dial.Inside, true},
		{"matrix.org", dial.Inside, false}, // whoever answers for that name in this network
		{"local", dial.Inside, true},
		{"notlocal.org", dial.Inside, false},
		{"192.0.2.1", dial.Outside, false},
		{"house.local", dial.Outside, false},
		{"house.local", dial.Nowhere, false},
	} {
		if why := firstSight(tt.name, tt.zone); (why == "") != tt.ok {
			t.Errorf("%s, %s: %q", tt.name, tt.zone, why)
		}
	}
}

// TestNoNames: a server that has answered is reached without the name of its place, and by the place that a document named when
// that cannot be had.
func TestNoNames(t *testing.T) {
	c := clockAt(time.UnixMilli(1_900_000_000_000))
	p, o := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords), newOwn(t, c.Now())
	unknown := func(_ context.Context, host string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Name: host, IsNotFound: true}
	}
	door := dial.New(dial.Config{Now: c.Now, Lookup: unknown, SRV: func(_ context.Context, name string) ([]*net.SRV, error) { return noRecords(name) }})
	way, err := door.Declare(dial.Reason{Name: "federation", Target: "x", Stops: "x", Reach: dial.Everywhere})
	if err != nil {
		t.Fatal(err)
	}
	p.way, p.documents = way, way.Client(dial.HTTP{})
	at := o.Listener.Addr().String()
	o.name = "house.invalid"
	p.requests = o.Client()
	p.requests.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: poolOf(o.Certificate()), ServerName: "example.com"}
	p.requests.Transport.(*http.Transport).DialContext = p.way.DialContext
	route := Route{Host: "place.invalid", Name: "place.invalid", Port: "443", How: ".well-known", Last: at}
	if err := p.enter(t.Context(), o.name, route, c.Now(), c.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, 3 * time.Hour} {
		c.pass(after)
		if err := p.Ask(t.Context(), Question{Server: o.name, Method: "GET", Path: "/_matrix/x", Now: true}, nil); err != nil {
			t.Errorf("after %v: %v", after, err)
		}
		if r, err := p.Route(t.Context(), o.name); err != nil || r.Name != "place.invalid" || r.Last != at {
			t.Errorf("after %v: %+v (%v)", after, r, err)
		}
	}
}

func poolOf(c *x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return pool
}
