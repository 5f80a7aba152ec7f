// Package doctor looks at a server's settings and at what it keeps, and says in plain words what will not work and what to
// do about it. It changes nothing, and contacts nothing outside: only the database of the settings, and the server itself
// on this machine.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"freehold.example/server"
)

// Grade says how bad something is.
type Grade string

const (
	Good    Grade = "good"
	Warning Grade = "warning" // it works, and may surprise
	Bad     Grade = "bad"     // it does not work, or not for long
)

// Finding is one thing that was looked at.
type Finding struct {
	Check string `json:"check"` // what, in one word
	Grade Grade  `json:"grade"`
	Text  string `json:"text"`         // what is so
	Do    string `json:"do,omitempty"` // what to do about it
}

// Outside is something beyond this machine that the settings make the server depend on.
type Outside struct {
	Name  string `json:"name"`
	For   string `json:"for"`
	Stops string `json:"stops"` // what stops working without it, and when
}

// Report is all that was found.
type Report struct {
	Findings []Finding `json:"findings"`
	Outside  []Outside `json:"outside"`
}

// Bad counts the findings of that grade.
func (r *Report) Count(g Grade) (n int) {
	for _, f := range r.Findings {
		if f.Grade == g {
			n++
		}
	}
	return n
}

// Patient is what is examined.
type Patient struct {
	Config  server.Config
	Wrong   error    // why the settings cannot be used; nil if they can
	Unknown []string // variables of the environment that look like settings and are none
	Deep    bool     // read every file and the whole database
	Version string
	Now     func() time.Time
}

// examination is one look at a patient.
type examination struct {
	Patient
	report  Report
	running bool // a server answers on the admin socket
}

// Examine looks at everything. It goes on after what is bad, as far as the rest can be looked at.
func Examine(ctx context.Context, p Patient) Report {
	e := &examination{Patient: p, report: Report{Findings: []Finding{}, Outside: []Outside{}}}
	e.settings()
	if e.Wrong != nil {
		return e.report
	}
	e.name()
	e.directory(ctx)
	e.database(ctx)
	e.listeners(ctx)
	e.certificate()
	e.services(ctx)
	e.clock()
	e.backup()
	e.outside()
	return e.report
}

func (e *examination) good(check, format string, args ...any) {
	e.add(Finding{Check: check, Grade: Good, Text: fmt.Sprintf(format, args...)})
}

func (e *examination) warn(check, do, format string, args ...any) {
	e.add(Finding{Check: check, Grade: Warning, Text: fmt.Sprintf(format, args...), Do: do})
}

func (e *examination) bad(check, do, format string, args ...any) {
	e.add(Finding{Check: check, Grade: Bad, Text: fmt.Sprintf(format, args...), Do: do})
}

func (e *examination) add(f Finding) { e.report.Findings = append(e.report.Findings, f) }

// String is the report for a person: a line for each finding, what to do about it below.
func (r *Report) String() string {
	var b strings.Builder
	marks := map[Grade]string{Good: "✓", Warning: "!", Bad: "✗"}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s\n", marks[f.Grade], f.Text)
		if f.Do != "" {
			fmt.Fprintf(&b, "    %s\n", f.Do)
		}
	}
	if len(r.Outside) > 0 {
		b.WriteString("\nOutside this machine, these settings depend on:\n")
		for _, o := range r.Outside {
			fmt.Fprintf(&b, "  %s: %s\n    without it: %s\n", o.Name, o.For, o.Stops)
		}
	} else {
		b.WriteString("\nThese settings depend on nothing outside this machine.\n")
	}
	switch bad, warnings := r.Count(Bad), r.Count(Warning); {
	case bad > 0:
		fmt.Fprintf(&b, "\n%s, %s.\n", number(bad, "thing will not work", "things will not work"), number(warnings, "warning", "warnings"))
	case warnings > 0:
		fmt.Fprintf(&b, "\nIt works; %s.\n", number(warnings, "thing to know", "things to know"))
	default:
		b.WriteString("\nAll is well.\n")
	}
	return b.String()
}

func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}
