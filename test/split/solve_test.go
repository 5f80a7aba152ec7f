package split

import (
	"fmt"
	"maps"
	"slices"

	"freehold.example/core/room"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
)

// graph is a room with all events that anybody has of it, judged anew by the specification alone: in the order of the graph,
// without any of what core/room does to be quick, to go without a part, or to take events as they come.
type graph struct {
	events   map[id.Event]*event.Event
	rejected map[id.Event]bool
	after    map[id.Event]stateres.StateMap // the state after an event
}

// solve judges all events of a room.
func solve(events map[id.Event]*event.Event) (*graph, error) {
	g := &graph{events: events, rejected: map[id.Event]bool{}, after: map[id.Event]stateres.StateMap{}}
	for len(g.after) < len(events) {
		judged := len(g.after)
		for _, name := range slices.Sorted(maps.Keys(events)) {
			if e := events[name]; g.after[name] == nil && g.ready(e) {
				if err := g.judge(e); err != nil {
					return nil, fmt.Errorf("%s: %w", describe(events, name), err)
				}
			}
		}
		if len(g.after) == judged {
			return nil, fmt.Errorf("%d of %d events follow what nobody has", len(events)-judged, len(events))
		}
	}
	return g, nil
}

// ready says whether what an event follows, and what allows it, has been judged.
func (g *graph) ready(e *event.Event) bool {
	for _, name := range append(slices.Clone(e.Prev()), e.Auth()...) {
		if g.after[name] == nil {
			return false
		}
	}
	return true
}

func (g *graph) judge(e *event.Event) error {
	before, err := g.together(e, e.Prev())
	if err != nil {
		return err
	}
	auth := make([]*event.Event, 0, len(e.Auth()))
	for _, name := range e.Auth() {
		auth = append(auth, g.events[name])
	}
	g.rejected[e.ID()] = authrule.CheckAuthEvents(e, auth, g.rejected) != nil || !g.allowed(e, auth) || !g.allowed(e, g.named(before, e))
	after := maps.Clone(before)
	if key, isState := e.StateKey(); isState && !g.rejected[e.ID()] {
		after[authrule.StateKey{Type: e.Type(), Key: key}] = e.ID()
	}
	g.after[e.ID()] = after
	return nil
}

// together is the state after several events.
func (g *graph) together(e *event.Event, ends []id.Event) (stateres.StateMap, error) {
	var sets []stateres.StateMap
	for _, name := range ends {
		sets = append(sets, g.after[name])
	}
	return stateres.Resolve(e.Version(), sets, g.events, g.rejected)
}

// named are the events of a state that the rules look at to allow another; the create event always.
func (g *graph) named(state stateres.StateMap, e *event.Event) (events []*event.Event) {
	for _, key := range append(authrule.NeededFor(e), authrule.StateKey{Type: "m.room.create"}) {
		if name, has := state[key]; has {
			events = append(events, g.events[name])
		}
	}
	return events
}

func (g *graph) allowed(e *event.Event, by []*event.Event) bool {
	if e.Version().RoomIDIsCreateHash && e.Type() != "m.room.create" { // no event names it
		by = append(slices.Clone(by), g.events[id.Event("$"+e.Room()[1:])])
	}
	if e.Version().RedactionAuthRule && e.Type() == "m.room.redaction" && e.Redacts() == "" {
		return true // it was redacted itself, which leaves nothing of what its rule looks at; it was judged as it came
	}
	s, err := authrule.Gather(e.Version(), by)
	return err == nil && authrule.Check(e, s, e.Sender().Server()) == nil
}

// state is that after the ends of a timeline, which may have gaps, but for what was left behind.
func (g *graph) state(timeline map[id.Event]*event.Event, left map[id.Event]bool) (stateres.StateMap, error) {
	followed := ancestors(g.events, slices.Collect(maps.Values(timeline))...)
	var ends []id.Event
	var last *event.Event
	for name, e := range timeline {
		if !followed[name] && !left[name] {
			ends, last = append(ends, name), e
		}
	}
	slices.Sort(ends)
	if last == nil {
		return nil, fmt.Errorf("a timeline of %d events has no end", len(timeline))
	}
	return g.together(last, ends)
}

// left are the events that a server knew when it last came into the room by another server's word, and that nothing follows which came
// since. It was told "the full set of state for the newly-joined room" (https://spec.matrix.org/v1.19/server-server-api/#joining-rooms), which
// is "the resolved current room state prior to the join event" (send_join), and went on from there: what it did on the other side of a fork,
// and others soft failed or were out for, is no end of the room to it either. With its own leave among the ends, who has come back would be
// out again on her server alone.
func (g *graph) left(v *view) map[id.Event]bool {
	last := -1
	for _, join := range append(g.entrances(v), v.returns()...) {
		if v.wasTold(join) {
			last = max(last, v.came[join.ID()])
		}
	}
	var since []*event.Event
	for name, e := range v.timeline {
		if v.came[name] >= last {
			since = append(since, e)
		}
	}
	followed := ancestors(g.events, since...)
	left := map[id.Event]bool{}
	for name := range v.timeline {
		if v.came[name] < last && !followed[name] {
			left[name] = true
		}
	}
	return left
}

// concerns says whether a server is in the room before an event or after it, and so is to be sent it.
func (g *graph) concerns(e *event.Event, v *view) bool {
	before, err := g.together(e, e.Prev())
	for _, state := range []stateres.StateMap{before, g.after[e.ID()]} {
		member := g.events[state[authrule.StateKey{Type: "m.room.member", Key: "@u:" + string(v.name)}]]
		if err != nil || member != nil && membership(member) == "join" {
			return true
		}
	}
	return false
}

// returns are the joins by which a server's user came in again after it was out, whatever the server by which it did knew of that.
func (v *view) returns() (joins []*event.Event) {
	var own []*event.Event
	for _, e := range v.timeline {
		if e.IsState("m.room.member", "@u:"+string(v.name)) {
			own = append(own, e)
		}
	}
	slices.SortFunc(own, func(a, b *event.Event) int { return v.came[a.ID()] - v.came[b.ID()] })
	for i, e := range own {
		if i > 0 && membership(e) == "join" && membership(own[i-1]) != "join" {
			joins = append(joins, e)
		}
	}
	return joins
}

// after says of events whether they came after another one: where they are not shown, they came with the state that the server was told as
// it came in again, unless it had them before the other.
func (v *view) after(e *event.Event, all map[id.Event]*event.Event) func(*event.Event) bool {
	before := ancestors(all, e)
	return func(later *event.Event) bool {
		if v.timeline[later.ID()] == nil {
			return !before[later.ID()]
		}
		return v.came[later.ID()] > v.came[e.ID()]
	}
}

// wasTold says whether the state before a join is another server's word, as the join follows what was not here: at once, or by way of
// what was heard of the user while she was out.
func (v *view) wasTold(join *event.Event) bool {
	for todo := slices.Clone(join.Prev()); len(todo) > 0; todo = todo[1:] {
		e := v.timeline[todo[0]]
		if e == nil {
			if judged := v.aside[todo[0]]; judged == "" || judged == room.Outlier {
				return true
			}
			continue
		}
		if v.came[e.ID()] > v.came[join.ID()] {
			return true
		}
		if e.IsState("m.room.member", "@u:"+string(v.name)) && membership(e) != "join" {
			todo = append(todo, e.Prev()...)
		}
	}
	return false
}

// entrances are the joins by which a server came into the room. What came before one of them it may ask for, and need not have: it "receives
// all the events emitted by other homeservers in that room, and is thus aware of the entire history of the room from that moment onwards"
// (https://spec.matrix.org/v1.19/server-server-api/#backfilling-and-retrieving-missing-events). That it joined once more through a server
// which did not know of an earlier join, nor of what came before that, does not change it.
func (g *graph) entrances(v *view) (joins []*event.Event) {
	user := "@u:" + string(v.name)
	key := authrule.StateKey{Type: "m.room.member", Key: user}
	in := func(e *event.Event) bool { return e != nil && membership(e) == "join" }
	for _, e := range v.timeline {
		if !e.IsState(key.Type, user) || !in(e) {
			continue
		}
		before, err := g.together(e, e.Prev())
		if err == nil && !in(g.events[before[key]]) {
			joins = append(joins, e)
		}
	}
	return joins
}

// check compares what a server made of the room with what there is to make of it.
func (g *graph) check(in id.Room, v *view, left map[id.Event]bool, wrong func(string, ...any)) {
	state, err := g.state(v.timeline, left)
	if err != nil {
		wrong("%s: %s: %v", in, v.name, err)
		return
	}
	for _, key := range keysOf(state, v.state) {
		if a, b := state[key], v.state[key]; a != b {
			wrong("%s: by the specification the state %s/%s is %s, and on %s it is %s", in, key.Type, key.Key, describe(g.events, a), v.name, describe(g.events, b))
		}
	}
	for name := range v.timeline {
		if g.rejected[name] {
			wrong("%s: by the specification %s is rejected, and %s shows it", in, describe(g.events, name), v.name)
		}
	}
	for name, verdict := range v.aside {
		if verdict == room.Rejected && !g.rejected[name] {
			wrong("%s: by the specification %s is not rejected, and %s has done it", in, describe(g.events, name), v.name)
		}
	}
}
