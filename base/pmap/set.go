package pmap

import (
	"cmp"
	"slices"
)

// Set applies the changes to the map at root and answers the new map's root, with the nodes that have to be stored before
// it can be read. Of two changes of one key the later one holds. Nothing is stored when an error is returned.
func Set(load Loader, root Root, changes []Change) (Root, []Node, error) {
	s := &setting{load: load}
	sorted := make([]hashed, len(changes))
	for i, c := range changes {
		sorted[i] = hashed{mix(c.Key), c}
	}
	slices.SortStableFunc(sorted, func(a, b hashed) int { return cmp.Compare(a.hash, b.hash) })
	if len(sorted) > 1 {
		kept := sorted[:0]
		for i, c := range sorted {
			if i+1 == len(sorted) || sorted[i+1].hash != c.hash {
				kept = append(kept, c)
			}
		}
		sorted = kept
	}
	t, err := s.change(root, 0, sorted)
	if err != nil {
		return Root{}, nil, err
	}
	return s.seal(t), s.nodes, nil
}

type hashed struct {
	hash uint64
	Change
}

// setting is one Set under way.
type setting struct {
	load  Loader
	nodes []Node
}

// tree is a subtree that has been changed, or not. It is a leaf when there are no more than leafMax entries, and then
// entries are known and at is not final until it is sealed: the parent may take the entries into a leaf of its own.
type tree struct {
	at      Root // as it was loaded; of inner nodes: as it is
	count   int
	was     int // entries before the change
	entries []entry
}

// seal makes a node of the tree, unless it is the one that was there.
func (s *setting) seal(t tree) Root {
	if t.count > leafMax {
		return t.at
	}
	if t.count == 0 {
		return Root{}
	}
	return s.keep(encodeLeaf(t.entries), t.at)
}

// keep stores a node unless it is the one that was there.
func (s *setting) keep(body []byte, was Root) Root {
	at := address(body)
	if at != was {
		s.nodes = append(s.nodes, Node{at, body})
	}
	return at
}

// change applies the changes, which are sorted by hash and belong below this node.
func (s *setting) change(at Root, depth int, changes []hashed) (tree, error) {
	if at == (Root{}) {
		return s.grow(tree{}, depth, changes)
	}
	n, err := s.load.load(at)
	if err != nil {
		return tree{}, err
	}
	if n.leaf {
		t := tree{at: at, count: n.count, was: n.count, entries: make([]entry, 0, n.count)}
		err := n.each(func(k, v uint64) error {
			t.entries = append(t.entries, entry{k, v})
			return nil
		})
		if err != nil {
			return tree{}, err
		}
		return s.grow(t, depth, changes)
	}
	if depth >= maxDepth {
		return tree{}, errDeep
	}
	return s.changeInner(at, n, depth, changes)
}

func (s *setting) changeInner(at Root, n node, depth int, changes []hashed) (tree, error) {
	var children [fanout]Root
	for i := range children {
		children[i], _ = n.child(i)
	}
	t := tree{at: at, count: n.count, was: n.count}
	var changed [fanout]*tree
	for len(changes) > 0 {
		i := slot(changes[0].hash, depth)
		end := 1
		for end < len(changes) && slot(changes[end].hash, depth) == i {
			end++
		}
		c, err := s.change(children[i], depth+1, changes[:end])
		if err != nil {
			return tree{}, err
		}
		changed[i] = &c
		t.count += c.count - c.was
		changes = changes[end:]
	}
	if t.count > leafMax {
		for i, c := range changed {
			if c != nil {
				children[i] = s.seal(*c)
			}
		}
		t.at = s.keep(encodeInner(t.count, &children), at)
		return t, nil
	}
	// What is left fits into a leaf. No child that is left is larger than that, so all of them are leaves.
	for i, c := range changed {
		if c != nil {
			t.entries = append(t.entries, c.entries...)
			continue
		}
		err := walk(s.load, children[i], depth+1, func(k, v uint64) error {
			t.entries = append(t.entries, entry{k, v})
			return nil
		})
		if err != nil {
			return tree{}, err
		}
	}
	if len(t.entries) != t.count {
		return tree{}, damaged("inner node that counts wrongly")
	}
	slices.SortFunc(t.entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	return t, nil
}

// grow changes a leaf, and splits it when it has become too large.
func (s *setting) grow(t tree, depth int, changes []hashed) (tree, error) {
	byKey := slices.Clone(changes)
	slices.SortFunc(byKey, func(a, b hashed) int { return cmp.Compare(a.Key, b.Key) })
	merged := make([]entry, 0, len(t.entries)+len(byKey))
	old := t.entries
	for _, c := range byKey {
		for len(old) > 0 && old[0].key < c.Key {
			merged, old = append(merged, old[0]), old[1:]
		}
		if len(old) > 0 && old[0].key == c.Key {
			old = old[1:]
		}
		if c.Value != 0 {
			merged = append(merged, entry{c.Key, c.Value})
		}
	}
	t.entries = append(merged, old...)
	t.count = len(t.entries)
	if t.count > leafMax {
		return s.split(t, depth)
	}
	return t, nil
}

// split spreads the entries over children.
func (s *setting) split(t tree, depth int) (tree, error) {
	if depth >= maxDepth {
		return tree{}, errDeep
	}
	var parts [fanout][]entry
	for _, e := range t.entries {
		i := slot(mix(e.key), depth)
		parts[i] = append(parts[i], e)
	}
	var children [fanout]Root
	for i, p := range parts {
		c := tree{count: len(p), entries: p}
		if len(p) > leafMax {
			var err error
			if c, err = s.split(c, depth+1); err != nil {
				return tree{}, err
			}
		}
		children[i] = s.seal(c)
	}
	t.entries = nil
	t.at = s.keep(encodeInner(t.count, &children), Root{})
	return t, nil
}
