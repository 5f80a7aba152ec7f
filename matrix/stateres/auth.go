package stateres

import (
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// auth runs the authorisation rules on events of the graph, against a state that changes. What it parses it keeps.
type auth struct {
	v        *version.Version
	g        *graph
	create   *authrule.Create // nil where events name it among their auth events
	rejected map[id.Event]bool
	state    *partial

	parsed []*parsed      // of the events that were needed so far
	rules  authrule.State // what the event at hand is checked against, used again for the next
}

// parsed is what an event means to the rules. Which field is set follows from its type.
type parsed struct {
	create     *authrule.Create
	power      *authrule.PowerLevels
	joinRules  *authrule.JoinRules
	member     *authrule.Member
	thirdParty *authrule.ThirdParty
	broken     bool // the rules could not have allowed it
}

func newAuth(v *version.Version, g *graph, create *authrule.Create, rejected map[id.Event]bool) *auth {
	return &auth{v: v, g: g, create: create, rejected: rejected, parsed: make([]*parsed, len(g.nodes)), rules: authrule.State{
		Members:    make(map[id.User]*authrule.Member),
		ThirdParty: make(map[string]*authrule.ThirdParty),
	}}
}

// apply is the iterative auth checks algorithm: every event that the rules allow in the state as it is then becomes part
// of the state.
func (a *auth) apply(events []int32) {
	for _, n := range events {
		e := a.g.nodes[n].e
		key, isState := e.StateKey()
		if isState && a.allowed(n) {
			a.state.changed[authrule.StateKey{Type: e.Type(), Key: key}] = n
		}
	}
}

// allowed checks an event against the state; what the state has not is taken from the event's own auth events, unless
// they were rejected.
func (a *auth) allowed(n int32) bool {
	e := a.g.nodes[n].e
	a.reset()
	for _, key := range authrule.NeededFor(e) {
		source, ok := a.state.get(key)
		if !ok {
			source, ok = a.own(n, key)
		}
		if ok && !a.use(source) {
			return false
		}
	}
	return authrule.Check(e, &a.rules, vouched(e)...) == nil
}

// own is the event's auth event for the key, if it was not rejected.
func (a *auth) own(n int32, key authrule.StateKey) (source int32, ok bool) {
	for _, source := range a.g.nodes[n].auth {
		if e := a.g.nodes[source].e; e.IsState(key.Type, key.Key) && !a.rejected[e.ID()] {
			return source, true
		}
	}
	return 0, false
}

func (a *auth) reset() {
	a.rules.Create, a.rules.Power, a.rules.JoinRules = a.create, nil, nil
	clear(a.rules.Members)
	clear(a.rules.ThirdParty)
}

// use puts an event into the state that the rules see. It fails if the event makes no sense.
func (a *auth) use(n int32) bool {
	p := a.parse(n)
	e := a.g.nodes[n].e
	key, _ := e.StateKey()
	switch {
	case p.broken:
		return false
	case p.create != nil:
		a.rules.Create = p.create
	case p.power != nil:
		a.rules.Power = p.power
	case p.joinRules != nil:
		a.rules.JoinRules = p.joinRules
	case p.member != nil:
		a.rules.Members[id.User(key)] = p.member
	case p.thirdParty != nil:
		a.rules.ThirdParty[key] = p.thirdParty
	}
	return true
}

func (a *auth) parse(n int32) *parsed {
	if p := a.parsed[n]; p != nil {
		return p
	}
	p, e := new(parsed), a.g.nodes[n].e
	var err error
	switch e.Type() {
	case typeCreate:
		p.create, err = authrule.ParseCreate(e)
	case typePower:
		p.power, err = authrule.ParsePowerLevels(a.v, e.Content())
	case typeJoinRules:
		p.joinRules = authrule.ParseJoinRules(e.Content())
	case typeMember:
		p.member = authrule.ParseMember(e.Content())
	default: // m.room.third_party_invite: the rules look at nothing else
		p.thirdParty = authrule.ParseThirdParty(e.Sender(), e.Content())
	}
	p.broken = err != nil
	a.parsed[n] = p
	return p
}

// senderLevel is the level of the event's sender by the event's own auth events.
func (a *auth) senderLevel(n int32) authrule.Level {
	a.reset()
	for _, source := range a.g.nodes[n].auth {
		if e := a.g.nodes[source].e; e.IsState(typePower, "") || e.IsState(typeCreate, "") {
			a.use(source)
		}
	}
	return a.rules.Level(a.g.nodes[n].e.Sender())
}

// vouched are the servers that Check is told have signed the event: the signature was looked at when it arrived, and an
// event without it was rejected against its auth events and is in no state.
func vouched(e *event.Event) []id.Server {
	if e.Type() == typeMember {
		if by := authrule.ParseMember(e.Content()).Authoriser; by != "" {
			return []id.Server{by.Server()}
		}
	}
	return nil
}
