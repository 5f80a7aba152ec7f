package spec

import (
	"bytes"
	"compress/gzip"
	"io"
	"log"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

const (
	maxRequest = 1 << 20  // bytes of a request that is checked; longer ones are files
	maxAnswer  = 64 << 20 // bytes of an answer that is checked
)

// Transport is base with each exchange with the server checked, when the client has read the answer to its end: nothing is held
// back or read ahead. server is the address without a path; exchanges with others are not looked at.
func (w *Watch) Transport(base http.RoundTripper, server string) http.RoundTripper {
	return &transport{watch: w, base: base, host: strings.TrimPrefix(server, "http://")}
}

type transport struct {
	watch *Watch
	base  http.RoundTripper
	host  string
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != t.host {
		return t.base.RoundTrip(r)
	}
	x := &Exchange{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query()}
	x.Malformed = r.Context().Value(malformedKey{}) != nil
	sent := r.Clone(r.Context())
	if r.Body != nil && r.ContentLength > 0 && r.ContentLength <= maxRequest {
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		x.Request = body
		sent.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		sent.Body = io.NopCloser(bytes.NewReader(body))
		t.watch.note(body)
	}
	resp, err := t.base.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	resp.Request = r
	x.Status, x.Header = resp.StatusCode, resp.Header
	if resp.Body != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &body{ReadCloser: resp.Body, keep: isJSON(resp.Header), done: func(raw []byte) {
			x.Body = decoded(resp.Header, raw)
			t.watch.check(r.Context(), x)
		}}
	}
	return resp, nil
}

func isJSON(h http.Header) bool {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return media == "application/json"
}

// decoded is a body without its Content-Encoding; nil if it has one that is not known.
func decoded(h http.Header, raw []byte) []byte {
	switch h.Get("Content-Encoding") {
	case "":
		return raw
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil
		}
		text, err := io.ReadAll(z)
		if err != nil {
			return nil
		}
		return text
	}
	return nil
}

// body hands an answer on, and calls done once at its end with what it was: nil if it was too long or not to be kept. An
// answer that is not read to its end is not checked.
type body struct {
	io.ReadCloser
	keep bool
	done func([]byte)

	kept bytes.Buffer
	once sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.keep {
		b.kept.Write(p[:n])
		if b.kept.Len() > maxAnswer {
			b.keep, b.kept = false, bytes.Buffer{}
		}
	}
	if err == io.EOF {
		b.once.Do(func() {
			if b.keep {
				b.done(b.kept.Bytes())
			} else {
				b.done(nil)
			}
		})
	}
	return n, err
}

// Handler is next with each request checked before it comes there: for what stands in for an application service or a push
// gateway, which the server calls. Answers are not looked at. w may be nil.
func (w *Watch) Handler(next http.Handler) http.Handler {
	if w == nil {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it broke off
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		x := &Exchange{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(), Ours: true}
		if len(body) > 0 {
			x.Request = body
		}
		w.check(r.Context(), x)
		next.ServeHTTP(rw, r)
	})
}

// Serve is the address of a proxy before the server, for the time of a test: for clients that are processes of their own. It
// hands on every request, and the answer as it comes; what deviates fails the test. A server that is down looks like that
// through it too.
func (w *Watch) Serve(t testing.TB, server string) string {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out = r.Out.WithContext(Within(r.Out.Context(), t))
		},
		Transport:     w.Transport(base, server),
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // what breaks off is the tests' affair
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
		base.CloseIdleConnections()
	})
	return proxy.URL
}
