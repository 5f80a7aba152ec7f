package sqldb_test

import (
	"context"
	"errors"
	"testing"

	"freehold.example/base/sqldb"
)

// TestTrim: what was read can be read again, and who reads meanwhile is not kept from it.
func TestTrim(t *testing.T) {
	db, err := sqldb.Open(t.Context(), sqldb.Config{Dir: t.TempDir(), ReadConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for range 3 {
		err := db.Read(t.Context(), func(tx *sqldb.Tx) error {
			if err := db.Trim(t.Context()); err != nil { // one connection is in use, the other one idle or not made yet
				t.Error(err)
			}
			var n int
			return tx.Row(`SELECT count(*) FROM sqlite_master`).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Trim(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestPause: a paused Read holds no connection, goes on in a newer snapshot, and ends in order when that fails.
func TestPause(t *testing.T) {
	db, err := sqldb.Open(t.Context(), sqldb.Config{Dir: t.TempDir(), ReadConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	ctx := t.Context()
	exec := func(q string) {
		t.Helper()
		if err := db.Write(ctx, func(tx *sqldb.Tx) error { _, err := tx.Exec(q); return err }); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE paused (n BIGINT)`)
	count := func(tx *sqldb.Tx) (n int) {
		t.Helper()
		if err := tx.Row(`SELECT count(*) FROM paused`).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	free := func() { // the one connection can be had
		t.Helper()
		if err := db.Read(ctx, func(tx *sqldb.Tx) error { count(tx); return nil }); err != nil {
			t.Error(err)
		}
	}
	broken := errors.New("broken")
	err = db.Read(ctx, func(tx *sqldb.Tx) error {
		before := count(tx)
		err := tx.Pause(func() error {
			free()
			if _, err := tx.Exec(`SELECT 1`); err == nil {
				t.Error("the transaction can be used")
			}
			exec(`INSERT INTO paused (n) VALUES (1)`)
			return nil
		})
		if n := count(tx); err != nil || before != 0 || n != 1 {
			t.Errorf("got %d and %d rows, error %v", before, n, err)
		}
		return tx.Pause(func() error { return broken })
	})
	if !errors.Is(err, broken) {
		t.Errorf("got error %v", err)
	}
	free()
	stopped, stop := context.WithCancel(ctx)
	if err = db.Read(stopped, func(tx *sqldb.Tx) error { return tx.Pause(func() error { stop(); return nil }) }); err != nil {
		t.Log(err) // or not, when the connection was there at once
	}
	free()
}
