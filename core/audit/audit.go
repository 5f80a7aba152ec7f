// Package audit keeps what the administrators of a server have done: who, when, what, to whom, with which parameters, and
// what came of it.
//
// A deed is written down before it is begun, so that none is done without a record, whatever happens in between; what came
// of it is added when it is over. Entries are never changed otherwise and never removed. Passwords, tokens and contents of
// messages are not among the parameters: each row of the administration's table of routes says what is.
package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Config is what the log is kept with. All fields are needed.
type Config struct {
	DB  *sqldb.DB
	Now func() time.Time
}

// Log is the log of one server. Its methods may be called from any goroutine.
type Log struct{ Config }

// New makes a Log.
func New(c Config) *Log { return &Log{Config: c} }

// Operator stands for who is at the machine itself: the command line has no user id.
const Operator id.User = "operator"

// Begun is the outcome of a deed that is not over, or in which the server was killed.
const Begun = "begun"

// Done is the outcome of a deed that went well. That of one that failed is its error code.
const Done = "done"

const (
	maxTarget = 512      // bytes; longer ones are cut
	maxParams = 16 << 10 // bytes; what is longer is left out
)

// Entry is one deed.
type Entry struct {
	ID      int64
	At      time.Time
	By      id.User   // the administrator
	Device  id.Device // with which she did it; "" for Operator
	Action  string    // method and route, such as "PUT /_synapse/admin/v2/users/{userID}"
	Target  string    // what it was done to: a user, a room, a file; "" where it is nothing of these
	Params  json.RawMessage
	Outcome string
}

const columns = `id, at, admin, device, action, target, params, outcome`

const (
	sqlAdd  = `INSERT INTO audit (` + columns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	sqlEnd  = `UPDATE audit SET outcome = $2 WHERE id = $1 AND outcome = '` + Begun + `'`
	sqlFind = `SELECT ` + columns + ` FROM audit WHERE id = $1`
	sqlList = `SELECT ` + columns + ` FROM audit WHERE id < $1 AND ($2 = '' OR admin = $2) AND ($3 = '' OR target = $3)
		AND ($4 = '' OR action = $4) ORDER BY id DESC LIMIT $5`
)

// Begin writes a deed down. params is made JSON; nil is none. It returns the entry's number, for End.
func (l *Log) Begin(ctx context.Context, e Entry, params any) (number int64, err error) {
	text := []byte("{}")
	if params != nil {
		if text, err = json.Marshal(params); err != nil {
			return 0, fmt.Errorf("bug: parameters of %s: %w", e.Action, err)
		}
	}
	if len(text) > maxParams {
		text = fmt.Appendf(nil, `{"left_out_bytes":%d}`, len(text))
	}
	at, target := l.Now().UnixMilli(), clip(e.Target)
	err = l.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		number = int64(tx.Pos())
		_, err := tx.Exec(sqlAdd, number, at, e.By, e.Device, e.Action, target, string(text), Begun)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("write down what an administrator does: %w", err)
	}
	return number, nil
}

// End adds what came of a deed: Done for a nil error, the error's code otherwise.
func (l *Log) End(ctx context.Context, number int64, result error) error {
	outcome := Done
	if f, ok := errors.AsType[*fault.Fault](result); ok {
		outcome = string(f.Code)
	} else if result != nil {
		outcome = string(fault.Unknown)
	}
	err := l.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlEnd, number, outcome)
		return err
	})
	if err != nil {
		return fmt.Errorf("write down what came of an administrator's deed: %w", err)
	}
	return nil
}

// Do does a deed between the two notes of it.
func Do[R any](ctx context.Context, l *Log, e Entry, params any, do func() (R, error)) (R, error) {
	number, err := l.Begin(ctx, e, params)
	if err != nil {
		var none R
		return none, err
	}
	result, err := do()
	if failed := l.End(ctx, number, err); err == nil {
		err = failed
	}
	return result, err
}

// Query is which entries are wanted; an empty field takes any.
type Query struct {
	Before int64 // entries older than this one; 0: the newest
	By     id.User
	Target string
	Action string
	Limit  int
}

// List gives up to q.Limit entries, the newest first.
func (l *Log) List(ctx context.Context, q Query) ([]*Entry, error) {
	if q.Before == 0 {
		q.Before = math.MaxInt64
	}
	var list []*Entry
	err := l.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		list, err = sqldb.All(tx, scan, sqlList, q.Before, q.By, q.Target, q.Action, q.Limit)
		return err
	})
	return list, err
}

// Find gives one entry. Errors: M_NOT_FOUND.
func (l *Log) Find(ctx context.Context, number int64) (*Entry, error) {
	var e *Entry
	err := l.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		e, err = scan(tx.Row(sqlFind, number))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "There is no such entry")
	}
	return e, err
}

func scan(row sqldb.Scanner) (*Entry, error) {
	var e Entry
	var at int64
	var params string
	err := row.Scan(&e.ID, &at, &e.By, &e.Device, &e.Action, &e.Target, &params, &e.Outcome)
	e.At, e.Params = time.UnixMilli(at), json.RawMessage(params)
	return &e, err
}

// clip shortens a target and takes the NULs out, which PostgreSQL does not store.
func clip(target string) string {
	target = strings.ToValidUTF8(strings.ReplaceAll(target, "\x00", ""), "")
	if len(target) > maxTarget {
		return strings.ToValidUTF8(target[:maxTarget], "")
	}
	return target
}
