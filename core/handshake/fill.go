package handshake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"freehold.example/base/backoff"
	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// The bounds of filling rooms.
const (
	fillsAtOnce = 3       // rooms that are filled at the same time; those that wait for the next try do not count
	maxState    = 500_000 // events of one state, with what authorises it
	fewMissing  = 50      // events that are fetched one by one
	chunk       = 1000    // events that are stored in one transaction
)

// between is the pause between two tries.
var between = backoff.Policy{First: time.Second, Cap: time.Minute}

// Run fetches the members of rooms that were joined without them, until its context ends. What it has not done then it does
// after the next start.
func (h *Handshakes) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	type filler struct {
		join id.Event
		stop context.CancelFunc
	}
	busy := map[id.Room]filler{}
	over := make(chan id.Room)
	slots := make(chan struct{}, fillsAtOnce)
	for {
		for _, f := range h.Fillings() {
			if now, is := busy[f.Room]; is && f.ready && now.join != f.Join {
				now.stop() // everybody left, and somebody came again: the room is another than was asked for
			} else if !is && f.ready {
				of, stop := context.WithCancel(ctx)
				busy[f.Room] = filler{f.Join, stop}
				wg.Go(func() { // ends with the room or with ctx
					h.fill(of, f, slots)
					select {
					case over <- f.Room:
					case <-ctx.Done():
					}
				})
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		case in := <-over:
			busy[in].stop()
			delete(busy, in)
		}
	}
}

// fill fills one room, however often it takes. It has a slot while it tries: a room whose servers are gone keeps no other back.
func (h *Handshakes) fill(ctx context.Context, f Filling, slots chan struct{}) {
	pause := backoff.Backoff{Policy: between}
	for ctx.Err() == nil {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := h.try(ctx, f)
		<-slots
		if err == nil {
			h.Log.InfoContext(ctx, "a room is filled, or nobody is in it any more", "room", f.Room, "took", h.Now().Sub(f.Began).Round(time.Millisecond))
			return
		}
		if ctx.Err() != nil {
			return
		}
		h.Log.WarnContext(ctx, "the members of a room could not be had yet", "room", f.Room, "cause", err)
		if err := h.failed(ctx, f.Room, err); err != nil {
			h.Log.WarnContext(ctx, "a failure was not written down", "cause", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause.Next()):
		}
	}
}

// try asks the room's servers one after the other. It is done, too, when the room is not here any more.
func (h *Handshakes) try(ctx context.Context, f Filling) error {
	var servers []id.Server
	var join *room.Stored
	partial := false
	err := h.DB.Read(ctx, func(tx *sqldb.Tx) error {
		partial = false
		now, err := h.Rooms.Current(tx, f.Room)
		if err != nil || len(now) == 0 {
			return err
		}
		if servers, partial, err = h.Rooms.Partial(tx, now[0].Room); err != nil {
			return err
		}
		join, err = h.Rooms.ByID(tx, f.Join)
		return err
	})
	if err != nil {
		return err
	}
	if !partial || join == nil {
		return h.settled(ctx, f)
	}
	var failed failures
	for _, server := range candidatesOf(f.Via, servers) {
		err := h.fillFrom(ctx, server, f, join.Event.Version())
		if err == nil {
			return h.settled(ctx, f)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed = append(failed, failure{server, err})
	}
	if failed.refusals() {
		if given, err := h.giveUp(ctx, f); given || err != nil {
			return err
		}
	}
	return failed.err()
}

// giveUp forgets a room that everybody of this server has left, and of which no server tells anything: it is adopted anew when
// somebody comes again.
func (h *Handshakes) giveUp(ctx context.Context, f Filling) (given bool, err error) {
	unlock, err := h.lanes.Lock(ctx, entering(f.Room)) // who joins holds it
	if err != nil {
		return false, err
	}
	defer unlock()
	here, err := h.Rooms.Here(ctx, f.Room)
	if err != nil || here {
		return false, err
	}
	return true, h.done(ctx, f.Room, f.Join)
}

// refusals says whether every server has said no.
func (f failures) refusals() bool {
	for _, x := range f {
		no, is := errors.AsType[*peer.AnswerError](x.err)
		if !is || no.Status < 400 || no.Status >= 500 || no.Status == http.StatusTooManyRequests {
			return false
		}
	}
	return true
}

// settled ends the filling of a room.
func (h *Handshakes) settled(ctx context.Context, f Filling) error {
	if h.Settled != nil {
		if err := h.Settled(ctx, f.Room); err != nil {
			return err
		}
	}
	return h.done(ctx, f.Room, f.Join)
}

// complete puts the state into the room, unless that has been joined anew since it was asked for.
func (h *Handshakes) complete(ctx context.Context, f Filling, state []id.Event) error {
	unlock, err := h.lanes.Lock(ctx, entering(f.Room)) // who joins holds it
	if err != nil {
		return err
	}
	defer unlock()
	if now, _ := h.Filling(f.Room); now.Join != f.Join {
		return errors.New("the room has been joined anew")
	}
	return h.Rooms.Complete(ctx, f.Room, state)
}

func candidatesOf(via id.Server, servers []id.Server) []id.Server {
	out := []id.Server{via}
	for _, s := range servers {
		if len(out) < maxCandidates && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// moment is an event of which the state is asked for: the one before the join, whose state is that before itself; or the join,
// where several came before it and only another server can tell what they make together.
func (f *Filling) moment() (at id.Event, follows bool) {
	if len(f.Prev) == 1 {
		return f.Prev[0], true
	}
	return f.Join, false
}

// fillFrom completes a room from what one server tells.
func (h *Handshakes) fillFrom(ctx context.Context, server id.Server, f Filling, v *version.Version) error {
	at, follows := f.moment()
	var told struct {
		State []id.Event `json:"pdu_ids"`
		Auth  []id.Event `json:"auth_chain_ids"`
	}
	query := "/" + url.PathEscape(string(f.Room)) + "?" + url.Values{"event_id": {string(at)}}.Encode()
	err := h.Peers.Ask(ctx, peer.Question{Server: server, Method: http.MethodGet, Path: "/_matrix/federation/v1/state_ids" + query}, &told)
	if err != nil {
		return err
	}
	wanted := slices.Concat(told.State, told.Auth)
	if len(told.State) == 0 || len(wanted) > maxState {
		return fmt.Errorf("a state of %d events", len(told.State))
	}
	if follows {
		wanted = append(wanted, at)
	}
	missing, err := h.missing(ctx, wanted)
	if err != nil {
		return err
	}
	h.progress(f.Room, len(wanted), len(wanted)-len(missing))
	if len(missing) > fewMissing {
		if err := h.fetchState(ctx, server, f.Room, v, query, missing); err != nil {
			return err
		}
		if missing, err = h.missing(ctx, missing); err != nil {
			return err
		}
		h.progress(f.Room, len(wanted), len(wanted)-len(missing))
	}
	// What the whole answer did not have either, or not in a form that can be used, is not worth more than a few questions.
	if err := h.fetchEach(ctx, server, f.Room, v, missing[:min(len(missing), fewMissing)]); err != nil {
		return err
	}
	if follows {
		if told.State, err = h.after(ctx, told.State, at); err != nil {
			return err
		}
	}
	return h.complete(ctx, f, told.State)
}

// missing are those of the events that are not here.
func (h *Handshakes) missing(ctx context.Context, events []id.Event) (out []id.Event, err error) {
	err = h.DB.Read(ctx, func(tx *sqldb.Tx) error {
		out = nil
		seen := make(map[id.Event]bool, len(events))
		for few := range slices.Chunk(events, chunk) {
			have, err := h.Rooms.Have(tx, few)
			if err != nil {
				return err
			}
			for _, e := range few {
				if !have[e] && !seen[e] {
					seen[e] = true
					out = append(out, e)
				}
			}
		}
		return nil
	})
	return out, err
}

// fetchState fetches a whole state at once and stores what of it is missing and can be used.
func (h *Handshakes) fetchState(ctx context.Context, server id.Server, in id.Room, v *version.Version, query string, missing []id.Event) error {
	var state, auth []*event.Event
	answer := &incoming{version: v, room: in, lists: map[string]*[]*event.Event{"pdus": &state, "auth_chain": &auth}}
	err := h.Peers.Ask(ctx, peer.Question{
		Server: server, Method: http.MethodGet, Path: "/_matrix/federation/v1/state" + query, Large: true, Read: answer.read,
	}, nil)
	if err != nil {
		return err
	}
	wanted := make(map[id.Event]bool, len(missing))
	for _, e := range missing {
		wanted[e] = true
	}
	events := slices.DeleteFunc(slices.Concat(auth, state), func(e *event.Event) bool { return !wanted[e.ID()] })
	return h.store(ctx, server, in, events)
}

// fetchEach fetches events one by one and stores what can be used. One that cannot be had is passed over.
func (h *Handshakes) fetchEach(ctx context.Context, server id.Server, in id.Room, v *version.Version, events []id.Event) error {
	if len(events) == 0 {
		return nil
	}
	found := make([]json.RawMessage, len(events))
	var wg sync.WaitGroup
	for w := range atOnce {
		wg.Go(func() {
			for i := w; i < len(events) && ctx.Err() == nil; i += atOnce {
				var told struct {
					Events []json.RawMessage `json:"pdus"`
				}
				err := h.Peers.Ask(ctx, peer.Question{
					Server: server, Method: http.MethodGet, Path: "/_matrix/federation/v1/event/" + url.PathEscape(string(events[i])),
				}, &told)
				if err == nil && len(told.Events) == 1 {
					found[i] = told.Events[0]
				}
			}
		})
	}
	wg.Wait()
	return h.store(ctx, server, in, parsed(v, in, found))
}

// store keeps what of these events can be used.
func (h *Handshakes) store(ctx context.Context, via id.Server, in id.Room, events []*event.Event) error {
	sound, err := h.further(ctx, via, events)
	if err != nil {
		return err
	}
	for few := range slices.Chunk(sound, chunk) {
		if _, err := h.Rooms.AddOutliers(ctx, in, few); err != nil {
			return fmt.Errorf("store events of a room's state: %w", err)
		}
	}
	return nil
}

// after is a state once an event is in it.
func (h *Handshakes) after(ctx context.Context, state []id.Event, last id.Event) (out []id.Event, err error) {
	err = h.DB.Read(ctx, func(tx *sqldb.Tx) error {
		out = slices.Clone(state)
		s, err := h.Rooms.ByID(tx, last)
		if err != nil {
			return err
		}
		if s == nil {
			return errors.New("the event before the join cannot be had")
		}
		place, ok := placeOf(s.Event)
		if !ok || s.Aside == room.Rejected {
			return nil
		}
		for some := range slices.Chunk(out, chunk) {
			found, err := h.Rooms.ByIDs(tx, some)
			if err != nil {
				return err
			}
			for _, x := range found {
				if at, _ := placeOf(x.Event); at == place {
					out[slices.Index(out, x.Event.ID())] = last
					return nil
				}
			}
		}
		out = append(out, last)
		return nil
	})
	return out, err
}

// placeOf is where in a state an event stands, if it does.
func placeOf(e *event.Event) (authrule.StateKey, bool) {
	key, state := e.StateKey()
	return authrule.StateKey{Type: e.Type(), Key: key}, state
}
