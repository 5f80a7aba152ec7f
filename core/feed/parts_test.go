package feed_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/feed"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/csapi"
)

// slow is a Sink that looks at each part while it is being written.
type slow struct {
	whole
	t       *testing.T
	parts   int
	longest int
	look    func() error // what happens while the client is slow
}

func (s *slow) Write(part []byte) (int, error) {
	s.parts++
	s.longest = max(s.longest, len(part))
	if err := s.look(); err != nil {
		return 0, err
	}
	return s.whole.Write(part)
}

// TestParts: a long answer goes out in parts that are no longer than they should be, the state of a large room too; while
// the client takes its time no connection to the database is held, and what happens meanwhile is told next time.
func TestParts(t *testing.T) {
	db := sqldbtest.SQLite(t, schema.FS)
	w := newWorld(t, db)
	rooms := w.many(30, 20)
	large := w.create(alice, room.CreateRequest{Preset: "private_chat"})
	const pieces = 2500
	for i := range pieces {
		w.setState(large, alice, "org.test", fmt.Sprint(i), `{"text":"`+strings.Repeat("x", 100)+`"}`)
	}
	to := &slow{t: t}
	n := 0
	to.look = func() error {
		n++
		for range 10 { // more than there are connections
			if err := db.Read(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.High()
				return err
			}); err != nil {
				return err
			}
		}
		w.send(rooms[n%len(rooms)], alice, "meanwhile")
		return nil
	}
	if err := w.feed.Sync(t.Context(), feed.Request{Caller: as(alice)}, to); err != nil {
		t.Fatal(err)
	}
	size := to.Len()
	if to.parts < 5 || to.longest > 64<<10+bulkBytes {
		t.Errorf("%d bytes in %d parts, the longest has %d", size, to.parts, to.longest)
	}
	var out csapi.SyncResponse
	if err := json.Unmarshal(to.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	if got := len(out.Rooms.Join); got != 31 {
		t.Errorf("got %d rooms, want 31", got)
	}
	if got := len(out.Rooms.Join[large].State.Events); got < pieces-20 {
		t.Errorf("got %d events of the state, want nearly %d", got, pieces)
	}
	seen := map[string]int{}
	count := func(out *csapi.SyncResponse) {
		for _, j := range out.Rooms.Join {
			for _, e := range j.Timeline.Events {
				if strings.Contains(string(e), "meanwhile") {
					seen[string(age.ReplaceAll(e, nil))]++
				}
			}
		}
	}
	count(&out)
	count(w.sync(alice, out.NextBatch, `{"room":{"timeline":{"limit":100}}}`))
	if len(seen) != n {
		t.Errorf("%d of %d messages that were sent meanwhile are told", len(seen), n)
	}
	for e, times := range seen {
		if times != 1 {
			t.Errorf("%s is told %d times", e, times)
		}
	}

	// Who hangs up ends it.
	gone := errors.New("gone")
	to = &slow{t: t, look: func() error { return gone }}
	if err := w.feed.Sync(t.Context(), feed.Request{Caller: as(alice)}, to); !errors.Is(err, gone) || to.parts != 1 {
		t.Errorf("got error %v after %d parts", err, to.parts)
	}
}

// bulkBytes is more than one bulk of the events above takes.
const bulkBytes = 500 * 1000

// TestPartsSame: an answer in parts says what it says as a whole, in state_after and with members loaded lazily too.
func TestPartsSame(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	all := w.many(40, 30)
	for _, q := range []feed.Request{{}, {StateAfter: true}, {Filter: w.filter(`{"room":{"state":{"lazy_load_members":true}}}`)}} {
		q.Caller = as(alice)
		to := &slow{t: t, look: func() error { return nil }}
		if err := w.feed.Sync(t.Context(), q, to); err != nil {
			t.Fatal(err)
		}
		var out csapi.SyncResponse
		if err := json.Unmarshal(to.Bytes(), &out); err != nil || to.parts < 2 {
			t.Fatalf("%d parts: %v", to.parts, err)
		}
		for _, in := range all {
			one := fmt.Sprintf(`{"room":{"rooms":[%q],"state":{"lazy_load_members":%v}}}`, in, q.Filter != nil)
			alone := w.ask(feed.Request{Caller: as(alice), StateAfter: q.StateAfter, Filter: w.filter(one)})
			plain := func(j *csapi.JoinedRoom) string {
				raw, err := json.Marshal(j)
				w.ok(err)
				return string(age.ReplaceAll(raw, nil))
			}
			if d := cmp.Diff(plain(alone.Rooms.Join[in]), plain(out.Rooms.Join[in])); d != "" {
				t.Errorf("%s (-alone +among others):\n%s", in, d)
			}
		}
	}
}
