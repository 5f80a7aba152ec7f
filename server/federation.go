package server

import (
	"context"

	"freehold.example/api/federation"
	"freehold.example/core/arrival"
	"freehold.example/core/wake"
)

// openArrivals makes what takes in the events of other servers.
func (s *Server) openArrivals(ctx context.Context) error {
	c := &s.config
	s.arrivals = arrival.New(arrival.Config{
		DB: s.db, Rooms: s.rooms, Peers: s.peers, Server: c.ServerName, Now: c.Now, Log: c.Log,
		Joining: s.handshakes.Joining, Joined: s.handshakes.Joined, Likely: s.peers.Likely, Looked: s.wake.LastLook, Outside: s.handshakes.Heard,
	})
	s.closers = append(s.closers, func() error { s.arrivals.Close(); return nil })
	if err := s.arrivals.Register(s.registry); err != nil {
		return err
	}
	return s.arrivals.Resume(ctx)
}

// edus is who takes which of the ephemeral events that other servers send. Others are left alone.
func (s *Server) edus() map[string]federation.EDUHandler {
	return map[string]federation.EDUHandler{
		"m.direct_to_device":   s.inbox.Receive,
		"m.device_list_update": s.keys.ReceiveDeviceList,
		"m.signing_key_update": s.keys.ReceiveSigningKeys,
		wake.EDU:               s.wake.Poked,
		"m.typing":             s.ephemeral.ReceiveTyping,
		"m.receipt":            s.ephemeral.ReceiveReceipts,
		"m.presence":           s.ephemeral.ReceivePresence,
	}
}
