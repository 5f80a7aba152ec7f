package room

import (
	"container/list"
	"slices"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// tails keeps the newest events of the rooms that were written last, so that those who wait in /sync are told of a message
// without a query each. It holds what is on disk and nothing else: the writer appends to it after the commit and before
// sqldb.DB.Committed says so. Who has read Committed finds here, of a room that has a tail, every event up to there that
// came after the tail's floor. It is bounded in bytes: beyond them the oldest events of a room go first, then the room written longest ago.
type tails struct {
	mu    sync.RWMutex // guards all below; what is handed out is not changed
	rooms map[NID]*tail
	ids   map[id.Event]*Stored
	kids  map[id.Event]bool // those of ids that others refer to, as far as that makes them their children
	order list.List         // of *tail, the one written last in front
	bytes int
	limit int
}

// tail is the end of one room.
type tail struct {
	room    NID
	roomID  id.Room
	version string
	events  []*Stored // oldest first
	floor   sqldb.Pos // of what came later, all is in events
	before  pmap.Root // the state at the floor
	bytes   int
	at      *list.Element
}

// The bounds of one room's tail: a room that is busier than this is read from the database by those who are behind.
const (
	maxTailEvents = 200
	maxTailBytes  = 256 << 10
	maxTailRead   = 30  // events that a tail has while it takes some that were only read: as many as clients ask for when they first sync
	tailCost      = 300 // of a tail without events
)

func newTails(limit int) *tails {
	return &tails{rooms: map[NID]*tail{}, ids: map[id.Event]*Stored{}, kids: map[id.Event]bool{}, limit: limit}
}

// get gives a copy of a room's tail; ok is false when there is none, or it does not reach back to from. Whoever calls has
// read Committed before, and looks at nothing beyond that.
func (t *tails) get(room NID, from sqldb.Pos) (end tail, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	x := t.rooms[room]
	if x == nil || x.floor > from {
		return tail{}, false
	}
	return *x, true
}

func (t *tails) byID(event id.Event) *Stored {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.ids[event]
}

// childless says whether it is known of all these events that nothing refers to them: whatever does came after them, and is
// in the same tail.
func (t *tails) childless(events []id.Event) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, e := range events {
		if t.ids[e] == nil || t.kids[e] {
			return false
		}
	}
	return true
}

// since is the part of the events after a position and up to another.
func (x *tail) since(after, upto sqldb.Pos) []*Stored {
	last := len(x.events)
	for last > 0 && x.events[last-1].Pos > upto {
		last--
	}
	first := last
	for first > 0 && x.events[first-1].Pos > after {
		first--
	}
	return x.events[first:last]
}

// now is the position of the last event up to a moment that is not before the floor, and the state then.
func (x *tail) now(upto sqldb.Pos) (sqldb.Pos, pmap.Root) {
	for _, s := range slices.Backward(x.events) {
		if s.Pos <= upto {
			return s.Pos, s.State
		}
	}
	return x.floor, x.before
}

// append puts what was written to a room at its end. prior is a position before it after which the room had no event.
func (t *tails) append(w *write, prior sqldb.Pos) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.rooms[w.head.nid]
	if x == nil {
		x = &tail{
			room: w.head.nid, roomID: w.head.room, version: w.head.version.ID,
			floor: prior, before: w.events[0].before, bytes: tailCost,
		}
		x.at = t.order.PushFront(x)
		t.rooms[x.room] = x
		t.bytes += tailCost
	}
	t.order.MoveToFront(x.at)
	for i, p := range w.events {
		if p.redact != nil {
			t.redact(x, p)
		}
		s := p.stored(w.head.nid, w.first+sqldb.Pos(i))
		x.events = append(x.events, s)
		t.ids[s.Event.ID()] = s
		if rel, ok := relationOf(s.Event.Content()); ok && t.ids[rel.parent] != nil {
			t.kids[rel.parent] = true
		}
		t.grow(x, cost(s))
	}
	n := 0
	for n < len(x.events) && (len(x.events)-n > maxTailEvents || x.bytes > maxTailBytes) {
		t.forget(x, n)
		n++
	}
	if n > 0 {
		x.events = slices.Clone(x.events[n:]) // the old ones may be in use
	}
	t.shrink()
}

// grow counts bytes.
func (t *tails) grow(x *tail, bytes int) {
	x.bytes += bytes
	t.bytes += bytes
}

// forget moves the floor past the i-th event.
func (t *tails) forget(x *tail, i int) {
	s := x.events[i]
	x.floor, x.before = s.Pos, s.State
	delete(t.ids, s.Event.ID())
	delete(t.kids, s.Event.ID())
	t.grow(x, -cost(s))
}

// shrink lets go of whole rooms.
func (t *tails) shrink() {
	for t.bytes > t.limit && t.order.Len() > 0 {
		t.remove(t.order.Back().Value.(*tail))
	}
}

func (t *tails) remove(x *tail) {
	for _, s := range x.events {
		delete(t.ids, s.Event.ID())
		delete(t.kids, s.Event.ID())
	}
	t.order.Remove(x.at)
	delete(t.rooms, x.room)
	t.bytes -= x.bytes
}

// drop forgets a room, of which it is not known how its last write ended.
func (t *tails) drop(room NID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x := t.rooms[room]; x != nil {
		t.remove(x)
	}
}

// redact puts what is left of an event in its place.
func (t *tails) redact(x *tail, by *planned) {
	i := slices.IndexFunc(x.events, func(s *Stored) bool { return s.NID == by.redact.target.NID })
	if i < 0 {
		return
	}
	old := x.events[i]
	s := &Stored{
		Event: by.redact.pruned, NID: old.NID, Room: old.Room, Pos: old.Pos, Depth: old.Depth, State: old.State,
		Replaces: old.Replaces, RedactedBy: by.nid, Device: old.Device, TxnID: old.TxnID, own: old.own,
	}
	x.events = slices.Clone(x.events)
	x.events[i] = s
	t.ids[s.Event.ID()] = s
	t.grow(x, cost(s)-cost(old))
}

// stored is the event as a reader of the database would find it.
func (p *planned) stored(room NID, pos sqldb.Pos) *Stored {
	return &Stored{
		Event: p.event, NID: p.nid, Room: room, Pos: pos, Depth: p.event.Depth(), State: p.root,
		Replaces: p.replaces, RedactedBy: p.redactedBy, Device: p.txn.device, TxnID: p.txn.id, own: p.own,
	}
}

// plant makes a tail without events for rooms that were read from the database, as their standings say, so that it is known
// where they stand. written tells which rooms were written after the snapshot that was read; it is asked under the lock, so
// that a tail that has come and gone since does not go unnoticed.
func (t *tails) plant(standings []*Standing, written func(NID) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range standings {
		if t.rooms[s.Room] != nil || written(s.Room) || t.bytes+tailCost > t.limit {
			continue
		}
		x := &tail{room: s.Room, roomID: s.RoomID, version: s.Version, floor: s.Head, before: s.State, bytes: tailCost}
		x.at = t.order.PushBack(x)
		t.rooms[s.Room] = x
		t.bytes += tailCost
	}
}

// stretch is a part of a room's events without a gap, as it was read from the database.
type stretch struct {
	events []*Stored // newest first
	upto   sqldb.Pos // there was none between the newest of them and here
	end    bool      // nor anything later
	begin  bool      // nor anything before them
}

// extend puts a stretch below the events that there are of its room. Nothing makes room for what was only read: it takes
// what is left. written says of a room whether it was written after the snapshot; it is asked under the lock.
func (t *tails) extend(room NID, read stretch, written func(NID) bool) {
	events := read.events
	if len(events) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if written(room) {
		return
	}
	x := t.rooms[room]
	if x == nil && read.end && t.bytes+tailCost <= t.limit {
		first := events[0]
		x = &tail{room: room, roomID: first.Event.Room(), version: first.Event.Version().ID, floor: read.upto, before: first.State}
		x.at = t.order.PushBack(x)
		t.rooms[room] = x
		t.grow(x, tailCost)
	}
	if x == nil || x.floor > read.upto {
		return
	}
	var older []*Stored
	for i, s := range events {
		if s.Pos > x.floor {
			continue
		}
		last := i == len(events)-1
		if last && !read.begin || len(x.events)+len(older) >= maxTailRead || x.bytes+cost(s) > maxTailBytes || t.bytes+cost(s) > t.limit {
			x.floor, x.before = s.Pos, s.State
			break
		}
		older = append(older, s)
		t.ids[s.Event.ID()] = s
		t.grow(x, cost(s))
		if last {
			x.floor, x.before = 0, pmap.Root{}
		}
	}
	slices.Reverse(older)
	x.events = slices.Concat(older, x.events)
	for _, s := range x.events {
		if rel, ok := relationOf(s.Event.Content()); ok && t.ids[rel.parent] != nil {
			t.kids[rel.parent] = true
		}
	}
}

// note tells who keeps track of what is new that w is about to be written, at positions from first on. It is called in the
// function that writes.
func (r *Rooms) note(w *write, first sqldb.Pos) {
	w.first = first
	r.changes.Note(roomKey{w.head.nid, w.head.room}, first+sqldb.Pos(len(w.events)-1))
	for i, p := range w.events {
		pos := first + sqldb.Pos(i)
		for _, m := range p.members {
			r.moves.Note(move{w.head.nid, w.head.room, m.user, m.membership, m.event}, pos)
			r.owns.written.Note(m.user, pos)
			r.seats.Note(struct{}{}, pos)
		}
	}
}

// landed is told how the write ended, before anybody else is: see sqldb.DB.SubmitThen. With an error nothing was written,
// or perhaps everything.
func (r *Rooms) landed(w *write, err error) {
	if err != nil {
		r.tails.drop(w.head.nid)
		for i, p := range w.events {
			for _, m := range p.members {
				r.owns.drop(m.user)
				r.doubt(w.first + sqldb.Pos(i))
			}
		}
		return
	}
	var states []*Stored
	for i, p := range w.events {
		if p.txn.id != "" {
			r.recent.put(p.txn.hash, sent{event: p.event.ID()})
		}
		if p.redact != nil {
			r.events.drop(p.redact.target.NID)
			if p.redact.ofState() {
				r.levels.forget()
			}
		}
		r.nodes.Add(p.nodes)
		for _, m := range p.members {
			r.owns.moved(w, m, w.first+sqldb.Pos(i))
		}
		if _, is := p.event.StateKey(); is || p.redact != nil { // a redaction is told with what it has redacted
			s := p.stored(w.head.nid, w.first+sqldb.Pos(i))
			states = append(states, s)
		}
	}
	for p := range w.all() {
		if p.wasAside || p.had != nil {
			r.events.drop(p.nid) // as it was
		}
		if p.had != nil {
			r.tails.drop(w.head.nid)
		}
		if p.past && p.redact != nil { // no end of a room shows that
			r.events.drop(p.redact.target.NID)
			r.tails.drop(w.head.nid)
			r.levels.forget()
		}
	}
	r.events.put(states)
	if len(w.events) > 0 {
		r.tails.append(w, r.priorTo(w))
	}
}

// priorTo finds a position before a write after which nothing else was written to its room.
func (r *Rooms) priorTo(w *write) sqldb.Pos {
	if w.expect == 0 {
		return 0
	}
	return r.changes.Before(w.first, func(k roomKey) bool { return k.nid == w.head.nid })
}
