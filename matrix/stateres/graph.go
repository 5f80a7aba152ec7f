package stateres

import (
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// graph is the auth DAG of the events that a resolution deals with. An event is a number in it; every event has a higher
// number than the events in its auth chain, so that a loop upwards goes from old to new and one downwards from new to old.
type graph struct {
	nodes []node
	byID  map[id.Event]int32
}

type node struct {
	e    *event.Event
	auth []int32 // its auth events
}

// newGraph makes the graph of the events of all states and their auth chains.
func newGraph(unconflicted StateMap, conflicted conflicts, events map[id.Event]*event.Event) (*graph, error) {
	b := builder{events: events, g: &graph{
		nodes: make([]node, 0, len(unconflicted)*5/4),
		byID:  make(map[id.Event]int32, len(unconflicted)*5/4),
	}}
	for _, name := range unconflicted {
		if err := b.add(name); err != nil {
			return nil, err
		}
	}
	for _, claims := range conflicted {
		for _, c := range claims {
			if err := b.add(c.event); err != nil {
				return nil, err
			}
		}
	}
	return b.g, nil
}

// builder walks the auth chains depth first, without recursion: a hostile chain can be as long as a room is old.
type builder struct {
	g      *graph
	events map[id.Event]*event.Event
	path   []step
	spare  []int32 // room for the lists of auth events, which would else be an allocation each
}

// step is an event on the way down, with its auth events and the numbers of those that were looked at.
type step struct {
	e     *event.Event
	names []id.Event
	auth  []int32
}

// onPath is the number of an event that is being walked and has none yet.
const onPath = -1

func (b *builder) add(name id.Event) error {
	if err := b.enter(name); err != nil {
		return err
	}
	for len(b.path) > 0 {
		top := &b.path[len(b.path)-1]
		if len(top.auth) < len(top.names) {
			next := top.names[len(top.auth)]
			switch n, seen := b.g.byID[next]; {
			case !seen:
				if err := b.enter(next); err != nil {
					return err
				}
			case n == onPath:
				return ErrCycle
			default:
				top.auth = append(top.auth, n)
			}
			continue
		}
		b.g.byID[top.e.ID()] = int32(len(b.g.nodes))
		b.g.nodes = append(b.g.nodes, node{e: top.e, auth: top.auth})
		b.path = b.path[:len(b.path)-1]
	}
	return nil
}

// enter puts an event that has no number yet on the path.
func (b *builder) enter(name id.Event) error {
	if _, seen := b.g.byID[name]; seen {
		return nil
	}
	e := b.events[name]
	if e == nil || e.ID() != name {
		return &Missing{Event: name}
	}
	b.g.byID[name] = onPath
	names := e.Auth()
	b.path = append(b.path, step{e, names, b.list(len(names))})
	return nil
}

// list is an empty list with room for n.
func (b *builder) list(n int) []int32 {
	if len(b.spare) < n {
		b.spare = make([]int32, max(n, 1024))
	}
	l := b.spare[:0:n]
	b.spare = b.spare[n:]
	return l
}

// set is a set of the graph's events.
type set []bool

// conflictedStateSet is the events that the states have for the conflicted keys.
func (g *graph) conflictedStateSet(conflicted conflicts) set {
	s := make(set, len(g.nodes))
	for _, claims := range conflicted {
		for _, c := range claims {
			s[g.byID[c.event]] = true
		}
	}
	return s
}

// addAuthDifference adds the events that are in the full auth chains of some states but not of all.
//
// A state's own events count as part of its chain. By the letter of the definition they do not, unless another event of
// the state leads to them; it makes a difference only for an event that is in all states, which would then be in the auth
// difference though nobody disagrees about it. Synapse and the servers built on ruma take it as we do, and to resolve
// as they do is the point.
func (g *graph) addAuthDifference(to set, states int, unconflicted StateMap, conflicted conflicts) {
	// One bit per state and event: the states whose chain has the event. Walking from new to old, an event's bits are
	// final when it is reached and go on to its auth events: one pass for all states.
	all := allOf(states)
	words := len(all)
	reach := make([]uint64, len(g.nodes)*words)
	for _, name := range unconflicted {
		copy(reach[int(g.byID[name])*words:], all)
	}
	for _, claims := range conflicted {
		for _, c := range claims {
			own := reach[int(g.byID[c.event])*words:]
			for w, bits := range c.by {
				own[w] |= bits
			}
		}
	}
	for n := len(g.nodes) - 1; n >= 0; n-- {
		own := reach[n*words : (n+1)*words]
		for w, bits := range own {
			if bits != all[w] {
				to[n] = true
			}
		}
		for _, a := range g.nodes[n].auth {
			into := reach[int(a)*words:]
			for w, bits := range own {
				into[w] |= bits
			}
		}
	}
}

// conflictedSubgraph is the events on a path along auth events from one conflicted event to another, ends included: those
// that can be reached from a conflicted event and from which one can be reached.
func (g *graph) conflictedSubgraph(conflicted set) set {
	below := g.chains(conflicted)
	leads := make(set, len(g.nodes))
	for n := range g.nodes {
		leads[n] = conflicted[n]
		for _, a := range g.nodes[n].auth {
			leads[n] = leads[n] || leads[a]
		}
		below[n] = below[n] && leads[n]
	}
	return below
}

// chains is the events in s with all of their auth chains.
func (g *graph) chains(s set) set {
	in := make(set, len(g.nodes))
	copy(in, s)
	for n := len(g.nodes) - 1; n >= 0; n-- {
		if in[n] {
			for _, a := range g.nodes[n].auth {
				in[a] = true
			}
		}
	}
	return in
}

// powerLevels is the m.room.power_levels event among an event's auth events, and whether there is one.
func (g *graph) powerLevels(n int32) (int32, bool) {
	for _, a := range g.nodes[n].auth {
		if g.nodes[a].e.IsState(typePower, "") {
			return a, true
		}
	}
	return 0, false
}

// room is the room that the events are of. A create event's is what its own id makes it, whatever room it was smuggled
// into, so the others are asked; if even they are of several, the answer is the same in any order.
func (g *graph) room() id.Room {
	var room id.Room
	foreign := true // room is that of a create event
	for _, n := range g.nodes {
		create := n.e.Type() == typeCreate
		if room == "" || foreign && !create || foreign == create && n.e.Room() < room {
			room, foreign = n.e.Room(), create
		}
	}
	return room
}
