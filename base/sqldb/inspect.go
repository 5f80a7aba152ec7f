package sqldb

import (
	"context"
	"time"
)

// Size is how many bytes the database takes on its disk, as far as it knows itself.
func (db *DB) Size(ctx context.Context) (n int64, err error) {
	err = db.Read(ctx, func(tx *Tx) error { return tx.Row(db.dialect.size).Scan(&n) })
	return n, err
}

// Integrity has the engine look at its files, as far as it can, and says what is wrong with them. It reads all of them.
func (db *DB) Integrity(ctx context.Context) (problems []string, err error) {
	if db.dialect.integrity == "" {
		return nil, nil
	}
	err = db.Read(ctx, func(tx *Tx) error {
		problems, err = Column[string](tx, db.dialect.integrity)
		return err
	})
	if len(problems) == 1 && problems[0] == "ok" {
		problems = nil
	}
	return problems, err
}

// Clock is what time it is for the database, in a process of its own perhaps on another machine.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var ms int64
	err := db.Read(ctx, func(tx *Tx) error { return tx.Row(db.dialect.clock).Scan(&ms) })
	return time.UnixMilli(ms), err
}
