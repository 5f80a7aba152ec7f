package room

import (
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
)

// maxTries bounds how often a send starts again after another write of its room failed or another node moved the head.
const maxTries = 8

var errBusy = fault.New(fault.LimitExceeded, "The room is too busy; try again in a moment").WithStatus(503)

// change builds events on the head it is given: called with the lane held, perhaps several times, each time with fresh
// numbers from first on. It may return no events at all when there is nothing to do.
type change func(ctx context.Context, h *head, first NID) ([]*planned, error)

// commit runs a change of a room and waits until it is on disk. n is the most events the change makes.
func (r *Rooms) commit(ctx context.Context, room id.Room, n int, build change) ([]*planned, error) {
	var offer *unsigned // what the room's policy server was asked about, once it has answered
	var done func()     // ends the turn to ask it
	for range maxTries {
		first, err := r.allot(ctx, n)
		if err != nil {
			return nil, err
		}
		w, pending, err := r.submit(ctx, room, first, build, offer)
		ask, unasked := errors.AsType[*unsigned](err)
		switch {
		case unasked && done == nil:
			if done, err = r.asks.take(ctx, room); err != nil {
				return nil, err
			}
			defer done()
			continue // the room may have moved on by now
		case unasked:
			if offer, err = r.ask(ctx, ask); err != nil {
				return nil, err
			}
			continue
		case err != nil || pending == nil:
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
func (r *Rooms) submit(ctx context.Context, room id.Room, first NID, build change, offer *unsigned) (*write, *sqldb.Pending, error) {
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
	h.policing, h.offer = true, offer
	events, err := build(ctx, h, first)
	h.policing, h.offer = false, nil
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
		if p.regard || p.event.IsState(policy.Type, "") {
			r.heads.drop(h) // another server's users make a policy server
		}
	}
	return w, pending, nil
}

// write takes down where the head stands after these events.
func (h *head) write(events []*planned) *write {
	w := &write{head: h, newest: h.newest, depth: h.depth, edges: h.extremities, open: h.open(), wakes: h.topics}
	for _, p := range events {
		if p.aside != "" || p.past {
			w.beside = append(w.beside, p)
		} else {
			w.events = append(w.events, p)
		}
	}
	w.related = summedUp(w.events)
	return w
}

// all are the events of a write, wherever they are put.
func (w *write) all() iter.Seq[*planned] {
	return func(yield func(*planned) bool) {
		for _, some := range [][]*planned{w.beside, w.events} {
			for _, p := range some {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// queue hands a write to the database. From here on the order of the room's events is settled.
func (r *Rooms) queue(w *write) *sqldb.Pending {
	w.head.launched(w)
	pending := r.DB.SubmitThen(max(1, len(w.events)), func(tx *sqldb.Tx) error { return r.apply(tx, w, tx.Pos()) },
		func(err error) { r.landed(w, err) })
	for _, p := range w.events {
		if p.txn.id != "" {
			r.recent.put(p.txn.hash, sent{event: p.event.ID(), write: pending})
		}
	}
	return pending
}

// apply is the part of a write that runs inside the transaction, at positions from first on.
func (r *Rooms) apply(tx *sqldb.Tx, w *write, first sqldb.Pos) error {
	if len(w.events) > 0 {
		r.note(w, first)
	}
	if w.related {
		r.parents.note(w.head.nid)
	}
	if err := w.persist(tx, first); err != nil {
		return err
	}
	return r.follow(tx, w)
}

// committed is what happens once a write is on disk.
func (r *Rooms) committed(w *write) {
	for p := range w.all() {
		r.nodes.Add(p.nodes) // the next change of the room needs them, and its readers do
		if p.freshKey != nil {
			r.keys.put(p.freshKey.StateKey, p.freshKey.nid)
		}
	}
	w.head.settled(w)
	for _, p := range w.events {
		for _, m := range p.members {
			r.Bus.Wake(topic(m.user))
		}
	}
	r.Bus.Wake(w.wakes...)
	r.Bus.Wake(Log)
}

// setState puts the state event p under its key in the head's state. The nodes this makes are kept with the head until
// they are on disk, as the next change of the room needs them before that.
func (r *Rooms) setState(ctx context.Context, h *head, p *planned, key authrule.StateKey) error {
	overlay := h.nodes()
	set := func(tx *sqldb.Tx) error {
		k, ok, err := r.keyNID(tx, key)
		if err != nil {
			return err
		}
		if !ok {
			return errors.New("bug: state key was not interned: " + key.Type)
		}
		if _, fresh, _ := r.keys.get(key); fresh {
			p.freshKey = &freshKey{key, k, r.keys}
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
	}
	err := r.DB.Peek(ctx, set) // what the room's last changes have made is in memory
	if errors.Is(err, sqldb.ErrPeek) {
		err = r.DB.Read(ctx, set)
	}
	return err
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
	mu sync.Mutex        // guards m
	m  map[[16]byte]sent // bounded by maxRecentTxns
}

type sent struct {
	event id.Event
	write *sqldb.Pending // nil once it is on disk
}

// limit: transaction ids of late, in memory | %d of at most 300 bytes | any others are forgotten and found on disk
const maxRecentTxns = 20_000

func newRecentTxns() *recentTxns { return &recentTxns{m: map[[16]byte]sent{}} }

// put is called when a write is queued and again, with no write to wait for, when it is on disk: that may be sooner.
func (t *recentTxns) put(hash [16]byte, s sent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m[hash] == (sent{event: s.event}) {
		return
	}
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
