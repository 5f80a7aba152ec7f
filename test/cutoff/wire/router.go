// Package wire is a router in user space: machines that are named by their address hang on it by a device that gives and takes
// IP packets (TUN), and nothing gets from one to another but through it. It delays, loses, slows down and cuts, answers as the
// DNS of them all, truly or not, and writes down who tried to reach whom.
package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Link is how packets get from one machine to another. The zero value lets all through, at once.
type Link struct {
	Cut    bool
	Say    bool // whoever sends something into a cut is told that there is no way, and does not wait in vain
	Delay  time.Duration
	Jitter time.Duration // at most so much more, by chance; the order stays
	Loss   float64       // part of the packets, by chance
	Rate   int           // bytes in a second; 0 is any number
}

const (
	queueTime = time.Second // that a slow link makes packets wait; it drops more
	maxLate   = 10_000      // packets on their way over a link; more are dropped
	largest   = 65535       // bytes of a packet
)

// Flow is packets of one kind from one machine to one place.
type Flow struct {
	From, To netip.Addr
	Proto    string // "tcp", "udp", or the number
	Port     uint16 // that is sent to; 0 where there are none
	Name     string // that is asked for, where it is a question to the DNS
}

// Count is what there was of a flow.
type Count struct {
	Packets, Passed int // those that were let through too
	First           time.Time
}

// Router is all links between some machines. It is safe for use by many goroutines, and bounded by what a test does.
type Router struct {
	dns netip.Addr

	mu      sync.Mutex // guards what follows
	dice    *rand.Rand
	ports   map[netip.Addr]*port
	links   map[[2]netip.Addr]Link
	lines   map[[2]netip.Addr]*line
	dropped map[netip.Addr]bool
	names   map[string]Record
	lie     bool
	silent  map[string]bool
	flows   map[Flow]*Count
	closed  bool
	work    sync.WaitGroup
}

// New makes a router whose DNS answers at an address.
func New(seed uint64, dns netip.Addr) *Router {
	return &Router{
		dns: dns, dice: rand.New(rand.NewPCG(seed, 2)), // #nosec G404 -- chance that can be had again
		ports: map[netip.Addr]*port{}, links: map[[2]netip.Addr]Link{}, lines: map[[2]netip.Addr]*line{},
		dropped: map[netip.Addr]bool{}, names: map[string]Record{}, silent: map[string]bool{}, flows: map[Flow]*Count{},
	}
}

// port is where a machine hangs on the router.
type port struct {
	dev io.ReadWriteCloser
	mu  sync.Mutex // held while a packet is written
}

// Attach hangs a machine on the router: what dev gives comes from it, each Read a packet, and each Write is one to it. Close
// closes dev.
func (r *Router) Attach(addr netip.Addr, dev io.ReadWriteCloser) {
	p := &port{dev: dev}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ports[addr] = p
	r.work.Go(func() {
		b := make([]byte, largest)
		for {
			n, err := dev.Read(b)
			if err != nil {
				return
			}
			r.packet(slices.Clone(b[:n]))
		}
	})
}

// Set says how packets get from one machine to another, one way, from now on.
func (r *Router) Set(from, to netip.Addr, l Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links[[2]netip.Addr{from, to}] = l
}

// Between is Set both ways.
func (r *Router) Between(a, b netip.Addr, l Link) {
	r.Set(a, b, l)
	r.Set(b, a, l)
}

// Drop says whether packets to an address are dropped, whoever sends them.
func (r *Router) Drop(to netip.Addr, drop bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped[to] = drop
}

// Flows is a copy of what was tried since the last Forget.
func (r *Router) Flows() map[Flow]Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[Flow]Count, len(r.flows))
	for f, c := range r.flows {
		all[f] = *c
	}
	return all
}

// Forget begins the log anew.
func (r *Router) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.flows)
}

// Close takes all machines off.
func (r *Router) Close() {
	r.mu.Lock()
	r.closed = true
	for _, p := range r.ports {
		_ = p.dev.Close() // they were only read and written
	}
	for _, l := range r.lines {
		close(l.queue)
	}
	r.mu.Unlock()
	r.work.Wait()
}

// header is what is read of a packet.
type header struct {
	from, to netip.Addr
	proto    byte
	sport    uint16
	port     uint16
	payload  []byte // of UDP
}

// The protocols that are looked into.
const (
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

// parse reads an IPv4 packet. Others do not get far: machines of tests have no other addresses.
func parse(b []byte) (h header, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return h, false
	}
	size := int(b[0]&15) * 4
	if size < 20 || len(b) < size {
		return h, false
	}
	h.from, h.to, h.proto = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[9]
	first := binary.BigEndian.Uint16(b[6:8])&0x1fff == 0 // of a fragmented packet
	rest := b[size:]
	if first && (h.proto == protoTCP || h.proto == protoUDP) && len(rest) >= 8 {
		h.sport, h.port = binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
		if h.proto == protoUDP {
			h.payload = rest[8:]
		}
	}
	return h, true
}

func (h header) flow() Flow {
	f := Flow{From: h.from, To: h.to, Port: h.port}
	switch h.proto {
	case protoTCP:
		f.Proto = "tcp"
	case protoUDP:
		f.Proto = "udp"
	default:
		f.Proto = fmt.Sprint("protocol ", h.proto)
	}
	return f
}

// packet takes a packet on its way.
func (r *Router) packet(b []byte) {
	h, ok := parse(b)
	if !ok {
		return
	}
	if h.to == r.dns && h.proto == protoUDP && h.port == dnsPort {
		r.question(h)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	passed := r.sendLocked(h.from, h.to, b)
	if !passed && r.links[[2]netip.Addr{h.from, h.to}].Say {
		r.sendLocked(r.dns, h.from, unreachable(r.dns, h.from, b))
	}
	if !r.answersLocked(h) {
		r.countLocked(h.flow(), passed)
	}
}

// answersLocked says whether a packet belongs to what another machine began, as far as ports tell: what is sent from a port below
// the ephemeral ones answers somebody.
func (r *Router) answersLocked(h header) bool {
	const ephemeral = 32768
	return h.sport != 0 && h.sport < ephemeral && h.port >= ephemeral
}

func (r *Router) countLocked(f Flow, passed bool) {
	c := r.flows[f]
	if c == nil {
		c = &Count{First: time.Now()}
		r.flows[f] = c
	}
	c.Packets++
	if passed {
		c.Passed++
	}
}

// sendLocked has a packet arrive where it is to, unless something is against it.
func (r *Router) sendLocked(from, to netip.Addr, b []byte) bool {
	p, way := r.ports[to], [2]netip.Addr{from, to}
	l := r.links[way]
	if r.closed || p == nil || l.Cut || r.dropped[to] || l.Loss > 0 && r.dice.Float64() < l.Loss {
		return false
	}
	q := r.lines[way]
	if q == nil {
		q = &line{queue: make(chan late, maxLate)}
		r.lines[way] = q
		r.work.Go(func() { q.run(p) })
	}
	due := time.Now().Add(l.Delay)
	if l.Jitter > 0 {
		due = due.Add(time.Duration(r.dice.Int64N(int64(l.Jitter))))
	}
	if l.Rate > 0 {
		q.free = later(q.free, time.Now())
		if time.Until(q.free) > queueTime {
			return false
		}
		q.free = q.free.Add(time.Duration(len(b)) * time.Second / time.Duration(l.Rate))
		due = later(due, q.free.Add(l.Delay))
	}
	select {
	case q.queue <- late{due, b}:
		return true
	default:
		return false
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (p *port) write(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.dev.Write(b) // a packet that is lost
}

// line is what is on its way over a link that takes time, in its order.
type line struct {
	queue chan late
	free  time.Time // when a slow link has sent all it was given; guarded by Router.mu
}

type late struct {
	due time.Time
	b   []byte
}

func (l *line) run(p *port) {
	for x := range l.queue {
		time.Sleep(time.Until(x.due))
		p.write(x.b)
	}
}

// String is for messages.
func (f Flow) String() string {
	if f.Name != "" {
		return fmt.Sprintf("%s asks %s for %s", f.From, f.To, f.Name)
	}
	return fmt.Sprintf("%s to %s, %s port %d", f.From, f.To, f.Proto, f.Port)
}
