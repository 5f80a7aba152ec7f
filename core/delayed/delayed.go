// Package delayed keeps events that are to be sent later unless something happens first: a call's member whose client has
// gone quiet leaves the call by such an event (MSC4140).
//
// An event that is due is sent once, whatever happens: it is marked before it is sent and removed after, and what was
// marked when the server stopped is sent under the same transaction id when it starts.
package delayed

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The bounds of what a user may leave behind.
const (
	MaxDelay = 24 * time.Hour
	// limit: delayed events of one user | %d | refused
	MaxEvents = 100 // of one user at a time
)

// sendTime is how long sending on demand may take.
const sendTime = time.Minute

// Config is what this package works with. All fields are needed.
type Config struct {
	DB    *sqldb.DB
	Rooms *room.Rooms
	Now   func() time.Time
	Log   *slog.Logger
}

// Delayed is the delayed events of one server. Its methods may be called from any goroutine.
type Delayed struct {
	Config
	sooner chan struct{} // holds one when something may be due sooner than Run knows
}

// New makes a Delayed.
func New(c Config) *Delayed { return &Delayed{Config: c, sooner: make(chan struct{}, 1)} }

// Request is an event to be sent later.
type Request struct {
	Caller   room.Caller
	Room     id.Room
	Type     string
	StateKey *string // nil for a message event
	Content  json.RawMessage
	Delay    time.Duration
	Txn      string // of a message event
}

// Event is an event that waits.
type Event struct {
	ID       string
	Room     id.Room
	Type     string
	StateKey *string
	Content  json.RawMessage
	Delay    time.Duration
	Since    time.Time // when the delay began to run

	user   id.User
	device id.Device
	txn    string
}

var errUnknown = fault.New(fault.NotFound, "There is no such delayed event: it was sent, or given up")

const columns = `delay_id, user_id, device_id, room_id, type, state_key, content, txn_id, delay, due`

const (
	sqlByTxn  = `SELECT delay_id FROM delayed_event WHERE user_id = $1 AND device_id = $2 AND room_id = $3 AND type = $4 AND txn_id = $5`
	sqlCount  = `SELECT count(*) FROM delayed_event WHERE user_id = $1`
	sqlInsert = `INSERT INTO delayed_event (` + columns + `, sending) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, FALSE)`
	sqlList   = `SELECT ` + columns + ` FROM delayed_event WHERE user_id = $1 AND NOT sending ORDER BY due, delay_id`
	sqlCancel = `DELETE FROM delayed_event WHERE delay_id = $1 AND NOT sending`
	sqlForget = `DELETE FROM delayed_event WHERE user_id = $1 AND NOT sending`
	sqlDelay  = `SELECT delay FROM delayed_event WHERE delay_id = $1 AND NOT sending`
	sqlDue    = `UPDATE delayed_event SET due = $2 WHERE delay_id = $1 AND NOT sending`
)

// Add leaves an event to be sent after its delay, and gives the id by which it is managed; who knows the id needs no token
// for that. A transaction id that the device has used for an event that still waits gives that event's.
// Errors: M_FORBIDDEN for a room the caller is not in, and M_UNKNOWN with the proposal's code beside it for a delay that is
// too long and for too many events.
func (d *Delayed) Add(ctx context.Context, r Request) (delayID string, err error) {
	if r.Delay <= 0 || r.Delay > MaxDelay {
		return "", fault.Newf(fault.Unknown, "The delay must be between 1 and %d milliseconds", MaxDelay.Milliseconds()).
			WithStatus(http.StatusBadRequest).
			With("org.matrix.msc4140.errcode", "M_MAX_DELAY_EXCEEDED").
			With("org.matrix.msc4140.max_delay", MaxDelay.Milliseconds())
	}
	var txn, stateKey sql.NullString
	if r.Txn != "" {
		txn = sql.NullString{String: r.Txn, Valid: true}
		if delayID, err = d.known(ctx, r); delayID != "" || err != nil {
			return delayID, err
		}
	}
	if len(r.Content) == 0 {
		return "", fault.New(fault.NotJSON, "The event needs content")
	}
	member, err := d.Rooms.IsMember(ctx, r.Room, r.Caller.User)
	if err != nil {
		return "", err
	}
	if !member {
		return "", fault.New(fault.Forbidden, "You are not in this room")
	}
	if r.StateKey != nil {
		stateKey = sql.NullString{String: *r.StateKey, Valid: true}
	}
	fresh := rand.Text()
	err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		delayID = fresh
		if r.Txn != "" {
			switch err := tx.Row(sqlByTxn, r.Caller.User, r.Caller.Device, r.Room, r.Type, r.Txn).Scan(&delayID); {
			case err == nil:
				return nil
			case !errors.Is(err, sql.ErrNoRows):
				return err
			}
		}
		var waiting int
		if err := tx.Row(sqlCount, r.Caller.User).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= MaxEvents {
			return fault.Newf(fault.Unknown, "At most %d events can wait to be sent", MaxEvents).
				WithStatus(http.StatusBadRequest).
				With("org.matrix.msc4140.errcode", "M_MAX_DELAYED_EVENTS_EXCEEDED")
		}
		_, err := tx.Exec(sqlInsert, fresh, r.Caller.User, r.Caller.Device, r.Room, r.Type, stateKey, []byte(r.Content), txn,
			r.Delay.Milliseconds(), d.Now().Add(r.Delay).UnixMilli())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("keep a delayed event: %w", err)
	}
	d.wake()
	return delayID, nil
}

func (d *Delayed) known(ctx context.Context, r Request) (delayID string, err error) {
	err = d.DB.Read(ctx, func(tx *sqldb.Tx) error {
		err := tx.Row(sqlByTxn, r.Caller.User, r.Caller.Device, r.Room, r.Type, r.Txn).Scan(&delayID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return delayID, err
}

// List gives a user's events that wait, the next one first.
func (d *Delayed) List(ctx context.Context, user id.User) (events []Event, err error) {
	err = d.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		events, err = sqldb.All(tx, scan, sqlList, user)
		return err
	})
	return events, err
}

func scan(row sqldb.Scanner) (e Event, err error) {
	var stateKey, txn sql.NullString
	var content []byte
	var delay, due int64
	err = row.Scan(&e.ID, &e.user, &e.device, &e.Room, &e.Type, &stateKey, &content, &txn, &delay, &due)
	if stateKey.Valid {
		e.StateKey = &stateKey.String
	}
	e.Content, e.txn = content, txn.String
	e.Delay = time.Duration(delay) * time.Millisecond
	e.Since = time.UnixMilli(due).Add(-e.Delay)
	return e, err
}

// Cancel gives an event up. Errors: M_NOT_FOUND.
func (d *Delayed) Cancel(ctx context.Context, delayID string) error {
	return d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		gone, err := tx.Exec(sqlCancel, delayID)
		if err == nil && gone == 0 {
			err = errUnknown
		}
		return err
	})
}

// Restart lets the whole delay run anew from now. Errors: M_NOT_FOUND.
func (d *Delayed) Restart(ctx context.Context, delayID string) error {
	return d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		var delay int64
		err := tx.Row(sqlDelay, delayID).Scan(&delay)
		if errors.Is(err, sql.ErrNoRows) {
			return errUnknown
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(sqlDue, delayID, d.Now().UnixMilli()+delay)
		return err
	})
}

// Send sends an event now. Errors: M_NOT_FOUND, and why the room does not take it, after which it is given up.
func (d *Delayed) Send(ctx context.Context, delayID string) error {
	// Once claimed it is sent, even if the caller hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer cancel()
	e, err := d.claim(ctx, delayID)
	if err != nil {
		return err
	}
	return d.deliver(ctx, e)
}

// Forget gives up everything that a user whose account has ended left behind.
func (d *Delayed) Forget(ctx context.Context, user id.User) error {
	return d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlForget, user)
		return err
	})
}

// wake makes Run look again.
func (d *Delayed) wake() {
	select {
	case d.sooner <- struct{}{}:
	default:
	}
}

// ForgetRoom gives up what was to be sent into a room that is removed, inside the write that removes it.
func ForgetRoom(tx *sqldb.Tx, in id.Room) error {
	_, err := tx.Exec(`DELETE FROM delayed_event WHERE room_id = $1`, in)
	return err
}
