package crash

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/test/harness"
)

// A server is backed up under load and goes on; then it is lost, and the backup is restored into the other database, and
// from there back again. What was acknowledged before the backup is there, every room is what it was at one moment, and
// clients that have seen what came after go on without being told anything twice or never.
func TestRestore(t *testing.T) {
	s := harness.Start(t, harness.SQLite, quiet)
	w := newCrowd(t, s.URL)
	for life, e := range []harness.Engine{harness.Postgres, harness.SQLite} {
		w.busy(200, 0, func() {})
		w.settleOld()
		file := filepath.Join(t.TempDir(), "backup.tar")
		known, pictures := w.acknowledged(), maps.Clone(w.uploader().acked)
		w.busy(100, 0, func() {
			began := time.Now()
			t.Log(s.Run("backup", "--to", file), time.Since(began))
		})
		w.settleOld()
		w.busy(100, 0, func() {})
		w.settleOld()
		w.reader.catchUp()
		sent := w.sent()
		s.Stop()

		again := harness.On(t, t.TempDir(), quiet)
		if e == harness.Postgres {
			again.DatabaseURL = sqldbtest.Postgres(t)
		}
		again.URL = s.URL
		began := time.Now()
		t.Log(again.Run("restore", file), time.Since(began))
		checkStored(t, again)
		old, now := logs(t, s), logs(t, again)
		for room, events := range old {
			if n := len(now[room]); n > len(events) || !slices.Equal(now[room], events[:n]) {
				t.Errorf("life %d: %s has other events than it had, or in another order", life, room)
			}
		}
		parcels := parcelsIn(t, again, w.courier)
		s = again
		s.Start()
		w.forget(now, known, parcels)
		if w.sent() >= sent {
			t.Error("nothing was lost, so nothing is proved")
		}
		w.uploader().acked = pictures
		w.uploader().settle()
		recovers(t, w)
		w.busy(200, 0, func() {})
		w.settleOld()
		w.verify()
		if t.Failed() {
			t.FailNow()
		}
	}
	w.courier.delivered()
	s.Stop()
	checkStored(t, s)
}

// recovers looks at what a client of the lost life is told: the rooms with a gap before them, that its one-time keys are
// gone and its fallback key used, and whose devices to ask for again.
func recovers(t *testing.T, w *crowd) {
	t.Helper()
	var resp struct {
		Rooms struct {
			Join map[string]struct {
				Timeline struct{ Limited bool }
				State    struct{ Events []roomEvent }
			}
		}
		Lists  struct{ Changed []string } `json:"device_lists"`
		Counts map[string]int             `json:"device_one_time_keys_count"`
		Unused []string                   `json:"device_unused_fallback_key_types"`
	}
	smith := w.smith()
	w.c.must(t, w.tokens[smithy], "GET", "/_matrix/client/v3/sync?since="+url.QueryEscape(w.reader.since), nil, &resp)
	if len(resp.Rooms.Join) != rooms {
		t.Errorf("a client of the lost life is told of %d rooms, want %d", len(resp.Rooms.Join), rooms)
	}
	for room, r := range resp.Rooms.Join {
		if !r.Timeline.Limited {
			t.Errorf("the timeline of %s goes on as if nothing had been lost", room)
		}
	}
	if n, ok := resp.Counts["signed_curve25519"]; n != 0 || !ok || resp.Unused == nil || len(resp.Unused) != 0 {
		t.Errorf("got %v one-time keys and the unused fallback keys %v, want none", resp.Counts, resp.Unused)
	}
	for _, user := range []string{smith.user, w.courier.user} {
		if !slices.Contains(resp.Lists.Changed, user) {
			t.Errorf("the devices of %s are not to be asked for again: %v", user, resp.Lists.Changed)
		}
	}
}

// settleOld is settle without the smith, whose keys a restore discards.
func (w *crowd) settleOld() {
	for _, s := range w.senders {
		s.settle()
	}
	w.courier.settle()
	w.uploader().settle()
}

func (w *crowd) uploader() *uploader { return w.others[2].(*uploader) }
func (w *crowd) smith() *smith       { return w.others[0].(*smith) }

// acknowledged lists the messages that were, of all senders.
func (w *crowd) acknowledged() map[string]bool {
	known := map[string]bool{}
	for _, s := range w.senders {
		for _, m := range s.sent {
			known[m.event] = true
		}
	}
	return known
}

// forget makes the crowd believe what is so after a restore: events are those of each room. known have to be among them.
func (w *crowd) forget(events map[string][]string, known map[string]bool, parcels int) {
	w.t.Helper()
	there := map[string]bool{}
	for _, room := range events {
		for _, e := range room {
			there[e] = true
		}
	}
	for e := range known {
		if !there[e] {
			w.t.Errorf("%s was acknowledged before the backup and is not in it", e)
		}
	}
	for _, s := range w.senders {
		n := 0
		for n < len(s.sent) && there[s.sent[n].event] {
			n++
		}
		for _, m := range s.sent[n:] {
			if there[m.event] {
				w.t.Errorf("%s is there, and what its sender sent before is not", m.event)
			}
		}
		s.sent = slices.Clone(s.sent[:n])
	}
	if parcels > w.courier.n {
		w.t.Errorf("there are %d parcels, and %d were sent", parcels, w.courier.n)
	}
	w.courier.n = parcels
	w.changer.acked = map[string]string{}
	w.reader.seen, w.reader.gaps = map[string]bool{}, nil // but not where it was: that is of the lost life
	w.others[1] = &visitor{crowd: w}
}

// logs reads the events of each room in their order.
func logs(t *testing.T, s *harness.Server) map[string][]string {
	t.Helper()
	events := map[string][]string{}
	rowsOf(t, s, `SELECT r.room_id, e.event_id FROM event e JOIN room r ON r.nid = e.room ORDER BY e.pos`, func(rows *sql.Rows) error {
		var room, event string
		err := rows.Scan(&room, &event)
		events[room] = append(events[room], event)
		return err
	})
	return events
}

// parcelsIn counts what waits for the courier's device, which has to be the first that were sent.
func parcelsIn(t *testing.T, s *harness.Server, c *courier) int {
	t.Helper()
	n := 0
	rowsOf(t, s, `SELECT event FROM inbox WHERE user_id = $1 AND device_id = $2 ORDER BY pos`, func(rows *sql.Rows) error {
		var event []byte
		err := rows.Scan(&event)
		if want := fmt.Appendf(nil, `"n":%d}`, n); !bytes.Contains(event, want) {
			t.Errorf("the parcel %s waits where %d is due", event, n)
		}
		n++
		return err
	}, c.user, c.device)
	return n
}

// rowsOf reads the database of a server that does not run, as it is.
func rowsOf(t *testing.T, s *harness.Server, q string, scan func(rows *sql.Rows) error, args ...any) {
	t.Helper()
	c := sqldb.Config{URL: s.DatabaseURL}
	if c.URL == "" {
		c.Dir = t.TempDir()
		copyData(t, s.Dir, c.Dir)
	}
	db, err := sqldb.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Read(context.Background(), func(tx *sqldb.Tx) error {
		rows, err := tx.Query(q, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}
