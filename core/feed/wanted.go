package feed

import (
	"fmt"
	"slices"
	"strings"

	"freehold.example/core/room"
)

// Wanted is what a client wants to know of a room.
type Wanted struct {
	Timeline int // the newest so many events
	State    []Pattern
	Except   []Pattern
	// LazyMembers adds the members who are seen to speak, and those who come, go or change while the client is looking. No
	// pattern for all types includes members then.
	LazyMembers bool
	Heroes      bool // who gives a room without a name one
}

// Pattern stands for events of a state.
type Pattern struct {
	Type, Key       string
	AnyType, AnyKey bool
}

func (p *Pattern) matches(typ, key string) bool {
	return (p.AnyType || p.Type == typ) && (p.AnyKey || p.Key == key)
}

func (w *Wanted) state(typ, key string) bool {
	some := slices.ContainsFunc(w.State, func(p Pattern) bool {
		return p.matches(typ, key) && (!p.AnyType || !w.LazyMembers || typ != memberType)
	})
	return some && !slices.ContainsFunc(w.Except, func(p Pattern) bool { return p.matches(typ, key) })
}

const memberType = "m.room.member"

// key is equal for two that want the same.
func (w *Wanted) key() string {
	b := fmt.Appendf(nil, "%d %t %t", w.Timeline, w.LazyMembers, w.Heroes)
	for _, list := range [][]Pattern{w.State, w.Except} {
		b = append(b, '|')
		for _, p := range list {
			b = fmt.Appendf(b, "%q%t%q%t ", p.Type, p.AnyType, p.Key, p.AnyKey)
		}
	}
	return string(b)
}

// config is what a client wants to know of a room by all the lists and names by which it sees it: all that any of them asks
// for.
type config struct {
	of       []*Wanted
	key      string
	bytes    int
	timeline int
	lazy     bool
	heroes   bool

	exact   []Pattern // what of the state can be looked up
	scan    bool      // there is more, which has to be looked for
	members bool      // ... among the members too
}

// combine makes a configuration of those with different keys.
func combine(of []*Wanted, keys []string) *config {
	c := &config{of: of, key: strings.Join(keys, "\n")}
	c.bytes = 2*len(c.key) + 500
	for _, w := range of {
		c.timeline = max(c.timeline, min(w.Timeline, maxTimeline))
		c.lazy = c.lazy || w.LazyMembers
		c.heroes = c.heroes || w.Heroes
		for _, p := range w.State {
			switch {
			case !p.AnyType && !p.AnyKey:
				if !slices.Contains(c.exact, p) {
					c.exact = append(c.exact, p)
				}
			default:
				c.scan = true
				c.members = c.members || p.Type == memberType && !p.AnyType || p.AnyType && !w.LazyMembers
			}
		}
	}
	return c
}

// state says whether the event is wanted in required_state.
func (c *config) state(typ, key string) bool {
	return slices.ContainsFunc(c.of, func(w *Wanted) bool { return w.state(typ, key) })
}

func (c *config) wants(e *room.Stored) bool {
	key, _ := e.Event.StateKey()
	return c.state(e.Event.Type(), key)
}
