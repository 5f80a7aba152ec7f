package sqldb

import (
	"context"
	"time"

	"freehold.example/base/durable"
)

// explain makes a fault of an error that says that the disk is full.
func (db *DB) explain(err error) error {
	if db.dialect.full(err) {
		return durable.ErrFull.Because(err)
	}
	return err
}

// lost logs what became of a batch that failed. That the disk is full is said once and not for every write: the log may be
// on the same disk.
func (w *writer) lost(err error) {
	if durable.Full(err) {
		if !w.db.full.Swap(true) {
			w.db.log.Error("the disk is full: writes are refused until there is room", "err", err)
		}
		return
	}
	w.db.log.Error("a batch of writes was lost", "writes", len(w.batch), "err", err)
}

// kept notes that a batch was committed.
func (w *writer) kept() {
	if w.db.full.Swap(false) {
		w.db.log.Info("there is room on the disk again: writes go through")
	}
}

const sqlTouch = `UPDATE position SET high = high WHERE id = 1`

// Writable says why nothing can be written now: the disk is full, as the last write has found and another one, which
// changes nothing, finds still. Nothing is tried while writes go through.
func (db *DB) Writable(ctx context.Context) error {
	if !db.full.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(sqlTouch)
		return err
	})
}
