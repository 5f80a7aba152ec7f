package wake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// pull is what one server that poked this one has and this one lacks.
type pull struct {
	rooms   map[id.Room][]id.Event // still to be looked at; bounded by maxPullRooms
	running bool
	began   time.Time // when it was last begun with
}

const (
	// limit: rooms in which a server that poked this one has something to be fetched, in memory | %d for each | the rest is fetched with what comes next there
	maxPullRooms = perEDU * maxEDUs
	// limit: servers that poked this one and are asked for what it lacks, in memory | %d | their next poke is heard again
	maxPulls = 1000

	pullEvery = 10 * time.Second // between two pulls for one server, however often it pokes
	pullTime  = 5 * time.Minute  // for all that it says
)

// Poked is told of an EDU of the type [EDU]: the server is there again, is sent what it missed, and is asked for the events that
// it names and this server lacks. Errors: M_BAD_JSON.
func (w *Wake) Poked(ctx context.Context, from id.Server, raw json.RawMessage) error {
	var c content
	if err := json.Unmarshal(raw, &c); err != nil {
		return fault.New(fault.BadJSON, "The content of "+EDU+" is not as it should be")
	}
	w.counts.poked.Add(1)
	if len(c.Rooms) == 0 {
		return nil // a call: what there is to miss is told when the caller knows that it is heard
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pulls[from]
	if p == nil {
		if len(w.pulls) >= maxPulls {
			maps.DeleteFunc(w.pulls, func(_ id.Server, p *pull) bool { return !p.running && len(p.rooms) == 0 })
		}
		if len(w.pulls) >= maxPulls {
			return nil
		}
		p = &pull{rooms: map[id.Room][]id.Event{}}
		w.pulls[from] = p
	}
	for in, events := range c.Rooms {
		if len(p.rooms) >= maxPullRooms {
			break
		}
		p.rooms[in] = events[:min(len(events), maxHeads)]
	}
	if !p.running && w.ctx.Err() == nil {
		p.running = true
		wait := pullEvery - w.Now().Sub(p.began)
		w.work.Go(func() { w.pull(w.ctx, from, p, wait) })
	}
	return nil
}

// pull fetches what was said by one server, until there is nothing left of it.
func (w *Wake) pull(ctx context.Context, from id.Server, p *pull, wait time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait): // at once when it is negative
		}
		w.mu.Lock()
		rooms := p.rooms
		if p.running = len(rooms) > 0; !p.running {
			w.mu.Unlock()
			return
		}
		p.rooms, p.began = map[id.Room][]id.Event{}, w.Now()
		w.mu.Unlock()
		w.Outbox.Wake(from)
		limited, cancel := context.WithTimeout(ctx, pullTime)
		order := slices.SortedFunc(maps.Keys(rooms), func(x, y id.Room) int {
			return cmp.Or(cmp.Compare(mix(from, x), mix(from, y)), cmp.Compare(x, y))
		})
		for len(order) > 0 {
			var some []id.Room
			some, order = w.first(order)
			if err := w.fetch(limited, from, some, rooms); err != nil {
				w.Log.InfoContext(ctx, "a server that is back was asked for what it has", "server", from, "cause", err)
				break
			}
		}
		cancel()
		wait = pullEvery
	}
}

// mix orders rooms, for each server otherwise: when several tell of the same rooms, each is asked for what the others were not yet.
func mix(server id.Server, in id.Room) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(server))
	_, _ = h.Write([]byte(in))
	return h.Sum32()
}

// perFetch is in how many rooms events are asked for at once.
const perFetch = 10

// first takes the next rooms out of an order: those that somebody looks at, or else the first.
func (w *Wake) first(order []id.Room) (some, rest []id.Room) {
	for _, in := range order {
		if len(some) < perFetch && !w.LastLook(in).IsZero() {
			some = append(some, in)
		}
	}
	if len(some) == 0 {
		n := min(len(order), perFetch)
		return order[:n], order[n:]
	}
	return some, slices.DeleteFunc(order, func(in id.Room) bool { return slices.Contains(some, in) })
}

// fetch asks for those of the events of some rooms that are not here. What goes before them core/arrival fetches by itself.
func (w *Wake) fetch(ctx context.Context, from id.Server, some []id.Room, rooms map[id.Room][]id.Event) error {
	for _, in := range some { // what is told of a room that is being joined is what was said there meanwhile
		if err := w.Joined(ctx, in); err != nil {
			return err
		}
	}
	var missing []id.Event
	err := w.DB.Read(ctx, func(tx *sqldb.Tx) error {
		missing = nil
		for _, in := range some {
			lacks, err := w.lacks(tx, from, in, rooms[in])
			if err != nil {
				return err
			}
			missing = append(missing, lacks...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for events := range slices.Chunk(missing, perTake) {
		pdus, err := w.askEach(ctx, from, events)
		w.counts.pulled.Add(int64(len(pdus)))
		if len(pdus) > 0 {
			err = errors.Join(err, w.Take(ctx, from, pdus))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lacks are those of the events that a server says end a room which are not here, and not about to be.
func (w *Wake) lacks(tx *sqldb.Tx, from id.Server, in id.Room, events []id.Event) ([]id.Event, error) {
	gate, here, err := w.Rooms.Gate(tx, in, from)
	if err != nil || !here || gate.Denied {
		return nil, err
	}
	servers, err := w.Rooms.Servers(tx, gate.Room)
	if err != nil {
		return nil, err
	}
	if _, joined := slices.BinarySearch(servers, w.Server); !joined {
		return nil, nil
	}
	// Whether the other is in it need not be known here: it may have come in where this server could not hear of it.
	have, err := w.Rooms.Have(tx, events)
	return slices.DeleteFunc(slices.Clone(events), func(e id.Event) bool {
		return have[e] || w.Waits != nil && w.Waits(in, e)
	}), err
}

const (
	perTake   = 50 // events that are asked for before they are taken in
	askAtOnce = 8  // of these
)

// askEach asks a server for events, and gives those that it has, in their order. An error is a server that does not answer.
func (w *Wake) askEach(ctx context.Context, from id.Server, events []id.Event) ([]json.RawMessage, error) {
	found := make([][]json.RawMessage, len(events))
	errs := make([]error, len(events))
	var asks sync.WaitGroup
	slots := make(chan struct{}, askAtOnce)
	for i, e := range events {
		slots <- struct{}{}
		asks.Go(func() {
			defer func() { <-slots }()
			var answer struct {
				PDUs []json.RawMessage `json:"pdus"`
			}
			err := w.Peers.Ask(ctx, peer.Question{
				Server: from, Method: http.MethodGet, Path: "/_matrix/federation/v1/event/" + url.PathEscape(string(e)), Now: true,
			}, &answer)
			switch {
			case peer.Refused(err): // it may not be shown, or be gone
			case err != nil:
				errs[i] = err
			case len(answer.PDUs) == 1:
				found[i] = answer.PDUs
			}
		})
	}
	asks.Wait()
	return slices.Concat(found...), errors.Join(errs...)
}
