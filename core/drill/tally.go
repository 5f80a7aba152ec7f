package drill

import (
	"cmp"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"freehold.example/base/dial"
)

// tally is what a drill observes. It is on disk with its state, so all of it is bounded.
type tally struct {
	mu sync.Mutex // guards what follows

	Rounds   int                 `json:"rounds"` // journeys
	OKRounds int                 `json:"ok_rounds"`
	Steps    map[string]*steps   `json:"steps"`   // bounded: the steps that there are
	Outside  map[string]*outside `json:"outside"` // bounded: the reasons at the door
	Samples  []sample            `json:"samples"` // bounded by maxSamples
	Sockets  map[string]*socket  `json:"sockets"` // bounded by maxSockets
	Requests people              `json:"requests"`
	Before   []int64             `json:"before_ms"` // bounded: steps of the round before the cut

	QueueBefore, SilentBefore int
	QueuePeak, SilentPeak     int
	Healed                    bool
	HealMS                    int64
	DriftUS                   int64 // of the clock while nobody set it, in millionths of a second
	DriftOver                 int64 // ... in so many milliseconds
	Unclean                   string

	now sample // that is being filled
	own people // requests of the drill's own since the last stretch
}

// steps is what came of one kind of step.
type steps struct {
	Times  int      `json:"times"`
	Failed int      `json:"failed"`
	Took   []int64  `json:"took_ms"` // bounded by maxTook: of those that went well, every so many of them once there are many
	Every  int      `json:"every"`
	Errors []string `json:"errors"` // bounded by maxErrors: the first different ones
	Order  int      `json:"order"`
}

// outside is what came of one reason to go out.
type outside struct {
	Attempts int                `json:"attempts"`
	Cut      int                `json:"cut"`     // refused by the cut
	Failed   int                `json:"failed"`  // for other reasons
	Reached  int                `json:"reached"` // after the cut, or it does not concern them
	Targets  map[string]*target `json:"targets"` // bounded by maxTargets
	More     int                `json:"more"`    // attempts to others
}

type target struct {
	Attempts int    `json:"attempts"`
	Reached  int    `json:"reached"`
	Last     string `json:"last_error"`
}

// socket is a connection of this process that the door has not made.
type socket struct {
	Times int    `json:"times"` // it was seen
	By    string `json:"by"`    // the code that made it, where that can be told
}

// people are requests that were not the drill's own.
type people struct {
	Answered    int64 `json:"answered"`
	Unreachable int64 `json:"unreachable"` // 502 and 504: what was asked for is elsewhere
	Failed      int64 `json:"failed"`      // all other answers of 500 and above
}

// sample is what happened in a stretch of time.
type sample struct {
	At       int64   `json:"at_ms"` // since the cut began
	Rounds   int     `json:"rounds"`
	Bad      int     `json:"bad_rounds"`
	Took     []int64 `json:"took_ms"` // bounded by the steps of a stretch
	Attempts int     `json:"attempts"`
	Cut      int     `json:"cut"`
	Queue    int     `json:"queue"`
	Silent   int     `json:"silent"`
	Answered int64   `json:"answered"`
	Failed   int64   `json:"failed"`
	P50, P95 int64
}

const (
	// limit: stretches of a drill that its report has figures of | %d | later ones are added to the last
	maxSamples = 400
	maxTook    = 2000
	// limit: different errors of a step that a drill remembers | %d of 300 bytes | later ones are counted
	maxErrors = 5
	// limit: places that a drill remembers attempts to, of each reason | %d | the others are counted
	maxTargets = 30
	// limit: undeclared connections that a drill remembers | %d | later ones are left out
	maxSockets = 50
)

func newTally() *tally {
	t := &tally{}
	t.mend()
	return t
}

// mend makes what a file may lack.
func (t *tally) mend() {
	if t.Steps == nil {
		t.Steps = map[string]*steps{}
	}
	if t.Outside == nil {
		t.Outside = map[string]*outside{}
	}
	if t.Sockets == nil {
		t.Sockets = map[string]*socket{}
	}
}

// step notes a step of a journey.
func (t *tally) step(name string, took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.Steps[name]
	if s == nil {
		s = &steps{Every: 1, Order: len(t.Steps)}
		t.Steps[name] = s
	}
	s.Times++
	if err != nil {
		s.Failed++
		if text := clip(err.Error()); len(s.Errors) < maxErrors && !slices.Contains(s.Errors, text) {
			s.Errors = append(s.Errors, text)
		}
		return
	}
	ms := took.Milliseconds()
	if (s.Times-s.Failed)%s.Every == 0 {
		s.Took = append(s.Took, ms)
	}
	if len(s.Took) >= maxTook {
		for i := range maxTook / 2 {
			s.Took[i] = s.Took[2*i]
		}
		s.Took, s.Every = s.Took[:maxTook/2], 2*s.Every
	}
	t.now.Took = append(t.now.Took, ms)
}

// round notes the end of a journey.
func (t *tally) round(ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Rounds++
	t.now.Rounds++
	if ok {
		t.OKRounds++
	} else {
		t.now.Bad++
	}
}

// request notes an answer that the drill itself was given.
func (t *tally) request(status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.own.Answered++; {
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		t.own.Unreachable++
	case status >= http.StatusInternalServerError:
		t.own.Failed++
	}
}

// begin forgets what the drill itself was answered before anything was counted.
func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own = people{}
}

// attempt notes an attempt to go out.
func (t *tally) attempt(a dial.Attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.Outside[a.Reason]
	if o == nil {
		o = &outside{}
		t.Outside[a.Reason] = o
	}
	if o.Targets == nil {
		o.Targets = map[string]*target{}
	}
	o.Attempts++
	t.now.Attempts++
	switch {
	case a.Err == nil:
		o.Reached++
	case errors.Is(a.Err, dial.ErrCut):
		o.Cut++
		t.now.Cut++
	default:
		o.Failed++
	}
	to := o.Targets[a.To]
	if to == nil {
		if len(o.Targets) >= maxTargets {
			o.More++
			return
		}
		to = &target{}
		o.Targets[clip(a.To)] = to
	}
	to.Attempts++
	if a.Err == nil {
		to.Reached++
	} else {
		to.Last = why(a.Err)
	}
}

// why is an error in a word or two.
func why(err error) string {
	var missing *net.DNSError
	var slow net.Error
	switch {
	case errors.Is(err, dial.ErrCut):
		return "cut"
	case errors.As(err, &missing):
		return "the name was not found"
	case errors.As(err, &slow) && slow.Timeout():
		return "no answer in time"
	}
	return clip(err.Error())
}

func clip(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " ..."
	}
	return s
}

// stranger notes a connection that the door has not made.
func (t *tally) stranger(to, by string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.Sockets[to]
	if s == nil {
		if len(t.Sockets) >= maxSockets {
			return
		}
		s = &socket{}
		t.Sockets[to] = s
	}
	s.Times++
	s.By = cmp.Or(s.By, clip(by))
}

// take ends a stretch.
func (t *tally) take(at time.Duration, queue, silent int, answered people) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.now
	t.now = sample{}
	less(&answered.Answered, &t.own.Answered)
	less(&answered.Unreachable, &t.own.Unreachable)
	less(&answered.Failed, &t.own.Failed)
	s.At, s.Queue, s.Silent, s.Answered, s.Failed = at.Milliseconds(), queue, silent, answered.Answered, answered.Failed
	s.P50, s.P95 = percentile(s.Took, 50), percentile(s.Took, 95)
	s.Took = nil
	t.Requests.Answered += answered.Answered
	t.Requests.Failed += answered.Failed
	t.Requests.Unreachable += answered.Unreachable
	t.QueuePeak, t.SilentPeak = max(t.QueuePeak, queue), max(t.SilentPeak, silent)
	if len(t.Samples) >= maxSamples {
		last := &t.Samples[len(t.Samples)-1]
		last.At, last.Queue, last.Silent = s.At, s.Queue, s.Silent
		last.Rounds += s.Rounds
		last.Bad += s.Bad
		last.Attempts += s.Attempts
		last.Cut += s.Cut
		last.Answered += s.Answered
		last.Failed += s.Failed
		return
	}
	t.Samples = append(t.Samples, s)
}

// less takes the drill's own from a count. What is counted late is taken from the next one.
func less(count, own *int64) {
	n := min(*count, *own)
	*count -= n
	*own -= n
}

// percentile of some milliseconds; 0 of none.
func percentile(of []int64, p int) int64 {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

// names of a map in their order.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// stepNames are the steps in the order in which they are taken.
func (t *tally) stepNames() []string {
	all := names(t.Steps)
	sort.SliceStable(all, func(i, j int) bool { return t.Steps[all[i]].Order < t.Steps[all[j]].Order })
	return all
}
