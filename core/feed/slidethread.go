package feed

import (
	"encoding/json"

	"freehold.example/core/thread"
)

// Threads asks for what changed of the user's subscriptions to threads (MSC4308).
type Threads struct {
	Name  string // under which it is asked for, and answered
	Limit int    // 0 for the usual one
}

// The newest changes are in the answer; for those before there is an endpoint.
const (
	usualThreads = 100
	maxThreads   = 500
)

func (l *slideLook) threads(x *Extensions) error {
	if x.Threads == nil {
		return nil
	}
	limit := usualThreads
	if n := x.Threads.Limit; n > 0 {
		limit = min(n, maxThreads)
	}
	changes, more, err := l.f.Threads.Changed(l.tx, l.user, l.since.token.pos, l.upto, limit)
	if err != nil || len(changes) == 0 {
		return err
	}
	out := thread.Show(changes)
	if more {
		out.PrevBatch = thread.Before(changes)
	}
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	l.b, l.news = append(key(l.b, x.Threads.Name), text...), true
	return nil
}
