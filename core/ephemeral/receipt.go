package ephemeral

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The types of receipts (https://spec.matrix.org/v1.18/client-server-api/#receipts). m.fully_read is none of them: it is
// room account data, core/person's.
const (
	Read        = "m.read"
	ReadPrivate = "m.read.private"
)

// MainThread is the thread id of the main timeline.
const MainThread = "main"

// maxReceipts bounds what one read of a room gives: the newest that many.
const maxReceipts = 5000

const (
	sqlReceiptAt   = `SELECT event_id, event_pos FROM receipt WHERE room_id = $1 AND user_id = $2 AND type = $3 AND thread = $4`
	sqlSetReceipt  = `INSERT INTO receipt (room_id, user_id, type, thread, event_id, event_pos, ts, pos) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (room_id, user_id, type, thread) DO UPDATE SET event_id = excluded.event_id, event_pos = excluded.event_pos, ts = excluded.ts, pos = excluded.pos`
	sqlReceipts    = `SELECT user_id, type, thread, event_id, event_pos, ts FROM receipt WHERE room_id = $1 AND pos > $2 AND pos <= $3 AND (type = 'm.read' OR user_id = $4) ORDER BY pos DESC LIMIT $5`
	sqlOwnReceipts = `SELECT user_id, type, thread, event_id, event_pos, ts FROM receipt WHERE room_id = $1 AND user_id = $2 ORDER BY type, thread`
	sqlReceiptRoom = `SELECT room_id FROM receipt WHERE pos > $1 AND pos <= $2 LIMIT $3`
)

// Receipt says that a user has read up to an event.
type Receipt struct {
	User     id.User
	Type     string // Read or ReadPrivate
	Thread   string // MainThread, the event id of a thread's root, or "" for all threads
	Event    id.Event
	EventPos sqldb.Pos // position of the event, 0 when this server does not have it
	TS       int64     // milliseconds
}

// Mark is one receipt to be set.
type Mark struct {
	Type   string
	Thread *string // nil: unthreaded
	Event  id.Event
}

// SetReceipts moves the user's receipts in a room, all at one position. A receipt never moves back: one for an earlier
// event than it stands at is accepted and changes nothing.
func (e *Ephemeral) SetReceipts(ctx context.Context, user id.User, room id.Room, marks ...Mark) error {
	for _, m := range marks {
		if err := m.check(); err != nil {
			return err
		}
	}
	if err := e.checkMember(ctx, room, user); err != nil {
		return err
	}
	now := e.Now().UnixMilli()
	var own, public bool // assigned anew by each run of the function
	err := e.DB.Write(ctx, func(tx *sqldb.Tx) error {
		own, public = false, false
		for _, m := range marks {
			moved, err := e.move(tx, user, room, m, now)
			if err != nil {
				return err
			}
			own = own || moved
			public = public || moved && m.Type == Read
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case public:
		return e.wakeRoom(ctx, room)
	case own:
		e.wakeUsers([]id.User{user})
	}
	return nil
}

func (m Mark) check() error {
	if m.Type != Read && m.Type != ReadPrivate {
		return fault.New(fault.InvalidParam, "There is no such type of receipt")
	}
	if m.Thread == nil {
		return nil
	}
	if *m.Thread == MainThread {
		return nil
	}
	if _, err := id.ParseEvent(*m.Thread); err != nil {
		return fault.New(fault.InvalidParam, `thread_id must be "main" or the event id of a thread's root`).Because(err)
	}
	return nil
}

// move says whether the receipt moved.
func (e *Ephemeral) move(tx *sqldb.Tx, user id.User, room id.Room, m Mark, now int64) (bool, error) {
	at, err := e.Rooms.EventPos(tx, room, m.Event)
	if err != nil {
		return false, err
	}
	if at == 0 {
		return false, fault.New(fault.NotFound, "The room has no such event")
	}
	thread := ""
	if m.Thread != nil {
		thread = *m.Thread
	}
	if thread != "" && thread != MainThread {
		// So that the threads that receipts are kept for are no more than the room has events.
		root, err := e.Rooms.EventPos(tx, room, id.Event(thread))
		if err != nil {
			return false, err
		}
		if root == 0 {
			return false, fault.New(fault.InvalidParam, "The room has no such thread")
		}
	}
	var oldEvent string
	var oldAt int64
	err = tx.Row(sqlReceiptAt, string(room), string(user), m.Type, thread).Scan(&oldEvent, &oldAt)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return false, fmt.Errorf("read receipt: %w", err)
	case oldEvent == string(m.Event) || oldAt > int64(at):
		return false, nil
	}
	_, err = tx.Exec(sqlSetReceipt, string(room), string(user), m.Type, thread, string(m.Event), int64(at), now, int64(tx.Pos()))
	if err != nil {
		return false, fmt.Errorf("set receipt: %w", err)
	}
	return true, nil
}

// Known checks that the room has this event; M_NOT_FOUND otherwise, M_FORBIDDEN for a user who is not in the room.
func (e *Ephemeral) Known(ctx context.Context, user id.User, room id.Room, event id.Event) error {
	if err := e.checkMember(ctx, room, user); err != nil {
		return err
	}
	return e.DB.Read(ctx, func(tx *sqldb.Tx) error {
		at, err := e.Rooms.EventPos(tx, room, event)
		if err == nil && at == 0 {
			return fault.New(fault.NotFound, "The room has no such event")
		}
		return err
	})
}

// Receipts reads the room's receipts that moved at the positions after since, up to and with upto, as far as reader may
// see them: everybody's public ones and the reader's private ones. Newest first, at most 5000.
func (e *Ephemeral) Receipts(tx *sqldb.Tx, room id.Room, since, upto sqldb.Pos, reader id.User) ([]Receipt, error) {
	return readReceipts(tx, sqlReceipts, string(room), int64(since), int64(upto), string(reader), maxReceipts)
}

// Own reads all receipts of one user in a room, the private ones included. It is what unread counts start from.
func (e *Ephemeral) Own(tx *sqldb.Tx, user id.User, room id.Room) ([]Receipt, error) {
	return readReceipts(tx, sqlOwnReceipts, string(room), string(user))
}

// ReceiptRooms lists the rooms in which any receipt moved at the positions after since, up to and with upto. all is false
// when more than limit receipts moved: then ask each room.
func (e *Ephemeral) ReceiptRooms(tx *sqldb.Tx, since, upto sqldb.Pos, limit int) (rooms map[id.Room]bool, all bool, err error) {
	rows, err := tx.Query(sqlReceiptRoom, int64(since), int64(upto), limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("read rooms with receipts: %w", err)
	}
	defer rows.Close()
	rooms = map[id.Room]bool{}
	found := 0
	for rows.Next() {
		found++
		var room string
		if err := rows.Scan(&room); err != nil {
			return nil, false, fmt.Errorf("read rooms with receipts: %w", err)
		}
		rooms[id.Room(room)] = true
	}
	return rooms, found <= limit, rows.Err()
}

func readReceipts(tx *sqldb.Tx, query string, args ...any) ([]Receipt, error) {
	all, err := sqldb.All(tx, scanReceipt, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	return all, nil
}

func scanReceipt(row sqldb.Scanner) (r Receipt, err error) {
	err = row.Scan(&r.User, &r.Type, &r.Thread, &r.Event, &r.EventPos, &r.TS)
	return r, err
}

// receiptData is what a receipt event says of one user.
type receiptData struct {
	TS     int64  `json:"ts"`
	Thread string `json:"thread_id,omitempty"`
}

// Content is the content of the one m.receipt event that tells receipts: event id -> type -> user. It has one place for
// each user, type and event; where an unthreaded receipt and a threaded one meet there, the unthreaded one stands, for it
// says more.
func Content(receipts []Receipt) map[id.Event]map[string]map[id.User]any {
	content := map[id.Event]map[string]map[id.User]any{}
	for _, r := range receipts {
		types := content[r.Event]
		if types == nil {
			types = map[string]map[id.User]any{}
			content[r.Event] = types
		}
		users := types[r.Type]
		if users == nil {
			users = map[id.User]any{}
			types[r.Type] = users
		}
		if _, taken := users[r.User]; !taken || r.Thread == "" {
			users[r.User] = receiptData{TS: r.TS, Thread: r.Thread}
		}
	}
	return content
}
