package archive

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/durable"
	"freehold.example/base/sqldb"
	"freehold.example/core/account"
	"freehold.example/core/keys"
	"freehold.example/core/schema"
)

// Target is where a server is to be made of an archive: a directory and a database with nothing in them.
type Target struct {
	Dir         string
	DatabaseURL string // "" for SQLite in Dir
	Now         func() time.Time

	// Progress is called now and then; checked is false in the first reading, which changes nothing. It may be nil.
	Progress func(checked bool, at Summary)
}

// Restore reads the archive twice: to check it, and to restore it. Until the last step the directory and the database are
// marked as half restored, which a server refuses to start with and a second Restore removes.
func (t Target) Restore(ctx context.Context, archive io.ReadSeeker) (Summary, error) {
	if _, err := t.check(ctx, archive); err != nil {
		return Summary{}, err
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return Summary{}, err
	}
	dir, err := takeDir(t.Dir, t.Now())
	if err != nil {
		return Summary{}, err
	}
	defer dir.release()
	sum, err := t.fill(ctx, dir.mark.Name, archive)
	if err != nil {
		return sum, err
	}
	if err := durable.WriteFile(filepath.Join(t.Dir, "server_name"), []byte(sum.Server+"\n"), 0o600); err != nil {
		return sum, err
	}
	return sum, dir.done()
}

// check reads the archive for the first time.
func (t Target) check(ctx context.Context, archive io.Reader) (Summary, error) {
	key := false
	sum, err := Read(archive, Visitor{
		Header: func(h *Header) error {
			if err := sqldb.Knows(schema.FS, h.Migrations); err != nil {
				return fmt.Errorf("this version of the program cannot use the backup: %w", err)
			}
			return nil
		},
		File:     func(name string, _ []byte) error { key = key || name == "signing.key"; return nil },
		Rows:     func(*sqldb.Table, [][]any) error { return ctx.Err() },
		Progress: t.progress(false),
	})
	if err == nil && !key {
		err = damaged("the signing key is not in it")
	}
	return sum, err
}

func (t Target) progress(checked bool) func(Summary) {
	return func(at Summary) {
		if t.Progress != nil {
			t.Progress(checked, at)
		}
	}
}

// fill restores everything but the name of the server.
func (t Target) fill(ctx context.Context, name string, archive io.Reader) (sum Summary, err error) {
	db, err := sqldb.Open(ctx, sqldb.Config{URL: t.DatabaseURL, Dir: t.Dir, Restore: name, ReadConns: 1})
	if errors.Is(err, sqldb.ErrNotEmpty) {
		return sum, errors.New("the database has tables already: a backup is restored into an empty one (name another with --database-url)")
	}
	if err != nil {
		return sum, fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	blobs, err := blob.Open(filepath.Join(t.Dir, "media"), t.Now)
	if err != nil {
		return sum, fmt.Errorf("open the media store: %w", err)
	}
	l := &loader{db: db}
	sum, err = Read(archive, Visitor{
		Header: func(h *Header) error { return l.prepare(ctx, h) },
		File: func(name string, content []byte) error {
			return durable.WriteFile(filepath.Join(t.Dir, name), content, 0o600)
		},
		Rows: func(table *sqldb.Table, rows [][]any) error { return l.load(ctx, table, rows) },
		Media: func(h blob.Hash, size int64, r io.Reader) error {
			_, err := blobs.Put(ctx, r, size)
			return err
		},
		Progress: t.progress(true),
	})
	if err != nil {
		return sum, err
	}
	// From here on as when a server of this version starts on the database of an older one.
	if err := db.Migrate(ctx, schema.FS); err != nil {
		return sum, fmt.Errorf("prepare the database: %w", err)
	}
	now := t.Now()
	begins, err := sqldb.After(sum.Position, now)
	if err != nil {
		return sum, err
	}
	end := sqldb.Restored{Shared: sum.Position, Epochs: sum.Epochs, Begins: begins, At: now}
	if err := db.EndRestore(ctx, end, forget); err != nil {
		return sum, fmt.Errorf("end the restore: %w", err)
	}
	return sum, nil
}

// forget takes out of the tables what must not be used in a second life: docs/backup.md has the list.
func forget(tx *sqldb.Tx) error {
	users, err := account.Everybody(tx)
	if err != nil {
		return err
	}
	return keys.Restored(tx, users)
}

// loader puts rows into a database.
type loader struct {
	db     *sqldb.DB
	tables map[string]bool
}

// prepare makes the tables as they were in the database of the backup, without the rows that migrations bring along.
func (l *loader) prepare(ctx context.Context, h *Header) error {
	if len(h.Migrations) == 0 {
		return damaged("it does not say which schema its database had")
	}
	if err := l.db.MigrateTo(ctx, schema.FS, h.Migrations[len(h.Migrations)-1].Number); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	return l.db.Submit(0, func(tx *sqldb.Tx) error {
		tables, err := tx.Tables()
		if err != nil {
			return err
		}
		l.tables = map[string]bool{}
		for _, t := range tables {
			i := slices.IndexFunc(h.Tables, func(other sqldb.Table) bool { return other.Name == t.Name })
			if i < 0 {
				return damaged("the table %s is not in it", t.Name)
			}
			if !sameColumns(t, h.Tables[i]) {
				return damaged("its table %s has other columns than the schema that it names", t.Name)
			}
			if err := tx.Clear(t); err != nil {
				return err
			}
			l.tables[t.Name] = true
		}
		if len(h.Tables) != len(tables) {
			return damaged("it has tables that the schema that it names has not")
		}
		return nil
	}).Wait(ctx)
}

// sameColumns compares without the order: an added column is the last one, wherever a fresh schema has it.
func sameColumns(a, b sqldb.Table) bool {
	if len(a.Columns) != len(b.Columns) {
		return false
	}
	for _, c := range a.Columns {
		if !slices.Contains(b.Columns, c) {
			return false
		}
	}
	return true
}

func (l *loader) load(ctx context.Context, t *sqldb.Table, rows [][]any) error {
	if !l.tables[t.Name] {
		return damaged("the table %s is none of its schema", t.Name)
	}
	return l.db.Submit(0, func(tx *sqldb.Tx) error { return tx.Load(*t, rows) }).Wait(ctx)
}

// Files of the data directory that are there during a restore.
const (
	markName = "restoring"
	lockName = "restore.lock"
)

// mark is the content of the file that marks a directory as half restored.
type mark struct {
	Name  string    `json:"name"` // of the restore; the database has it too
	Began time.Time `json:"began"`
	Note  string    `json:"note"`
}

// dir is a data directory that is being restored into.
type dir struct {
	path   string
	mark   mark
	unlock func() error
}

// HalfRestored says that a restore into the data directory was begun and not ended; a server must not start there.
func HalfRestored(path string) error {
	_, err := os.Stat(filepath.Join(path, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("a restore into %s was interrupted: run `freehold restore` again with the same backup, it starts over", path)
}

// takeDir marks an empty directory, making it when it is not there, or goes on with one that is marked already. What an
// interrupted restore left in that is removed as it is restored again.
func takeDir(path string, now time.Time) (*dir, error) {
	if err := durable.MkdirAll(path); err != nil {
		return nil, err
	}
	entries, err := others(path)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 && !slices.Contains(entries, markName) { // asked before the lock, which would leave a file
		return nil, notEmpty(path, entries)
	}
	unlock, err := durable.Lock(filepath.Join(path, lockName))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("another restore into %s is running", path)
	} else if err != nil {
		return nil, err
	}
	d := &dir{path: path, unlock: unlock}
	if err := d.take(now); err != nil {
		return nil, errors.Join(err, unlock())
	}
	return d, nil
}

func notEmpty(path string, entries []string) error {
	return fmt.Errorf("%s is not empty (it has %s): a backup is restored into an empty directory; name another with --data-dir", path, entries[0])
}

// others lists what is in a directory, but for what is in every one.
func others(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Name() != lockName && e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), durable.TempPrefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d *dir) take(now time.Time) error {
	entries, err := others(d.path) // again, as another restore may have ended since
	if err != nil {
		return err
	}
	at := filepath.Join(d.path, markName)
	if slices.Contains(entries, markName) {
		b, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &d.mark); err != nil || d.mark.Name == "" {
			return fmt.Errorf("%s is not what a restore writes", at)
		}
		// The directory was empty when it was marked. A database elsewhere is emptied when it is opened.
		for _, name := range []string{"media", "freehold.db", "freehold.db-wal", "freehold.db-shm"} {
			if err := os.RemoveAll(filepath.Join(d.path, name)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(entries) > 0 {
		return notEmpty(d.path, entries)
	}
	d.mark = mark{
		Name: rand.Text(), Began: now.UTC(),
		Note: "A restore into this directory has begun and not ended. Run `freehold restore` again with the same backup: it starts over.",
	}
	b, err := json.MarshalIndent(d.mark, "", " ")
	if err != nil {
		return err
	}
	return durable.WriteFile(at, append(b, '\n'), 0o600)
}

// done makes the directory one that a server starts with. It is the last step.
func (d *dir) done() error {
	if err := os.Remove(filepath.Join(d.path, markName)); err != nil {
		return err
	}
	return errors.Join(os.Remove(filepath.Join(d.path, lockName)), durable.SyncDir(d.path))
}

func (d *dir) release() { _ = d.unlock() } // the process ends with it at the latest
