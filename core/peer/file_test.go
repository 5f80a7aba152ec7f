package peer

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

func TestFile(t *testing.T) {
	const (
		now   = "/_matrix/federation/v1/media/download/cat"
		early = "/_matrix/media/v3/download/"
		head  = "--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n"
	)
	send := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	store := httptest.NewTLSServer(send(200, "image/gif", "a cat that moves"))
	t.Cleanup(store.Close)
	refuse := send(404, "application/json", `{"errcode":"M_NOT_FOUND","error":"no cat"}`)

	for name, c := range map[string]struct {
		now, early http.HandlerFunc
		kind, file string // and name
		text       string
		status     int // of the refusal
		fails      bool
	}{
		"two parts": {
			now:  send(200, "multipart/mixed; boundary=b", head+"Content-Type: image/png\r\nContent-Disposition: inline; filename=cat.png\r\n\r\na cat\r\n--b--\r\n"),
			kind: "image/png", file: "cat.png", text: "a cat",
		},
		"elsewhere":              {now: send(200, "multipart/mixed; boundary=b", head+"Location: "+store.URL+"/cat\r\n\r\n\r\n--b--\r\n"), kind: "image/gif", text: "a cat that moves"},
		"elsewhere, in the open": {now: send(200, "multipart/mixed; boundary=b", head+"Location: http://127.0.0.1/cat\r\n\r\n\r\n--b--\r\n"), fails: true},
		"one part":               {now: send(200, "multipart/mixed; boundary=b", "--b\r\n\r\n{}\r\n--b--\r\n"), fails: true},
		"too much said of it":    {now: send(200, "multipart/mixed; boundary=b", "--b\r\n\r\n"+strings.Repeat(" ", maxFileAbout+1)+"\r\n--b\r\n\r\ncat\r\n--b--\r\n"), fails: true},
		"an old server":          {now: send(404, "application/json", `{"errcode":"M_UNRECOGNIZED"}`), early: send(200, "image/png", "an old cat"), kind: "image/png", text: "an old cat"},
		"an odd server":          {now: send(400, "text/plain", "what?"), early: send(200, "image/png", "an old cat"), kind: "image/png", text: "an old cat"},
		"not there":              {now: refuse, early: send(200, "image/png", "not asked for"), status: 404},
		"not there either":       {now: send(404, "text/plain", "what?"), early: refuse, status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			p := peers(t, sqldbtest.SQLite(t, schema.FS), clockAt(time.UnixMilli(1000)), noRecords)
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == now && r.Header.Get("Authorization") != "" && r.URL.Query().Get("timeout_ms") == "5000":
					c.now(w, r)
				case strings.HasPrefix(r.URL.Path, early) && r.URL.Query().Get("allow_remote") == "false" && c.early != nil:
					c.early(w, r)
				default:
					t.Errorf("asked for %s", r.URL)
				}
			}))
			t.Cleanup(s.Close)
			p.files, p.stores = s.Client(), store.Client()
			f, err := p.File(t.Context(), id.Server(s.Listener.Addr().String()), "cat", 5*time.Second)
			if c.status != 0 {
				if no, is := errors.AsType[*AnswerError](err); !is || no.Status != c.status {
					t.Fatalf("got %v, want %d", err, c.status)
				}
				return
			}
			if c.fails != (err != nil) {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				return
			}
			defer f.Close()
			text, err := io.ReadAll(f)
			if err != nil || string(text) != c.text || f.ContentType != c.kind || f.Name != c.file {
				t.Errorf("got %q %q %q (%v), want %q %q %q", text, f.ContentType, f.Name, err, c.text, c.kind, c.file)
			}
		})
	}
}
