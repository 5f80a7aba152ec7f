// Package thread keeps which threads a user has subscribed to (MSC4306), for her push rules and her syncs.
//
// Only the newest state of each subscription is kept, with the position at which it became so. An unsubscription stays as a
// row: it tells the user's other devices, and it is what an automatic subscription is compared with, so that a device that
// was away does not subscribe her again for a message that she has turned her back on.
package thread

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net/http"

	"freehold.example/base/news"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The codes of MSC4306.
const (
	NotInThread               fault.Code = "IO.ELEMENT.MSC4306.M_NOT_IN_THREAD"
	ConflictingUnsubscription fault.Code = "IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION"
)

// limit: thread subscriptions of one user | %d | the oldest unsubscription is forgotten, else refused
const maxSubscriptions = 20_000

// Config is what this package works with. All fields but Recall are needed.
type Config struct {
	DB    *sqldb.DB
	Rooms *room.Rooms
	Wake  func(topics ...string) // wakes the sleepers of base/bus

	// limit: whose thread subscriptions changed of late, in memory | 20,000 of at most 300 bytes, twice | the older half goes; the rest is asked of the disk
	Recall int // users of whom it is known whether anything changed of late; 20,000 when 0
}

// Threads is the thread subscriptions of the users of one server. Its methods may be called from any goroutine.
type Threads struct {
	Config
	written *news.Latest[id.User]
}

// New makes a Threads.
func New(c Config) *Threads {
	c.Recall = cmp.Or(c.Recall, 20_000)
	return &Threads{Config: c, written: news.NewLatest[id.User](c.DB.Committed(), c.Recall)}
}

// Subscription is what is between a user and a thread.
type Subscription struct {
	Room       id.Room
	Root       id.Event  // the event that the thread begins at
	Subscribed bool      // false: she has unsubscribed
	Automatic  bool      // a client did it, because of an event in the thread
	Pos        sqldb.Pos // when it became so; of two states of a subscription the later has the greater
}

const (
	columns = `room_id, root, subscribed, automatic, pos`

	sqlOne = `SELECT ` + columns + ` FROM thread_subscription WHERE user_id = $1 AND room_id = $2 AND root = $3`
	sqlSet = `INSERT INTO thread_subscription (user_id, ` + columns + `) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (user_id, room_id, root) DO UPDATE SET subscribed = excluded.subscribed, automatic = excluded.automatic, pos = excluded.pos`
	sqlChanged = `SELECT ` + columns + ` FROM thread_subscription WHERE user_id = $1 AND pos > $2 AND pos <= $3
		AND (subscribed OR $2 > 0) ORDER BY pos DESC LIMIT $4`
	sqlNewest = `SELECT coalesce(max(pos), 0) FROM thread_subscription WHERE user_id = $1`
	sqlCount  = `SELECT count(*) FROM thread_subscription WHERE user_id = $1`
	sqlSpare  = `DELETE FROM thread_subscription WHERE user_id = $1
		AND pos = (SELECT min(pos) FROM thread_subscription WHERE user_id = $1 AND NOT subscribed)`
	sqlForget = `DELETE FROM thread_subscription WHERE user_id = $1`
)

func scan(row sqldb.Scanner) (s Subscription, err error) {
	err = row.Scan(&s.Room, &s.Root, &s.Subscribed, &s.Automatic, &s.Pos)
	return s, err
}

func read(tx *sqldb.Tx, user id.User, in id.Room, root id.Event) (s Subscription, known bool, err error) {
	s, err = scan(tx.Row(sqlOne, user, in, root))
	if errors.Is(err, sql.ErrNoRows) {
		return Subscription{Room: in, Root: root}, false, nil
	}
	return s, err == nil, err
}

// Get gives the user's subscription to a thread. Errors: M_NOT_FOUND where there is none, and for a thread that she may not
// see.
func (t *Threads) Get(ctx context.Context, user id.User, in id.Room, root id.Event) (s Subscription, err error) {
	err = t.Rooms.ReadEvent(ctx, user, in, root, func(tx *sqldb.Tx, _ *room.Viewer, _ *room.Stored) error {
		if s, _, err = read(tx, user, in, root); err == nil && !s.Subscribed {
			err = fault.New(fault.NotFound, "You have not subscribed to this thread")
		}
		return err
	})
	return s, err
}

// Subscribe subscribes the user to a thread. cause is the event for which a client does it by itself, "" where she has said
// so; then it counts as her own wish from now on. Errors: M_NOT_FOUND for a thread that she may not see, NotInThread, and
// ConflictingUnsubscription where she has unsubscribed since the cause was sent.
func (t *Threads) Subscribe(ctx context.Context, user id.User, in id.Room, root, cause id.Event) error {
	var sent sqldb.Pos // of the cause
	err := t.Rooms.ReadEvent(ctx, user, in, root, func(_ *sqldb.Tx, v *room.Viewer, _ *room.Stored) error {
		if cause == "" {
			return nil
		}
		e, err := v.Event(cause)
		if fault.Is(err, fault.NotFound) || err == nil && RootOf(e) != root {
			return fault.New(NotInThread, "That event is not in this thread")
		}
		if err == nil {
			sent = e.Pos
		}
		return err
	})
	if err != nil {
		return err
	}
	return t.set(ctx, user, in, root, func(s *Subscription) (bool, error) {
		switch {
		case cause == "":
			changed := !s.Subscribed || s.Automatic
			s.Subscribed, s.Automatic = true, false
			return changed, nil
		case s.Subscribed:
			return false, nil
		case sent <= s.Pos:
			return false, fault.New(ConflictingUnsubscription, "You have unsubscribed from this thread since then").WithStatus(http.StatusConflict)
		}
		s.Subscribed, s.Automatic = true, true
		return true, nil
	})
}

// Unsubscribe ends the user's subscription to a thread, if there is one. Errors: M_NOT_FOUND for a thread that she may not
// see.
func (t *Threads) Unsubscribe(ctx context.Context, user id.User, in id.Room, root id.Event) error {
	err := t.Rooms.ReadEvent(ctx, user, in, root, func(*sqldb.Tx, *room.Viewer, *room.Stored) error { return nil })
	if err != nil {
		return err
	}
	return t.set(ctx, user, in, root, func(s *Subscription) (bool, error) {
		changed := s.Subscribed
		s.Subscribed, s.Automatic = false, false
		return changed, nil
	})
}

// set changes a subscription, and tells the user's devices when change says that it did.
func (t *Threads) set(ctx context.Context, user id.User, in id.Room, root id.Event, change func(*Subscription) (bool, error)) error {
	changed := false
	err := t.DB.Write(ctx, func(tx *sqldb.Tx) error {
		s, known, err := read(tx, user, in, root)
		if err != nil {
			return err
		}
		if changed, err = change(&s); err != nil || !changed {
			return err
		}
		if !known {
			if err := makeRoom(tx, user); err != nil {
				return err
			}
		}
		t.written.Note(user, tx.Pos())
		_, err = tx.Exec(sqlSet, user, in, root, s.Subscribed, s.Automatic, tx.Pos())
		return err
	})
	if err == nil && changed {
		t.Wake("u:" + string(user))
	}
	return err
}

// makeRoom keeps a user within her bound.
func makeRoom(tx *sqldb.Tx, user id.User) error {
	var n int
	if err := tx.Row(sqlCount, user).Scan(&n); err != nil || n < maxSubscriptions {
		return err
	}
	gone, err := tx.Exec(sqlSpare, user)
	if err == nil && gone == 0 {
		err = fault.Newf(fault.ResourceLimitExceeded, "There can be %d thread subscriptions", maxSubscriptions)
	}
	return err
}

// Changed lists what changed after since and up to upto, the newest first and at most limit of it; more says that there is
// more, which goes on at the position before that of the last. With since 0 it lists what there is, and no unsubscriptions.
func (t *Threads) Changed(tx *sqldb.Tx, user id.User, since, upto sqldb.Pos, limit int) (changes []Subscription, more bool, err error) {
	if since >= upto || !t.written.After(user, since) {
		return nil, false, nil
	}
	changes, err = sqldb.All(tx, scan, sqlChanged, user, since, upto, limit+1)
	if len(changes) > limit {
		return changes[:limit], true, err
	}
	return changes, false, err
}

// Newest is the position of the last change of any of the user's subscriptions, 0 when there is none.
func (t *Threads) Newest(tx *sqldb.Tx, user id.User) (pos sqldb.Pos, err error) {
	err = tx.Row(sqlNewest, user).Scan(&pos)
	return pos, err
}

// Subscribed says whether the user has subscribed to a thread.
func (t *Threads) Subscribed(tx *sqldb.Tx, user id.User, in id.Room, root id.Event) (bool, error) {
	s, _, err := read(tx, user, in, root)
	return s.Subscribed, err
}

// Forget removes everything kept of a user whose account has ended.
func (t *Threads) Forget(ctx context.Context, user id.User) error {
	return t.DB.Write(ctx, func(tx *sqldb.Tx) error {
		t.written.Note(user, tx.Pos())
		_, err := tx.Exec(sqlForget, user)
		return err
	})
}

// RootOf is the root of the thread that an event is a reply in, or "".
func RootOf(e *room.Stored) id.Event {
	relates := canon.Get(e.Event.Content(), "m.relates_to")
	if len(relates) == 0 || relates[0] != '{' {
		return ""
	}
	if rel, _ := canon.String(canon.Get(relates, "rel_type")); rel != "m.thread" {
		return ""
	}
	root, _ := canon.String(canon.Get(relates, "event_id"))
	return id.Event(root)
}

// ForgetRoom removes these users' subscriptions to the threads of a room that is removed, inside the write that removes it.
func ForgetRoom(tx *sqldb.Tx, in id.Room, users []id.User) error {
	_, err := tx.Exec(`DELETE FROM thread_subscription WHERE user_id IN ({list $1}) AND room_id = $2`, sqldb.List(users), in)
	return err
}
