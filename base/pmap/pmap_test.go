package pmap

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memory is a store of nodes.
type memory map[Root][]byte

func (m memory) load(at Root) ([]byte, error) {
	body, ok := m[at]
	if !ok {
		return nil, errors.New("not stored")
	}
	return body, nil
}

func (m memory) set(t testing.TB, root Root, changes ...Change) Root {
	t.Helper()
	next, nodes, err := Set(m.load, root, changes)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if address(n.Body) != n.Address {
			t.Fatalf("node %x has the address %x", address(n.Body), n.Address)
		}
		m[n.Address] = n.Body
	}
	return next
}

func (m memory) contents(t testing.TB, root Root) map[uint64]uint64 {
	t.Helper()
	got := map[uint64]uint64{}
	if err := Walk(m.load, root, func(k, v uint64) error { got[k] = v; return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

// fresh is the root of a tree that is made of these entries at once.
func (m memory) fresh(t testing.TB, entries map[uint64]uint64) Root {
	t.Helper()
	var all []Change
	for k, v := range entries {
		all = append(all, Change{k, v})
	}
	return m.set(t, Root{}, all...)
}

// TestModel compares with a Go map after each of many random batches: contents, look-ups, count, and that the shape is the
// one a fresh tree has.
func TestModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			m := memory{}
			want := map[uint64]uint64{}
			var root Root
			keys := []uint64{100, 300, 5000}[seed%3]
			for range 150 {
				var batch []Change
				for range 1 + r.IntN([]int{3, 200}[seed%2]) {
					c := Change{r.Uint64N(keys), r.Uint64N(1 << 40)}
					if seed == 5 {
						c.Key = mix(c.Key) // sparse, over all 64 bits
						c.Value = r.Uint64()
					}
					if r.IntN(3) == 0 {
						c.Value = 0
					}
					batch = append(batch, c)
					if c.Value == 0 {
						delete(want, c.Key)
					} else {
						want[c.Key] = c.Value
					}
				}
				before := root
				root = m.set(t, root, batch...)
				if diff := cmp.Diff(want, m.contents(t, root)); diff != "" {
					t.Fatalf("contents (-want +got):\n%s", diff)
				}
				if n, err := Len(m.load, root); err != nil || n != len(want) {
					t.Fatalf("got %d entries, %v, want %d", n, err, len(want))
				}
				if got := m.fresh(t, want); got != root {
					t.Fatalf("root after changes is %x, of a fresh tree %x", root, got)
				}
				key := batch[0].Key
				if v, ok, err := Get(m.load, root, key); err != nil || ok != (want[key] != 0) || v != want[key] {
					t.Fatalf("got %d, %v, %v for key %d, want %d", v, ok, err, key, want[key])
				}
				checkDiff(t, m, before, root)
			}
			// Down to nothing, in three steps.
			for i := range 3 {
				var batch []Change
				for k := range want {
					if i == 2 || r.IntN(2) == 0 {
						batch = append(batch, Change{k, 0})
						delete(want, k)
					}
				}
				root = m.set(t, root, batch...)
				if got := m.fresh(t, want); got != root {
					t.Fatalf("root after removals is %x, of a fresh tree %x", root, got)
				}
			}
			if root != (Root{}) {
				t.Errorf("the empty map has the root %x", root)
			}
		})
	}
}

func checkDiff(t *testing.T, m memory, a, b Root) {
	t.Helper()
	type pair struct{ A, B uint64 }
	want := map[uint64]pair{}
	inA, inB := m.contents(t, a), m.contents(t, b)
	for k, v := range inA {
		if inB[k] != v {
			want[k] = pair{v, inB[k]}
		}
	}
	for k, v := range inB {
		if inA[k] != v {
			want[k] = pair{inA[k], v}
		}
	}
	got := map[uint64]pair{}
	err := Diff(m.load, a, b, func(k, va, vb uint64) error {
		if _, twice := got[k]; twice {
			t.Fatalf("key %d was reported twice", k)
		}
		got[k] = pair{va, vb}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("difference (-want +got):\n%s", diff)
	}
}

// TestDiffSizes compares maps of very different shape, both ways.
func TestDiffSizes(t *testing.T) {
	m := memory{}
	var roots []Root
	for _, n := range []uint64{0, 1, 64, 65, 66, 2500} {
		entries := map[uint64]uint64{}
		for k := range n {
			entries[k*7] = k%50 + 1
		}
		roots = append(roots, m.fresh(t, entries))
	}
	for _, a := range roots {
		for _, b := range roots {
			checkDiff(t, m, a, b)
		}
	}
}

// TestSharing: a change of a large map reads and makes only the nodes on its way.
func TestSharing(t *testing.T) {
	m := memory{}
	entries := map[uint64]uint64{}
	for k := range uint64(50_000) {
		entries[k+1] = k + 1000
	}
	root := m.fresh(t, entries)
	reads := 0
	counting := func(at Root) ([]byte, error) { reads++; return m.load(at) }
	next, nodes, err := Set(counting, root, []Change{{77, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes) > 4 || reads > 4 {
		t.Errorf("got %d nodes made and %d read, want no more than 4", len(nodes), reads)
	}
	for _, n := range nodes {
		m[n.Address] = n.Body
	}
	reads = 0
	if err := Diff(counting, root, next, func(k, a, b uint64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if reads > 8 {
		t.Errorf("got %d nodes read for a difference of one key, want no more than 8", reads)
	}
	// What is there already makes nothing.
	if same, nodes, err := Set(m.load, next, []Change{{77, 1}, {1 << 60, 0}}); err != nil || same != next || len(nodes) != 0 {
		t.Errorf("got root %x, %d nodes, %v for no change of %x", same, len(nodes), err, next)
	}
	// Visit finds every node of the new map, and skips what is marked.
	seen := map[Root]bool{}
	mark := func(at Root) (bool, error) {
		old := seen[at]
		seen[at] = true
		return !old, nil
	}
	if err := Visit(m.load, root, mark); err != nil {
		t.Fatal(err)
	}
	all := len(seen)
	if err := Visit(m.load, next, mark); err != nil {
		t.Fatal(err)
	}
	if got := len(seen) - all; got != len(nodes) {
		t.Errorf("got %d nodes of the new map alone, want %d", got, len(nodes))
	}
}

func TestDuplicateKeys(t *testing.T) {
	m := memory{}
	root := m.set(t, Root{}, Change{1, 5}, Change{2, 7}, Change{1, 6}, Change{2, 0})
	if diff := cmp.Diff(map[uint64]uint64{1: 6}, m.contents(t, root)); diff != "" {
		t.Errorf("the later change does not hold (-want +got):\n%s", diff)
	}
}

func TestMissingNode(t *testing.T) {
	m := memory{}
	entries := map[uint64]uint64{}
	for k := range uint64(1000) {
		entries[k] = 1 + k
	}
	root := m.fresh(t, entries)
	for at := range m {
		if at != root {
			delete(m, at)
		}
	}
	if _, _, err := Get(m.load, root, 5); err == nil {
		t.Error("Get found a key in a missing node")
	}
	if _, _, err := Set(m.load, root, []Change{{5, 1}}); err == nil {
		t.Error("Set changed a missing node")
	}
	if err := Walk(m.load, root, func(_, _ uint64) error { return nil }); err == nil {
		t.Error("Walk went past a missing node")
	}
}

func TestCache(t *testing.T) {
	m := memory{}
	entries := map[uint64]uint64{}
	for k := range uint64(5000) {
		entries[k] = 1 + k
	}
	root := m.fresh(t, entries)
	c := NewCache(32<<10, time.Now)
	load := c.Loader(m.load)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range uint64(3000) {
				k := (i*31 + uint64(g)*977) % 5000
				if v, ok, err := Get(load, root, k); err != nil || !ok || v != k+1 {
					t.Errorf("got %d, %v, %v for %d", v, ok, err, k)
					return
				}
			}
		})
	}
	wg.Wait()
	s := c.Stats()
	if s.Bytes > 32<<10 || s.Nodes == 0 || s.Hits == 0 || s.Misses == 0 {
		t.Errorf("got %+v", s)
	}
	sum := 0
	for e := c.recent.Front(); e != nil; e = e.Next() {
		sum += len(e.Value.(*cached).body) + nodeCost
	}
	if sum != s.Bytes || c.recent.Len() != s.Nodes {
		t.Errorf("got %d bytes in %d nodes, counted %d in %d", sum, c.recent.Len(), s.Bytes, s.Nodes)
	}

	wrong := NewCache(1<<20, time.Now).Loader(func(Root) ([]byte, error) { return encodeLeaf([]entry{{1, 1}}), nil })
	if _, _, err := Get(wrong, root, 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v for a body that is another node's, want ErrDamaged", err)
	}
}

// TestCacheAge: a node that nobody uses goes when others come; one that is used stays.
func TestCacheAge(t *testing.T) {
	now := time.Unix(0, 0)
	c := NewCache(1<<20, func() time.Time { return now })
	node := func(k uint64) Node {
		body := encodeLeaf([]entry{{k, k}})
		return Node{Address: address(body), Body: body}
	}
	used, left := node(1), node(2)
	c.Add([]Node{used, left})
	for k := range uint64(4) {
		now = now.Add(nodeAge / 2)
		c.Add([]Node{node(10 + k)})
		if _, ok := c.get(used.Address); !ok {
			t.Error("a node that was used a moment ago is gone")
		}
	}
	if c.Has(left.Address) || c.Stats().Nodes > 4 {
		t.Errorf("got %+v, want those of the last %v", c.Stats(), nodeAge)
	}
}

// FuzzNode: bytes that are no node are an error wherever they turn up, and those that are one have this one encoding.
func FuzzNode(f *testing.F) {
	f.Add(encodeLeaf([]entry{{1, 2}, {3, 1}, {1 << 63, 1<<64 - 1}}))
	var children [fanout]Root
	children[3], children[31] = Root{1}, Root{2}
	f.Add(encodeInner(70, &children))
	f.Add([]byte{kindLeaf, 1, 0x80, 0x00, 2})
	f.Add([]byte{kindInner, 65, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		self := func(Root) ([]byte, error) { return body, nil } // every child is the node itself
		steps := 0
		stop := errors.New("enough")
		bounded := func(at Root) ([]byte, error) {
			if steps++; steps > 500 {
				return nil, stop
			}
			return body, nil
		}
		Get(self, Root{1}, 1)
		Set(bounded, Root{1}, []Change{{1, 0}, {2, 1}})
		Diff(bounded, Root{1}, Root{2}, func(_, _, _ uint64) error { return nil })
		Visit(bounded, Root{1}, func(Root) (bool, error) { return true, nil })
		n, err := parse(body)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
			return
		}
		if n.leaf {
			var entries []entry
			if err := n.each(func(k, v uint64) error { entries = append(entries, entry{k, v}); return nil }); err != nil {
				return
			}
			if again := encodeLeaf(entries); !bytes.Equal(again, body) {
				t.Errorf("leaf %x is encoded as %x", body, again)
			}
			return
		}
		var children [fanout]Root
		for s := range fanout {
			var ok bool
			if children[s], ok = n.child(s); ok && children[s] == (Root{}) {
				return // the address of nothing: no hash is zero
			}
		}
		if again := encodeInner(n.count, &children); !bytes.Equal(again, body) {
			t.Errorf("inner node %x is encoded as %x", body, again)
		}
	})
}

// cpu is the processor time this process has used: on a busy machine the clock says little.
func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// large is a map of n entries like a room's state: ascending keys and values, set in order.
func large(b testing.TB, n uint64) (memory, Root) {
	m := memory{}
	var all []Change
	for k := range n {
		all = append(all, Change{1000 + k, 5000 + 3*k})
	}
	return m, m.set(b, Root{}, all...)
}

func BenchmarkSet(b *testing.B) {
	for _, n := range []uint64{50, 1000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, root := large(b, n)
			bytes, nodes, i := 0, 0, uint64(0)
			began := cpu()
			for b.Loop() {
				_, made, err := Set(m.load, root, []Change{{1000 + i*7919%n, 5000 + 3*n + i}})
				if err != nil {
					b.Fatal(err)
				}
				for _, n := range made {
					bytes += len(n.Body)
				}
				nodes += len(made)
				i++
			}
			b.ReportMetric(float64(bytes)/float64(b.N), "stored-B/op")
			b.ReportMetric(float64(nodes)/float64(b.N), "nodes/op")
			b.ReportMetric(float64(cpu()-began)/float64(b.N)/1000, "cpu-us/op")
		})
	}
}

func BenchmarkGet(b *testing.B) {
	m, root := large(b, 50_000)
	load := NewCache(64<<20, time.Now).Loader(m.load)
	i := uint64(0)
	began := cpu()
	for b.Loop() {
		if _, ok, err := Get(load, root, 1000+i*7919%50_000); !ok || err != nil {
			b.Fatal(ok, err)
		}
		i++
	}
	b.ReportMetric(float64(cpu()-began)/float64(b.N)/1000, "cpu-us/op")
}

func BenchmarkWalk(b *testing.B) {
	m, root := large(b, 50_000)
	total := 0
	for _, body := range slices.Collect(maps.Values(m)) {
		total += len(body)
	}
	for b.Loop() {
		if err := Walk(m.load, root, func(_, _ uint64) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(total), "map-B")
	b.ReportMetric(float64(len(m)), "map-nodes")
}
