package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// soak puts mixed load on the server for a long time, at a steady rate, and looks whether it stays as it is: memory, file
// descriptors, goroutines and the time a send takes, and whether what came with the load goes with it.
type soak struct {
	*lab
	rooms []string
	blobs [][]byte // what is uploaded, so often that the quotas do not end it
	next  atomic.Int64

	mu       sync.Mutex // guards the rest
	done     map[string]int
	refused  map[string]int
	failures []error
	sends    times // since the last sample
}

const (
	residents    = 40
	soakRooms    = 10
	soakWindows  = 30
	maxFailures  = 20
	soakPassword = "load-load-load"
)

// sample is how the server was in one stretch of the time.
type sample struct {
	memory, files, goroutines, p50, p99 float64
}

func runSoak(ctx context.Context, o options) error {
	l := &lab{options: o, scenario: "soak"}
	if err := l.open(); err != nil {
		return err
	}
	defer l.close()
	s := &soak{lab: l, done: map[string]int{}, refused: map[string]int{}}
	if err := s.run(ctx); err != nil {
		return err
	}
	for _, f := range l.figures {
		if !f.met {
			return errors.New("soak: " + f.work + ": " + f.measured)
		}
	}
	return nil
}

func (s *soak) run(ctx context.Context) error {
	people, rooms, err := s.crowd(ctx, residents, soakRooms)
	if err != nil {
		return err
	}
	s.rooms = rooms
	for range 100 {
		blob := make([]byte, 10_000+rand.IntN(90_000)) // #nosec G404 -- load, not a secret
		for i := range blob {
			blob[i] = byte(rand.Uint32()) // #nosec G404 -- as above
		}
		s.blobs = append(s.blobs, blob)
	}
	for _, p := range people {
		p.close()
	}
	time.Sleep(5 * time.Second)
	base, err := s.sample(ctx)
	if err != nil {
		return err
	}
	samples, err := s.live(ctx, people)
	if err != nil {
		return err
	}
	after, err := s.settle(ctx, base)
	if err != nil {
		return err
	}
	return s.judgeSoak(base, after, samples)
}

// live lets the people live for the time of the soak, and samples the server meanwhile.
func (s *soak) live(ctx context.Context, people []*person) ([]sample, error) {
	ctx, end := context.WithTimeout(ctx, s.soak)
	defer end()
	var wg sync.WaitGroup
	for i, p := range people {
		r := &resident{soak: s, person: p, name: fmt.Sprintf("soak-%d", i), home: i % soakRooms, in: map[int]bool{i % soakRooms: true}}
		wg.Go(func() { r.live(ctx) })
	}
	var samples []sample
	tick := time.NewTicker(s.soak / soakWindows)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			now, err := s.sample(context.WithoutCancel(ctx))
			if err != nil {
				return nil, err
			}
			samples = append(samples, now)
			fmt.Fprintf(os.Stderr, "  %3d: %.0f MiB, %.0f files, %.0f goroutines, send p50 %.1f ms p99 %.1f ms\n",
				len(samples), now.memory/(1<<20), now.files, now.goroutines, now.p50, now.p99)
		}
	}
	wg.Wait()
	return samples, nil
}

// settle waits until what came with the load has gone, half a minute at most.
func (s *soak) settle(ctx context.Context, base sample) (now sample, err error) {
	for range 12 {
		time.Sleep(5 * time.Second)
		if now, err = s.sample(ctx); err != nil || now.goroutines <= base.goroutines && now.files <= base.files {
			break
		}
	}
	if err == nil && s.profiles != "" {
		var raw []byte
		if raw, err = s.debug(ctx, "GET", "goroutine?debug=1"); err == nil {
			err = os.WriteFile(s.profiles+"/soak.goroutines", raw, 0o644) // #nosec G306 -- nothing secret
		}
	}
	return now, err
}

func (s *soak) sample(ctx context.Context) (now sample, err error) {
	if now.memory, _, err = s.server.memory(); err != nil {
		return now, err
	}
	files, err := os.ReadDir(s.server.proc("fd"))
	if err != nil {
		return now, err
	}
	now.files = float64(len(files))
	c, err := s.dial(ctx)
	if err != nil {
		return now, err
	}
	defer c.close()
	raw, err := c.do("GET", "/metrics", "", nil)
	if err != nil {
		return now, err
	}
	_, rest, _ := bytes.Cut(raw, []byte("\ngo_goroutines "))
	line, _, _ := strings.Cut(string(rest), "\n")
	if now.goroutines, err = strconv.ParseFloat(line, 64); err != nil {
		return now, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now.p50, now.p99, s.sends = s.sends.at(50), s.sends.at(99), nil
	return now, nil
}

// judgeSoak compares the last quarter of the time with the second; in the first the caches fill.
func (s *soak) judgeSoak(base, after sample, samples []sample) error {
	quarter := len(samples) / 4
	if quarter == 0 {
		return errors.New("too few samples")
	}
	middle := func(of []sample, what func(sample) float64) float64 {
		var all []float64
		for _, one := range of {
			all = append(all, what(one))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	early, late := samples[quarter:2*quarter], samples[len(samples)-quarter:]
	memory := func(x sample) float64 { return x.memory / (1 << 20) }
	p50 := func(x sample) float64 { return x.p50 }
	p99 := func(x sample) float64 { return x.p99 }
	total := 0
	for _, n := range s.done {
		total += n
	}
	const work = "soak"
	s.add(work, "%d operations in %s: %s", total, s.soak, counts(s.done))
	s.add(work, "refused as they should be: %s", counts(s.refused))
	for _, err := range s.failures {
		fmt.Fprintln(os.Stderr, "  failed:", err)
	}
	s.atMost(work, float64(len(s.failures)), 0, "%.0f operations failed (5xx, no answer)")
	s.add(work, "%.0f MiB resident in the second quarter of the time, %.0f MiB in the last", middle(early, memory), middle(late, memory))
	s.atMost(work, middle(late, memory)/middle(early, memory), 1.15, "memory in the last quarter %.2f times that of the second")
	s.add(work, "send p50 %.1f and %.1f ms, p99 %.1f and %.1f ms", middle(early, p50), middle(late, p50), middle(early, p99), middle(late, p99))
	s.atMost(work, middle(late, p50)/middle(early, p50), 1.5, "time to send in the last quarter %.2f times that of the second")
	s.atMost(work, after.goroutines-base.goroutines, 5, "%.0f goroutines more than before")
	s.atMost(work, after.files-base.files, 10, "%.0f file descriptors more than before")
	s.atMost(work, float64(s.server.said.warnings.Load()), 0, "%.0f lines of warnings in the server's log, lock orders included")
	return nil
}

func counts(of map[string]int) string {
	var words []string
	for name, n := range of {
		words = append(words, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(words)
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// note counts one operation and how it ended.
func (s *soak) note(name string, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[name]++
	if name == "send" && err == nil {
		s.sends = append(s.sends, took)
	}
	refused, ok := errors.AsType[*refusal](err)
	switch {
	case err == nil:
	case ok && refused.status < 500:
		s.refused[fmt.Sprintf("%s %d", name, refused.status)]++
	case len(s.failures) < maxFailures:
		s.failures = append(s.failures, fmt.Errorf("%s: %w", name, err))
	}
}
