package sqldb

import (
	"context"
	"errors"
	"fmt"
)

// Read runs fn on a read-only snapshot, on a connection of its own. When all connections are in use it waits.
func (db *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	tx, err := db.reader(ctx, false)
	if err != nil {
		return err
	}
	defer tx.giveBack(false) // when fn panics
	err = fn(tx)
	tx.end()
	tx.giveBack(true)
	return err
}

// ReadOne is Read for a function that runs one statement. That sees one moment as it is: beginning a snapshot and ending it would cost
// as much as most statements, and each is a way to the server and back where there is one. fn may be run again.
func (db *DB) ReadOne(ctx context.Context, fn func(*Tx) error) error {
	tx, err := db.reader(ctx, true)
	if err != nil {
		return err
	}
	defer tx.giveBack(false) // when fn panics
	err = fn(tx)
	tx.end()
	lost := err != nil && db.dialect.lost != nil && db.dialect.lost(tx.conn.sql)
	tx.giveBack(!lost)
	if lost && ctx.Err() == nil { // while nobody used it: Read finds that out before fn is run
		return db.Read(ctx, fn)
	}
	return err
}

// reader is a Tx on a connection that was lent to it; single says that it is for one statement.
func (db *DB) reader(ctx context.Context, single bool) (*Tx, error) {
	tx := &Tx{ctx: ctx, caller: ctx, db: db, single: single}
	if db.dialect.detached {
		tx.ctx = context.WithoutCancel(ctx)
	}
	return tx, tx.lend()
}

// lend takes a connection and begins a snapshot on it.
func (tx *Tx) lend() error {
	c, err := tx.db.idleConn(tx.caller)
	if err != nil {
		return err
	}
	tx.pos = tx.db.Committed() // before the snapshot: see Pos
	fresh := c == nil
	if fresh || !tx.single {
		c, err = tx.db.beginRead(tx.caller, c, tx.single)
	}
	switch {
	case fresh:
		tx.db.spare.opened(err == nil)
	case err != nil:
		tx.db.spare.back()
	}
	if err != nil {
		return err
	}
	tx.conn = c
	return nil
}

// giveBack ends the snapshot and lets others have the connection; one that is not sound is closed.
func (tx *Tx) giveBack(sound bool) {
	c := tx.conn
	if c == nil {
		return
	}
	tx.conn = nil
	if sound && !tx.single {
		_, err := c.exec(context.WithoutCancel(tx.caller), "ROLLBACK")
		sound = err == nil
	}
	if !sound {
		c.close()
		tx.db.spare.back()
		return
	}
	tx.db.idle.push(c)
}

// Pause ends the snapshot of a Read, runs fn without it, and goes on in a new one. It is for who has much to hand on to
// somebody who may be slow: neither a connection nor the log of the database is held meanwhile. What was read before and
// after need not fit together but where it is bounded by positions. fn must not use tx.
func (tx *Tx) Pause(fn func() error) error {
	if tx.caller == nil || tx.conn == nil {
		return errors.New("bug: only a Read can pause")
	}
	tx.end()
	tx.giveBack(true)
	if err := fn(); err != nil {
		return err
	}
	if err := tx.lend(); err != nil {
		return err
	}
	tx.over = false
	return nil
}

// beginRead starts a snapshot on c, or on a new connection when there was none or it has been lost meanwhile. single: it only opens one.
func (db *DB) beginRead(ctx context.Context, c *conn, single bool) (*conn, error) {
	if c != nil {
		if _, err := c.exec(context.WithoutCancel(ctx), db.dialect.beginRead); err == nil {
			return c, nil
		}
		c.close()
	}
	c, err := db.read.connect(ctx, db.dialect)
	if err != nil || single {
		return c, err
	}
	if _, err := c.exec(context.WithoutCancel(ctx), db.dialect.beginRead); err != nil {
		c.close()
		return nil, fmt.Errorf("begin read: %w", err)
	}
	return c, nil
}

// Peek runs fn as Read does, but without the database: every statement answers ErrPeek. It is for who may have all there
// is to read in memory, and reads otherwise. What memory says must hold at Tx.Pos, which is also High here: not Committed,
// as the positions of writes that failed are given out again after a restart.
func (db *DB) Peek(ctx context.Context, fn func(*Tx) error) error {
	tx := &Tx{ctx: ctx, pos: Pos(db.saved.Load()), peeks: true}
	err := fn(tx)
	tx.end()
	return err
}

// Peeking says whether there is no database behind the transaction.
func (tx *Tx) Peeking() bool { return tx.peeks }

// Writing says whether the transaction is part of a commit, which may fail: what it reads may never have been.
func (tx *Tx) Writing() bool { return tx.caller == nil && !tx.peeks }

// High is the greatest position that any row of this snapshot can have. A reader that hands positions out, and must not
// show a row twice or never, takes it as the end of what it has read; Pos may be lower than rows in the snapshot.
func (tx *Tx) High() (Pos, error) {
	if tx.peeks {
		return tx.pos, nil
	}
	var high Pos
	err := tx.Row(sqlHigh).Scan(&high)
	return high, err
}
