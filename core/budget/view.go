package budget

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// View is a budget as JSON: its names stay what they are, so that budgets can be compared over the years. All numbers are
// whole; times are milliseconds since 1970, and null for never or not known.
type View struct {
	Version int        `json:"version"`
	Server  string     `json:"server_name"`
	Made    int64      `json:"made_ts"`
	Lines   []LineView `json:"dependencies"` // what stops first first
}

// version of View.
const version = 1

// LineView is a Line.
type LineView struct {
	Name        string       `json:"name"`
	Kind        Kind         `json:"kind"`
	What        string       `json:"what"`
	Used        bool         `json:"in_use"`
	When        When         `json:"when"`         // now, later, never or unknown
	SecondsLeft *int64       `json:"seconds_left"` // 0 for now; null for never and unknown
	Stops       string       `json:"stops"`
	Goes        string       `json:"goes_on,omitempty"`
	Whom        string       `json:"whom,omitempty"`
	Users       int          `json:"users"`
	Rooms       int          `json:"rooms"`
	Peers       int          `json:"servers"`
	Targets     []TargetView `json:"targets,omitempty"`
	More        int          `json:"more_targets,omitempty"`
	Dialed      bool         `json:"dialed"` // this program itself goes there
	Peer        bool         `json:"to_servers,omitempty"`
	Attempts    int64        `json:"attempts"`
	Failed      int64        `json:"failed"`
	LastOK      *int64       `json:"last_success_ts"`
	LastFailed  *int64       `json:"last_failure_ts"`
}

// TargetView is a Target.
type TargetView struct {
	Name        string `json:"name"`
	When        When   `json:"when"`
	SecondsLeft *int64 `json:"seconds_left"`
	Users       int    `json:"users"`
	Rooms       int    `json:"rooms"`
	Note        string `json:"note,omitempty"`
}

// View is the budget for programs.
func (b *Budget) View() *View {
	v := &View{Version: version, Server: string(b.Server), Made: b.At.UnixMilli(), Lines: []LineView{}}
	for _, l := range b.Lines {
		one := LineView{
			Name: l.Name, Kind: l.Kind, What: l.What, Used: l.Used, When: l.When, SecondsLeft: left(l.When, l.Left), Stops: l.Stops, Goes: l.Goes, Whom: l.Whom,
			Users: l.Users, Rooms: l.Rooms, Peers: l.Peers, More: l.More, Dialed: l.Dialed, Peer: l.Peer, Attempts: l.Attempts, Failed: l.Failed,
			LastOK: millis(l.LastOK), LastFailed: millis(l.LastFailed),
		}
		for _, t := range l.Targets {
			one.Targets = append(one.Targets, TargetView{Name: t.Name, When: t.When, SecondsLeft: left(t.When, t.Left), Users: t.Users, Rooms: t.Rooms, Note: t.Note})
		}
		v.Lines = append(v.Lines, one)
	}
	return v
}

func left(w When, d time.Duration) *int64 {
	switch w {
	case Now:
		return new(int64)
	case Later:
		s := int64(d / time.Second)
		return &s
	case Never, Unknown:
	}
	return nil
}

func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

// Seconds is how long a line lasts, for a metric: 0 for now, infinite for never, not a number where it cannot be seen from
// here.
func (l *Line) Seconds() float64 {
	switch l.When {
	case Now:
		return 0
	case Later:
		return l.Left.Seconds()
	case Unknown:
		return math.NaN()
	case Never:
	}
	return math.Inf(1)
}

// Words says when, for people.
func Words(w When, seconds *int64) string {
	switch w {
	case Now:
		return "now"
	case Unknown:
		return "cannot be seen from here"
	case Later:
		if seconds != nil {
			return "in " + span(time.Duration(*seconds)*time.Second)
		}
	case Never:
	}
	return "never"
}

// span is a time in the unit that fits.
func span(d time.Duration) string {
	switch {
	case d >= 2*365*aDay:
		return count(int(d/(365*aDay)), "year")
	case d >= 2*aDay:
		return count(int(d/aDay), "day")
	case d >= 2*time.Hour:
		return count(int(d/time.Hour), "hour")
	}
	return count(max(int(d/time.Minute), 1), "minute")
}

// String is the budget for people.
func (v *View) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The offline budget of %s at %s UTC: what stops when what lies outside of it is gone.\n", v.Server, time.UnixMilli(v.Made).UTC().Format(time.DateTime))
	var unused []string
	heading := ""
	for _, l := range v.Lines {
		if !l.Used && l.Stops != "nothing" {
			unused = append(unused, l.Name)
			continue
		}
		if h := Words(l.When, l.SecondsLeft); h != heading {
			heading = h
			fmt.Fprintf(&b, "\n%s\n", strings.ToUpper(h))
		}
		fmt.Fprintf(&b, "  %s: %s\n", l.Name, l.What)
		if l.Stops != "" && l.Stops != "nothing" {
			fmt.Fprintf(&b, "      stops:   %s\n", l.Stops)
		}
		if l.Goes != "" {
			fmt.Fprintf(&b, "      goes on: %s\n", l.Goes)
		}
		if l.Whom != "" {
			fmt.Fprintf(&b, "      whom:    %s\n", l.Whom)
		}
		const shown = 5
		for _, t := range l.Targets[:min(len(l.Targets), shown)] {
			fmt.Fprintf(&b, "      - %s\n", t.words())
		}
		if n := len(l.Targets) - shown + l.More; n > 0 {
			fmt.Fprintf(&b, "      - and %d more (--json)\n", n)
		}
	}
	if len(unused) > 0 {
		fmt.Fprintf(&b, "\nNOT IN USE HERE\n  %s\n", strings.Join(unused, ", "))
	}
	return b.String()
}

func (t *TargetView) words() string {
	s := t.Name + ": " + Words(t.When, t.SecondsLeft)
	if t.Users > 0 {
		s += ", " + count(t.Users, "user")
	}
	if t.Rooms > 0 {
		s += " in " + count(t.Rooms, "room")
	}
	if t.Note != "" {
		s += " (" + t.Note + ")"
	}
	return s
}
