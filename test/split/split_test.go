package split

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/matrix/id"
)

// settle is how long the servers have after the last cut. Who does not hang on a connection that is dead needs seconds.
const settle = 60 * time.Second

// outcome is what became of a history.
type outcome struct {
	faults []string
	diary  []string
	events int
	logs   string
}

// play lets a history happen, and looks at what is left of it.
func play(t *testing.T, seed uint64, n int, steps []step) (out outcome) {
	from := beginning{n, versions[seed%uint64(len(versions))]}
	start := from.made(t)
	dir, err := fresh(start.dir, n)
	defer os.RemoveAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &run{world: newWorld(t, dir, n, seed), version: from.version, rooms: []id.Room{start.room}, told: map[string]int{}, got: map[string]int{}, since: make([]string, n)}
		defer r.http.CloseIdleConnections()
		time.Sleep(2 * aside)
		for _, x := range r.all {
			x.start()
		}
		time.Sleep(5 * time.Second)
		for _, s := range steps {
			r.do(s)
		}
		r.net.Heal()
		r.net.Delay(0, 50*time.Millisecond)
		for _, x := range r.all {
			x.start()
		}
		r.note("healed")
		time.Sleep(settle)
		r.began.Wait()
		for _, x := range r.all { // each has the last word, so that what one alone refused to follow is followed by somebody
			for i := range r.rooms {
				r.do(step{op: "send", at: x.i, a: i})
			}
		}
		time.Sleep(settle)
		for _, x := range r.all {
			for range 3 {
				r.sync(t.Context(), x, 0)
			}
		}
		for _, x := range r.all {
			x.stop()
		}
		out = outcome{faults: r.check(), diary: r.diary, events: len(r.sent)}
		for _, x := range r.all {
			out.logs += fmt.Sprintf("--- %s\n%s", x.name, x.log)
		}
	})
	return out
}

// TestHistories: after the last cut all servers that are in a room have the same state of it, and the same events; no event
// that was acknowledged is lost, and no message to a device is lost or comes twice. What users do, what is cut, slow, stopped
// and killed is left to chance.
//
// FH_HISTORIES is how many histories there are (16; a step of `make test` has 1,000 more), FH_FIRST the number of the first (0), FH_HISTORY that of
// the only one to play, FH_STEPS which of its steps (0,3,4), with FH_LOGS what the servers log. One that fails is made smaller before
// it is shown.
func TestHistories(t *testing.T) {
	makeTemplate(t)
	if seed, one := number(t, "FH_HISTORY"); one {
		tell(t, seed)
		return
	}
	first, _ := number(t, "FH_FIRST")
	histories, ok := number(t, "FH_HISTORIES")
	switch {
	case ok:
	case testing.Short():
		histories = 4
	default:
		histories = 16
	}
	lanes := uint64(runtime.GOMAXPROCS(0))
	for lane := range lanes {
		t.Run(fmt.Sprint("lane", lane), func(t *testing.T) {
			t.Parallel()
			for seed := first + lane; seed < first+histories; seed += lanes {
				n, steps := history(seed)
				if out := play(t, seed, n, steps); len(out.faults) > 0 {
					smaller(t, seed, n, steps, out)
				}
			}
		})
	}
}

// number is what a variable of the environment says, and whether it says anything.
func number(t *testing.T, name string) (uint64, bool) {
	text := os.Getenv(name)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n, true
}

// tell plays one history and says all there is to say.
func tell(t *testing.T, seed uint64) {
	n, steps := history(seed)
	if text := os.Getenv("FH_STEPS"); text != "" {
		var some []step
		for word := range strings.SplitSeq(text, ",") {
			i, err := strconv.Atoi(word)
			if err != nil || i < 0 || i >= len(steps) {
				t.Fatalf("FH_STEPS: there is no step %q", word)
			}
			some = append(some, steps[i])
		}
		steps = some
	}
	out := play(t, seed, n, steps)
	t.Logf("%d servers, version %s, %d events, steps %v\n%s", n, versions[seed%uint64(len(versions))], out.events, steps, strings.Join(out.diary, "\n"))
	if os.Getenv("FH_LOGS") != "" {
		t.Log(out.logs)
	}
	for _, fault := range out.faults {
		t.Error(fault)
	}
}

// smaller leaves out of a history that fails whatever it fails without, for a while, and shows the rest.
func smaller(t *testing.T, seed uint64, n int, steps []step, out outcome) {
	t.Helper()
	left := make([]int, len(steps)) // which of the steps
	for i := range left {
		left[i] = i
	}
	until := time.Now().Add(20 * time.Second)
	for size := len(steps) / 2; size > 0 && time.Now().Before(until); size /= 2 {
		for at := 0; at+size <= len(left) && time.Now().Before(until); {
			less := slices.Delete(slices.Clone(left), at, at+size)
			some := make([]step, len(less))
			for i, k := range less {
				some[i] = steps[k]
			}
			if fewer := play(t, seed, n, some); len(fewer.faults) > 0 {
				left, out = less, fewer
			} else {
				at += size
			}
		}
	}
	words := make([]string, len(left))
	for i, k := range left {
		words[i] = strconv.Itoa(k)
	}
	t.Errorf("history %d of %d servers, room version %s, fails with %d of its %d steps; FH_HISTORY=%d FH_STEPS=%s plays it again:\n%s\nit fails:\n%s",
		seed, n, versions[seed%uint64(len(versions))], len(left), len(steps), seed, strings.Join(words, ","), strings.Join(out.diary, "\n"), strings.Join(out.faults, "\n"))
}
