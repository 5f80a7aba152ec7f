// Package lane is a lock for each key: what is done for one room is done in order, rooms do not wait for each other. A
// key costs memory only while it is held or waited for.
package lane

import (
	"context"
	"sync"

	"freehold.example/matrix/fault"
)

// ErrFull answers Lock when too many wait for the key already.
var ErrFull = fault.New(fault.LimitExceeded, "Too many requests wait for this, please try again in a moment").WithStatus(503)

// Lanes is one lock for each key. The zero value is ready to use and bounds nothing.
type Lanes[K comparable] struct {
	// MaxWaiters is how many may wait for one key; 0 for no bound. Set it before the first Lock.
	MaxWaiters int

	mu    sync.Mutex  // guards lanes and all in them; held for moments, never while waiting
	lanes map[K]*lane // bounded by the requests under way: a key is in it while it is held
}

// lane exists while its key is held. Its waiters are served in the order they came.
type lane struct {
	waiters []chan struct{} // each is closed when its owner is given the lane
}

// Lock waits for the key and gives the function that unlocks it, which may be called more than once. The error is that
// of ctx, or ErrFull.
func (l *Lanes[K]) Lock(ctx context.Context, key K) (unlock func(), err error) {
	l.mu.Lock()
	la, held := l.lanes[key]
	if !held {
		if l.lanes == nil {
			l.lanes = make(map[K]*lane)
		}
		l.lanes[key] = new(lane)
		l.mu.Unlock()
		return l.unlocker(key), nil
	}
	if l.MaxWaiters > 0 && len(la.waiters) >= l.MaxWaiters {
		l.mu.Unlock()
		return nil, ErrFull
	}
	mine := make(chan struct{})
	la.waiters = append(la.waiters, mine)
	l.mu.Unlock()

	select {
	case <-mine:
		return l.unlocker(key), nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	for i, w := range la.waiters {
		if w == mine {
			la.waiters = append(la.waiters[:i], la.waiters[i+1:]...)
			l.mu.Unlock()
			return nil, ctx.Err()
		}
	}
	l.mu.Unlock()
	l.pass(key) // it was given to us just as ctx ended
	return nil, ctx.Err()
}

// TryLock is Lock for those who do not wait.
func (l *Lanes[K]) TryLock(key K) (unlock func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, held := l.lanes[key]; held {
		return nil, false
	}
	if l.lanes == nil {
		l.lanes = make(map[K]*lane)
	}
	l.lanes[key] = new(lane)
	return l.unlocker(key), true
}

// Len is how many keys are held.
func (l *Lanes[K]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lanes)
}

func (l *Lanes[K]) unlocker(key K) func() {
	var once sync.Once
	return func() { once.Do(func() { l.pass(key) }) }
}

// pass gives the lane to the one who has waited longest, or ends it.
func (l *Lanes[K]) pass(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	la := l.lanes[key]
	if len(la.waiters) == 0 {
		delete(l.lanes, key)
		return
	}
	next := la.waiters[0]
	la.waiters[0] = nil
	la.waiters = la.waiters[1:]
	close(next)
}
