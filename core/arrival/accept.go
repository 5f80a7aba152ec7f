package arrival

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Results are what a transaction is answered for each of its events: nil, or why it is not taken.
type Results map[id.Event]error

var (
	errTooMany     = fault.Newf(fault.TooLarge, "A transaction has at most %d events", maxPDUs)
	errBusy        = fault.New(fault.LimitExceeded, "Too many of your events wait to be looked at, please go on in a moment").After(2 * time.Second)
	errUnknownRoom = fault.New(fault.NotFound, "This server is not in the room")
)

// Accept takes the events of a transaction. When it returns, those of them that Results has no error for are on disk, and
// are seen through whatever happens. Events that are not of the form their room wants, or of rooms that this server does
// not have, are refused each for itself; the id of an event that cannot be read is not known, and it is not in the
// Results. Errors: M_LIMIT_EXCEEDED when the server has more waiting than it may, M_TOO_LARGE.
func (a *Arrivals) Accept(ctx context.Context, from id.Server, raws []json.RawMessage) (Results, error) {
	if len(raws) > maxPDUs {
		return nil, errTooMany
	}
	a.alive(from)
	results := make(Results, len(raws))
	if len(raws) == 0 {
		return results, nil
	}
	items, err := a.read(ctx, from, raws, results)
	if err != nil || len(items) == 0 {
		return results, err
	}
	g, err := a.admit(ctx, from, items)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-g.done:
	case <-timer.C:
	case <-a.ctx.Done():
	}
	return results, a.keep(context.WithoutCancel(ctx), items)
}

// read parses the events of a transaction. Those that are refused are noted in results.
func (a *Arrivals) read(ctx context.Context, from id.Server, raws []json.RawMessage, results Results) ([]*item, error) {
	items := make([]*item, 0, len(raws))
	for _, raw := range raws {
		it, err := a.readOne(ctx, from, raw)
		var bad *event.Invalid
		switch {
		case errors.As(err, &bad):
			a.counts.malformed.Add(1)
			var said struct {
				ID id.Event `json:"event_id"`
			}
			if json.Unmarshal(raw, &said) == nil && said.ID != "" && len(said.ID) <= id.MaxLength {
				results[said.ID] = fault.New(fault.BadJSON, "The event is malformed: "+bad.Error())
			}
			continue
		case err != nil:
			return nil, err
		case it == nil:
			continue
		}
		if it.event == nil {
			a.outside(ctx, it, results)
			continue
		}
		if _, twice := results[it.event.ID()]; twice {
			continue
		}
		results[it.event.ID()] = nil
		items = append(items, it)
	}
	return items, nil
}

// readOne parses an event by the rules of the room that it names.
func (a *Arrivals) readOne(ctx context.Context, from id.Server, raw json.RawMessage) (*item, error) {
	var said struct {
		Room id.Room `json:"room_id"`
	}
	if err := json.Unmarshal(raw, &said); err != nil || said.Room == "" {
		return nil, nil // a room that cannot be told has no rules to read the event by
	}
	in := said.Room
	for range 2 {
		v, err := a.versionOf(ctx, in)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return &item{origin: from, room: in, raw: raw}, nil
		}
		e, err := event.Parse(v, raw)
		if err != nil {
			return nil, err
		}
		if e.Room() == in {
			return &item{origin: from, room: in, event: e}, nil
		}
		in = e.Room() // there are two names that differ in case, and ours is the other one
	}
	return nil, nil
}

// versionOf is the version of a room, nil for one that is not here, nor about to be.
func (a *Arrivals) versionOf(ctx context.Context, in id.Room) (*version.Version, error) {
	if _, err := id.ParseRoom(string(in)); err != nil {
		return nil, nil
	}
	a.mu.Lock()
	v := a.versions[in]
	a.mu.Unlock()
	if v != nil {
		return v, nil
	}
	if v = a.Joining(in); v != nil { // asked before the database is, or the join could end between the two
		return v, nil
	}
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		g, ok, err := a.Rooms.Gate(tx, in, "")
		if ok {
			v = g.Version
		}
		return err
	})
	if err != nil || v == nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.versions) >= maxVersions {
		clear(a.versions)
	}
	a.versions[in] = v
	return v, nil
}

// admit puts events into their queues once there is room for them.
func (a *Arrivals) admit(ctx context.Context, from id.Server, items []*item) (*group, error) {
	size := 0
	for _, it := range items {
		size += it.size()
	}
	deadline := time.NewTimer(admitTime)
	defer deadline.Stop()
	for {
		a.mu.Lock()
		o := a.origins[from]
		if a.bytes+size <= totalBytes && (o == nil || o.bytes+size <= originBytes && o.events+len(items) <= originEvents) {
			g := &group{left: len(items), done: make(chan struct{})}
			for _, it := range items {
				it.group = g
				a.push(it)
			}
			a.dispatch()
			a.mu.Unlock()
			return g, nil
		}
		freed := a.freed
		a.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-a.ctx.Done():
			return nil, errBusy
		case <-deadline.C:
			a.counts.refused.Add(1)
			return nil, errBusy
		}
	}
}

// settle notes that an event is judged or set aside, so that its transaction need not wait for it. a.mu is held.
func (a *Arrivals) settle(it *item) {
	if it.settled {
		return
	}
	it.settled = true
	if g := it.group; g != nil {
		if g.left--; g.left == 0 {
			close(g.done)
		}
		it.group = nil
	}
}

// finish notes that nothing is to be done about an event any more. a.mu is held.
func (a *Arrivals) finish(it *item) {
	it.over = true
	if it.row != 0 {
		a.finished = append(a.finished, it.row)
		it.row = 0
	}
	a.settle(it)
}
