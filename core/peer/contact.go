package peer

import (
	"context"
	"net/netip"
	"time"

	"freehold.example/base/dial"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Contact is when another server was last heard of.
type Contact struct {
	Server id.Server
	Last   time.Time // when it last answered; zero for never
	Silent time.Time // since when it is not reached, though it was before; zero while it is, or was never
}

const sqlContacts = `SELECT server, last_ok FROM peer WHERE last_ok > 0 AND server IN ({list $1})`

// Contacts gives the contact with each of some servers, in their order.
func (p *Peers) Contacts(ctx context.Context, servers []id.Server) ([]Contact, error) {
	met := make(map[id.Server]time.Time, len(servers))
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		clear(met)
		return each(tx, sqlContacts, func(server id.Server, ms int64) { met[server] = time.UnixMilli(ms) }, sqldb.List(servers))
	})
	if err != nil {
		return nil, err
	}
	all := make([]Contact, len(servers))
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, server := range servers {
		all[i] = Contact{Server: server, Last: met[server]}
		if x := p.known[server]; x != nil {
			all[i].Silent = x.since
			if x.heard.After(all[i].Last) {
				all[i].Last = x.heard
			}
		}
	}
	return all, nil
}

// SilentNow is which servers are silent, and since when.
func (p *Peers) SilentNow() map[id.Server]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[id.Server]time.Time, len(p.silent))
	for server, x := range p.silent {
		all[server] = x.since
	}
	return all
}

// Witness names a server outside that has answered and is not known to be silent, other than some: who can tell whether it is this
// one that is cut off. "" where there is none.
func (p *Peers) Witness(but map[id.Server]bool) (best id.Server) {
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var heard time.Time
	for server, x := range p.known {
		_, silent := p.silent[server]
		if but[server] || silent || !x.answered || now.Before(x.next) || best != "" && !x.heard.After(heard) {
			continue
		}
		if at, err := netip.ParseAddrPort(x.route.Last); err == nil && p.Door.Zone(at.Addr()) == dial.Outside {
			best, heard = server, x.heard
		}
	}
	return best
}
