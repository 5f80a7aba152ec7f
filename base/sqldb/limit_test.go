package sqldb_test

import (
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

// A parameter after LIMIT means the same on both engines, whatever is done to keep SQLite from planning by its value.
func TestLimitParameter(t *testing.T) {
	schema := sqldbtest.Schema(`CREATE TABLE n (n BIGINT PRIMARY KEY); INSERT INTO n VALUES (1), (2), (3);`)
	sqldbtest.Each(t, schema, func(t *testing.T, db *sqldb.DB) {
		for _, limit := range []int{0, 1, 2, 5} {
			var got []int
			err := db.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
				got, err = sqldb.Column[int](tx, `SELECT n FROM n ORDER BY n DESC LIMIT $1`, limit)
				return err
			})
			if err != nil || len(got) != min(limit, 3) {
				t.Errorf("limit %d: got %v, %v", limit, got, err)
			}
		}
	})
}

// BenchmarkReadLimit is a read with a parameter after LIMIT: as SQLite prepared it anew each time, it cost several times
// what BenchmarkRead does.
func BenchmarkReadLimit(b *testing.B) {
	db := sqldbtest.SQLite(b, sqldbtest.Schema(`CREATE TABLE n (n BIGINT PRIMARY KEY); INSERT INTO n VALUES (1), (2), (3);`))
	for n := 0; b.Loop(); n++ {
		err := db.Read(b.Context(), func(tx *sqldb.Tx) error {
			_, err := sqldb.Column[int](tx, `SELECT n FROM n ORDER BY n DESC LIMIT $1`, 1+n%3)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
