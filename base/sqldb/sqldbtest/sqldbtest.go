// Package sqldbtest gives tests a database: a fresh one of each engine for each test.
package sqldbtest

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed" // for the script
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"freehold.example/base/sqldb"
)

// Each runs fn once for each engine, as subtests "sqlite" and "postgres", on a new database with the schema of fsys.
//
// FH_TEST_POSTGRES names a PostgreSQL server (`make test` sets it, so that all packages share one). Without it the server
// that `test/postgres.sh start` has left running is used, and without that one is started from the installed binaries for
// the rest of the test process. Without binaries the test fails.
func Each(t *testing.T, fsys fs.FS, fn func(t *testing.T, db *sqldb.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t, fsys)) })
	t.Run("postgres", func(t *testing.T) { fn(t, Open(t, fsys, sqldb.Config{URL: postgres(t, fsys)})) })
}

// SQLite is a new SQLite database, for tests that say nothing about the engine.
func SQLite(t testing.TB, fsys fs.FS) *sqldb.DB {
	t.Helper()
	dir := t.TempDir()
	Fill(t, fsys, dir)
	return Open(t, fsys, sqldb.Config{Dir: dir})
}

// Open opens a database, runs the migrations of fsys (none when it is nil), and closes it when the test ends. With
// FH_TEST_REHEARSE=1 every write runs twice: see sqldb.Config.Rehearse.
func Open(t testing.TB, fsys fs.FS, c sqldb.Config) *sqldb.DB {
	t.Helper()
	c.Rehearse = c.Rehearse || os.Getenv("FH_TEST_REHEARSE") != ""
	db, err := sqldb.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if fsys != nil {
		if err := db.Migrate(context.Background(), fsys); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// Schema is a schema of one file, for Each and Open.
func Schema(text string) fs.FS {
	return fstest.MapFS{"0001_test.sql": {Data: []byte(text)}}
}

// Postgres creates an empty PostgreSQL database for the test and gives its URL. The database goes with the test.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgres(t, nil)
}

// empty is how a database is made that has nothing in it.
const empty = " TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"

// postgres is Postgres with the schema of fsys, where that is worth a template.
func postgres(t testing.TB, fsys fs.FS) string {
	t.Helper()
	server, err := server()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	from := empty
	if template := templateOf(t, fsys); template != "" {
		if err := makeTemplate(t, admin, server, template, fsys); err != nil {
			t.Fatalf("make a template database on %s: %v", server, err)
		}
		from = " TEMPLATE " + template
	}
	name := "fh_" + strings.ToLower(rand.Text()[:16])
	if _, err := admin.Exec("CREATE DATABASE " + name + from); err != nil {
		t.Fatalf("create a test database on %s: %v", server, err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return withDatabase(t, server, name)
}

// withDatabase is the URL of another database of the same server.
func withDatabase(t testing.TB, server, name string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

//go:embed postgres.sh
var script string

// server is the URL of the server that this test process uses.
var server = sync.OnceValues(func() (string, error) {
	if u := os.Getenv("FH_TEST_POSTGRES"); u != "" {
		return u, nil
	}
	dir := fmt.Sprint("/tmp/freehold-postgres-", os.Getuid()) // as in the script
	if c, err := net.Dial("unix", dir+"/.s.PGSQL.5432"); err == nil {
		c.Close()
		return "postgres://freehold@/postgres?host=" + dir, nil
	}
	// The script lives as long as its standard input, which the kernel closes with this process, however it ends.
	cmd := exec.Command("sh", "-c", script, "postgres.sh", "run")
	if _, err := cmd.StdinPipe(); err != nil {
		return "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		return "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		why := new(strings.Builder)
		_, _ = io.Copy(why, errs) // as much as there is
		return "", fmt.Errorf("start PostgreSQL: %s", strings.TrimSpace(why.String()))
	}
	// Waiting holds on to the pipe: the garbage collector closes one that nothing refers to, and the server would go.
	go func() { _ = cmd.Wait() }()
	return strings.TrimSpace(line), nil
})
