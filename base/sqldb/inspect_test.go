package sqldb_test

import (
	"errors"
	"testing"
	"time"

	"freehold.example/base/sqldb"
)

// A database can be looked at while it is used, and nothing can be changed that way.
func TestReadOnly(t *testing.T) {
	configs(t, func(t *testing.T, c sqldb.Config) {
		look := c
		look.ReadOnly = true
		if db, err := sqldb.Open(t.Context(), look); err == nil {
			db.Close()
			t.Error("a database that is not there was opened")
		}
		db, err := sqldb.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Migrate(t.Context(), everything); err != nil {
			t.Fatal(err)
		}
		if err := db.Submit(7, func(*sqldb.Tx) error { return nil }).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen, err := sqldb.Open(t.Context(), look)
		if err != nil {
			t.Fatal(err)
		}
		defer seen.Close()
		if got, want := seen.Committed(), db.Committed(); got != want { // what was before is not known from memory
			t.Errorf("what is there ends at %d, want %d", got, want)
		}
		if err := seen.Write(t.Context(), func(*sqldb.Tx) error { return nil }); !errors.Is(err, sqldb.ErrClosed) {
			t.Errorf("a write: got %v, want %v", err, sqldb.ErrClosed)
		}
		err = seen.Read(t.Context(), func(tx *sqldb.Tx) error { _, err := tx.Exec(`DELETE FROM thing`); return err })
		if err == nil {
			t.Error("something was deleted")
		}
		if n, err := seen.Size(t.Context()); n < 1000 || err != nil {
			t.Errorf("got %d bytes, %v", n, err)
		}
		if problems, err := seen.Integrity(t.Context()); len(problems) > 0 || err != nil {
			t.Errorf("got the problems %q, %v", problems, err)
		}
		if now, err := seen.Clock(t.Context()); time.Since(now).Abs() > time.Minute || err != nil {
			t.Errorf("got the time %v, %v", now, err)
		}
	})
}
