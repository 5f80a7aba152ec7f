package handshake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Invitation is what another server sends to invite a user of this one
// (https://spec.matrix.org/v1.19/server-server-api/#inviting-to-a-room).
type Invitation struct {
	Room    id.Room  // as in the path of the request
	ID      id.Event // likewise
	Version string   // of the room
	Event   json.RawMessage
	State   []json.RawMessage // invite_room_state
}

func errInvitation(why string) *fault.Fault {
	return fault.New(fault.InvalidParam, "That is no invitation that this server signs: "+why)
}

// Invited takes an invitation and gives it back with this server's signature; the user is told. Nothing but an invitation of
// an existing user of this server, by a user of the server that sends it, is signed. Errors: M_INVALID_PARAM,
// M_INCOMPATIBLE_ROOM_VERSION, M_INVITE_BLOCKED, M_FORBIDDEN.
func (h *Handshakes) Invited(ctx context.Context, origin id.Server, in Invitation) (*event.Event, error) {
	v, ok := version.Lookup(in.Version)
	if !ok {
		return nil, fault.New(fault.IncompatibleRoomVersion, "This server does not know the version of the room").With("room_version", in.Version)
	}
	e, user, err := h.invitation(ctx, origin, v, &in)
	if err != nil {
		return nil, err
	}
	if _, blocked, err := h.Rooms.Blocked(ctx, in.Room); err != nil {
		return nil, err
	} else if blocked {
		return nil, errBlocked
	}
	if err := h.MayInvite(ctx, e.Sender(), user); err != nil {
		return nil, err
	}
	var known bool
	err = h.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		known, err = h.Exists(tx, user)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for who is invited: %w", err)
	}
	if !known {
		return nil, fault.New(fault.Forbidden, "There is no such user")
	}
	signed, err := e.Sign(h.Signer)
	if err != nil {
		return nil, err
	}
	return signed, h.putOutside(ctx, room.Outside{Event: signed, Shown: stripped(v, in.Room, in.State)})
}

// invitation checks that an event is an invitation, of whom it should be and by whom it should be.
func (h *Handshakes) invitation(ctx context.Context, origin id.Server, v *version.Version, in *Invitation) (*event.Event, id.User, error) {
	e, err := event.Parse(v, in.Event)
	if err != nil {
		return nil, "", errInvitation("it is no event").Because(err)
	}
	key, _ := e.StateKey()
	user, err := id.ParseUser(key)
	var content struct {
		Membership string `json:"membership"`
	}
	switch {
	case e.Type() != "m.room.member" || err != nil || json.Unmarshal(e.Content(), &content) != nil || content.Membership != "invite":
		return nil, "", errInvitation("it is no m.room.member event that invites somebody")
	case e.Redacted():
		return nil, "", errInvitation("its hash is wrong")
	case e.Room() != in.Room || e.ID() != in.ID:
		return nil, "", errInvitation("it is not the event that the path names")
	case e.Sender().Server() != origin:
		return nil, "", errInvitation("its sender is not of your server")
	case user.Server() != h.Signer.Server:
		return nil, "", errInvitation("the invited is not of this server")
	}
	if err := h.Peers.VerifyEvents(ctx, origin, []*event.Event{e})[0].Err; err != nil {
		if errors.Is(err, event.ErrSignature) {
			return nil, "", errInvitation("its signature is wrong").Because(err)
		}
		return nil, "", fault.New(fault.Forbidden, "The key that the invitation is signed with cannot be had").Because(err)
	}
	if v.RoomIDIsCreateHash && len(in.State) > 0 && !creates(v, in) { // nothing at all misleads nobody
		return nil, "", errInvitation("the room's create event is not in invite_room_state")
	}
	return e, user, nil
}

// creates says whether the create event that the room's id is the hash of came with the invitation. Room versions before 12
// cannot tell, and servers do not send it for them.
func creates(v *version.Version, in *Invitation) bool {
	for _, raw := range in.State[:min(len(in.State), maxStripped)] {
		if e, err := event.Parse(v, raw); err == nil && e.IsState("m.room.create", "") && e.Room() == in.Room {
			return true
		}
	}
	return false
}
