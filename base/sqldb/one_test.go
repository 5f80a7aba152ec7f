package sqldb_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

// count is what ReadOne and Read give of the same.
func count(t *testing.T, read func(func(*sqldb.Tx) error) error) int {
	t.Helper()
	var n int
	if err := read(func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM item`).Scan(&n) }); err != nil {
		t.Error(err)
	}
	return n
}

// TestReadOne: one statement is run, as in Read, and no other; a connection that it fails on is as good as before.
func TestReadOne(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		one := func(fn func(*sqldb.Tx) error) error { return db.ReadOne(t.Context(), fn) }
		for i := range 5 {
			if n := count(t, one); n != i {
				t.Errorf("got %d rows, want %d", n, i)
			}
			if err := db.Write(t.Context(), add(strings.Repeat("x", i+1))); err != nil {
				t.Fatal(err)
			}
		}
		err := one(func(tx *sqldb.Tx) error {
			var n int
			if err := tx.Row(`SELECT 1`).Scan(&n); err != nil {
				return err
			}
			return tx.Row(`SELECT 1`).Scan(&n)
		})
		if err == nil || !strings.Contains(err.Error(), "second statement") {
			t.Errorf("a second statement: %v", err)
		}
		if err := one(func(tx *sqldb.Tx) error { return tx.Row(`SELECT nothing FROM nowhere`).Scan(new(int)) }); err == nil {
			t.Error("a wrong statement does not fail")
		}
		want := errors.New("mine")
		err = one(func(tx *sqldb.Tx) error {
			if _, err := tx.Query(`SELECT name FROM item`); err != nil { //nolint:rowserrcheck // they stay open: ReadOne is to close them
				return err
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Errorf("got %v, want the function's own", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = one(func(*sqldb.Tx) error { panic("mine") })
		}()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 20 {
					if a, b := count(t, one), count(t, func(fn func(*sqldb.Tx) error) error { return db.Read(t.Context(), fn) }); a != 5 || b != 5 {
						t.Errorf("got %d and %d rows, want 5", a, b)
					}
				}
			})
		}
		all.Wait()
	})
}

// TestReadOneLost: a connection that PostgreSQL has ended while nobody used it is no reader's trouble.
func TestReadOneLost(t *testing.T) {
	db, hangUp := terminable(t)
	for range 3 {
		one := func(fn func(*sqldb.Tx) error) error { return db.ReadOne(t.Context(), fn) }
		if n := count(t, one); n != 1 {
			t.Errorf("got %d rows", n)
		}
		if err := hangUp(); err != nil {
			t.Fatal(err)
		}
	}
}
