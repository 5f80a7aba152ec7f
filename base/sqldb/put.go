package sqldb

import (
	"bytes"
	"errors"
	"slices"
)

// put is a statement that was handed to Put.
type put struct {
	text string // for this engine
	args []any
	none error // the answer when it changes no row; nil when it need not
}

// maxPuts bounds the statements that wait.
const maxPuts = 100

var errPut = errors.New("bug: a Put in a Read")

// Put is Exec for who need not know now what comes of it: where a statement is a round trip to a server it is sent with the next that is
// asked something, or when the function of the write has returned, which then has failed if the statement has.
func (tx *Tx) Put(q string, args ...any) error { return tx.put(nil, q, args) }

// PutOne is Put for a statement that has to change a row: none is the error when it changes none.
func (tx *Tx) PutOne(none error, q string, args ...any) error { return tx.put(none, q, args) }

func (tx *Tx) put(none error, q string, args []any) error {
	if err := tx.ready(args); err != nil {
		return err
	}
	if tx.caller != nil {
		return errPut
	}
	if tx.conn.dialect.together == nil {
		r, err := tx.conn.exec(tx.ctx, q, args...)
		if err != nil || none == nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return none
	}
	for i, a := range args {
		if b, ok := a.([]byte); ok {
			args[i] = bytes.Clone(b) // its owner may use it again before it is sent
		}
	}
	tx.puts = append(tx.puts, put{tx.conn.text(q), args, none})
	if len(tx.puts) < maxPuts {
		return nil
	}
	_, err := tx.flush()
	return err
}

// turn is ready, for a statement that is run right away.
func (tx *Tx) turn(args []any) error {
	if err := tx.ready(args); err != nil {
		return err
	}
	_, err := tx.flush()
	return err
}

// flush runs the statements that wait. It says how many rows the last has changed, or gives the error of the first that failed.
func (tx *Tx) flush() (int64, error) {
	if len(tx.puts) == 0 {
		return 0, nil
	}
	puts, marks, c := tx.puts, tx.marks, tx.conn
	tx.puts, tx.marks = nil, 0
	isNew := func(p put) bool { return !c.sent[p.text] }
	if marks > 0 && slices.ContainsFunc(puts[marks:], isNew) { // what cannot be prepared fails all that is sent with it
		if _, err := c.dialect.together(tx.ctx, c.sql, puts[:marks]); err != nil {
			return 0, err
		}
		puts = puts[marks:]
	}
	n, err := c.dialect.together(tx.ctx, c.sql, puts)
	if err == nil && slices.ContainsFunc(puts, isNew) {
		for _, p := range puts {
			c.sent[p.text] = true
		}
	}
	return n, err
}
