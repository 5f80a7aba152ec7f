// Package stateres resolves the states of a room that forked into one: state resolution version 1 (room version 1),
// version 2 (room versions 2 to 11) and version 2.1 (room version 12). See Room Versions, "State resolution".
//
// It is pure: maps in, map out. The result does not depend on the order of the sets or of anything else that a server
// can see differently, and no input, however hostile, costs more than a little over linear time.
package stateres

import (
	"errors"
	"fmt"
	"maps"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// StateMap is a room's state: an event id for every type and state key that is set.
type StateMap = map[authrule.StateKey]id.Event

// Missing says that an event was not among those given to Resolve, though the resolution needs it.
type Missing struct{ Event id.Event }

func (m *Missing) Error() string { return fmt.Sprintf("event %s is needed and missing", m.Event) }

// ErrCycle says that events name each other as auth events. Honest servers do not make such events, and from room version
// 3 on nobody can.
var ErrCycle = errors.New("auth events form a cycle")

// Resolve makes one state of the states in sets, by the algorithm of the room version.
//
// events must have every event that the sets name and all of their auth chains, except that sets which are all alike
// need none; from room version 12 on it must have the create event. rejected has those of them that were rejected: they
// are not used to authorise others. Nothing that is given is changed, and the result is the caller's.
//
// The error is a *Missing, ErrCycle, or one about a create event that cannot be parsed.
func Resolve(v *version.Version, sets []StateMap, events map[id.Event]*event.Event, rejected map[id.Event]bool) (StateMap, error) {
	switch len(sets) {
	case 0:
		return StateMap{}, nil
	case 1:
		return maps.Clone(sets[0]), nil
	}
	unconflicted, conflicted := split(sets)
	if len(conflicted) == 0 {
		return unconflicted, nil
	}
	if v.StateRes == version.V1 {
		return resolveV1(v, sets, unconflicted, conflicted, events)
	}
	return resolveV2(v, sets, unconflicted, conflicted, events, rejected)
}

// split parts the keys of the sets into those that all sets have with the same event, and the others.
func split(sets []StateMap) (unconflicted StateMap, conflicted map[authrule.StateKey]bool) {
	first := sets[0]
	conflicted = make(map[authrule.StateKey]bool)
	for _, set := range sets[1:] {
		shared := 0 // keys that first has too
		for key, event := range set {
			other, has := first[key]
			if has {
				shared++
			}
			if other != event {
				conflicted[key] = true
			}
		}
		if shared == len(first) {
			continue
		}
		for key := range first {
			if _, has := set[key]; !has {
				conflicted[key] = true
			}
		}
	}
	unconflicted = make(StateMap, len(first))
	for key, event := range first {
		if !conflicted[key] {
			unconflicted[key] = event
		}
	}
	return unconflicted, conflicted
}
