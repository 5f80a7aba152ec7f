package spec

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Watch checks the exchanges of one process of tests. It is for concurrent use.
type Watch struct {
	spec *Spec
	list []listed
	seed maphash.Seed

	mu      sync.Mutex
	sent    map[uint64]struct{} // hashes of the objects in requests
	seen    map[string]bool     // patterns of the list that were needed
	fresh   map[string]int      // deviations that no test was told of, and how often they were
	faults  map[string]bool     // of the specification's files
	checked int
	done    map[string]bool // operations that were answered 2xx, or asked by the server
}

// NewWatch loads the specification, and the list of what may deviate.
func NewWatch() (*Watch, error) {
	s, err := Load()
	if err != nil {
		return nil, err
	}
	return newWatch(s, deviationsText)
}

func newWatch(s *Spec, text []byte) (*Watch, error) {
	list, err := readList(text)
	if err != nil {
		return nil, fmt.Errorf("deviations.txt: %w", err)
	}
	return &Watch{
		spec: s, list: list, seed: maphash.MakeSeed(),
		sent: map[uint64]struct{}{}, seen: map[string]bool{}, fresh: map[string]int{}, faults: map[string]bool{}, done: map[string]bool{},
	}, nil
}

type testKey struct{}

// Within names the test that a request is made for: what deviates fails it at once. Otherwise [Watch.End] tells.
func Within(ctx context.Context, t testing.TB) context.Context {
	return context.WithValue(ctx, testKey{}, t)
}

// maxNoted is how long a request may be for its contents to be remembered: an event has at most 65,536 bytes.
const maxNoted = 1 << 17

type malformedKey struct{}

// Malformed marks a request that is not as specified on purpose: only its answer is checked.
func Malformed(ctx context.Context) context.Context {
	return context.WithValue(ctx, malformedKey{}, true)
}

// note remembers what a client sends, before the server can hand it on.
func (w *Watch) note(body []byte) {
	if len(body) > maxNoted {
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body)) // numbers as they are written
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remember(v, 5)
}

// remember keeps the objects down to a depth: the deepest content that an endpoint takes is that of a to-device message, below
// messages, user and device.
func (w *Watch) remember(v any, depth int) {
	if depth == 0 {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		w.sent[w.hash(v)] = struct{}{}
		for _, e := range v {
			w.remember(e, depth-1)
		}
	case []any:
		for _, e := range v {
			w.remember(e, depth-1)
		}
	}
}

// hash is that of a value as JSON with sorted keys.
func (w *Watch) hash(v any) uint64 {
	text, err := json.Marshal(v)
	if err != nil {
		return 0 // not of what was parsed
	}
	return maphash.Bytes(w.seed, text)
}

func (w *Watch) meant(content any) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, yes := w.sent[w.hash(content)]
	return yes
}

// check checks an exchange and tells its test, or keeps what is new for the end.
func (w *Watch) check(ctx context.Context, x *Exchange) {
	found, err := w.spec.Check(x, w.meant)
	t, _ := ctx.Value(testKey{}).(testing.TB)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checked++
	if x.Ours || x.Status/100 == 2 {
		for _, op := range w.spec.find(x.Method, x.Path) {
			w.done[op.name()] = true
		}
	}
	if err != nil {
		w.faults[err.Error()] = true
	}
	for _, d := range found {
		if w.isListed(d) {
			continue
		}
		if t != nil {
			t.Errorf("not as specified: %s", d)
		} else {
			w.fresh[d.String()]++
		}
	}
}

// isListed says that a deviation stands in the list; mu is held.
func (w *Watch) isListed(d Deviation) bool {
	for _, l := range w.list {
		if l.form.MatchString(d.String()) {
			w.seen[l.pattern] = true
			return true
		}
	}
	return false
}

// missed are the operations below paths that were never answered well or, if they are the server's to ask, never asked; mu is
// held.
func (w *Watch) missed(below []string) (all []Deviation) {
	for _, op := range w.spec.ops {
		within := slices.ContainsFunc(below, func(path string) bool { return strings.HasPrefix(op.path, path) })
		if within && !w.done[op.name()] {
			all = append(all, Deviation{Operation: op.name(), Side: "never", What: "was not seen to work"})
		}
	}
	return all
}

// End is an error if something deviated that no test was told of, if nothing was checked, or if the specification could not
// be read in full. run names the run in the list, "conformance", if it was a whole one: then what stands in the list for it
// must have been seen, and every operation below the paths of complete.
func (w *Watch) End(run string, complete ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	if run != "" {
		for _, d := range w.missed(complete) {
			if !w.isListed(d) {
				w.fresh[d.String()] = 1
			}
		}
	}
	for _, d := range slices.Sorted(maps.Keys(w.fresh)) {
		lines = append(lines, fmt.Sprintf("not as specified (%d times): %s", w.fresh[d], d))
	}
	for _, f := range slices.Sorted(maps.Keys(w.faults)) {
		lines = append(lines, "the specification: "+f)
	}
	if run != "" {
		for _, l := range stale(w.list, w.seen, run) {
			lines = append(lines, "stands in test/spec/deviations.txt and did not show: "+l)
		}
	}
	if w.checked == 0 {
		lines = append(lines, "not one answer was held against the specification")
	}
	if lines == nil {
		return nil
	}
	return fmt.Errorf("%d deviations, of %d answers:\n%s", len(lines), w.checked, strings.Join(lines, "\n"))
}
