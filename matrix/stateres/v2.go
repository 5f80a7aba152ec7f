package stateres

import (
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// The event types that the algorithms know.
const (
	typeCreate    = "m.room.create"
	typeMember    = "m.room.member"
	typePower     = "m.room.power_levels"
	typeJoinRules = "m.room.join_rules"
)

// resolveV2 is state resolution version 2 and 2.1 (v2 and v12, "State resolution", "Algorithm").
func resolveV2(v *version.Version, states int, unconflicted StateMap, conflicted conflicts,
	events map[id.Event]*event.Event, rejected map[id.Event]bool,
) (StateMap, error) {
	g, err := newGraph(unconflicted, conflicted, events)
	if err != nil {
		return nil, err
	}
	create, err := roomCreate(v, g, events)
	if err != nil {
		return nil, err
	}

	full := g.conflictedStateSet(conflicted)
	base := unconflicted
	if v.StateRes == version.V2_1 {
		full = g.conflictedSubgraph(full) // which has the conflicted events too
		base = nil
	}
	g.addAuthDifference(full, states, unconflicted, conflicted)

	// 1: the power events of the full conflicted set, and what of it is in their auth chains.
	first := make(set, len(g.nodes))
	for n := range g.nodes {
		first[n] = full[n] && powerEvent(g.nodes[n].e)
	}
	first = g.chains(first)
	for n := range g.nodes {
		first[n] = first[n] && full[n]
	}
	a := newAuth(v, g, create, rejected)
	ordered := g.powerOrder(first, a.senderLevel)

	// 2: which of them are allowed, one after the other.
	a.state = newPartial(g, base)
	a.apply(ordered)

	// 3 and 4: the same with the others, in the order of the power levels that came out.
	var others []int32
	for n := range g.nodes {
		if full[n] && !first[n] {
			others = append(others, int32(n))
		}
	}
	power, ok := a.state.get(authrule.StateKey{Type: typePower})
	g.mainlineOrder(others, power, ok)
	a.apply(others)

	// 5: what nobody disagrees about stands.
	result := unconflicted
	for key, n := range a.state.changed {
		if _, has := result[key]; !has {
			result[key] = g.nodes[n].e.ID()
		}
	}
	return result, nil
}

// powerEvent says whether the event is a power event: it might take from somebody the ability to do something.
func powerEvent(e *event.Event) bool {
	key, isState := e.StateKey()
	if !isState {
		return false
	}
	switch e.Type() {
	case typePower, typeJoinRules:
		return true
	case typeMember:
		if key == string(e.Sender()) {
			return false
		}
		m := authrule.ParseMember(e.Content()).Membership
		return m == authrule.Leave || m == authrule.Ban
	}
	return false
}

// roomCreate is the create event in versions whose room id names it; in others it is one of each event's auth events.
func roomCreate(v *version.Version, g *graph, events map[id.Event]*event.Event) (*authrule.Create, error) {
	if !v.RoomIDIsCreateHash {
		return nil, nil
	}
	room := g.room()
	if len(room) < 2 {
		return nil, &Missing{Event: id.Event(room)}
	}
	name := id.Event("$" + room[1:])
	e := events[name]
	if e == nil {
		return nil, &Missing{Event: name}
	}
	return authrule.ParseCreate(e)
}

// partial is a partially resolved state: a base that is not changed, and what came to it.
type partial struct {
	g       *graph
	base    StateMap
	changed map[authrule.StateKey]int32
}

func newPartial(g *graph, base StateMap) *partial {
	return &partial{g: g, base: base, changed: make(map[authrule.StateKey]int32)}
}

func (p *partial) get(key authrule.StateKey) (n int32, ok bool) {
	if n, ok = p.changed[key]; ok {
		return n, true
	}
	name, ok := p.base[key]
	if !ok {
		return 0, false
	}
	n, ok = p.g.byID[name]
	return n, ok
}
