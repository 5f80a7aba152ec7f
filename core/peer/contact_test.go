package peer

import (
	"net/http"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// TestContacts: when each server was last heard of, from the book and from memory.
func TestContacts(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		c := clockAt(time.UnixMilli(1e12))
		p := peers(t, db, c, noRecords)
		r := newRemote(t, p)
		way := &cable{next: p.requests.Transport}
		p.requests = &http.Client{Transport: way}
		ask := func() {
			_ = p.Ask(t.Context(), Question{Server: r.name, Method: "GET", Path: "/_matrix/x", Now: true}, nil)
		}
		ask()
		contact := func(p *Peers, last, silent time.Time) {
			t.Helper()
			got, err := p.Contacts(t.Context(), []id.Server{"stranger", r.name})
			if err != nil || len(got) != 2 || got[0] != (Contact{Server: "stranger"}) || !got[1].Last.Equal(last) || !got[1].Silent.Equal(silent) {
				t.Errorf("got %+v, %v, want %v, %v", got, err, last, silent)
			}
		}
		first := c.Now()
		contact(p, first, time.Time{})
		contact(peers(t, db, c, noRecords), first, time.Time{}) // after a restart
		c.pass(time.Minute)
		ask()
		last := c.Now()
		contact(p, last, time.Time{})
		if got := p.Witness(nil); got != "" { // it is on this machine
			t.Errorf("%s can tell of the outside", got)
		}
		p.mu.Lock()
		p.known[r.name].route.Last = "8.8.8.8:8448"
		p.mu.Unlock()
		if got := p.Witness(nil); got != r.name {
			t.Errorf("got %q, want %s", got, r.name)
		}
		if got := p.Witness(map[id.Server]bool{r.name: true}); got != "" {
			t.Errorf("got %q, who was asked already", got)
		}
		c.pass(time.Minute)
		way.cut = true
		ask()
		contact(p, last, c.Now())
		if got := p.SilentNow(); len(got) != 1 || !got[r.name].Equal(c.Now()) || p.Witness(nil) != "" {
			t.Errorf("silent: %v", got)
		}
	})
}
