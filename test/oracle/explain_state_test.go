package oracle

import (
	"maps"
	"strings"
)

// stateExplanations are of TestState. Those of gomatrixserverlib's ResolveStateConflictsV2New are proved rather than
// guessed: the model, made to do what it does, must come to its very result. Each is tried alone first. There is none
// for differences from the model itself.
var stateExplanations = []explanation{
	{
		name: "gomatrixserverlib: state resolution 2.1 panics", lib: gmsl, from: 12,
		why: "to order power events it wants the create event in the resolved state, which begins empty (v12, State " +
			"resolution, Algorithm)",
		is: func(d *difference) bool { return strings.Contains(d.theirs, "missing resolved create event") },
	},
	{
		name: "gomatrixserverlib: state resolution 2.1 applies nothing", lib: gmsl, from: 12,
		why: "for the same reason no event is allowed, and the unconflicted state is all there is",
		is: func(d *difference) bool {
			c := d.state
			m := model{room: c.room, sets: c.sets}
			unconflicted, _ := m.split()
			return maps.Equal(c.theirs, unconflicted)
		},
	},
	{
		name: "gomatrixserverlib: its own rules, in state resolution", lib: gmsl,
		why: "an event is allowed in the partial state by its rules and not by ours: see the explanations of kind auth",
		is:  reproduced(quirks{rules: true}),
	},
	{
		name: "gomatrixserverlib: a restricted join opens the room to the next", lib: gmsl, from: 8,
		why: "the join rule is changed to public, or invite, where it is kept for the events that follow. v8, rule 4.3.5",
		is:  reproduced(quirks{rules: true, keeps: true}),
	},
	{
		name: "gomatrixserverlib: third-party invites come before members, in state resolution 1", lib: gmsl, to: 1,
		why: "they are resolved as power levels are. v1, State resolution: power levels, join rules, members, then the others",
		is:  reproduced(quirks{invites: true}),
	},
	{
		name: "gomatrixserverlib: an event authorises itself", lib: gmsl, from: 2,
		why: "authAndApplyEvents adds the event in place of its auth event (AddEvent(event) for AddEvent(authEv)), so that who " +
			"wants to join is joined already. v2, Iterative auth checks: \"the appropriate state event from the event's auth_events\"",
		is: reproduced(quirks{itself: true}, quirks{itself: true, rules: true}),
	},
	{
		name: "gomatrixserverlib: the order of power events", lib: gmsl, from: 2,
		why: "Kahn's algorithm runs from the end and takes the largest, and does not get to what waits for an event that is listed " +
			"twice. v2, Reverse topological power ordering: the " +
			"lexicographically smallest order from the beginning",
		is: reproduced(quirks{ties: true}, quirks{ties: true, rules: true}, quirks{ties: true, twice: true}, quirks{ties: true, twice: true, rules: true}),
	},
	{
		name: "gomatrixserverlib: the creator's level without power levels, in state resolution", lib: gmsl, from: 2, to: 11,
		why: "is 0. m.room.power_levels: the creator has 100",
		is:  reproduced(quirks{noLevel: true}, quirks{noLevel: true, rules: true}),
	},
	{
		name: "gomatrixserverlib: what is resolved with the power events", lib: gmsl, from: 2,
		why: "only conflicted events that are reached through conflicted events. v2, Algorithm, 1: all events of the full " +
			"conflicted set that are in the auth chain",
		is: reproduced(quirks{pulls: true}, quirks{pulls: true, rules: true}),
	},
	{
		name: "gomatrixserverlib: members without a name", lib: gmsl, from: 2,
		why: "m.room.member with an empty state key is no power event. v2, Power events: leave or ban, and the sender does not match " +
			"the state_key",
		is: reproduced(quirks{unnamed: true}, quirks{unnamed: true, rules: true}),
	},
	{
		name: "gomatrixserverlib: the mainline", lib: gmsl, from: 2,
		why: "what does not lead to it counts as leading to its oldest event, and the number of steps counts before the time. " +
			"v2, Mainline ordering: the position is infinite; ties are broken by time",
		is: reproduced(quirks{mainline: true}, quirks{mainline: true, rules: true}),
	},
	{
		name: "gomatrixserverlib: several of these", lib: gmsl,
		why: "the model with all of them comes to the same result",
		is:  reproduced(quirks{true, true, true, true, true, true, true, true, true, true}),
	},
}

// reproduced says whether the model with one of these sets of quirks resolves as they do.
func reproduced(sets ...quirks) func(d *difference) bool {
	return func(d *difference) bool {
		for _, q := range sets {
			c := d.state
			m := model{room: c.room, sets: c.sets, reject: c.rejected, quirks: q}
			if c.theirs != nil && maps.Equal(c.theirs, m.resolve()) {
				return true
			}
		}
		return false
	}
}
