package peer

import (
	"context"
	"errors"
	"time"

	"freehold.example/matrix/id"
)

// A server beyond a cut in which packets vanish keeps everybody who asks it something waiting until the connection is given up. Once
// it is known that it is not reached - since the last start, or by what the address book says of the time before - nobody waits for
// that any more: it is called with something of no consequence, for all who ask meanwhile, and who asks waits for that for a moment,
// which is more than a server needs that is there. What he wanted is sent to one that has answered only.

const (
	briefly  = 2 * time.Second  // from the beginning of a call, for who asks
	callTime = 20 * time.Second // for the call itself, which finds those that are slow
)

// call is one to a server that is not known to be there.
type call struct {
	late chan struct{} // closed when nobody is to wait for it any more; bounded: nothing is sent
	done chan struct{} // closed when it is over; bounded: nothing is sent
}

var errAway = errors.New("it did not answer when it was last asked")

// there says whether there is anybody to ask. Errors: *WaitError.
func (p *Peers) there(ctx context.Context, server id.Server) error {
	if p.Allowed != nil && !p.Allowed(server) {
		return nil // Route says so
	}
	why, err := p.missing(ctx, server)
	if why == nil || err != nil {
		return err
	}
	c := p.call(ctx, server)
	select {
	case <-c.done:
	case <-c.late:
	case <-ctx.Done():
		return ctx.Err()
	}
	if why, err = p.missing(ctx, server); why == nil || err != nil {
		return err
	}
	return &WaitError{Server: server, Until: p.Next(server), Cause: why}
}

// missing says why a server that answered once is taken not to be there; nil for one that is not.
func (p *Peers) missing(ctx context.Context, server id.Server) (why, err error) {
	p.mu.Lock()
	_, silent := p.silent[server]
	x := p.of(server)
	looked, doubted, last := x.looked, x.doubted, x.last
	p.mu.Unlock()
	switch {
	case silent:
		return last, nil
	case looked && !doubted:
		return nil, nil
	case doubted:
		return errAway, nil
	}
	away, err := p.away(ctx, server)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if x = p.of(server); !x.looked { // else it was asked meanwhile
		x.looked, x.doubted = true, away
	}
	if !x.doubted {
		return nil, nil
	}
	return errAway, nil
}

// call is the call that goes on, or a new one.
func (p *Peers) call(ctx context.Context, server id.Server) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.brief[server]; c != nil {
		return c
	}
	c := &call{late: make(chan struct{}), done: make(chan struct{})}
	time.AfterFunc(briefly, func() { close(c.late) })
	p.brief[server] = c
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	p.work.Go(func() {
		defer cancel()
		_ = p.fetch(ctx, server, true) // what comes of it is noted
		p.mu.Lock()
		delete(p.brief, server)
		p.mu.Unlock()
		close(c.done)
	})
	p.work.Go(func() {
		select {
		case <-p.over:
			cancel()
		case <-c.done:
		}
	})
	return c
}
