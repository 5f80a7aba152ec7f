package arrival

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The bounds of filling one gap.
const (
	maxRounds   = 24              // questions for missing events
	perRound    = 100             // events asked for with one; the field's servers give twenty
	maxGapBytes = 4 << 20         // bytes of these
	maxGap      = 2400            // events taken that way; the rest comes otherwise, or when somebody scrolls back
	roundsTime  = 3 * time.Second // after which none is asked any more
	fillTime    = 2 * time.Minute // for all of it, states included
	maxPasses   = 8               // times that what was had is judged
	maxAnchors  = 10              // states that are fetched
	maxAuthAsks = 10              // auth chains that are fetched
	maxChain    = 10_000          // events of one of these
	maxState    = 200_000         // events of a state and of its auth chain
)

var errNotGiven = errors.New("what it follows was not given")

// filler fetches what one event lacks.
type filler struct {
	*Arrivals
	it   *item
	gate room.Gate
	got  map[id.Event]room.Incoming // what was fetched and is not judged yet; bounded by maxGap and maxGapBytes
	size int                        // bytes of what was fetched
	done map[id.Event]bool          // events of which the state or the auth chain was fetched for; bounded by the two below

	anchors, chains int
	others          []id.Server // of the room, to be asked where the event's own server does not help
}

// fill gets what an event lacks, from the server that it came from, and has all of it judged. nil: the event is judged.
func (a *Arrivals) fill(it *item) error {
	ctx, cancel := context.WithTimeout(a.ctx, fillTime)
	defer cancel()
	gate, here, err := a.gate(ctx, it.room, it.origin)
	if err != nil {
		return err
	}
	if !here || gate.Denied {
		a.drop([]*item{it}, errUnknownRoom)
		return nil
	}
	v := a.Peers.VerifyEvents(ctx, it.origin, []*event.Event{it.event})[0]
	switch {
	case errors.Is(v.Err, event.ErrSignature):
		a.counts.forged.Add(1)
		a.drop([]*item{it}, v.Err)
		return nil
	case v.Err != nil:
		return v.Err
	}
	own := []room.Incoming{{Event: it.event, SignedBy: v.By}}
	a.policed(ctx, gate, own)
	return a.filler(it, gate).run(ctx, own[0])
}

func (a *Arrivals) filler(it *item, gate room.Gate) *filler {
	return &filler{Arrivals: a, it: it, gate: gate, got: map[id.Event]room.Incoming{}, done: map[id.Event]bool{}}
}

func (f *filler) run(ctx context.Context, own room.Incoming) error {
	lacking, over, err := f.pass(ctx, own)
	if over || err != nil {
		return err
	}
	prev := slices.DeleteFunc(slices.Clone(lacking[0].Missing), func(m id.Event) bool { return !slices.Contains(own.Event.Prev(), m) })
	if prev, err = f.unplaced(ctx, prev); err != nil {
		return err
	}
	if len(prev) > 0 {
		if err := f.before(ctx, own.Event.ID(), prev); err != nil {
			return err
		}
	}
	for range maxPasses {
		if lacking, over, err = f.pass(ctx, own); over || err != nil {
			return err
		}
		if !f.help(ctx, own, lacking) {
			break
		}
	}
	return errNotGiven
}

// pass judges what was fetched and the event itself. over: the event is judged.
func (f *filler) pass(ctx context.Context, own room.Incoming) (lacking []room.Receipt, over bool, err error) {
	for batch := range slices.Chunk(append(f.sorted(), own), maxBatch) {
		receipts, err := f.Rooms.Receive(ctx, f.it.room, batch)
		if fault.Is(err, fault.NotFound) {
			f.drop([]*item{f.it}, errUnknownRoom)
			return nil, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		more := f.note(receipts)
		lacking = append(lacking, more...)
	}
	over = !slices.ContainsFunc(lacking, func(r room.Receipt) bool { return r.Event == own.Event.ID() })
	if over {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.finish(f.it)
	}
	return lacking, over, nil
}

// note takes down what was judged, and gives what was not.
func (f *filler) note(receipts []room.Receipt) (lacking []room.Receipt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range receipts {
		if r.Verdict == room.Lacking {
			lacking = append(lacking, r)
			continue
		}
		f.counts.verdict(r.Verdict)
		delete(f.got, r.Event)
		f.arrived(f.it.room, r.Event)
	}
	f.dispatch()
	return lacking
}

// before fetches the events between those that are here and one that lacks the events prev, which it follows.
func (f *filler) before(ctx context.Context, of id.Event, prev []id.Event) error {
	given := func() bool {
		left, err := f.unplaced(ctx, prev)
		return err == nil && !slices.ContainsFunc(left, func(m id.Event) bool { _, ok := f.got[m]; return !ok })
	}
	err := f.rounds(ctx, f.it.origin, of)
	if err == nil {
		if !given() {
			return errNotGiven
		}
		return nil
	}
	for _, server := range f.elsewhere(ctx) {
		if f.rounds(ctx, server, of) == nil && given() {
			return nil
		}
	}
	return err
}

// rounds asks a server for missing events until there are none, or there were enough.
func (f *filler) rounds(ctx context.Context, server id.Server, of id.Event) error {
	edges, err := f.Rooms.Extremities(ctx, f.it.room)
	if err != nil {
		return err
	}
	earliest := make([]id.Event, len(edges))
	for i, e := range edges {
		earliest[i] = e.Event
	}
	latest := []id.Event{of}
	until := f.Now().Add(roundsTime)
	for range maxRounds {
		raws, err := f.askMissing(ctx, server, f.it.room, earliest, latest, perRound)
		if err != nil {
			return err
		}
		fresh := 0
		for _, in := range f.sound(ctx, f.gate.Version, server, f.it.room, raws, f.unplaced) {
			if _, twice := f.got[in.Event.ID()]; !twice && in.Event.ID() != of && !f.full() {
				f.got[in.Event.ID()] = in
				f.size += len(in.Event.Bytes())
				fresh++
			}
		}
		if latest, err = f.edge(ctx); err != nil {
			return err
		}
		if fresh == 0 || len(latest) == 0 || f.full() || f.Now().After(until) {
			return nil
		}
	}
	return nil
}

// full says that nothing more is to be fetched.
func (f *filler) full() bool { return len(f.got) >= maxGap || f.size >= maxGapBytes }

// edge are those of what was fetched that follow events which are neither here nor fetched: at most as many as a question
// may name.
func (f *filler) edge(ctx context.Context) (edge []id.Event, err error) {
	var open []id.Event
	for _, in := range f.got {
		for _, prev := range in.Event.Prev() {
			if _, fetched := f.got[prev]; !fetched {
				open = append(open, prev)
			}
		}
	}
	have, err := f.have(ctx, open)
	if err != nil {
		return nil, err
	}
	for _, in := range f.sorted() {
		for _, prev := range in.Event.Prev() {
			if _, fetched := f.got[prev]; !fetched && !have[prev] {
				edge = append(edge, in.Event.ID())
				break
			}
		}
	}
	return edge[:min(len(edge), event.MaxPrev)], nil
}

func (a *Arrivals) have(ctx context.Context, events []id.Event) (have map[id.Event]bool, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		have = make(map[id.Event]bool, len(events))
		for some := range slices.Chunk(events, 1000) {
			part, err := a.Rooms.Have(tx, some)
			if err != nil {
				return err
			}
			for e := range part {
				have[e] = true
			}
		}
		return nil
	})
	return have, err
}

// sorted is what was fetched, each event after those that it follows.
func (f *filler) sorted() []room.Incoming {
	out := make([]room.Incoming, 0, len(f.got)+1)
	names := make([]id.Event, 0, len(f.got))
	for name := range f.got {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b id.Event) int { // the same order every time, near to the right one
		x, y := f.got[a].Event, f.got[b].Event
		if x.Depth() != y.Depth() {
			return cmp.Compare(x.Depth(), y.Depth())
		}
		return cmp.Compare(a, b)
	})
	// Without recursion: a chain may be as long as maxGap. An event is entered once, so that a circle ends.
	entered := make(map[id.Event]bool, len(names))
	type step struct {
		name id.Event
		prev []id.Event
	}
	for _, name := range names {
		stack := []step{}
		enter := func(name id.Event) {
			if in, ok := f.got[name]; ok && !entered[name] {
				entered[name] = true
				stack = append(stack, step{name, in.Event.Prev()})
			}
		}
		enter(name)
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.prev) == 0 {
				out = append(out, f.got[top.name])
				stack = stack[:len(stack)-1]
				continue
			}
			next := top.prev[0]
			top.prev = top.prev[1:]
			enter(next)
		}
	}
	return out
}

// elsewhere are other servers that are in the room.
func (f *filler) elsewhere(ctx context.Context) []id.Server {
	if f.others == nil {
		f.others = f.Arrivals.elsewhere(ctx, f.gate.Room, f.it.origin)
	}
	return f.others
}

// maxElsewhere is how many servers are asked besides the one that should know.
const maxElsewhere = 2

// elsewhere are some servers of a room other than this one and those named, never nil: those that are likely to answer.
func (a *Arrivals) elsewhere(ctx context.Context, in room.NID, but ...id.Server) []id.Server {
	servers := []id.Server{}
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		all, err := a.Rooms.Servers(tx, in)
		for _, server := range all {
			if server != a.Server && !slices.Contains(but, server) {
				servers = append(servers, server)
			}
		}
		return err
	})
	if err != nil {
		a.Log.DebugContext(ctx, "the servers of a room were not read", "cause", err)
	}
	if a.Likely != nil {
		a.Likely(servers)
	}
	return servers[:min(len(servers), maxElsewhere)]
}
