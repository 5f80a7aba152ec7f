package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"freehold.example/api/change"
	"freehold.example/core/account"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// aDay is what "lately" means for who would notice a change.
const aDay = 24 * time.Hour

// How each setting reaches people; what is not here nobody notices at once.
var noticedBy = map[string]struct{ what, how string }{
	"listen_client":     {"users", "were here within a day: their apps have to find the new address"},
	"public_url":        {"users", "were here within a day"},
	"database_url":      {"users", "were here within a day: all they have is in the database"},
	"presence":          {"users", "were here within a day"},
	"rate_limits":       {"users", "were here within a day"},
	"media_max_file":    {"users", "were here within a day"},
	"media_max_user":    {"users", "were here within a day"},
	"media_max_total":   {"users", "were here within a day"},
	"password_hashing":  {"users", "were here within a day"},
	"clock_offset":      {"users", "were here within a day: what they send gets another time"},
	"login_tokens":      {"users", "were here within a day"},
	"turn_uris":         {"users", "were here within a day: their calls"},
	"rtc_livekit_urls":  {"users", "were here within a day: their calls"},
	"listen_federation": {"servers", "were reached within a day: they look for this one where it was"},
	"tls_cert":          {"servers", "were reached within a day: they are shown another certificate"},
	"tls_key":           {"servers", "were reached within a day"},
	"tls_ca":            {"servers", "were reached within a day: whose certificate is believed changes"},
	"well_known_server": {"servers", "were reached within a day: they look for this one where it was"},
	"inside_networks":   {"servers", "were reached within a day"},
	"registration":      {"invitations", "are out and not used up"},
}

// Touched says who would notice changes of the settings, judged by the last day, as far as the server knows.
func (s *Server) Touched(ctx context.Context, to *Config, changes []change.Setting) (all []change.Touch, err error) {
	t := &touching{server: s, lists: map[string][]string{}}
	cut := false
	for _, c := range changes {
		key := c.Key
		if strings.HasPrefix(key, "limits.") {
			key = "rate_limits"
		}
		if cut = cut || key == "federation" || key == "federation_allowed"; noticedBy[key].what == "" {
			continue
		}
		names, err := t.list(ctx, noticedBy[key].what)
		if err != nil {
			return all, err
		}
		all = append(all, touch(c.Key, noticedBy[key].what, noticedBy[key].how, names))
	}
	if cut {
		more, err := t.cutOff(ctx, to)
		return append(all, more...), err
	}
	return all, nil
}

func touch(key, what, how string, names []string) change.Touch {
	const few = 5
	t := change.Touch{Key: key, What: what, Count: len(names), How: how}
	if what != "invitations" { // who knows one can register
		t.Examples = names[:min(few, len(names))]
	}
	return t
}

// touching looks up each kind of name once.
type touching struct {
	server *Server
	lists  map[string][]string
}

func (t *touching) list(ctx context.Context, what string) (names []string, err error) {
	if names, ok := t.lists[what]; ok {
		return names, nil
	}
	switch what {
	case "users":
		names, err = t.users(ctx)
	case "servers":
		names, err = t.servers(ctx)
	case "invitations":
		names, err = t.invitations(ctx)
	}
	t.lists[what] = names
	return names, err
}

func (t *touching) lately(at time.Time) bool {
	return !at.IsZero() && t.server.config.Now().Sub(at) < aDay
}

func (t *touching) users(ctx context.Context) (names []string, err error) {
	if err := t.server.accounts.FlushSeen(ctx); err != nil {
		return nil, err
	}
	const atOnce = 500
	for {
		page, _, err := t.server.accounts.Browse(ctx, account.Browse{Order: account.BySeen, Desc: true, From: len(names), Limit: atOnce})
		if err != nil {
			return nil, err
		}
		for _, a := range page {
			if !t.lately(a.Seen) {
				return names, nil
			}
			names = append(names, string(a.User))
		}
		if len(page) < atOnce {
			return names, nil
		}
	}
}

func (t *touching) servers(ctx context.Context) (names []string, err error) {
	const atOnce = 1000
	for after := id.Server(""); ; {
		page, err := t.server.peers.Book(ctx, after, atOnce)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			if after = e.Server; t.lately(e.LastOK) {
				names = append(names, string(e.Server))
			}
		}
		if len(page) < atOnce {
			return names, nil
		}
	}
}

func (t *touching) invitations(ctx context.Context) (names []string, err error) {
	all, err := t.server.accounts.Invitations(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.Usable(t.server.config.Now()) {
			names = append(names, "")
		}
	}
	return names, nil
}

// cutOff says which servers would not be spoken with any more, in which rooms they are, and who of this server is there.
func (t *touching) cutOff(ctx context.Context, to *Config) ([]change.Touch, error) {
	s := t.server
	lately, err := t.list(ctx, "servers")
	if err != nil {
		return nil, err
	}
	lost := func(server id.Server) bool { return s.config.speaksWith(server) && !to.speaksWith(server) }
	gone := slices.DeleteFunc(slices.Clone(lately), func(name string) bool { return !lost(id.Server(name)) })
	var rooms []string
	users := map[id.User]bool{}
	err = s.rooms.EachShared(ctx, func(in room.Shared) error {
		if !slices.ContainsFunc(in.Servers, lost) {
			return nil
		}
		rooms = append(rooms, string(in.Room))
		here, err := s.rooms.LocalMembers(ctx, in.Room)
		for _, u := range here {
			users[u] = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for u := range users {
		names = append(names, string(u))
	}
	slices.Sort(names)
	const key = "federation"
	return []change.Touch{
		touch(key, "servers", "were reached within a day and would not be spoken with", gone),
		touch(key, "rooms", "have members on such servers, and would not hear of them", rooms),
		touch(key, "users", "of this server are in these rooms", names),
	}, nil
}
