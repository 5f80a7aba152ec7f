// Package task runs what goes on in the background: each loop has a name, is started again with a growing pause when it
// fails or panics, and ends with its context. A server has one Group, starts its tasks in one place and waits for them
// when it stops.
package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// The pause before a task that failed is started again: doubled each time up to the longest, back to the first once the
// task has run for settled.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = time.Minute
	settled      = time.Minute
)

// ErrStopped answers tasks that are started after Stop.
var ErrStopped = errors.New("the task group has been stopped")

// Group is the tasks of one server.
type Group struct {
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards what follows; held for moments
	stopped bool
	status  map[string]*Status // bounded: the program knows few names
}

// Status is what is known of the tasks of one name.
type Status struct {
	Name     string
	Running  int    // tasks of this name that run or pause now
	Restarts int64  // times one was started again
	Panics   int64  // of these, after a panic
	LastErr  string // why it was last started again
}

// NewGroup makes a group whose tasks end with ctx or Stop.
func NewGroup(ctx context.Context, log *slog.Logger) *Group {
	g := &Group{log: log, status: make(map[string]*Status)}
	g.ctx, g.cancel = context.WithCancel(ctx)
	return g
}

// Go starts fn and keeps it running: when it returns an error or panics it is called again after a pause. It ends when
// fn returns nil or the group is stopped.
func (g *Group) Go(name string, fn func(ctx context.Context) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return ErrStopped
	}
	s, ok := g.status[name]
	if !ok {
		s = &Status{Name: name}
		g.status[name] = s
	}
	s.Running++
	g.wg.Go(func() {
		run(g.ctx, g.log, name, fn, func(why error, panicked bool) {
			g.mu.Lock()
			defer g.mu.Unlock()
			s.Restarts++
			s.LastErr = why.Error()
			if panicked {
				s.Panics++
			}
		})
		g.mu.Lock()
		defer g.mu.Unlock()
		s.Running--
	})
	return nil
}

// Wait returns when all tasks have ended.
func (g *Group) Wait() { g.wg.Wait() }

// Stop ends the tasks' context, refuses new ones, and waits for them to end. When ctx ends first, the error names those
// that still run.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	g.stopped = true
	g.mu.Unlock()
	g.cancel()
	done := make(chan struct{})
	go func() { // ends with the last task
		g.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	var names []string
	for _, s := range g.Status() {
		if s.Running > 0 {
			names = append(names, s.Name)
		}
	}
	return fmt.Errorf("still running: %s: %w", strings.Join(names, ", "), ctx.Err())
}

// Status lists the tasks by name.
func (g *Group) Status() []Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]Status, 0, len(g.status))
	for _, s := range g.status {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// run keeps fn running in this goroutine until fn returns nil or ctx ends.
func run(ctx context.Context, log *slog.Logger, name string, fn func(context.Context) error, failed func(error, bool)) {
	pause := firstPause
	for {
		began := time.Now()
		err, panicked := protect(ctx, fn)
		if err == nil || ctx.Err() != nil {
			if panicked {
				log.Error("task panicked while it was being stopped", "task", name, "err", err)
			}
			return
		}
		failed(err, panicked)
		if time.Since(began) >= settled {
			pause = firstPause
		}
		log.Error("task failed and will be started again", "task", name, "err", err, "after", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// protect turns a panic into an error that holds its stack.
func protect(ctx context.Context, fn func(context.Context) error) (err error, panicked bool) {
	defer func() {
		if r := recover(); r != nil {
			err, panicked = fmt.Errorf("panic: %v\n%s", r, debug.Stack()), true
		}
	}()
	return fn(ctx), false
}
