package arrival

import (
	"slices"
	"time"

	"freehold.example/matrix/id"
)

// origin is a server of which events wait to be judged. All is guarded by Arrivals.mu.
type origin struct {
	name   id.Server
	rooms  map[id.Room]*queue // with something waiting or being judged
	ready  []*queue           // with something waiting and nothing being judged
	events int
	bytes  int
	busy   int  // batches being judged
	inRing bool // it stands in Arrivals.ring
}

// queue is what one server has sent for one room, in the order in which it came. One batch of it is judged at a time.
type queue struct {
	origin *origin
	room   id.Room
	items  []*item // bounded by originEvents
	busy   bool
}

// push puts an event at the end of its queue. a.mu is held; dispatch follows.
func (a *Arrivals) push(it *item) {
	o := a.origins[it.origin]
	if o == nil {
		o = &origin{name: it.origin, rooms: map[id.Room]*queue{}}
		a.origins[it.origin] = o
	}
	q := o.rooms[it.room]
	if q == nil {
		q = &queue{origin: o, room: it.room}
		o.rooms[it.room] = q
	}
	if len(q.items) == 0 && !q.busy {
		o.ready = append(o.ready, q)
	}
	q.items = append(q.items, it)
	o.events++
	o.bytes += it.size()
	a.bytes += it.size()
	a.enlist(o)
}

// enlist puts a server into the ring, if it has something to do that may be done.
func (a *Arrivals) enlist(o *origin) {
	if !o.inRing && len(o.ready) > 0 && o.busy < perOrigin {
		o.inRing = true
		a.ring = append(a.ring, o)
	}
}

// dispatch begins to judge what may be: the next batch of the next server. a.mu is held.
func (a *Arrivals) dispatch() {
	for a.running < workers && len(a.ring) > 0 && !a.closed {
		o := a.ring[0]
		a.ring = slices.Delete(a.ring, 0, 1)
		o.inRing = false
		i := a.soonest(o.ready)
		q := o.ready[i]
		o.ready = slices.Delete(o.ready, i, i+1)
		n := min(len(q.items), maxBatch)
		batch := slices.Clone(q.items[:n])
		q.items = slices.Delete(q.items, 0, n)
		q.busy = true
		o.busy++
		a.running++
		a.enlist(o)
		a.spawn(func() {
			a.judge(q.room, o.name, batch)
			a.mu.Lock()
			defer a.mu.Unlock()
			a.judged(q, batch)
		})
	}
}

// soonest is the queue whose turn it is: that of a room that somebody looks at, or else the first.
func (a *Arrivals) soonest(ready []*queue) int {
	next, looked := 0, time.Time{}
	for i, q := range ready {
		if at := a.Looked(q.room); at.After(looked) {
			next, looked = i, at
		}
	}
	return next
}

// judged is called when a batch is done with. a.mu is held.
func (a *Arrivals) judged(q *queue, batch []*item) {
	o := q.origin
	q.busy = false
	o.busy--
	a.running--
	for _, it := range batch {
		o.events--
		o.bytes -= it.size()
		a.bytes -= it.size()
	}
	if len(q.items) > 0 {
		o.ready = append(o.ready, q)
	} else {
		delete(o.rooms, q.room)
	}
	if len(o.rooms) == 0 && o.events == 0 {
		delete(a.origins, o.name)
	} else {
		a.enlist(o)
	}
	close(a.freed)
	a.freed = make(chan struct{})
	a.dispatch()
}
