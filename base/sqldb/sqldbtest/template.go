package sqldbtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"freehold.example/base/sqldb"
)

// A schema of many files takes longer to run than most tests do, in particular under the race detector. So it is run once on each
// engine, and what it makes is copied.

// worthIt is how many files a schema has for which that is done.
const worthIt = 10

// templateOf names what the files of a schema make; "" for a schema that is as quickly run.
func templateOf(t testing.TB, fsys fs.FS) string {
	t.Helper()
	if fsys == nil {
		return ""
	}
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < worthIt {
		return ""
	}
	sum := sha256.New()
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%s %d %s", name, len(text), text)
	}
	return fmt.Sprintf("fh_schema_%x", sum.Sum(nil)[:8])
}

// files are the SQLite databases of this process's schemas, by the names of their templates.
var files = struct {
	sync.Mutex
	m map[string][]byte
}{m: map[string][]byte{}}

// Fill puts a new SQLite database with the schema of fsys into a folder that has none, for a server that is started there.
func Fill(t testing.TB, fsys fs.FS, dir string) {
	t.Helper()
	name := templateOf(t, fsys)
	if name == "" {
		return
	}
	files.Lock()
	defer files.Unlock()
	if files.m[name] == nil {
		made := t.TempDir()
		if err := migrate(fsys, sqldb.Config{Dir: made}); err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(filepath.Join(made, "freehold.db")) // all of it: closing has written the log back
		if err != nil {
			t.Fatal(err)
		}
		files.m[name] = body
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "freehold.db"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return
	}
	if err == nil {
		_, err = f.Write(files.m[name])
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func migrate(fsys fs.FS, c sqldb.Config) error {
	db, err := sqldb.Open(context.Background(), c)
	if err != nil {
		return err
	}
	return errors.Join(db.Migrate(context.Background(), fsys), db.Close())
}

// makeTemplate makes a PostgreSQL database of that name with the schema of fsys, unless another process has. It is unfinished while it
// has another name.
func makeTemplate(t testing.TB, admin *sql.DB, server, name string, fsys fs.FS) error {
	t.Helper()
	ctx := t.Context()
	conn, err := admin.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock(hashtext('freehold test schema'))"); err != nil {
		return err
	}
	defer conn.ExecContext(ctx, "SELECT pg_advisory_unlock_all()") // the connection is closed next
	var there bool
	err = conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&there)
	if err != nil || there {
		return err
	}
	unfinished := name + "_unfinished"
	for _, q := range []string{"DROP DATABASE IF EXISTS " + unfinished + " WITH (FORCE)", "CREATE DATABASE " + unfinished + empty} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	if err := migrate(fsys, sqldb.Config{URL: withDatabase(t, server, unfinished)}); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "ALTER DATABASE "+unfinished+" RENAME TO "+name)
	return err
}
