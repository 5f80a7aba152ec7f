package room

import (
	"database/sql"
	"errors"
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
	// Before is the moment just before the first event, where paging back carries on.
	Before sqldb.Pos
	Whole  bool // nothing that arrived since lies before the first event: what was left out came later
}

const (
	sqlNewest = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND e.pos > $2 AND e.pos <= $3 ORDER BY e.pos DESC LIMIT $4`
	sqlRootAt = `SELECT state FROM event WHERE room = $1 AND pos <= $2 ORDER BY pos DESC LIMIT 1`
)

// Choice is what becomes of an event when a Window is read.
type Choice int

const (
	Skip Choice = iota
	Keep
	Stop // it is left out, and so is all that is older
)

// Window reads the newest limit events that arrived after after and up to upto, and that choose keeps. It looks at maxScan
// events at most; past that the window is limited.
func (r *Rooms) Window(tx *sqldb.Tx, room NID, after, upto sqldb.Pos, limit int, choose func(*Stored) (Choice, error)) (*Window, error) {
	w := &Window{Before: upto}
	below := upto // all down to here was looked at
	for scanned := 0; scanned < maxScan; {
		ask := min(max(limit-len(w.Events)+1, 10), 500)
		events, err := sqldb.All(tx, scanStored, sqlNewest, room, after, below, ask)
		if err != nil {
			return nil, err
		}
		scanned += len(events)
		for _, s := range events {
			choice, err := choose(s)
			if err != nil {
				return nil, err
			}
			if choice == Stop || choice == Keep && len(w.Events) == limit {
				w.Limited = true
				return w.chronological(), nil
			}
			below = s.Pos - 1
			if choice == Keep {
				w.Events, w.Before = append(w.Events, s), below
			}
		}
		if len(events) < ask {
			w.Whole = below == w.Before
			return w.chronological(), nil
		}
	}
	w.Limited = true
	return w.chronological(), nil
}

func (w *Window) chronological() *Window {
	slices.Reverse(w.Events)
	return w
}

// RootAt is the root of the room's state at a moment of the stream: the zero root before the room's first event.
func (r *Rooms) RootAt(tx *sqldb.Tx, room NID, at sqldb.Pos) (root pmap.Root, err error) {
	var b []byte
	err = tx.Row(sqlRootAt, room, at).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return root, nil
	}
	copy(root[:], b)
	return root, err
}

// Load reads an event by its number, such as that of a Standing.
func (r *Rooms) Load(tx *sqldb.Tx, nid NID) (*Stored, error) { return r.load(tx, nid) }

// CameAndWent says whether, after a moment of the stream at which she was not in the room, a user was invited, joined or
// knocked, and left again.
func (r *Rooms) CameAndWent(tx *sqldb.Tx, newest NID, since sqldb.Pos) (bool, error) {
	nid := newest
	for range maxMemberships {
		if nid == 0 {
			return false, nil
		}
		s, err := r.load(tx, nid)
		if err != nil || s.Pos <= since {
			return false, err
		}
		if m := s.Membership(); m != "leave" && m != "ban" {
			return true, nil
		}
		nid = s.Replaces
	}
	return true, nil
}

// Members lists who is in a room.
func (r *Rooms) Members(tx *sqldb.Tx, room NID) ([]id.User, error) {
	return sqldb.Column[id.User](tx, sqlMembers, room)
}

// Named says whether an m.room.name or m.room.canonical_alias event gives the room a name.
func Named(s *Stored) bool {
	return textIn(s.Event.Content(), "name") != "" || textIn(s.Event.Content(), "alias") != ""
}
