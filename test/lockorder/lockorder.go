// Package lockorder finds locks that are taken in an order that can end in a deadlock, before it does.
//
// A build of the server with the overlay of test/lockorder/overlay uses its mutexes instead of those of package sync. Each
// time a goroutine takes a lock while it holds others, "this one after that one" is remembered, by kinds of locks: the type
// whose methods take it. When what is remembered forms a circle, two goroutines that go round it from different places could
// wait for each other for ever, whether they have done so or not; that is said once, on standard error. The same goes for a
// lock that is taken while another of its kind is held.
//
// LOCKORDER_LOG names a file to which each order that is met for the first time is added.
//
// What is waited for besides mutexes takes part too (Enter, Leave): a room's lane, a connection for reading, a commit.
package lockorder

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Mutex is a sync.Mutex that is watched.
type Mutex struct{ mu sync.Mutex }

// Lock is sync.Mutex.Lock.
func (m *Mutex) Lock() {
	m.mu.Lock()
	all.enter(m, "", 2)
}

// TryLock is sync.Mutex.TryLock.
func (m *Mutex) TryLock() bool {
	ok := m.mu.TryLock()
	if ok {
		all.enter(m, "", 2)
	}
	return ok
}

// Unlock is sync.Mutex.Unlock.
func (m *Mutex) Unlock() {
	all.leave(m)
	m.mu.Unlock()
}

// RWMutex is a sync.RWMutex that is watched. Its readers count as writers: one that waits for a writer waits.
type RWMutex struct{ mu sync.RWMutex }

// Lock is sync.RWMutex.Lock.
func (m *RWMutex) Lock() {
	m.mu.Lock()
	all.enter(m, "", 2)
}

// Unlock is sync.RWMutex.Unlock.
func (m *RWMutex) Unlock() {
	all.leave(m)
	m.mu.Unlock()
}

// RLock is sync.RWMutex.RLock.
func (m *RWMutex) RLock() {
	m.mu.RLock()
	all.enter(m, "", 2)
}

// RUnlock is sync.RWMutex.RUnlock.
func (m *RWMutex) RUnlock() {
	all.leave(m)
	m.mu.RUnlock()
}

// Enter says that the goroutine holds, or begins to wait for, what is no mutex. of tells one from the others of its kind.
func Enter(of any, kind string) { all.enter(of, kind, 2) }

// Leave ends what Enter began, in whatever goroutine.
func Leave(of any) {
	all.leave(of)
	all.forget(of)
}

// all is what the process has seen. It is the one global of this package, as package sync's mutexes have no place to
// keep it in.
var all = order{
	kinds: map[any]string{}, held: map[int64][]any{}, after: map[string]map[string]string{}, said: map[string]bool{},
	say: func(s string) { fmt.Fprintln(os.Stderr, s) },
	log: func(s string) {
		path := os.Getenv("LOCKORDER_LOG")
		if path == "" {
			return
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) // #nosec G703 -- who runs the test names it
		if err != nil {
			s = err.Error() + "; " + s
			f = os.Stderr
		} else {
			defer f.Close()
		}
		fmt.Fprintln(f, s)
	},
}

// order is which kinds of locks are taken after which.
type order struct {
	mu    sync.Mutex // guards the rest
	kinds map[any]string
	held  map[int64][]any              // by goroutine, in the order they were taken
	after map[string]map[string]string // kind, those taken while it was held, and where that was first
	said  map[string]bool
	say   func(string)
	log   func(string)
}

// maxKinds bounds how many locks are remembered by name; those of things that are gone are forgotten with the rest.
const maxKinds = 100_000

func (o *order) enter(lock any, kind string, skip int) {
	pc, file, line, _ := runtime.Caller(skip)
	me := goroutine()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.kinds[lock] == "" {
		if len(o.kinds) >= maxKinds {
			clear(o.kinds)
		}
		if kind == "" {
			kind = owner(runtime.FuncForPC(pc).Name())
		}
		o.kinds[lock] = kind
	}
	kind = o.kinds[lock]
	for _, other := range o.held[me] {
		if other != lock {
			o.note(o.kinds[other], kind, fmt.Sprintf("%s:%d", file, line))
		}
	}
	o.held[me] = append(o.held[me], lock)
}

func (o *order) leave(lock any) {
	me := goroutine()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.release(me, lock) {
		return
	}
	for other := range o.held { // taken by one goroutine and given back by another
		if o.release(other, lock) {
			return
		}
	}
}

func (o *order) forget(lock any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.kinds, lock)
}

func (o *order) release(goroutine int64, lock any) bool {
	held := o.held[goroutine]
	i := slices.Index(held, lock)
	if i < 0 {
		return false
	}
	if held = slices.Delete(held, i, i+1); len(held) == 0 {
		delete(o.held, goroutine)
	} else {
		o.held[goroutine] = held
	}
	return true
}

// note remembers that second was taken while first was held.
func (o *order) note(first, second, where string) {
	if o.after[first] == nil {
		o.after[first] = map[string]string{}
	}
	if _, known := o.after[first][second]; known {
		return
	}
	o.after[first][second] = where
	o.log(first + ", then " + second + " (" + where + ")")
	if circle := o.path(second, first, map[string]bool{}); circle != nil {
		o.report(append([]string{first}, circle...))
	}
}

// path is a way from one kind to another over what was taken after what.
func (o *order) path(from, to string, seen map[string]bool) []string {
	if from == to {
		return []string{to}
	}
	seen[from] = true
	for next := range o.after[from] {
		if seen[next] {
			continue
		}
		if rest := o.path(next, to, seen); rest != nil {
			return append([]string{from}, rest...)
		}
	}
	return nil
}

func (o *order) report(circle []string) {
	var b strings.Builder
	b.WriteString("lock order violated:")
	for i := range circle[:len(circle)-1] {
		fmt.Fprintf(&b, " %s, then %s (%s);", circle[i], circle[i+1], o.after[circle[i]][circle[i+1]])
	}
	if s := b.String(); !o.said[s] {
		o.said[s] = true
		o.say(s)
	}
}

// owner is the type in the name of a method: freehold.example/core/room.(*heads).get is core/room.(*heads).
func owner(function string) string {
	function = strings.TrimPrefix(function, "freehold.example/")
	if i := strings.Index(function, ")."); i >= 0 {
		return function[:i+1]
	}
	return function
}

// goroutine is the number of the calling goroutine: "goroutine 12 [running]:".
func goroutine() int64 {
	var b [64]byte
	words := strings.Fields(string(b[:runtime.Stack(b[:], false)]))
	n, _ := strconv.ParseInt(words[1], 10, 64)
	return n
}
