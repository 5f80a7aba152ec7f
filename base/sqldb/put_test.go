package sqldb_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

// put is add by way of Put.
func put(name string) func(tx *sqldb.Tx) error {
	return func(tx *sqldb.Tx) error { return tx.Put(sqlAddItem, int64(tx.Pos()), name, nil, false) }
}

// TestPut: what was put is there for whoever asks next, and runs in its order.
func TestPut(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			if err := put("a")(tx); err != nil {
				return err
			}
			got, err := sqldb.Column[string](tx, `SELECT name FROM item`)
			if diff := cmp.Diff([]string{"a"}, got); err != nil || diff != "" {
				return fmt.Errorf("the next statement does not see what was put: %w %s", err, diff)
			}
			if err := tx.Put(`UPDATE item SET name = 'b'`); err != nil {
				return err
			}
			n, err := tx.Exec(`UPDATE item SET name = 'c' WHERE name = 'b'`)
			if err != nil || n != 1 {
				return fmt.Errorf("%d rows were changed: %w", n, err)
			}
			return tx.PutOne(errors.New("none"), `UPDATE item SET name = 'd' WHERE name = 'c'`)
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"d"}, names(t, db)); diff != "" {
			t.Error(diff)
		}
		err = db.Read(t.Context(), put("e"))
		if err == nil {
			t.Error("a Put in a Read was taken")
		}
	})
}

// TestPutFails: what was put takes the write with it when it fails, and no other write of the commit.
func TestPutFails(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		none, boom := errors.New("none"), errors.New("boom")
		failed := errors.New("what the engine says")
		then := func(name string, last error) func(*sqldb.Tx) error {
			return func(tx *sqldb.Tx) error { return errors.Join(put(name)(tx), last) }
		}
		missing := func(tx *sqldb.Tx) error {
			if err := put("missing")(tx); err != nil {
				return err
			}
			if err := tx.PutOne(none, `UPDATE item SET name = 'x' WHERE name = 'nobody'`); err != nil {
				return err
			}
			return tx.Put(`UPDATE item SET name = 'y'`)
		}
		asked := func(tx *sqldb.Tx) error {
			if err := put("asked")(tx); err != nil {
				return err
			}
			if _, err := sqldb.Column[string](tx, `SELECT name FROM item`); err != nil {
				return err
			}
			return then("asked again", boom)(tx)
		}
		nonsense := func(tx *sqldb.Tx) error {
			return errors.Join(put("nonsense")(tx), tx.Put(`INSERT INTO nowhere (a) VALUES ($1)`, 1))
		}
		unfit := func(tx *sqldb.Tx) error {
			return errors.Join(put("unfit")(tx), tx.Put(`INSERT INTO item (pos, name, flag) VALUES ($1, $2, $3)`, 77, nil, false))
		}
		release := hold(t, db)
		before := db.Stats().Batches
		var pending []*sqldb.Pending
		for _, fn := range []func(*sqldb.Tx) error{
			then("first", boom), put("a"), then("wrong", boom), put("b"), put("b"), missing, asked, put("c"), nonsense, put("d"), unfit, then("last", boom),
		} {
			pending = append(pending, db.Submit(1, fn))
		}
		release()
		want := []error{boom, nil, boom, nil, failed, none, boom, nil, failed, nil, failed, boom}
		for i, p := range pending {
			err := p.Wait(t.Context())
			if (err == nil) != (want[i] == nil) || !errors.Is(want[i], failed) && !errors.Is(err, want[i]) {
				t.Errorf("write %d: got %v, want %v", i, err, want[i])
			}
		}
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, names(t, db)); diff != "" {
			t.Error(diff)
		}
		if n := db.Stats().Batches - before; n > 1 {
			t.Errorf("it took %d commits", n)
		}
	})
}

// TestPutMany: more than are sent at once.
func TestPutMany(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		const many = 250
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			for i := range many {
				if err := tx.Put(sqlAddItem, i, fmt.Sprint(i), nil, false); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(names(t, db)); n != many {
			t.Errorf("%d of %d are there", n, many)
		}
	})
}

// TestPutKeeps: what a statement was handed is what it was then.
func TestPutKeeps(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			body := []byte("first")
			if err := tx.Put(sqlAddItem, 1, "a", body, false); err != nil {
				return err
			}
			copy(body, "other")
			return tx.Put(sqlAddItem, 2, "b", body, false)
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), func(tx *sqldb.Tx) error {
			got, err := sqldb.Column[[]byte](tx, `SELECT body FROM item ORDER BY pos`)
			if err == nil && (string(got[0]) != "first" || string(got[1]) != "other") {
				t.Errorf("got %q", got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestPutUnsent: an argument that the driver cannot send may fail the whole commit, but no write that was said to be on disk.
func TestPutUnsent(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		if err := db.Write(t.Context(), put("known")); err != nil {
			t.Fatal(err)
		}
		release := hold(t, db)
		all := []string{"a", "b", "", "c"}
		var pending []*sqldb.Pending
		for _, name := range all {
			fn := put(name)
			if name == "" {
				fn = func(tx *sqldb.Tx) error { return tx.Put(sqlAddItem, "no number", "x", nil, false) }
			}
			pending = append(pending, db.Submit(1, fn))
		}
		release()
		want := []string{"known"}
		for i, p := range pending {
			switch err := p.Wait(t.Context()); {
			case err == nil:
				want = append(want, all[i])
			case all[i] != "":
				t.Logf("%s: %v", all[i], err)
			}
		}
		if diff := cmp.Diff(want, names(t, db)); diff != "" || slices.Contains(want, "") {
			t.Error(diff)
		}
	})
}
