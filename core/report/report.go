// Package report keeps what users tell the administrators of: rooms, events and people that should not be as they are
// (Client-Server API, "Reporting Content").
//
// Whoever reports learns nothing by it: the answer is the same whether there is such a room, event or user. An event is
// kept only of a room that the reporter is in.
package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	// MaxReason is how many bytes of a reason are kept; the rest is cut off.
	//
	// limit: the reason of a report | %b | it is cut
	MaxReason = 4096
	// limit: reports of one user | %d | the oldest goes
	perUser = 500
)

// Config is what reports are kept with. All fields are needed.
type Config struct {
	DB    *sqldb.DB
	Rooms *room.Rooms
	Now   func() time.Time
}

// Reports are the reports of one server. Its methods may be called from any goroutine.
type Reports struct{ Config }

// New makes Reports.
func New(c Config) *Reports { return &Reports{Config: c} }

// Report is one report: of a room, of an event in a room, or of a user.
type Report struct {
	ID       int64
	Reporter id.User
	Room     id.Room  // "" in the report of a user
	Event    id.Event // "" but in the report of an event
	About    id.User  // who is reported, or who sent the event
	Reason   string
	Created  time.Time
}

// Add keeps a report, unless it is of an event that the reporter is not in a position to see.
func (r *Reports) Add(ctx context.Context, rep Report) error {
	if rep.Event != "" {
		sender, ok, err := r.sender(ctx, rep)
		if err != nil || !ok {
			return err
		}
		rep.About = sender
	}
	reason := clip(rep.Reason)
	return r.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`INSERT INTO report (id, reporter, room_id, event_id, about, reason, created) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			tx.Pos(), rep.Reporter, rep.Room, rep.Event, rep.About, reason, r.Now().UnixMilli())
		if err != nil {
			return fmt.Errorf("keep a report: %w", err)
		}
		_, err = tx.Exec(`DELETE FROM report WHERE id IN (
			SELECT id FROM report WHERE reporter = $1 ORDER BY id DESC LIMIT 1000 OFFSET $2)`, rep.Reporter, perUser)
		return err
	})
}

// sender is who sent the reported event; not ok: the reporter is not in that room, or sees no such event there.
func (r *Reports) sender(ctx context.Context, rep Report) (sender id.User, ok bool, err error) {
	err = r.Rooms.View(ctx, rep.Room, rep.Reporter, func(_ *sqldb.Tx, v *room.Viewer) error {
		if !v.Joined() {
			return nil
		}
		e, err := v.Event(rep.Event)
		if err == nil {
			sender, ok = e.Event.Sender(), true
		}
		return err
	})
	if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) {
		return "", false, nil
	}
	return sender, ok, err
}

const sqlReports = `SELECT id, reporter, room_id, event_id, about, reason, created FROM report`

func scan(row sqldb.Scanner) (*Report, error) {
	var rep Report
	var created int64
	err := row.Scan(&rep.ID, &rep.Reporter, &rep.Room, &rep.Event, &rep.About, &rep.Reason, &created)
	rep.Created = time.UnixMilli(created)
	return &rep, err
}

// Query is which reports are wanted. A text is part of what it is compared with; "" takes any.
type Query struct {
	Reporter, Room, About string
	Oldest                bool // the oldest first, not the newest
	From, Limit           int
}

const sqlWanted = ` WHERE ($1 = '' OR reporter LIKE $1 ESCAPE '!') AND ($2 = '' OR room_id LIKE $2 ESCAPE '!') AND ($3 = '' OR about LIKE $3 ESCAPE '!')`

// List gives the reports that are wanted, and how many there are in all.
func (r *Reports) List(ctx context.Context, q Query) (list []*Report, total int, err error) {
	order := ` ORDER BY id DESC LIMIT $4 OFFSET $5`
	if q.Oldest {
		order = ` ORDER BY id LIMIT $4 OFFSET $5`
	}
	texts := func() []any { return []any{like(q.Reporter), like(q.Room), like(q.About)} }
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		if err := tx.Row(`SELECT count(*) FROM report`+sqlWanted, texts()...).Scan(&total); err != nil {
			return err
		}
		list, err = sqldb.All(tx, scan, sqlReports+sqlWanted+order, append(texts(), q.Limit, q.From)...)
		return err
	})
	return list, total, err
}

// like is the pattern for whatever has the text in it.
func like(text string) string {
	if text == "" {
		return ""
	}
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text) + "%"
}

var errNone = fault.New(fault.NotFound, "There is no such report")

// Find gives one report.
func (r *Reports) Find(ctx context.Context, number int64) (*Report, error) {
	var rep *Report
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		rep, err = scan(tx.Row(sqlReports+` WHERE id = $1`, number))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNone
	}
	return rep, err
}

// Remove forgets a report that has been dealt with.
func (r *Reports) Remove(ctx context.Context, number int64) error {
	return r.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`DELETE FROM report WHERE id = $1`, number)
		if err == nil && n == 0 {
			err = errNone
		}
		return err
	})
}

// clip shortens a reason, and takes the NULs out, which PostgreSQL does not store.
func clip(reason string) string {
	reason = strings.ReplaceAll(reason, "\x00", "")
	if len(reason) <= MaxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:MaxReason], "") // without half a character at its end
}
