package memnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how much may be under way in one direction of a connection, in bytes; who writes more waits.
const window = 256 << 10

// conn is one end of a connection.
type conn struct {
	n        *Network
	from, to netip.AddrPort
	in, out  *half
}

// half is one direction of a connection.
type half struct {
	n    *Network
	a, b netip.Addr // from a to b

	mu      sync.Mutex // guards what follows; nothing else is locked under it
	flights []flight   // in their order; bounded by window
	size    int
	ended   bool  // nothing follows the last flight
	left    bool  // nobody reads any more
	broken  error // what both ends hear from now on
	read    time.Time
	write   time.Time     // deadlines
	changed chan struct{} // closed, and made anew, when anything of this changes; bounded: nothing is sent
}

// flight is what one Write wrote.
type flight struct {
	arrives time.Time
	b       []byte
}

func newHalf(n *Network, a, b netip.Addr) *half {
	return &half{n: n, a: a, b: b, changed: make(chan struct{})}
}

func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakeLocked()
}

func (h *half) wakeLocked() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// wait sleeps until changed is closed or a time is reached, the zero one being never. h.mu is held, and given up meanwhile.
func (h *half) wait(changed chan struct{}, until time.Time) {
	h.mu.Unlock()
	defer h.mu.Lock()
	if until.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

// Read waits for what the other end wrote, and for the link to be there.
func (c *conn) Read(b []byte) (int, error) {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		changed := h.changed // of before the link is looked at, which needs another lock
		h.mu.Unlock()
		cut := h.n.isCut(h.a, h.b)
		h.mu.Lock()
		n, until, err := h.take(b, cut)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		h.wait(changed, until)
	}
}

// take reads what has arrived, or says until when to wait.
func (h *half) take(b []byte, cut bool) (n int, until time.Time, err error) {
	now := time.Now()
	switch {
	case h.left:
		return 0, until, net.ErrClosed
	case h.broken != nil:
		return 0, until, h.broken
	case !h.read.IsZero() && !now.Before(h.read):
		return 0, until, os.ErrDeadlineExceeded
	case cut:
		return 0, h.read, nil
	case len(h.flights) == 0 && h.ended:
		return 0, until, io.EOF
	case len(h.flights) == 0:
		return 0, h.read, nil
	}
	first := &h.flights[0]
	if now.Before(first.arrives) {
		if !h.read.IsZero() && h.read.Before(first.arrives) {
			return 0, h.read, nil
		}
		return 0, first.arrives, nil
	}
	n = copy(b, first.b)
	if first.b = first.b[n:]; len(first.b) == 0 {
		h.flights = h.flights[1:]
	}
	h.size -= n
	h.wakeLocked()
	return n, until, nil
}

// Write sends b, and waits while too much is under way.
func (c *conn) Write(b []byte) (int, error) {
	h := c.out
	arrives := time.Now().Add(h.n.takes())
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.broken != nil:
			return 0, h.broken
		case h.ended:
			return 0, net.ErrClosed
		case h.left:
			return 0, syscall.EPIPE
		case !h.write.IsZero() && !time.Now().Before(h.write):
			return 0, os.ErrDeadlineExceeded
		case h.size > 0 && h.size+len(b) > window:
			h.wait(h.changed, h.write)
			continue
		}
		if n := len(h.flights); n > 0 && arrives.Before(h.flights[n-1].arrives) {
			arrives = h.flights[n-1].arrives
		}
		h.flights = append(h.flights, flight{arrives, append([]byte(nil), b...)})
		h.size += len(b)
		h.wakeLocked()
		return len(b), nil
	}
}

// Close ends the connection: the other end reads what is under way, and then the end.
func (c *conn) Close() error {
	c.n.mu.Lock()
	delete(c.n.conns, c)
	c.n.mu.Unlock()
	c.out.mu.Lock()
	c.out.ended = true
	c.out.wakeLocked()
	c.out.mu.Unlock()
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.left, c.in.flights, c.in.size = true, nil, 0
	c.in.wakeLocked()
	return nil
}

// reset breaks the connection for both ends. c.n.mu is held.
func (c *conn) reset(why error) {
	for _, h := range []*half{c.in, c.out} {
		h.mu.Lock()
		if h.broken == nil {
			h.broken, h.flights, h.size = why, nil, 0
		}
		h.wakeLocked()
		h.mu.Unlock()
	}
	delete(c.n.conns, c)
}

// LocalAddr is the address of this end.
func (c *conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.from) }

// RemoteAddr is that of the other.
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.to) }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // they do not fail
	return c.SetWriteDeadline(t)
}

// SetReadDeadline ends reads that wait at t.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.read = t
	c.in.wakeLocked()
	return nil
}

// SetWriteDeadline ends writes that wait at t.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.write = t
	c.out.wakeLocked()
	return nil
}
