package conformance

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// 21 Media, URL previews

// page serves a page and a picture on loopback, and gives the address of the page.
func page(t *testing.T, html string, picture []byte) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, strings.ReplaceAll(html, "HERE", "http://"+r.Host))
		case "/pictures/p.png":
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write(picture)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/page"
}

var previewPaths = []string{"/_matrix/media/v3/preview_url?url=", "/v1/media/preview_url?url="}

func TestB305(t *testing.T) {
	alice := newUser(t)
	at := page(t, `<html><head><meta property="og:title" content="A &quot;page&quot; ☕"/><meta property="og:type" content="website"/>
		<meta property="og:url" content="http://example.org/page"/></head><body>text</body></html>`, nil)
	for _, p := range previewPaths {
		a := alice.get(p + url.QueryEscape(at)).ok()
		for name, want := range map[string]string{"og:title": `A "page" ☕`, "og:type": "website", "og:url": "http://example.org/page"} {
			if got := a.str(name); got != want {
				t.Errorf("%s: %s: got %q, want %q", p, name, got, want)
			}
		}
		if a.has("og:image") || a.has("matrix:image:size") {
			t.Errorf("%s: got a picture: %s", p, a.raw)
		}
		nobody(t).get(p+url.QueryEscape(at)).fails(401, "M_MISSING_TOKEN")
	}
	alice.get("/v1/media/preview_url").fails(400, "M_MISSING_PARAM")
	alice.get("/v1/media/preview_url?url=nonsense").fails(400, "M_INVALID_PARAM")
	alice.get("/v1/media/preview_url?url="+url.QueryEscape(at+"/nothing")).fails(404, "M_NOT_FOUND")
	alice.get("/v1/media/preview_url?ts=1510610716656&url=" + url.QueryEscape(at)).ok()
}

func TestB306(t *testing.T) {
	alice := newUser(t)
	body := picture(t)
	for _, image := range []string{"pictures/p.png", "/pictures/p.png", "HERE/pictures/p.png"} {
		at := page(t, `<meta property="og:title" content="x"><meta property="og:image" content="`+image+`">`, body)
		a := alice.get(previewPaths[0] + url.QueryEscape(at)).ok()
		uri, isMXC := strings.CutPrefix(a.str("og:image"), "mxc://")
		if !isMXC || a.num("matrix:image:size") != float64(len(body)) || a.num("og:image:width") != 80 || a.num("og:image:height") != 60 {
			t.Fatalf("%s: got %s", image, a.raw)
		}
		if got := alice.get("/v1/media/download/" + uri).ok(); !bytes.Equal(got.raw, body) || got.header.Get("Content-Type") != "image/png" {
			t.Errorf("%s: the picture is %d bytes of %s", image, len(got.raw), got.header.Get("Content-Type"))
		}
		small := alice.get("/v1/media/thumbnail/" + uri + "?width=32&height=32&method=crop").ok()
		if _, err := png.Decode(bytes.NewReader(small.raw)); err != nil {
			t.Error(err)
		}
	}
}
