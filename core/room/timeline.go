package room

import (
	"database/sql"
	"errors"
	"math"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// What /sync reads: events in the order they arrived, and the state at moments of the stream.

// Window is the newest part of what arrived in a room between two moments of the stream.
type Window struct {
	Events  []*Stored // oldest first
	Limited bool      // there were more
	Whole   bool      // nothing that arrived since lies before the first event: what was left out came later

	// Before is the moment just before the first event, where paging back carries on, and State the room's state then, if
	// HasState says that it is known.
	Before   sqldb.Pos
	State    pmap.Root
	HasState bool

	Back   Token // where paging back carries on: Before, but for Latest
	Forked bool  // what arrived last is not what the room's graph has last: Latest is another window
	depth  int64 // the least of those looked at
}

const (
	sqlNewest = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND e.pos > $2 AND e.pos <= $3 ORDER BY e.pos DESC LIMIT $4`
	sqlRootAt = `SELECT state FROM event WHERE room = $1 AND pos > 0 AND pos <= $2 ORDER BY pos DESC LIMIT 1`
)

// Choice is what becomes of an event when a Window is read.
type Choice int

const (
	Skip Choice = iota
	Keep
	Stop // it is left out, and so is all that is older
)

// Window reads the newest limit events that arrived after after and up to upto, and that choose keeps. It looks at maxScan
// events at most; past that the window is limited. What memory has not of the room's end is read from the database, and is
// in memory from then on.
func (r *Rooms) Window(tx *sqldb.Tx, room NID, after, upto sqldb.Pos, limit int, choose func(*Stored) (Choice, error)) (*Window, error) {
	w := &Window{Before: upto, Whole: true, Back: StreamToken(upto), depth: math.MaxInt64}
	below := upto // all down to here was looked at
	if end, ok := r.tail(room, upto, upto); ok {
		below = max(after, end.floor)
		for _, s := range slices.Backward(end.since(below, upto)) {
			if full, err := r.add(w, s, limit, choose); full || err != nil {
				return w.chronological(), err
			}
		}
	}
	for scanned := 0; below > after; {
		ask := min(max(limit-len(w.Events)+1, 10), 500)
		events, err := sqldb.All(tx, new(storedReader).scan, sqlNewest, room, after, below, ask)
		if err != nil {
			return nil, err
		}
		r.tails.extend(room, stretch{events, below, below >= tx.Pos(), after == 0 && len(events) < ask}, r.writtenSince(tx))
		for _, s := range events {
			if full, err := r.add(w, s, limit, choose); full || err != nil {
				return w.chronological(), err
			}
			below = s.Pos - 1
		}
		if len(events) < ask {
			break
		}
		if scanned += len(events); scanned >= maxScan {
			w.Limited, w.Whole = true, false
			break
		}
	}
	return w.chronological(), nil
}

// add looks at the next older event. full says that the window ends above it, or with it.
func (r *Rooms) add(w *Window, s *Stored, limit int, choose func(*Stored) (Choice, error)) (full bool, err error) {
	choice, err := choose(s)
	if err != nil {
		return false, err
	}
	w.Forked = w.Forked || s.Depth >= w.depth
	w.depth = min(w.depth, s.Depth)
	if w.Before >= s.Pos && !w.HasState {
		w.State, w.HasState = s.State, true
	}
	if choice == Stop || choice == Keep && len(w.Events) == limit {
		w.Limited, w.Whole = true, false
		return true, nil
	}
	if w.Whole = choice == Keep; w.Whole {
		w.Events, w.Before, w.HasState, w.Back = append(w.Events, s), s.Pos-1, false, StreamToken(s.Pos-1)
	}
	if root, ok := r.entrance(s); ok {
		w.State, w.HasState, w.Limited, w.Whole = root, true, true, false
		return true, nil
	}
	if s.own != nil && s.own.gap { // between what it follows and what came before it there is more, which is not here
		w.Limited, w.Whole = true, false
		return true, nil
	}
	return false, nil
}

// entrance gives the state before the join by which this server came into a room, as it was told then. What was in the room
// here before that, if anything, is of another time.
func (r *Rooms) entrance(s *Stored) (before pmap.Root, ok bool) {
	if s.own == nil || s.own.after != s.State || s.Membership() != "join" || s.Event.Sender().Server() != r.Server {
		return before, false
	}
	return s.own.before, true
}

// tail is the end of a room as it is in memory, when that has all that came after one moment and up to another.
func (r *Rooms) tail(room NID, from, upto sqldb.Pos) (end tail, ok bool) {
	if upto > r.DB.Committed() {
		return tail{}, false // a snapshot may be ahead of what memory has been told
	}
	return r.tails.get(room, from)
}

func (w *Window) chronological() *Window {
	slices.Reverse(w.Events)
	return w
}

// RootAt is the root of the room's state at a moment of the stream: the zero root before the room's first event.
func (r *Rooms) RootAt(tx *sqldb.Tx, room NID, at sqldb.Pos) (root pmap.Root, err error) {
	if end, ok := r.tail(room, at, at); ok {
		_, root = end.now(at)
		return root, nil
	}
	var b []byte
	err = tx.Row(sqlRootAt, room, at).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return root, nil
	}
	copy(root[:], b)
	return root, err
}

// CameAndWent says whether, after a moment of the stream at which she was not in the room, a user was invited, joined or
// knocked, and left again.
func (r *Rooms) CameAndWent(tx *sqldb.Tx, newest NID, since sqldb.Pos) (bool, error) {
	return r.wasSince(tx, newest, since, func(m string) bool { return m != "leave" && m != "ban" })
}

// Members lists who is in a room.
func (r *Rooms) Members(tx *sqldb.Tx, room NID) ([]id.User, error) {
	return sqldb.Column[id.User](tx, sqlMembers, room)
}

// Named says whether an m.room.name or m.room.canonical_alias event gives the room a name.
func Named(s *Stored) bool {
	return textIn(s.Event.Content(), "name") != "" || textIn(s.Event.Content(), "alias") != ""
}
