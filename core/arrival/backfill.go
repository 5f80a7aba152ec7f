package arrival

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"freehold.example/base/lane"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// What happened in a room before this server came to it, or in a gap that was bridged, is fetched when somebody scrolls back
// that far.

const (
	backfillTime   = 8 * time.Second  // that a client waits for it
	backfillEvents = 100              // asked for at once
	backfillRest   = 30 * time.Second // after an attempt that brought nothing
)

// limit: rooms of which the past could not be had a moment ago, in memory | %d | all are forgotten
const maxBarren = 10_000

// fetching is a room of which the past is fetched. It is taken before the room's own lane.
type fetching id.Room

// past is the fetching of the past.
type past struct {
	lanes lane.Lanes[fetching] // bounded by the requests under way

	mu     sync.Mutex            // guards barren
	barren map[id.Room]time.Time // until when it is not worth trying; bounded by maxBarren
}

// Backfill fetches events that are missing before others, and what was before them, from servers of the room, and puts them
// into the history. It comes back after some seconds at most, with whatever it has got by then; that there is nothing to be
// had is no error.
func (a *Arrivals) Backfill(ctx context.Context, in id.Room, missing []id.Event) error {
	ctx, cancel := context.WithTimeout(ctx, backfillTime)
	defer cancel()
	unlock, err := a.past.lanes.Lock(ctx, fetching(in))
	if err != nil {
		return nil // another has not got it in all that time
	}
	defer unlock()
	if missing, err = a.unfounded(ctx, missing); err != nil || len(missing) == 0 || a.past.rests(in, a.Now()) {
		return err
	}
	gate, here, err := a.gate(ctx, in, "")
	if err != nil || !here {
		return err
	}
	for _, server := range a.elsewhere(ctx, gate.Room) {
		n, err := a.backfillFrom(ctx, server, gate, in, missing)
		if n > 0 {
			a.counts.backfilled.Add(int64(n))
			return nil
		}
		if err != nil {
			a.Log.DebugContext(ctx, "the past of a room was not had", "room", in, "server", server, "cause", err)
		}
	}
	a.past.rest(in, a.Now().Add(backfillRest))
	return nil
}

func (p *past) rests(in id.Room, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Before(p.barren[in])
}

func (p *past) rest(in id.Room, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.barren == nil || len(p.barren) >= maxBarren {
		p.barren = map[id.Room]time.Time{}
	}
	p.barren[in] = until
}

// unplaced are those of the events that have no place in the history yet.
func (a *Arrivals) unplaced(ctx context.Context, events []id.Event) ([]id.Event, error) {
	return a.left(ctx, events, a.Rooms.Unplaced)
}

// unfounded are those of the events that are not in the room's graph yet: the unplaced, and those from outside.
func (a *Arrivals) unfounded(ctx context.Context, events []id.Event) ([]id.Event, error) {
	return a.left(ctx, events, a.Rooms.Unfounded)
}

func (a *Arrivals) left(ctx context.Context, events []id.Event, of func(*sqldb.Tx, []id.Event) ([]id.Event, error)) (left []id.Event, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		left, err = of(tx, events)
		return err
	})
	return left, err
}

// backfillFrom asks one server. n is how many events have got a place.
func (a *Arrivals) backfillFrom(ctx context.Context, server id.Server, gate room.Gate, in id.Room, missing []id.Event) (n int, err error) {
	raws, err := a.askBackfill(ctx, server, in, missing, backfillEvents)
	if err != nil {
		return 0, err
	}
	f := a.filler(&item{origin: server, room: in}, gate)
	for _, x := range a.sound(ctx, gate.Version, server, in, raws, a.unfounded) {
		f.got[x.Event.ID()] = x
	}
	return f.history(ctx, server)
}

// history puts what was fetched into the history. The state before those that follow nothing known is asked for.
func (f *filler) history(ctx context.Context, server id.Server) (n int, err error) {
	events := f.sorted()
	for range maxPasses {
		if len(events) == 0 {
			break
		}
		receipts, err := f.Rooms.Backfilled(ctx, f.it.room, events)
		if err != nil {
			return n, err
		}
		byID := make(map[id.Event]room.Receipt, len(receipts))
		for _, r := range receipts {
			byID[r.Event] = r
			if r.Verdict != room.Lacking {
				n++
			}
		}
		events = slices.DeleteFunc(events, func(in room.Incoming) bool { return byID[in.Event.ID()].Verdict != room.Lacking })
		if len(events) == 0 || !f.support(ctx, server, events, byID) {
			break
		}
	}
	return n, nil
}

// support gets what the first of some events lacks: the state before it, and its auth events. It says whether that helped.
func (f *filler) support(ctx context.Context, server id.Server, events []room.Incoming, receipts map[id.Event]room.Receipt) bool {
	for i := range events {
		e := events[i].Event
		if f.done[e.ID()] || f.anchors >= maxAnchors {
			continue
		}
		within := func(m id.Event) bool {
			return slices.ContainsFunc(events, func(x room.Incoming) bool { return x.Event.ID() == m })
		}
		missing := receipts[e.ID()].Missing
		if slices.ContainsFunc(missing, within) {
			continue // it is supported by what supports that
		}
		f.done[e.ID()] = true
		f.anchors++
		before, err := f.stateBefore(ctx, server, f.gate, f.it.room, e.ID())
		if err != nil {
			f.Log.DebugContext(ctx, "the state before an event was not had", "server", server, "room", f.it.room, "event", e.ID(), "cause", err)
			continue
		}
		events[i].Before = before
		var auth []id.Event
		for _, m := range missing {
			if slices.Contains(e.Auth(), m) {
				auth = append(auth, m)
			}
		}
		if lack, err := f.lack(ctx, auth); err == nil && len(lack) > 0 {
			f.authChain(ctx, server, e.ID(), lack)
		}
		return true
	}
	return false
}

// Nearest asks servers of a room which event is nearest to a time in milliseconds: the first at or after it, or the last at
// or before it. The event has its place in the history when it is given. An error says that none was had.
func (a *Arrivals) Nearest(ctx context.Context, in id.Room, ts int64, forward bool) (id.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, backfillTime)
	defer cancel()
	gate, here, err := a.gate(ctx, in, "")
	if err != nil || !here {
		return "", errors.Join(err, errNotGiven)
	}
	dir := "b"
	if forward {
		dir = "f"
	}
	why := errNotGiven
	for _, server := range a.elsewhere(ctx, gate.Room) {
		var answer struct {
			Event id.Event `json:"event_id"`
		}
		path := fmt.Sprintf("timestamp_to_event/%s?ts=%d&dir=%s", url.PathEscape(string(in)), ts, dir)
		if why = a.ask(ctx, server, http.MethodGet, path, nil, &answer); why != nil {
			continue
		}
		if _, err := id.ParseEvent(string(answer.Event)); err != nil {
			continue
		}
		left, err := a.unplaced(ctx, []id.Event{answer.Event})
		if err != nil {
			return "", err
		}
		if len(left) == 0 {
			return answer.Event, nil
		}
		n, err := a.backfillFrom(ctx, server, gate, in, left)
		if err == nil && n > 0 {
			return answer.Event, nil
		}
	}
	return "", why
}
