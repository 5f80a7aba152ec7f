package sqldb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Epoch is a restore in the past of a database. The life that the backup was taken from went on after it, and whatever
// it handed out then names positions that mean nothing here; so positions go on far beyond them, and leave a gap.
type Epoch struct {
	Number int64     `json:"number"` // 1 is the first restore
	Name   string    `json:"name"`   // of the restore, random
	Shared Pos       `json:"shared"` // the last position that the backup has: up to here both lives are one
	Begins Pos       `json:"begins"` // where positions went on; between the two none is of this life
	At     time.Time `json:"at"`
}

// Floor is greater than any number can be that counted up by one with the writes of a life before: for ids that must not
// come to mean something else, such as versions of which each has the next number. It is 0 where nothing was restored.
func (e Epoch) Floor() int64 { return int64(e.Begins) >> perSecond }

// perSecond is how many positions there are for each second of the clock, as a power of two: see After.
const perSecond = 20

// After is where positions go on after a restore: beyond all that the server can have handed out since the backup, whenever
// that was made and however often it has been restored. It is the seconds of the clock, a million for each; in case the
// clock is wrong it is far from the position in the backup all the same, and hardly ever twice the same. It stays below
// 2^53, which clients can count to, until the year 2242.
func After(shared Pos, now time.Time) (Pos, error) {
	const gap = 1 << 32
	begins := max(shared, Pos(now.Unix()<<perSecond)) + gap + Pos(rand.Uint32()) //nolint:gosec // nobody gains by guessing it
	if shared < 0 || begins < shared || begins >= 1<<53 {
		return 0, fmt.Errorf("the position %d cannot be gone on from", shared)
	}
	return begins, nil
}

// ErrNotEmpty answers Open for a restore into a database that has something in it.
var ErrNotEmpty = errors.New("the database is not empty")

// ErrEmpty answers Open with ReadOnly of a database that no server has used yet.
var ErrEmpty = errors.New("the database is empty")

// ErrUnfinished answers Open for a database that a restore has begun to fill and not ended.
var ErrUnfinished = errors.New("a restore into this database was interrupted: run `freehold restore` again with the same backup, it starts over")

// unfinished is the table that is there from the beginning of a restore until its end.
const unfinished = "unfinished_restore"

const (
	sqlEpochs   = `SELECT number, name, shared, begins, at FROM epoch ORDER BY number`
	sqlAddEpoch = `INSERT INTO epoch (number, name, shared, begins, at) VALUES ($1, $2, $3, $4, $5)`
)

// Epochs lists the restores in the past of this database, the first one first.
func (tx *Tx) Epochs() ([]Epoch, error) {
	scan := func(row Scanner) (e Epoch, err error) {
		var at int64
		err = row.Scan(&e.Number, &e.Name, &e.Shared, &e.Begins, &at)
		e.At = time.UnixMilli(at).UTC()
		return e, err
	}
	return All(tx, scan, sqlEpochs)
}

// Epoch is the last restore, or one with the number 0 when there was none.
func (db *DB) Epoch() Epoch {
	if len(db.epochs) == 0 {
		return Epoch{}
	}
	return db.epochs[len(db.epochs)-1]
}

// Lost says whether a position was handed out by a life of this server that a restore has ended, and by which.
func (db *DB) Lost(p Pos) (by Epoch, lost bool) {
	for _, e := range db.epochs {
		if e.Shared < p && p < e.Begins {
			return e, true
		}
	}
	return Epoch{}, false
}

// Restored is what a backup says of the database that it was taken from, and where this one goes on.
type Restored struct {
	Shared Pos     // the last position in the backup
	Epochs []Epoch // the restores before
	Begins Pos     // where positions go on: beyond all that can have been handed out
	At     time.Time
}

// EndRestore ends the restore that the database was opened for. In one transaction it runs fn, whose Tx.Pos is r.Begins,
// sets the position, and makes the database one that Open takes without Config.Restore. The database is then to be
// closed: nothing else may be written before it is opened anew.
func (db *DB) EndRestore(ctx context.Context, r Restored, fn func(*Tx) error) error {
	if db.config.Restore == "" {
		return errors.New("bug: EndRestore of a database that is not being restored")
	}
	if r.Begins <= r.Shared {
		return fmt.Errorf("bug: positions would go on at %d and are at %d already", r.Begins, r.Shared)
	}
	return db.Submit(0, func(tx *Tx) error {
		tx.pos = r.Begins
		if err := fn(tx); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM epoch`); err != nil {
			return err
		}
		last := Epoch{Number: 1, Name: db.config.Restore, Shared: r.Shared, Begins: r.Begins, At: r.At}
		if n := len(r.Epochs); n > 0 {
			last.Number = r.Epochs[n-1].Number + 1
		}
		for _, e := range append(slices.Clone(r.Epochs), last) {
			if _, err := tx.Exec(sqlAddEpoch, e.Number, e.Name, e.Shared, e.Begins, e.At.UnixMilli()); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(sqlSaveHigh, r.Begins); err != nil {
			return err
		}
		_, err := tx.Exec(`DROP TABLE ` + unfinished)
		return err
	}).Wait(ctx)
}

// look is what Open does with a database that is only read.
func (db *DB) look(ctx context.Context) error {
	return db.Read(ctx, func(tx *Tx) error {
		tables, err := Column[string](tx, db.dialect.allTables)
		if err != nil {
			return err
		}
		switch {
		case slices.Contains(tables, unfinished):
			return ErrUnfinished
		case !slices.Contains(tables, "position"):
			return ErrEmpty
		}
		high, err := tx.High()
		if err != nil {
			return err
		}
		db.committed.Store(int64(high)) // what there is now, nobody here has seen being written
		db.saved.Store(int64(high))
		if !slices.Contains(tables, "epoch") { // of an older version
			return nil
		}
		db.epochs, err = tx.Epochs()
		return err
	})
}

// takeState looks at what the database is before anything is made in it: Open refuses one that is half restored, and for a
// restore one that has something in it, unless that is the rest of a restore.
func (w *writer) takeState(ctx context.Context) error {
	tables, err := w.tableNames(ctx)
	if err != nil {
		return err
	}
	name := w.db.config.Restore
	half := slices.Contains(tables, unfinished)
	if name == "" {
		if half {
			return ErrUnfinished
		}
		return nil
	}
	if len(tables) > 0 {
		if !half && slices.Contains(tables, "epoch") { // ended in the database, but not beside it
			var last string
			err := w.conn.row(ctx, `SELECT coalesce(max(name), '') FROM epoch WHERE number = (SELECT max(number) FROM epoch)`).Scan(&last)
			if err != nil {
				return err
			}
			half = last == name
		}
		if !half {
			return ErrNotEmpty
		}
	}
	if err := w.beginRestore(ctx, tables); err != nil {
		return fmt.Errorf("begin the restore: %w", err)
	}
	return nil
}

// beginRestore drops what an interrupted restore left and says that one is under way, both or neither: a server that opens the
// database at any moment, and be it while PostgreSQL still works for a process that was killed, finds the mark.
func (w *writer) beginRestore(ctx context.Context, tables []string) error {
	var q strings.Builder
	q.WriteString("BEGIN;\n")
	for _, t := range tables {
		if t != unfinished {
			q.WriteString(`DROP TABLE IF EXISTS ` + quoted(t) + ";\n") // shadow tables go with theirs
		}
	}
	q.WriteString(`CREATE TABLE IF NOT EXISTS ` + unfinished + " (id BIGINT PRIMARY KEY);\nCOMMIT;")
	_, err := w.conn.sql.ExecContext(ctx, q.String())
	return err
}

func (w *writer) tableNames(ctx context.Context) (names []string, err error) {
	rows, err := w.conn.sql.QueryContext(ctx, w.db.dialect.allTables)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// readEpochs is for Open, once the tables of this package are there.
func (w *writer) readEpochs(ctx context.Context) error {
	rows, err := w.conn.sql.QueryContext(ctx, sqlEpochs)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e Epoch
		var at int64
		if err := rows.Scan(&e.Number, &e.Name, &e.Shared, &e.Begins, &at); err != nil {
			return err
		}
		e.At = time.UnixMilli(at).UTC()
		w.db.epochs = append(w.db.epochs, e)
	}
	return rows.Err()
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
