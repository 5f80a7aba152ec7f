package sqldb

import (
	"context"
	"errors"
	"sync"
)

// Pending is a write that has been queued.
type Pending struct {
	fn    func(*Tx) error
	ctx   context.Context // a write whose caller has gone before its turn is not run
	n     int
	first Pos // 0 when n is 0
	last  Pos // the last position reserved by this write, or by those before it when n is 0

	after func(error) // see SubmitThen; may be nil
	then  []func()    // see Tx.Then

	done chan struct{} // closed after err is set
	err  error
}

// First is the first of the reserved positions; 0 when there are none or the write was refused.
func (p *Pending) First() Pos { return p.first }

// Wait returns when the write is on disk, or has failed and left nothing. When ctx ends first, the write may still happen.
func (p *Pending) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	default:
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Submit queues fn and reserves n positions for it now. It never blocks: when too many writes wait already, Wait
// answers ErrBusy. fn may run more than once, so it assigns to what is outside of it and never adds; and it must not
// wait for anything but its own transaction, least of all for another write.
func (db *DB) Submit(n int, fn func(*Tx) error) *Pending {
	return db.submit(context.Background(), n, fn, nil)
}

// SubmitThen is Submit with a function that the writer calls when it knows how the write ended, before Committed says so
// and before Wait returns: who reads Committed sees what after has done for all positions up to it. With an error the
// write may still be on disk (a COMMIT that went unanswered); a write that was never run is not told of. after must not
// block, and no statement waits for it.
func (db *DB) SubmitThen(n int, fn func(*Tx) error, after func(error)) *Pending {
	return db.submit(context.Background(), n, fn, after)
}

// Write is Submit with one position and Wait.
func (db *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	return db.submit(ctx, 1, fn, nil).Wait(ctx)
}

func (db *DB) submit(ctx context.Context, n int, fn func(*Tx) error, after func(error)) *Pending {
	p := &Pending{fn: fn, ctx: ctx, n: n, after: after, done: make(chan struct{})}
	if err := db.queue.push(p); err != nil {
		if errors.Is(err, ErrBusy) {
			db.stats.refused.Add(1)
		}
		p.err = err
		close(p.done)
	}
	return p
}

// queue is what waits for the writer, in order.
type queue struct {
	mu       sync.Mutex // guards all below; nothing is called while it is held
	more     sync.Cond
	waiting  []*Pending // bounded by limit
	limit    int
	reserved Pos // the last position given out
	closed   bool
}

func (q *queue) init(limit int) {
	q.more.L = &q.mu
	q.limit = limit
}

// push reserves p's positions and appends it. Both under one lock: that makes the order of positions that of execution.
func (q *queue) push(p *Pending) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if len(q.waiting) >= q.limit {
		return ErrBusy
	}
	if p.n > 0 {
		p.first = q.reserved + 1
		q.reserved += Pos(p.n)
	}
	p.last = q.reserved
	q.waiting = append(q.waiting, p)
	q.more.Signal()
	return nil
}

// take moves up to n waiting writes to dst. With block set it waits for at least one, and answers none only when the
// queue is closed and empty.
func (q *queue) take(dst []*Pending, n int, block bool) []*Pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	for block && len(q.waiting) == 0 && !q.closed {
		q.more.Wait()
	}
	n = min(n, len(q.waiting))
	dst = append(dst, q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return dst
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}

func (q *queue) state() (waiting int, reserved Pos) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), q.reserved
}
