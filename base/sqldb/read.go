package sqldb

import (
	"context"
	"fmt"
)

// Read runs fn on a read-only snapshot, on a connection of its own. When all connections are in use it waits.
func (db *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	var c *conn
	select {
	case c = <-db.reads:
	default:
		select {
		case c = <-db.reads:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	healthy := false
	defer func() { // also when fn panics
		if !healthy && c != nil {
			c.close()
			c = nil
		}
		db.reads <- c
	}()
	pos := db.Committed() // before the snapshot: see Tx.Pos
	c, err := db.beginRead(ctx, c)
	if err != nil {
		return err
	}
	tx := &Tx{ctx: ctx, caller: ctx, conn: c, pos: pos}
	if db.dialect.detached {
		tx.ctx = context.WithoutCancel(ctx)
	}
	err = fn(tx)
	tx.end()
	_, endErr := c.exec(context.WithoutCancel(ctx), "ROLLBACK")
	healthy = endErr == nil
	return err
}

// beginRead starts a snapshot on c, or on a new connection when there was none or it has been lost meanwhile.
func (db *DB) beginRead(ctx context.Context, c *conn) (*conn, error) {
	if c != nil {
		if _, err := c.exec(context.WithoutCancel(ctx), db.dialect.beginRead); err == nil {
			return c, nil
		}
		c.close()
	}
	c, err := db.read.connect(ctx, db.dialect)
	if err != nil {
		return nil, err
	}
	if _, err := c.exec(context.WithoutCancel(ctx), db.dialect.beginRead); err != nil {
		c.close()
		return nil, fmt.Errorf("begin read: %w", err)
	}
	return c, nil
}

// High is the greatest position that any row of this snapshot can have. A reader that hands positions out, and must not
// show a row twice or never, takes it as the end of what it has read; Pos may be lower than rows in the snapshot.
func (tx *Tx) High() (Pos, error) {
	var high Pos
	err := tx.Row(sqlHigh).Scan(&high)
	return high, err
}
