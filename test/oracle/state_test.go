package oracle

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
)

// modelName is what differences from the model are called; nothing explains them.
const modelName = "the model"

// stateCase is some states of a room, to be made into one.
type stateCase struct {
	room     *room
	tips     []*node
	sets     []stateres.StateMap
	rejected map[id.Event]bool

	theirs stateres.StateMap // what the other library made of it
}

func (c *stateCase) String() string {
	var b strings.Builder
	m := model{room: c.room}
	matters := make(map[id.Event]bool)
	for _, set := range c.sets {
		for _, name := range set {
			matters[name] = true
			maps.Copy(matters, m.chain(name))
		}
	}
	for _, n := range c.room.nodes {
		if matters[n.event.ID()] {
			fmt.Fprintln(&b, describe(n.event))
		}
	}
	for i, tip := range c.tips {
		fmt.Fprintf(&b, "state %d, after %.8s: %.8s\n", i, tip.event.ID(), slices.Sorted(maps.Values(c.sets[i])))
	}
	for name := range c.rejected {
		if matters[name] {
			fmt.Fprintf(&b, "rejected: %.8s\n", name)
		}
	}
	return b.String()
}

// TestState compares the resolved states of random rooms that forked.
func TestState(t *testing.T) {
	// gomatrixserverlib prints what it does in state resolution 2.1.
	stdout := os.Stdout
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = null
	t.Cleanup(func() { os.Stdout = stdout; null.Close() })
	run(t, "state", 1200, func(d *dice) []*difference { return compareState(newStateCase(d)) })
}

// newStateCase makes a room in which some send without knowing what others sent.
func newStateCase(d *dice) *stateCase {
	r := newRoom(d, pick(d, allVersions...))
	at := r.nodes[len(r.nodes)-1]
	for range d.IntN(8) {
		if next := r.send(at, r.any(at)); !next.rejected {
			at = next
		}
	}
	tips := []*node{at}
	for range 4 + d.IntN(20) {
		i := d.IntN(len(tips))
		switch {
		case len(tips) < 4 && d.oneIn(4):
			recent := r.nodes[max(0, len(r.nodes)-8):]
			from := pick(d, recent...)
			if from.rejected {
				continue
			}
			tips = append(tips, from)
			i = len(tips) - 1
		case len(tips) > 2 && d.oneIn(6):
			j := d.IntN(len(tips))
			if i == j {
				continue
			}
			state, err := stateres.Resolve(r.version, []stateres.StateMap{tips[i].state, tips[j].state}, r.events, r.rejected())
			if err != nil {
				panic(err)
			}
			both := *tips[i]
			both.state = state
			if n := r.merge(state, r.any(&both), tips[i], tips[j]); !n.rejected {
				tips[i] = n
				tips = slices.Delete(tips, j, j+1)
			}
			continue
		}
		if next := r.send(tips[i], r.any(tips[i])); !next.rejected {
			tips[i] = next
		}
	}
	c := &stateCase{room: r, rejected: r.rejected()}
	for _, tip := range tips {
		if !slices.ContainsFunc(c.sets, func(s stateres.StateMap) bool { return maps.Equal(s, tip.state) }) {
			c.tips, c.sets = append(c.tips, tip), append(c.sets, tip.state)
		}
	}
	if len(c.sets) < 2 {
		return newStateCase(d)
	}
	if d.oneIn(10) { // a server that rejected what others took
		if n := pick(d, r.nodes[1:]...); !slices.ContainsFunc(c.sets, func(s stateres.StateMap) bool { return s[keyOfState(n.event)] == n.event.ID() }) {
			c.rejected[n.event.ID()] = true
		}
	}
	return c
}

func (r *room) rejected() map[id.Event]bool {
	all := make(map[id.Event]bool)
	for _, n := range r.nodes {
		if n.rejected {
			all[n.event.ID()] = true
		}
	}
	return all
}

func compareState(c *stateCase) (all []*difference) {
	v := c.room.version
	ours, err := stateres.Resolve(v, c.sets, c.room.events, c.rejected)
	if err != nil {
		panic(err) // nothing is missing
	}
	c.count(ours)
	differ := func(lib string, theirs stateres.StateMap, trouble string) {
		if maps.Equal(ours, theirs) && trouble == "" {
			return
		}
		for key, name := range theirs {
			if ours[key] != name {
				trouble += fmt.Sprintf("%s %q %.8s, ours %.8s; ", key.Type, key.Key, name, ours[key])
			}
		}
		for key, name := range ours {
			if theirs[key] == "" {
				trouble += fmt.Sprintf("%s %q none, ours %.8s; ", key.Type, key.Key, name)
			}
		}
		with := *c
		with.theirs = theirs
		all = append(all, &difference{kind: "state", lib: lib, what: "resolved state", version: v, ours: "", theirs: trouble, state: &with})
	}
	m := model{room: c.room, sets: c.sets, reject: c.rejected}
	differ(modelName, m.resolve(), "")
	theirs, trouble := gmslState(c)
	differ(gmsl, theirs, trouble)
	return all
}

// count notes what the case is made of.
func (c *stateCase) count(resolved stateres.StateMap) {
	seen.count("state: all")
	seen.count("state: version %s, %d states", c.room.version.ID, len(c.sets))
	for name := range c.rejected {
		if name != "" {
			seen.count("state: rejected events")
		}
	}
	for _, n := range c.room.nodes {
		if len(n.event.Prev()) > 1 {
			seen.count("state: merges")
		}
		if n.rejected {
			continue
		}
		switch n.event.Type() {
		case "m.room.power_levels":
			seen.count("state: power levels")
		case "m.room.member":
			if authrule.ParseMember(n.event.Content()).Membership == authrule.Ban {
				seen.count("state: bans")
			}
		}
	}
	state := c.room.stateEvents(resolved)
	for _, tip := range c.tips {
		if ourAuth(c.room.version, tip.event, state) != nil {
			seen.count("state: soft-failed events")
		}
	}
}
