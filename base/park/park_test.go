package park_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/park"
)

// house is a server with one endpoint, which waits for the topic of its path.
type house struct {
	lot     *park.Lot
	server  *http.Server
	addr    string
	bus     bus.Local
	entered atomic.Int64 // requests that came, each time that they did
	counted atomic.Int64 // requests that came for the first time
	gone    atomic.Int64
	ended   atomic.Int64 // waits that ended
	news    func(r *http.Request) bool
	answer  func(w http.ResponseWriter, r *http.Request, over bool)
	wait    time.Duration
}

const soon = 30 * time.Millisecond // until requests are parked, in these tests

func open(t *testing.T, change ...func(*house)) *house {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{lot: park.New(park.Config{After: soon, AtOnce: 8}, l), addr: l.Addr().String(), wait: time.Minute}
	h.answer = func(w http.ResponseWriter, r *http.Request, over bool) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s over=%v X=%s body=%s", r.URL, over, r.Header["X"], body)
	}
	for _, f := range change {
		f(h)
	}
	h.server = &http.Server{Handler: h, ConnContext: park.ConnContext, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 2)
	go func() { ended <- h.server.Serve(h.lot.Listener()) }()
	go func() { ended <- h.server.Serve(h.lot) }()
	t.Cleanup(func() {
		_ = h.server.Close()
		for range 2 {
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}
	})
	return h
}

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.entered.Add(1)
	q, r := park.Enter(r)
	if !q.Again() {
		h.counted.Add(1)
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	over, err := h.sleep(r)
	switch {
	case q.Parked(err):
		if err := q.Park(w, func() { h.gone.Add(1) }); err != nil {
			panic(http.ErrAbortHandler)
		}
		return
	case err != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		q.Begun()
		h.answer(w, r, over)
	}
	q.Done()
}

func (h *house) sleep(r *http.Request) (over bool, err error) {
	wait := park.Begin(r.Context(), h.bus.Sleep(r.URL.Path), h.wait, func() { h.ended.Add(1) })
	defer wait.End()
	if h.news != nil && h.news(r) {
		return false, nil
	}
	if over = wait.Over(); over {
		return true, nil
	}
	return wait.Sleep(r.Context())
}

// guest is a client's connection.
type guest struct {
	net.Conn
	in *bufio.Reader
	t  *testing.T
}

func (h *house) dial(t *testing.T) *guest {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &guest{Conn: c, in: bufio.NewReader(c), t: t}
}

func (g *guest) ask(raw string) {
	g.t.Helper()
	if _, err := io.WriteString(g, raw); err != nil {
		g.t.Fatal(err)
	}
}

func (g *guest) read() (*http.Response, string) {
	g.t.Helper()
	_ = g.SetReadDeadline(time.Now().Add(40 * time.Second)) // less than the minute that requests wait
	resp, err := http.ReadResponse(g.in, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp, string(body)
}

// until waits for something that is about to happen.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%s: it does not happen\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}

func (h *house) parked(t *testing.T, n int) {
	t.Helper()
	until(t, fmt.Sprint(n, " parked"), func() bool { return h.lot.Parked() == n })
}

const get = "GET /a?b=%2F HTTP/1.1\r\nHost: x\r\nX: 1\r\nX: 2\r\n\r\n"

// The same connection is parked again and again, and its answers are those of requests that were not.
func TestKeepAlive(t *testing.T) {
	var news atomic.Bool
	h := open(t, func(h *house) { h.news = func(*http.Request) bool { return news.Load() } })
	g := h.dial(t)
	for i := range int64(3) {
		news.Store(false)
		g.ask(get)
		h.parked(t, 1)
		news.Store(true)
		h.bus.Wake("/a")
		resp, body := g.read()
		if want := "/a?b=%2F over=false X=[1 2] body="; resp.StatusCode != 200 || body != want || resp.Close {
			t.Fatalf("got %d %q, close %v; want %q", resp.StatusCode, body, resp.Close, want)
		}
		if h.counted.Load() != i+1 || h.entered.Load() != 2*(i+1) || h.ended.Load() != 2*(i+1) {
			t.Fatalf("counted %d, entered %d, ended %d", h.counted.Load(), h.entered.Load(), h.ended.Load())
		}
	}
}

func TestBodyIsReadAgain(t *testing.T) {
	var news atomic.Bool
	h := open(t, func(h *house) { h.news = func(*http.Request) bool { return news.Load() } })
	g := h.dial(t)
	g.ask("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
	h.parked(t, 1)
	news.Store(true)
	h.bus.Wake("/a")
	if _, body := g.read(); body != "/a over=false X=[] body=hello" {
		t.Errorf("got %q", body)
	}
}

// The time to wait is counted from when the request first came.
func TestTimeIsOver(t *testing.T) {
	h := open(t, func(h *house) { h.wait = time.Second })
	g := h.dial(t)
	began := time.Now()
	g.ask(get)
	h.parked(t, 1)
	if _, body := g.read(); !strings.Contains(body, "over=true") {
		t.Errorf("got %q", body)
	}
	if took := time.Since(began); took < h.wait || took > h.wait+30*time.Second {
		t.Errorf("took %s", took)
	}
}

// A request that has come already is answered after the one that waits.
func TestPipelined(t *testing.T) {
	for _, first := range []bool{true, false} {
		var news atomic.Bool
		h := open(t, func(h *house) {
			h.news = func(r *http.Request) bool { return news.Load() || r.URL.Path == "/b" }
		})
		g := h.dial(t)
		const next = "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
		if first {
			g.ask(get + next)
			until(t, "it came back", func() bool { return h.entered.Load() == 2 })
		} else {
			g.ask(get)
			h.parked(t, 1)
			g.ask(next)
			h.parked(t, 0)
		}
		time.Sleep(3 * soon)
		if n := h.lot.Parked(); n != 0 {
			t.Errorf("%d parked, though it could not be seen that they go away", n)
		}
		news.Store(true)
		h.bus.Wake("/a")
		if _, body := g.read(); !strings.HasPrefix(body, "/a") {
			t.Errorf("got %q first", body)
		}
		if _, body := g.read(); !strings.HasPrefix(body, "/b") {
			t.Errorf("got %q second", body)
		}
	}
}

// Who goes away leaves nothing behind.
func TestClientGoesAway(t *testing.T) {
	h := open(t)
	g := h.dial(t)
	g.ask(get)
	h.parked(t, 1)
	_ = g.Close()
	until(t, "it is gone", func() bool { return h.gone.Load() == 1 && h.ended.Load() == 1 && h.lot.Parked() == 0 })
	if h.bus.Has("/a") {
		t.Error("somebody still listens")
	}
	if n := h.entered.Load(); n != 1 {
		t.Errorf("entered %d times", n)
	}
}

// Who waits on another goroutine waits as before: for the rest of the time, for news, and for the client to go away.
func TestRenew(t *testing.T) {
	h := open(t, func(h *house) { h.wait = 500 * time.Millisecond })
	patient, lucky, gone := h.dial(t), h.dial(t), h.dial(t)
	patient.ask("GET /patient HTTP/1.1\r\nHost: x\r\n\r\n")
	lucky.ask("GET /lucky HTTP/1.1\r\nHost: x\r\n\r\n")
	gone.ask("GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
	until(t, "all were parked", func() bool { return h.lot.Times() == 3 })
	for range 3 {
		h.lot.Renew()
	}
	h.bus.Wake("/lucky")
	_ = gone.Close()
	if _, body := lucky.read(); !strings.HasPrefix(body, "/lucky over=") {
		t.Errorf("got %q", body)
	}
	if _, body := patient.read(); !strings.HasPrefix(body, "/patient over=true") {
		t.Errorf("got %q", body)
	}
	until(t, "all have ended", func() bool { return h.ended.Load() >= 3 && h.lot.Parked() == 0 })
}

// These wait the ordinary way.
func TestStays(t *testing.T) {
	for name, raw := range map[string]string{
		"too large":   "GET /a HTTP/1.1\r\nHost: x\r\nY: " + strings.Repeat("y", 9000) + "\r\n\r\n",
		"chunked":     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a long body": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("y", 9000),
		"expects":     "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n1",
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			g := h.dial(t)
			g.ask(raw)
			until(t, "it waits", func() bool { return h.bus.Has("/a") })
			time.Sleep(4 * soon)
			if n := h.entered.Load(); n != 1 {
				t.Errorf("entered %d times", n)
			}
			h.bus.Wake("/a")
			if name == "expects" {
				_, _ = g.in.ReadString('\n')
				_, _ = g.in.ReadString('\n')
			}
			if resp, _ := g.read(); resp.StatusCode != 200 {
				t.Errorf("got %d", resp.StatusCode)
			}
		})
	}
}

// What comes encrypted waits the ordinary way, in either HTTP.
func TestEncrypted(t *testing.T) {
	for _, two := range []bool{false, true} {
		h := open(t)
		s := httptest.NewUnstartedServer(h)
		lot := park.New(park.Config{After: soon}, s.Listener)
		s.Listener, s.Config.ConnContext, s.EnableHTTP2 = lot.Listener(), park.ConnContext, two
		s.StartTLS()
		t.Cleanup(s.Close)
		answers := make(chan *http.Response, 1)
		go func() {
			defer close(answers)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/a", nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := s.Client().Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			answers <- resp
		}()
		until(t, "it came", func() bool { return h.bus.Has("/a") })
		time.Sleep(3 * soon)
		if n := h.entered.Load(); n != 1 || lot.Parked() != 0 {
			t.Errorf("entered %d times", n)
		}
		h.bus.Wake("/a")
		if resp := <-answers; resp == nil || resp.StatusCode != http.StatusOK || (resp.ProtoMajor == 2) != two {
			t.Errorf("got %v", resp)
		} else {
			_ = resp.Body.Close()
		}
	}
}

// What is said of the connection's end holds for who was parked.
func TestEndsWithTheAnswer(t *testing.T) {
	for _, raw := range []string{
		"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /a HTTP/1.0\r\n\r\n",
	} {
		var news atomic.Bool
		h := open(t, func(h *house) { h.news = func(*http.Request) bool { return news.Load() } })
		g := h.dial(t)
		g.ask(raw)
		h.parked(t, 1)
		news.Store(true)
		h.bus.Wake("/a")
		resp, body := g.read()
		if resp.StatusCode != 200 || !resp.Close || !strings.HasPrefix(body, "/a") {
			t.Errorf("got %d %q, close %v", resp.StatusCode, body, resp.Close)
		}
		if _, err := g.in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want the end", err)
		}
	}
}

// A server that stops answers those who are parked.
func TestEmpty(t *testing.T) {
	const many = 200
	h := open(t)
	guests := make([]*guest, many)
	for i := range guests {
		guests[i] = h.dial(t)
		guests[i].ask(get)
	}
	h.parked(t, many)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	h.server.SetKeepAlivesEnabled(false)
	h.lot.Empty(ctx)
	if err := h.server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for _, g := range guests {
		if resp, _ := g.read(); resp.StatusCode != http.StatusServiceUnavailable || !resp.Close {
			t.Errorf("got %d, close %v", resp.StatusCode, resp.Close)
		}
	}
}

// A server that is closed closes those who are parked.
func TestClose(t *testing.T) {
	h := open(t)
	g := h.dial(t)
	g.ask(get)
	h.parked(t, 1)
	_ = h.server.Close()
	_ = g.SetReadDeadline(time.Now().Add(40 * time.Second))
	if _, err := g.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
	until(t, "it has ended", func() bool { return h.ended.Load() == 1 })
}

// When all are woken at once, few come back at a time; who reads slowly does not hold up the others.
func TestStorm(t *testing.T) {
	const many = 400
	var now, most atomic.Int64
	var news atomic.Bool
	h := open(t, func(h *house) {
		h.news = func(*http.Request) bool {
			if !news.Load() {
				return false
			}
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Millisecond)
			now.Add(-1)
			return true
		}
		h.answer = func(w http.ResponseWriter, r *http.Request, _ bool) {
			if strings.HasSuffix(r.URL.RawQuery, "slow") {
				for range 1000 {
					if _, err := w.Write(make([]byte, 64<<10)); err != nil {
						return
					}
				}
			}
			_, _ = io.WriteString(w, "news")
		}
	})
	before := runtime.NumGoroutine()
	var guests []*guest
	for i := range many {
		g := h.dial(t)
		if i%10 == 0 {
			g.ask("GET /a?slow HTTP/1.1\r\nHost: x\r\n\r\n")
		} else {
			g.ask(get)
			guests = append(guests, g)
		}
	}
	h.parked(t, many)
	if n := runtime.NumGoroutine() - before; n > many+10 {
		t.Errorf("%d goroutines for %d parked", n, many)
	}
	h.lot.Renew()
	if n := h.lot.Parked(); n != many {
		t.Errorf("%d are still parked, want %d", n, many)
	}
	news.Store(true)
	h.bus.Wake("/a")
	for _, g := range guests {
		if _, body := g.read(); body != "news" {
			t.Fatalf("got %q", body)
		}
	}
	if n := most.Load(); n > 8 {
		t.Errorf("%d came back at once, want at most 8", n)
	}
}
