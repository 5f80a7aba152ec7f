package crash

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/test/harness"
)

// cuts is how many damaged copies are looked at for each crash.
const cuts = 8

// The power fails while SQLite's write-ahead log is being written: of its last part nothing arrives on the disk, or
// zeros, or something else. The server starts all the same, and holds a beginning of what happened: every event up to some
// moment, none after it.
func TestTornLog(t *testing.T) {
	random := chance(t)
	s := harness.Start(t, harness.SQLite, quiet)
	w := newCrowd(t, s.URL)
	s.Stop() // the accounts are in the database file from here on
	rounds := max(1, crashes(t)/10)
	for round := range rounds {
		s.Start()
		w.settle()
		w.busy(500+random.IntN(500), upTo(random, 20*time.Millisecond), s.Kill)

		log, err := os.ReadFile(filepath.Join(s.Dir, "freehold.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		synced, written := inLog(t, s.Dir)
		if synced >= written {
			t.Fatalf("the log has %d bytes, %d of them copied: nothing to damage", written, synced)
		}
		whole := t.TempDir()
		copyData(t, s.Dir, whole)
		complete := stored(t, whole)
		shorter := 0
		for cut := range cuts {
			dir := t.TempDir()
			kept := synced + random.IntN(written-synced)
			tear(t, random, s.Dir, dir, log, kept)
			if n := begins(t, w, complete, dir); n < len(complete) {
				shorter++
			}
			if t.Failed() {
				t.Fatalf("round %d, cut %d: %d of %d bytes of the log were left as they were", round, cut, kept, written)
			}
		}
		if shorter == 0 {
			t.Errorf("no cut of %d has lost anything: the log of %d bytes is not what is damaged", cuts, written)
		}
		t.Logf("crash %d: %d events, a log of %d bytes torn %d times, %d times with loss", round+1, len(complete), written, cuts, shorter)
	}
}

// inLog says how much of the log is in the database file already, and where its end is: the file may be longer, when it was begun anew.
// SQLite copies what is safely on the disk only, so that much of the log cannot be lost. The numbers stand in the shared memory, which a
// killed process leaves as it was (https://sqlite.org/walformat.html, "The WAL-Index File Format").
func inLog(t *testing.T, dir string) (copied, end int) {
	t.Helper()
	shm, err := os.ReadFile(filepath.Join(dir, "freehold.db-shm"))
	if err != nil {
		t.Fatal(err)
	}
	const mxFrame, nBackfill, frame = 16, 96, 24 + 4096
	at := func(field int) int { return 32 + int(binary.NativeEndian.Uint32(shm[field:]))*frame }
	return at(nBackfill), at(mxFrame)
}

// tear copies the data directory with a log that is damaged from some place on.
func tear(t *testing.T, random *rand.Rand, from, to string, log []byte, kept int) {
	t.Helper()
	copyData(t, from, to)
	torn := bytes.Clone(log)
	switch random.IntN(3) {
	case 0:
		torn = torn[:kept]
	case 1:
		clear(torn[kept:])
	case 2: // one sector
		for i := kept; i < min(kept+512, len(torn)); i++ {
			torn[i] = byte(random.Uint32())
		}
	}
	if err := os.WriteFile(filepath.Join(to, "freehold.db-wal"), torn, 0o600); err != nil {
		t.Fatal(err)
	}
}

// begins starts a server on a damaged copy and checks that what it holds is a beginning of the complete history, is
// whole, and can be gone on with. It counts the events.
func begins(t *testing.T, w *crowd, complete []string, dir string) int {
	t.Helper()
	s := harness.On(t, dir, quiet)
	s.Start()
	c := newClient(t, s.URL)
	for _, room := range w.rooms {
		var sent struct {
			ID string `json:"event_id"`
		}
		c.must(t, w.tokens[0], "PUT", roomPath(room, "send/m.room.message/after"), map[string]string{"msgtype": "m.text", "body": "after"}, &sent)
		if got := c.messages(t, w.tokens[1], room, "", nil)[0]; got.ID != sent.ID {
			t.Errorf("the newest event is %s, want %s", got.ID, sent.ID)
		}
	}
	s.Stop()
	left := stored(t, dir)
	left = left[:len(left)-len(w.rooms)]
	if n := len(left); n > len(complete) || !slices.Equal(left, complete[:n]) {
		t.Errorf("the %d events that are left are not the first %d of %d", n, n, len(complete))
	}
	check(t, sqldb.Config{Dir: dir})
	return len(left)
}

// stored is the events of all rooms in the order in which they were written.
func stored(t *testing.T, dir string) (events []string) {
	t.Helper()
	db, err := sqldb.Open(context.Background(), sqldb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Read(context.Background(), func(tx *sqldb.Tx) error {
		c := checker{tx: tx}
		return c.each(`SELECT event_id FROM event ORDER BY pos`, func(rows *sql.Rows) error {
			var event string
			err := rows.Scan(&event)
			events = append(events, event)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}
