package drill

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"freehold.example/core/budget"
)

// Verdict is a report in a few words.
func (r *Report) Verdict() string {
	switch n := len(r.Surprises); {
	case n == 1:
		return "one surprise"
	case n > 1:
		return fmt.Sprintf("%d surprises", n)
	case r.Stopped:
		return "as promised, up to where it was stopped"
	}
	return "as promised"
}

// duration is milliseconds for people.
func duration(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", ms)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
}

func when(ms int64) string { return time.UnixMilli(ms).UTC().Format("2 January 2006, 15:04:05 UTC") }

// Words says when it stops.
func (p Promise) Words() string { return budget.Words(p.When, p.SecondsLeft) }

// Whom says for whom.
func (p Promise) Whom() string {
	var words []string
	for _, x := range []struct {
		n    int
		what string
	}{{p.Users, "user"}, {p.Rooms, "room"}, {p.Servers, "server"}} {
		switch {
		case x.n == 1:
			words = append(words, "1 "+x.what)
		case x.n > 1:
			words = append(words, fmt.Sprintf("%d %ss", x.n, x.what))
		}
	}
	return strings.Join(words, ", ")
}

// String is the report for people.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Drill of %s on %s: %s\n", r.Server, when(r.Started), r.Verdict())
	fmt.Fprintf(&b, "Cut off for %s (of %s asked for by %s) from %s.\n", duration(r.Cut), duration(r.Length), r.By, scopeWords(r.Scope))
	if r.Restarts > 0 {
		fmt.Fprintf(&b, "The server was started %d times in the middle of it, and the drill went on.\n", r.Restarts)
	}
	b.WriteString("\nSURPRISES\n")
	if len(r.Surprises) == 0 {
		b.WriteString("  none: everything that happened had been promised\n")
	}
	for _, s := range r.Surprises {
		fmt.Fprintf(&b, "  %s: %s\n", s.Kind, s.Text)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nPROMISED\tstops\ttried\trefused\n")
	for _, p := range r.Promised {
		fmt.Fprintf(w, "  %s\t%s\t%d\t%d\n", p.Name, p.Words(), p.Attempts, p.Refused)
	}
	fmt.Fprintf(w, "\nOBSERVED\ttimes\tfailed\tmedian\t95 of 100\tlongest\n")
	for _, s := range r.Journeys.Steps {
		fmt.Fprintf(w, "  %s\t%d\t%d\t%s\t%s\t%s\n", s.Name, s.Times, s.Failed, duration(s.P50), duration(s.P95), duration(s.Max))
	}
	_ = w.Flush() // into memory
	fmt.Fprintf(&b, "  %d journeys, %d of them with something that failed\n", r.Journeys.Rounds, r.Journeys.Failed)
	fmt.Fprintf(&b, "  other people: %d requests, %d failed, %d asked for what is elsewhere\n", r.People.Requests, r.People.Failed, r.People.Unreachable)
	if c := r.Clock; c != nil {
		fmt.Fprintf(&b, "  the clock, with nobody setting it, went wrong by %d µs in %s: %d millionths\n", c.Drift, duration(c.Over), c.PPM)
	}
	b.WriteString("\nATTEMPTS TO GO OUT\n")
	if len(r.Outside) == 0 {
		b.WriteString("  none\n")
	}
	for _, o := range r.Outside {
		fmt.Fprintf(&b, "  %s: %d, of which the cut refused %d, %d failed, %d came through (after its end, or it did not concern them)\n", o.Reason, o.Attempts, o.Refused, o.Failed, o.Reached)
		for _, t := range o.Targets[:min(len(o.Targets), 5)] {
			fmt.Fprintf(&b, "      %s: %d %s\n", t.To, t.Attempts, t.Last)
		}
	}
	h := r.Healing
	b.WriteString("\nHEALING\n")
	if h.Healed {
		fmt.Fprintf(&b, "  all was as before %s after the cut; at most %d waited for other servers, %d servers were not reached\n", duration(h.Took), h.QueuePeak, h.SilentPeak)
	} else {
		b.WriteString("  not everything was as before when the report was made\n")
	}
	fmt.Fprintf(&b, "\nSigned by %s with %s (%s).\n", r.Server, r.Key, r.Public)
	return b.String()
}
