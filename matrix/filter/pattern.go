package filter

import (
	"strings"

	"freehold.example/matrix/fault"
)

// maxWild is how many entries with a * a list of types may have. Each is tried against each event, so their number is
// what a filter can cost.
const maxWild = 100

// patterns is a list of event types, with * for any run of characters.
type patterns struct {
	given bool
	exact map[string]struct{}
	wild  []wildcard
}

func (p *patterns) parse(at string, value []byte) error {
	*p = patterns{given: true, exact: map[string]struct{}{}}
	return elements(value, at, func(s string) error {
		if !strings.Contains(s, "*") {
			p.exact[s] = struct{}{}
			return nil
		}
		if len(p.wild) == maxWild {
			return fault.Newf(fault.BadJSON, "In the filter, %s has more than %d entries with a *", at, maxWild)
		}
		p.wild = append(p.wild, split(s))
		return nil
	})
}

func (p *patterns) lets(typ string) bool { return !p.given || p.match(typ) }

func (p *patterns) match(typ string) bool {
	if _, ok := p.exact[typ]; ok {
		return true
	}
	for i := range p.wild {
		if p.wild[i].match(typ) {
			return true
		}
	}
	return false
}

// some says whether there is any entry.
func (p *patterns) some() bool { return len(p.exact) > 0 || len(p.wild) > 0 }

// all says whether one of the entries is a plain *.
func (p *patterns) all() bool {
	for _, w := range p.wild {
		if w.prefix == "" && w.suffix == "" && len(w.middle) == 0 {
			return true
		}
	}
	return false
}

// wildcard is a pattern cut at its stars: prefix*middle*...*suffix.
type wildcard struct {
	prefix, suffix string
	middle         []string
}

func split(s string) wildcard {
	parts := strings.Split(s, "*")
	w := wildcard{prefix: parts[0], suffix: parts[len(parts)-1]}
	for _, m := range parts[1 : len(parts)-1] {
		if m != "" { // two stars are one
			w.middle = append(w.middle, m)
		}
	}
	return w
}

// match takes each piece at its first place after the one before, which leaves the most room for the rest.
func (w *wildcard) match(s string) bool {
	if len(s) < len(w.prefix)+len(w.suffix) || !strings.HasPrefix(s, w.prefix) || !strings.HasSuffix(s, w.suffix) {
		return false
	}
	s = s[len(w.prefix) : len(s)-len(w.suffix)]
	for _, m := range w.middle {
		i := strings.Index(s, m)
		if i < 0 {
			return false
		}
		s = s[i+len(m):]
	}
	return true
}
