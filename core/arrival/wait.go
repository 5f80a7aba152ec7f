package arrival

import (
	"cmp"
	"context"
	"slices"
	"time"

	"freehold.example/matrix/id"
)

// Events that cannot be judged yet step aside: the room goes on without them. They wait for what they lack to arrive, and a
// few at a time it is fetched for them. When that fails they stay, on disk as well, and it is tried again after a while, when
// their server shows a sign of life, and when the server starts.

// parked is what one server has sent for one room and cannot be judged yet. All is guarded by Arrivals.mu.
type parked struct {
	origin id.Server
	room   id.Room
	items  []*item // in the order in which they came; bounded by maxAside
	bytes  int
	tried  map[*item]bool // those for which fetching was tried since the last rest

	listed  bool      // it stands in Arrivals.gaps
	running bool      // something is being fetched
	began   time.Time // ... since then
	fails   int       // rests so far without a success
	last    time.Time
	next    time.Time // when it is tried again; zero: now
}

const (
	// limit: events of one server that lack something, for one room | %d of at most 4 MiB | the oldest go; later ones bring them back
	maxAside      = 500
	maxAsideBytes = 4 << 20
	// limit: events of all servers that lack something | 64 MiB | those that come are dropped
	maxParkedBytes = 64 << 20

	// limit: gaps that are filled at once | 32 of at most 4 MiB, 2 of one server, 3 where somebody looks at a room | any others wait
	fillers   = 32
	fillersOf = 2
	// fillersIn is for how long a room's gap is left to one filler before another may begin: what several servers have sent after
	// a cut usually ends the same gap.
	fillersIn = 5 * time.Second

	firstRest   = 15 * time.Second // after a first attempt that failed
	longestRest = 15 * time.Minute
	lifeRest    = 10 * time.Second // at least, between attempts that signs of life bring about
)

// park sets an event aside: it lacks something, or why says what else is the matter. a.mu is held.
func (a *Arrivals) park(it *item, missing []id.Event, why error) {
	a.settle(it)
	if it.over {
		return
	}
	p := a.parked[it.origin][it.room]
	if p == nil {
		p = &parked{origin: it.origin, room: it.room, tried: map[*item]bool{}}
	}
	for i, other := range p.items {
		if other.event.ID() == it.event.ID() && other != it {
			a.unpark(p, i)
			a.finish(other)
			break
		}
	}
	rooms := a.parked[it.origin]
	if rooms == nil {
		rooms = map[id.Room]*parked{}
		a.parked[it.origin] = rooms
	}
	rooms[it.room] = p // also where it was forgotten just now, as the other was the last in it
	if a.parkedBytes+it.size() > maxParkedBytes {
		a.finish(it)
		a.tidy(p)
		return
	}
	it.missing = slices.Clone(missing)
	for _, m := range missing {
		a.waits[m] = append(a.waits[m], it)
	}
	p.items = append(p.items, it)
	p.bytes += it.size()
	a.parkedBytes += it.size()
	for len(p.items) > maxAside || p.bytes > maxAsideBytes {
		oldest := p.items[0]
		a.unpark(p, 0)
		a.finish(oldest)
	}
	if why != nil {
		a.Log.Debug("an event that arrived waits", "origin", it.origin, "room", it.room, "event", it.event.ID(), "cause", why)
		p.tried[it] = true
		p.rest(a.Now())
		return
	}
	p.next = time.Time{}
	a.list(p)
}

// unpark takes one out. a.mu is held.
func (a *Arrivals) unpark(p *parked, i int) {
	it := p.items[i]
	p.items = slices.Delete(p.items, i, i+1)
	p.bytes -= it.size()
	a.parkedBytes -= it.size()
	delete(p.tried, it)
	for _, m := range it.missing {
		rest := slices.DeleteFunc(a.waits[m], func(x *item) bool { return x == it })
		if len(rest) == 0 {
			delete(a.waits, m)
		} else {
			a.waits[m] = rest
		}
	}
	it.missing = nil
	a.tidy(p)
}

// tidy forgets an empty place. a.mu is held.
func (a *Arrivals) tidy(p *parked) {
	if len(p.items) > 0 || p.running || p.listed {
		return
	}
	if rooms := a.parked[p.origin]; rooms[p.room] == p {
		delete(rooms, p.room)
		if len(rooms) == 0 {
			delete(a.parked, p.origin)
		}
	}
}

// rest puts off the next attempt.
func (p *parked) rest(now time.Time) {
	p.last = now
	wait := min(firstRest<<min(p.fails, 10), longestRest)
	if next := now.Add(wait); p.next.Before(next) {
		p.next = next
	}
}

// arrived wakes the events that waited for this one. a.mu is held; dispatch follows.
func (a *Arrivals) arrived(in id.Room, e id.Event) {
	for _, it := range slices.Clone(a.waits[e]) {
		if it.room != in {
			continue
		}
		p := a.parked[it.origin][it.room]
		i := slices.Index(p.items, it)
		left := slices.DeleteFunc(slices.Clone(it.missing), func(m id.Event) bool { return m == e })
		if len(left) == 0 {
			a.unpark(p, i)
			a.push(it)
			continue
		}
		it.missing = left
		rest := slices.DeleteFunc(a.waits[e], func(x *item) bool { return x == it })
		if a.waits[e] = rest; len(rest) == 0 {
			delete(a.waits, e)
		}
		if p.tried[it] { // what it lacks besides may be had now
			delete(p.tried, it)
			a.list(p)
		}
	}
}

// list puts a place in line for fetching. a.mu is held.
func (a *Arrivals) list(p *parked) {
	if p.listed || p.running || len(p.items) == 0 {
		return
	}
	p.listed = true
	a.gaps = append(a.gaps, p)
	a.fetchNext()
}

// turn is the place in Arrivals.gaps whose turn it is; -1 when there is none: that of a room that somebody looks at, or else the
// first, and of several servers' events of its room those that may lead furthest. a.mu is held.
func (a *Arrivals) turn() int {
	now := a.Now()
	next, looked := -1, time.Time{}
	for i, p := range a.gaps {
		if !a.may(p, now) {
			continue
		}
		if at := a.Looked(p.room); next < 0 || at.After(looked) {
			next, looked = i, at
		}
	}
	if next < 0 {
		return next
	}
	p := a.gaps[next]
	for _, rooms := range a.parked {
		if other := rooms[p.room]; other != nil && other.listed && other.deepest() > p.deepest() && a.may(other, now) {
			p = other
		}
	}
	return slices.Index(a.gaps, p)
}

// may says whether it may be fetched for a place now. a.mu is held.
func (a *Arrivals) may(p *parked, now time.Time) bool {
	most := fillersOf
	if !a.Looked(p.room).IsZero() {
		most++
	}
	if a.fillingOf[p.origin] >= most {
		return false
	}
	since, busy := a.fillingIn[p.room]
	return !busy || now.Sub(since) >= fillersIn
}

// fetchNext begins to fetch for those whose turn it is. a.mu is held.
func (a *Arrivals) fetchNext() {
	for a.filling < fillers && !a.closed {
		i := a.turn()
		if i < 0 {
			return
		}
		p := a.gaps[i]
		a.gaps = slices.Delete(a.gaps, i, i+1)
		p.listed, p.running, p.began = false, true, a.Now()
		a.fillingIn[p.room] = p.began
		a.filling++
		a.fillingOf[p.origin]++
		a.spawn(func() {
			a.serve(p)
			a.mu.Lock()
			defer a.mu.Unlock()
			p.running = false
			if a.fillingIn[p.room].Equal(p.began) {
				delete(a.fillingIn, p.room)
			}
			a.filling--
			if a.fillingOf[p.origin]--; a.fillingOf[p.origin] == 0 {
				delete(a.fillingOf, p.origin)
			}
			if it, _ := p.untried(); it != nil {
				a.list(p)
			}
			a.tidy(p)
			a.fetchNext()
		})
	}
}

// deepest is the greatest depth of the events of a place, as their servers say.
func (p *parked) deepest() (depth int64) {
	for _, it := range p.items {
		depth = max(depth, it.event.Depth())
	}
	return depth
}

// untried is the event to fetch for next: first the deepest, as what is before it is mostly what the others lack, too; then the
// first that lacks nothing that another of them is; when none is left, the newest, which may lead further than those that
// failed: last. nil when all were tried.
func (p *parked) untried() (next *item, last bool) {
	if len(p.tried) == 0 && len(p.items) > 0 {
		return slices.MaxFunc(p.items, func(a, b *item) int { return cmp.Compare(a.event.Depth(), b.event.Depth()) }), false
	}
	here := make(map[id.Event]bool, len(p.items))
	for _, it := range p.items {
		here[it.event.ID()] = true
	}
	for _, it := range p.items {
		if p.tried[it] {
			continue
		}
		next = it
		if !slices.ContainsFunc(it.missing, func(m id.Event) bool { return here[m] }) {
			return it, false
		}
	}
	return next, true
}

// serve fetches for the events of a place, one after the other, until all are judged or were tried in vain.
func (a *Arrivals) serve(p *parked) {
	for a.ctx.Err() == nil {
		a.mu.Lock()
		it, last := p.untried()
		if it == nil {
			p.fails++
			p.rest(a.Now())
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()

		err := a.fill(it)

		a.mu.Lock()
		i := slices.Index(p.items, it)
		if err == nil {
			p.fails = 0
			if i >= 0 {
				a.unpark(p, i)
			}
			a.counts.filled.Add(1)
			a.dispatch()
		} else {
			a.Log.Debug("what an event lacks was not had", "origin", it.origin, "room", it.room, "event", it.event.ID(), "cause", err)
			a.counts.unfilled.Add(1)
			if i >= 0 {
				p.tried[it] = true
			}
			if last { // what the others lack is beyond what it lacks itself
				for _, other := range p.items {
					p.tried[other] = true
				}
			}
		}
		a.mu.Unlock()
	}
}

// alive is told that a server has shown a sign of life.
func (a *Arrivals) alive(server id.Server) {
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.parked[server] {
		if !p.running && now.Sub(p.last) >= lifeRest {
			a.again(p)
		}
	}
}

// again tries everything of a place once more. a.mu is held.
func (a *Arrivals) again(p *parked) {
	clear(p.tried)
	p.next = time.Time{}
	a.list(p)
}

// Run does what is to be done from time to time, until ctx ends.
func (a *Arrivals) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := a.sweep(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		now := a.Now()
		a.mu.Lock()
		for _, rooms := range a.parked {
			for _, p := range rooms {
				if !p.running && !p.listed && !now.Before(p.next) {
					a.again(p)
				}
			}
		}
		a.fetchNext() // a room's filler may have taken too long
		a.mu.Unlock()
	}
}

// Waits says whether an event has come, and what it lacks is being fetched or about to be.
func (a *Arrivals) Waits(in id.Room, e id.Event) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, rooms := range a.parked {
		p := rooms[in]
		if p != nil && (p.listed || p.running) &&
			slices.ContainsFunc(p.items, func(it *item) bool { return it.event.ID() == e && !p.tried[it] }) {
			return true
		}
	}
	return false
}
