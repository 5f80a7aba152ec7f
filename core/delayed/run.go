package delayed

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
)

const (
	sqlNext   = `SELECT delay_id, due FROM delayed_event WHERE NOT sending ORDER BY due, delay_id LIMIT 1`
	sqlMarked = `SELECT ` + columns + ` FROM delayed_event WHERE sending ORDER BY due, delay_id`
	sqlByID   = `SELECT ` + columns + ` FROM delayed_event WHERE delay_id = $1 AND NOT sending`
	sqlMark   = `UPDATE delayed_event SET sending = TRUE WHERE delay_id = $1`
	sqlUnmark = `UPDATE delayed_event SET sending = FALSE, due = $2 WHERE delay_id = $1`
	sqlBegin  = `UPDATE delayed_event SET due = $1 + delay WHERE NOT sending AND due > $1 + delay`
	sqlRemove = `DELETE FROM delayed_event WHERE delay_id = $1`
)

const (
	lookAgain = 10 * time.Second // at the latest: the clock may jump
	retry     = 5 * time.Second  // after which what could not be sent for the server's own reasons is tried again
)

// Run sends what is due until ctx ends; first what was being sent when the server stopped. There must be only one.
func (d *Delayed) Run(ctx context.Context) error {
	if err := d.resume(ctx); err != nil {
		return ended(ctx, err)
	}
	for {
		pause, err := d.step(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-d.sooner:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// ended is no error when the server stops.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// step sends the next event if it is due, and says how long there is nothing to do.
func (d *Delayed) step(ctx context.Context) (pause time.Duration, err error) {
	var next string
	var due int64
	err = d.DB.Read(ctx, func(tx *sqldb.Tx) error { return tx.Row(sqlNext).Scan(&next, &due) })
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return lookAgain, nil
	case err != nil:
		return 0, err
	}
	switch wait := time.UnixMilli(due).Sub(d.Now()); {
	case wait > MaxDelay:
		return 0, d.begin(ctx)
	case wait > 0:
		return min(wait, lookAgain), nil
	}
	e, err := d.claim(ctx, next)
	if fault.Is(err, fault.NotFound) { // somebody was quicker
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	d.attempt(ctx, e)
	return 0, nil
}

// begin starts the delays anew that would end later than they can have been meant to: the clock has gone back.
func (d *Delayed) begin(ctx context.Context) error {
	return d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlBegin, d.Now().UnixMilli())
		return err
	})
}

// resume sends what was marked.
func (d *Delayed) resume(ctx context.Context) error {
	var events []Event
	err := d.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		events, err = sqldb.All(tx, scan, sqlMarked)
		return err
	})
	for i := range events {
		d.attempt(ctx, &events[i])
	}
	return err
}

// attempt delivers a claimed event for nobody who would be told how it went.
func (d *Delayed) attempt(ctx context.Context, e *Event) {
	if err := d.deliver(ctx, e); err != nil && ctx.Err() == nil {
		d.Log.DebugContext(ctx, "a delayed event was not sent", "room", e.Room, "type", e.Type, "cause", err)
	}
}

// claim marks an event as being sent: from then on it cannot be given up any more, and nobody else sends it.
func (d *Delayed) claim(ctx context.Context, delayID string) (*Event, error) {
	var e Event
	err := d.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
		if e, err = scan(tx.Row(sqlByID, delayID)); errors.Is(err, sql.ErrNoRows) {
			return errUnknown
		} else if err != nil {
			return err
		}
		_, err = tx.Exec(sqlMark, delayID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &e, nil
}

// deliver sends a claimed event and forgets it; also when the room refuses it, which it would do again. When the server
// itself is at fault the event is tried once more a little later.
func (d *Delayed) deliver(ctx context.Context, e *Event) error {
	sent := d.send(ctx, e)
	if ctx.Err() != nil {
		return ctx.Err() // it stays marked, and is sent at the next start
	}
	err := d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if transient(sent) {
			_, err := tx.Exec(sqlUnmark, e.ID, d.Now().Add(retry).UnixMilli())
			return err
		}
		_, err := tx.Exec(sqlRemove, e.ID)
		return err
	})
	return errors.Join(sent, err)
}

// transient says whether an error is of this moment and not of the event.
func transient(err error) bool {
	if err == nil {
		return false
	}
	f, ok := errors.AsType[*fault.Fault](err)
	return !ok || f.Status >= http.StatusInternalServerError || f.Code == fault.LimitExceeded
}

func (d *Delayed) send(ctx context.Context, e *Event) error {
	from := room.Caller{User: e.user, Device: e.device}
	if e.StateKey != nil {
		_, err := d.Rooms.SetState(ctx, from, e.Room, e.Type, *e.StateKey, e.Content)
		return err
	}
	txn := e.txn
	if txn == "" {
		txn = e.ID
	}
	_, err := d.Rooms.Send(ctx, from, e.Room, room.Draft{Type: e.Type, Content: e.Content}, txn)
	return err
}
