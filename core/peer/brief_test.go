package peer

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// hole is a way to other servers in which packets may vanish.
type hole struct {
	next   http.RoundTripper
	eats   atomic.Bool
	asked  atomic.Int64 // for anything
	called atomic.Int64 // for keys
}

func (h *hole) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked.Add(1)
	if r.URL.Path == keyPath {
		h.called.Add(1)
	}
	if h.eats.Load() {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return h.next.RoundTrip(r)
}

// TestBrief: nobody waits for long for a server that is known not to be reached, also by what was known before the last start; one
// that is there is asked as ever, and one that is there again is found by who asks.
func TestBrief(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		c := clockAt(time.UnixMilli(1e12))
		p := peers(t, db, c, noRecords)
		r := newRemote(t, p)
		r.until = 2e12
		way := &hole{next: p.requests.Transport}
		p.requests = &http.Client{Transport: way}
		ask := func(server id.Server, patience time.Duration) (took time.Duration, err error) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			began := time.Now()
			err = p.Ask(ctx, Question{Server: server, Method: "GET", Path: "/_matrix/x", Now: true, Brief: true}, nil)
			return time.Since(began), err
		}
		if _, err := ask(r.name, time.Minute); err != nil || way.called.Load() != 0 {
			t.Fatalf("one that is there: %v, called %d times", err, way.called.Load())
		}

		// Nobody knows yet that it is gone: the first who asks finds out.
		way.eats.Store(true)
		if _, err := ask(r.name, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || p.Silent() != 1 {
			t.Fatalf("the first: %v; %d are silent", err, p.Silent())
		}
		told := func(least, most time.Duration) {
			t.Helper()
			took, err := ask(r.name, time.Minute)
			if wait := (*WaitError)(nil); !errors.As(err, &wait) || took < least || took > most {
				t.Errorf("after %s: %v; want it between %s and %s", took, err, least, most)
			}
		}
		before := way.asked.Load()
		told(briefly/2, 2*briefly) // who begins the call waits for it for a moment
		for range 20 {
			told(0, briefly/2) // the others do not
		}
		if n := way.asked.Load() - before; n != 1 || way.called.Load() != 1 {
			t.Errorf("%d requests, want the one call", n)
		}
		if took, err := ask("127.0.0.1:1", 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that was never met: %v after %s", err, took)
		}

		// Another life of this server knows, and does not take it for silent before it has tried.
		p.Close()
		p = peers(t, db, c, noRecords)
		p.requests = &http.Client{Transport: way}
		told(briefly/2, 2*briefly)
		if p.Silent() != 0 {
			t.Error("it is silent, and nothing has come of the call yet")
		}
		told(0, briefly/2)

		// It is back, and whoever asks next finds it.
		p.Close()
		p = peers(t, db, c, noRecords)
		p.requests = &http.Client{Transport: way}
		way.eats.Store(false)
		calls := way.called.Load()
		for range 3 {
			if took, err := ask(r.name, time.Minute); err != nil || took > briefly {
				t.Errorf("it is back: %v after %s", err, took)
			}
		}
		if n := way.called.Load() - calls; n != 1 {
			t.Errorf("called %d times, want once", n)
		}
		r.answer(503) // it is there, and busy
		_, _ = ask(r.name, time.Minute)
		if _, err := ask(r.name, time.Minute); !Refused(err) {
			t.Errorf("busy: %v", err)
		}
	})
}
