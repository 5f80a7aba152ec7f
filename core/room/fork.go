package room

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
)

// stateBefore is the state before an event: as another server told it, or that of its prev_events, resolved where these
// have different ones. missing are prev_events whose state is not known.
func (s *sight) stateBefore(p *planned, in *Incoming) (root pmap.Root, missing []id.Event, err error) {
	if in.Before != nil {
		return s.told(p, in.Before)
	}
	roots, missing, err := s.parents(in.Event)
	if err != nil || len(missing) > 0 {
		return root, missing, err
	}
	root, err = s.resolve(p, roots)
	return root, nil, err
}

// parents are the states after the events that an event follows; missing are those of them whose state is not known.
func (s *sight) parents(e *event.Event) (roots []pmap.Root, missing []id.Event, err error) {
	for _, prev := range e.Prev() {
		x, err := s.event(prev)
		if err != nil {
			return nil, nil, err
		}
		if x == nil || x.Room != s.h.nid {
			missing = append(missing, prev)
			continue
		}
		after, ok := s.after(x)
		if !ok {
			missing = append(missing, prev)
			continue
		}
		roots = append(roots, after)
	}
	return roots, missing, nil
}

// told makes a state of the events that another server said are in it. What is not here is missing; what was rejected, or
// is no state, is left out.
func (s *sight) told(p *planned, events []id.Event) (root pmap.Root, missing []id.Event, err error) {
	var changes []pmap.Change
	for some := range slices.Chunk(events, 500) {
		found, err := s.find(some)
		if err != nil {
			return root, nil, err
		}
		here := make(map[id.Event]bool, len(found))
		for _, x := range found {
			here[x.Event.ID()] = true
			key, is := keyOf(x.Event)
			if !is || x.Aside == Rejected || x.Room != s.h.nid {
				continue
			}
			k, ok, err := s.r.keyNID(s.tx, key)
			if err != nil {
				return root, nil, err
			}
			if !ok {
				return root, nil, errNotInterned
			}
			changes = append(changes, pmap.Change{Key: uint64(k), Value: uint64(x.NID)})
		}
		for _, name := range some {
			if !here[name] {
				missing = append(missing, name)
			}
		}
	}
	if len(missing) > 0 {
		return root, missing, nil
	}
	root, err = s.change(p, root, changes)
	return root, nil, err
}

// resolve makes one state of several (Room Versions, "State resolution"). What is new of it is kept for the write of p.
func (s *sight) resolve(p *planned, roots []pmap.Root) (pmap.Root, error) {
	roots = slices.Clone(roots)
	slices.SortFunc(roots, func(a, b pmap.Root) int { return bytes.Compare(a[:], b[:]) })
	roots = slices.Compact(roots)
	switch len(roots) {
	case 0:
		return pmap.Root{}, nil
	case 1:
		return roots[0], nil
	}
	known := s.r.resolved.get(roots)
	if known != nil {
		return s.change(p, roots[0], known)
	}
	changes, err := s.conflict(roots)
	if err != nil {
		return pmap.Root{}, fmt.Errorf("resolve %d states of %s: %w", len(roots), s.h.room, err)
	}
	s.r.resolved.put(roots, changes)
	return s.change(p, roots[0], changes)
}

// conflict runs the resolution. It gives what is other than in the first of the states.
//
// Of a large room most of the state is not in conflict, and need not be looked at: what the states agree about matters by what
// authorises the events in question, and by the auth chains that it keeps out of the auth difference. For the latter a few
// witnesses will do, as they are looked for until all of the chains in question are accounted for.
func (s *sight) conflict(roots []pmap.Root) ([]pmap.Change, error) {
	d := &dispute{
		s: s, base: roots[0], keys: map[authrule.StateKey]uint64{}, first: stateres.StateMap{},
		chains: chainWalk{find: s.find, seen: map[id.Event]*Stored{}},
	}
	forks := make([]stateres.StateMap, len(roots)-1)
	for i, root := range roots[1:] {
		forks[i] = stateres.StateMap{}
		err := pmap.Diff(s.load, roots[0], root, func(key, old, now uint64) error {
			for _, nid := range []uint64{old, now} {
				if nid == 0 {
					continue
				}
				k, name, err := d.take(key, nid)
				if err != nil {
					return err
				}
				if nid == old {
					d.first[k] = name
				}
				if forks[i][k] = name; now == 0 {
					forks[i][k] = ""
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if err := d.agreed(); err != nil {
		return nil, err
	}
	events, rejected := d.chains.graph()
	result, err := stateres.ResolveForks(s.h.version, d.first, forks, events, rejected)
	if err != nil {
		return nil, err
	}
	var changes []pmap.Change
	for k, key := range d.keys {
		switch name, has := result[k]; {
		case !has && d.first[k] != "":
			changes = append(changes, pmap.Change{Key: key})
		case has && name != d.first[k]:
			changes = append(changes, pmap.Change{Key: key, Value: uint64(d.chains.seen[name].NID)})
		}
	}
	slices.SortFunc(changes, func(a, b pmap.Change) int { return cmp.Compare(a.Key, b.Key) })
	return changes, nil
}

// dispute is what a resolution is about.
type dispute struct {
	s      *sight
	base   pmap.Root
	keys   map[authrule.StateKey]uint64 // of the events that were taken, their numbers
	first  stateres.StateMap            // as much of the first state as matters
	chains chainWalk
}

// take reads an event that some state has under a key.
func (d *dispute) take(key, nid uint64) (k authrule.StateKey, name id.Event, err error) {
	found, err := d.s.events([]NID{NID(nid)})
	if err != nil {
		return k, "", err
	}
	if len(found) == 0 {
		return k, "", fmt.Errorf("the state has an event %d that is not here", nid)
	}
	k, _ = keyOf(found[0].Event)
	d.keys[k] = key
	d.chains.seen[found[0].Event.ID()] = found[0]
	return k, found[0].Event.ID(), nil
}

// agreed adds what matters of the state that is not in dispute. When it is called, what is in dispute has been taken.
func (d *dispute) agreed() error {
	if err := d.chains.complete(); err != nil {
		return err
	}
	needed := map[authrule.StateKey]bool{keyCreate: true, keyPower: true, keyJoinRules: true}
	open := make(map[id.Event]bool, len(d.chains.seen)) // not known to be in the auth chain of what is agreed
	for name, x := range d.chains.seen {
		open[name] = true
		for _, key := range authrule.NeededFor(x.Event) {
			needed[key] = true
		}
	}
	visited := map[id.Event]bool{}
	for key := range needed {
		if _, disputed := d.keys[key]; disputed || !storable(key.Key) {
			continue
		}
		nid, err := d.s.get(d.base, key)
		if err != nil {
			return err
		}
		if nid == 0 {
			continue
		}
		k, _, err := d.s.r.keyNID(d.s.tx, key)
		if err != nil {
			return err
		}
		x, err := d.s.events([]NID{nid})
		if err != nil || len(x) == 0 {
			return cmp.Or(err, errors.New("the state has an event that is not here"))
		}
		if _, err := d.vouch(x[0], visited, open); err != nil {
			return err
		}
		d.admit(key, uint64(k), x[0])
	}
	return d.witnesses(visited, open)
}

// admit has an agreed event take part.
func (d *dispute) admit(key authrule.StateKey, k uint64, x *Stored) {
	d.keys[key] = k
	d.first[key] = x.Event.ID()
	d.chains.seen[x.Event.ID()] = x
}

// vouch strikes off what is in the auth chain of an agreed event. It says whether there was anything.
func (d *dispute) vouch(x *Stored, visited, open map[id.Event]bool) (did bool, err error) {
	w := chainWalk{find: d.s.find, seen: d.chains.seen}
	next := []*Stored{x}
	for len(next) > 0 {
		var names []id.Event
		for _, e := range next {
			for _, name := range authNames(e.Event) {
				if visited[name] {
					continue
				}
				visited[name] = true
				did = did || open[name]
				delete(open, name)
				names = append(names, name)
			}
		}
		if next, err = w.get(names); err != nil {
			return did, err
		}
	}
	return did, nil
}

var errEnough = errors.New("all is accounted for")

// witnesses looks through the agreed state until it is known of every chain in question whether it is part of what is agreed.
func (d *dispute) witnesses(visited, open map[id.Event]bool) error {
	var some []pmap.Change
	look := func() error {
		nids := make([]NID, len(some))
		keys := make(map[NID]uint64, len(some))
		for i, c := range some {
			nids[i] = NID(c.Value)
			keys[NID(c.Value)] = c.Key
		}
		some = some[:0]
		found, err := d.s.events(nids)
		if err != nil {
			return err
		}
		for _, x := range found {
			key, _ := keyOf(x.Event)
			if _, taken := d.keys[key]; taken {
				continue
			}
			did, err := d.vouch(x, visited, open)
			if err != nil {
				return err
			}
			if did {
				d.admit(key, keys[x.NID], x)
			}
			if len(open) == 0 {
				return errEnough
			}
		}
		return nil
	}
	if len(open) == 0 {
		return nil
	}
	err := pmap.Walk(d.s.load, d.base, func(key, value uint64) error {
		if some = append(some, pmap.Change{Key: key, Value: value}); len(some) < 64 {
			return nil
		}
		return look()
	})
	if err == nil {
		err = look()
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// find gives those of some events that are here, by their ids.
func (s *sight) find(names []id.Event) ([]*Stored, error) {
	var out []*Stored
	var rest []id.Event
	for _, name := range names {
		if x := s.anew[name]; x != nil {
			out = append(out, x)
		} else if p := s.plans[name]; p != nil {
			out = append(out, s.stored(p))
		} else {
			rest = append(rest, name)
		}
	}
	more, err := s.r.ByIDs(s.tx, rest)
	return append(out, more...), err
}

// chainWalk gathers auth chains.
type chainWalk struct {
	find func([]id.Event) ([]*Stored, error)
	seen map[id.Event]*Stored
}

// complete adds the auth chains of what was seen. An auth event that is not here is an error.
func (w *chainWalk) complete() error {
	open := make([]id.Event, 0, len(w.seen))
	asked := make(map[id.Event]bool, len(w.seen))
	want := func(e *event.Event) {
		for _, name := range authNames(e) {
			if w.seen[name] == nil && !asked[name] {
				asked[name] = true
				open = append(open, name)
			}
		}
	}
	for _, x := range w.seen {
		want(x.Event)
	}
	for len(open) > 0 {
		some := open[:min(len(open), 500)]
		open = slices.Clone(open[len(some):])
		found, err := w.get(some)
		if err != nil {
			return err
		}
		for _, x := range found {
			want(x.Event)
		}
	}
	return nil
}

// get gives events, and remembers them. One that is not here is an error.
func (w *chainWalk) get(names []id.Event) ([]*Stored, error) {
	out := make([]*Stored, 0, len(names))
	var rest []id.Event
	for _, name := range names {
		if x := w.seen[name]; x != nil {
			out = append(out, x)
		} else {
			rest = append(rest, name)
		}
	}
	found, err := w.find(rest)
	if err != nil {
		return nil, err
	}
	if len(found) < len(rest) {
		return nil, fmt.Errorf("%d auth events are not here", len(rest)-len(found))
	}
	for _, x := range found {
		w.seen[x.Event.ID()] = x
	}
	return append(out, found...), nil
}

// graph is what was seen, as the resolution wants it.
func (w *chainWalk) graph() (events map[id.Event]*event.Event, rejected map[id.Event]bool) {
	events, rejected = make(map[id.Event]*event.Event, len(w.seen)), map[id.Event]bool{}
	for name, x := range w.seen {
		events[name] = x.Event
		if x.Aside == Rejected {
			rejected[name] = true
		}
	}
	return events, rejected
}

// StateBefore is the root of the state before an event by the room's graph, which need not be the order in which events
// arrived.
func (r *Rooms) StateBefore(tx *sqldb.Tx, x *Stored) (pmap.Root, error) {
	if x.own != nil {
		return x.own.before, nil
	}
	if x.Aside != "" {
		return pmap.Root{}, errNoState
	}
	key, is := keyOf(x.Event)
	if !is {
		return x.State, nil
	}
	k, ok, err := r.keyNID(tx, key)
	if err != nil {
		return pmap.Root{}, err
	}
	if !ok {
		return pmap.Root{}, errNotInterned
	}
	// The nodes of that state are stored: it was the room's.
	root, _, err := pmap.Set(r.nodesOf(tx), x.State, []pmap.Change{{Key: uint64(k), Value: uint64(x.Replaces)}})
	return root, err
}

// StateAfter is StateBefore with the event itself in it.
func (r *Rooms) StateAfter(_ *sqldb.Tx, x *Stored) (pmap.Root, error) {
	switch {
	case x.own != nil:
		return x.own.after, nil
	case x.Aside != "":
		return pmap.Root{}, errNoState
	}
	return x.State, nil
}

var errNoState = fmt.Errorf("an outlier has no state")

// resolved remembers what the states of forks were resolved to, as the same are met with every event until they are one.
type resolved struct {
	mu sync.Mutex               // guards m
	m  map[string][]pmap.Change // bounded by maxResolved
}

// limit: resolved states in memory | %d of some KiB | all are forgotten
const maxResolved = 1000

func (c *resolved) get(roots []pmap.Root) []pmap.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[nameOf(roots)]
}

func (c *resolved) put(roots []pmap.Root, changes []pmap.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxResolved {
		c.m = map[string][]pmap.Change{}
	}
	c.m[nameOf(roots)] = append([]pmap.Change{}, changes...) // not nil
}

func nameOf(roots []pmap.Root) string {
	var b []byte
	for _, root := range roots {
		b = append(b, root[:]...)
	}
	return string(b)
}
