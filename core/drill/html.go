package drill

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"duration": duration, "when": when, "scope": scopeWords,
	"day": func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2 Jan 2006") },
}).Parse(page))

// HTML is the report as one page that needs nothing else: neither a script nor the network. earlier are those before it, the
// newest first; raw is the report as it was signed, which is in the page too.
func (r *Report) HTML(raw []byte, earlier []*Report) ([]byte, error) {
	s := &r.Series
	var slowest int64
	for _, p := range s.P95 {
		slowest = max(slowest, p)
	}
	data := struct {
		*Report
		Raw     string
		Earlier []*Report
		Plots   []plot
		Good    bool
		Slowest int64
		Refused int
	}{Report: r, Raw: string(bytes.TrimSpace(raw)), Earlier: earlier, Good: len(r.Surprises) == 0, Slowest: slowest}
	for _, o := range r.Outside {
		data.Refused += o.Refused
	}
	ok := make([]int64, len(s.Rounds))
	let := make([]int64, len(s.Attempts))
	for i := range s.Rounds {
		ok[i] = s.Rounds[i] - s.Failed[i]
		let[i] = s.Attempts[i] - s.Refused[i]
	}
	for _, p := range []plot{
		{Title: "How long a step takes", Unit: "ms", gaps: true, Note: "signing in, sending, reading, searching ... of the drill's accounts", lines: []line{{"95 of 100 within", "b", s.P95}, {"half within", "a", s.P50}}},
		{Title: "Journeys", Unit: "", Note: "from signing in to signing out", bars: true, lines: []line{{"without a fault", "a", ok}, {"with something that failed", "bad", s.Failed}}},
		{Title: "Attempts to go out", Unit: "", Note: "after the cut they come through again", bars: true, lines: []line{{"refused by the cut", "b", s.Refused}, {"came through", "a", let}}},
		{Title: "Waiting for other servers", Unit: "", Note: "events and messages, and servers that are not reached", lines: []line{{"events and messages", "b", s.Queue}, {"silent servers", "a", s.Silent}}},
		{Title: "Requests of other people", Unit: "", Note: "who were served as ever", bars: true, lines: []line{{"answered", "a", s.Requests}, {"failed", "bad", s.Errors}}},
	} {
		p.draw(s.At, r.Cut)
		data.Plots = append(data.Plots, p)
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// plot is one drawing.
type plot struct {
	Title, Unit, Note string
	SVG               template.HTML
	Legend            []line

	bars  bool // stacked
	gaps  bool // where a value is nothing, there is none
	lines []line
}

type line struct {
	Name, Class string
	values      []int64
}

// The place within a drawing, in its own units.
const (
	width, height             = 640.0, 190.0
	left, right, top, bottom  = 46.0, 10.0, 12.0, 26.0
	plotWidth, plotHeight     = width - left - right, height - top - bottom
	ticksAcross, ticksUpwards = 6, 3
)

// draw makes the SVG. Everything in it comes from numbers.
func (p *plot) draw(at []int64, cut int64) {
	p.Legend = p.lines
	var end int64 = 1
	if n := len(at); n > 0 {
		end = max(end, at[n-1])
	}
	end = max(end, cut)
	peak := int64(1)
	for i := range at {
		var sum int64
		for _, l := range p.lines {
			if p.bars {
				sum += l.values[i]
			} else {
				sum = max(sum, l.values[i])
			}
		}
		peak = max(peak, sum)
	}
	step := nice(float64(peak) / ticksUpwards)
	ceiling := step * math.Ceil(float64(peak)/step)
	x := func(ms int64) float64 { return left + plotWidth*float64(ms)/float64(end) }
	y := func(v float64) float64 { return top + plotHeight*(1-v/ceiling) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img">`, width, height)
	fmt.Fprintf(&b, `<rect class="cut" x="%.1f" y="%g" width="%.1f" height="%g"/>`, x(0), top, x(min(cut, end))-x(0), plotHeight)
	for v := 0.0; v <= ceiling+step/2; v += step {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			left, width-right, y(v), y(v), left-6, y(v)+3.5, figure(v))
	}
	across := niceTime(float64(end) / ticksAcross)
	for ms := int64(0); ms <= end; ms += across {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`, x(ms), height-8, clockText(ms, across))
	}
	if p.bars {
		p.drawBars(&b, at, x, y)
	} else {
		for _, l := range p.lines {
			l.draw(&b, at, x, y, p.gaps)
		}
	}
	fmt.Fprintf(&b, `<line class="edge" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/>`, x(min(cut, end)), x(min(cut, end)), top, top+plotHeight)
	b.WriteString(`</svg>`)
	p.SVG = template.HTML(b.String()) // #nosec G203 -- of numbers and constants
}

func (p *plot) drawBars(b *strings.Builder, at []int64, x func(int64) float64, y func(float64) float64) {
	from := int64(0)
	for i, to := range at {
		low := 0.0
		for _, l := range p.lines {
			v := float64(l.values[i])
			if v <= 0 {
				continue
			}
			w := x(to) - x(from)
			fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, l.Class, x(from)+w*.1, y(low+v), max(w*.8, .8), y(low)-y(low+v))
			low += v
		}
		from = to
	}
}

// draw makes a line with a soft area below.
func (l *line) draw(b *strings.Builder, at []int64, x func(int64) float64, y func(float64) float64, gaps bool) {
	if gaps {
		var some []int64
		var values []int64
		for i, v := range l.values {
			if v > 0 {
				some, values = append(some, at[i]), append(values, v)
			}
		}
		at, l = some, &line{Class: l.Class, values: values}
	}
	if len(at) == 0 {
		return
	}
	var points strings.Builder
	for i, ms := range at {
		fmt.Fprintf(&points, "%.1f,%.1f ", x(ms), y(float64(l.values[i])))
	}
	fmt.Fprintf(b, `<polygon class="%s area" points="%.1f,%.1f %s%.1f,%.1f"/>`, l.Class, x(at[0]), y(0), points.String(), x(at[len(at)-1]), y(0))
	fmt.Fprintf(b, `<polyline class="%s" points="%s"/>`, l.Class, strings.TrimSpace(points.String()))
}

// nice is a step of 1, 2 or 5 times a power of ten, of at least 1.
func nice(step float64) float64 {
	if step <= 1 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*power >= step {
			return m * power
		}
	}
	return 10 * power
}

// niceTime is a step of a clock, in milliseconds.
func niceTime(step float64) int64 {
	for _, s := range []int64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400} {
		if float64(s*1000) >= step {
			return s * 1000
		}
	}
	return 86400_000 * int64(math.Ceil(step/86400_000))
}

func clockText(ms, step int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case ms == 0:
		return "0"
	case step < 60_000:
		return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
	case step < 3600_000:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}

func figure(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%g", v)
}
