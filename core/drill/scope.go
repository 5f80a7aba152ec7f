package drill

import (
	"errors"
	"fmt"
	"strings"

	"freehold.example/base/dial"
	"freehold.example/core/budget"
)

// scopes are what a drill can cut this server off from, by name.
var scopes = []struct {
	name  string
	scope dial.Scope
	words string
}{
	{"outside", dial.CutOutside, "everything outside; loopback and the networks of inside_networks go on"},
	{"all-peers", dial.CutPeers, "all other homeservers, those inside too"},
	{"names", dial.CutNames, "name servers; what this machine itself knows is found"},
	{"time", dial.CutTime, "whoever sets the clock: it runs on by the machine's own oscillator"},
}

// ParseScope reads one scope or several with commas between them.
func ParseScope(s string) (all dial.Scope, err error) {
	for name := range strings.SplitSeq(s, ",") {
		found := false
		for _, one := range scopes {
			if name == one.name {
				all |= one.scope
				found = true
			}
		}
		if !found {
			return 0, fmt.Errorf("%q is not one of outside, all-peers, names, time", name)
		}
	}
	if all == 0 {
		return 0, errors.New("a drill cuts off something")
	}
	return all, nil
}

// scopeName is what ParseScope reads.
func scopeName(s dial.Scope) string {
	var names []string
	for _, one := range scopes {
		if s&one.scope != 0 {
			names = append(names, one.name)
		}
	}
	return strings.Join(names, ",")
}

// scopeWords is a scope for people.
func scopeWords(name string) string {
	s, err := ParseScope(name)
	if err != nil {
		return name
	}
	var words []string
	for _, one := range scopes {
		if s&one.scope != 0 {
			words = append(words, one.words)
		}
	}
	return strings.Join(words, "; ")
}

// touches says whether a cut of a scope is one that a line of the budget speaks of.
func touches(s dial.Scope, l *budget.LineView) bool {
	outside := false
	switch l.Kind {
	case budget.Own, budget.Database, budget.Clock, budget.Identity, budget.Updates:
	default:
		outside = l.Name != "push_inside"
	}
	return s&dial.CutOutside != 0 && outside ||
		s&dial.CutPeers != 0 && (l.Peer || l.Kind == budget.Media) ||
		s&dial.CutNames != 0 && (l.Kind == budget.Names || l.Name == "push" || l.Name == "preview") ||
		s&dial.CutTime != 0 && l.Kind == budget.Clock
}
