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
	"slices"

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
// need none; from room version 12 on it must have the create event. Each event stands in a set under its own type and
// state key. rejected has those events that were rejected: they are not used to authorise others. Nothing that is given
// is changed, and the result is the caller's.
//
// The error is a *Missing, ErrCycle, or one about a create event that cannot be parsed.
func Resolve(v *version.Version, sets []StateMap, events map[id.Event]*event.Event, rejected map[id.Event]bool) (StateMap, error) {
	switch len(sets) {
	case 0:
		return StateMap{}, nil
	case 1:
		return maps.Clone(sets[0]), nil
	}
	return ResolveForks(v, sets[0], differences(sets[0], sets[1:]), events, rejected)
}

// ResolveForks is Resolve for a caller that knows how the states differ from one of them: each fork is what is other than
// in first, with "" as the event of a key that first has and the fork has not. The first state takes part like the others.
func ResolveForks(v *version.Version, first StateMap, forks []StateMap, events map[id.Event]*event.Event, rejected map[id.Event]bool) (StateMap, error) {
	conflicts := conflictsOf(first, forks)
	unconflicted := maps.Clone(first)
	if len(conflicts) == 0 {
		return unconflicted, nil
	}
	for key := range conflicts {
		delete(unconflicted, key)
	}
	if v.StateRes == version.V1 {
		return resolveV1(v, unconflicted, conflicts, events)
	}
	return resolveV2(v, len(forks)+1, unconflicted, conflicts, events, rejected)
}

// differences is what each set has other than first.
func differences(first StateMap, sets []StateMap) []StateMap {
	same := make(map[id.Event]bool, len(first)) // to look up one string for each entry of each set is enough
	for _, event := range first {
		same[event] = true
	}
	forks := make([]StateMap, len(sets))
	for i, set := range sets {
		fork := make(StateMap)
		shared := 0 // keys that first has too
		for key, event := range set {
			if same[event] {
				shared++
				continue
			}
			fork[key] = event
			if _, has := first[key]; has {
				shared++
			}
		}
		if shared < len(first) {
			for key := range first {
				if _, has := set[key]; !has {
					fork[key] = ""
				}
			}
		}
		forks[i] = fork
	}
	return forks
}

// conflicts are the keys that not all states have with the same event, each with the events there are for it.
type conflicts map[authrule.StateKey][]claim

// claim is an event that some of the states have for a key.
type claim struct {
	event id.Event
	by    mask
}

// mask is a set of states, by their numbers: the first is 0.
type mask []uint64

func newMask(states int) mask { return make(mask, (states+63)/64) }

func allOf(states int) mask {
	m := newMask(states)
	for i := range states {
		m.add(i)
	}
	return m
}

func (m mask) add(i int) { m[i/64] |= 1 << (i % 64) }

// conflictsOf finds the conflicts between a state and its forks.
func conflictsOf(first StateMap, forks []StateMap) conflicts {
	all := make(conflicts)
	type entry struct {
		key   authrule.StateKey
		event id.Event
	}
	place := make(map[entry]int) // of the claims found so far, each in its key's list
	for i, fork := range forks {
		for key, event := range fork {
			if first[key] == event {
				continue // no difference after all
			}
			n, known := place[entry{key, event}]
			if !known {
				n = len(all[key])
				place[entry{key, event}] = n
				all[key] = append(all[key], claim{event: event, by: newMask(len(forks) + 1)})
			}
			all[key][n].by.add(i + 1)
		}
	}
	everybody := allOf(len(forks) + 1)
	for key, claims := range all {
		// The first state's event is that of all states which have no other.
		rest := slices.Clone(everybody)
		for _, c := range claims {
			for w, bits := range c.by {
				rest[w] &^= bits
			}
		}
		all[key] = slices.DeleteFunc(append(claims, claim{event: first[key], by: rest}), func(c claim) bool { return c.event == "" })
	}
	return all
}
