package sqldb_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

var everything = sqldbtest.Schema(`
CREATE TABLE thing (
	nid   BIGINT PRIMARY KEY,
	text  TEXT,
	bytes BYTEA,
	flag  BOOLEAN
);
INSERT INTO thing (nid) VALUES (7);
ALTER TABLE thing ADD COLUMN later BIGINT NOT NULL DEFAULT 3;
CREATE TABLE other (
	name TEXT NOT NULL,
	n    BIGINT NOT NULL,
	PRIMARY KEY (name, n)
);
`)

var rows = [][]any{
	{int64(1), "", []byte{}, false, int64(0)},
	{int64(2), nil, nil, nil, int64(math.MaxInt64)},
	{int64(3), "ä€𝄞\u2028\"\\\n", []byte{0, 1, 255, '"'}, true, int64(math.MinInt64)},
	{int64(1) << 53, "1", []byte("text"), true, int64(3)},
}

func TestDumpAndLoad(t *testing.T) {
	sqldbtest.Each(t, everything, func(t *testing.T, db *sqldb.DB) {
		want := []sqldb.Table{
			{Name: "other", Columns: []sqldb.Field{{"name", "TEXT"}, {"n", "BIGINT"}}},
			{Name: "thing", Columns: []sqldb.Field{{"nid", "BIGINT"}, {"text", "TEXT"}, {"bytes", "BYTEA"}, {"flag", "BOOLEAN"}, {"later", "BIGINT"}}},
		}
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			tables, err := tx.Tables()
			if err != nil {
				return err
			}
			if diff := cmp.Diff(want, tables); diff != "" {
				t.Errorf("tables (-want +got):\n%s", diff)
			}
			return errors.Join(tx.Clear(tables[1]), tx.Load(tables[1], rows))
		})
		if err != nil {
			t.Fatal(err)
		}
		var got [][]any
		err = db.Read(t.Context(), func(tx *sqldb.Tx) error {
			return tx.Dump(want[1], func(row []any) error {
				got = append(got, append([]any(nil), row...))
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rows, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
}

// What only one engine can store does not keep the rest from being loaded into the other.
func TestLoadZeroByte(t *testing.T) {
	sqldbtest.Each(t, everything, func(t *testing.T, db *sqldb.DB) {
		other := sqldb.Table{Name: "other", Columns: []sqldb.Field{{"name", "TEXT"}, {"n", "BIGINT"}}}
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error { return tx.Load(other, [][]any{{"a\x00b", int64(1)}}) })
		if err != nil {
			t.Fatal(err)
		}
		var name string
		err = db.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT name FROM other`).Scan(&name) })
		if want := map[string]string{"sqlite": "a\x00b", "postgres": "a\ufffdb"}[db.Engine()]; name != want || err != nil {
			t.Errorf("got %q, %v, want %q", name, err, want)
		}
	})
}

// More rows than fit into one statement, and a row that is there already: all or none.
func TestLoadMany(t *testing.T) {
	sqldbtest.Each(t, everything, func(t *testing.T, db *sqldb.DB) {
		other := sqldb.Table{Name: "other", Columns: []sqldb.Field{{"n", "BIGINT"}, {"name", "TEXT"}}} // in another order
		var many [][]any
		for i := range 1234 {
			many = append(many, []any{int64(i), "x"})
		}
		load := func() error {
			return db.Write(t.Context(), func(tx *sqldb.Tx) error { return tx.Load(other, many) })
		}
		if err := load(); err != nil {
			t.Fatal(err)
		}
		if err := load(); err == nil {
			t.Error("the same rows were loaded twice")
		}
		var n int64
		if err := db.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM other`).Scan(&n) }); err != nil || n != 1234 {
			t.Errorf("got %d rows, %v, want 1234", n, err)
		}
	})
}
