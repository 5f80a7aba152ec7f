package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"freehold.example/base/durable"
)

var sqliteDialect = &dialect{
	name:       sqliteName,
	beginRead:  "BEGIN",
	beginWrite: "BEGIN IMMEDIATE",
	list: map[string]string{
		"list":  "SELECT value FROM json_each(%s)",
		"ints":  "SELECT value FROM json_each(%s)",
		"blobs": "SELECT unhex(value) FROM json_each(%s)",
	},
	allTables: `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') AND substr(name, 1, 7) <> 'sqlite_'`,
	tables:    `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name`,
	columns:   `SELECT name, type FROM pragma_table_xinfo($1) WHERE hidden = 0 ORDER BY cid`,
	size:      `SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`,
	clock:     `SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
	integrity: `PRAGMA integrity_check(20)`,
	trim:      `PRAGMA shrink_memory`,
	param:     "?",
	prepare:   true,
	detached:  true,
	maxBatch:  256,
	retriable: func(error) bool { return false }, // there is one writer, nothing to collide with
	full: func(err error) bool {
		e, ok := errors.AsType[*sqlite.Error](err)
		return ok && (e.Code() == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE)
	},
}

// openSQLite opens Dir/freehold.db in WAL mode.
func openSQLite(_ context.Context, db *DB) error {
	db.dialect = sqliteDialect
	if db.config.Dir == "" {
		return errors.New("sqldb: neither URL nor Dir is set")
	}
	path, err := filepath.Abs(filepath.Join(db.config.Dir, "freehold.db"))
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if db.config.ReadOnly {
		return openSQLiteToRead(db, path)
	}
	if err := os.MkdirAll(db.config.Dir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if db.unlock, err = durable.Lock(path + ".lock"); errors.Is(err, durable.ErrLocked) {
		return fmt.Errorf("another process uses this data directory (it holds %s): %w", path+".lock", err)
	} else if err != nil {
		return fmt.Errorf("lock the data directory: %w", err)
	}
	if err := private(path); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	// synchronous(FULL): a commit is on the disk before it is answered (D5). No mmap: a failing disk would be a SIGBUS.
	// Checkpoints are not the writer's work: see checkpoints.
	write, err := sqlitePool(path, 1, -16<<10, "synchronous(FULL)", "wal_autocheckpoint(0)",
		"journal_size_limit(67108864)") // what a long reader has made of the log is given back
	if err != nil {
		return err
	}
	db.write = &pool{db: write}
	read, err := sqlitePool(path, db.config.ReadConns, -2<<10, "query_only(1)")
	if err != nil {
		return err
	}
	db.read = &pool{db: read}
	check, err := sqlitePool(path, 1, -1<<10, "synchronous(FULL)", "busy_timeout(0)")
	if err != nil {
		return err
	}
	db.checkpoints = newCheckpoints(check, path+"-wal", db.log)
	return nil
}

// openSQLiteToRead opens a database that is there already, whoever else uses it.
func openSQLiteToRead(db *DB, path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	read, err := sqlitePool(path, db.config.ReadConns, -2<<10, "query_only(1)")
	if err != nil {
		return err
	}
	db.read = &pool{db: read}
	return nil
}

// private makes the database's file, or takes from others what they may do with one that is there: the directory may be one
// that everybody can look into. SQLite gives the files beside it the same mode.
func private(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		flags := os.O_RDWR
		if name == path {
			flags |= os.O_CREATE
		}
		f, err := os.OpenFile(name, flags, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(f.Chmod(0o600), f.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sqlitePool prepares connections with a page cache of cache (in KiB when negative, as SQLite has it).
func sqlitePool(path string, conns, cache int, pragmas ...string) (*sql.DB, error) {
	q := url.Values{}
	for _, p := range append([]string{
		"journal_mode(WAL)", "foreign_keys(1)", "busy_timeout(10000)", "temp_store(MEMORY)",
		"cache_size(" + strconv.Itoa(cache) + ")",
	}, pragmas...) {
		q.Add("_pragma", p)
	}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	return db, nil
}
