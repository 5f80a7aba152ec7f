package cutoff

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/core/budget"
)

// What is observed is compared with what the house had promised before the cut, by its offline budget: everything that fails has a
// line there that says so, and every line that says that something stops is seen to be right. What is observed comes from the
// router, which knows the places, from the house's own count, which knows the reasons, and from its people.

// promise is what the house has said, and what came of it.
type promise struct {
	judge *person // an administrator of the house who only asks for this
	said  *budget.View
	read  map[string]count // the house's own count when it was last read, since it was started
	part  map[string]count // the same, since the part of the stage began
	seen  map[string]bool  // lines of which something was seen to stop, in this stage

	mu     sync.Mutex      // guards what follows
	failed map[string]int  // what people of the house were not given: by what they asked for, in this part
	asked  map[string]bool // what was asked for to be refused, of that
}

// count is of attempts to go out for one reason.
type count struct{ attempts, failed int64 }

// promised takes the budget down, from when on it is held to it.
func (s *story) promised(t *testing.T) {
	t.Helper()
	s.judge = s.house.administrator(t, "judge")
	s.read, s.part, s.seen = map[string]count{}, map[string]count{}, map[string]bool{}
	s.failed, s.asked = map[string]int{}, map[string]bool{}
	s.said = s.budget(t)
	s.house.ends = func(t testing.TB) {
		s.count(t)
		clear(s.read)
	}
	s.house.answered = s.note
	for name, lines := range rests {
		if !slices.ContainsFunc(slices.Concat(own, shared), func(x step) bool { return x.name == name }) {
			t.Errorf("there is no step %q", name)
		}
		for _, line := range lines {
			if l, _, _ := strings.Cut(line, "/"); s.line(l) == nil {
				t.Errorf("the budget says nothing of %s", l)
			}
		}
	}
}

// rests is on which lines of the budget steps rest: that of one that goes well has not stopped. All that is not here rests on the
// house alone.
var rests = map[string][]string{
	"sign up by invitation":            {"identity"},
	"sign in and out":                  {"identity"},
	"change the password":              {"identity"},
	"whoever was signed in still is":   {"identity", "time"},
	"a message that is sent later":     {"time"},
	"back up":                          {"database"},
	"restart":                          {"database"},
	"upgrade the program from a file":  {"updates"},
	"talk across in both directions":   {"keys", "authorities", "names/farm.test"},
	"believe the other side":           {"authorities", "keys/farm.test"},
	"join by a name of the other side": {"names/farm.test", "keys"},
}

func (s *story) budget(t testing.TB) *budget.View {
	t.Helper()
	s.renew(t, s.judge)
	v := new(budget.View)
	if err := json.Unmarshal(s.judge.get(t, "/_freehold/admin/v1/budget").raw, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// line is one of those that were promised.
func (s *story) line(name string) *budget.LineView {
	i := slices.IndexFunc(s.said.Lines, func(l budget.LineView) bool { return l.Name == name })
	if i < 0 {
		return nil
	}
	return &s.said.Lines[i]
}

// over says whether what was promised to stop then has stopped after so long.
func over(w budget.When, left *int64, after time.Duration) bool {
	return w == budget.Now || w == budget.Later && left != nil && after >= time.Duration(*left)*time.Second
}

// stops says whether the house has promised that what rests on this stops, by now. A name is that of a line, or a line/target.
func (s *story) stops(name string) bool {
	name, target, one := strings.Cut(name, "/")
	l := s.line(name)
	if l == nil || !l.Used {
		return false
	}
	if !one {
		return over(l.When, l.SecondsLeft, s.house.offset)
	}
	return slices.ContainsFunc(l.Targets, func(x budget.TargetView) bool {
		return x.Name == target && over(x.When, x.SecondsLeft, s.house.offset)
	})
}

// foreseen checks that what the house says today is what it had promised for today.
func (s *story) foreseen(t *testing.T) {
	t.Helper()
	today := map[string]budget.LineView{}
	for _, l := range s.budget(t).Lines {
		today[l.Name] = l
	}
	for _, was := range s.said.Lines {
		is, there := today[was.Name]
		delete(today, was.Name)
		want, left := was.When, time.Duration(0)
		if was.When == budget.Later {
			if left = time.Duration(*was.SecondsLeft)*time.Second - s.house.offset; left <= 0 {
				want = budget.Now
			}
		}
		wrong := !there || is.When != want || is.Used != was.Used
		if !wrong && want == budget.Later {
			wrong = (left - time.Duration(*is.SecondsLeft)*time.Second).Abs() > time.Hour
		}
		if wrong {
			t.Errorf("%s was promised to stop %s, %s ago; today it says %s (in use: %v)", was.Name, budget.Words(was.When, was.SecondsLeft), s.house.offset, budget.Words(is.When, is.SecondsLeft), is.Used)
		}
	}
	for name := range today {
		t.Errorf("%s is in the budget of today, and was not promised", name)
	}
}

// count reads the house's own count of attempts to go out.
func (s *story) count(t testing.TB) {
	t.Helper()
	for _, l := range s.budget(t).Lines {
		if l.Dialed {
			was, sum := s.read[l.Name], s.part[l.Name]
			s.part[l.Name] = count{sum.attempts + l.Attempts - was.attempts, sum.failed + l.Failed - was.failed}
			s.read[l.Name] = count{l.Attempts, l.Failed}
		}
	}
}

// note takes down what people of the house are not given.
func (s *story) note(method, path string, a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.status >= http.StatusInternalServerError {
		s.failed[method+" "+path+": "+a.String()]++
	}
	if failures, ok := a.json["failures"].(obj); ok && strings.HasSuffix(path, "/keys/query") {
		for server := range failures {
			s.failed["keys of "+server]++
		}
	}
}

// begins is the beginning of a part: what was observed before is not of it.
func (s *story) begins(t *testing.T) {
	t.Helper()
	s.count(t)
	s.forget()
}

// forget begins to observe anew.
func (s *story) forget() {
	s.w.attempts(s.house)
	clear(s.part)
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.failed)
	clear(s.asked)
}

// explain compares what was observed in a part with what was promised.
func (s *story) explain(t *testing.T, part string) {
	t.Helper()
	s.count(t)
	tried := s.w.attempts(s.house)
	known := s.places()
	for what, times := range tried {
		if !known[what] {
			t.Errorf("%s: the house has tried to reach %s, %d times: no line of its budget leads there", part, what, times)
		}
	}
	var reasons []string
	for name, n := range s.part {
		if n.attempts == 0 {
			continue
		}
		reasons = append(reasons, fmt.Sprintf("%s %d of %d failed", name, n.failed, n.attempts))
		l := s.line(name)
		switch {
		case l == nil:
			t.Errorf("%s: the house went out for %s, which is not in the budget", part, name)
		case l.Kind == budget.Own:
		case n.failed > 0 && !s.stops(name):
			t.Errorf("%s: %d attempts for %s failed, and the budget says that it stops %s", part, n.failed, name, budget.Words(l.When, l.SecondsLeft))
		case part == "alone" && l.Kind != budget.Names && n.failed < n.attempts: // a DNS that lies has answered
			t.Errorf("%s: %d attempts for %s came to something, with nobody there", part, n.attempts-n.failed, name)
		case n.failed > 0:
			s.seen[name] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, times := range s.failed {
		server, keys := strings.CutPrefix(what, "keys of ")
		request, _, _ := strings.Cut(what, ": ")
		if keys && !s.stops("federation/"+server) || !keys && !s.asked[request] {
			t.Errorf("%s: somebody of the house was not served, %d times, and the budget does not say so: %s", part, times, what)
		}
	}
	slices.Sort(reasons)
	t.Logf("%s: attempts to get out, none of them needed: %s; by reason: %s", part, show(tried), strings.Join(reasons, ", "))
}

// places is where the lines lead that are in use: "address:port", or a question to the DNS.
func (s *story) places() map[string]bool {
	all := map[string]bool{}
	question := func(host string) {
		for _, name := range []string{"", "matrix.", "_matrix._tcp.", "_matrix-fed._tcp."} {
			all["? "+name+host+"."] = true
		}
	}
	sites := map[string]*site{s.farm.name: s.farm, s.city.name: s.city}
	for _, l := range s.said.Lines {
		for _, x := range l.Targets {
			switch other := sites[x.Name]; {
			case !l.Used || l.Kind == budget.Calls:
			case l.Kind == budget.Push:
				all["? "+x.Name+"."] = true
			case l.Name == "federation" && other != nil:
				all[netip.AddrPortFrom(other.addr, portOf(other)).String()] = true
				question(x.Name)
			}
		}
	}
	if s.stops("names") && strings.Contains(s.line("names").Stops, "never met") {
		question(stranger)
	}
	return all
}

// complete checks, at the end of a stage in which everything was asked for, that whatever was promised to stop was seen to.
func (s *story) complete(t *testing.T) {
	t.Helper()
	var seen []string
	for _, l := range s.said.Lines {
		switch stops := s.stops(l.Name); {
		case stops && !s.seen[l.Name]:
			t.Errorf("the budget says that this stops, and nothing was seen of it: %s: %s", l.Name, l.Stops)
		case stops:
			seen = append(seen, l.Name)
		case s.seen[l.Name]:
			t.Errorf("%s was seen to stop, and the budget says that it does %s", l.Name, budget.Words(l.When, l.SecondsLeft))
		}
	}
	t.Logf("promised to stop, and did: %s; did, in all: %v", strings.Join(seen, ", "), slices.Sorted(maps.Keys(s.seen)))
}

// rested checks a step that went well: nothing that it rests on was promised to stop.
func (s *story) rested(t *testing.T, x step) {
	t.Helper()
	for _, name := range rests[x.name] {
		if s.stops(name) && !t.Failed() {
			t.Errorf("it went well, and the budget says that %s stops", name)
		}
	}
}
