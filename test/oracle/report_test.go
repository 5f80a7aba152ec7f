package oracle

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"freehold.example/matrix/version"
)

var (
	seed  = flag.Uint64("seed", 1, "of the random cases; 0: another one each run")
	cases = flag.Int("cases", 0, "how many cases of each kind; 0: the kind's own number")
	only  = flag.Int("case", -1, "run this one case of each kind, and show it")
)

// The libraries that ours is compared with.
const (
	gmsl    = "gomatrixserverlib"
	mautrix = "mautrix"
)

// difference is one thing that another library says otherwise than ours.
type difference struct {
	kind, lib, what string // such as auth, mautrix, verdict
	version         *version.Version
	ours, theirs    string
	answer          eventAnswer // theirs, of kind event
	event           *eventCase  // of kind event
	auth            *authCase   // of kind auth
	state           *stateCase  // of kind state
}

func (d *difference) String() string {
	return fmt.Sprintf("room version %s, %s\n ours:   %s\n %s: %s", d.version.ID, d.what, d.ours, d.lib, d.theirs)
}

// show is the case that the difference is in.
func (d *difference) show() string {
	switch d.kind {
	case "event":
		return d.event.String()
	case "auth":
		return d.auth.String()
	}
	return d.state.String()
}

// shape is the difference without what is different from case to case, to sort many of them.
func (d *difference) shape() string {
	if d.what != "verdict" {
		return d.lib + ", " + d.what
	}
	return fmt.Sprintf("%s, %s | %s", d.lib, particular.ReplaceAllString(d.ours, "*"), particular.ReplaceAllString(d.theirs, "*"))
}

var particular = regexp.MustCompile(`"[^"]*"|'[^']*'|\\*"|\d+|\S*:\S*\.example\S*`)

var particularNumber = regexp.MustCompile(`\d+`)

// explanation is a difference that was looked into, and found not to be a fault of ours.
type explanation struct {
	name string
	kind string
	lib  string
	from int    // the first room version that has it; 0: all
	to   int    // the last
	why  string // what the library does and the specification says
	is   func(d *difference) bool
}

// tally counts what was seen.
type tally struct {
	sync.Mutex
	explained map[string]int
	counts    map[string]int // by what the cases came out as
}

var seen = tally{explained: make(map[string]int), counts: make(map[string]int)}

func (t *tally) count(format string, args ...any) {
	t.Lock()
	defer t.Unlock()
	t.counts[fmt.Sprintf(format, args...)]++
}

// explain finds what explains the difference, and counts it.
func explain(d *difference) bool {
	n := slices.Index(versionNames, d.version.ID) + 1
	for i := range explanations {
		e := &explanations[i]
		if e.kind == d.kind && e.lib == d.lib && n >= e.from && (e.to == 0 || n <= e.to) && e.is(d) {
			seen.Lock()
			defer seen.Unlock()
			seen.explained[e.name]++
			return true
		}
	}
	return false
}

var versionNames = func() (names []string) {
	for _, v := range version.All() {
		names = append(names, v.ID)
	}
	return names
}()

// run makes and compares the cases of a kind.
func run(t *testing.T, kind string, n int, compare func(d *dice) []*difference) {
	t.Parallel()
	if *cases > 0 {
		n = *cases
	}
	first, last := 0, n
	if *only >= 0 {
		first, last = *only, *only+1
	}
	failures := 0
	shapes := make(map[string]int)
	for i := first; i < last; i++ {
		for _, d := range compare(newDice(*seed, kind, i)) {
			if explain(d) {
				if *only >= 0 {
					t.Logf("explained: %s\n%s", d, d.show())
				}
				continue
			}
			shapes[d.shape()]++
			if failures++; shapes[d.shape()] <= 2 && failures <= 100 {
				t.Errorf("case %d: %s\n%s\nto repeat: go test -run '^%s$' -seed %d -case %d", i, d, d.show(), t.Name(), *seed, i)
			}
		}
	}
	if failures > 0 {
		t.Errorf("%d differences that nothing explains:", failures)
		for _, shape := range sortedKeys(shapes) {
			t.Logf("%6d %s", shapes[shape], shape)
		}
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	for *seed == 0 {
		*seed = newSeed()
	}
	code := m.Run()
	seen.print()
	os.Exit(code)
}

// print shows what was compared, and which explanations were of use.
func (t *tally) print() {
	fmt.Printf("seed %d\n", *seed)
	for _, name := range sortedKeys(t.counts) {
		fmt.Printf("%8d %s\n", t.counts[name], name)
	}
	if len(t.counts) == 0 {
		return
	}
	fmt.Println("differences explained:")
	var idle []string
	for _, e := range explanations {
		if n := t.explained[e.name]; n > 0 {
			fmt.Printf("%8d %s\n", n, e.name)
		} else if t.counts[e.kind+": all"] > 0 {
			idle = append(idle, e.name)
		}
	}
	if len(idle) > 0 && *only < 0 {
		fmt.Printf("explanations without a case, to be removed if a long run (-cases 100000) has none either: %s\n", strings.Join(idle, ", "))
	}
}

func sortedKeys(m map[string]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
