package server

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"freehold.example/base/limit"
)

// A connection costs some 10 to 30 KiB, whatever comes over it.
const (
	// limit: connections of one listener | %d | a new one is closed at once
	maxConns = 20_000
	// limit: connections of one address, but for those of this machine, which may be a proxy's | %d | a new one is closed at once
	maxConnsOf = 2000
)

// crowd is a listener that turns those away who are too many.
type crowd struct {
	net.Listener
	most, mostOf int

	mu  sync.Mutex         // guards all below
	all int                //
	of  map[netip.Addr]int // bounded by most
}

func newCrowd(l net.Listener, most, mostOf int) *crowd {
	return &crowd{Listener: l, most: most, mostOf: mostOf, of: map[netip.Addr]int{}}
}

// Accept gives the next connection that there is room for.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := whence(conn)
		if c.enter(from) {
			return &guest{Conn: conn, crowd: c, from: from}, nil
		}
		_ = conn.Close() // there is nobody to tell
	}
}

// whence is the address of who connects; the zero address where it does not count.
func whence(conn net.Conn) netip.Addr {
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || peer.Addr().Unmap().IsLoopback() {
		return netip.Addr{}
	}
	return limit.Network(peer.Addr())
}

func (c *crowd) enter(from netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.most || from.IsValid() && c.of[from] >= c.mostOf {
		return false
	}
	c.all++
	if from.IsValid() {
		c.of[from]++
	}
	return true
}

func (c *crowd) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if !from.IsValid() {
		return
	}
	if c.of[from]--; c.of[from] == 0 {
		delete(c.of, from)
	}
}

// guest is a connection that is counted.
type guest struct {
	net.Conn
	crowd *crowd
	from  netip.Addr
	left  atomic.Bool
}

// Close ends the connection.
func (g *guest) Close() error {
	if !g.left.Swap(true) {
		g.crowd.leave(g.from)
	}
	return g.Conn.Close()
}
