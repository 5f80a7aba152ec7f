package drill

import (
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"freehold.example/base/durable"
	"freehold.example/core/budget"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Report is what came of a drill. Its names stay what they are, so that reports can be compared over the years; a new one
// raises Version. All numbers are whole, as in canonical JSON: times are milliseconds since 1970, and lengths milliseconds.
type Report struct {
	Version  int       `json:"version"`
	ID       string    `json:"drill_id"`
	Server   id.Server `json:"server_name"`
	Program  string    `json:"program"`
	Scope    string    `json:"scope"`
	By       string    `json:"by"`
	Started  int64     `json:"started_ts"`
	Length   int64     `json:"length_ms"` // as it was asked for
	Cut      int64     `json:"cut_ms"`    // as it was
	Stopped  bool      `json:"stopped"`   // before its time
	Restarts int       `json:"restarts"`  // of the server, in the middle of it

	Promised  []Promise  `json:"promised"` // by the budget, at the beginning
	Journeys  Journeys   `json:"journeys"`
	Outside   []Outside  `json:"outside"` // attempts to go out
	People    PeopleView `json:"people"`
	Clock     *ClockView `json:"clock,omitempty"` // of the scope time
	Surprises []Surprise `json:"surprises"`
	Healing   Healing    `json:"healing"`
	Series    Series     `json:"series"`

	Key        id.Key                          `json:"key_id"`
	Public     string                          `json:"public_key"` // in base64
	Signatures map[string]map[id.Key]signature `json:"signatures,omitempty"`
}

type signature = string

// Promise is a line of the budget that the cut concerned.
type Promise struct {
	Name        string      `json:"name"`
	What        string      `json:"what"`
	Stops       string      `json:"stops"`
	When        budget.When `json:"when"`
	SecondsLeft *int64      `json:"seconds_left"`
	Users       int         `json:"users"`
	Rooms       int         `json:"rooms"`
	Servers     int         `json:"servers"`
	Attempts    int         `json:"attempts"` // observed
	Refused     int         `json:"refused"`
}

// Journeys are what the drill's own accounts have done.
type Journeys struct {
	Rounds int    `json:"rounds"`
	Failed int    `json:"failed"`
	Steps  []Step `json:"steps"`
}

// Step is one thing that they did, over and over.
type Step struct {
	Name   string   `json:"name"`
	Times  int      `json:"times"`
	Failed int      `json:"failed"`
	P50    int64    `json:"p50_ms"`
	P95    int64    `json:"p95_ms"`
	Max    int64    `json:"max_ms"`
	Errors []string `json:"errors,omitempty"`
}

// Outside is what came of one reason to go out.
type Outside struct {
	Reason   string   `json:"reason"`
	Why      string   `json:"why"` // in words
	Attempts int      `json:"attempts"`
	Refused  int      `json:"refused"` // by the cut
	Failed   int      `json:"failed"`  // for another reason
	Reached  int      `json:"reached"` // after the cut, or it did not concern them
	Targets  []Target `json:"targets,omitempty"`
	More     int      `json:"more_attempts,omitempty"` // to places that are not listed
}

// Target is a place that was tried.
type Target struct {
	To       string `json:"to"`
	Attempts int    `json:"attempts"`
	Reached  int    `json:"reached"`
	Last     string `json:"last_error,omitempty"`
}

// PeopleView is what everybody else was answered during the drill.
type PeopleView struct {
	Requests    int64 `json:"requests"`
	Unreachable int64 `json:"unreachable"` // 502 and 504: what they asked for is elsewhere
	Failed      int64 `json:"failed"`      // all other answers of 500 and above
}

// ClockView is how the machine's clock went while nobody set it.
type ClockView struct {
	Over  int64 `json:"measured_ms"`
	Drift int64 `json:"drift_us"` // millionths of a second; negative for slow
	PPM   int64 `json:"drift_ppm"`
}

// Surprise is something that nobody had said beforehand.
type Surprise struct {
	Kind string `json:"kind"` // undeclared, unforeseen, leak, journey, people, healing, cleaning
	Name string `json:"name"`
	Text string `json:"text"`
}

// Healing is what followed the cut.
type Healing struct {
	Healed     bool  `json:"healed"`
	Took       int64 `json:"took_ms"`
	QueuePeak  int   `json:"queue_peak"`  // events and messages that waited for other servers
	SilentPeak int   `json:"silent_peak"` // servers that were not reached
}

// Series are the figures of stretches of time, one after the other, for plots.
type Series struct {
	At       []int64 `json:"at_ms"` // when the stretch ended, since the cut began
	Rounds   []int64 `json:"rounds"`
	Failed   []int64 `json:"failed_rounds"`
	P50      []int64 `json:"p50_ms"` // of the steps
	P95      []int64 `json:"p95_ms"`
	Attempts []int64 `json:"attempts"`
	Refused  []int64 `json:"refused"`
	Queue    []int64 `json:"queue"`
	Silent   []int64 `json:"silent"`
	Requests []int64 `json:"requests"`
	Errors   []int64 `json:"errors"`
}

const reportVersion = 1

// report sums a drill up.
func (d *Drills) report(s *state) *Report {
	t := s.Tally
	t.mu.Lock()
	defer t.mu.Unlock()
	public, _ := d.Signer.Private.Public().(ed25519.PublicKey)
	r := &Report{
		Version: reportVersion, ID: s.ID, Server: d.Signer.Server, Program: "Freehold " + d.Program, Scope: s.Scope, By: s.By, Started: s.Started,
		Length: s.Length, Cut: s.Cut, Stopped: s.Stopped, Restarts: s.Starts,
		Promised: []Promise{}, Journeys: Journeys{Rounds: t.Rounds, Failed: t.Rounds - t.OKRounds, Steps: []Step{}}, Outside: []Outside{},
		People:  PeopleView{t.Requests.Answered, t.Requests.Unreachable, t.Requests.Failed},
		Healing: Healing{Healed: t.Healed, Took: t.HealMS, QueuePeak: t.QueuePeak, SilentPeak: t.SilentPeak},
		Key:     d.Signer.Key, Public: base64.RawStdEncoding.EncodeToString(public),
	}
	scope, _ := ParseScope(s.Scope) // it was read when the drill began
	if s.Budget != nil {
		for _, l := range s.Budget.Lines {
			if !l.Used || !touches(scope, &l) {
				continue
			}
			p := Promise{Name: l.Name, What: l.What, Stops: l.Stops, When: l.When, SecondsLeft: l.SecondsLeft, Users: l.Users, Rooms: l.Rooms, Servers: l.Peers}
			if o := t.Outside[l.Name]; o != nil {
				p.Attempts, p.Refused = o.Attempts, o.Cut
			}
			r.Promised = append(r.Promised, p)
		}
	}
	for _, name := range t.stepNames() {
		x := t.Steps[name]
		one := Step{Name: name, Times: x.Times, Failed: x.Failed, P50: percentile(x.Took, 50), P95: percentile(x.Took, 95), Errors: x.Errors}
		if len(x.Took) > 0 {
			one.Max = slices.Max(x.Took)
		}
		r.Journeys.Steps = append(r.Journeys.Steps, one)
	}
	for _, name := range names(t.Outside) {
		if name != "drill" {
			r.Outside = append(r.Outside, t.outsideOf(name, s.Budget))
		}
	}
	if t.DriftOver >= time.Minute.Milliseconds() {
		r.Clock = &ClockView{Over: t.DriftOver, Drift: t.DriftUS, PPM: t.DriftUS * 1000 / t.DriftOver}
	}
	for _, x := range t.Samples {
		r.Series.add(x)
	}
	r.Surprises = t.surprises(s, r)
	return r
}

// outsideOf is what came of one reason. t.mu is held.
func (t *tally) outsideOf(name string, b *budget.View) Outside {
	o := t.Outside[name]
	out := Outside{Reason: name, Attempts: o.Attempts, Refused: o.Cut, Failed: o.Failed, Reached: o.Reached, More: o.More}
	if l := lineOf(b, name); l != nil {
		out.Why = l.What
	}
	for _, to := range names(o.Targets) {
		x := o.Targets[to]
		out.Targets = append(out.Targets, Target{To: to, Attempts: x.Attempts, Reached: x.Reached, Last: x.Last})
	}
	slices.SortStableFunc(out.Targets, func(a, b Target) int { return cmp.Compare(b.Attempts, a.Attempts) })
	return out
}

func lineOf(b *budget.View, name string) *budget.LineView {
	if b == nil {
		return nil
	}
	for i := range b.Lines {
		if b.Lines[i].Name == name {
			return &b.Lines[i]
		}
	}
	return nil
}

// surprises are what the budget had not said. t.mu is held.
func (t *tally) surprises(s *state, r *Report) []Surprise {
	all := []Surprise{}
	add := func(kind, name, format string, args ...any) {
		all = append(all, Surprise{kind, name, fmt.Sprintf(format, args...)})
	}
	for _, o := range r.Outside {
		l := lineOf(s.Budget, o.Reason)
		to := make([]string, 0, len(o.Targets))
		for _, x := range o.Targets[:min(len(o.Targets), 5)] {
			to = append(to, x.To)
		}
		where := strings.Join(to, ", ")
		switch {
		case l == nil:
			add("undeclared", o.Reason, "%s went out %d times (%s), and is not in the budget", o.Reason, o.Attempts, where)
		case o.Refused > 0 && (!l.Used || l.When == budget.Never):
			add("unforeseen", o.Reason, "%s was tried %d times (%s), though the budget said that nothing stops without it", o.Reason, o.Attempts, where)
		}
	}
	for _, to := range names(t.Sockets) {
		by := t.Sockets[to].By
		if by == "" {
			by = "code that cannot be told from here"
		}
		add("undeclared", to, "a connection to %s was open that did not go through the door: made by %s", to, by)
	}
	for _, x := range r.Journeys.Steps {
		if x.Failed > 0 {
			add("journey", x.Name, "%s failed %d of %d times: %s", x.Name, x.Failed, x.Times, strings.Join(x.Errors, "; "))
		}
	}
	if r.People.Failed > 0 {
		add("people", "requests", "%d of %d requests of other people failed", r.People.Failed, r.People.Requests)
	}
	if !r.Healing.Healed {
		last := sample{}
		if n := len(t.Samples); n > 0 {
			last = t.Samples[n-1]
		}
		add("healing", "healing", "not everything was as before when the report was made: %d waiting for other servers (%d before), %d servers not reached (%d before)",
			last.Queue, t.QueueBefore, last.Silent, t.SilentBefore)
	}
	if t.Unclean != "" {
		add("cleaning", "accounts", "the accounts of the drill are still there: %s", t.Unclean)
	}
	return all
}

func (s *Series) add(x sample) {
	s.At = append(s.At, x.At)
	s.Rounds = append(s.Rounds, int64(x.Rounds))
	s.Failed = append(s.Failed, int64(x.Bad))
	s.P50 = append(s.P50, x.P50)
	s.P95 = append(s.P95, x.P95)
	s.Attempts = append(s.Attempts, int64(x.Attempts))
	s.Refused = append(s.Refused, int64(x.Cut))
	s.Queue = append(s.Queue, int64(x.Queue))
	s.Silent = append(s.Silent, int64(x.Silent))
	s.Requests = append(s.Requests, x.Answered)
	s.Errors = append(s.Errors, x.Failed)
}

// limit: reports of drills that are kept | %d, each of some 50 KB | the oldest goes
const maxReports = 200

// write signs the report and keeps it.
func (d *Drills) write(s *state) error {
	b, err := json.Marshal(d.report(s))
	if err != nil {
		return err
	}
	signed, err := event.SignJSON(b, string(d.Signer.Server), d.Signer.Key, d.Signer.Private)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(inFolder(d.Dir)); err != nil {
		return err
	}
	if err := durable.WriteFile(inFolder(d.Dir, s.ID+".json"), append(signed, '\n'), 0o600); err != nil {
		return err
	}
	all, err := List(d.Dir)
	for _, old := range all[min(len(all), maxReports):] {
		err = errors.Join(err, forget(d.Dir, old+".json"))
	}
	return err
}

// List is the ids of the reports that are kept, the newest first.
func List(dir string) (ids []string, err error) {
	entries, err := os.ReadDir(inFolder(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && len(name) > 4 && name[4] == '-' {
			ids = append(ids, name)
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids, err
}

// Read gives a report as it was signed.
func Read(dir, drill string) ([]byte, error) {
	if drill == "" || strings.ContainsAny(drill, `/\`) {
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(inFolder(dir, drill+".json"))
}

// lastTime is when there last was a drill. With none, one is due a whole period after they were first wanted.
func lastTime(dir string) (time.Time, error) {
	all, err := List(dir)
	if err != nil {
		return time.Time{}, err
	}
	if len(all) > 0 {
		return time.Parse("2006-01-02T15-04-05Z", all[0])
	}
	info, err := os.Stat(inFolder(dir))
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// ErrChanged says that a report is not as it was signed.
var ErrChanged = errors.New("it is not what the server has signed")

// Verify reads a report and checks that it is as it was signed, by the key that it names itself. Whether that is the server's
// is for who asks to compare: known is the key that he knows to be, or nil.
func Verify(b []byte, known ed25519.PublicKey) (*Report, error) {
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("it is no report: %w", err)
	}
	public, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(r.Public, "="))
	if err != nil || len(public) != ed25519.PublicKeySize || r.Server == "" {
		return nil, errors.New("it is no report of a drill")
	}
	if known != nil && !known.Equal(ed25519.PublicKey(public)) {
		return &r, errors.New("it is signed with another key than that server's")
	}
	if err := event.VerifyJSON(b, string(r.Server), r.Key, public); err != nil {
		return &r, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	return &r, nil
}

// Drift is how the clock of the machine went in the last drill that measured it; ok is false where none has.
func (d *Drills) Drift() (ppm int64, at time.Time, ok bool) {
	const looked = 24 // a clock of years ago says nothing
	all, err := List(d.Dir)
	if err != nil {
		return 0, at, false
	}
	for _, one := range all[:min(len(all), looked)] {
		b, err := Read(d.Dir, one)
		if err != nil {
			continue
		}
		if r, err := Verify(b, nil); err == nil && r.Clock != nil {
			return r.Clock.PPM, time.UnixMilli(r.Started), true
		}
	}
	return 0, at, false
}

// Reports is List.
func (d *Drills) Reports() ([]string, error) { return List(d.Dir) }

// Report is Read.
func (d *Drills) Report(drill string) ([]byte, error) { return Read(d.Dir, drill) }
