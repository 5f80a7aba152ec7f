package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// lab is what one scenario works with, and what it finds out.
type lab struct {
	options
	scenario string
	dir      string   // the data directory
	own      bool     // it is removed at the end
	env      []string // further settings of the server
	name     string   // of the server, where it is not alone
	server   *server
	pid      atomic.Int64 // of the server that was started last
	figures  []figure
}

// open makes a data directory, unless there is one already that others share.
func (l *lab) open() (err error) {
	if l.dir != "" {
		return nil
	}
	l.own = true
	l.dir, err = os.MkdirTemp("", "freehold-load-")
	return err
}

func (l *lab) close() {
	l.stop()
	if l.own {
		_ = os.RemoveAll(l.dir)
	}
}

// figure is one line of the report.
type figure struct {
	work     string
	measured string
	target   string // "" where none was set
	met      bool
}

// add records what was measured, without a target.
func (l *lab) add(work, format string, args ...any) {
	f := figure{work: work, measured: fmt.Sprintf(format, args...), met: true}
	fmt.Fprintf(os.Stderr, "  %s: %s\n", f.work, f.measured)
	l.figures = append(l.figures, f)
}

// atMost records a value that should not be more than most.
func (l *lab) atMost(work string, value, most float64, format string) {
	l.judge(work, value, most, value <= most, "at most ", format)
}

// atLeast records a value that should not be less than least.
func (l *lab) atLeast(work string, value, least float64, format string) {
	l.judge(work, value, least, value >= least, "at least ", format)
}

func (l *lab) judge(work string, value, bound float64, met bool, words, format string) {
	f := figure{work: work, measured: fmt.Sprintf(format, value), target: words + strconv.FormatFloat(bound, 'f', -1, 64), met: met}
	verdict := ""
	if !met {
		verdict = ", NOT MET"
	}
	fmt.Fprintf(os.Stderr, "  %s: %s (%s%s)\n", f.work, f.measured, f.target, verdict)
	l.figures = append(l.figures, f)
}

// times are how long things took.
type times []time.Duration

// at is a percentile in milliseconds.
func (t times) at(percent int) float64 {
	if len(t) == 0 {
		return 0
	}
	slices.Sort(t)
	return milliseconds(t[min(len(t)-1, len(t)*percent/100)])
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
