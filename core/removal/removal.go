// Package removal does what administrators ask to be removed and takes long: a room with everything in it, a part of a
// room's history, what a user has said.
//
// Each such job is a row. They are done in the background, one after the other, in small writes; a job says how far it is,
// and one that was cut short goes on after the next start. What each package has of a room or of events it removes itself, by
// the functions of Config.
package removal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/directory"
	"freehold.example/core/notify"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Config is what removals work with. All fields are needed.
type Config struct {
	DB        *sqldb.DB
	Rooms     *room.Rooms
	Directory *directory.Directory
	Notify    *notify.Notify
	Now       func() time.Time
	Log       *slog.Logger

	// OfRoom removes what other packages have of a room, OfEvents what they have of events, inside the write that removes
	// those.
	OfRoom   []func(tx *sqldb.Tx, in id.Room, users []id.User) error
	OfEvents []func(tx *sqldb.Tx, events []room.NID) error
}

// Removals are the removals of one server. Its methods may be called from any goroutine.
type Removals struct {
	Config
	news chan struct{} // holds one when a job may have come
	turn chan struct{} // holds one while a job is being done
}

// New makes Removals. Run does the work.
func New(c Config) *Removals {
	return &Removals{Config: c, news: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
}

// Kind is what a job removes.
type Kind string

// The kinds of jobs.
const (
	History Kind = "purge"
	Room    Kind = "room"
	Said    Kind = "redact"
)

// Status is how it goes with a job.
type Status string

// The statuses, as Synapse's tools know them.
const (
	Scheduled Status = "scheduled"
	Active    Status = "active"
	Complete  Status = "complete"
	Failed    Status = "failed"
)

// Job is one removal.
type Job struct {
	ID      string
	Kind    Kind
	Target  string
	By      id.User
	Device  id.Device
	Request json.RawMessage
	State   json.RawMessage
	Status  Status
	Error   string
	At      time.Time // when it was last changed
}

// The bounds of what is kept.
const (
	// limit: removals by administrators that wait | %d | 429
	maxOpen = 1000
	kept    = 10_000 // jobs that are over are forgotten when there are more
)

const (
	columns = `id, kind, target, admin, device, request, state, status, error, at`

	sqlAdd   = `INSERT INTO removal (` + columns + `, created) VALUES ($1, $2, $3, $4, $5, $6, '{}', 'scheduled', '', $7, $8)`
	sqlOpen  = `SELECT count(*) FROM removal WHERE status IN ('scheduled', 'active')`
	sqlSame  = `SELECT count(*) FROM removal WHERE status IN ('scheduled', 'active') AND kind = $1 AND target = $2`
	sqlFind  = `SELECT ` + columns + ` FROM removal WHERE id = $1`
	sqlOf    = `SELECT ` + columns + ` FROM removal WHERE target = $1 AND kind = $2 ORDER BY created DESC LIMIT 100`
	sqlNext  = `SELECT ` + columns + ` FROM removal WHERE status IN ('scheduled', 'active') ORDER BY created LIMIT 1`
	sqlState = `UPDATE removal SET state = $2, status = $3, error = $4, at = $5 WHERE id = $1`
	sqlOld   = `DELETE FROM removal WHERE status IN ('complete', 'failed')
		AND created <= coalesce((SELECT created FROM removal ORDER BY created DESC LIMIT 1 OFFSET $1), 0)`
)

func scan(row sqldb.Scanner) (*Job, error) {
	var j Job
	var request, state string
	var at int64
	err := row.Scan(&j.ID, &j.Kind, &j.Target, &j.By, &j.Device, &request, &state, &j.Status, &j.Error, &at)
	j.Request, j.State, j.At = json.RawMessage(request), json.RawMessage(state), time.UnixMilli(at)
	return &j, err
}

var (
	errOpen = fault.New(fault.LimitExceeded, "Too many removals wait to be done").After(time.Minute)
	errSame = fault.New(fault.Unknown, "This is being removed already")
)

// add writes a job down and wakes Run. once refuses it when one of its kind is open for the target.
func (r *Removals) add(ctx context.Context, j Job, request any, once bool) (string, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	number := rand.Text()
	err = r.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		var open, same int
		if err := tx.Row(sqlOpen).Scan(&open); err != nil {
			return err
		}
		if err := tx.Row(sqlSame, j.Kind, j.Target).Scan(&same); err != nil {
			return err
		}
		switch {
		case open >= maxOpen:
			return errOpen
		case once && same > 0:
			return errSame
		}
		if _, err := tx.Exec(sqlOld, kept); err != nil {
			return err
		}
		_, err := tx.Exec(sqlAdd, number, j.Kind, j.Target, j.By, j.Device, string(text), r.Now().UnixMilli(), tx.Pos())
		return err
	})
	if err != nil {
		return "", err
	}
	select {
	case r.news <- struct{}{}:
	default:
	}
	return number, nil
}

// Find gives a job of a kind. Errors: M_NOT_FOUND.
func (r *Removals) Find(ctx context.Context, kind Kind, number string) (*Job, error) {
	var j *Job
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		j, err = scan(tx.Row(sqlFind, number))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) || err == nil && j.Kind != kind {
		return nil, fault.New(fault.NotFound, "There is no such removal")
	}
	return j, err
}

// Of lists the newest jobs of a kind for a target, the newest first.
func (r *Removals) Of(ctx context.Context, kind Kind, target string) (list []*Job, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		list, err = sqldb.All(tx, scan, sqlOf, target, kind)
		return err
	})
	return list, err
}

// Run does the jobs there are, and those that come, until ctx ends.
func (r *Removals) Run(ctx context.Context) error {
	for {
		for {
			did, err := r.Step(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if !did {
				break
			}
		}
		select {
		case <-r.news:
		case <-ctx.Done():
			return nil
		}
	}
}

// Step does the next job to its end, and says whether there was one. The error is one of the server, not of the job.
func (r *Removals) Step(ctx context.Context) (did bool, err error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	var j *Job
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		j, err = scan(tx.Row(sqlNext))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what is to be removed: %w", err)
	}
	do := map[Kind]func(context.Context, *Job) error{History: r.purge, Room: r.room, Said: r.redact}[j.Kind]
	if do == nil {
		return true, r.end(ctx, j, fmt.Errorf("bug: a removal of kind %q", j.Kind))
	}
	failed := do(ctx, j)
	if ctx.Err() != nil {
		return true, nil // it goes on after the next start
	}
	return true, r.end(ctx, j, failed)
}

// Finish does what is to be done until a job is over, and gives the job. When ctx ends first, Run goes on with it.
func (r *Removals) Finish(ctx context.Context, kind Kind, number string) (*Job, error) {
	for {
		j, err := r.Find(ctx, kind, number)
		if err != nil || j.Status == Complete || j.Status == Failed {
			return j, err
		}
		if _, err := r.Step(ctx); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// end writes down what came of a job.
func (r *Removals) end(ctx context.Context, j *Job, failed error) error {
	j.Status, j.Error = Complete, ""
	if f, ok := errors.AsType[*fault.Fault](failed); ok {
		j.Status, j.Error = Failed, f.Text
	} else if failed != nil {
		j.Status, j.Error = Failed, "Internal server error"
		r.Log.ErrorContext(ctx, "a removal failed", "kind", j.Kind, "id", j.ID, "cause", failed)
	}
	return r.save(ctx, j)
}

// tell writes down how far a job is.
func (r *Removals) tell(ctx context.Context, j *Job, state any) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	j.State, j.Status = text, Active
	return r.save(ctx, j)
}

func (r *Removals) save(ctx context.Context, j *Job) error {
	return r.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error { return r.put(tx, j) })
}

func (r *Removals) put(tx *sqldb.Tx, j *Job) error {
	_, err := tx.Exec(sqlState, j.ID, string(j.State), j.Status, j.Error, r.Now().UnixMilli())
	return err
}

// ofEvents removes what other packages have of events.
func (r *Removals) ofEvents(tx *sqldb.Tx, events []room.NID) error {
	for _, remove := range r.OfEvents {
		if err := remove(tx, events); err != nil {
			return err
		}
	}
	return nil
}
