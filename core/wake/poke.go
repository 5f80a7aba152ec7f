package wake

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

const (
	allEvery  = 15 * time.Second // between two rounds of pokes to all: an address that comes and goes costs no more
	someEvery = time.Second      // between two to some
	maxMet    = 10_000           // servers in a round to all, those first that were there last
	perEDU    = 100              // rooms in an EDU
	maxEDUs   = 50               // in one poke: the Server-Server API allows 100
	maxHeads  = 10               // events that are named for one room

	pokeTime = 20 * time.Second // for an answer
)

// rounds pokes all servers, each time that the link may be back, until ctx ends.
func (w *Wake) rounds(ctx context.Context) {
	slots := make(chan struct{}, atOnce)
	for {
		select {
		case <-ctx.Done():
			return
		case why := <-w.all:
			order, err := w.Peers.Met(ctx, maxMet)
			if err == nil {
				w.Log.InfoContext(ctx, "all servers are tried again", "why", why)
				w.counts.rounds.Add(1)
				w.Peers.Retry()
				w.Outbox.WakeAll()
				var pokes sync.WaitGroup
				err = w.round(ctx, order, slots, &pokes)
				pokes.Wait()
			}
			if err != nil {
				w.failed(ctx, err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(allEvery):
		}
	}
}

// greetings pokes those that were silent and are not any more, or are to be told for another reason, until ctx ends. Who is slow
// to answer does not keep it from the next ones.
func (w *Wake) greetings(ctx context.Context) {
	slots := make(chan struct{}, atOnce)
	var pokes sync.WaitGroup
	defer pokes.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.some:
		}
		w.mu.Lock()
		order := slices.Sorted(maps.Keys(w.waiting))
		clear(w.waiting)
		w.mu.Unlock()
		if len(order) > 0 {
			if err := w.round(ctx, order, slots, &pokes); err != nil {
				w.failed(ctx, err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(someEvery):
		}
	}
}

func (w *Wake) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		w.Log.ErrorContext(ctx, "other servers were not told that this one is there", "cause", err)
	}
}

func setOf(servers []id.Server) func(id.Server) bool {
	set := make(map[id.Server]struct{}, len(servers))
	for _, s := range servers {
		set[s] = struct{}{}
	}
	return func(s id.Server) bool { _, ok := set[s]; return ok }
}

// round pokes those of the servers that rooms are shared with, as many at once as there are slots. It does not wait for the last of
// them.
func (w *Wake) round(ctx context.Context, order []id.Server, slots chan struct{}, pokes *sync.WaitGroup) error {
	if len(order) == 0 {
		return nil
	}
	const perPoke = perEDU * maxEDUs
	chosen := setOf(order)
	shared := map[id.Server][]*room.Shared{}
	err := w.Rooms.EachShared(ctx, func(in room.Shared) error {
		for _, s := range in.Servers {
			if chosen(s) && len(shared[s]) < perPoke {
				shared[s] = append(shared[s], &in)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, server := range order {
		rooms := shared[server]
		if len(rooms) == 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case slots <- struct{}{}:
			pokes.Go(func() {
				_ = w.poke(ctx, server, rooms) // package peer takes note of who does not answer
				<-slots
			})
		}
	}
	return ctx.Err()
}

// content is what an EDU of a poke holds.
type content struct {
	Rooms map[id.Room][]id.Event `json:"rooms"` // the forward extremities as the sender knows them
}

type edu struct {
	Type    string  `json:"edu_type"`
	Content content `json:"content"`
}

// poke tells a server that this one is there, and, if it is one that makes something of it, how the rooms end that they share.
func (w *Wake) poke(ctx context.Context, server id.Server, rooms []*room.Shared) error {
	if !w.understands(server) {
		if err := w.tell(ctx, server, nil); err != nil || !w.understands(server) {
			return err
		}
	}
	var edus []edu
	for i, in := range rooms {
		if i%perEDU == 0 {
			edus = append(edus, edu{EDU, content{map[id.Room][]id.Event{}}})
		}
		edus[len(edus)-1].Content.Rooms[in.Room] = in.Heads[:min(len(in.Heads), maxHeads)]
	}
	return w.tell(ctx, server, edus)
}

// tell sends a transaction without events. Without EDUs it is a call, of which any server hears that this one is there.
func (w *Wake) tell(ctx context.Context, server id.Server, edus []edu) error {
	w.counts.pokes.Add(1)
	ctx, cancel := context.WithTimeout(ctx, pokeTime)
	defer cancel()
	var answer struct {
		Understood bool `json:"org.freehold.wakeup"`
	}
	err := w.Peers.Ask(ctx, peer.Question{
		Server: server, Method: http.MethodPut, Path: "/_matrix/federation/v1/send/" + url.PathEscape("wake-"+rand.Text()), Now: true,
		Content: map[string]any{
			"origin": w.Server, "origin_server_ts": w.Now().UnixMilli(), "pdus": []struct{}{}, "edus": append([]edu{}, edus...),
		},
	}, &answer)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(w.fluent, server); answer.Understood && len(w.fluent) < maxMet {
		w.fluent[server] = struct{}{}
	}
	return nil
}

// understands says whether a server has answered that it knows what a poke is. Others are not sent what is Freehold's own: they may
// look twice at an EDU of a type that they do not know.
func (w *Wake) understands(server id.Server) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, is := w.fluent[server]
	return is
}
