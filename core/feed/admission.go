package feed

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"freehold.example/matrix/fault"
)

// After a cut, or a restart, everybody comes back at the same moment, and the first look of each is the one that has to read.
// They are let in by turns, in the order in which they came, so that what they take of the processors and of memory does not grow
// with their number, and who sends is not kept waiting behind all of them. A turn ends when the answer begins: nobody waits for
// who reads slowly. Who waits for news already does not need any, nor who was answered a moment ago: by /sync with the token that he
// comes with (linger.go), or by sliding sync on his connection.

// admission lets in those who have just come.
type admission struct {
	turns  chan struct{} // bounded: of as many as look at once
	queued atomic.Int64
}

const (
	// limit: clients that have just come and wait for the first look at what is new for them | %d, for at most 20 s | 429, to come back after some seconds, not all at once
	maxQueued = 4000
	queueTime = 20 * time.Second // less than apps wait for an answer

	// Those who are sent away come back between the first and the sum of both.
	backAfter  = 2 * time.Second
	backSpread = 8 * time.Second
)

func newAdmission() *admission {
	return &admission{turns: make(chan struct{}, 2*runtime.GOMAXPROCS(0))}
}

// enter waits for a turn, which leave ends. Errors: M_LIMIT_EXCEEDED with a time to come back after, each another.
func (a *admission) enter(ctx context.Context) (leave func(), err error) {
	select {
	case a.turns <- struct{}{}:
	default:
		if err := a.wait(ctx); err != nil {
			return nil, err
		}
	}
	return sync.OnceFunc(func() { <-a.turns }), nil
}

func (a *admission) wait(ctx context.Context) error {
	if a.queued.Add(1) > maxQueued {
		a.queued.Add(-1)
		return comeBack()
	}
	defer a.queued.Add(-1)
	t := time.NewTimer(queueTime)
	defer t.Stop()
	select {
	case a.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return comeBack()
	}
}

func comeBack() error {
	after := backAfter + rand.N(backSpread) // #nosec G404 -- so that they do not come together again
	return fault.New(fault.LimitExceeded, "Everybody has come back at once, please try again in a moment").After(after)
}

// leaving is a sink of somebody whose turn ends when the answer begins.
type leaving struct {
	Sink
	leave func()
}

// Whole writes an answer.
func (l leaving) Whole(answer []byte) error {
	l.leave()
	return l.Sink.Whole(answer)
}

// Write writes a part.
func (l leaving) Write(part []byte) (int, error) {
	l.leave()
	return l.Sink.Write(part)
}
