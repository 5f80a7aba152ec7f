package sqldb_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/matrix/fault"
)

// A full disk refuses writes, says so, leaves reads alone and is got over without a restart.
func TestFullDisk(t *testing.T) {
	db := sqldbtest.SQLite(t, sqldbtest.Schema(`CREATE TABLE t (n BIGINT PRIMARY KEY, body BYTEA NOT NULL);`))
	insert := func(n, size int) error {
		return db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO t (n, body) VALUES ($1, $2)`, n, make([]byte, size))
			return err
		})
	}
	pages := func(n string) { // what SQLite answers beyond that is what it answers on a full disk
		t.Helper()
		if err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			var now int64
			return tx.Row(`PRAGMA max_page_count = ` + n).Scan(&now)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := insert(1, 100); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		pages("20") // for this connection, which may be another one after an error
		got := insert(10+n, 200_000)
		if f, ok := errors.AsType[*fault.Fault](got); !ok || f.Status != http.StatusServiceUnavailable {
			t.Errorf("got %v, want a fault with status 503", got)
		}
	}
	var count int
	err := db.Read(context.Background(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM t`).Scan(&count) })
	if err != nil || count != 1 {
		t.Errorf("read on a full disk: got %d rows, %v, want 1", count, err)
	}
	pages("1000000")
	if err := insert(20, 200_000); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
