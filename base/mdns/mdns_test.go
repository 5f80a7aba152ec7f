package mdns

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// network is a local network in memory.
type network struct {
	mu    sync.Mutex // guards all below
	hosts []*host
	said  int
}

// host is one machine's connection to it.
type host struct {
	net.PacketConn // nil: what is not used
	network        *network
	addr           *net.UDPAddr
	in             chan packet
	closed         chan struct{}
}

type packet struct {
	b    []byte
	from *net.UDPAddr
}

func (n *network) join(addr string) *host {
	h := &host{network: n, addr: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)), in: make(chan packet, 1000), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts = append(n.hosts, h)
	return h
}

func (h *host) WriteTo(b []byte, _ net.Addr) (int, error) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.network.said++
	for _, other := range h.network.hosts {
		if other != h {
			select {
			case other.in <- packet{slices.Clone(b), h.addr}:
			default:
			}
		}
	}
	return len(b), nil
}

func (h *host) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-h.in:
		return copy(b, p.b), p.from, nil
	case <-h.closed:
		return 0, nil, net.ErrClosed
	}
}

func (h *host) Close() error {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.network.hosts = slices.DeleteFunc(h.network.hosts, func(o *host) bool { return o == h })
	close(h.closed)
	return nil
}

// run has a server run until the test ends, and gives whom it found.
func (n *network) run(t *testing.T, name, addr string, port uint16) func() []Found {
	var mu sync.Mutex
	var found []Found
	done := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		err := Run(ctx, Config{
			Name: name, Port: port, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Open: func() ([]net.PacketConn, error) { return []net.PacketConn{n.join(addr)}, nil },
			Found: func(f Found) {
				mu.Lock()
				defer mu.Unlock()
				if !slices.Contains(found, f) {
					found = append(found, f)
				}
			},
		})
		if err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return func() []Found {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(found)
	}
}

// TestFindEachOther: also who comes later, who only listens is not found, and a crowd does not answer without end.
func TestFindEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		a := n.run(t, "a.local", "192.168.7.1:5353", 8448)
		time.Sleep(20 * time.Second)
		b := n.run(t, "b.local:1234", "192.168.7.2:5353", 1234)
		mute := n.run(t, "mute.local", "192.168.7.3:5353", 0)
		time.Sleep(3 * time.Second)
		atA := Found{"a.local", netip.MustParseAddrPort("192.168.7.1:8448")}
		atB := Found{"b.local:1234", netip.MustParseAddrPort("192.168.7.2:1234")}
		if got := a(); !slices.Equal(got, []Found{atB}) {
			t.Errorf("a found %v", got)
		}
		if got := b(); !slices.Equal(got, []Found{atA}) {
			t.Errorf("b found %v", got)
		}
		if got := mute(); len(got) != 2 {
			t.Errorf("who only listens found %v", got)
		}
		// A liar's words count for his own address only, and from the right port only; a flood does no harm.
		liar := n.join("192.168.7.66:5353")
		w, err := newWords("victim.example.org", 443)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = liar.WriteTo(w.answer, group)
		forger := n.join("192.168.7.67:1024")
		f, _ := newWords("forged.example.org", 443)
		_, _ = forger.WriteTo(f.answer, group)
		time.Sleep(2 * time.Second)
		n.mu.Lock()
		before := n.said
		n.mu.Unlock()
		for range 100 {
			_, _ = liar.WriteTo(w.question, group)
		}
		time.Sleep(5 * time.Second)
		n.mu.Lock()
		if got := n.said - before - 100; got > 6 {
			t.Errorf("a hundred questions were answered by %d", got)
		}
		n.mu.Unlock()
		if got := a(); !slices.Equal(got, []Found{atB, {"victim.example.org", netip.MustParseAddrPort("192.168.7.66:443")}}) {
			t.Errorf("a found %v", got)
		}
	})
}

func FuzzRead(f *testing.F) {
	w, err := newWords("a.local", 8448)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(w.question)
	f.Add(w.answer)
	f.Fuzz(func(t *testing.T, b []byte) {
		asked, said := read(b)
		if asked && said != nil || len(said) > 2*maxRecord {
			t.Errorf("asked %v, said %v", asked, said)
		}
		for _, s := range said {
			if s.name == "" || len(s.name) > 255 || s.port == 0 {
				t.Errorf("said %+v", s)
			}
		}
	})
}

func TestWords(t *testing.T) {
	for _, name := range []string{"", string(make([]byte, 300))} {
		if _, err := newWords(name, 1); err == nil {
			t.Errorf("%q can be said", name)
		}
	}
	w, err := newWords("a.local", 8448)
	if err != nil {
		t.Fatal(err)
	}
	if asked, said := read(w.question); !asked || said != nil {
		t.Error("the question is none")
	}
	if asked, said := read(w.answer); asked || len(said) != 1 || said[0] != (saying{"a.local", 8448}) {
		t.Errorf("got %v", said)
	}
}
