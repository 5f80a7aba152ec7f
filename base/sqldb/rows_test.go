package sqldb_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

func TestAll(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		type row struct {
			Name string
			Pos  sqldb.Pos
		}
		scan := func(s sqldb.Scanner) (r row, err error) {
			err = s.Scan(&r.Name, &r.Pos)
			return r, err
		}
		const q = `SELECT name, pos FROM item WHERE pos > $1 ORDER BY pos`
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			for _, name := range []string{"a", "b"} {
				if _, err := tx.Exec(`INSERT INTO item (name, pos) VALUES ($1, $2)`, name, int64(name[0])); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), func(tx *sqldb.Tx) error {
			for _, tt := range []struct {
				after int
				want  []row
			}{{0, []row{{"a", 'a'}, {"b", 'b'}}}, {'a', []row{{"b", 'b'}}}, {'b', []row{}}} {
				got, err := sqldb.All(tx, scan, q, tt.after)
				if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
					t.Errorf("after %d: %v (-want +got):\n%s", tt.after, err, diff)
				}
			}
			names, err := sqldb.Column[string](tx, `SELECT name FROM item ORDER BY pos DESC`)
			if diff := cmp.Diff([]string{"b", "a"}, names); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if got, err := sqldb.Column[int](tx, `SELECT name FROM item`); err == nil {
				t.Errorf("got %v for names as numbers, want an error", got)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
