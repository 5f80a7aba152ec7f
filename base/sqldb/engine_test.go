package sqldb_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

type name string

// TestValues: every kind of argument goes in and comes out the same on both engines.
func TestValues(t *testing.T) {
	schema := sqldbtest.Schema(`CREATE TABLE v (id BIGINT PRIMARY KEY, n BIGINT, s TEXT, b BYTEA, f BOOLEAN)`)
	sqldbtest.Each(t, schema, func(t *testing.T, db *sqldb.DB) {
		type row struct {
			N *int64
			S *name
			B []byte
			F *bool
		}
		n, s, f := int64(math.MinInt64), name("né\u20ac 'q' $1 {x}"), true
		in := []row{{&n, &s, []byte{0, 255}, &f}, {nil, nil, nil, nil}, {new(int64), new(name), []byte{}, new(bool)}}
		var out []row
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			for i, r := range in {
				if _, err := tx.Exec(`INSERT INTO v (id, n, s, b, f) VALUES ($1, $2, $3, $4, $5)`, i, r.N, r.S, r.B, r.F); err != nil {
					return err
				}
			}
			out = nil
			rows, err := tx.Query(`SELECT n, s, b, f FROM v ORDER BY id`)
			if err != nil {
				return err
			}
			for rows.Next() {
				var r row
				if err := rows.Scan(&r.N, &r.S, &r.B, &r.F); err != nil {
					return err
				}
				out = append(out, r)
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, out, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-in +out):\n%s", diff)
		}
		err = db.Read(t.Context(), func(tx *sqldb.Tx) error {
			var n int64
			return tx.Row(`SELECT $1`, uint64(math.MaxUint64)).Scan(&n)
		})
		if err == nil || !strings.Contains(err.Error(), "$1") {
			t.Errorf("got %v for a number that does not fit, want an error that names the argument", err)
		}
	})
}

func TestLists(t *testing.T) {
	schema := sqldbtest.Schema(`CREATE TABLE v (id BIGINT PRIMARY KEY, s TEXT, b BYTEA)`)
	sqldbtest.Each(t, schema, func(t *testing.T, db *sqldb.DB) {
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			for i, s := range []string{"a", "1", `"é\`, "", "d"} {
				if _, err := tx.Exec(`INSERT INTO v (id, s, b) VALUES ($1, $2, $3)`, i, s, []byte(s)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ q, list, want string }{
			{`s IN ({list $1})`, sqldb.List([]name{"a", "1", `"é\`, "x"}), "0 1 2"},
			{`s IN ({list $1})`, sqldb.List([]string(nil)), ""},
			{`s NOT IN ({list $1})`, sqldb.List([]string{"a", ""}), "1 2 4"},
			{`id IN ({ints $1})`, sqldb.List([]sqldb.Pos{3, 4, 99}), "3 4"},
			{`id IN ({ints $1})`, sqldb.List([]int{}), ""},
			{`b IN ({blobs $1})`, sqldb.Blobs([][]byte{[]byte("d"), {}, {0}}), "3 4"},
		} {
			var got []string
			err := db.Read(t.Context(), func(tx *sqldb.Tx) error {
				rows, err := tx.Query(`SELECT id FROM v WHERE `+tt.q+` ORDER BY id`, tt.list)
				if err != nil {
					return err
				}
				for rows.Next() {
					var s string
					if err := rows.Scan(&s); err != nil {
						return err
					}
					got = append(got, s)
				}
				return rows.Err()
			})
			if err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("%s with %s: got %q, %v, want %q", tt.q, tt.list, got, err, tt.want)
			}
		}
	})
}

// TestAlone: a second process, or a second Open, does not get the database.
func TestAlone(t *testing.T) {
	dir := t.TempDir()
	sqldbtest.Open(t, items, sqldb.Config{Dir: dir})
	if db, err := sqldb.Open(t.Context(), sqldb.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v, %v from a second Open, want a refusal", db, err)
	}
	server := sqldbtest.Postgres(t)
	sqldbtest.Open(t, items, sqldb.Config{URL: server})
	if db, err := sqldb.Open(t.Context(), sqldb.Config{URL: server}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v, %v from a second Open, want a refusal", db, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := sqldb.Open(t.Context(), sqldb.Config{}); err == nil {
		t.Error("opened nothing")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "freehold.db"), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqldb.Open(t.Context(), sqldb.Config{Dir: dir}); err == nil {
		t.Error("opened a file that is no database")
	}
}

// TestCollation: a PostgreSQL database that sorts by a language is refused with the command that makes a right one.
func TestCollation(t *testing.T) {
	server := sqldbtest.Postgres(t)
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	const other = "fh_collation_test"
	admin.Exec("DROP DATABASE IF EXISTS " + other)
	_, err = admin.Exec("CREATE DATABASE " + other + " TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Exec("DROP DATABASE " + other + " WITH (FORCE)")
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + other
	_, err = sqldb.Open(t.Context(), sqldb.Config{URL: u.String()})
	if err == nil || !strings.Contains(err.Error(), `CREATE DATABASE "fh_collation_test" TEMPLATE template0`) {
		t.Errorf("got %v, want a refusal with the command", err)
	}
}

// terminable is a database of PostgreSQL with one item, before, and what ends all connections to it.
func terminable(t *testing.T) (db *sqldb.DB, hangUp func() error) {
	t.Helper()
	server := sqldbtest.Postgres(t)
	db = sqldbtest.Open(t, items, sqldb.Config{URL: server})
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	if err := db.Write(t.Context(), add("before")); err != nil {
		t.Fatal(err)
	}
	return db, func() error {
		_, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		return err
	}
}

// TestLostConnection: what was being written when PostgreSQL ended the connection fails as a whole, the next write and
// the next read find a new one, and Committed goes on.
func TestLostConnection(t *testing.T) {
	db, hangUp := terminable(t)
	names(t, db)
	release := hold(t, db)
	a := db.Submit(1, add("a"))
	cut := db.Submit(1, func(tx *sqldb.Tx) error {
		if err := hangUp(); err != nil {
			t.Error(err)
		}
		return add("cut")(tx)
	})
	b := db.Submit(1, add("b"))
	release()
	for i, p := range []*sqldb.Pending{a, cut, b} {
		if err := p.Wait(t.Context()); err == nil {
			t.Errorf("write %d of the lost commit succeeded", i)
		}
	}
	if err := db.Write(t.Context(), add("after")); err != nil {
		t.Errorf("the write after: %v", err)
	}
	if got, want := names(t, db), []string{"before", "after"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s := db.Stats(); s.Lost != 1 || db.Committed() != s.Position {
		t.Errorf("got %+v, committed %d, want one lost batch and nothing held back", s, db.Committed())
	}
}

// TestDeadlock: a batch that PostgreSQL chose as the victim of a deadlock is run again, all of it.
func TestDeadlock(t *testing.T) {
	server := sqldbtest.Postgres(t)
	db := sqldbtest.Open(t, items, sqldb.Config{URL: server})
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, n := range []string{"a", "b"} {
		if err := db.Write(t.Context(), add(n)); err != nil {
			t.Fatal(err)
		}
	}
	const mark = `UPDATE item SET flag = TRUE WHERE name = $1`
	release := hold(t, db)
	var runs atomic.Int32
	outside := make(chan error, 1)
	one := db.Submit(1, func(tx *sqldb.Tx) error { runs.Add(1); return add("one")(tx) })
	two := db.Submit(1, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(mark, "a"); err != nil {
			return err
		}
		if runs.Load() == 1 { // on the first run, somebody else locks them the other way round, and never gives way
			conn, err := admin.Conn(context.Background())
			if err != nil {
				return err
			}
			if _, err := conn.ExecContext(context.Background(), `SET deadlock_timeout = '1min'; BEGIN; UPDATE item SET body = '' WHERE name = 'b'`); err != nil {
				return err
			}
			go func() {
				_, err := conn.ExecContext(context.Background(), `UPDATE item SET body = '' WHERE name = 'a'; COMMIT`)
				conn.Close()
				outside <- err
			}()
		}
		_, err := tx.Exec(mark, "b")
		return err
	})
	release()
	for _, p := range []*sqldb.Pending{one, two} {
		if err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := <-outside; err != nil {
		t.Error(err)
	}
	if runs.Load() < 2 || db.Stats().Reruns == 0 {
		t.Errorf("got %d runs, %+v, want the batch to run again", runs.Load(), db.Stats())
	}
	if got, want := names(t, db), []string{"a", "b", "one"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTornLog cuts the log at random places, as a power cut does that loses what was written last. What opens is always
// a prefix of the writes, each of them whole, and the positions go on after it.
func TestTornLog(t *testing.T) {
	schema := sqldbtest.Schema(`CREATE TABLE x (pos BIGINT PRIMARY KEY, body BYTEA); CREATE TABLE y (pos BIGINT PRIMARY KEY, body BYTEA)`)
	dir := t.TempDir()
	db := sqldbtest.Open(t, schema, sqldb.Config{Dir: dir})
	const total = 300
	var pending []*sqldb.Pending
	for range total {
		pending = append(pending, db.Submit(1, func(tx *sqldb.Tx) error {
			for _, q := range []string{`INSERT INTO x (pos, body) VALUES ($1, $2)`, `INSERT INTO y (pos, body) VALUES ($1, $2)`} {
				if _, err := tx.Exec(q, tx.Pos(), make([]byte, 700)); err != nil {
					return err
				}
			}
			return nil
		}))
		if len(pending)%7 == 0 {
			if err := pending[len(pending)-1].Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range pending {
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wal, err := os.ReadFile(filepath.Join(dir, "freehold.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	main, err := os.ReadFile(filepath.Join(dir, "freehold.db"))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[int]bool{}
	for i := range 25 {
		cut := r.IntN(len(wal) + 1)
		if i == 0 {
			cut = len(wal)
		}
		torn := slices.Clone(wal[:cut])
		if i%3 == 2 && cut > 0 { // the last block is not cut but never got there
			clear(torn[cut-min(cut, 512):])
		}
		copied := t.TempDir()
		for name, data := range map[string][]byte{"freehold.db": main, "freehold.db-wal": torn} {
			if err := os.WriteFile(filepath.Join(copied, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := openTorn(copied)
		if err != nil {
			t.Fatalf("log cut at %d of %d: %v", cut, len(wal), err)
		}
		if i == 0 && got != total {
			t.Errorf("got %d writes from the whole log, want %d", got, total)
		}
		seen[got] = true
	}
	if len(seen) < 5 {
		t.Errorf("got %d different prefixes: the log was not cut", len(seen))
	}
}

// openTorn says how many writes a database holds, once it is sure that they are whole and that new ones follow them.
func openTorn(dir string) (n int, err error) {
	db, err := sqldb.Open(context.Background(), sqldb.Config{Dir: dir})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	high := db.Committed()
	err = db.Read(context.Background(), func(tx *sqldb.Tx) error {
		var tables, x, y int
		if err := tx.Row(`SELECT count(*) FROM sqlite_master WHERE name IN ('x', 'y')`).Scan(&tables); err != nil || tables == 0 {
			return err // cut before the migration
		}
		err := tx.Row(`SELECT count(*), (SELECT count(*) FROM y), (SELECT count(*) FROM x JOIN y USING (pos) WHERE pos <= $1)
			FROM x`, high).Scan(&x, &y, &n)
		if err != nil {
			return err
		}
		if x != y || n != x || int(high) != n || tables != 2 {
			return fmt.Errorf("%d tables, %d rows in x, %d in y, %d in both, position %d", tables, x, y, n, high)
		}
		var check string
		if err := tx.Row(`PRAGMA integrity_check`).Scan(&check); err != nil {
			return err
		}
		if check != "ok" {
			return fmt.Errorf("integrity check: %s", check)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	p := db.Submit(1, func(*sqldb.Tx) error { return nil })
	if err := p.Wait(context.Background()); err != nil {
		return 0, err
	}
	if p.First() != high+1 {
		return 0, fmt.Errorf("position %d after %d", p.First(), high)
	}
	return n, nil
}
