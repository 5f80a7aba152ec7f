// Package park keeps the connections of requests that wait for long, without what net/http keeps for each: two goroutines
// with their stacks, two buffers, the request and its answer.
//
// A request that has waited for a while gives its connection up (http.Hijacker) and ends. What stays of it are its bytes,
// its registration at the bus, and a small goroutine that blocks in a read of one byte. When there is news, or the time is
// over, or the server stops, the connection goes back to the http.Server it came from, by a second listener (the Lot), and
// is read from its request's bytes on: so the request is made again, for what remains of its time, and answered by the code
// that answers every request. There is no second way to answer. Who is told of the request by package route (the limits, the
// log, the metrics) is told once.
//
// A connection that is encrypted here, or of HTTP/2, is not parked: its requests wait as they always did.
package park

import (
	"context"
	"net"
	"sync"
	"time"
)

// Config is how a Lot is set.
type Config struct {
	After  time.Duration // how long a request waits before it is parked; 0 is 3 s
	AtOnce int           // how many come back at once; 0 is 64
}

// A delivery to who is parked costs about twice as much as to who is not, so that those who get much should not be.
const usualAfter = 3 * time.Second

// limit: requests that come back from waiting and have neither begun to answer nor to wait again | %d | the others wait their turn
const usualAtOnce = 64

// Lot is where connections are parked, and the listener by which they come back: it has to be served (http.Server.Serve) by
// the server whose connections it keeps.
type Lot struct {
	after  time.Duration
	inner  net.Listener
	back   chan *Conn    // bounded: it holds none
	turns  chan struct{} // bounded by Config.AtOnce; filled by those who come back
	closed chan struct{} // bounded: it holds none; closed when nobody accepts any longer
	close  func()

	mu     sync.Mutex         // guards all below
	here   map[*Conn]struct{} // bounded by the connections that the listener takes
	times  uint64
	ending bool       // nobody is parked any longer
	away   int        // those who are here or on their way back
	none   *sync.Cond // away has become 0
}

// New makes a lot for the connections of a listener, which are not encrypted; who encrypts them does so beyond Listener.
func New(c Config, inner net.Listener) *Lot {
	l := &Lot{after: c.After, inner: inner, back: make(chan *Conn), closed: make(chan struct{}), here: map[*Conn]struct{}{}}
	if l.after == 0 {
		l.after = usualAfter
	}
	if c.AtOnce == 0 {
		c.AtOnce = usualAtOnce
	}
	l.turns = make(chan struct{}, c.AtOnce)
	l.none = sync.NewCond(&l.mu)
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// Listener is the listener that new connections come by, each of which can be parked.
func (l *Lot) Listener() net.Listener { return arrivals{l.inner, l} }

type arrivals struct {
	net.Listener
	lot *Lot
}

func (a arrivals) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, lot: a.lot}, nil
}

// Accept gives the next connection that comes back.
func (l *Lot) Accept() (net.Conn, error) {
	select {
	case c := <-l.back:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Addr is where the connections came from.
func (l *Lot) Addr() net.Addr { return l.inner.Addr() }

// Close closes all connections that are parked. It is called by the http.Server when that ends; see Empty.
func (l *Lot) Close() error {
	l.close()
	l.wakeAll()
	return nil
}

// Empty brings back all who are parked, with a context that has ended, and lets nobody in any more. It returns once their
// requests are with the server's handler, where http.Server.Shutdown waits for them; or when ctx ends.
func (l *Lot) Empty(ctx context.Context) {
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	l.wakeAll()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.away > 0 {
		l.none.Wait()
	}
}

// wakeAll has all connections come back, or closes them when the lot is closed.
func (l *Lot) wakeAll() {
	l.mu.Lock()
	l.ending = true
	l.mu.Unlock()
	for _, c := range l.all() {
		c.wake()
	}
}

// Renew has those who are parked wait on goroutines of their own age. The runtime begins a goroutine with as much of a stack
// as those use that there are, and where many are at work when many are parked, that is twice to four times what it takes
// to wait; a stack that is not used is halved by a collection only while less than a quarter is used. It is worth while
// after two collections in which most goroutines were parked, and done once for each time that one is.
func (l *Lot) Renew() {
	for _, c := range l.all() {
		c.renew()
	}
}

func (l *Lot) all() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*Conn, 0, len(l.here))
	for c := range l.here {
		all = append(all, c)
	}
	return all
}

// Parked is how many connections are parked.
func (l *Lot) Parked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.here)
}

// Times is how often one was parked so far.
func (l *Lot) Times() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.times
}

// depart is of a connection that its server has given up.
func (l *Lot) depart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away++
}

// enter takes a connection in, or says that it is too late for that.
func (l *Lot) enter(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending {
		return false
	}
	l.here[c] = struct{}{}
	l.times++
	return true
}

// leave is of who goes on his way back.
func (l *Lot) leave(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.here, c)
}

// arrived is of who has come back, or never will.
func (l *Lot) arrived() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away--; l.away == 0 {
		l.none.Broadcast()
	}
}

func (l *Lot) stopping() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending
}

type connKey struct{}

// ConnContext is http.Server's hook of this name: by it a request finds the connection that it came by.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	mine, ok := c.(*Conn)
	if !ok {
		return ctx
	}
	ctx = context.WithValue(ctx, connKey{}, mine)
	if mine.request.Load() != nil && mine.lot.stopping() {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		return ended
	}
	return ctx
}
