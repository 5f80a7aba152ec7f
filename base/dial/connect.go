package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	dialTimeout  = 10 * time.Second       // resolving and connecting, all addresses together
	nextAddress  = 250 * time.Millisecond // head start of one address over the next; RFC 8305
	maxAddresses = 8                      // of one name that are tried
)

// DialContext connects to "host:port" over TCP, for http.Transport and its like. The host is a name or an address. The
// errors are *Refused when its addresses may not be contacted, ErrCut, or what the network says.
func (w *Way) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	places, ok := ctx.Value(elsewhere{}).([]string)
	if !ok {
		places = []string{address}
	}
	var errs []error
	for _, place := range places {
		c, err := w.dial(ctx, network, place)
		w.note(place, err)
		if err == nil {
			return c, nil
		}
		w.missed(ctx, place, err)
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// elsewhere is the key of a context made by At.
type elsewhere struct{}

// At gives a context with which connections are made to one of these places, "host:port" in the order in which to try
// them, instead of to the one that a URL names. The name that a certificate must have stays that of the URL: it is how an
// SRV record sends to another host.
func At(ctx context.Context, places ...string) context.Context {
	return context.WithValue(ctx, elsewhere{}, places)
}

func (w *Way) dial(ctx context.Context, network, address string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()

	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("dial: %q is not a port", service)
	}
	if w.isCut(Inside) && w.isCut(Outside) {
		return nil, ErrCut // without asking the resolver either
	}
	addrs, err := w.resolve(ctx, network, host)
	if err != nil {
		return nil, err
	}
	if w.reason.Reach == Itself && !w.door.isOwn(netip.AddrPortFrom(addrs[0], uint16(port))) {
		return nil, &Refused{Reason: w.reason.Name, Host: address, Addr: addrs[0], Zone: w.door.config.Zone(addrs[0])}
	}
	return w.race(ctx, addrs, uint16(port))
}

// resolve gives the addresses of a host that may be contacted, in the order in which to try them.
func (w *Way) resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	var family func(netip.Addr) bool
	switch network {
	case "tcp":
		family = func(netip.Addr) bool { return true }
	case "tcp4":
		family = netip.Addr.Is4
	case "tcp6":
		family = netip.Addr.Is6
	default:
		return nil, fmt.Errorf("dial: %w", net.UnknownNetworkError(network))
	}
	var found []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		found = []netip.Addr{a}
	} else if found, err = w.door.lookup(ctx, host); err != nil {
		return nil, err
	}
	var allowed []netip.Addr
	refusal := error(&net.DNSError{Err: "no suitable address", Name: host, IsNotFound: true})
	for _, a := range found {
		a = a.Unmap()
		z := w.door.config.Zone(a)
		switch {
		case !family(a):
		case !w.door.config.allows(w.reason.Reach, a):
			refusal = &Refused{Reason: w.reason.Name, Host: host, Addr: a, Zone: z}
		case w.isCut(z):
			refusal = ErrCut
		case !slices.Contains(allowed, a):
			allowed = append(allowed, a)
		}
	}
	if len(allowed) == 0 {
		return nil, refusal
	}
	return interleave(allowed), nil
}

// interleave alternates between the families, keeping the order within each, so that one that is broken costs one head
// start and not a timeout.
func interleave(addrs []netip.Addr) []netip.Addr {
	first := addrs[0].Is4()
	var lists [2][]netip.Addr
	for _, a := range addrs {
		i := 0
		if a.Is4() != first {
			i = 1
		}
		lists[i] = append(lists[i], a)
	}
	out := make([]netip.Addr, 0, len(addrs))
	for i := range max(len(lists[0]), len(lists[1])) {
		for _, l := range lists {
			if i < len(l) {
				out = append(out, l[i])
			}
		}
	}
	return out[:min(len(out), maxAddresses)]
}

// race tries the addresses one after the other, each with a head start over the next, and takes the first that answers.
// The goroutines end when the first has won or the context is over; late winners are closed.
func (w *Way) race(ctx context.Context, addrs []netip.Addr, port uint16) (*conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		to   netip.Addr
		err  error
	}
	results := make(chan result, len(addrs)) // room for all, so that nobody blocks
	try := func(a netip.Addr) {
		done := w.door.connecting(netip.AddrPortFrom(a, port))
		defer done()
		c, err := w.door.config.Connect(ctx, netip.AddrPortFrom(a, port))
		results <- result{c, a, err}
	}
	var errs []error
	started, running := 0, 0
	start := time.NewTimer(0)
	defer start.Stop()
	for {
		select {
		case <-start.C:
			if started < len(addrs) {
				go try(addrs[started])
				started++
				running++
				start.Reset(nextAddress)
			}
		case r := <-results:
			running--
			if r.err == nil {
				go func() {
					for range running {
						if late := <-results; late.err == nil {
							_ = late.conn.Close() // nobody has seen it
						}
					}
				}()
				return w.enter(r.conn, w.door.config.Zone(r.to))
			}
			errs = append(errs, &unreached{r.to, r.err})
			if started == len(addrs) && running == 0 {
				return nil, errors.Join(errs...)
			}
			start.Reset(0)
		}
	}
}

// connecting notes that a connection is being made, until done is called.
func (d *Door) connecting(to netip.AddrPort) (done func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending[to]++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.pending[to]--; d.pending[to] == 0 {
			delete(d.pending, to)
		}
	}
}

// connect opens a TCP connection to one address, which is judged once more where the kernel gets it.
func (d *Door) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{
		KeepAlive: 30 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if at.Port() != to.Port() || at.Addr().Unmap() != to.Addr() {
				return fmt.Errorf("dial: bug: about to connect to %s instead of %s", at, to)
			}
			return nil
		},
	}
	return dialer.DialContext(ctx, "tcp", to.String())
}
