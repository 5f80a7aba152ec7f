package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"

	"freehold.example/base/link"
	"freehold.example/base/mdns"
	"freehold.example/base/sqldb"
	"freehold.example/core/outbox"
	"freehold.example/core/peer"
	"freehold.example/core/reach"
	"freehold.example/core/wake"
	"freehold.example/matrix/id"
)

// openWake makes what notices that the way to other servers is back, before anything asks one.
func (s *Server) openWake() error {
	c := &s.config
	s.wake = wake.New(wake.Config{
		DB: s.db, Peers: s.peers, Rooms: s.rooms, Outbox: s.outbox, Server: c.ServerName, Link: link.Watch{Look: c.Ways}, Now: c.Now, Log: c.Log,
		Take: func(ctx context.Context, from id.Server, raws []json.RawMessage) error {
			_, err := s.arrivals.Accept(ctx, from, raws)
			return err
		},
		Waits:  func(in id.Room, e id.Event) bool { return s.arrivals.Waits(in, e) },
		Joined: func(ctx context.Context, in id.Room) error { return s.handshakes.Joined(ctx, in) },
	})
	s.closers = append(s.closers, func() error { s.wake.Close(); return nil })
	s.reach = reach.New(reach.Config{
		Door: s.door, Peers: s.peers, Gaps: s.outbox.Gaps, Queues: s.queues, Shared: s.sharedServers, Bus: s.bus, Now: c.Now, Log: c.Log,
	})
	return errors.Join(s.wake.Register(s.registry), s.reach.Register(s.registry))
}

// sharedServers are those with users in rooms of a user; none while federation is off.
func (s *Server) sharedServers(ctx context.Context, user id.User) (servers []id.Server, err error) {
	if s.config.Federation == "off" {
		return nil, nil
	}
	err = s.db.Read(ctx, func(tx *sqldb.Tx) error {
		servers, err = s.rooms.SharedServers(tx, user)
		return err
	})
	slices.Sort(servers)
	return servers, err
}

// back is told of a server that was silent and is not any more.
func (s *Server) back(server id.Server) { s.wake.Back(server) }

// neighbours listens for servers on the local network, when that is wanted.
func (s *Server) neighbours(ctx context.Context) error {
	c := &s.config
	if !c.MulticastDNS || c.Federation == "off" {
		return nil
	}
	var port uint16
	if at, err := netip.ParseAddrPort(s.FederationAddr()); err == nil {
		port = at.Port()
	}
	return mdns.Run(ctx, mdns.Config{
		Name: string(c.ServerName), Port: port, Now: c.Now, Log: c.Log,
		Found: func(f mdns.Found) {
			server, err := id.ParseServer(f.Name)
			if err != nil || !s.peers.Near(server, f.Place) {
				return
			}
			c.Log.InfoContext(ctx, "a server says that it is on this network", "server", server, "place", f.Place.String())
			s.wake.Nearby(server)
		},
	})
}

// queues is what is still to be sent to other servers.
func (s *Server) queues(ctx context.Context) (all []outbox.Destination, err error) {
	err = s.db.Read(ctx, func(tx *sqldb.Tx) error {
		all, err = s.outbox.Report(tx)
		return err
	})
	return all, err
}

// pins are the hashes that prove the certificate of the federation listener; none where there is no listener.
func (s *Server) pins() []string {
	if s.certificate == nil {
		return nil
	}
	c, err := s.certificate.get(nil)
	if err != nil {
		return nil
	}
	return []string{peer.Pin(c.Leaf)}
}
