// Package search finds messages by their words (Client-Server API, "Server Side Search").
//
// The index is made by reading the log of events with a cursor, in the background and once more before each search, so
// that what is on disk is found and sending a message waits for nothing. Only what the server can read is in it: the
// bodies of m.room.message and the names and topics of rooms. What a user searches for is not kept anywhere, and what she
// may not see is neither shown nor counted.
package search

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
)

// Config is what search works with. All fields are needed.
type Config struct {
	DB    *sqldb.DB
	Rooms *room.Rooms
	Log   *slog.Logger
}

// Search is the search of one server. Its methods may be called from any goroutine.
type Search struct {
	Config
	mu   sync.Mutex // held while the index is brought up to date; guards what follows
	upto sqldb.Pos  // how far the log has been read; 0 before the first look
	seen sqldb.Pos  // up to here there is nothing more: positions after upto may be those of writes that failed
}

// New makes a Search.
func New(c Config) *Search { return &Search{Config: c} }

// The keys that can be searched.
const (
	Body  = "content.body"
	Name  = "content.name"
	Topic = "content.topic"
)

// text is what is searched of an event, and the key it goes by; "" for what is not in the index.
func text(s *room.Stored) (key, text string) {
	_, isState := s.Event.StateKey()
	switch typ := s.Event.Type(); {
	case typ == "m.room.message" && !isState:
		key = Body
	case typ == "m.room.name" && isState:
		key = Name
	case typ == "m.room.topic" && isState:
		key = Topic
	default:
		return "", ""
	}
	text, _ = canon.String(canon.Get(s.Event.Content(), key[len("content."):]))
	if text == "" {
		return "", ""
	}
	return key, text
}

const (
	batch   = 50               // events that are read and written at once: others wait for the disk behind them
	pause   = 2 * time.Second  // between two looks in the background
	behind  = 10_000           // what a search waits for; what is older comes in the background
	longest = 10 * time.Second // for a batch
)

const (
	sqlCursor  = `SELECT pos FROM search_cursor WHERE id = 1`
	sqlAdvance = `UPDATE search_cursor SET pos = $1 WHERE id = 1`
	sqlAdd     = `INSERT INTO search_entry (pos, event, room, key, words) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pos) DO NOTHING`
	sqlRemove  = `DELETE FROM search_entry WHERE event = $1`
)

// Run keeps the index up to date until ctx ends.
func (s *Search) Run(ctx context.Context) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		for {
			more, err := s.advance(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Upto is how far the log has been read.
func (s *Search) Upto() sqldb.Pos {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upto
}

// Settle brings the index up to date with all that is committed.
func (s *Search) Settle(ctx context.Context) error {
	for {
		if more, err := s.advance(ctx); err != nil || !more {
			return err
		}
	}
}

// catchUp reads what was committed before now, unless that is very much.
func (s *Search) catchUp(ctx context.Context) error {
	for range behind / batch {
		more, err := s.advance(ctx)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// advance reads one batch of the log into the index, and says whether there is more.
func (s *Search) advance(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upto != 0 && s.seen >= s.DB.Committed() {
		return false, nil
	}
	var events []*room.Stored
	var gone []room.NID
	var upto, seen sqldb.Pos
	err = s.DB.Read(ctx, func(tx *sqldb.Tx) error {
		seen = tx.Pos()
		var after sqldb.Pos
		if err := tx.Row(sqlCursor).Scan(&after); err != nil {
			return err
		}
		if events, upto, more, err = s.Rooms.Stream(tx, after, batch); err != nil {
			return err
		}
		gone, err = s.redacted(tx, events)
		return err
	})
	if err != nil {
		return false, err
	}
	if len(events) > 0 {
		ctx, cancel := context.WithTimeout(ctx, longest)
		defer cancel()
		if err := s.DB.Write(ctx, func(tx *sqldb.Tx) error { return write(tx, events, gone, upto) }); err != nil {
			return false, err
		}
	}
	s.upto = upto
	if !more {
		s.seen = seen
	}
	return more, nil
}

// redacted finds which events the redactions among these have emptied.
func (s *Search) redacted(tx *sqldb.Tx, events []*room.Stored) (gone []room.NID, err error) {
	for _, e := range events {
		target := e.Event.Redacts()
		if target == "" || e.Event.Type() != "m.room.redaction" {
			continue
		}
		old, err := s.Rooms.Shown(tx, target)
		if err != nil {
			return nil, err
		}
		if old != nil && old.RedactedBy != 0 {
			gone = append(gone, old.NID)
		}
	}
	return gone, nil
}

func write(tx *sqldb.Tx, events []*room.Stored, gone []room.NID, upto sqldb.Pos) error {
	for _, e := range events {
		key, text := text(e)
		if key == "" {
			continue
		}
		list := indexed(text)
		if list == "" {
			continue
		}
		if err := tx.Put(sqlAdd, e.Pos, e.NID, e.Room, key, list); err != nil {
			return err
		}
	}
	for _, nid := range gone {
		if err := tx.Put(sqlRemove, nid); err != nil {
			return err
		}
	}
	return tx.Put(sqlAdvance, upto)
}

// ForgetEvents takes events out of the index that are removed, inside the write that removes them.
func ForgetEvents(tx *sqldb.Tx, events []room.NID) error {
	return tx.Put(`DELETE FROM search_entry WHERE event IN ({ints $1})`, sqldb.List(events))
}
