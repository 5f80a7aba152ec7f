package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// pool is the connections of one kind.
type pool struct {
	db    *sql.DB
	setup func(ctx context.Context, c *sql.Conn) error // run on each new connection; may be nil
}

// connect opens one more connection, which is then held until it is closed.
func (p *pool) connect(ctx context.Context, d *dialect) (*conn, error) {
	c, err := p.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	out := &conn{sql: c, dialect: d, stmts: make(map[string]*sql.Stmt), sent: make(map[string]bool)}
	if p.setup != nil {
		if err := p.setup(ctx, c); err != nil {
			out.close()
			return nil, err
		}
	}
	return out, nil
}

// maxStmts bounds a connection's cache. Queries are constants in the program, so it is not reached in practice.
const maxStmts = 1000

// conn is one connection with its prepared statements. It is used by one goroutine at a time.
type conn struct {
	sql     *sql.Conn
	dialect *dialect
	stmts   map[string]*sql.Stmt // by the text before rewriting; holds only the text where the driver keeps the statements
	texts   map[string]string
	sent    map[string]bool // statements that have gone through with Put, which are constants too
}

// close ends the connection itself rather than giving it back to database/sql.
func (c *conn) close() {
	for _, s := range c.stmts {
		s.Close()
	}
	_ = c.sql.Raw(func(any) error { return driver.ErrBadConn }) // which is what makes database/sql drop it
	_ = c.sql.Close()
}

func (c *conn) stmt(ctx context.Context, q string) (*sql.Stmt, error) {
	if s, ok := c.stmts[q]; ok {
		return s, nil
	}
	if len(c.stmts) >= maxStmts {
		for _, s := range c.stmts {
			s.Close()
		}
		clear(c.stmts)
	}
	s, err := c.sql.PrepareContext(ctx, c.text(q))
	if err != nil {
		return nil, err
	}
	c.stmts[q] = s
	return s, nil
}

// text is q for this engine, remembered.
func (c *conn) text(q string) string {
	if t, ok := c.texts[q]; ok {
		return t
	}
	t := c.dialect.query(q)
	if c.texts == nil || len(c.texts) >= maxStmts {
		c.texts = make(map[string]string)
	}
	c.texts[q] = t
	return t
}

func (c *conn) exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	if !c.dialect.prepare {
		return c.sql.ExecContext(ctx, c.text(q), args...)
	}
	s, err := c.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (c *conn) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	if !c.dialect.prepare {
		return c.sql.QueryContext(ctx, c.text(q), args...)
	}
	s, err := c.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *conn) row(ctx context.Context, q string, args ...any) *sql.Row {
	if c.dialect.prepare {
		if s, err := c.stmt(ctx, q); err == nil {
			return s.QueryRowContext(ctx, args...)
		}
		// Ask without a prepared statement: it fails the same way, and the Row carries the error.
	}
	return c.sql.QueryRowContext(ctx, c.text(q), args...)
}

// Tx is a transaction: a snapshot inside Read, or a part of the next commit inside Write and Submit. It is used by the
// function that was given it, in one goroutine, and not afterwards.
type Tx struct {
	ctx    context.Context // of the statements
	caller context.Context // of the Read; nil in writes, which no caller's context may end
	db     *DB             // of the Read; nil in writes
	conn   *conn
	pos    Pos
	rows   []*sql.Rows // opened by the function; those it forgot are closed when it returns
	over   bool
	peeks  bool // there is no database behind it
	single bool // of a ReadOne
	ran    bool // ... whose statement was run
	then   []func()
	puts   []put // statements that wait for the next that is asked something
	marks  int   // of puts: those that set the savepoint of the write, which come first
}

var (
	errOver   = errors.New("bug: transaction used after its function returned")
	errSingle = errors.New("bug: a second statement in ReadOne")

	// ErrPeek answers every statement inside Peek.
	ErrPeek = errors.New("not in memory")
)

// Pos is the first of the positions reserved for this write; the i-th is Pos()+i. In a Read it is what Committed was
// before the snapshot: rows with positions up to this one are all there.
func (tx *Tx) Pos() Pos { return tx.pos }

// Then has fn called once the write is on disk and Committed says so, before Wait returns. fn must not block. It is for who is
// handed a transaction by others and has something to wake, which then finds the write; SubmitThen is for who makes the write. When a COMMIT went
// unanswered fn is not called, though the write may be on disk.
func (tx *Tx) Then(fn func()) { tx.then = append(tx.then, fn) }

// Exec runs a statement and says how many rows it changed.
func (tx *Tx) Exec(q string, args ...any) (int64, error) {
	if err := tx.ready(args); err != nil {
		return 0, err
	}
	if len(tx.puts) > 0 {
		tx.puts = append(tx.puts, put{tx.conn.text(q), args, nil})
		return tx.flush()
	}
	r, err := tx.conn.exec(tx.ctx, q, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Query runs a statement that yields rows, which are read before the next statement is run.
func (tx *Tx) Query(q string, args ...any) (*sql.Rows, error) {
	if err := tx.turn(args); err != nil {
		return nil, err
	}
	r, err := tx.conn.query(tx.ctx, q, args...)
	if err != nil {
		return nil, err
	}
	tx.rows = append(tx.rows, r)
	return r, nil
}

// Row runs a statement that yields at most one row.
func (tx *Tx) Row(q string, args ...any) *Row {
	if err := tx.turn(args); err != nil {
		return &Row{err: err}
	}
	return &Row{row: tx.conn.row(tx.ctx, q, args...)}
}

// ready checks that the transaction is open and turns the arguments into what both drivers take the same way.
func (tx *Tx) ready(args []any) error {
	if tx.over {
		return errOver
	}
	if tx.peeks {
		return ErrPeek
	}
	if tx.single && tx.ran {
		return errSingle
	}
	tx.ran = true
	if tx.caller != nil && tx.caller.Err() != nil {
		return tx.caller.Err()
	}
	for i, a := range args {
		switch v := a.(type) {
		case string, int64, bool, nil:
		case []byte:
			if v == nil {
				args[i] = nil // a nil slice is NULL on both
			}
		case int:
			args[i] = int64(v)
		default:
			c, err := driver.DefaultParameterConverter.ConvertValue(a)
			if err != nil {
				return fmt.Errorf("argument $%d: %w", i+1, err)
			}
			if b, ok := c.([]byte); ok && b == nil {
				c = nil
			}
			args[i] = c
		}
	}
	return nil
}

// end closes what the function left open. The transaction itself is ended by its owner.
func (tx *Tx) end() {
	tx.over = true
	for _, r := range tx.rows {
		r.Close()
	}
	tx.rows = nil
}
