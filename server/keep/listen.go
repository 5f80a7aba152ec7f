package keep

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"freehold.example/base/memnet"
	"freehold.example/server"
)

// network holds the addresses of the process. An address that one generation gives back and the next one takes stays
// listened on in between: who connects meanwhile is served a moment later, and no other program can take it.
type network struct {
	mu   sync.Mutex       // guards held
	held map[string]*held // by address as in the settings; bounded by the listeners of two configurations
}

type held struct {
	*net.TCPListener
	used bool
}

func newNetwork() *network { return &network{held: map[string]*held{}} }

// listenFor is the Listen of a generation: commands of the operator come by way of the door.
func (n *network) listenFor(admin *pipe) func(ctx context.Context, kind, address string) (net.Listener, error) {
	return func(ctx context.Context, kind, address string) (net.Listener, error) {
		if kind == "unix" {
			return admin, nil
		}
		return n.listen(ctx, kind, address)
	}
}

func (n *network) listen(ctx context.Context, kind, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.held[address]
	if h == nil || h.used {
		n.makeWay(address)
		l, err := new(net.ListenConfig).Listen(ctx, kind, address)
		if err != nil {
			return nil, err
		}
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			return l, nil
		}
		h = &held{TCPListener: tcp}
		n.held[address] = h
	}
	if err := h.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	h.used = true
	return &lent{TCPListener: h.TCPListener, network: n, held: h}, nil
}

// makeWay lets go of what nobody uses and has the same port, as 127.0.0.1:8008 has when :8008 is wanted.
func (n *network) makeWay(address string) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return
	}
	for other, h := range n.held {
		if _, its, err := net.SplitHostPort(other); err == nil && its == port && !h.used {
			_ = h.Close() // it is for the new one to say what is wrong with the address
			delete(n.held, other)
		}
	}
}

// has says whether an address is listened on here.
func (n *network) has(address string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held[address] != nil
}

// release lets go of what the generation that runs does not use.
func (n *network) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for address, h := range n.held {
		if !h.used {
			_ = h.Close() // nobody uses it
			delete(n.held, address)
		}
	}
}

func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.held {
		_ = h.Close() // the process ends
	}
	clear(n.held)
}

// lent is a listener in the hands of a generation. Closing it gives it back.
type lent struct {
	*net.TCPListener
	network *network
	held    *held
	closed  atomic.Bool
}

// Accept waits for a connection, until Close.
func (l *lent) Accept() (net.Conn, error) {
	conn, err := l.TCPListener.Accept()
	if err != nil && (l.closed.Load() || errors.Is(err, os.ErrDeadlineExceeded)) {
		return nil, net.ErrClosed
	}
	return conn, err
}

// Close ends Accept. The address stays taken.
func (l *lent) Close() error {
	if l.closed.Swap(true) {
		return net.ErrClosed
	}
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	l.held.used = false
	return l.SetDeadline(time.Unix(1, 0))
}

// pipe is a listener in memory, by which the door hands commands to a generation.
type pipe struct {
	net.Listener
	host *memnet.Host
	at   netip.AddrPort
}

func newPipe(ctx context.Context) (*pipe, error) {
	p := &pipe{host: memnet.New(1).Host("127.0.0.1"), at: netip.MustParseAddrPort("127.0.0.1:1")}
	var err error
	p.Listener, err = p.host.Listen(ctx, "tcp", p.at.String())
	return p, err
}

// dial connects to who accepts.
func (p *pipe) dial(ctx context.Context) (net.Conn, error) { return p.host.Connect(ctx, p.at) }

// listenDoor takes the socket in the data directory.
func listenDoor(dir string) (net.Listener, error) { return server.ListenAdmin(dir) }
