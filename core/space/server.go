package space

import (
	"context"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// Branch is a space and the rooms right below it, as another server may be told of them
// (https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1hierarchyroomid).
type Branch struct {
	Room         csapi.SpaceRoom
	Children     []csapi.RoomSummaryResponse
	Inaccessible []id.Room // children that do not show themselves to that server
}

// maxChildren is how many children of a space other servers are told of.
const maxChildren = 500

// Below gives a branch to another server: the children that show themselves to it, because a user of its might come in, ask
// to, or look, or is in already. Those that this server is not in are left out, as it can say nothing of them. Errors:
// M_NOT_FOUND for a room that does not show itself.
func (s *Spaces) Below(ctx context.Context, server id.Server, in id.Room, suggested bool) (*Branch, error) {
	out := &Branch{Children: []csapi.RoomSummaryResponse{}, Inaccessible: []id.Room{}} // [], not null
	err := s.DB.Read(ctx, func(tx *sqldb.Tx) error {
		now, err := s.Rooms.Current(tx, in)
		if err != nil {
			return err
		}
		if len(now) == 0 {
			return errNoRoom
		}
		shown, _, err := s.toServer(tx, now[0], server)
		if err != nil {
			return err
		}
		if shown == nil {
			return errNoRoom
		}
		out.Room = csapi.SpaceRoom{RoomSummaryResponse: *shown, Children: []csapi.ChildLink{}}
		if shown.RoomType != "m.space" {
			return nil
		}
		children, err := s.childrenOf(tx, now[0])
		if err != nil {
			return err
		}
		var names []id.Room
		for _, c := range children {
			if suggested && !c.suggested || len(names) == maxChildren {
				continue
			}
			out.Room.Children = append(out.Room.Children, c.link)
			names = append(names, c.room)
		}
		found, err := s.Rooms.Current(tx, names...)
		if err != nil {
			return err
		}
		slices.SortFunc(found, func(a, b room.Current) int {
			return slices.Index(names, a.RoomID) - slices.Index(names, b.RoomID)
		})
		for _, child := range found {
			shown, here, err := s.toServer(tx, child, server)
			switch {
			case err != nil:
				return err
			case shown != nil:
				out.Children = append(out.Children, *shown)
			case here:
				out.Inaccessible = append(out.Inaccessible, child.RoomID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// toServer is what a room shows of itself to another server; nil for nothing. here is false for a room that this server is
// not in.
func (s *Spaces) toServer(tx *sqldb.Tx, now room.Current, server id.Server) (shown *csapi.RoomSummaryResponse, here bool, err error) {
	servers, err := s.Rooms.Servers(tx, now.Room)
	if err != nil {
		return nil, false, err
	}
	if _, here = slices.BinarySearch(servers, s.Rooms.Server); !here {
		return nil, false, nil
	}
	front, err := s.Rooms.Front(tx, now)
	if err != nil || front == nil {
		return nil, here, err
	}
	denied, err := s.Rooms.DeniedIn(tx, now.State, server)
	if err != nil || denied {
		return nil, here, err
	}
	if _, in := slices.BinarySearch(servers, server); !in {
		admits, err := s.admits(tx, now, front, server)
		if err != nil || !admits {
			return nil, here, err
		}
	}
	shown, err = s.summary(tx, now, front)
	return shown, here, err
}

// admits says whether a room shows itself to a server that is not in it.
func (s *Spaces) admits(tx *sqldb.Tx, now room.Current, front *room.Front, server id.Server) (bool, error) {
	if front.ToAnyone() {
		return true, nil
	}
	if front.Rule == authrule.RuleRestricted {
		places, err := s.Rooms.Places(tx, front.Allowed[:min(len(front.Allowed), maxChildren)])
		if err != nil {
			return false, err
		}
		for _, p := range places {
			servers, err := s.Rooms.Servers(tx, p.Room)
			if err != nil {
				return false, err
			}
			if _, in := slices.BinarySearch(servers, server); in {
				return true, nil
			}
		}
	}
	return s.Rooms.Invites(tx, now.Room, server)
}
