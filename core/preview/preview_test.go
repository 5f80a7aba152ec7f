package preview

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/blob"
	"freehold.example/base/bus"
	"freehold.example/base/dial"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/media"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
)

// loopback is what an operator names who wants pages of this machine to be shown.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func newPreviews(t *testing.T, c Config, door dial.Config) *Previews {
	t.Helper()
	blobs, err := blob.Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c.Media, err = media.New(media.Config{
		DB: sqldbtest.SQLite(t, schema.FS), Blobs: blobs, Bus: new(bus.Local), Server: "s1", Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	door.Now = time.Now
	c.Door = dial.New(door)
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

// site is a web site on loopback: the pages by path, with the type text/html.
func site(t *testing.T, pages map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func pngOf(t *testing.T, w, h int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func wantFault(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("got error %v, want %s", err, code)
	}
}

func TestLook(t *testing.T) {
	picture := pngOf(t, 30, 20)
	url := site(t, map[string]string{
		"/": `<html><head><title>not this</title>
			<meta property="og:title" content="The &amp; title"><meta property="og:type" content="article">
			<meta property="og:url" content="https://example.org/a"><meta property="og:image" content="/p.png">
			<meta property="og:image:width" content="9999"><meta property="og:image:alt" content="a dot"></head>`,
		"/plain": `<head><title> A  plain
page </title><meta name=description content="about it"><link rel="image_src" href="p.png">`,
		"/p.png":  picture,
		"/wrong":  `<meta property="og:title" content="x"><meta property="og:image" content="/plain">`,
		"/absent": `<meta property="og:title" content="x"><meta property="og:image" content="/nothing.png">`,
		"/script": `<meta property="og:title" content="x"><meta property="og:image" content="javascript:alert(1)">`,
		"/file":   `<meta property="og:title" content="x"><meta property="og:image" content="file:///etc/passwd">`,
		"/empty":  ``,
		"/svg":    `<svg><title>icon</title></svg><title>page</title>`,
	})
	p := newPreviews(t, Config{}, dial.Config{Inside: loopback})
	image := func(c Card) Card {
		c["og:image:type"], c["og:image:width"], c["og:image:height"], c["matrix:image:size"] = "image/png", 30, 20, int64(len(picture))
		return c
	}
	for path, want := range map[string]Card{
		"/":       image(Card{"og:title": "The & title", "og:type": "article", "og:url": "https://example.org/a", "og:image:alt": "a dot"}),
		"/plain":  image(Card{"og:title": "A plain page", "og:description": "about it"}),
		"/p.png":  image(Card{"og:title": "p.png"}),
		"/wrong":  {"og:title": "x"},
		"/absent": {"og:title": "x"},
		"/script": {"og:title": "x"},
		"/file":   {"og:title": "x"},
		"/empty":  {},
		"/svg":    {"og:title": "page"},
	} {
		got, err := p.Look(t.Context(), url+path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		uri, hasImage := got["og:image"].(string)
		if path == "/p.png" { // served as text/html here
			continue
		}
		delete(got, "og:image")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		if _, wanted := want["og:image:width"]; wanted != hasImage {
			t.Errorf("%s: image %v, want %v", path, hasImage, wanted)
			continue
		}
		if !hasImage {
			continue
		}
		f, err := p.Media.Open(t.Context(), "s1", strings.TrimPrefix(uri, "mxc://s1/"), 0)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(f); string(b) != picture || f.ContentType != "image/png" {
			t.Errorf("%s: the picture is %d bytes of %s", path, len(b), f.ContentType)
		}
		f.Close()
	}
	_, err := p.Look(t.Context(), url+"/nowhere")
	wantFault(t, err, fault.NotFound)
}

// Where a link leads is judged anew at each step, and when the name is resolved.
func TestWhereItMayNotLead(t *testing.T) {
	secret := site(t, map[string]string{"/": `<title>secret</title>`})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(secret, "http://"))
	inside := []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
	var hops []string
	redirect := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/picture" {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<title>ok</title><meta property="og:image" content="%s/">`, secret)
			return
		}
		http.Redirect(w, r, hops[0], http.StatusFound)
	}))
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("this machine has no second loopback address: %v", err)
	}
	redirect.Listener = l
	redirect.Start()
	defer redirect.Close()
	var turn atomic.Int64
	p := newPreviews(t, Config{}, dial.Config{Inside: inside, Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "rebinds.example": // good when it is asked first
			if turn.Add(1) == 1 {
				return []netip.Addr{netip.MustParseAddr("127.0.0.2")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		case "local.example":
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}})
	for _, address := range []string{
		secret, "http://localhost:" + port, "http://local.example:" + port, "http://[::1]:" + port, "http://[::ffff:127.0.0.1]:" + port,
		"http://0.0.0.0:" + port, "http://0x7f.1:" + port, "http://2130706433:" + port, "http://169.254.169.254/latest/meta-data/",
		"http://10.0.0.1/", "http://[fe80::1]/",
	} {
		if card, err := p.Look(t.Context(), address); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: got %v, %v", address, card, err)
		}
	}
	_, rport, _ := net.SplitHostPort(l.Addr().String())
	for i, target := range []string{secret, "http://local.example:" + port, "http://rebinds.example:" + rport, "file:///etc/passwd", "gopher://127.0.0.2/x"} {
		hops = []string{target}
		if card, err := p.Look(t.Context(), fmt.Sprintf("%s/?%d", redirect.URL, i)); !fault.Is(err, fault.NotFound) {
			t.Errorf("redirected to %s: got %v, %v", target, card, err)
		}
	}
	hops = []string{redirect.URL + "/again"}
	if card, err := p.Look(t.Context(), redirect.URL+"/loop"); !fault.Is(err, fault.NotFound) {
		t.Errorf("redirects for ever: got %v, %v", card, err)
	}
	card, err := p.Look(t.Context(), redirect.URL+"/picture")
	if err != nil || card["og:title"] != "ok" || card["og:image"] != nil {
		t.Errorf("a picture of this machine: got %v, %v", card, err)
	}
}

// What is said of a page that cannot be had does not depend on why, and names nothing.
func TestWhatFailuresTell(t *testing.T) {
	p := newPreviews(t, Config{}, dial.Config{})
	url := site(t, nil)
	var texts []string
	for _, address := range []string{url + "/private/page", "http://10.9.8.7/private/page", "http://no-such-host.invalid/private/page"} {
		_, err := p.Look(t.Context(), address)
		f, ok := errors.AsType[*fault.Fault](err)
		if !ok {
			t.Fatalf("%s: got %v", address, err)
		}
		texts = append(texts, fmt.Sprint(f.Status, f.Code, f.Text))
		if s := err.Error(); strings.Contains(s, "private") || strings.Contains(s, "10.9") || strings.Contains(s, "such-host") || strings.Contains(s, "127.") {
			t.Errorf("the log would have %q", s)
		}
	}
	if texts[0] != texts[1] || texts[1] != texts[2] {
		t.Errorf("got %q, want the same thrice", texts)
	}
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{
		"", "x", "/x", "ftp://example.org/", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://", "http:///x", "http:x",
		"http://user:password@example.org/", "http://exa mple.org/", "http://[::1/", "https://example.org/" + strings.Repeat("a", 3000),
	} {
		if _, err := parse(bad); !fault.Is(err, fault.InvalidParam) {
			t.Errorf("%.40q: got %v", bad, err)
		}
	}
	for in, want := range map[string]string{
		"http://EXAMPLE.org#part": "http://example.org/", " https://example.org:444/a?b#c ": "https://example.org:444/a?b",
	} {
		if u, err := parse(in); err != nil || u.String() != want {
			t.Errorf("%q: got %v, %v, want %s", in, u, err, want)
		}
	}
}

// Many who ask at once cause one request; so do those who ask later, until it is forgotten. Whoever asked first may leave.
func TestOneRequestForAll(t *testing.T) {
	var asked atomic.Int64
	begun, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			close(begun)
		}
		<-release
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<title>one</title>")
	}))
	defer s.Close()
	at := time.Now()
	p := newPreviews(t, Config{Now: func() time.Time { return at }}, dial.Config{Inside: loopback})
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = p.Look(ctx, s.URL) })
	<-begun
	for i := range 50 {
		wg.Go(func() {
			if card, err := p.Look(t.Context(), fmt.Sprint(s.URL, "#", i)); err != nil || card["og:title"] != "one" {
				t.Errorf("got %v, %v", card, err)
			}
		})
	}
	leave()
	close(release)
	wg.Wait()
	for _, after := range []time.Duration{time.Minute, 30 * time.Minute} {
		at = at.Add(after)
		if _, err := p.Look(t.Context(), s.URL); err != nil {
			t.Error(err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("got %d requests, want one", n)
	}
	for n, jump := range []time.Duration{time.Hour, -10 * 365 * 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		at = at.Add(jump)
		if _, err := p.Look(t.Context(), s.URL); err != nil || asked.Load() != int64(n+2) {
			t.Errorf("after %v: %v, %d requests, want %d", jump, err, asked.Load(), n+2)
		}
	}
}

// What answers for ever, or grows when it is unpacked, is read to the bound and no further.
func TestEndless(t *testing.T) {
	var sent atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var out io.Writer = w
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			out = z
		case "/drip":
			_, _ = io.WriteString(w, "<title>drip")
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
			return
		case "/picture.png":
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, pngOf(t, 10, 10))
		case "/deep":
			_, _ = io.WriteString(w, "<title>deep</title>"+strings.Repeat("<div>", 100_000))
			return
		case "/name":
			_, _ = io.WriteString(w, "<title>name</title><"+strings.Repeat("a", 2<<20))
			return
		default:
			_, _ = io.WriteString(w, "<title>endless</title>")
		}
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for r.Context().Err() == nil {
			n, err := out.Write(chunk)
			if err != nil || sent.Add(int64(n)) > 1<<30 {
				return
			}
		}
	}))
	defer s.Close()
	const patience = 2 * time.Minute // the machine may be busy
	p := newPreviews(t, Config{Patience: patience}, dial.Config{Inside: loopback})
	for path, want := range map[string]Card{
		"/": {"og:title": "endless"}, "/deep": {"og:title": "deep"}, "/name": {"og:title": "name"}, "/gzip": {}, "/picture.png": nil,
	} {
		began := time.Now()
		got, err := p.Look(t.Context(), s.URL+path)
		if diff := cmp.Diff(want, got); diff != "" || (err != nil) != (want == nil) {
			t.Errorf("%s: %v %s", path, err, diff)
		}
		if took := time.Since(began); took > patience {
			t.Errorf("%s took %v", path, took)
		}
	}
	began := time.Now()
	hasty := newPreviews(t, Config{Patience: time.Second}, dial.Config{Inside: loopback})
	_, _ = hasty.Look(t.Context(), s.URL+"/drip")
	if took := time.Since(began); took > patience/2 {
		t.Errorf("a page that drips took %v", took)
	}
	if n := sent.Load(); n >= 1<<30 {
		t.Errorf("%d bytes were taken", n)
	}
}

func TestCharsets(t *testing.T) {
	for _, tt := range []struct{ contentType, body, want string }{
		{"text/html; charset=ISO-8859-1", "<title>caf\xe9</title>", "café"},
		{"text/html", "<meta charset=windows-1252><title>\x80 5</title>", "€ 5"},
		{"text/html", "<meta http-equiv=content-type content='text/html; charset=shift_jis'><title>\x94\x4c</title>", "猫"},
		{"text/html", "\xff\xfe<\x00t\x00i\x00t\x00l\x00e\x00>\x00x\x00<\x00", "x"},
		{"text/html; charset=no-such", "<title>plain</title>", "plain"},
		{"text/html; charset=utf-8", "<title>bad \xff\xfe</title>", "bad \ufffd"},
		{"application/xhtml+xml", "<title>a\u202eb\x00c</title>", "a\u202eb"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tt.contentType)
			_, _ = io.WriteString(w, tt.body)
		}))
		p := newPreviews(t, Config{}, dial.Config{Inside: loopback})
		card, err := p.Look(t.Context(), s.URL)
		if got, _ := card["og:title"].(string); err != nil || !strings.HasPrefix(strings.ReplaceAll(got, "ab", "a\u202eb"), tt.want) {
			t.Errorf("%s: got %q, %v, want %q", tt.contentType, got, err, tt.want)
		}
		s.Close()
	}
}

// The memory of what was found is bounded; what was asked for last is kept.
func TestCacheIsBounded(t *testing.T) {
	var c cache
	c.init(10_000)
	now := time.Unix(1, 0)
	for i := range 1000 {
		e, mine := c.entry(fmt.Sprint("http://example.org/", i), now)
		if !mine {
			t.Fatal("two addresses have one entry")
		}
		c.settle(e, Card{"og:title": strings.Repeat("x", 100)}, nil, now.Add(time.Hour))
		if c.size > c.max || len(c.byKey) != c.order.Len() {
			t.Fatalf("%d bytes, %d entries, %d in order", c.size, len(c.byKey), c.order.Len())
		}
	}
	if _, mine := c.entry("http://example.org/999", now); mine {
		t.Error("the last one is forgotten")
	}
	if _, mine := c.entry("http://example.org/0", now); !mine {
		t.Error("the first one is still there")
	}
}

func FuzzRead(f *testing.F) {
	f.Add("<title>x</title><meta property=og:title content=y>")
	f.Add("<svg><title>a</svg><link rel=image_src href=//x/y>")
	f.Add("<meta property='og:image' content='\x00'><!--")
	f.Fuzz(func(t *testing.T, text string) {
		for name, value := range read(strings.NewReader(text), 1<<16).card() {
			s, ok := value.(string)
			if !ok || !strings.HasPrefix(name, "og:") || len(s) > 4*maxValue || strings.ContainsAny(s, "\x00\r\n") {
				t.Errorf("got %q: %q", name, value)
			}
		}
	})
}
