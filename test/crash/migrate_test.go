package crash

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/test/harness"
)

// migratedFrom is the number of migrations that the first version of the program had.
const migratedFrom = 9

// The server is killed while it brings an old database with a lot in it up to date. Each migration has happened or has
// not; the next start goes on, and ends with the tables of a new database and with all that was in the old one.
func TestKillDuringMigration(t *testing.T) {
	harness.Engines(t, func(t *testing.T, e harness.Engine) {
		random := chance(t)
		rounds := max(crashes(t)/10, 2)
		stopped := map[int]int{} // how often it was left after so many migrations
		for range rounds {
			database := ""
			if e == harness.Postgres {
				database = sqldbtest.Postgres(t)
			}
			s := harness.On(t, t.TempDir(), quiet)
			s.DatabaseURL = database
			old := oldDatabase(t, sqldb.Config{Dir: s.Dir, URL: database})
			for range 1 + random.IntN(3) {
				if err := s.Launch(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(upTo(random, 200*time.Millisecond))
				s.Kill()
				stopped[applied(t, sqldb.Config{Dir: s.Dir, URL: database})]++
			}
			s.Start()
			newCrowd(t, s.URL).settle()
			s.Stop()
			checkStored(t, s)
			compareSchema(t, sqldb.Config{Dir: s.Dir, URL: database}, old)
			if t.Failed() {
				t.FailNow()
			}
		}
		t.Logf("%d databases; killed after so many migrations: %v", rounds, stopped)
	})
}

// rowsOfOld is how many rows the large tables of the old database have: so many that a migration of them takes time.
const rowsOfOld = 30_000

// oldDatabase makes a database as the first version left it.
func oldDatabase(t *testing.T, c sqldb.Config) (rows map[string]int64) {
	t.Helper()
	ctx := context.Background()
	db, err := sqldb.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	names, err := fs.Glob(schema.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	first := fstest.MapFS{}
	for _, name := range names[:migratedFrom] {
		text, err := fs.ReadFile(schema.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		first[name] = &fstest.MapFile{Data: text}
	}
	if err := db.Migrate(ctx, first); err != nil {
		t.Fatal(err)
	}
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		for n := range rowsOfOld {
			for _, q := range []string{
				`INSERT INTO media (media_id, user_id, blob, size, content_type, name, created, expires) VALUES ($1, '@old:house.example', 'x', 1, 'text/plain', '', 1, 0)`,
				`INSERT INTO thumbnail (blob, width, height, method, result, size, content_type) VALUES ($1, 32, 32, 'crop', 'y', 1, 'image/png')`,
			} {
				if _, err := tx.Exec(q, fmt.Sprint("old", n)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]int64{"media": rowsOfOld, "thumbnail": rowsOfOld}
}

// applied counts the migrations that a database has had.
func applied(t *testing.T, c sqldb.Config) (n int) {
	t.Helper()
	readDatabase(t, c, func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM schema_version`).Scan(&n) })
	return n
}

func readDatabase(t *testing.T, c sqldb.Config, fn func(*sqldb.Tx) error) {
	t.Helper()
	if c.URL == "" {
		dir := t.TempDir()
		copyData(t, c.Dir, dir)
		c.Dir = dir
	}
	db, err := sqldb.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Read(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// compareSchema checks that a database has the columns and indexes of a new one, and rows.
func compareSchema(t *testing.T, c sqldb.Config, rows map[string]int64) {
	t.Helper()
	fresh := sqldb.Config{Dir: t.TempDir()}
	if c.URL != "" {
		fresh.URL = sqldbtest.Postgres(t)
	}
	db, err := sqldb.Open(context.Background(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Migrate(context.Background(), schema.FS)
	if closeErr := db.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
	want, got := describe(t, fresh), describe(t, c)
	for what := range want {
		if !got[what] {
			t.Errorf("%s is missing", what)
		}
	}
	for what := range got {
		if !want[what] {
			t.Errorf("%s is too much", what)
		}
	}
	readDatabase(t, c, func(tx *sqldb.Tx) error {
		for table, want := range rows {
			var n int64
			if err := tx.Row(`SELECT count(*) FROM ` + table).Scan(&n); err != nil {
				return err
			}
			if n != want {
				t.Errorf("%s has %d rows, want %d", table, n, want)
			}
		}
		return nil
	})
}

// describe lists what a database is made of.
func describe(t *testing.T, c sqldb.Config) map[string]bool {
	t.Helper()
	q := `SELECT type, name, COALESCE(sql, '') FROM sqlite_master`
	if c.URL != "" {
		q = `SELECT table_name, column_name, data_type || is_nullable || COALESCE(column_default, '') FROM information_schema.columns WHERE table_schema = current_schema()
			UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()`
	}
	all := map[string]bool{}
	readDatabase(t, c, func(tx *sqldb.Tx) error {
		reader := checker{tx: tx}
		return reader.each(q, func(rows *sql.Rows) error {
			var a, b, c string
			err := rows.Scan(&a, &b, &c)
			all[a+" "+b+": "+c] = true
			return err
		})
	})
	return all
}
