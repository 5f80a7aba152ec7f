package pmap

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

const (
	leafMax  = 64 // entries of a leaf; a subtree has a leaf exactly when it has no more
	fanout   = 32 // children of an inner node
	maxDepth = 13 // inner nodes above a leaf: 13 times five bits are all the bits of a hash
)

// The first byte of a node says what follows.
//
//	leaf:  1, uvarint count, then for each entry, by ascending key:
//	          uvarint key minus the key before (the first: the key itself)
//	          varint  value minus the value before (the first: the value itself), modulo 2^64
//	inner: 2, uvarint entries below, uint32 little endian with a bit for each child, 16 bytes of address for each
//
// There is one encoding of each node: varints are the shortest, nothing follows.
const (
	kindLeaf  = 1
	kindInner = 2
)

var errDeep = fmt.Errorf("%w: too deep", ErrDamaged)

func damaged(why string) error { return fmt.Errorf("%w: %s", ErrDamaged, why) }

// mix spreads keys, which come in runs, over the tree. It is the finalizer of splitmix64, which is a bijection: different
// keys always part at some depth.
func mix(k uint64) uint64 {
	k ^= k >> 30
	k *= 0xbf58476d1ce4e5b9
	k ^= k >> 27
	k *= 0x94d049bb133111eb
	return k ^ k>>31
}

// slot is the child of an inner node at that depth which a hash belongs to; the top bits come first.
func slot(h uint64, depth int) int {
	return int(h<<(5*depth)>>59) & (fanout - 1)
}

// node is a view of an encoded node: what is asked is read off the bytes.
type node struct {
	leaf  bool
	count int    // entries in or below it
	set   uint32 // inner: which children there are
	rest  []byte // leaf: the entries; inner: the addresses
}

// parse checks what can be checked without reading the entries of a leaf; each and find check those.
func parse(body []byte) (node, error) {
	if len(body) == 0 {
		return node{}, damaged("empty")
	}
	n := node{leaf: body[0] == kindLeaf}
	if !n.leaf && body[0] != kindInner {
		return node{}, damaged("unknown kind")
	}
	count, rest, ok := uvarint(body[1:])
	if !ok || count > 1<<48 {
		return node{}, damaged("no count")
	}
	n.count, n.rest = int(count), rest
	if n.leaf {
		if count == 0 || count > leafMax || len(rest) < 2*int(count) {
			return node{}, damaged("wrong number of entries")
		}
		return n, nil
	}
	if count <= leafMax || len(rest) < 4 {
		return node{}, damaged("inner node with too little below it")
	}
	n.set, n.rest = binary.LittleEndian.Uint32(rest), rest[4:]
	if n.set == 0 || len(n.rest) != 16*bits.OnesCount32(n.set) {
		return node{}, damaged("wrong number of children")
	}
	return n, nil
}

// child is the address of the child in slot s.
func (n node) child(s int) (Root, bool) {
	if n.set&(1<<s) == 0 {
		return Root{}, false
	}
	i := bits.OnesCount32(n.set & (1<<s - 1))
	return Root(n.rest[16*i:]), true
}

// each calls fn for the entries of a leaf.
func (n node) each(fn func(key, value uint64) error) error {
	var key, value uint64
	b := n.rest
	for i := range n.count {
		var e entry
		var err error
		if e, b, err = next(b, entry{key, value}, i == 0); err != nil {
			return err
		}
		key, value = e.key, e.value
		if err := fn(key, value); err != nil {
			return err
		}
	}
	if len(b) != 0 {
		return damaged("bytes after the last entry")
	}
	return nil
}

// find looks for a key among the entries of a leaf: 0 and false when it is not there.
func (n node) find(key uint64) (uint64, bool, error) {
	var e entry
	var err error
	b := n.rest
	for i := range n.count {
		if e, b, err = next(b, e, i == 0); err != nil {
			return 0, false, err
		}
		if e.key == key {
			return e.value, true, nil
		}
		if e.key > key {
			break
		}
	}
	return 0, false, nil
}

type entry struct{ key, value uint64 }

// next reads the entry after prev.
func next(b []byte, prev entry, first bool) (entry, []byte, error) {
	dk, b, ok := uvarint(b)
	if !ok {
		return entry{}, nil, damaged("cut entry")
	}
	dv, b, ok := uvarint(b)
	if !ok {
		return entry{}, nil, damaged("cut entry")
	}
	e := entry{key: prev.key + dk, value: prev.value + (dv>>1 ^ -(dv & 1))}
	if !first && e.key <= prev.key || e.value == 0 {
		return entry{}, nil, damaged("entries out of order")
	}
	return e, b, nil
}

// uvarint reads one varint of the shortest form.
func uvarint(b []byte) (uint64, []byte, bool) {
	if len(b) > 0 && b[0] < 0x80 { // the frequent cases, inline
		return uint64(b[0]), b[1:], true
	}
	if len(b) > 1 && b[1] < 0x80 && b[1] != 0 {
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, b[2:], true
	}
	v, n := binary.Uvarint(b)
	if n <= 0 || b[n-1] == 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

// encodeLeaf writes entries that are sorted by key.
func encodeLeaf(entries []entry) []byte {
	b := make([]byte, 0, 2+6*len(entries))
	b = append(b, kindLeaf)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	var prev entry
	for _, e := range entries {
		d := e.value - prev.value
		b = binary.AppendUvarint(b, e.key-prev.key)
		b = binary.AppendUvarint(b, d<<1^uint64(int64(d)>>63))
		prev = e
	}
	return b
}

func encodeInner(count int, children *[fanout]Root) []byte {
	var set uint32
	for s, c := range children {
		if c != (Root{}) {
			set |= 1 << s
		}
	}
	b := make([]byte, 0, 8+16*bits.OnesCount32(set))
	b = append(b, kindInner)
	b = binary.AppendUvarint(b, uint64(count))
	b = binary.LittleEndian.AppendUint32(b, set)
	for _, c := range children {
		if c != (Root{}) {
			b = append(b, c[:]...)
		}
	}
	return b
}
