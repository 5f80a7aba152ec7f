package arrival

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
	"freehold.example/matrix/version"
)

// judge takes a batch of one server's events of one room through the checks (Server-Server API, "Checks performed on
// receipt of a PDU"): format and hash were looked at when they came; signatures, access list and policy server are here, and
// the rest in core/room. Every event of the batch is finished or parked when it returns.
func (a *Arrivals) judge(in id.Room, from id.Server, batch []*item) {
	ctx := a.ctx
	if err := a.Joined(ctx, in); err != nil {
		a.postpone(batch, err)
		return
	}
	gate, here, fresh, err := a.meet(ctx, in, from, batch)
	switch {
	case err != nil:
		a.postpone(batch, err)
		return
	case !here:
		a.notHere(ctx, batch)
		return
	case gate.Denied:
		a.drop(batch, errUnknownRoom)
		return
	}
	batch, incoming := a.checked(ctx, from, gate.Version, a.finishOthers(in, batch, fresh))
	if len(batch) == 0 {
		return
	}
	a.policed(ctx, gate, incoming)
	receipts, err := a.receive(ctx, in, incoming)
	switch {
	case fault.Is(err, fault.NotFound):
		a.notHere(ctx, batch)
	case err != nil:
		a.postpone(batch, err)
	default:
		a.settleAll(in, batch, receipts)
	}
}

// The patience with a room that cannot be written to: the disk is full, or too many write.
const (
	receiveTries = 6
	receivePause = 100 * time.Millisecond // before the second try, and twice as long before each further one
)

func (a *Arrivals) receive(ctx context.Context, in id.Room, incoming []room.Incoming) ([]room.Receipt, error) {
	pause := receivePause
	for try := 1; ; try++ {
		receipts, err := a.Rooms.Receive(ctx, in, incoming)
		if err == nil || fault.Is(err, fault.NotFound) || try == receiveTries {
			return receipts, err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (a *Arrivals) gate(ctx context.Context, in id.Room, from id.Server) (g room.Gate, ok bool, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		g, ok, err = a.Rooms.Gate(tx, in, from)
		return err
	})
	return g, ok, err
}

// meet is gate, and says which events of a batch have no place here yet. After a cut most of what comes has come by another way
// before, and need not be verified again.
func (a *Arrivals) meet(ctx context.Context, in id.Room, from id.Server, batch []*item) (g room.Gate, ok bool, fresh []id.Event, err error) {
	names := make([]id.Event, len(batch))
	for i, it := range batch {
		names[i] = it.event.ID()
	}
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		if g, ok, err = a.Rooms.Gate(tx, in, from); err != nil || !ok || g.Denied {
			return err
		}
		fresh, err = a.Rooms.Unplaced(tx, names)
		return err
	})
	return g, ok, fresh, err
}

// finishOthers finishes the events of a batch that are not fresh, and gives those that are.
func (a *Arrivals) finishOthers(in id.Room, batch []*item, fresh []id.Event) []*item {
	isFresh := make(map[id.Event]bool, len(fresh))
	for _, e := range fresh {
		isFresh[e] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	left := make([]*item, 0, len(batch))
	for _, it := range batch {
		if isFresh[it.event.ID()] {
			left = append(left, it)
			continue
		}
		a.counts.verdict(room.Known)
		a.finish(it)
		a.arrived(in, it.event.ID())
	}
	a.dispatch()
	return left
}

// checked verifies the signatures. What is not signed as it must be is dropped, and what cannot be told yet is parked. Dropped is also what
// was read by the rules of another version than the room has: while a room is joined, the version is what the server says that is asked,
// and the room may then be had from another one.
func (a *Arrivals) checked(ctx context.Context, from id.Server, of *version.Version, batch []*item) ([]*item, []room.Incoming) {
	ctx, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	events := make([]*event.Event, len(batch))
	for i, it := range batch {
		events[i] = it.event
	}
	good := make([]*item, 0, len(batch))
	incoming := make([]room.Incoming, 0, len(batch))
	for i, v := range a.Peers.VerifyEvents(ctx, from, events) {
		switch {
		case events[i].Version().ID != of.ID:
			a.drop(batch[i:i+1], errOtherVersion)
		case v.Err == nil:
			good = append(good, batch[i])
			incoming = append(incoming, room.Incoming{Event: events[i], SignedBy: v.By})
		case errors.Is(v.Err, event.ErrSignature):
			a.counts.forged.Add(1)
			a.drop(batch[i:i+1], v.Err)
		default:
			a.postpone(batch[i:i+1], v.Err)
		}
	}
	return good, incoming
}

var errOtherVersion = errors.New("it was read by the rules of another room version")

var errUnsigned = fault.New(fault.Forbidden, "The room's policy server has not signed the event")

// asksAtOnce is how many events a policy server is asked about at the same time.
const asksAtOnce = 8

// policed asks the room's policy server about events that it has not signed ("Validating Policy Server signatures"). Those
// that it does not sign either are soft failed.
func (a *Arrivals) policed(ctx context.Context, gate room.Gate, in []room.Incoming) {
	if gate.Policy == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	var wg sync.WaitGroup
	turns := make(chan struct{}, asksAtOnce)
	for i := range in {
		e := in[i].Event
		key, isState := e.StateKey()
		k := &key
		if !isState {
			k = nil
		}
		if !policy.Judges(e.Type(), k) || gate.Policy.Verify(e) == nil {
			continue
		}
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			text, err := a.Peers.SignEvent(ctx, gate.Policy.Name, e.Bytes())
			if err != nil {
				in[i].Objection = err
				return
			}
			signed, err := e.WithSignature(gate.Policy.Name, policy.Key, text)
			if err != nil || gate.Policy.Verify(signed) != nil {
				in[i].Objection = errUnsigned
				return
			}
			in[i].Event = signed
		})
	}
	wg.Wait()
}

// settleAll does what the room's verdicts ask for.
func (a *Arrivals) settleAll(in id.Room, batch []*item, receipts []room.Receipt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, r := range receipts {
		a.counts.verdict(r.Verdict)
		if r.Verdict == room.Lacking {
			a.park(batch[i], r.Missing, nil)
			continue
		}
		a.finish(batch[i])
		a.arrived(in, r.Event)
	}
	a.dispatch()
}

// drop finishes events that are not taken.
func (a *Arrivals) drop(batch []*item, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, it := range batch {
		a.Log.Debug("an event that arrived is dropped", "origin", it.origin, "room", it.room, "event", it.event.ID(), "cause", why)
		a.finish(it)
	}
}

// postpone parks events for a reason that has nothing to do with them.
func (a *Arrivals) postpone(batch []*item, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, it := range batch {
		a.park(it, nil, why)
	}
}

// notHere is for events of a room of which this server has something, but is not in, or that it has tried to join in vain.
func (a *Arrivals) notHere(ctx context.Context, batch []*item) {
	for _, it := range batch {
		if a.Outside != nil {
			if err := a.Outside(ctx, it.origin, it.room, it.event.Bytes()); err != nil {
				a.Log.DebugContext(ctx, "an event from outside is dropped", "origin", it.origin, "room", it.room, "cause", err)
			}
		}
	}
	a.drop(batch, errUnknownRoom)
}

// outside is for an event of a room that is not known here at all.
func (a *Arrivals) outside(ctx context.Context, it *item, results Results) {
	err := error(errUnknownRoom)
	if a.Outside != nil {
		err = a.Outside(ctx, it.origin, it.room, it.raw)
	}
	if e := guess(it.room, it.raw); e != "" {
		results[e] = err
	}
}

// guess is the id of an event of a room whose version is not known: that of the room versions of today. "" where it has
// none by their rules.
func guess(in id.Room, raw json.RawMessage) id.Event {
	name := "11"
	if in.Server() == "" {
		name = "12"
	}
	v, _ := version.Lookup(name)
	e, err := event.Parse(v, raw)
	if err != nil {
		return ""
	}
	return e.ID()
}
