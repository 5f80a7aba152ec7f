// Package memnet is a network in memory, for tests in which several whole servers speak with each other (and for the one connection
// within a process that package keep has): links that are
// slow, that are cut and healed, and connections that break. Below testing/synctest all of it runs in fake time.
//
//	n := memnet.New(7)                                  // the seed of what chance decides
//	a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
//	l, err := a.Listen(ctx, "tcp", "10.0.0.1:8448")     // server.Config.Listen
//	c, err := b.Connect(ctx, to)                        // dial.Config.Connect
//	n.Delay(time.Millisecond, 20*time.Millisecond)      // of every link, each way
//	n.Split([]string{"10.0.0.1"}, []string{"10.0.0.2"}) // nothing gets from one part to another
//	n.Heal()
//
// A connection keeps its order, as TCP does; that one request overtakes another is because they have connections of their
// own. What is written into a cut arrives after it has healed, unless the cut breaks connections.
package memnet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Network is hosts and the links between all of them. It is safe for use by many goroutines. It is for tests, and bounded by what
// these open.
type Network struct {
	mu        sync.Mutex // guards what follows; the locks of connections are taken under it
	dice      *rand.Rand
	listeners map[netip.AddrPort]*listener
	conns     map[*conn]struct{} // those that are open
	part      map[netip.Addr]int // where a host stands in a split; hosts that are in no part are in all
	refuse    bool               // connections over a cut are refused, and do not wait
	min, max  time.Duration
	port      uint16        // the last that a connection went out from
	changed   chan struct{} // closed, and made anew, when links change
}

// New makes a network of which all links are up and take no time.
func New(seed uint64) *Network {
	return &Network{
		dice:      rand.New(rand.NewPCG(seed, 1)), // #nosec G404 -- chance that can be had again
		listeners: map[netip.AddrPort]*listener{}, conns: map[*conn]struct{}{},
		part: map[netip.Addr]int{}, changed: make(chan struct{}),
	}
}

// Host is one machine on the network.
type Host struct {
	n    *Network
	addr netip.Addr
}

// Host is the machine with an address, which need not be made known before. It panics when that is no address.
func (n *Network) Host(addr string) *Host { return &Host{n, netip.MustParseAddr(addr)} }

// Delay sets how long what is written takes to arrive, from now on: each time something between least and most.
func (n *Network) Delay(least, most time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.min, n.max = least, max(least, most)
}

// Split cuts all links between hosts of different parts, until Heal or another Split. What is on its way waits, and so does
// who connects, as long as his patience lasts.
func (n *Network) Split(parts ...[]string) { n.split(false, parts) }

// Break is Split, and connections over the cut break at once; new ones are refused.
func (n *Network) Break(parts ...[]string) { n.split(true, parts) }

// Heal ends all cuts.
func (n *Network) Heal() { n.split(false, nil) }

func (n *Network) split(refuse bool, parts [][]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.part)
	for i, hosts := range parts {
		for _, h := range hosts {
			n.part[netip.MustParseAddr(h)] = i + 1
		}
	}
	n.refuse = refuse
	n.changedLocked()
	for c := range n.conns {
		if refuse && n.cut(c.from.Addr(), c.to.Addr()) {
			c.reset(syscall.ECONNRESET)
		}
	}
}

// Reset breaks all connections there are; links stay as they are.
func (n *Network) Reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		c.reset(syscall.ECONNRESET)
	}
}

// Crash takes a host off the network for good: its listeners and connections are gone without a word to the other side,
// which finds out when it writes or waits in vain. A host of the same address may be made anew.
func (h *Host) Crash() {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	for at, l := range h.n.listeners {
		if at.Addr() == h.addr {
			delete(h.n.listeners, at)
			l.end()
		}
	}
	for c := range h.n.conns {
		if c.from.Addr() == h.addr || c.to.Addr() == h.addr {
			c.reset(syscall.ECONNRESET)
		}
	}
}

func (n *Network) changedLocked() {
	close(n.changed)
	n.changed = make(chan struct{})
	for c := range n.conns {
		c.in.wake()
		c.out.wake()
	}
}

// cut says whether nothing gets from one host to another. n.mu is held.
func (n *Network) cut(a, b netip.Addr) bool {
	x, y := n.part[a], n.part[b]
	return x != 0 && y != 0 && x != y
}

func (n *Network) isCut(a, b netip.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut(a, b)
}

// takes is how long the next write is under way.
func (n *Network) takes() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.max <= n.min {
		return n.min
	}
	return n.min + time.Duration(n.dice.Int64N(int64(n.max-n.min)))
}

// Listen takes a port of the host; port 0 is any that is free. The network and the host in the address are not looked at:
// whatever a server listens on is there, also a path of a unix socket.
func (h *Host) Listen(_ context.Context, network, address string) (net.Listener, error) {
	at := netip.AddrPortFrom(h.addr, 0)
	if network == "tcp" {
		_, service, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		port, err := strconv.ParseUint(service, 10, 16)
		if err != nil {
			return nil, err
		}
		at = netip.AddrPortFrom(h.addr, uint16(port))
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	for at.Port() == 0 || network != "tcp" && h.n.listeners[at] != nil {
		h.n.port++
		at = netip.AddrPortFrom(h.addr, h.n.port)
	}
	if h.n.listeners[at] != nil {
		return nil, fmt.Errorf("listen %s: %w", at, syscall.EADDRINUSE)
	}
	l := &listener{n: h.n, at: at, coming: make(chan *conn, backlog), done: make(chan struct{})}
	h.n.listeners[at] = l
	return l, nil
}

const backlog = 128 // connections that wait to be accepted; one more is refused

// Connect connects to a port of another host, or of this one. Over a cut it waits for the link, or fails at once after Break.
func (h *Host) Connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	for {
		c, wait, err := h.connect(to)
		if wait == nil {
			return c, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to %s: %w", to, ctx.Err())
		}
	}
}

func (h *Host) connect(to netip.AddrPort) (net.Conn, chan struct{}, error) {
	n := h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut(h.addr, to.Addr()) {
		if n.refuse {
			return nil, nil, fmt.Errorf("connect to %s: %w", to, syscall.ENETUNREACH)
		}
		return nil, n.changed, nil
	}
	l := n.listeners[to]
	if l == nil {
		return nil, nil, fmt.Errorf("connect to %s: %w", to, syscall.ECONNREFUSED)
	}
	n.port = max(n.port+1, 1024)
	from := netip.AddrPortFrom(h.addr, n.port)
	there, back := newHalf(n, from.Addr(), to.Addr()), newHalf(n, to.Addr(), from.Addr())
	near := &conn{n: n, from: from, to: to, in: back, out: there}
	far := &conn{n: n, from: to, to: from, in: there, out: back}
	select {
	case l.coming <- far:
	default:
		return nil, nil, fmt.Errorf("connect to %s: %w", to, syscall.ECONNREFUSED)
	}
	n.conns[near], n.conns[far] = struct{}{}, struct{}{}
	return near, nil, nil
}

// listener is a port that somebody listens on.
type listener struct {
	n      *Network
	at     netip.AddrPort
	coming chan *conn
	once   sync.Once
	done   chan struct{}
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.coming:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close gives the port back; who waits to be accepted is turned away.
func (l *listener) Close() error {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	if l.n.listeners[l.at] != l {
		return net.ErrClosed
	}
	delete(l.n.listeners, l.at)
	l.end()
	return nil
}

func (l *listener) end() {
	l.once.Do(func() { close(l.done) })
	for {
		select {
		case c := <-l.coming:
			c.reset(syscall.ECONNRESET)
		default:
			return
		}
	}
}

// Addr is the port.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// Parts makes a split of some hosts by chance, for Split and Break: two parts, neither of which is empty.
func (n *Network) Parts(hosts []string) [][]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	mixed := slices.Clone(hosts)
	n.dice.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	at := 1 + n.dice.IntN(max(1, len(mixed)-1))
	return [][]string{mixed[:at], mixed[at:]}
}
