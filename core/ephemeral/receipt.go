package ephemeral

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"freehold.example/base/news"
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

// maxOwnReceipts is how many receipts of a user in a room are remembered; who has more threads there is read each time.
const maxOwnReceipts = 100

// maxReceipts bounds what one read of a room gives: the newest that many.
const maxReceipts = 5000

const (
	sqlReceiptAt   = `SELECT event_id, event_pos, ts FROM receipt WHERE room_id = $1 AND user_id = $2 AND type = $3 AND thread = $4`
	sqlSetReceipt  = `INSERT INTO receipt (room_id, user_id, type, thread, event_id, event_pos, ts, pos) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (room_id, user_id, type, thread) DO UPDATE SET event_id = excluded.event_id, event_pos = excluded.event_pos, ts = excluded.ts, pos = excluded.pos`
	sqlReceipts    = `SELECT user_id, type, thread, event_id, event_pos, ts FROM receipt WHERE room_id = $1 AND pos > $2 AND pos <= $3 AND (type = 'm.read' OR user_id = $4) ORDER BY pos DESC LIMIT $5`
	sqlOwnReceipts = `SELECT user_id, type, thread, event_id, event_pos, ts FROM receipt WHERE room_id = $1 AND user_id = $2 ORDER BY type, thread`
	sqlReceiptsIn  = `SELECT room_id, user_id, type, thread, event_id, event_pos, ts FROM receipt WHERE room_id IN ({list $1}) AND pos <= $2 AND (type = 'm.read' OR user_id = $3) LIMIT $4`
	sqlReaders     = `SELECT user_id, max(pos) FROM receipt WHERE pos > $1 AND pos <= $2 GROUP BY user_id`
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

// Reading is that a user has read something.
type Reading struct {
	User id.User
	Pos  sqldb.Pos // when, of several times the last
}

// Readers lists who has read something after a position and up to another.
func (e *Ephemeral) Readers(tx *sqldb.Tx, after, upto sqldb.Pos) ([]Reading, error) {
	return sqldb.All(tx, func(row sqldb.Scanner) (r Reading, err error) {
		err = row.Scan(&r.User, &r.Pos)
		return r, err
	}, sqlReaders, after, upto)
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
	steps := make([]step, len(marks))
	for i, m := range marks {
		steps[i] = step{user, m, now, false}
	}
	moved, err := e.set(ctx, room, steps)
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(moved, func(r Receipt) bool { return r.Type == Read }):
		if err := e.tellReceipts(ctx, room, moved); err != nil {
			e.Log.WarnContext(ctx, "other servers were not told of a receipt", "cause", err)
		}
		return e.wakeRoom(ctx, room)
	case len(moved) > 0:
		e.wakeUsers([]id.User{user})
	}
	return nil
}

// step is a receipt of somebody's that may move.
type step struct {
	user   id.User
	mark   Mark
	ts     int64 // milliseconds
	remote bool  // of another server, which may know events that are not here
}

// set moves receipts in a room, all at one position, and gives those that moved.
func (e *Ephemeral) set(ctx context.Context, room id.Room, steps []step) (moved []Receipt, err error) {
	var pos sqldb.Pos // these are assigned anew by each run of the function
	written := false
	err = e.DB.SubmitThen(1, func(tx *sqldb.Tx) error {
		moved, pos, written = nil, tx.Pos(), false
		for _, s := range steps {
			r, err := e.move(tx, room, s)
			if err != nil {
				return err
			}
			if r != nil {
				moved = append(moved, *r)
			}
		}
		written = true
		return nil
	}, func(err error) {
		switch {
		case err == nil:
			e.late.add(pos, room, moved)
		case written: // it may be on disk all the same
			e.late.lose(pos)
		}
	}).Wait(ctx)
	if err != nil {
		return nil, err
	}
	return moved, nil
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

// move gives the receipt if it moved. One for an event that is not here stands nowhere, and moves with its time.
func (e *Ephemeral) move(tx *sqldb.Tx, room id.Room, s step) (*Receipt, error) {
	m := s.mark
	at, err := e.Rooms.EventPos(tx, room, m.Event)
	if err != nil {
		return nil, err
	}
	if at == 0 && !s.remote {
		return nil, fault.New(fault.NotFound, "The room has no such event")
	}
	thread := ""
	if m.Thread != nil {
		thread = *m.Thread
	}
	if thread != "" && thread != MainThread {
		// So that the threads that receipts are kept for are no more than the room has events.
		root, err := e.Rooms.EventPos(tx, room, id.Event(thread))
		switch {
		case err != nil:
			return nil, err
		case root == 0 && s.remote:
			return nil, nil
		case root == 0:
			return nil, fault.New(fault.InvalidParam, "The room has no such thread")
		}
	}
	var oldEvent string
	var oldAt, oldTS int64
	err = tx.Row(sqlReceiptAt, string(room), string(s.user), m.Type, thread).Scan(&oldEvent, &oldAt, &oldTS)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return nil, fmt.Errorf("read receipt: %w", err)
	case oldEvent == string(m.Event):
		return nil, nil
	case at != 0 && oldAt != 0 && oldAt > int64(at), (at == 0 || oldAt == 0) && oldTS > s.ts:
		return nil, nil
	}
	e.receipts.Note(room, tx.Pos())
	e.moved.Note(ownPlace{s.user, room}, tx.Pos())
	_, err = tx.Exec(sqlSetReceipt, string(room), string(s.user), m.Type, thread, string(m.Event), int64(at), s.ts, int64(tx.Pos()))
	if err != nil {
		return nil, fmt.Errorf("set receipt: %w", err)
	}
	return &Receipt{User: s.user, Type: m.Type, Thread: thread, Event: m.Event, EventPos: at, TS: s.ts}, nil
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
	if tx.Peeking() {
		if found, ok := e.late.in(room, since, upto, reader); ok {
			return found, nil
		}
	}
	return readReceipts(tx, sqlReceipts, string(room), int64(since), int64(upto), string(reader), maxReceipts)
}

// ReceiptsIn is Receipts, from the first on, of many rooms that hold few; ok is false when they hold more than one read
// gives. The reader's own are then in memory for Own.
func (e *Ephemeral) ReceiptsIn(tx *sqldb.Tx, rooms []id.Room, upto sqldb.Pos, reader id.User) (found map[id.Room][]Receipt, ok bool, err error) {
	rows, err := tx.Query(sqlReceiptsIn, sqldb.List(rooms), int64(upto), string(reader), maxReceipts+1)
	if err != nil {
		return nil, false, fmt.Errorf("read receipts: %w", err)
	}
	defer rows.Close()
	found = make(map[id.Room][]Receipt, len(rooms))
	n := 0
	for ; rows.Next(); n++ {
		var room id.Room
		var r Receipt
		if err := rows.Scan(&room, &r.User, &r.Type, &r.Thread, &r.Event, &r.EventPos, &r.TS); err != nil {
			return nil, false, fmt.Errorf("read receipts: %w", err)
		}
		found[room] = append(found[room], r)
	}
	if err := rows.Err(); err != nil || n > maxReceipts {
		return nil, false, err
	}
	if upto >= tx.Pos() {
		for _, room := range rooms {
			own := slices.Clone(found[room])
			own = slices.DeleteFunc(own, func(r Receipt) bool { return r.User != reader })
			if len(own) <= maxOwnReceipts {
				e.own.Put(ownPlace{reader, room}, tx.Pos(), own)
			}
		}
	}
	return found, true, nil
}

// Own reads all receipts of one user in a room, the private ones included. It is what unread counts start from. The list is
// shared and must not be changed.
func (e *Ephemeral) Own(tx *sqldb.Tx, user id.User, room id.Room) ([]Receipt, error) {
	key := ownPlace{user, room}
	if own, ok := e.own.Get(key, tx.Pos()); ok {
		return own, nil
	}
	own, err := readReceipts(tx, sqlOwnReceipts, string(room), string(user))
	if err == nil && len(own) <= maxOwnReceipts {
		e.own.Put(key, tx.Pos(), own)
	}
	return own, err
}

// ReceiptRooms lists the rooms in which any receipt moved at the positions after since, up to and with upto. all is false
// when more than limit receipts moved: then ask each room.
func (e *Ephemeral) ReceiptRooms(tx *sqldb.Tx, since, upto sqldb.Pos, limit int) (rooms map[id.Room]bool, all bool, err error) {
	rooms = map[id.Room]bool{}
	if ok := e.receipts.Since(since, func(n news.Entry[id.Room]) bool {
		if n.Pos <= upto {
			rooms[n.Key] = true
		}
		return true
	}); ok {
		return rooms, true, nil
	}
	rows, err := tx.Query(sqlReceiptRoom, int64(since), int64(upto), limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("read rooms with receipts: %w", err)
	}
	defer rows.Close()
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

// Content is the content of an m.receipt event: event id -> type -> user.
type Content map[id.Event]map[string]map[id.User]any

// maxPlaces is how many receipts of one user at one event are told: the unthreaded one, that of the thread which the event is
// in, and one of a client that takes it for another.
const maxPlaces = 3

// Contents are the contents of the m.receipt events that tell receipts. Each has one place for each user, type and event;
// where an unthreaded receipt and threaded ones meet there, the unthreaded one, which says more, is in the first, and each of
// the others in a further one, as they are given. Without receipts it is empty.
func Contents(receipts []Receipt) []Content {
	var all []Content
	for _, unthreaded := range []bool{true, false} {
		for _, r := range receipts {
			if (r.Thread == "") == unthreaded {
				all = place(all, r)
			}
		}
	}
	return all
}

// place adds a receipt to the first content that has a place for it.
func place(all []Content, r Receipt) []Content {
	for _, c := range all {
		if _, taken := c[r.Event][r.Type][r.User]; !taken {
			c.put(r)
			return all
		}
	}
	if len(all) == maxPlaces {
		return all
	}
	c := Content{}
	c.put(r)
	return append(all, c)
}

func (c Content) put(r Receipt) {
	types := c[r.Event]
	if types == nil {
		types = map[string]map[id.User]any{}
		c[r.Event] = types
	}
	users := types[r.Type]
	if users == nil {
		users = map[id.User]any{}
		types[r.Type] = users
	}
	users[r.User] = receiptData{TS: r.TS, Thread: r.Thread}
}

// ForgetRoom removes the receipts of a room that is removed, inside the write that removes it.
func ForgetRoom(tx *sqldb.Tx, room id.Room) error {
	_, err := tx.Exec(`DELETE FROM receipt WHERE room_id = $1`, room)
	return err
}
