package cutoff

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"freehold.example/base/link"
	"freehold.example/base/memnet"
	"freehold.example/server"
)

// memory is servers in this process, on a network in memory. Their admin sockets are true ones, for the commands.
type memory struct {
	net   *memnet.Network
	sites []*site

	mu    sync.Mutex // guards what follows
	state cut
	tried map[*site]map[string]int
}

func newMemory() world { return &memory{net: memnet.New(1), tried: map[*site]map[string]int{}} }

// inside is a server that runs in this process.
type inside struct {
	end   context.CancelFunc
	ended chan error
	log   io.Closer
}

func (w *memory) begin(s *site) error {
	w.sites = append(w.sites, s)
	w.tried[s] = map[string]int{}
	people := w.net.Host("192.168.70.1") // in no part of any split
	s.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return people.Connect(ctx, netip.MustParseAddrPort(net.JoinHostPort(s.addr.String(), port)))
	}}}
	return nil
}

func (w *memory) try(s *site, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried[s][what]++
}

// lookup finds the site of a name, or says as a DNS would that there is none.
func (w *memory) lookup(s *site, name string) (*site, error) {
	name = strings.TrimSuffix(name, ".")
	w.try(s, "? "+name+".")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, other := range w.sites {
		if w.state == whole && (name == other.name || other.srv && (name == "matrix."+other.name || name == "_matrix-fed._tcp."+other.name)) {
			return other, nil
		}
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (w *memory) start(s *site) error {
	c, err := server.Load(nil, s.environ())
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	host := w.net.Host(s.addr.String())
	c.Out = log
	c.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
		if network == "unix" {
			_ = os.Remove(address) // of a server that was killed
			return net.Listen(network, address)
		}
		return host.Listen(ctx, network, address)
	}
	c.Connect = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		w.try(s, to.String())
		return host.Connect(ctx, to)
	}
	c.Ways = func() (link.Ways, error) { return link.Ways{}, nil }
	c.Lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
		other, err := w.lookup(s, name)
		if err != nil {
			return nil, err
		}
		return []netip.Addr{other.addr}, nil
	}
	c.SRV = func(_ context.Context, name string) ([]*net.SRV, error) {
		other, err := w.lookup(s, name)
		if err != nil || !strings.HasPrefix(name, "_") {
			return nil, err
		}
		port, err := strconv.ParseUint(other.port, 10, 16)
		return []*net.SRV{{Target: "matrix." + other.name + ".", Port: uint16(port)}}, err
	}
	ctx, end := context.WithCancel(context.Background())
	srv, err := server.New(ctx, c)
	if err != nil {
		end()
		return err
	}
	x := &inside{end: end, ended: make(chan error, 1), log: log}
	s.run = x
	go func() { x.ended <- srv.Run(ctx) }()
	return nil
}

func (w *memory) stop(s *site) error {
	x, runs := s.run.(*inside)
	if !runs || x == nil {
		return nil
	}
	s.run = nil
	x.end()
	if err := <-x.ended; err != nil {
		return fmt.Errorf("%s ends: %w", s.name, err)
	}
	return x.log.Close()
}

func (w *memory) kill(s *site) error { return w.stop(s) } // a process cannot be killed in part

func (w *memory) cut(c cut, told bool) {
	w.mu.Lock()
	w.state = c
	w.mu.Unlock()
	var parts [][]string
	switch c {
	case whole:
	case alone:
		for _, s := range w.sites {
			parts = append(parts, []string{s.addr.String()})
		}
	case island:
		parts = [][]string{{w.sites[0].addr.String(), w.sites[1].addr.String()}, {w.sites[2].addr.String()}}
	case chain: // the farm is in no part, which reaches all
		parts = [][]string{{w.sites[0].addr.String()}, {w.sites[2].addr.String()}}
	}
	if told {
		w.net.Break(parts...)
		return
	}
	w.net.Split(parts...)
}

func (w *memory) attempts(s *site) map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := maps.Clone(w.tried[s])
	clear(w.tried[s])
	return all
}

func (w *memory) end() {
	for _, s := range w.sites {
		s.http.CloseIdleConnections()
		_ = w.stop(s) // the test has failed already
	}
}
