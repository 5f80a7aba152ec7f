package dial

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// names is a resolver that knows these names alone.
func names(m map[string][]string) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		var out []netip.Addr
		for _, s := range m[host] {
			out = append(out, netip.MustParseAddr(s))
		}
		if out == nil {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return out, nil
	}
}

func way(t *testing.T, d *Door, reach Reach) *Way {
	t.Helper()
	w, err := d.Declare(Reason{Name: "test", Target: "a test", Stops: "the test", Reach: reach})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// wire is an outside world: every address leads to the listener, and what was connected to is remembered.
type wire struct {
	mu   sync.Mutex
	to   []netip.AddrPort
	real string
	dead map[netip.Addr]bool // never answer
}

func (w *wire) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	w.to = append(w.to, to)
	dead := w.dead[to.Addr()]
	w.mu.Unlock()
	if dead {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", w.real)
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l
}

func TestWhoMayGoWhere(t *testing.T) {
	world := &wire{real: listener(t).Addr().String()}
	lookup := names(map[string][]string{
		"in":       {"10.0.0.1"},
		"out":      {"8.8.8.8"},
		"both":     {"10.0.0.1", "8.8.8.8"},
		"lan":      {"192.168.0.1"},
		"sneaky":   {"::ffff:127.0.0.1"},
		"metadata": {"169.254.169.254"},
		"zero":     {"0.0.0.0"},
	})
	for _, tt := range []struct {
		reach Reach
		host  string
		want  string // the address connected to; "" for refused
	}{
		{OutsideOnly, "out", "8.8.8.8"},
		{OutsideOnly, "8.8.8.8", "8.8.8.8"},
		{OutsideOnly, "[::ffff:8.8.8.8]", "8.8.8.8"},
		{OutsideOnly, "in", ""},
		{OutsideOnly, "10.0.0.1", ""},
		{OutsideOnly, "both", "8.8.8.8"},
		{OutsideOnly, "sneaky", ""},
		{OutsideOnly, "127.0.0.1", ""},
		{OutsideOnly, "[::1]", ""},
		{OutsideOnly, "[::]", ""},
		{OutsideOnly, "zero", ""},
		{InsideOnly, "out", ""},
		{InsideOnly, "in", "10.0.0.1"},
		{InsideOnly, "sneaky", "127.0.0.1"},
		{InsideOnly, "both", "10.0.0.1"},
		{Everywhere, "out", "8.8.8.8"},
		{Everywhere, "in", "10.0.0.1"},
		{Everywhere, "lan", ""},
		{Everywhere, "metadata", ""},
		{Everywhere, "zero", ""},
		{Named, "out", "8.8.8.8"},
		{Named, "in", "10.0.0.1"},
		{Named, "lan", ""},
		{Named, "sneaky", ""},
		{Named, "127.0.0.1", ""},
		{Named, "[::1]", ""},
		{Named, "metadata", ""},
	} {
		world.to = nil
		d := New(Config{Inside: prefixes("10.0.0.0/8"), Now: time.Now, Lookup: lookup, Connect: world.dial})
		w := way(t, d, tt.reach)
		c, err := w.DialContext(t.Context(), "tcp", tt.host+":443")
		dep := d.Outbound()[0]
		if tt.want == "" {
			_, ok := errors.AsType[*Refused](err)
			if !ok || len(world.to) != 0 || dep.Refused != 1 || dep.LastFailed.IsZero() {
				t.Errorf("%d to %s: got %v, %v, %+v, want it refused", tt.reach, tt.host, err, world.to, dep)
			}
			continue
		}
		if err != nil {
			t.Errorf("%d to %s: %v", tt.reach, tt.host, err)
			continue
		}
		_ = c.Close()
		if want := netip.MustParseAddrPort(tt.want + ":443"); !slices.Equal(world.to, []netip.AddrPort{want}) {
			t.Errorf("%d to %s: connected to %v, want %v", tt.reach, tt.host, world.to, want)
		}
		if dep.Attempts != 1 || dep.Refused != 0 || dep.LastOK.IsZero() {
			t.Errorf("%d to %s: got %+v, want one success", tt.reach, tt.host, dep)
		}
	}
}

// TestRebinding: a name that resolves to a good address when it is checked and to a bad one ever after must be asked
// once, and the address that was checked must be the one connected to.
func TestRebinding(t *testing.T) {
	var asked atomic.Int32
	lookup := func(context.Context, string) ([]netip.Addr, error) {
		if asked.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	world := &wire{real: listener(t).Addr().String()}
	w := way(t, New(Config{Now: time.Now, Lookup: lookup, Connect: world.dial}), OutsideOnly)
	c, err := w.DialContext(t.Context(), "tcp", "rebind.example:80")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if asked.Load() != 1 || len(world.to) != 1 || world.to[0].String() != "8.8.8.8:80" {
		t.Errorf("asked %d times and connected to %v, want once and the checked address", asked.Load(), world.to)
	}
	if _, err = w.DialContext(t.Context(), "tcp", "rebind.example:80"); err == nil {
		t.Error("the second answer was followed")
	}
}

func TestDialErrors(t *testing.T) {
	d := New(Config{Now: time.Now, Lookup: names(nil)})
	w := way(t, d, Everywhere)
	for _, tt := range []struct{ network, address string }{
		{"udp", "127.0.0.1:1"},
		{"unix", "/tmp/x:1"},
		{"tcp", "127.0.0.1"},
		{"tcp", "127.0.0.1:0"},
		{"tcp", "127.0.0.1:http"},
		{"tcp", "127.0.0.1:99999"},
		{"tcp6", "127.0.0.1:1"},
		{"tcp4", "[::1]:1"},
		{"tcp", "nobody.example:1"},
		{"tcp", ":80"},
		{"tcp", "0x7f.1:80"},
		{"tcp", "2130706433:80"},
	} {
		if c, err := w.DialContext(t.Context(), tt.network, tt.address); err == nil || c != nil {
			t.Errorf("%s %s: got %v, %v, want an error and no connection", tt.network, tt.address, c, err)
		}
	}
	if dep := d.Outbound()[0]; dep.Attempts != 12 || dep.Failed+dep.Refused != 12 {
		t.Errorf("got %+v, want 12 failures counted", dep)
	}
}

func TestDeadAddressCostsAHeadStart(t *testing.T) {
	dead := netip.MustParseAddr("2a00::1")
	world := &wire{real: listener(t).Addr().String(), dead: map[netip.Addr]bool{dead: true}}
	lookup := names(map[string][]string{"x": {"2a00::1", "2a00::2", "8.8.8.8", "8.8.8.8"}})
	w := way(t, New(Config{Now: time.Now, Lookup: lookup, Connect: world.dial}), OutsideOnly)
	begin := time.Now()
	c, err := w.DialContext(t.Context(), "tcp", "x:1")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if took := time.Since(begin); took > 20*time.Second { // the dead one is given up after longer
		t.Errorf("took %s", took)
	}
	if len(world.to) != 2 || world.to[0].Addr() != dead || world.to[1].Addr().String() != "8.8.8.8" {
		t.Errorf("tried %v, want the dead one and then the other family", world.to)
	}
}

func TestDeclare(t *testing.T) {
	d := New(Config{Now: time.Now})
	for _, name := range []string{"push", "federation"} {
		if _, err := d.Declare(Reason{Name: name, Target: "others", Stops: "something", Grace: time.Hour}); err != nil {
			t.Error(err)
		}
	}
	for _, r := range []Reason{
		{},
		{Name: "x", Target: "y"},
		{Name: "x", Stops: "y"},
		{Name: "push", Target: "x", Stops: "y"},
		{Name: "x", Target: "x", Stops: "y", Reach: 9},
	} {
		if _, err := d.Declare(r); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	list := d.Outbound()
	if len(list) != 2 || list[0].Name != "federation" || list[1].Name != "push" || list[0].Attempts != 0 || !list[0].LastOK.IsZero() {
		t.Errorf("got %+v, want federation and push, unused", list)
	}
}

func TestCut(t *testing.T) {
	world := &wire{real: listener(t).Addr().String()}
	d := New(Config{Now: time.Now, Lookup: names(nil), Connect: world.dial})
	w := way(t, d, Everywhere)
	dial := func(addr string) (net.Conn, error) { return w.DialContext(t.Context(), "tcp", addr) }
	in, err := dial("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	out, err := dial("8.8.8.8:1")
	if err != nil {
		t.Fatal(err)
	}
	dead := func(c net.Conn) bool {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF)
	}

	d.Cut(CutOutside)
	if !dead(out) || dead(in) {
		t.Errorf("got outside dead %v, inside dead %v, want only outside cut", dead(out), dead(in))
	}
	if _, err := dial("8.8.8.8:1"); !errors.Is(err, ErrCut) {
		t.Errorf("got %v, want cut", err)
	}
	again, err := dial("127.0.0.1:1")
	if err != nil {
		t.Errorf("inside: %v", err)
	}

	d.Cut(CutAll)
	if !dead(in) || !dead(again) {
		t.Error("a connection inside outlived a full cut")
	}
	if _, err := dial("127.0.0.1:1"); !errors.Is(err, ErrCut) {
		t.Errorf("got %v, want cut", err)
	}
	if len(d.open) != 0 {
		t.Errorf("got %d connections remembered, want none", len(d.open))
	}

	d.Cut(CutNothing)
	if c, err := dial("8.8.8.8:1"); err != nil {
		t.Errorf("after the cut: %v", err)
	} else {
		_ = c.Close()
	}
	if dep := d.Outbound()[0]; dep.Attempts != 6 || dep.Refused != 2 {
		t.Errorf("got %+v, want 6 attempts, 2 refused", dep)
	}
}

// TestCutDuringDial: a connection that was asked for before the cut and answered after it must not slip through.
func TestCutDuringDial(t *testing.T) {
	world := &wire{real: listener(t).Addr().String()}
	var d *Door
	d = New(Config{Now: time.Now, Connect: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		c, err := world.dial(ctx, to)
		d.Cut(CutOutside)
		return c, err
	}})
	if _, err := way(t, d, Everywhere).DialContext(t.Context(), "tcp", "8.8.8.8:1"); !errors.Is(err, ErrCut) {
		t.Errorf("got %v, want cut", err)
	}
}

func server(t *testing.T, h http.HandlerFunc) (url string, w *Way) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL, way(t, New(Config{Now: time.Now}), Everywhere)
}

func get(t *testing.T, c *http.Client, url string) (status int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestHTTPSize(t *testing.T) {
	url, w := server(t, func(rw http.ResponseWriter, r *http.Request) {
		n := 100
		if strings.HasPrefix(r.URL.Path, "/big") {
			n = 101
		}
		if strings.HasSuffix(r.URL.Path, "/stream") {
			rw.(http.Flusher).Flush() // no Content-Length
		}
		_, _ = rw.Write([]byte(strings.Repeat("x", n)))
	})
	c := w.Client(HTTP{MaxBody: 100})
	for _, tt := range []struct {
		path string
		want error
	}{{"/ok", nil}, {"/ok/stream", nil}, {"/big", ErrTooLarge}, {"/big/stream", ErrTooLarge}} {
		_, body, err := get(t, c, url+tt.path)
		if !errors.Is(err, tt.want) || len(body) > 100 || err == nil && len(body) != 100 {
			t.Errorf("%s: got %d bytes, %v, want %v", tt.path, len(body), err, tt.want)
		}
	}
}

func TestHTTPRedirects(t *testing.T) {
	url, w := server(t, func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loop":
			http.Redirect(rw, r, "/loop", http.StatusFound)
		case "/one":
			http.Redirect(rw, r, "/end", http.StatusFound)
		case "/bad":
			http.Redirect(rw, r, "http://169.254.169.254/latest", http.StatusFound)
		case "/file":
			http.Redirect(rw, r, "file:///etc/passwd", http.StatusFound)
		default:
			_, _ = io.WriteString(rw, "end")
		}
	})
	if status, _, err := get(t, w.Client(HTTP{}), url+"/one"); status != http.StatusFound || err != nil {
		t.Errorf("got %d, %v, want the redirect itself", status, err)
	}
	follow := w.Client(HTTP{Redirects: 2})
	if status, body, err := get(t, follow, url+"/one"); status != http.StatusOK || body != "end" || err != nil {
		t.Errorf("got %d %q, %v, want the end", status, body, err)
	}
	for _, path := range []string{"/loop", "/bad", "/file"} {
		if status, _, err := get(t, follow, url+path); err == nil {
			t.Errorf("%s: got %d, want an error", path, status)
		}
	}
	if _, _, err := get(t, follow, url+"/bad"); err != nil {
		if _, ok := errors.AsType[*Refused](err); !ok {
			t.Errorf("got %v, want it refused", err)
		}
	}
}

func TestHTTPSilence(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	url, w := server(t, func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/mute":
			<-end
		case "/half":
			_, _ = io.WriteString(rw, "half")
			rw.(http.Flusher).Flush()
			<-end
		case "/drip":
			for range 1000 {
				if _, err := io.WriteString(rw, "x"); err != nil {
					return
				}
				rw.(http.Flusher).Flush()
				select {
				case <-end:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}
	})
	for _, tt := range []struct {
		path         string
		stall, total time.Duration
		want         error
	}{
		{"/mute", 100 * time.Millisecond, time.Minute, ErrStalled},
		{"/half", 100 * time.Millisecond, time.Minute, ErrStalled},
		{"/mute", time.Minute, 100 * time.Millisecond, context.DeadlineExceeded},
		{"/drip", time.Minute, 200 * time.Millisecond, context.DeadlineExceeded},
	} {
		c := w.Client(HTTP{Stall: tt.stall, Total: tt.total})
		if _, _, err := get(t, c, url+tt.path); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.path, err, tt.want)
		}
		c.CloseIdleConnections()
	}
}

func TestHTTPCutMidAnswer(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	url, w := server(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, "half")
		rw.(http.Flusher).Flush()
		<-end
	})
	c := w.Client(HTTP{})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	w.door.Cut(CutAll)
	body, cut := io.ReadAll(resp.Body)
	if cut == nil {
		t.Errorf("got %q and no error after the cut", body)
	}
	if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, cut) || errors.Is(err, context.Canceled) { // a decoder asks twice
		t.Errorf("got %v, and then %v", cut, err)
	}
	if _, _, err := get(t, c, url); !errors.Is(err, ErrCut) {
		t.Errorf("got %v, want cut", err)
	}
}

func TestHTTPSTrustsOnlyRoots(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	strict := way(t, New(Config{Now: time.Now}), Everywhere)
	if _, _, err := get(t, strict.Client(HTTP{}), s.URL); err == nil {
		t.Error("a certificate of nobody was taken")
	}
	pool := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	trusting := way(t, New(Config{Now: time.Now, Roots: pool}), Everywhere)
	if _, _, err := get(t, trusting.Client(HTTP{}), s.URL); err != nil {
		t.Error(err)
	}
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	down := httptest.NewUnstartedServer(http.RedirectHandler(plain.URL, http.StatusFound))
	down.StartTLS()
	defer down.Close()
	pool.AddCert(down.Certificate())
	if _, _, err := get(t, trusting.Client(HTTP{Redirects: 3}), down.URL); !errors.Is(err, ErrDowngrade) {
		t.Errorf("got %v, want a refused downgrade", err)
	}
}

// For a reason that reaches what is named, loopback counts when it is named as well.
func TestNamedLoopback(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	strict := way(t, New(Config{Now: time.Now}), Named)
	if _, _, err := get(t, strict.Client(HTTP{}), s.URL); err == nil {
		t.Error("loopback was reached though nobody had named it")
	}
	open := way(t, New(Config{Now: time.Now, Inside: prefixes("127.0.0.0/8")}), Named)
	if _, _, err := get(t, open.Client(HTTP{}), s.URL); err != nil {
		t.Error(err)
	}
}

func TestProxyEnvironmentIsIgnored(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:3128")
	t.Setenv("ALL_PROXY", "http://192.0.2.1:3128")
	url, w := server(t, func(http.ResponseWriter, *http.Request) {})
	if _, _, err := get(t, w.Client(HTTP{}), url); err != nil {
		t.Error(err)
	}
}
