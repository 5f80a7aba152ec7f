package arrival

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// What was fetched may follow events that were not, because the gap is too long. Then the latest of those gets its place
// with the state before it as another server tells it; how that goes together with what is known here is a matter of state
// resolution, as with any fork.

const (
	maxSingles  = 500  // events of a state fetched one by one
	singleTurns = 8    // at once
	authLevels  = 5    // auth events, theirs, and so on, fetched one by one
	largeState  = 8000 // events past which the answer may be as long as that of a large room

	// limit: states of rooms that are fetched at once | %d | any others wait
	stateTurns = 4
)

// help fetches for what could not be judged. It says whether there is anything new.
func (f *filler) help(ctx context.Context, own room.Incoming, lacking []room.Receipt) (progress bool) {
	for _, r := range lacking {
		e := own.Event
		if r.Event != e.ID() {
			in, ok := f.got[r.Event]
			if !ok {
				continue
			}
			e = in.Event
		}
		var auth []id.Event
		for _, m := range r.Missing {
			if _, fetched := f.got[m]; fetched {
				continue // it lacks something itself
			}
			switch {
			case !slices.Contains(e.Prev(), m):
				auth = append(auth, m)
			case f.isPlaced(ctx, m): // it is from outside, and the state after it is not known
				if !f.done[e.ID()] && f.anchors < maxAnchors {
					f.done[e.ID()] = true
					f.anchors++
					progress = f.anchor(ctx, e.ID()) || progress
				}
			case e == own.Event || f.done[m] || f.anchors >= maxAnchors:
			default:
				f.done[m] = true
				f.anchors++
				had := f.anchor(ctx, m)
				if !had && !f.done[e.ID()] && f.anchors < maxAnchors {
					// Who came into the room with e knows the state before it, and not the one before what it follows.
					f.done[e.ID()] = true
					f.anchors++
					had = f.anchor(ctx, e.ID())
				}
				progress = had || progress
			}
		}
		if len(auth) > 0 && !f.done[e.ID()] && f.chains < maxAuthAsks {
			f.done[e.ID()] = true
			f.chains++
			progress = f.authChain(ctx, f.it.origin, e.ID(), auth) || progress
		}
	}
	return progress
}

func (f *filler) isPlaced(ctx context.Context, e id.Event) bool {
	left, err := f.unplaced(ctx, []id.Event{e})
	return err == nil && len(left) == 0
}

// anchor gives an event its place with the state before it as a server of the room tells it.
func (f *filler) anchor(ctx context.Context, e id.Event) bool {
	for _, server := range append([]id.Server{f.it.origin}, f.elsewhere(ctx)...) {
		err := f.anchorFrom(ctx, server, e)
		if err == nil {
			return true
		}
		f.Log.DebugContext(ctx, "the state before an event was not had", "server", server, "room", f.it.room, "event", e, "cause", err)
	}
	return false
}

func (f *filler) anchorFrom(ctx context.Context, server id.Server, e id.Event) error {
	before, err := f.stateBefore(ctx, server, f.gate, f.it.room, e)
	if err != nil {
		return err
	}
	raws, err := f.askEvent(ctx, server, e)
	if err != nil {
		return err
	}
	in := f.sound(ctx, f.gate.Version, server, f.it.room, raws, f.unplaced)
	if f.isPlaced(ctx, e) {
		return nil // it has come by another way
	}
	if len(in) != 1 || in[0].Event.ID() != e {
		return fmt.Errorf("%s has given another event", server)
	}
	f.policed(ctx, f.gate, in)
	in[0].Before = before
	for again := range 2 {
		receipts, err := f.Rooms.Receive(ctx, f.it.room, in)
		if err != nil {
			return err
		}
		lacking := f.note(receipts)
		if len(lacking) == 0 {
			return nil
		}
		if again == 1 || !f.authChain(ctx, server, e, lacking[0].Missing) {
			break
		}
	}
	return errNotGiven
}

// stateBefore has a server tell the state before an event, and stores what of it is not here yet. The events of the answer
// are in the store, but for those that turned out not to be sound.
func (a *Arrivals) stateBefore(ctx context.Context, server id.Server, gate room.Gate, in id.Room, e id.Event) ([]id.Event, error) {
	state, chain, err := a.askStateIDs(ctx, server, in, e)
	if err != nil {
		return nil, err
	}
	all := unique(append(slices.Clone(state), chain...))
	lack, err := a.lack(ctx, all)
	if err != nil {
		return nil, err
	}
	if len(lack) > 10 && len(lack)*10 >= len(all) {
		if err := a.wholeState(ctx, server, gate, in, e, len(all)); err != nil {
			return nil, err
		}
		if lack, err = a.lack(ctx, all); err != nil {
			return nil, err
		}
	}
	if len(lack) > 0 {
		if err := a.singles(ctx, server, gate, in, lack); err != nil {
			return nil, err
		}
	}
	have, err := a.have(ctx, state)
	if err != nil {
		return nil, err
	}
	before := slices.DeleteFunc(state, func(x id.Event) bool { return !have[x] })
	if len(before) == 0 {
		return nil, errors.New("nothing of the state could be used")
	}
	return before, nil
}

// wholeState fetches a state of about n events with its auth chain, and keeps what of it is sound.
func (a *Arrivals) wholeState(ctx context.Context, server id.Server, gate room.Gate, in id.Room, e id.Event, n int) error {
	select {
	case a.states <- struct{}{}:
		defer func() { <-a.states }()
	case <-ctx.Done():
		return ctx.Err()
	}
	raws, err := a.askState(ctx, server, in, e, n > largeState)
	if err != nil {
		return err
	}
	return a.store(ctx, in, a.sound(ctx, gate.Version, server, in, raws, a.lack))
}

func unique(events []id.Event) []id.Event {
	slices.Sort(events)
	return slices.Compact(events)
}

// lack are those of some events that are not here.
func (a *Arrivals) lack(ctx context.Context, events []id.Event) ([]id.Event, error) {
	have, err := a.have(ctx, events)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(events), func(e id.Event) bool { return have[e] }), nil
}

// store keeps events without a place in the room.
func (a *Arrivals) store(ctx context.Context, in id.Room, events []room.Incoming) error {
	if len(events) == 0 {
		return nil
	}
	_, err := a.Rooms.AddOutliers(ctx, in, events)
	return err
}

// singles fetches events one by one and keeps them. An error says that one was not had; one that is not sound is left out.
func (a *Arrivals) singles(ctx context.Context, server id.Server, gate room.Gate, in id.Room, events []id.Event) error {
	if len(events) > maxSingles {
		return fmt.Errorf("%d events of a state are missing", len(events))
	}
	raws, err := a.fetchEach(ctx, server, events)
	if err != nil {
		return err
	}
	return a.store(ctx, in, a.sound(ctx, gate.Version, server, in, raws, a.lack))
}

// fetchEach fetches events one by one. The error is that of one that was not had, beside those that were.
func (a *Arrivals) fetchEach(ctx context.Context, server id.Server, events []id.Event) (all pdus, failed error) {
	var mu sync.Mutex // guards all and failed
	var wg sync.WaitGroup
	turns := make(chan struct{}, singleTurns)
	for _, e := range events {
		turns <- struct{}{}
		mu.Lock()
		stop := failed != nil && ctx.Err() != nil
		mu.Unlock()
		if stop {
			break
		}
		wg.Go(func() {
			defer func() { <-turns }()
			raws, err := a.askEvent(ctx, server, e)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, raws...)
			if err == nil && len(raws) == 0 {
				err = errNotGiven
			}
			if err != nil {
				failed = fmt.Errorf("fetch %s: %w", e, err)
			}
		})
	}
	wg.Wait()
	return all, failed
}

// authChain fetches the auth chain of an event, and the events that it lacks one by one where the chain is not given. It says
// whether any of those is here now.
func (f *filler) authChain(ctx context.Context, server id.Server, of id.Event, want []id.Event) bool {
	raws, err := f.askAuth(ctx, server, f.it.room, of)
	if err == nil {
		err = f.store(ctx, f.it.room, f.sound(ctx, f.gate.Version, server, f.it.room, raws, f.lack))
	}
	lack, lackErr := f.lack(ctx, want)
	if err == nil && lackErr == nil && len(lack) == 0 {
		return true
	}
	open := lack
	var fetched []room.Incoming
	for range authLevels {
		if len(open) == 0 || len(fetched)+len(open) > maxSingles {
			break
		}
		raws, _ := f.fetchEach(ctx, server, open) // what is not given is missed below
		more := f.sound(ctx, f.gate.Version, server, f.it.room, raws, f.lack)
		if len(more) == 0 {
			break
		}
		fetched = append(fetched, more...)
		var next []id.Event
		for _, in := range more {
			for _, a := range in.Event.Auth() {
				if !slices.ContainsFunc(fetched, func(x room.Incoming) bool { return x.Event.ID() == a }) {
					next = append(next, a)
				}
			}
		}
		if open, lackErr = f.lack(ctx, unique(next)); lackErr != nil {
			break
		}
	}
	if len(fetched) > 0 && f.store(ctx, f.it.room, fetched) != nil {
		return false
	}
	left, err := f.lack(ctx, want)
	return err == nil && len(left) < len(want)
}
