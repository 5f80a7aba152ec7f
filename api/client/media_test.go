package client

import (
	"io"
	"mime"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/media"
	"freehold.example/core/schema"
)

// Whatever a file is called, the header is one line that says exactly that.
func FuzzDisposition(f *testing.F) {
	for _, name := range []string{"a.txt", "☃", `"; filename="b`, "\r\nX: y", "a\x00b", "%41", "*=utf-8''x", `\`, "\xff\xfe", "a/../b"} {
		f.Add("image/png", name)
	}
	f.Fuzz(func(t *testing.T, contentType, name string) {
		name = media.CleanName(name)
		got := disposition(contentType, name)
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q: got %q, which is no header", name, got)
		}
		kind, params, err := mime.ParseMediaType(got)
		if err != nil || params["filename"] != name || kind != "inline" && kind != "attachment" || len(params) > 1 {
			t.Errorf("%q: got %q, read as %v, %v", name, got, params, err)
		}
	})
}

func TestDisposition(t *testing.T) {
	for contentType, want := range map[string]string{
		"image/png": "inline", "IMAGE/PNG": "inline", "text/plain; charset=utf-8": "inline", " text/css ;x": "inline",
		"image/svg": "attachment", "image/svg+xml": "attachment", "text/html": "attachment", "text/html;text/plain": "attachment",
		"application/xhtml+xml": "attachment", "": "attachment", ";": "attachment", "image/png,text/html": "attachment",
	} {
		if got := disposition(contentType, ""); got != want {
			t.Errorf("%q: got %s, want %s", contentType, got, want)
		}
	}
}

// An upload that does not say how long it is is cut off at the limit all the same, and nothing of it is kept.
func TestUploadOfUnknownLength(t *testing.T) {
	s := newDataSite(t, sqldbtest.SQLite(t, schema.FS))
	alice := s.register("alice").str("access_token")
	for size, status := range map[int]int{1 << 20: 200, 1<<20 + 1: 413, 3 << 20: 413} {
		body := strings.NewReader(strings.Repeat("x", size))
		r := httptest.NewRequest("POST", "/_matrix/media/v3/upload", io.MultiReader(body)) // hides the length
		r.Header.Set("Authorization", "Bearer "+alice)
		if r.ContentLength != -1 {
			t.Fatal("the length is known")
		}
		w := httptest.NewRecorder()
		s.table.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%d bytes: got %d %s, want %d", size, w.Code, w.Body, status)
		}
	}
}
