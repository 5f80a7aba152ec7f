// Package dial is the one door out: every connection this server opens to somebody else goes through a Door (design D9).
//
// A Door knows which addresses are inside, which are outside and which are nobody's business (zone.go), checks them
// after the name was resolved and connects to the very address it checked, so that a name cannot change its mind in
// between. Whoever wants to go through declares first why, and what stops working without it; the list of what was
// declared, with what came of it, can be printed. A Door can be cut, to rehearse what a cut-off does.
//
// The list is complete only because nothing else in the program dials: a test reads the source for it. PostgreSQL, which
// is part of the server, is the exception.
package dial

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config is how a Door is set up. The zero value, with Now, takes loopback as inside and asks the system's resolver.
type Config struct {
	Inside []netip.Prefix // networks that count as inside; loopback always does
	Roots  *x509.CertPool // authorities for TLS; nil is the system's

	Now    func() time.Time                                             // the server's clock
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error) // nil asks the system's name servers
	SRV    func(ctx context.Context, name string) ([]*net.SRV, error)   // likewise; in the order in which to try them

	// Connect opens a connection to an address that was judged. nil is the system's; tests have a network in memory (base/memnet).
	Connect func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
}

// Check names the first setting that cannot be used.
func (c Config) Check() error {
	for _, p := range c.Inside {
		switch {
		case !p.IsValid():
			return errors.New("inside networks: an entry is not a network")
		case p != p.Masked():
			return fmt.Errorf("inside networks: %s has bits set after its length; %s is meant, or another length", p, p.Masked())
		case p.Addr().Is4In6():
			return fmt.Errorf("inside networks: %s is an IPv4 network written as IPv6", p)
		case p.Bits() == 0:
			return fmt.Errorf("inside networks: %s would make the whole Internet inside", p)
		}
	}
	return nil
}

// Reason is why connections are made, declared once by the package that makes them.
type Reason struct {
	Name    string        // one short word such as "federation"; it labels metrics and logs
	Target  string        // whom it reaches, in words or as an address
	Setting string        // the setting that brings it in, or "" when it follows from what users do
	Stops   string        // what no longer works when the target cannot be reached
	Whom    string        // who notices that, in words; "" for nobody in particular
	Grace   time.Duration // for how long everything still works without it; 0 is not at all
	Reach   Reach         // the zones it may go to; the zero value is the outside alone
	Peers   bool          // it leads to other homeservers
}

// Reach says which zones a reason may go to.
type Reach uint8

// The reaches.
const (
	OutsideOnly Reach = iota // for what strangers may name
	InsideOnly               // for the machinery of one's own network
	Everywhere               // for federation and push
	Named                    // outside, and the networks in Config.Inside; loopback only where it is among them: for link previews
	Itself                   // this server's own listeners (Door.Own), which no cut keeps away
)

// allows says whether a reason of this reach may go to an address.
func (c Config) allows(r Reach, a netip.Addr) bool {
	if r == Itself {
		return true // the address and port are compared with the listeners'
	}
	switch c.Zone(a) {
	case Inside:
		return r == InsideOnly || r == Everywhere || r == Named && c.named(a)
	case Outside:
		return r != InsideOnly
	default:
		return false
	}
}

// named says that the operator has written down a network that the address is in.
func (c Config) named(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(c.Inside, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Dependency is a declared reason and what came of it so far.
type Dependency struct {
	Reason
	Attempts   int64     // connections asked for
	Refused    int64     // of these, not tried: the address is not allowed, or the door is cut
	Failed     int64     // of these, tried without success, the name not found included
	LastOK     time.Time // when a connection was last made; zero for never
	LastFailed time.Time // when one was last refused or failed; zero for never
}

// Door is the way out. It is safe for use by many goroutines.
type Door struct {
	config Config

	system *net.Resolver // the system's, which asks through this door; nil where the Config has another

	side side

	mu      sync.Mutex       // guards what follows; nothing else is locked under it
	ways    []*Way           // bounded: one for each reason to go out that the program knows
	names   *Way             // of them, that of asking for names; nil until it is declared
	own     []netip.AddrPort // bounded: the listeners of this server
	watch   func(Attempt)
	cut     Scope
	mended  time.Time              // when the cut ends by itself; zero for never
	open    map[*conn]struct{}     // bounded by what each of the ways may have open
	pending map[netip.AddrPort]int // connections that are being made; bounded likewise
}

// New makes a Door that is not cut. The Config has been checked.
func New(c Config) *Door {
	d := &Door{config: c, open: map[*conn]struct{}{}, pending: map[netip.AddrPort]int{}}
	d.system = &net.Resolver{PreferGo: true, Dial: d.askNames}
	if c.Connect == nil {
		d.config.Connect = d.connect
	}
	return d
}

// Declare puts a reason on the list and gives the way out for it. A reason without a name, a target or a consequence,
// or one whose name is taken, is an error: it is a mistake in the program.
func (d *Door) Declare(r Reason) (*Way, error) {
	if r.Name == "" || r.Target == "" || r.Stops == "" {
		return nil, fmt.Errorf("dial: the reason %q does not say whom it reaches and what stops without it", r.Name)
	}
	if r.Reach > Itself {
		return nil, fmt.Errorf("dial: the reason %q has an unknown reach", r.Name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.ContainsFunc(d.ways, func(w *Way) bool { return w.reason.Name == r.Name }) {
		return nil, fmt.Errorf("dial: the reason %q is declared twice", r.Name)
	}
	w := &Way{door: d, reason: r}
	d.ways = append(d.ways, w)
	return w, nil
}

// DeclareNames is Declare for asking name servers, which the door does for all others.
func (d *Door) DeclareNames(r Reason) error {
	w, err := d.Declare(r)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names = w
	return nil
}

// Own says where this server itself listens, for the reasons that reach no further.
func (d *Door) Own(at ...netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.own = append(d.own, at...)
}

func (d *Door) isOwn(at netip.AddrPort) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.own, at)
}

// Attempt is one attempt to go out.
type Attempt struct {
	Reason string // its name
	To     string // "host:port", or a name that was asked for
	Err    error  // why it came to nothing; ErrCut in it for the cut
}

// Watch has fn told of every attempt from now on; nil ends it. fn does not wait for anything.
func (d *Door) Watch(fn func(Attempt)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch = fn
}

// Zone says where an address is.
func (d *Door) Zone(a netip.Addr) Zone { return d.config.Zone(a) }

// Outbound lists every reason that was declared, in the order of the names.
func (d *Door) Outbound() []Dependency {
	d.mu.Lock()
	ways := slices.Clone(d.ways)
	d.mu.Unlock()
	all := make([]Dependency, len(ways))
	for i, w := range ways {
		all[i] = Dependency{
			Reason:   w.reason,
			Attempts: w.attempts.Load(), Refused: w.refused.Load(), Failed: w.failed.Load(),
			LastOK: w.lastOK.time(), LastFailed: w.lastFailed.time(),
		}
	}
	slices.SortFunc(all, func(a, b Dependency) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Way is the door, for one reason. It is safe for use by many goroutines.
type Way struct {
	door   *Door
	reason Reason

	attempts, refused, failed atomic.Int64
	lastOK, lastFailed        instant
}

// note counts what came of one attempt.
func (w *Way) note(to string, err error) {
	w.door.mu.Lock()
	watch := w.door.watch
	w.door.mu.Unlock()
	if watch != nil {
		watch(Attempt{Reason: w.reason.Name, To: to, Err: err})
	}
	w.attempts.Add(1)
	if err == nil {
		w.lastOK.set(w.door.config.Now())
		return
	}
	w.lastFailed.set(w.door.config.Now())
	if _, ok := errors.AsType[*Refused](err); ok || errors.Is(err, ErrCut) {
		w.refused.Add(1)
	} else {
		w.failed.Add(1)
	}
}

// instant is a time that can be read and set at once.
type instant struct{ ns atomic.Int64 }

func (i *instant) set(t time.Time) { i.ns.Store(t.UnixNano()) }

func (i *instant) time() time.Time {
	if ns := i.ns.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}
