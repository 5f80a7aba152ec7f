package sqldb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"strconv"
)

// migration is one numbered file.
type migration struct {
	number int64
	name   string
	sum    string // SHA-256 of the file
	text   string
}

const (
	sqlApplied = `SELECT number, name, sum FROM schema_version ORDER BY number`
	sqlApply   = `INSERT INTO schema_version (number, name, sum) VALUES ($1, $2, $3)`
)

// Migration is a change of the schema that a database has had.
type Migration struct {
	Number int64  `json:"number"`
	Name   string `json:"name"` // of its file
	Sum    string `json:"sum"`  // SHA-256 of its file
}

// Migrations lists what was run on this database.
func (tx *Tx) Migrations() ([]Migration, error) {
	scan := func(row Scanner) (m Migration, err error) {
		err = row.Scan(&m.Number, &m.Name, &m.Sum)
		return m, err
	}
	return All(tx, scan, sqlApplied)
}

// Knows says whether a program with the files of fsys can use a database that has had these migrations, and if not, why.
func Knows(fsys fs.FS, had []Migration) error {
	known, err := migrations(fsys)
	if err != nil {
		return err
	}
	applied := make([]migration, len(had))
	for i, m := range had {
		applied[i] = migration{number: m.Number, name: m.Name, sum: m.Sum}
	}
	return compatible(applied, known)
}

// Migrate brings the schema up to date: it runs the files NNNN_name.sql of fsys that have not been run on this database,
// in order, each in one transaction. It refuses a database that a newer program has changed, and one whose files were
// changed after they ran.
func (db *DB) Migrate(ctx context.Context, fsys fs.FS) error {
	return db.MigrateTo(ctx, fsys, math.MaxInt64)
}

// MigrateTo is Migrate without the files that have a number greater than last: the schema of an older program.
func (db *DB) MigrateTo(ctx context.Context, fsys fs.FS, last int64) error {
	known, err := migrations(fsys)
	if err != nil {
		return err
	}
	var applied []migration
	err = db.Read(ctx, func(tx *Tx) error {
		applied = nil
		rows, err := tx.Query(sqlApplied)
		if err != nil {
			return err
		}
		for rows.Next() {
			var m migration
			if err := rows.Scan(&m.number, &m.name, &m.sum); err != nil {
				return err
			}
			applied = append(applied, m)
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	if err := compatible(applied, known); err != nil {
		return err
	}
	made := len(applied) == 0 // whoever starts the program for the first time is not shown the whole history of its schema
	for i, m := range known[len(applied):] {
		if m.number > last {
			break
		}
		text := db.dialect.schema(m.text)
		err := db.Submit(0, func(tx *Tx) error {
			if _, err := tx.conn.sql.ExecContext(tx.ctx, text); err != nil {
				return err
			}
			_, err := tx.Exec(sqlApply, m.number, m.name, m.sum)
			return err
		}).Wait(ctx)
		if err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
		switch {
		case !made:
			db.log.Info("database schema changed", "migration", m.name)
		case i == 0:
			db.log.Info("database made")
		}
	}
	return nil
}

// compatible says whether what was applied is what the program's files begin with.
func compatible(applied, known []migration) error {
	for i, a := range applied {
		switch {
		case i >= len(known) || known[i].number > a.number:
			return fmt.Errorf("this database was changed by a newer version of the program (it has migration %s, which this "+
				"version does not know): run the newer version, or restore the backup that was made before the upgrade", a.name)
		case known[i].number < a.number:
			return fmt.Errorf("migration %s was never run on this database although %s was: "+
				"migrations are only ever added at the end", known[i].name, a.name)
		case known[i].sum != a.sum:
			return fmt.Errorf("migration %s was changed after it ran on this database (checksum %s then, %s now): "+
				"a released migration is never edited, add a new one", a.name, a.sum[:min(8, len(a.sum))], known[i].sum[:8])
		}
	}
	return nil
}

var migrationName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

// migrations reads the files in the order of their numbers.
func migrations(fsys fs.FS) ([]migration, error) {
	names, err := fs.Glob(fsys, "*.sql") // in lexical order, which is that of the numbers
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var all []migration
	for _, name := range names {
		m := migrationName.FindStringSubmatch(name)
		if m == nil {
			return nil, fmt.Errorf("migration %q: the name is not of the form 0001_name.sql", name)
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		number, _ := strconv.ParseInt(m[1], 10, 64) // four digits
		if n := len(all); n > 0 && all[n-1].number == number {
			return nil, fmt.Errorf("migrations %s and %s have the same number", all[n-1].name, name)
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{number: number, name: name, sum: hex.EncodeToString(sum[:]), text: string(text)})
	}
	return all, nil
}
