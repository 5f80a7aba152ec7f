package sqldb_test

import (
	"errors"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

// configs are a database of each engine with nothing in it.
func configs(t *testing.T, fn func(t *testing.T, c sqldb.Config)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, sqldb.Config{Dir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { fn(t, sqldb.Config{URL: sqldbtest.Postgres(t)}) })
}

func TestRestore(t *testing.T) {
	configs(t, func(t *testing.T, c sqldb.Config) {
		open := func(name string) (*sqldb.DB, error) {
			c.Restore = name
			return sqldb.Open(t.Context(), c)
		}
		closed := func(db *sqldb.DB, err error) {
			t.Helper()
			if err == nil {
				err = db.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		begin := func(name string) *sqldb.DB {
			t.Helper()
			db, err := open(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Migrate(t.Context(), everything); err != nil {
				t.Fatal(err)
			}
			return db
		}

		closed(begin("first"), nil) // interrupted
		if db, err := open(""); !errors.Is(err, sqldb.ErrUnfinished) {
			t.Fatalf("got %v, %v, want ErrUnfinished", db, err)
		}
		db := begin("second") // whatever its name
		at := time.UnixMilli(1_700_000_000_000).UTC()
		past := []sqldb.Epoch{{Number: 1, Name: "past", Shared: 10, Begins: 100, At: at}}
		r := sqldb.Restored{Shared: 120, Epochs: past, Begins: 1000, At: at}
		bad := errors.New("no")
		if err := db.EndRestore(t.Context(), r, func(*sqldb.Tx) error { return bad }); !errors.Is(err, bad) {
			t.Fatalf("got %v, want %v", err, bad)
		}
		err := db.EndRestore(t.Context(), r, func(tx *sqldb.Tx) error {
			if tx.Pos() != 1000 {
				t.Errorf("got position %d, want 1000", tx.Pos())
			}
			return nil
		})
		closed(db, err)

		// Ended in the database, and then interrupted: the same restore may begin anew, no other.
		if db, err := open("third"); !errors.Is(err, sqldb.ErrNotEmpty) {
			t.Fatalf("got %v, %v, want ErrNotEmpty", db, err)
		}
		db = begin("second")
		closed(db, db.EndRestore(t.Context(), r, func(*sqldb.Tx) error { return nil }))

		if db, err = open(""); err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if e := db.Epoch(); e.Number != 2 || e.Name != "second" || e.Begins != 1000 || e.At != at {
			t.Errorf("got the epoch %+v", e)
		}
		if p := db.Submit(1, func(*sqldb.Tx) error { return nil }); p.First() != 1001 {
			t.Errorf("got position %d, want 1001", p.First())
		}
		for _, p := range []struct{ pos, shared sqldb.Pos }{{10, 0}, {11, 10}, {99, 10}, {100, 0}, {120, 0}, {121, 120}, {999, 120}, {1000, 0}, {5000, 0}} {
			if by, lost := db.Lost(p.pos); by.Shared != p.shared || lost != (p.shared != 0) {
				t.Errorf("position %d: got %+v, %v, want %d", p.pos, by, lost, p.shared)
			}
		}
	})
}

// A database that is somebody else's is left as it is.
func TestRestoreNotEmpty(t *testing.T) {
	sqldbtest.Each(t, everything, func(t *testing.T, db *sqldb.DB) {
		if e := db.Epoch(); e.Number != 0 {
			t.Errorf("got the epoch %+v of a new database", e)
		}
		if err := db.EndRestore(t.Context(), sqldb.Restored{Begins: 5}, func(*sqldb.Tx) error { return nil }); err == nil {
			t.Error("a restore that never began has ended")
		}
	})
}
