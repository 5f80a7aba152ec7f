package handshake

import (
	"slices"
	"strings"

	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// candidates are the servers through which a room may be reached, in the order in which they are tried: those that the client
// names, that of whoever invited the user, and that of the room's id, which may know it still.
func (h *Handshakes) candidates(in id.Room, via []id.Server, s *room.Standing) []id.Server {
	all := slices.Clone(via[:min(len(via), maxCandidates)])
	if s != nil && s.Membership == "invite" {
		all = append(all, s.Sender.Server())
	}
	if _, server, ok := strings.Cut(string(in), ":"); ok {
		all = append(all, id.Server(server))
	}
	out := make([]id.Server, 0, len(all))
	for _, server := range all {
		if _, err := id.ParseServer(string(server)); err != nil || server == h.Signer.Server || slices.Contains(out, server) {
			continue
		}
		out = append(out, server)
	}
	return out[:min(len(out), maxCandidates)]
}

// reach is candidates for a room that may be known here: with the servers of those who were in it last.
func (h *Handshakes) reach(in id.Room, via []id.Server, s *room.Standing, at *room.Whereabouts) []id.Server {
	servers := h.candidates(in, via, s)
	for _, server := range at.Servers {
		if len(servers) < maxCandidates && !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	return servers
}
