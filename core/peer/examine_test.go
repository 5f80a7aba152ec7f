package peer

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// TestExamine: each step is told of, up to the one that fails.
func TestExamine(t *testing.T) {
	c := clockAt(time.UnixMilli(1_900_000_000_000))
	p, o := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords), newOwn(t, c.Now())
	p.Allowed = func(s id.Server) bool { return s != "127.0.0.1:9" }
	examine := func(server id.Server, last, text string) {
		t.Helper()
		steps := p.Examine(t.Context(), server)
		for i, s := range steps {
			if s.OK != (i < len(steps)-1 || text == "") {
				t.Errorf("%s: %+v", server, steps)
			}
		}
		if s := steps[len(steps)-1]; s.Name != last || !strings.Contains(s.Text, text) {
			t.Errorf("%s: got %+v, want %s, %s", server, steps, last, text)
		}
	}
	for range 2 { // as good the second time as the first
		examine(o.name, "signed request", "")
	}
	examine("here.test", "settings", "itself")
	examine("127.0.0.1:9", "settings", "keep this server from")
	examine("127.0.0.1:1", "connection", "nothing listens")
	examine("0.0.0.0:8448", "connection", "may be contacted")
	o.refuse = http.StatusForbidden
	examine(o.name, "signed request", "does not take what this server has signed: 403")
	o.key = private(9)
	examine(o.name, "certificate", "its signing key is another than before")
	o.Close()
	examine(o.name, "connection", "nothing listens")

	book, err := p.Book(t.Context(), "", 9)
	if err != nil || len(book) == 0 {
		t.Fatal(book, err)
	}
	for _, e := range book {
		if strings.Contains(e.LastError, "dial") || strings.Contains(e.LastError, "x509") {
			t.Errorf("%s: not in plain words: %s", e.Server, e.LastError)
		}
	}
}
