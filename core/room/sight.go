package room

import (
	"context"
	"maps"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// sight is a room as its writer sees it: what is on disk, what is on its way there, and what is being planned. It belongs to
// whoever holds the lane.
type sight struct {
	r     *Rooms
	tx    *sqldb.Tx
	h     *head
	plans map[id.Event]*planned // not on disk yet
	nids  map[NID]*planned      // the same
	nodes map[pmap.Root][]byte  // of states that are not on disk yet

	// What was judged again, in place of what is on disk or on its way there.
	anew      map[id.Event]*Stored
	anewByNID map[NID]*Stored

	absent   map[id.Event]bool // that came and are not on disk
	followed map[id.Event]bool // that something here follows though they have no place here (end.go)

	history bool // what is judged is older than what is here, and gets its place there
	partial bool // members are missing from the room's state (Adoption)
}

// look runs fn with the room as it is now. What is on its way to the disk is taken down before the transaction begins, so
// that an event is in one or the other.
func (r *Rooms) look(ctx context.Context, h *head, fn func(*sight) error) error {
	s := &sight{r: r, h: h, nids: map[NID]*planned{}, followed: map[id.Event]bool{}}
	h.mu.Lock()
	s.plans, s.nodes = maps.Clone(h.flying), maps.Clone(h.fresh)
	h.mu.Unlock()
	for _, p := range s.plans {
		s.nids[p.nid] = p
	}
	return r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		s.tx = tx
		var err error
		if _, s.partial, err = r.Partial(tx, h.nid); err != nil {
			return err
		}
		return fn(s)
	})
}

// plan takes down an event that is to be written.
func (s *sight) plan(p *planned) {
	s.plans[p.event.ID()], s.nids[p.nid] = p, p
}

// stored is a planned event as it will be found on disk.
func (s *sight) stored(p *planned) *Stored {
	if p.had != nil {
		x := *p.had
		x.own = p.own
		return &x
	}
	x := p.stored(s.h.nid, 0)
	if p.aside != "" {
		x.Aside, x.State = p.aside, pmap.Root{}
	}
	if p.past {
		x.Pos = p.pastPos()
	}
	return x
}

// event finds an event by its id; nil when it is not here.
func (s *sight) event(e id.Event) (*Stored, error) {
	if x := s.anew[e]; x != nil {
		return x, nil
	}
	if p := s.plans[e]; p != nil {
		return s.stored(p), nil
	}
	if s.absent[e] {
		return nil, nil
	}
	return s.r.ByID(s.tx, e)
}

// expect finds out at once which of the events that came are not on disk, as most are not, and which come late.
func (s *sight) expect(in []Incoming) error {
	names := make([]id.Event, len(in))
	for i := range in {
		names[i] = in[i].Event.ID()
	}
	have, err := s.r.Have(s.tx, names)
	if err != nil {
		return err
	}
	s.absent = make(map[id.Event]bool, len(names))
	for _, e := range names {
		s.absent[e] = !have[e]
	}
	events := make([]*event.Event, len(in))
	for i := range in {
		events[i] = in[i].Event
	}
	return s.late(events)
}

// events finds events by their numbers, leaving out those that are not there.
func (s *sight) events(nids []NID) ([]*Stored, error) {
	var out []*Stored
	var rest []NID
	for _, nid := range nids {
		if x := s.anewByNID[nid]; x != nil {
			out = append(out, x)
		} else if p := s.nids[nid]; p != nil {
			out = append(out, s.stored(p))
		} else {
			rest = append(rest, nid)
		}
	}
	more, err := s.r.LoadAll(s.tx, rest)
	return append(out, more...), err
}

// load reads nodes of states.
func (s *sight) load(address pmap.Root) ([]byte, error) {
	if body := s.nodes[address]; body != nil {
		return body, nil
	}
	return s.r.nodesOf(s.tx)(address)
}

// get finds the event of a state's key; 0 where there is none.
func (s *sight) get(root pmap.Root, key authrule.StateKey) (NID, error) {
	return s.r.stateNIDIn(s.tx, s.load, root, key)
}

// change makes another state, and keeps what it is made of for the write of p.
func (s *sight) change(p *planned, root pmap.Root, changes []pmap.Change) (pmap.Root, error) {
	next, nodes, err := pmap.Set(s.load, root, changes)
	if err != nil {
		return root, err
	}
	for _, n := range nodes {
		s.nodes[n.Address] = n.Body
	}
	s.h.keep(nodes)
	p.nodes = append(p.nodes, nodes...)
	return next, nil
}

// with is the state once p is in it. It takes down what p replaces.
func (s *sight) with(p *planned, before pmap.Root) (after pmap.Root, err error) {
	key, is := keyOf(p.event)
	if !is {
		return before, nil
	}
	if p.replaces, err = s.get(before, key); err != nil {
		return before, err
	}
	return s.set(p, before, key)
}

// keyOf is what a state event is found by; is is false for another event.
func keyOf(e *event.Event) (key authrule.StateKey, is bool) {
	text, is := e.StateKey()
	return authrule.StateKey{Type: e.Type(), Key: text}, is
}

// set is change for the one key of the state event p.
func (s *sight) set(p *planned, root pmap.Root, key authrule.StateKey) (pmap.Root, error) {
	k, err := s.keyNID(p, key)
	if err != nil {
		return root, err
	}
	return s.change(p, root, []pmap.Change{{Key: uint64(k), Value: uint64(p.nid)}})
}

// keyNID is the number of p's own state key, which was interned.
func (s *sight) keyNID(p *planned, key authrule.StateKey) (NID, error) {
	k, ok, err := s.r.keyNID(s.tx, key)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, errNotInterned
	}
	if _, fresh, _ := s.r.keys.get(key); fresh {
		p.freshKey = &freshKey{key, k, s.r.keys}
	}
	return k, nil
}

// after is the state after an event by the room's graph. ok is false of one of which it is not known: an outlier, or one from
// outside.
func (s *sight) after(e *Stored) (root pmap.Root, ok bool) {
	switch {
	case e.isLoose():
		return root, false
	case e.own != nil:
		return e.own.after, true
	case e.Aside == "":
		return e.State, true
	}
	return root, false
}

// authState gathers what the rules need to judge an event out of a state.
func (s *sight) authState(root pmap.Root, in *Incoming, auth []*Stored) (*authrule.State, error) {
	state := new(authrule.State)
	e := in.Event
	keys := authrule.NeededFor(e)
	if e.Version().RoomIDIsCreateHash {
		keys = append(keys, keyCreate)
	}
	for _, key := range keys {
		if err := s.add(state, root, key, auth); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// add puts one entry of a state into state.
func (s *sight) add(state *authrule.State, root pmap.Root, key authrule.StateKey, auth []*Stored) error {
	if !storable(key.Key) {
		return nil // out of some content: no event has it
	}
	nid, err := s.get(root, key)
	if err != nil {
		return err
	}
	if nid == 0 {
		if !s.partial || key.Type != "m.room.member" {
			return nil
		}
		// Who is in the room is not all known yet. What the event's own auth events say is believed, until it is.
		for _, a := range auth {
			if a.Event.IsState(key.Type, key.Key) {
				return state.Add(s.h.version, a.Event)
			}
		}
		return nil
	}
	found, err := s.events([]NID{nid})
	if err != nil || len(found) == 0 {
		return err
	}
	return state.Add(s.h.version, found[0].Event)
}
