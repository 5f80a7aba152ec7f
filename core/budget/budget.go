// Package budget says beforehand what this server loses when what lies outside of it is gone: the offline budget. Every
// dependency has a line: what stops without it, for whom, and when that is - at once, in six days, never.
//
// The lines are computed, from what the code declares at the door (base/dial), from the configuration as it runs, and from
// what is known of those who use it. A reason to go out that this package knows nothing of has a line by its own words, so
// that none is missing.
package budget

import (
	"cmp"
	"slices"
	"time"

	"freehold.example/base/dial"
	"freehold.example/matrix/id"
)

// When says when something stops once its dependency is gone.
type When string

// The answers.
const (
	Now     When = "now"
	Later   When = "later"   // Line.Left says when
	Never   When = "never"   // or there is nothing that depends on it in this configuration
	Unknown When = "unknown" // it depends on what this program cannot see
)

// Line is one dependency on something outside of this program.
type Line struct {
	Name  string // stable, for programs: of the reason at the door where there is one
	What  string // it is, in words
	Kind  Kind
	Used  bool   // in this configuration
	Stops string // what, without it
	Goes  string // what goes on, where that may surprise
	Whom  string // notices, in words

	Users, Rooms, Peers int // who notices, where they can be counted

	When When
	Left time.Duration // until it stops; of Later

	Targets []Target // at most maxTargets, the most used first
	More    int      // targets that are not listed

	Dialed     bool // it is a reason at the door: what follows is of that
	Peer       bool // ... that leads to other homeservers
	Attempts   int64
	Failed     int64 // or refused
	LastOK     time.Time
	LastFailed time.Time
}

// Kind is what sort of dependency something is.
type Kind string

// The kinds.
const (
	Peers       Kind = "peers"
	Names       Kind = "names"
	Authorities Kind = "authorities"
	Keys        Kind = "keys"
	Clock       Kind = "time"
	Push        Kind = "push"
	Identity    Kind = "identity"
	Services    Kind = "services"
	Previews    Kind = "previews"
	Media       Kind = "media"
	Updates     Kind = "updates"
	Calls       Kind = "calls"
	Database    Kind = "database"
	Own         Kind = "itself"
	Other       Kind = "other" // declared at the door, and not known here
)

// Target is one place that a dependency leads to.
type Target struct {
	Name                string
	Users, Rooms, Peers int
	When                When
	Left                time.Duration // of Later
	Note                string        // in words
}

// limit: places that a line of the offline budget names | %d | the others are counted
const maxTargets = 50

// Budget is the whole of it, at one moment.
type Budget struct {
	Server id.Server
	At     time.Time
	Lines  []Line // what stops first first
}

// Compute makes the budget of facts and of what is declared at the door.
func Compute(f *Facts, declared []dial.Dependency, now time.Time) *Budget {
	c := &computation{Facts: f, now: now, declared: map[string]dial.Dependency{}}
	for _, d := range declared {
		c.declared[d.Name] = d
	}
	c.peers()
	c.names()
	c.authorities()
	c.keys()
	c.time()
	c.push()
	c.services()
	c.media()
	c.calls()
	c.none()
	c.database()
	c.others(declared)
	slices.SortStableFunc(c.lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Left, b.Left), cmp.Compare(b.Users, a.Users))
	})
	return &Budget{Server: f.Server, At: now, Lines: c.lines}
}

// rank orders lines: what stops now, later, perhaps, never; last what is not used.
func rank(l Line) int {
	switch {
	case !l.Used:
		return 4
	case l.When == Now:
		return 0
	case l.When == Later:
		return 1
	case l.When == Unknown:
		return 2
	}
	return 3
}

// Line finds one by its name.
func (b *Budget) Line(name string) (Line, bool) {
	i := slices.IndexFunc(b.Lines, func(l Line) bool { return l.Name == name })
	if i < 0 {
		return Line{}, false
	}
	return b.Lines[i], true
}

// computation is a budget that is being made.
type computation struct {
	*Facts
	now      time.Time
	declared map[string]dial.Dependency // those that have no line yet
	lines    []Line
}

// add puts a line on the list, with what the door says where it knows the name.
func (c *computation) add(l Line) {
	if d, ok := c.declared[l.Name]; ok {
		delete(c.declared, l.Name)
		l.Dialed, l.Peer = true, d.Peers
		l.Attempts, l.Failed, l.LastOK, l.LastFailed = d.Attempts, d.Refused+d.Failed, d.LastOK, d.LastFailed
		l.Stops, l.Whom = cmp.Or(l.Stops, d.Stops), cmp.Or(l.Whom, d.Whom)
		l.What = cmp.Or(l.What, d.Target)
	}
	if !l.Used {
		l.When, l.Left, l.Users, l.Rooms, l.Peers = Never, 0, 0, 0, 0
	}
	if len(l.Targets) > maxTargets {
		l.Targets, l.More = l.Targets[:maxTargets], l.More+len(l.Targets)-maxTargets
	}
	c.lines = append(c.lines, l)
}

// others gives each reason that has none a line by its own words.
func (c *computation) others(declared []dial.Dependency) {
	for _, d := range declared {
		if _, left := c.declared[d.Name]; !left {
			continue
		}
		l := Line{Name: d.Name, Kind: Other, Used: true, When: Now}
		switch {
		case d.Reach == dial.Itself:
			l.Kind, l.When = Own, Never
		case d.Grace > 0:
			l.When, l.Left = Later, d.Grace
		}
		c.add(l)
	}
}
