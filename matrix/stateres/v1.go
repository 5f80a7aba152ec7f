package stateres

import (
	"bytes"
	"cmp"
	"crypto/sha1" //nolint:gosec // the room version's algorithm, to break ties
	"slices"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// resolveV1 is state resolution version 1 (v1, "State resolution"). It works on the conflicted events alone: auth chains
// mean nothing to it. A key that not all sets have is no conflict to it, as long as those that have it agree.
func resolveV1(v *version.Version, resolved StateMap, conflicted conflicts, events map[id.Event]*event.Event) (StateMap, error) {
	r := resolverV1{v: v, events: events, resolved: resolved, blocks: make(map[authrule.StateKey][]*event.Event)}
	for key, claims := range conflicted {
		if err := r.addBlock(key, claims); err != nil {
			return nil, err
		}
	}
	for _, typ := range []string{typePower, typeJoinRules, typeMember} {
		if err := r.pass(func(key authrule.StateKey) bool { return key.Type == typ }, r.last); err != nil {
			return nil, err
		}
	}
	if err := r.pass(func(authrule.StateKey) bool { return true }, r.newest); err != nil {
		return nil, err
	}
	return r.resolved, nil
}

type resolverV1 struct {
	v        *version.Version
	events   map[id.Event]*event.Event
	resolved StateMap
	blocks   map[authrule.StateKey][]*event.Event // the conflicts that are left, each in the order of its events
}

// addBlock collects the events there are for a key. One alone is no conflict.
func (r *resolverV1) addBlock(key authrule.StateKey, claims []claim) error {
	if len(claims) == 1 {
		r.resolved[key] = claims[0].event
		return nil
	}
	block := make([]*event.Event, len(claims))
	for i, c := range claims {
		if block[i] = r.events[c.event]; block[i] == nil {
			return &Missing{Event: c.event}
		}
	}
	// By ascending depth, then descending sha1 of the id.
	sum := func(e *event.Event) []byte {
		h := sha1.Sum([]byte(e.ID())) //nolint:gosec // as above
		return h[:]
	}
	slices.SortFunc(block, func(x, y *event.Event) int {
		return cmp.Or(cmp.Compare(x.Depth(), y.Depth()), bytes.Compare(sum(y), sum(x)))
	})
	r.blocks[key] = block
	return nil
}

// pass resolves the conflicts of some keys by the rule that pick is. Those of one pass do not see each other's result: so
// their order does not matter.
func (r *resolverV1) pass(of func(authrule.StateKey) bool, pick func(authrule.StateKey, []*event.Event) (*event.Event, error)) error {
	picked := make(StateMap)
	for key, block := range r.blocks {
		if !of(key) {
			continue
		}
		e, err := pick(key, block)
		if err != nil {
			return err
		}
		picked[key] = e.ID()
	}
	for key, name := range picked {
		r.resolved[key] = name
		delete(r.blocks, key)
	}
	return nil
}

// last goes from the first event of the block to the one after it for as long as that is allowed by the state with the one
// before it: how conflicts of events that authorise others are resolved.
func (r *resolverV1) last(key authrule.StateKey, block []*event.Event) (*event.Event, error) {
	now := block[0]
	for _, e := range block[1:] {
		ok, err := r.allowed(e, key, now)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		now = e
	}
	return now, nil
}

// newest is the last event of the block that is allowed. If none is it is the oldest: the page does not say, and leaving
// the key out would take from a room what all of its servers have; every server known to us does the same.
func (r *resolverV1) newest(_ authrule.StateKey, block []*event.Event) (*event.Event, error) {
	for _, e := range slices.Backward(block[1:]) {
		ok, err := r.allowed(e, authrule.StateKey{}, nil)
		if err != nil || ok {
			return e, err
		}
	}
	return block[0], nil
}

// allowed checks an event against the state so far, in which now stands for the key.
func (r *resolverV1) allowed(e *event.Event, key authrule.StateKey, now *event.Event) (bool, error) {
	var state authrule.State
	for _, needed := range authrule.NeededFor(e) {
		source := now
		if needed != key {
			name, has := r.resolved[needed]
			if !has {
				continue
			}
			if source = r.events[name]; source == nil {
				return false, &Missing{Event: name}
			}
		}
		if source == nil {
			continue
		}
		if state.Add(r.v, source) != nil {
			return false, nil // the state has an event that makes no sense, so nothing is allowed by it
		}
	}
	return authrule.Check(e, &state) == nil, nil
}
