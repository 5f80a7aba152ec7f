package outbox

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"freehold.example/base/backoff"
	"freehold.example/core/peer"
)

const (
	// keepFlight is for how long a transaction is sent again as it is when it is not known whether it has arrived, so that the
	// other side can tell that it has (its id is the same). After that what it has is sent in others, the latest first.
	keepFlight = time.Minute
	// limit: transactions of which it is not known whether they have arrived, in memory | 64 MiB | what they have is sent in others
	maxFlying = 64 << 20
	// breath is how long a server is left alone at least that has not taken a transaction.
	breath = time.Second
)

// patience is how long a server is left alone that answers, but refuses: the longer the more often it did.
var patience = backoff.Policy{First: 2 * time.Second, Cap: 15 * time.Minute}

// drive sends a destination what there is, one transaction after the other, until there is nothing or it does not take it. It
// is the only one that does: d.busy.
func (o *Outbox) drive(ctx context.Context, d *destination) {
	defer func() {
		if r := recover(); r != nil {
			o.Log.ErrorContext(ctx, "bug: sending to another server panicked", "server", d.server, "panic", r, "stack", string(debug.Stack()))
			o.mu.Lock()
			defer o.mu.Unlock()
			o.ground(d)
			d.waiting, d.held = true, 0
			o.pause(d, time.Minute)
		}
	}()
	for {
		t, err := o.next(ctx, d)
		if err != nil {
			o.mu.Lock()
			if d.waiting, d.held = true, 0; ctx.Err() == nil {
				o.Log.WarnContext(ctx, "what another server is to be sent was not read; it is tried again", "server", d.server, "cause", err)
			}
			o.pause(d, breath)
			o.mu.Unlock()
			return
		}
		if t == nil || !o.attempt(ctx, d, t) {
			return
		}
	}
}

// pause ends the work for a destination, for a while.
func (o *Outbox) pause(d *destination, wait time.Duration) {
	d.busy, d.again = false, false
	o.wait(d, wait)
}

// wait has a destination tried again after a while. o.mu is held.
func (o *Outbox) wait(d *destination, wait time.Duration) {
	if o.ctx == nil || o.ctx.Err() != nil {
		return
	}
	d.next = o.Now().Add(wait)
	d.timer = time.AfterFunc(wait, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		d.stopTimer()
		o.startLocked(d)
	})
}

// next gives the transaction to be sent: again, or anew. When there is nothing it ends the work for the destination.
func (o *Outbox) next(ctx context.Context, d *destination) (*transaction, error) {
	for {
		o.mu.Lock()
		if t := d.flight; t != nil {
			if o.Now().Sub(t.first) < keepFlight {
				o.mu.Unlock()
				return t, nil
			}
			o.ground(d)
		}
		p := o.planLocked(d)
		if p.empty() {
			d.busy = false
			if p.held {
				o.later(d)
			}
			o.mu.Unlock()
			return nil, nil
		}
		o.mu.Unlock()
		t, more, err := o.compose(ctx, d, p)
		if err != nil {
			return nil, err
		}
		o.mu.Lock()
		d.waiting = d.waiting || more
		if t.count == 0 {
			d.held = 0
			o.fill(d, t.steps) // there was nothing in it for this server
			o.mu.Unlock()
			continue
		}
		t.first = o.Now()
		d.flight = t
		o.flying += len(t.body)
		o.mu.Unlock()
		return t, nil
	}
}

// answer is what a server says of a transaction.
type answer struct {
	PDUs map[string]struct {
		Error string `json:"error"`
	} `json:"pdus"` // bounded by the largest answer that core/peer reads
}

// attempt sends a transaction. ok is false when the work for the destination has ended.
func (o *Outbox) attempt(ctx context.Context, d *destination, t *transaction) (ok bool) {
	o.mu.Lock()
	woken, failing := d.again, d.failing
	d.again = false
	o.mu.Unlock()
	slot, err := o.slots.take(ctx, failing && !woken)
	if err != nil {
		o.mu.Lock()
		d.busy = false
		o.mu.Unlock()
		return false
	}
	one, cancel := context.WithCancel(ctx)
	o.mu.Lock()
	d.began, d.cancel = o.Now(), cancel
	o.mu.Unlock()
	var said answer
	err = o.Line.Ask(one, t.question(d, woken), &said)
	cancel()
	slot.free()
	if err == nil {
		o.complaints(ctx, d, &said)
	}

	o.mu.Lock()
	defer o.mu.Unlock()
	d.began, d.cancel = time.Time{}, nil
	switch {
	case err == nil:
		o.arrived(ctx, d, t)
		return true
	case ctx.Err() != nil:
		d.busy = false
		return false
	case d.again: // it was ended to be begun anew
		return true
	}
	return o.failed(ctx, d, t, err)
}

// complaints notes which events a server says it has not taken. That is between it and them: they count as told.
func (o *Outbox) complaints(ctx context.Context, d *destination, said *answer) {
	for event, result := range said.PDUs {
		if result.Error != "" {
			o.Metrics.complained()
			o.Log.DebugContext(ctx, "another server does not take an event", "server", d.server, "event", event,
				"error", result.Error[:min(len(result.Error), 300)])
		}
	}
}

// arrived notes that a transaction has been taken. o.mu is held.
func (o *Outbox) arrived(ctx context.Context, d *destination, t *transaction) {
	if d.failing {
		o.Log.InfoContext(ctx, "another server is reached again", "server", d.server)
	}
	d.failing, d.full, d.lastOK, d.lastErr = false, false, o.Now(), nil
	d.refused.Reset()
	if d.most > 0 {
		if d.most *= 2; d.most >= maxPDUs {
			d.most = 0
		}
	}
	o.Metrics.sent(t)
	o.settle(d, t)
}

// settle takes out of a destination what a transaction had. o.mu is held.
func (o *Outbox) settle(d *destination, t *transaction) {
	o.flying -= len(t.body)
	d.flight, d.held = nil, 0
	o.shift(d, t.live)
	o.fill(d, t.steps)
	if t.disk != (mark{}) {
		d.sent = t.disk
		o.unsaved.taken(d.server, t.disk)
	}
	if len(t.passing) > 0 {
		d.passing = slices.DeleteFunc(d.passing, func(p *passing) bool { return slices.Contains(t.passing, p) })
	}
}

// failed decides what becomes of a transaction that was not taken. o.mu is held.
func (o *Outbox) failed(ctx context.Context, d *destination, t *transaction, err error) (ok bool) {
	now := o.Now()
	var waits *peer.WaitError
	if !errors.As(err, &waits) {
		d.lastFailed = now
		o.Metrics.failed()
	}
	if !d.failing {
		o.Log.InfoContext(ctx, "another server does not take what it is sent; it is tried again", "server", d.server, "cause", err)
	}
	d.failing, d.lastErr = true, err
	wait := o.Line.Next(d.server).Sub(now)
	if no, is := errors.AsType[*peer.AnswerError](err); is && no.Status < 500 && no.Status != http.StatusTooManyRequests {
		refusals := d.refused.Next()
		wait = max(wait, refusals)
		if no.Status == http.StatusBadRequest || no.Status == http.StatusRequestEntityTooLarge {
			o.narrow(ctx, d, t, err)
		}
	}
	d.waiting = d.waiting || d.flight != nil && t.disk != (mark{})
	if d.flight != nil && o.flying > maxFlying {
		o.ground(d)
	}
	o.fallBehind(d)
	o.pause(d, max(wait, breath))
	return false
}

// singles is how often a single event or message is sent that a server refuses as malformed.
const singles = 3

// narrow finds what it is in a transaction that a server refuses as malformed, and leaves that out, so that it does not keep
// back all the rest. o.mu is held.
func (o *Outbox) narrow(ctx context.Context, d *destination, t *transaction, err error) {
	if t.count > 1 {
		d.most = max(1, t.count/2)
		d.waiting = d.waiting || t.disk != (mark{})
		o.ground(d)
		return
	}
	d.most = 1
	if t.tries++; t.tries < singles {
		return
	}
	o.Log.WarnContext(ctx, "another server refuses something, which is left out", "server", d.server, "events", t.events, "cause", err)
	o.settle(d, t)
}
