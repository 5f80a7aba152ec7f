// Package dial is the one door out: every connection this server opens to somebody else goes through a Door (design D9).
//
// A Door knows which addresses are inside, which are outside and which are nobody's business (zone.go), checks them
// after the name was resolved and connects to the very address it checked, so that a name cannot change its mind in
// between. Whoever wants to go through declares first why, and what stops working without it; the list of what was
// declared, with what came of it, can be printed. A Door can be cut, to rehearse what a cut-off does.
//
// The list is complete only because nothing else in the program dials. The system's resolver, asked for addresses, and
// PostgreSQL, which is part of the server, are the exceptions.
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

	Now    func() time.Time                                               // the server's clock
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)   // nil asks the system's resolver
	dial   func(ctx context.Context, to netip.AddrPort) (net.Conn, error) // for the tests of this package
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
	Grace   time.Duration // for how long everything still works without it; 0 is not at all
	Reach   Reach         // the zones it may go to; the zero value is the outside alone
}

// Reach says which zones a reason may go to.
type Reach uint8

// The reaches.
const (
	OutsideOnly Reach = iota // for what strangers may name: link previews, media
	InsideOnly               // for the machinery of one's own network
	Everywhere               // for federation and push
)

func (r Reach) allows(z Zone) bool {
	switch z {
	case Inside:
		return r != OutsideOnly
	case Outside:
		return r != InsideOnly
	default:
		return false
	}
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

	mu   sync.Mutex // guards what follows; nothing else is locked under it
	ways []*Way
	cut  Scope
	open map[*conn]struct{}
}

// New makes a Door that is not cut. The Config has been checked.
func New(c Config) *Door {
	if c.Lookup == nil {
		c.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	d := &Door{config: c, open: map[*conn]struct{}{}}
	if c.dial == nil {
		d.config.dial = d.connect
	}
	return d
}

// Declare puts a reason on the list and gives the way out for it. A reason without a name, a target or a consequence,
// or one whose name is taken, is an error: it is a mistake in the program.
func (d *Door) Declare(r Reason) (*Way, error) {
	if r.Name == "" || r.Target == "" || r.Stops == "" {
		return nil, fmt.Errorf("dial: the reason %q does not say whom it reaches and what stops without it", r.Name)
	}
	if r.Reach > Everywhere {
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
func (w *Way) note(err error) {
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
