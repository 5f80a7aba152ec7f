package route

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// node is a place in the path tree. http.ServeMux is not used: it redirects paths with empty and dot segments, which are
// state keys here, and answers 404 and 405 as text.
type node[C any] struct {
	literal map[string]*node[C]
	named   *node[C]
	methods map[string]*entry[C]
}

type entry[C any] struct {
	row     Row[C]
	name    string // method and path
	names   []string
	observe observer
}

// pattern is a parsed Row.Path. In segs a named segment is "".
type pattern struct {
	segs     []string
	names    []string
	optional bool // the last segment may be missing
}

// maxNamed is how many named segments a path may have: the API has at most three.
const maxNamed = 6

func parsePattern(path string) (pattern, error) {
	var p pattern
	if !strings.HasPrefix(path, "/") {
		return p, errors.New("the path does not begin with /")
	}
	segs := strings.Split(path[1:], "/")
	for i, s := range segs {
		if !strings.HasPrefix(s, "{") {
			if s == "" && i > 0 && i < len(segs)-1 || strings.ContainsAny(s, "{}%") {
				return p, fmt.Errorf("segment %q cannot be matched", s)
			}
			p.segs = append(p.segs, "="+s)
			continue
		}
		name, ok := strings.CutSuffix(s[1:], "}")
		if before, optional := strings.CutSuffix(name, "?"); optional && i > 0 && i == len(segs)-1 {
			name, p.optional = before, true
		}
		if !ok || name == "" || strings.ContainsAny(name, "{}?") || slices.Contains(p.names, name) {
			return p, fmt.Errorf("segment %q is not a name", s)
		}
		p.segs, p.names = append(p.segs, ""), append(p.names, name)
	}
	if len(p.names) > maxNamed {
		return p, fmt.Errorf("more than %d named segments", maxNamed)
	}
	return p, nil
}

func (n *node[C]) insert(p pattern, e *entry[C]) error {
	for i, s := range p.segs {
		if p.optional && i == len(p.segs)-1 {
			if err := n.set(e); err != nil {
				return err
			}
		}
		n = n.child(s)
	}
	return n.set(e)
}

func (n *node[C]) child(seg string) *node[C] {
	text, literal := strings.CutPrefix(seg, "=")
	if !literal {
		if n.named == nil {
			n.named = &node[C]{}
		}
		return n.named
	}
	if n.literal == nil {
		n.literal = map[string]*node[C]{}
	}
	if n.literal[text] == nil {
		n.literal[text] = &node[C]{}
	}
	return n.literal[text]
}

func (n *node[C]) set(e *entry[C]) error {
	if old := n.methods[e.row.Method]; old != nil {
		return fmt.Errorf("is already served by %s", old.row.Path)
	}
	if n.methods == nil {
		n.methods = map[string]*entry[C]{}
	}
	n.methods[e.row.Method] = e
	return nil
}

func (n *node[C]) entry(method string) *entry[C] {
	if e := n.methods[method]; e != nil || method != http.MethodHead {
		return e
	}
	return n.methods[http.MethodGet]
}

// search is one walk through the tree.
type search[C any] struct {
	method string
	found  *entry[C]
	other  *node[C] // the path is known, but not with this method
	values [maxNamed]string
	n      int
}

// match finds the entry for a path that is escaped as the client sent it. Each segment is decoded once, after the split.
// known says that the path is that of some row, of whatever method.
func (n *node[C]) match(method, path string) (s search[C], known bool) {
	s.method = method
	if after, ok := strings.CutPrefix(path, "/"); ok {
		s.walk(n, after, 0)
	}
	return s, s.found != nil || s.other != nil
}

// walk tries the literal segment first and comes back for the named one. depth is how many values are filled.
func (s *search[C]) walk(n *node[C], path string, depth int) bool {
	raw, rest, more := strings.Cut(path, "/")
	seg := raw
	if strings.IndexByte(raw, '%') >= 0 {
		var err error
		if seg, err = url.PathUnescape(raw); err != nil {
			return false
		}
	}
	step := func(next *node[C], depth int) bool {
		if more {
			return s.walk(next, rest, depth)
		}
		if e := next.entry(s.method); e != nil {
			s.found, s.n = e, depth
			return true
		}
		if len(next.methods) > 0 && s.other == nil {
			s.other = next
		}
		return false
	}
	if next := n.literal[seg]; next != nil && step(next, depth) {
		return true
	}
	if n.named != nil && depth < maxNamed {
		old := s.values[depth]
		s.values[depth] = seg
		if step(n.named, depth+1) {
			return true
		}
		s.values[depth] = old
	}
	return false
}

// allowed lists a node's methods for the Allow header.
func (n *node[C]) allowed() string {
	var out []string
	for m := range n.methods {
		out = append(out, m)
		if m == http.MethodGet {
			out = append(out, http.MethodHead)
		}
	}
	slices.Sort(out)
	return strings.Join(append(out, http.MethodOptions), ", ")
}

// cutPrefixSegments is strings.CutPrefix that ends at a segment's border.
func cutPrefixSegments(path, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	return rest, ok && (rest == "" || rest[0] == '/')
}
