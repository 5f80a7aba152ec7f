package park

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a connection that can be parked.
type Conn struct {
	net.Conn
	lot   *Lot
	again []byte // bounded by maxKept and net/http's buffer; read before what the connection yields: the request that comes back, and what came after it

	request atomic.Pointer[Request] // the one that is parked or on its way back
	one     [1]byte

	mu      sync.Mutex // guards all below
	waiting bool       // a wake may end the read that the connection is parked in
	renewed bool       // ... on a goroutine that has begun since it was parked, see Lot.Renew
	renewal bool       // the read has been ended only for that
}

// Read reads.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.again) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.again)
	if c.again = c.again[n:]; len(c.again) == 0 {
		c.again = nil
	}
	return n, nil
}

// Close ends the connection.
func (c *Conn) Close() error {
	if q := c.request.Swap(nil); q != nil { // it does not come to the handler any more
		c.lot.arrived()
		q.Done()
	}
	return c.Conn.Close()
}

// wake makes a connection that is parked come back. It is called by the bus.
func (c *Conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		c.waiting = false
		_ = c.SetReadDeadline(time.Unix(1, 0)) // fails for one that is closed, whose read ends all the same
	}
}

// park begins a read that ends with the time to wait or with a wake. It says no when nobody is to be parked any more.
func (c *Conn) park(deadline time.Time) bool {
	_ = c.SetReadDeadline(deadline) // fails for one that is closed, whose read says so
	c.mu.Lock()
	c.waiting, c.renewed, c.renewal = true, false, false
	c.mu.Unlock()
	return c.lot.enter(c)
}

// renew has a connection that is parked wait on another goroutine.
func (c *Conn) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting && !c.renewed {
		c.renewed, c.renewal = true, true
		_ = c.SetReadDeadline(time.Unix(1, 0)) // as in wake
	}
}

// goesOn says whether the read was ended only to go on elsewhere.
func (c *Conn) goesOn(deadline time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	renewal := c.renewal && c.waiting
	if c.renewal = false; renewal {
		_ = c.SetReadDeadline(deadline) // as in park; one that has passed ends the next read
	}
	return renewal
}

// stay is the goroutine of a connection that is parked.
func (c *Conn) stay() {
	n, err := c.Conn.Read(c.one[:])
	switch {
	case n > 0: // the next request: who sends it before the answer could not be seen to go away any more
		c.again = append(c.again, c.one[0])
		c.request.Load().stays = true
	case !errors.Is(err, os.ErrDeadlineExceeded):
		c.abandon()
		return
	case c.goesOn(c.request.Load().deadline):
		go c.stay() // ends as this one would have
		return
	}
	c.comeBack()
}

// abandon is of a connection whose client has gone.
func (c *Conn) abandon() {
	c.lot.leave(c)
	if gone := c.request.Load().gone; gone != nil {
		gone()
	}
	_ = c.Close()
}

// comeBack gives the connection to the server.
func (c *Conn) comeBack() {
	c.mu.Lock()
	c.waiting = false
	c.mu.Unlock()
	c.lot.leave(c)
	_ = c.SetReadDeadline(time.Time{}) // as above
	select {
	case c.lot.turns <- struct{}{}:
		c.request.Load().turn = true
	case <-c.lot.closed:
		_ = c.Close()
		return
	}
	select {
	case c.lot.back <- c:
	case <-c.lot.closed:
		_ = c.Close()
	}
}
