package sqldb_test

import (
	"errors"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

var items = sqldbtest.Schema(`
CREATE TABLE item (pos BIGINT PRIMARY KEY, name TEXT NOT NULL, body BYTEA, flag BOOLEAN NOT NULL DEFAULT FALSE);
CREATE UNIQUE INDEX item_name ON item (name);
`)

const sqlAddItem = `INSERT INTO item (pos, name, body, flag) VALUES ($1, $2, $3, $4)`

func TestWriteRead(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		var pos sqldb.Pos
		err := db.Write(ctx, func(tx *sqldb.Tx) error {
			pos = tx.Pos()
			_, err := tx.Exec(sqlAddItem, int64(pos), "a", []byte{0, 1, 2}, true)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := db.Committed(); got != pos || pos != 1 {
			t.Errorf("got committed %d, want %d = 1", got, pos)
		}
		boom := errors.New("boom")
		err = db.Write(ctx, func(tx *sqldb.Tx) error {
			if _, err := tx.Exec(sqlAddItem, int64(tx.Pos()), "b", nil, true); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("got %v, want %v", err, boom)
		}
		var n int
		var name string
		var body []byte
		var flag bool
		err = db.Read(ctx, func(tx *sqldb.Tx) error {
			if err := tx.Row(`SELECT count(*) FROM item`).Scan(&n); err != nil {
				return err
			}
			return tx.Row(`SELECT name, body, flag FROM item WHERE name IN ({list $1}) AND pos IN ({ints $2}) AND body IN ({blobs $3})`,
				sqldb.List([]string{"a", "z"}), sqldb.List([]int64{1, 4}), sqldb.Blobs([][]byte{{0, 1, 2}})).Scan(&name, &body, &flag)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n != 1 || name != "a" || string(body) != "\x00\x01\x02" || !flag {
			t.Errorf("got %d rows, %q %v %v", n, name, body, flag)
		}
		if err := db.Read(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(sqlAddItem, 9, "r", nil, false)
			return err
		}); err == nil {
			t.Error("a read wrote")
		}
	})
}
