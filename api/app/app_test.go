package app

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
)

func zipped(t *testing.T, text string) *fstest.MapFile {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: b.Bytes()}
}

func newApp(t *testing.T) *App {
	t.Helper()
	a, err := New(fstest.MapFS{
		".gitkeep":              {},
		"index.html.br":         {Data: []byte("page in br")},
		"index.html.gz":         zipped(t, "the page"),
		"assets/app-1f2e.js.br": {Data: []byte("script in br")},
		"assets/app-1f2e.js.gz": zipped(t, "the script"),
		"worker.js.br":          {Data: []byte("worker in br")},
		"worker.js.gz":          zipped(t, "the worker"),
		"icon.png":              {Data: []byte("picture")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func get(a *App, target, encoding string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Accept-Encoding", encoding)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestForms(t *testing.T) {
	a := newApp(t)
	for _, c := range []struct {
		path, encoding     string
		status             int
		form, body, keeper string
	}{
		{"/", "gzip, deflate, br", 200, "br", "page in br", "no-cache"},
		{"/index.html", "br", 200, "br", "page in br", "no-cache"},
		{"/room/!abc:house.example", "br;q=0.5", 200, "br", "page in br", "no-cache"},
		{"/", "", 200, "", "the page", "no-cache"},
		{"/", "br;q=0", 200, "", "the page", "no-cache"},
		{"/assets/app-1f2e.js", "br", 200, "br", "script in br", "public, max-age=31536000, immutable"},
		{"/assets/app-0000.js", "br", 404, "", "There is no such file in this version\n", "no-store"},
		{"/worker.js", "br", 200, "br", "worker in br", "no-cache"}, // a browser must see that there is a new one
		{"/icon.png", "br", 200, "", "picture", "no-cache"},
	} {
		w := get(a, c.path, c.encoding)
		h := w.Header()
		if w.Code != c.status || h.Get("Content-Encoding") != c.form || w.Body.String() != c.body || h.Get("Cache-Control") != c.keeper {
			t.Errorf("%s for %q: got %d %q %q %q, want %d %q %q %q", c.path, c.encoding,
				w.Code, h.Get("Content-Encoding"), w.Body, h.Get("Cache-Control"), c.status, c.form, c.body, c.keeper)
		}
	}
	w := get(a, "/", "gzip")
	if got := w.Header().Get("Content-Encoding"); got != "gzip" || w.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("got encoding %q, Vary %q", got, w.Header().Get("Vary"))
	}
	if w.Header().Get("Content-Security-Policy") != policy || w.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the page has no policy: %v", w.Header())
	}
	if h := get(a, "/worker.js", "br").Header(); h.Get("Content-Type") != "text/javascript; charset=utf-8" || h.Get("Content-Security-Policy") != policy {
		t.Errorf("a browser takes no worker that comes like this: %v", h)
	}
	if w := get(a, "/", "gzip", "If-None-Match", w.Header().Get("ETag")); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("asked again: got %d with %d bytes, want 304", w.Code, w.Body.Len())
	}
	if w := get(a, "/", "br", "If-None-Match", w.Header().Get("ETag")); w.Code != 200 {
		t.Errorf("asked again in another form: got %d, want 200", w.Code)
	}
}

func TestServes(t *testing.T) {
	a := newApp(t)
	for _, c := range []struct {
		method, path string
		want         bool
	}{
		{"GET", "/", true},
		{"HEAD", "/setup", true},
		{"POST", "/setup", false},
		{"GET", "/_matrix/client/versions", false},
		{"GET", "/_freehold/v1/about", false},
		{"GET", "/.well-known/matrix/client", false},
	} {
		if got := a.Serves(httptest.NewRequest(c.method, c.path, nil)); got != c.want {
			t.Errorf("%s %s: got %v, want %v", c.method, c.path, got, c.want)
		}
	}
	var none *App
	if none.Serves(httptest.NewRequest("GET", "/", nil)) {
		t.Error("an app that is not there serves")
	}
}

func TestNoApp(t *testing.T) {
	if a, err := New(fstest.MapFS{".gitkeep": {}}); a != nil || err != nil {
		t.Errorf("got %v, %v, want none", a, err)
	}
	if _, err := New(fstest.MapFS{"index.html.br": {}}); err == nil {
		t.Error("half a file was taken")
	}
	a, err := newApp(t).Hash()
	b, again := newApp(t).Hash()
	if a != b || len(a) != 64 || err != nil || again != nil {
		t.Errorf("got hashes %s and %s, %v, %v", a, b, err, again)
	}
}

func TestElsewhere(t *testing.T) {
	a := newApp(t)
	for path, want := range map[string]string{
		"/":                      policy,
		"/elsewheres":            policy,
		"/room/elsewhere/":       policy,
		"/index.html":            policy,
		"/icon.png":              policy,
		"/elsewhere":             elsewherePolicy,
		"/elsewhere/":            elsewherePolicy,
		"/elsewhere/room/!a:b.c": elsewherePolicy,
	} {
		if got := get(a, path, "br").Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
