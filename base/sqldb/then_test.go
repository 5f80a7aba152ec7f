package sqldb_test

import (
	"errors"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

// TestThen: what is to happen after a write happens once, however often its function ran, and not at all when it failed.
func TestThen(t *testing.T) {
	sqldbtest.Each(t, nil, func(t *testing.T, db *sqldb.DB) {
		var calls int
		var early, found bool
		pending := db.Submit(1, func(tx *sqldb.Tx) error {
			early = early || calls > 0
			pos := tx.Pos()
			tx.Then(func() {
				calls++
				found = db.Committed() >= pos && peeked(t, db) >= pos
			})
			return nil
		})
		if err := pending.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls != 1 || early {
			t.Errorf("got %d calls, before the write was on disk: %t; want one call", calls, early)
		}
		if !found {
			t.Error("who is woken does not find the write")
		}
		no := errors.New("no")
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			tx.Then(func() { calls++ })
			return no
		})
		if !errors.Is(err, no) || calls != 1 {
			t.Errorf("got %v and %d calls, want no further call", err, calls)
		}
	})
}

// peeked is how far a Peek sees.
func peeked(t *testing.T, db *sqldb.DB) (high sqldb.Pos) {
	t.Helper()
	if err := db.Peek(t.Context(), func(tx *sqldb.Tx) (err error) { high, err = tx.High(); return err }); err != nil {
		t.Error(err)
	}
	return high
}
