package room

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// maxTries bounds how often a send starts again after another write of its room failed or another node moved the head.
const maxTries = 8

var errBusy = fault.New(fault.LimitExceeded, "The room is too busy; try again in a moment").WithStatus(503)

// change builds events on the head it is given: called with the lane held, perhaps several times, each time with fresh
// numbers from first on. It may return no events at all when there is nothing to do.
type change func(ctx context.Context, h *head, first NID) ([]*planned, error)

// commit runs a change of a room and waits until it is on disk. n is the most events the change makes.
func (r *Rooms) commit(ctx context.Context, room id.Room, n int, build change) ([]*planned, error) {
	for range maxTries {
		first, err := r.allot(ctx, n)
		if err != nil {
			return nil, err
		}
		w, pending, err := r.submit(ctx, room, first, build)
		if err != nil || pending == nil {
			return nil, err
		}
		err = pending.Wait(context.WithoutCancel(ctx)) // whoever hangs up, the others must be woken
		if err == nil {
			r.committed(w)
			return w.events, nil
		}
		r.heads.drop(w.head)
		if !errors.Is(err, errStale) {
			return nil, err
		}
	}
	return nil, errBusy
}

// submit is the part of a change that holds the room's lane.
func (r *Rooms) submit(ctx context.Context, room id.Room, first NID, build change) (*write, *sqldb.Pending, error) {
	unlock, err := r.lanes.Lock(ctx, room)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	h, err := r.headOf(ctx, room)
	if err != nil {
		return nil, nil, err
	}
	expect, root := h.newest, h.root
	events, err := build(ctx, h, first)
	if err != nil {
		if h.newest != expect || h.root != root {
			r.heads.drop(h) // something was put on it
		}
		return nil, nil, err
	}
	if len(events) == 0 {
		return nil, nil, nil
	}
	w := h.write(events)
	w.expect = expect
	pending := r.queue(w)
	for _, p := range events {
		if p.redact != nil && p.redact.ofState() {
			r.heads.drop(h) // what it has parsed may be what is emptied now
		}
	}
	return w, pending, nil
}

// write takes down where the head stands after these events.
func (h *head) write(events []*planned) *write {
	return &write{
		head: h, events: events, newest: h.newest, depth: h.depth, edges: h.extremities, open: h.open(), wakes: h.topics,
	}
}

// queue hands a write to the database. From here on the order of the room's events is settled.
func (r *Rooms) queue(w *write) *sqldb.Pending {
	pending := r.DB.Submit(len(w.events), func(tx *sqldb.Tx) error {
		r.changes.note(tx.Pos()+sqldb.Pos(len(w.events)-1), w.head.nid)
		return w.persist(tx)
	})
	for _, p := range w.events {
		if p.txn.id != "" {
			r.recent.put(p.txn.hash, sent{event: p.event.ID(), write: pending})
		}
	}
	return pending
}

// committed is what happens once a write is on disk.
func (r *Rooms) committed(w *write) {
	w.head.settled(w.events)
	for _, p := range w.events {
		if p.redact != nil {
			r.events.drop(p.redact.target.NID)
		}
		if p.membership != "" {
			target, _ := p.event.StateKey()
			w.wakes = append(w.wakes[:len(w.wakes):len(w.wakes)], topic(id.User(target)))
		}
	}
	r.Bus.Wake(w.wakes...)
}

// setState puts the state event p under its key in the head's state. The nodes this makes are kept with the head until
// they are on disk, as the next change of the room needs them before that.
func (r *Rooms) setState(ctx context.Context, h *head, p *planned, key authrule.StateKey) error {
	overlay := h.nodes()
	return r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		k, ok, err := r.keyNID(tx, key)
		if err != nil {
			return err
		}
		if !ok {
			return errors.New("bug: state key was not interned: " + key.Type)
		}
		load := overlay(r.nodesOf(tx))
		old, _, err := pmap.Get(load, h.root, uint64(k))
		if err != nil {
			return err
		}
		root, nodes, err := pmap.Set(load, h.root, []pmap.Change{{Key: uint64(k), Value: uint64(p.nid)}})
		if err != nil {
			return err
		}
		p.replaces, p.root, p.nodes = NID(old), root, nodes
		h.root = root
		h.keep(nodes)
		return nil
	})
}

// nodes reads the head's state: first what is not on disk yet, then what is. It must be called before the transaction that
// stored reads in has begun: a node that settles in between is in the copy taken here.
func (h *head) nodes() func(stored pmap.Loader) pmap.Loader {
	h.mu.Lock()
	fresh := maps.Clone(h.fresh)
	h.mu.Unlock()
	return func(stored pmap.Loader) pmap.Loader {
		return func(address pmap.Root) ([]byte, error) {
			if body := fresh[address]; body != nil {
				return body, nil
			}
			return stored(address)
		}
	}
}

// txn is a client's transaction id. It makes one event however often the same device sends it to the same endpoint
// (Client-Server API, "Transaction identifiers").
type txn struct {
	device id.Device
	id     string
	hash   [16]byte
}

func newTxn(c Caller, txnID string, endpoint ...string) txn {
	if txnID == "" {
		return txn{}
	}
	h := sha256.New()
	for _, s := range slices.Concat([]string{string(c.User), string(c.Device), txnID}, endpoint) {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return txn{device: c.Device, id: txnID, hash: [16]byte(h.Sum(nil))}
}

// recentTxns remembers the transaction ids of late, so that a client's retry costs nothing. The database has the last
// word: what is not here is found there.
type recentTxns struct {
	mu sync.Mutex // guards m
	m  map[[16]byte]sent
}

type sent struct {
	event id.Event
	write *sqldb.Pending
}

const maxRecentTxns = 20_000

func newRecentTxns() *recentTxns { return &recentTxns{m: map[[16]byte]sent{}} }

func (t *recentTxns) put(hash [16]byte, s sent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for old := range t.m {
		if len(t.m) < maxRecentTxns {
			break
		}
		delete(t.m, old)
	}
	t.m[hash] = s
}

// drop forgets a write that failed, unless another has taken its place.
func (t *recentTxns) drop(hash [16]byte, failed sent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m[hash] == failed {
		delete(t.m, hash)
	}
}

// has is false for the zero hash, which stands for no transaction id.
func (t *recentTxns) has(hash [16]byte) bool {
	_, ok := t.get(hash)
	return ok
}

func (t *recentTxns) get(hash [16]byte) (sent, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.m[hash]
	return s, ok
}
