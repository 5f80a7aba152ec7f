package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"freehold.example/matrix/id"
)

// A server that says that it is on the same network (base/mdns) is looked for there when it is not reached where it should be. Who
// says so may lie: what answers there has to prove that it is that server, as anywhere.

// near is where a server says that it is.
type near struct {
	place string // address and port
	heard time.Time
}

const (
	// limit: servers that say that they are on the local network, in memory | %d | the one heard longest ago goes
	maxNear  = 200
	nearLife = 5 * time.Minute // after which a server that is not heard any more is not looked for there
)

// Near is told where a server says that it is, on a network of this machine. It says whether that is news, and may be what lets a
// server be reached that was not: its wait is over then.
func (p *Peers) Near(server id.Server, at netip.AddrPort) bool {
	if server == p.Signer.Server || p.Allowed != nil && !p.Allowed(server) {
		return false
	}
	now, place := p.Now(), at.String()
	p.mu.Lock()
	defer p.mu.Unlock()
	was, known := p.near[server]
	if !known && len(p.near) >= maxNear {
		oldest := server
		for other, n := range p.near {
			if oldest == server || n.heard.Before(p.near[oldest].heard) {
				oldest = other
			}
		}
		delete(p.near, oldest)
	}
	p.near[server] = near{place, now}
	if known && was.place == place && now.Sub(was.heard) < nearLife {
		return false
	}
	if x := p.known[server]; x != nil && x.last != nil && !Refused(x.last) {
		x.alive()
		x.called = time.Time{}
	}
	return true
}

// otherPlaces lists the places to look for a server that was not reached for some reason.
func (p *Peers) otherPlaces(server id.Server, route Route, err error) (places []string) {
	_, unnamed := errors.AsType[*net.DNSError](err)
	op, unreached := errors.AsType[*net.OpError](err)
	unreached = unreached && op.Op == "dial" || errors.Is(err, context.DeadlineExceeded)
	if unnamed && route.Last != "" {
		places = append(places, route.Last)
	}
	if !unnamed && !unreached {
		return places
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, ok := p.near[server]; ok && p.Now().Sub(n.heard) < nearLife && !slices.Contains(places, n.place) {
		places = append(places, n.place)
	}
	return places
}
