package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A cut of other homeservers keeps away those inside too, and nobody else.
func TestCutPeers(t *testing.T) {
	world := &wire{real: listener(t).Addr().String()}
	d := New(Config{Now: time.Now, Connect: world.dial})
	peers, err := d.Declare(Reason{Name: "peers", Target: "servers", Stops: "talk", Reach: Everywhere, Peers: true})
	if err != nil {
		t.Fatal(err)
	}
	others := way(t, d, Everywhere)
	c, err := peers.DialContext(t.Context(), "tcp", "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	d.Cut(CutPeers)
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection that was there: got %v, want it closed", err)
	}
	for _, to := range []string{"127.0.0.1:1", "8.8.8.8:1"} {
		if _, err := peers.DialContext(t.Context(), "tcp", to); !errors.Is(err, ErrCut) {
			t.Errorf("a server at %s: got %v, want cut", to, err)
		}
		if c, err := others.DialContext(t.Context(), "tcp", to); err != nil {
			t.Errorf("somebody else at %s: %v", to, err)
		} else {
			_ = c.Close()
		}
	}
	if d.CutState() != CutPeers {
		t.Errorf("got %d", d.CutState())
	}
}

// Without names an address is reached and a name is not, with an error that says so in both ways: as of a name that cannot be
// asked for, upon which the last address is tried, and as of a cut.
func TestCutNames(t *testing.T) {
	world := &wire{real: listener(t).Addr().String()}
	asked := 0
	d := New(Config{Now: time.Now, Connect: world.dial, Lookup: func(context.Context, string) ([]netip.Addr, error) {
		asked++
		return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
	}, SRV: func(context.Context, string) ([]*net.SRV, error) { asked++; return nil, nil }})
	if err := d.DeclareNames(Reason{Name: "names", Target: "name servers", Stops: "names", Reach: Everywhere}); err != nil {
		t.Fatal(err)
	}
	w := way(t, d, Everywhere)
	d.Cut(CutNames)
	_, err := w.DialContext(t.Context(), "tcp", "example.org:1")
	missing, is := errors.AsType[*net.DNSError](err)
	if !errors.Is(err, ErrCut) || !is || missing.IsNotFound || missing.Name != "example.org" {
		t.Errorf("got %v, want a name that cannot be asked for", err)
	}
	if _, err := w.LookupSRV(t.Context(), "_x._tcp.example.org"); !errors.Is(err, ErrCut) {
		t.Errorf("got %v, want cut", err)
	}
	if c, err := w.DialContext(t.Context(), "tcp", "8.8.8.8:1"); err != nil {
		t.Errorf("an address: %v", err)
	} else {
		_ = c.Close()
	}
	if asked != 0 {
		t.Errorf("names were asked for %d times", asked)
	}
	names := d.Outbound()[0]
	if names.Name != "names" || names.Attempts != 2 || names.Refused != 2 {
		t.Errorf("got %+v, want two names refused", names)
	}
	d.Cut(CutNothing)
	if c, err := w.DialContext(t.Context(), "tcp", "example.org:1"); err != nil {
		t.Errorf("after the cut: %v", err)
	} else {
		_ = c.Close()
	}
	if asked != 1 {
		t.Errorf("asked %d times after the cut, want once", asked)
	}
}

// The system's resolver goes through the door: in a cut it asks no name server, and what the machine itself knows is found.
func TestCutSystemNames(t *testing.T) {
	d := New(Config{Now: time.Now})
	d.Cut(CutNames)
	begin := time.Now()
	if _, err := d.lookup(t.Context(), "example.org"); !errors.Is(err, ErrCut) {
		t.Errorf("got %v, want cut", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("it took %s to find out", took)
	}
	if hosts, err := os.ReadFile("/etc/hosts"); err == nil && strings.Contains(string(hosts), "localhost") {
		if found, err := d.lookup(t.Context(), "localhost"); err != nil || len(found) == 0 || !found[0].IsLoopback() {
			t.Errorf("localhost: got %v, %v", found, err)
		}
	}
	for _, tt := range []struct {
		scope Scope
		at    string
		cut   bool
	}{
		{CutOutside, "8.8.8.8:53", true},
		{CutOutside, "127.0.0.53:53", false},
		{CutOutside, "192.168.1.1:53", false}, // it is this network's
		{CutNames, "127.0.0.53:53", true},
		{CutAll, "127.0.0.53:53", true},
		{CutPeers, "127.0.0.53:53", false},
	} {
		d.Cut(tt.scope)
		c, err := d.askNames(t.Context(), "udp", tt.at)
		if errors.Is(err, ErrCut) != tt.cut {
			t.Errorf("%d, %s: got %v, want it cut: %v", tt.scope, tt.at, err, tt.cut)
		}
		if c != nil {
			_ = c.Close()
		}
	}
}

// A cut with an end ends by itself, whatever happens to the clock on the wall.
func TestCutEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Now: func() time.Time { return time.Unix(1, 0) }, Connect: func(context.Context, netip.AddrPort) (net.Conn, error) {
			a, _ := net.Pipe()
			return a, nil
		}})
		w := way(t, d, Everywhere)
		try := func() error {
			c, err := w.DialContext(t.Context(), "tcp", "8.8.8.8:1")
			if err == nil {
				_ = c.Close()
			}
			return err
		}
		d.CutFor(CutOutside, time.Minute)
		time.Sleep(59 * time.Second)
		if err := try(); !errors.Is(err, ErrCut) {
			t.Errorf("before its end: got %v", err)
		}
		time.Sleep(time.Second)
		if err := try(); err != nil || d.CutState() != CutNothing {
			t.Errorf("after its end: got %v", err)
		}
		d.CutFor(CutOutside, -1)
		if err := try(); err != nil {
			t.Errorf("one without length: got %v", err)
		}
	})
}

// What reaches this server itself reaches nothing else, and no cut keeps it away.
func TestItself(t *testing.T) {
	world := &wire{real: listener(t).Addr().String()}
	d := New(Config{Now: time.Now, Connect: world.dial})
	w := way(t, d, Itself)
	try := func(to string) error {
		c, err := w.DialContext(t.Context(), "tcp", to)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	if err := try("192.168.7.1:8008"); err == nil {
		t.Error("an address that is not known as its own was reached")
	}
	d.Own(netip.MustParseAddrPort("192.168.7.1:8008"))
	d.Cut(CutAll)
	if err := try("192.168.7.1:8008"); err != nil {
		t.Error(err)
	}
	for _, to := range []string{"192.168.7.1:8009", "192.168.7.2:8008", "127.0.0.1:8008", "8.8.8.8:8008"} {
		if err := try(to); err == nil {
			t.Errorf("%s was reached", to)
		}
	}
}

func TestWatch(t *testing.T) {
	world := &wire{real: listener(t).Addr().String()}
	d := New(Config{Now: time.Now, Connect: world.dial})
	w := way(t, d, Everywhere)
	var mu sync.Mutex
	var seen []Attempt
	d.Watch(func(a Attempt) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, a)
	})
	d.Cut(CutOutside)
	for _, to := range []string{"8.8.8.8:1", "127.0.0.1:1"} {
		if c, err := w.DialContext(t.Context(), "tcp", to); err == nil {
			_ = c.Close()
		}
	}
	d.Watch(nil)
	_, _ = w.DialContext(t.Context(), "tcp", "8.8.4.4:1")
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 2 || seen[0].Reason != "test" || seen[0].To != "8.8.8.8:1" || !errors.Is(seen[0].Err, ErrCut) || seen[1].Err != nil {
		t.Errorf("got %+v", seen)
	}
}
