package server

import (
	"context"

	"freehold.example/core/handshake"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// openHandshakes makes what deals with rooms that live elsewhere.
func (s *Server) openHandshakes(ctx context.Context) error {
	c := &s.config
	s.handshakes = handshake.New(handshake.Config{
		DB: s.db, Rooms: s.rooms, Peers: s.peers, Profiles: person.Profiles{DB: s.db}, Bus: s.bus, Signer: s.signer, Now: c.Now, Log: c.Log,
		Exists: s.accounts.Exists, MayInvite: s.mayInvite, Settled: s.keys.Settled,
	})
	if err := s.handshakes.Register(s.registry); err != nil {
		return err
	}
	return s.handshakes.Load(ctx)
}

// inviteOut invites users of other servers, where this one talks to others.
func (s *Server) inviteOut() func(context.Context, room.Caller, id.Room, id.User, map[string]any) (id.Event, error) {
	if s.config.Federation == "off" {
		return nil
	}
	return func(ctx context.Context, c room.Caller, in id.Room, target id.User, content map[string]any) (id.Event, error) {
		return s.handshakes.Invite(ctx, c, in, target, content)
	}
}
