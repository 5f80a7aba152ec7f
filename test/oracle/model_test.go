package oracle

import (
	"bytes"
	"cmp"
	"crypto/sha1" // state resolution v1 breaks ties with it
	"maps"
	"slices"

	"github.com/matrix-org/gomatrixserverlib"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
	"freehold.example/matrix/version"
)

// model is state resolution by the letter of the specification, as plainly and as slowly as can be: what ours must agree
// with to the last event. Where the quirks of gomatrixserverlib are switched on, it does what that does.
type model struct {
	room   *room
	sets   []stateres.StateMap
	reject map[id.Event]bool
	quirks

	chains map[id.Event]map[id.Event]bool
	state  stateres.StateMap // the partially resolved state

	rulesEvent id.Event // the join rules that gomatrixserverlib has in mind
	rulesNow   string   // and what it has made of them
}

// quirks are what gomatrixserverlib's ResolveStateConflictsV2New does otherwise.
type quirks struct {
	rules    bool // its own authorisation rules
	keeps    bool // with rules: a restricted join changes the join rule for the events after it
	itself   bool // an event is authorised by itself in place of those of its auth events that the state has not
	ties     bool // the topological order is built from its end, where the last by power, time and id comes first
	noLevel  bool // without power levels among the auth events the creator has level 0
	pulls    bool // of auth chains only what is reached through conflicted events counts as power events
	twice    bool // and some are there twice, which holds up those that they wait for (with ties)
	invites  bool // in v1, third-party invites are resolved like power levels, before members
	unnamed  bool // m.room.member with an empty state key is no power event
	mainline bool // who is not on the mainline is with its oldest event, and the steps to it count
}

type stateKey = authrule.StateKey

func (m *model) resolve() stateres.StateMap {
	unconflicted, conflicted := m.split()
	if len(conflicted) == 0 {
		return unconflicted
	}
	if m.room.version.StateRes == version.V1 {
		return m.v1(unconflicted, conflicted)
	}
	return m.v2(unconflicted, conflicted)
}

// split is the unconflicted state map and the conflicted state set (v2, "Definitions"), in versions with state resolution
// v1 conflicts are between different events alone.
func (m *model) split() (unconflicted stateres.StateMap, conflicted map[id.Event]bool) {
	unconflicted, conflicted = stateres.StateMap{}, map[id.Event]bool{}
	values := map[stateKey]map[id.Event]int{}
	for _, set := range m.sets {
		for key, name := range set {
			if values[key] == nil {
				values[key] = map[id.Event]int{}
			}
			values[key][name]++
		}
	}
	for key, names := range values {
		for name, n := range names {
			if len(names) == 1 && (n == len(m.sets) || m.room.version.StateRes == version.V1) {
				unconflicted[key] = name
			} else {
				conflicted[name] = true
			}
		}
	}
	return unconflicted, conflicted
}

// v1 is v1, "State resolution".
func (m *model) v1(state stateres.StateMap, conflicted map[id.Event]bool) stateres.StateMap {
	blocks := map[stateKey][]*event.Event{}
	for name := range conflicted {
		e := m.room.events[name]
		blocks[keyOfState(e)] = append(blocks[keyOfState(e)], e)
	}
	types := []string{"m.room.power_levels", "m.room.join_rules", "m.room.member", ""}
	if m.invites {
		types = slices.Insert(types, 2, "m.room.third_party_invite")
	}
	for _, typ := range types {
		found := stateres.StateMap{}
		for key, block := range blocks {
			if typ != "" && key.Type != typ {
				continue
			}
			slices.SortFunc(block, func(a, b *event.Event) int {
				x, y := sha1.Sum([]byte(a.ID())), sha1.Sum([]byte(b.ID()))
				return cmp.Or(cmp.Compare(a.Depth(), b.Depth()), bytes.Compare(y[:], x[:]))
			})
			if typ != "" {
				// 2 to 4: from the lowest depth on for as long as each is allowed with the one before it in the state.
				with := maps.Clone(state)
				with[key] = block[0].ID()
				for _, e := range block[1:] {
					if !m.allowed(e, with) {
						break
					}
					with[key] = e.ID()
				}
				found[key] = with[key]
				continue
			}
			// 5: the first that is allowed, from the highest depth on.
			found[key] = block[0].ID()
			for _, e := range slices.Backward(block) {
				if m.allowed(e, state) {
					found[key] = e.ID()
					break
				}
			}
		}
		maps.Copy(state, found)
		for key := range found {
			delete(blocks, key)
		}
	}
	return state
}

// v2 is v2 and v12, "State resolution", "Algorithm".
func (m *model) v2(unconflicted stateres.StateMap, conflicted map[id.Event]bool) stateres.StateMap {
	full := maps.Clone(conflicted)
	m.addAuthDifference(full, unconflicted)
	m.state = maps.Clone(unconflicted)
	if m.room.version.StateRes == version.V2_1 {
		m.addSubgraph(full, conflicted)
		m.state = stateres.StateMap{}
	}

	power := map[id.Event]bool{}
	for name := range full {
		if !m.powerEvent(name) {
			continue
		}
		power[name] = true
		for other := range m.chain(name) {
			if full[other] {
				power[other] = true
			}
		}
	}
	first := m.sorted(power)
	if m.pulls || m.ties {
		first = m.gmslPower(full, conflicted)
	}
	for _, name := range first {
		m.apply(name)
	}
	var others []id.Event
	for name := range full {
		if !slices.Contains(first, name) {
			others = append(others, name)
		}
	}
	for _, name := range m.mainlineSorted(others) {
		m.apply(name)
	}
	maps.Copy(m.state, unconflicted)
	return m.state
}

// chain is the event's auth chain, without the event.
func (m *model) chain(name id.Event) map[id.Event]bool {
	if m.chains == nil {
		m.chains = map[id.Event]map[id.Event]bool{}
	}
	if c, known := m.chains[name]; known {
		return c
	}
	c := map[id.Event]bool{}
	for _, a := range m.room.events[name].Auth() {
		c[a] = true
		maps.Copy(c, m.chain(a))
	}
	m.chains[name] = c
	return c
}

// addAuthDifference adds what is in some full auth chains and not in all. A state's own events are in its chain, which is
// how Synapse has it; by the letter events that all states have would be in the difference where not all have them in a
// chain, only to be put back at the end.
func (m *model) addAuthDifference(full map[id.Event]bool, unconflicted stateres.StateMap) {
	counts := map[id.Event]int{}
	for _, set := range m.sets {
		all := map[id.Event]bool{}
		for _, name := range set {
			all[name] = true
			maps.Copy(all, m.chain(name))
		}
		for name := range all {
			counts[name]++
		}
	}
	for name, n := range counts {
		if n < len(m.sets) {
			full[name] = true
		}
	}
	for _, name := range unconflicted {
		if full[name] {
			panic("an unconflicted event is in the auth difference")
		}
	}
}

// addSubgraph adds the conflicted state subgraph: events on a path from one conflicted event to another.
func (m *model) addSubgraph(full, conflicted map[id.Event]bool) {
	for from := range conflicted {
		for on := range m.chain(from) {
			for to := range m.chain(on) {
				if conflicted[to] {
					full[on] = true
				}
			}
		}
	}
}

// sorted is the reverse topological power ordering: of all that come after no other, the smallest is next.
func (m *model) sorted(names map[id.Event]bool) (order []id.Event) {
	left := maps.Clone(names)
	for len(left) > 0 {
		var next id.Event
		for name := range left {
			waits := false
			for a := range m.chain(name) {
				waits = waits || left[a]
			}
			if !waits && (next == "" || m.comparePower(name, next) < 0) {
				next = name
			}
		}
		order = append(order, next)
		delete(left, next)
	}
	return order
}

// comparePower is the greater level of the sender first, then the earlier time, then the smaller id.
func (m *model) comparePower(a, b id.Event) int {
	x, y := m.room.events[a], m.room.events[b]
	return cmp.Or(cmp.Compare(m.level(y), m.level(x)), cmp.Compare(x.Timestamp(), y.Timestamp()), cmp.Compare(a, b))
}

// level is the sender's by the event's auth events.
func (m *model) level(e *event.Event) authrule.Level {
	var events []*event.Event
	has := false
	for _, name := range e.Auth() {
		if a := m.room.events[name]; a.IsState("m.room.power_levels", "") {
			events = append(events, a)
			has = true
		}
	}
	if m.noLevel && !has && !m.room.version.CreatorsPrivileged {
		return 0
	}
	s, err := authrule.Gather(m.room.version, append(events, m.room.nodes[0].event))
	if err != nil {
		return 0
	}
	return s.Level(e.Sender())
}

// mainlineSorted is the mainline ordering based on the power levels of the state.
func (m *model) mainlineSorted(names []id.Event) []id.Event {
	position := map[id.Event]int{} // from the newest
	for at := m.state[stateKey{Type: "m.room.power_levels"}]; at != ""; at = m.powerLevelsOf(at) {
		position[at] = len(position)
	}
	type place struct {
		name            id.Event
		position, steps int
	}
	places := make([]place, len(names))
	for i, name := range names {
		at, steps, p := m.powerLevelsOf(name), 0, len(position) // what is not on the mainline is as if older than all of it
		for ; at != ""; at = m.powerLevelsOf(at) {
			if n, on := position[at]; on {
				p = n
				break
			}
			steps++
		}
		if !m.mainline {
			steps = 0
		} else if p == len(position) {
			p = max(0, p-1)
		}
		places[i] = place{name, p, steps}
	}
	slices.SortFunc(places, func(a, b place) int {
		x, y := m.room.events[a.name], m.room.events[b.name]
		return cmp.Or(cmp.Compare(b.position, a.position), cmp.Compare(a.steps, b.steps), cmp.Compare(x.Timestamp(), y.Timestamp()), cmp.Compare(a.name, b.name))
	})
	order := make([]id.Event, len(places))
	for i, p := range places {
		order[i] = p.name
	}
	return order
}

// powerLevelsOf is the m.room.power_levels event among an event's auth events, or "".
func (m *model) powerLevelsOf(name id.Event) id.Event {
	for _, a := range m.room.events[name].Auth() {
		if m.room.events[a].IsState("m.room.power_levels", "") {
			return a
		}
	}
	return ""
}

// apply is one step of the iterative auth checks.
func (m *model) apply(name id.Event) {
	e := m.room.events[name]
	with := stateres.StateMap{}
	auth := e.Auth()
	if m.room.version.RoomIDIsCreateHash {
		auth = append(slices.Clone(auth), m.room.nodes[0].event.ID())
	}
	needed := authrule.NeededFor(e)
	if m.room.version.RoomIDIsCreateHash {
		needed = append(needed, stateKey{Type: "m.room.create"})
	}
	if m.itself { // then the order matters: the event may be put where another was, and the other way about
		types := []string{"m.room.create", "m.room.join_rules", "m.room.power_levels", "m.room.member", "m.room.third_party_invite"}
		slices.SortStableFunc(needed, func(a, b stateKey) int {
			return cmp.Compare(slices.Index(types, a.Type), slices.Index(types, b.Type))
		})
	}
	for _, key := range needed {
		if s, has := m.state[key]; has {
			with[key] = s
			continue
		}
		for _, a := range auth {
			if keyOfState(m.room.events[a]) == key && !m.reject[a] {
				if m.itself {
					with[keyOfState(e)] = name
				} else {
					with[key] = a
				}
			}
		}
	}
	if m.allowed(e, with) {
		m.state[keyOfState(e)] = name
	}
}

// allowed is whether the event is allowed by what it needs of a state.
func (m *model) allowed(e *event.Event, state stateres.StateMap) bool {
	if m.rules {
		return m.gmslAllows(e, state)
	}
	var events []*event.Event
	for _, key := range append(authrule.NeededFor(e), stateKey{Type: "m.room.create"}) {
		if name, has := state[key]; has {
			events = append(events, m.room.events[name])
		}
	}
	s, err := authrule.Gather(m.room.version, events)
	if err != nil {
		return false
	}
	// Whether the signature was there was looked at when the event came.
	return authrule.Check(e, s, authrule.ParseMember(e.Content()).Authoriser.Server()) == nil
}

func keyOfState(e *event.Event) stateKey {
	key, _ := e.StateKey()
	return stateKey{Type: e.Type(), Key: key}
}

func (m *model) powerEvent(name id.Event) bool {
	e := m.room.events[name]
	return powerEvent(e) && (!m.unnamed || !e.IsState("m.room.member", ""))
}

// powerEvent is v2, "Definitions", "Power events".
func powerEvent(e *event.Event) bool {
	key, _ := e.StateKey()
	switch e.Type() {
	case "m.room.power_levels", "m.room.join_rules":
		return true
	case "m.room.member":
		membership := authrule.ParseMember(e.Content()).Membership
		return key != string(e.Sender()) && (membership == "leave" || membership == "ban")
	}
	return false
}

// gmslAllows is what gomatrixserverlib's rules say. Its allower keeps the join rules between events, and forgets that it
// took public or invite for restricted, for the event before.
func (m *model) gmslAllows(e *event.Event, state stateres.StateMap) bool {
	rules := stateKey{Type: "m.room.join_rules"}
	if m.rulesEvent != state[rules] || m.rulesEvent == "" {
		m.rulesEvent, m.rulesNow = state[rules], ""
	}
	var nodes []*node
	for key, name := range state {
		n := m.room.byID[name]
		if key == rules && m.rulesNow != "" && m.keeps {
			n = &node{gmsl: withJoinRule(n.gmsl, m.rulesNow)}
		}
		nodes = append(nodes, n)
	}
	ok := gmslAllowed(m.room.byID[e.ID()].gmsl, nodes) == "allowed"
	member := authrule.ParseMember(e.Content())
	rule := authrule.RuleInvite
	if n := m.room.byID[m.rulesEvent]; n != nil {
		rule = authrule.ParseJoinRules(n.event.Content()).Rule
	}
	create := m.room.nodes[0].event
	first := len(e.Prev()) == 1 && e.Prev()[0] == create.ID() && e.Sender() == create.Sender() // allowed before that
	if first || e.Type() != "m.room.member" || member.Membership != authrule.Join || !m.room.version.RestrictedJoin || m.rulesNow != "" ||
		rule != authrule.RuleRestricted && rule != authrule.RuleKnockRestricted || !e.IsState(e.Type(), string(e.Sender())) {
		return ok
	}
	now := authrule.Leave
	if n := m.room.byID[state[keyOfState(e)]]; n != nil {
		now = authrule.ParseMember(n.event.Content()).Membership
	}
	switch {
	case now == authrule.Ban:
	case now == authrule.Join || now == authrule.Invite || member.Authoriser == "":
		m.rulesNow = authrule.RuleInvite
	case ok:
		m.rulesNow = authrule.RulePublic
	}
	return ok
}

// gmslPower is which events gomatrixserverlib resolves first, and in what order.
func (m *model) gmslPower(full, conflicted map[id.Event]bool) []id.Event {
	times := map[id.Event]int{} // how often an event is in the list
	var pull func(name id.Event)
	pull = func(name id.Event) {
		for _, a := range m.gmslAuthOf(name) {
			if conflicted[a] && times[a] == 0 {
				times[a] = 1
				pull(a)
			}
		}
	}
	for name := range full {
		if m.powerEvent(name) {
			if m.pulls {
				pull(name)
				continue
			}
			for other := range m.chain(name) {
				if full[other] {
					times[other] = 1
				}
			}
		}
	}
	for name := range full {
		if m.powerEvent(name) {
			if conflicted[name] {
				times[name]++
			}
			if !conflicted[name] || m.inSomeChains(name) {
				times[name]++
			}
		}
	}
	if !m.twice {
		for name := range times {
			times[name] = 1
		}
	}
	if !m.ties {
		set := map[id.Event]bool{}
		for name := range times {
			set[name] = true
		}
		return m.sorted(set)
	}
	// From the end: of those that no other waits for, the last. Who is in the list twice waits twice and is taken once, so
	// that its auth events are never free: they come first of all, in no order but that of comparePower.
	incoming := map[id.Event]int{}
	for name, n := range times {
		for _, a := range m.gmslAuthOf(name) {
			incoming[a] += n
		}
	}
	var order []id.Event
	for {
		var last id.Event
		for name := range times {
			if incoming[name] == 0 && (last == "" || m.comparePower(name, last) > 0) {
				last = name
			}
		}
		if last == "" {
			break
		}
		order = append(order, last)
		delete(times, last)
		for _, a := range m.gmslAuthOf(last) {
			incoming[a]--
		}
	}
	slices.Reverse(order)
	stray := slices.SortedFunc(maps.Keys(times), m.comparePower)
	return append(stray, order...)
}

// inSomeChains says whether the event is in the auth chains of events of some states, and not of all.
func (m *model) inSomeChains(name id.Event) bool {
	n := 0
	for _, set := range m.sets {
		for _, e := range set {
			if m.chain(e)[name] {
				n++
				break
			}
		}
	}
	return n > 0 && n < len(m.sets)
}

func (m *model) gmslAuthOf(name id.Event) []id.Event {
	return toIDs(m.room.byID[name].gmsl)
}

func toIDs(e gomatrixserverlib.PDU) (ids []id.Event) {
	for _, name := range e.AuthEventIDs() {
		ids = append(ids, id.Event(name))
	}
	return ids
}
