package outbox

import (
	"context"
	"sync"
	"time"
)

// slots bound how many transactions are under way. Those to servers that answer have slots of their own, so that any number
// that do not answer never keep them waiting; and a transaction that takes long gives its slot up and goes on among the
// slow.
type slots struct {
	fast, doubtful, slow chan struct{}
}

// slowAfter is when a transaction is slow.
const slowAfter = time.Second

func newSlots(fast, doubtful, slow int) slots {
	return slots{make(chan struct{}, fast), make(chan struct{}, doubtful), make(chan struct{}, slow)}
}

// slot is held by a transaction that is under way.
type slot struct {
	mu    sync.Mutex    // guards from
	from  chan struct{} // where it goes back to, bounded by its size; nil once it has
	timer *time.Timer
}

// take waits for a slot. Errors: that of ctx.
func (s slots) take(ctx context.Context, doubtful bool) (*slot, error) {
	from := s.fast
	if doubtful {
		from = s.doubtful
	}
	select {
	case from <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t := &slot{from: from}
	t.timer = time.AfterFunc(slowAfter, func() { t.demote(s.slow) })
	return t, nil
}

// demote moves a transaction to the slow ones, where there is room.
func (t *slot) demote(slow chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.from == nil {
		return
	}
	select {
	case slow <- struct{}{}:
		<-t.from
		t.from = slow
	default:
	}
}

// free gives the slot back.
func (t *slot) free() {
	t.timer.Stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	<-t.from
	t.from = nil
}
