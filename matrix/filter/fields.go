package filter

import (
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
)

const (
	maxFields    = 200 // entries of event_fields
	maxFieldPath = 20  // names in one entry
)

// Fields is the part of an event that a client wants. The zero value is the whole event.
type Fields struct{ root *field }

// field is a name on the way to what is wanted; keys are as they stand in canonical JSON between quotation marks.
type field struct {
	whole bool // all that is below
	below map[string]*field
}

func (f *Fields) parse(at string, value []byte) error {
	f.root = &field{below: map[string]*field{}}
	n := 0
	return elements(value, at, func(s string) error {
		path := canon.SplitPath(s)
		if n++; n > maxFields || len(path) > maxFieldPath {
			return fault.Newf(fault.BadJSON, "In the filter, %s is too long", at)
		}
		here := f.root
		for _, name := range path {
			quoted := canon.AppendString(nil, name)
			key := string(quoted[1 : len(quoted)-1])
			next := here.below[key]
			if next == nil {
				next = &field{below: map[string]*field{}}
				here.below[key] = next
			}
			here = next
		}
		here.whole = true
		return nil
	})
}

// All says that nothing is left out.
func (f *Fields) All() bool { return f.root == nil || f.root.whole }

// Append appends to dst what is wanted of an event in the form that clients get, JSON without needless white space.
func (f *Fields) Append(dst, event []byte) []byte {
	if f.All() {
		return append(dst, event...)
	}
	return f.root.append(dst, event)
}

func (f *field) append(dst, object []byte) []byte {
	dst = append(dst, '{')
	first := true
	for o := canon.Open(object); ; {
		m, ok := o.Next()
		if !ok {
			return append(dst, '}')
		}
		next := f.below[string(m.Key())]
		isObject := len(m.Value()) > 0 && m.Value()[0] == '{'
		if next == nil || !next.whole && !isObject {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if next.whole {
			dst = append(dst, m.Raw()...)
			continue
		}
		dst = append(dst, '"')
		dst = append(dst, m.Key()...)
		dst = next.append(append(dst, '"', ':'), m.Value())
	}
}
