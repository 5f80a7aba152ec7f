package handshake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Filling is a room that was joined without its members, which are being fetched.
type Filling struct {
	Room  id.Room
	Join  id.Event
	Prev  []id.Event // of the join
	Via   id.Server
	Began time.Time
	Tries int    // that have failed
	Cause string // why the last of them did

	// How many events the room's state has with what authorises it, and how many of them are here; 0 until that is known.
	Events, Have int

	ready bool // the room has been joined
}

const (
	sqlAddFilling = `INSERT INTO filling (room_id, event, prev, via, began, tries, cause) VALUES ($1, $2, $3, $4, $5, 0, '')
		ON CONFLICT (room_id) DO UPDATE SET event = excluded.event, prev = excluded.prev, via = excluded.via,
			began = excluded.began, tries = 0, cause = ''`
	sqlFillings     = `SELECT room_id, event, prev, via, began, tries, cause FROM filling`
	sqlFillingFails = `UPDATE filling SET tries = $1, cause = $2 WHERE room_id = $3`
	sqlDropFilling  = `DELETE FROM filling WHERE room_id = $1 AND event = $2`
)

// Load reads what is still to be fetched. It is called before anything else.
func (h *Handshakes) Load(ctx context.Context) error {
	var all []*Filling
	err := h.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		all, err = sqldb.All(tx, scanFilling, sqlFillings)
		return err
	})
	if err != nil {
		return fmt.Errorf("read which rooms are still to be filled: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range all {
		h.fillings[f.Room] = f
	}
	return nil
}

func scanFilling(row sqldb.Scanner) (*Filling, error) {
	f := new(Filling)
	var prev string
	var began int64
	if err := row.Scan(&f.Room, &f.Join, &prev, &f.Via, &began, &f.Tries, &f.Cause); err != nil {
		return nil, err
	}
	f.Began, f.ready = time.UnixMilli(began), true
	return f, json.Unmarshal([]byte(prev), &f.Prev)
}

// remember writes down that a room is about to be joined without its members.
func (h *Handshakes) remember(ctx context.Context, via id.Server, join *event.Event) error {
	f := &Filling{Room: join.Room(), Join: join.ID(), Prev: join.Prev(), Via: via, Began: h.Now()}
	prev, err := json.Marshal(f.Prev)
	if err != nil {
		return err
	}
	err = h.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlAddFilling, f.Room, f.Join, string(prev), f.Via, f.Began.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("write down what is to be fetched of a room: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fillings[f.Room] = f
	return nil
}

// begin has Run fill a room that was joined.
func (h *Handshakes) begin(in id.Room) {
	h.mu.Lock()
	if f := h.fillings[in]; f != nil {
		changed := *f
		changed.ready = true
		h.fillings[in] = &changed
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default: // it will look
	}
}

// done forgets a room that is complete, or is not here any more, unless it has been joined anew.
func (h *Handshakes) done(ctx context.Context, in id.Room, join id.Event) error {
	err := h.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlDropFilling, in, join)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget that a room was to be filled: %w", err)
	}
	h.mu.Lock()
	if f := h.fillings[in]; f != nil && f.Join == join {
		delete(h.fillings, in)
	}
	h.mu.Unlock()
	h.Bus.Wake(topic(in))
	return nil
}

// failed notes why a room could not be filled yet.
func (h *Handshakes) failed(ctx context.Context, in id.Room, why error) error {
	cause := why.Error()
	cause = strings.ToValidUTF8(cause[:min(len(cause), 500)], "")
	h.mu.Lock()
	f := h.fillings[in]
	var tries int
	if f != nil {
		changed := *f
		changed.Tries, changed.Cause = f.Tries+1, cause
		h.fillings[in], tries = &changed, changed.Tries
	}
	h.mu.Unlock()
	return h.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlFillingFails, tries, cause, in)
		return err
	})
}

// progress notes how much of a room is here.
func (h *Handshakes) progress(in id.Room, events, have int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.fillings[in]; f != nil {
		changed := *f
		changed.Events, changed.Have = events, have
		h.fillings[in] = &changed
	}
}

// Fillings lists the rooms whose members are being fetched, the oldest first.
func (h *Handshakes) Fillings() []Filling {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Filling, 0, len(h.fillings))
	for _, f := range slices.SortedFunc(maps.Values(h.fillings), func(a, b *Filling) int { return a.Began.Compare(b.Began) }) {
		all = append(all, *f)
	}
	return all
}

// Filling says whether a room's members are being fetched, and how far that is.
func (h *Handshakes) Filling(in id.Room) (Filling, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.fillings[in]
	if f == nil {
		return Filling{}, false
	}
	return *f, true
}

// Whole waits until all members of a room are here; it returns at once for every room but one that was joined a moment ago. It
// gives up after a while in which no server answered: what is known is then all there is to tell.
func (h *Handshakes) Whole(ctx context.Context, in id.Room) error {
	if _, filling := h.Filling(in); !filling {
		return nil
	}
	s := h.Bus.Sleep(topic(in))
	defer s.Close()
	enough := time.After(patience)
	for {
		if _, filling := h.Filling(in); !filling {
			return nil
		}
		select {
		case <-s.C():
		case <-enough:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// topic is woken when a room is whole.
func topic(in id.Room) string { return "whole:" + string(in) }
