package peer

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// TestSilentTogether: of servers that fell silent together each second one is called, also after a day, and each server of a room
// that somebody looks at.
func TestSilentTogether(t *testing.T) {
	c := clockAt(time.UnixMilli(1e12))
	p := &Peers{Config: Config{Now: func() time.Time { return c.Now() }}, silent: map[id.Server]*peer{}}
	fall := func(server id.Server) {
		p.fell(server, &peer{answered: true}, c.Now())
	}
	fall("alone")
	c.pass(time.Hour)
	fall("a")
	fall("b")
	c.pass(10 * time.Second)
	fall("c")
	calls := func(d time.Duration) map[id.Server]int {
		n := map[id.Server]int{}
		for end := c.Now().Add(d); c.Now().Before(end); c.pass(time.Second) {
			for _, server := range p.ToCall(2) {
				n[server]++
			}
		}
		return n
	}
	for _, tt := range []struct {
		after       time.Duration
		least, most int // of each that fell with others, in a minute
		alone       int // most
	}{
		{0, 15, 21, 12},
		{24 * time.Hour, 15, 21, 2},
		{7 * 24 * time.Hour, 3, 5, 1},
	} {
		c.pass(tt.after)
		calls(time.Minute)
		n := calls(time.Minute)
		for _, server := range []id.Server{"a", "b", "c"} {
			if n[server] < tt.least || n[server] > tt.most {
				t.Errorf("%v later: %s is called %d times in a minute, want %d to %d", tt.after, server, n[server], tt.least, tt.most)
			}
		}
		if n["alone"] > tt.alone {
			t.Errorf("%v later: who fell silent alone is called %d times in a minute", tt.after, n["alone"])
		}
	}
	all := []id.Server{"a", "alone", "stranger"}
	c.pass(lookedApart)
	if got := p.ToCallOf(all); !slices.Equal(got, []id.Server{"a", "alone"}) || len(p.ToCallOf(all)) > 0 {
		t.Errorf("of a room: %v, and again", got)
	}
}

// cable is a way to other servers that can be cut.
type cable struct {
	next http.RoundTripper
	cut  bool
}

func (c *cable) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.cut {
		return nil, errors.New("no route to host")
	}
	return c.next.RoundTrip(r)
}

// TestSilence: a server that answered once and does not is called again and again, the less often the longer it is silent, until
// there is a sign of life of any kind. Who never answered is not called, and who is busy is not silent.
func TestSilence(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		c := clockAt(time.UnixMilli(1e12))
		p := peers(t, db, c, noRecords)
		var back []id.Server
		p.Back = func(s id.Server) { back = append(back, s) }
		r := newRemote(t, p)
		way := &cable{next: p.requests.Transport}
		p.requests = &http.Client{Transport: way}
		ask := func(server id.Server) error {
			return p.Ask(t.Context(), Question{Server: server, Method: "GET", Path: "/_matrix/x", Now: true}, nil)
		}
		const stranger = id.Server("127.0.0.1:1")
		way.cut = true
		_, _ = ask(r.name), ask(stranger)
		if p.Silent() != 0 {
			t.Error("who has never answered is taken for silent")
		}
		way.cut = false
		if err := ask(r.name); err != nil {
			t.Fatal(err)
		}
		r.answer(503)
		if err := ask(r.name); !Refused(err) {
			t.Fatal(err)
		}
		if p.Silent() != 0 {
			t.Error("who is busy is taken for silent")
		}
		if met, err := p.Met(t.Context(), 9); err != nil || !slices.Equal(met, []id.Server{r.name}) {
			t.Errorf("met %v (%v)", met, err)
		}

		likely := func(want ...id.Server) {
			t.Helper()
			got := []id.Server{"127.0.0.1:2", stranger, r.name}
			if p.Likely(got); !slices.Equal(got, want) {
				t.Errorf("likely to answer: %v, want %v", got, want)
			}
		}
		c.pass(10 * time.Second) // busy, it was to be left alone for a moment
		likely(r.name, "127.0.0.1:2", stranger)

		way.cut = true
		_ = ask(r.name)
		likely("127.0.0.1:2", stranger, r.name)
		if p.Silent() != 1 || len(p.ToCall(9)) != 0 {
			t.Errorf("%d silent; it is called in the same moment", p.Silent())
		}
		calls := func(d, step time.Duration) (n int) {
			for end := c.Now().Add(d); c.Now().Before(end); c.pass(step) {
				n += len(p.ToCall(9))
			}
			return n
		}
		for _, tt := range []struct {
			after, d, step time.Duration
			least, most    int
		}{
			{0, time.Minute, time.Second, 10, 13},
			{24 * time.Hour, 10 * time.Minute, time.Second, 12, 15},
			{30 * 24 * time.Hour, 3 * time.Hour, time.Minute, 11, 13},
		} {
			calls(tt.after, time.Minute)
			if n := calls(tt.d, tt.step); n < tt.least || n > tt.most {
				t.Errorf("%v later: called %d times in %v, want %d to %d", tt.after, n, tt.d, tt.least, tt.most)
			}
		}
		_ = p.ToCall(9)
		p.CallAll()
		if len(p.ToCall(9)) != 1 || len(p.ToCall(9)) != 0 {
			t.Error("CallAll has nobody called")
		}
		book, err := p.Book(t.Context(), "", 9)
		if err != nil || len(book) != 2 || book[1].Server != r.name || book[1].Silent.IsZero() || book[1].Next.IsZero() || book[1].LastError == "" || !book[0].Silent.IsZero() {
			t.Errorf("the book says %+v (%v)", book, err)
		}

		if back != nil {
			t.Errorf("back: %v", back)
		}
		p.Alive(r.name)
		p.Alive(r.name)
		if !slices.Equal(back, []id.Server{r.name}) || p.Silent() != 0 {
			t.Errorf("back: %v; %d are silent", back, p.Silent())
		}
		_ = ask(r.name)
		way.cut = false
		_, _ = ask(r.name), ask(r.name)
		if len(back) != 2 || p.Silent() != 0 {
			t.Errorf("back: %v; %d are silent", back, p.Silent())
		}

		// Another life of this server knows who answered in the one before.
		p = peers(t, db, c, noRecords)
		p.requests = &http.Client{Transport: &cable{cut: true}}
		_, _ = ask(r.name), ask(stranger)
		if p.Silent() != 1 {
			t.Errorf("after a restart %d are silent", p.Silent())
		}
	})
}
