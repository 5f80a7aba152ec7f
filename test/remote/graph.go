package remote

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
)

// add gives an event its place. One that is here already is left alone; previous events that are not here are an error.
func (room *Room) add(e *event.Event) error {
	if room.nodes[e.ID()] != nil {
		return nil
	}
	n := &node{e: e}
	prev := e.Prev()
	onEnds := len(prev) == len(room.ends)
	for _, p := range prev {
		if room.nodes[p] == nil {
			return fmt.Errorf("its previous event %s: %w", p, errUnknown)
		}
		onEnds = onEnds && slices.Contains(room.ends, p)
	}
	if len(prev) == 1 {
		n.parent = room.nodes[prev[0]]
	} else {
		var err error
		if n.base, err = room.stateOf(prev); err != nil {
			return err
		}
	}
	room.place(n)
	if onEnds {
		put(room.current, e)
		return nil
	}
	var err error
	room.current, err = room.resolve(room.ends)
	return err
}

// place puts a node into the graph, and its event among the ends.
func (room *Room) place(n *node) {
	room.nodes[n.e.ID()] = n
	room.order = append(room.order, n)
	room.ends = slices.DeleteFunc(slices.Clone(room.ends), func(end id.Event) bool { return slices.Contains(n.e.Prev(), end) })
	room.ends = append(room.ends, n.e.ID())
}

// stateOf is the state after some events together.
func (room *Room) stateOf(events []id.Event) (stateres.StateMap, error) {
	if len(events) == len(room.ends) && !slices.ContainsFunc(events, func(e id.Event) bool { return !slices.Contains(room.ends, e) }) {
		return maps.Clone(room.current), nil
	}
	return room.resolve(events)
}

// resolve is stateOf without a look at what is at hand.
func (room *Room) resolve(events []id.Event) (stateres.StateMap, error) {
	var sets []stateres.StateMap
	for _, e := range events {
		n := room.nodes[e]
		if n == nil {
			return nil, fmt.Errorf("the state after %s: %w", e, errUnknown)
		}
		sets = append(sets, n.after())
	}
	switch len(sets) {
	case 0:
		return stateres.StateMap{}, nil
	case 1:
		return sets[0], nil
	}
	all := maps.Clone(room.aside)
	for name, n := range room.nodes {
		all[name] = n.e
	}
	return stateres.Resolve(room.Version, sets, all, nil)
}

// check says whether an event is allowed by its auth events and in the state before it.
func (room *Room) check(e *event.Event) error {
	var auth []*event.Event
	for _, a := range e.Auth() {
		found := room.find(a)
		if found == nil {
			return fmt.Errorf("its auth event %s: %w", a, errUnknown)
		}
		auth = append(auth, found)
	}
	known := auth
	if create := room.current[authrule.StateKey{Type: "m.room.create"}]; room.Version.RoomIDIsCreateHash && create != "" {
		known = append(slices.Clone(auth), room.find(create))
	}
	if err := authrule.CheckAuthEvents(e, known, nil); err != nil {
		return err
	}
	before, err := room.stateOf(e.Prev())
	if err != nil {
		return err
	}
	var held []*event.Event
	for _, k := range append(authrule.NeededFor(e), authrule.StateKey{Type: "m.room.create"}) {
		if found := room.find(before[k]); found != nil {
			held = append(held, found)
		}
	}
	for _, events := range [][]*event.Event{known, held} {
		state, err := authrule.Gather(room.Version, events)
		if err != nil {
			return err
		}
		if err := authrule.Check(e, state, e.Signers()...); err != nil {
			return err
		}
	}
	return nil
}

// chain is the events' auth events, theirs, and so on, without the events themselves unless others name them.
func (room *Room) chain(events ...*event.Event) []*event.Event {
	seen := map[id.Event]bool{}
	var out []*event.Event
	for todo := slices.Clone(events); len(todo) > 0; {
		e := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, a := range e.Auth() {
			if found := room.find(a); found != nil && !seen[a] {
				seen[a] = true
				out, todo = append(out, found), append(todo, found)
			}
		}
	}
	if create := room.find(room.current[authrule.StateKey{Type: "m.room.create"}]); room.Version.RoomIDIsCreateHash && create != nil && !seen[create.ID()] {
		out = append(out, create)
	}
	byDepth(out)
	return out
}

// byDepth sorts events, the oldest first.
func byDepth(events []*event.Event) {
	slices.SortFunc(events, func(a, b *event.Event) int {
		return cmp.Or(cmp.Compare(a.Depth(), b.Depth()), cmp.Compare(a.ID(), b.ID()))
	})
}

// events are the events of a state.
func (room *Room) events(state stateres.StateMap) []*event.Event {
	out := make([]*event.Event, 0, len(state))
	for _, e := range state {
		if found := room.find(e); found != nil {
			out = append(out, found)
		}
	}
	byDepth(out)
	return out
}

// back walks from events towards the beginning, the newest first: at most limit events, those given not among them unless
// with is set; what stop says true of is neither given nor passed.
func (room *Room) back(from []id.Event, with bool, limit int, stop func(*event.Event) bool) []*event.Event {
	seen := map[id.Event]bool{}
	var todo, out []*event.Event
	push := func(ids []id.Event) {
		for _, e := range ids {
			if n := room.nodes[e]; n != nil && !seen[e] {
				seen[e] = true
				if !stop(n.e) {
					todo = append(todo, n.e)
				}
			}
		}
	}
	if with {
		push(from)
	} else {
		for _, e := range from {
			seen[e] = true
			if n := room.nodes[e]; n != nil {
				push(n.e.Prev())
			}
		}
	}
	for len(todo) > 0 && len(out) < limit {
		byDepth(todo)
		e := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		out = append(out, e)
		push(e.Prev())
	}
	return out
}

// servers are those with a joined user.
func (room *Room) servers() []id.Server {
	in := map[id.Server]bool{}
	for key, e := range room.current {
		if key.Type == "m.room.member" && membership(room.find(e)) == "join" {
			in[id.User(key.Key).Server()] = true
		}
	}
	return slices.Sorted(maps.Keys(in))
}
