// Package space shows rooms to those who may find them: a room's summary, and the tree of rooms below a space.
//
// It owns no tables: a space's children are state of the space, and what a room shows of itself is in its current state.
package space

import (
	"context"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/directory"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Config is what this package works with. All fields are needed, but for Peers.
type Config struct {
	DB        *sqldb.DB
	Rooms     *room.Rooms
	Directory *directory.Directory
	Peers     *peer.Peers // asked for rooms that this server is not in; nil: nobody is asked
	Now       func() time.Time
}

// Spaces finds rooms in spaces. Its methods may be called from any goroutine.
type Spaces struct {
	Config
	maxLinks int // that one walk follows
	far      farRooms

	mu       sync.Mutex        // guards the rest
	children map[id.Room]known // bounded in bytes
	bytes    int               // of all children
}

// New makes a Spaces.
func New(c Config) *Spaces {
	return &Spaces{Config: c, maxLinks: maxLinks, children: map[id.Room]known{}}
}

var errNoRoom = fault.New(fault.NotFound, "There is no such room, or it does not show itself to you")

// Summary is what a room shows of itself to a user, or with "" to anybody
// (https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1room_summaryroomidoralias). Errors: M_NOT_FOUND,
// alike for a room that is not there and one that does not show itself.
func (s *Spaces) Summary(ctx context.Context, user id.User, in id.Room) (*csapi.RoomSummaryResponse, error) {
	var out *csapi.RoomSummaryResponse
	err := s.DB.Read(ctx, func(tx *sqldb.Tx) error {
		now, err := s.Rooms.Current(tx, in)
		if err != nil {
			return err
		}
		if len(now) == 0 {
			return errNoRoom
		}
		memberships, err := s.Rooms.Memberships(tx, user, in)
		if err != nil {
			return err
		}
		membership := memberships[in]
		front, err := s.Rooms.Front(tx, now[0])
		if err != nil {
			return err
		}
		if front == nil {
			return errNoRoom
		}
		shows, err := s.shows(tx, front, user, membership)
		if err != nil {
			return err
		}
		if !shows && !front.ToAnyone() { // a ban takes nothing away that is shown without an account
			return errNoRoom
		}
		if out, err = s.summary(tx, now[0], front); err != nil {
			return err
		}
		if out.Membership = membership; membership == "" && user != "" {
			out.Membership = "leave"
		}
		return nil
	})
	return out, err
}

// shows says whether a room shows itself to a user: she is in it or may come in, ask to, or read it
// (https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidhierarchy, "rooms").
func (s *Spaces) shows(tx *sqldb.Tx, front *room.Front, user id.User, membership string) (bool, error) {
	switch {
	case membership == "join" || membership == "invite" || front.WorldReadable:
		return true, nil
	case membership == "ban":
		return false, nil
	case front.ToAnyone():
		return true, nil
	}
	allowed, err := s.Rooms.Memberships(tx, user, front.Allowed...)
	if err != nil {
		return false, err
	}
	for _, m := range allowed {
		if m == "join" {
			return true, nil
		}
	}
	return false, nil
}

func (s *Spaces) summary(tx *sqldb.Tx, now room.Current, front *room.Front) (*csapi.RoomSummaryResponse, error) {
	shown, err := s.Directory.Summary(tx, now)
	if err != nil {
		return nil, err
	}
	return &csapi.RoomSummaryResponse{
		PublicRoom: *shown, AllowedRooms: front.Allowed, Encryption: front.Encryption, Version: front.Version.ID,
	}, nil
}
