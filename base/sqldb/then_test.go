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
		var early bool
		pending := db.Submit(1, func(tx *sqldb.Tx) error {
			early = early || calls > 0
			tx.Then(func() { calls++ })
			return nil
		})
		if err := pending.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls != 1 || early {
			t.Errorf("got %d calls, before the write was on disk: %t; want one call", calls, early)
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
