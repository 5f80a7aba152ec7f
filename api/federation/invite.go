package federation

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/handshake"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Inviting to a room"
// https://spec.matrix.org/v1.19/server-server-api/#inviting-to-a-room
func (a *API) inviteRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPut, Path: "/_matrix/federation/v2/invite/{roomID}/{eventID}", Auth: route.Server, Limit: limit.Federation, Body: inviteBody, Serve: route.JSON(a.invite)},
		{Method: http.MethodPut, Path: "/_matrix/federation/v1/invite/{roomID}/{eventID}", Auth: route.Server, Limit: limit.Federation, Body: inviteBody, Serve: route.JSON(a.oldInvite)},
	}
}

// inviteBody is room for an event and the state that comes with it.
const inviteBody = 1 << 20

type inviteRequest struct {
	Room    id.Room           `path:"roomID"`
	Event   id.Event          `path:"eventID"`
	Version string            `json:"room_version"`
	Invite  json.RawMessage   `json:"event"`
	State   []json.RawMessage `json:"invite_room_state"`
}

type inviteResponse struct {
	Event json.RawMessage `json:"event"`
}

func (a *API) invite(ctx context.Context, c *Call, r *inviteRequest) (*inviteResponse, error) {
	if r.Version == "" || r.Invite == nil {
		return nil, fault.New(fault.MissingParam, "room_version and event are needed")
	}
	return a.takeInvite(ctx, c, handshake.Invitation{Room: r.Room, ID: r.Event, Version: r.Version, Event: r.Invite, State: r.State})
}

// oldInviteResponse is [200, {"event": ...}], as the first version of the API has it.
type oldInviteResponse [2]any

// oldInvite takes an invitation to a room of version 1 or 2, which is the body itself.
func (a *API) oldInvite(ctx context.Context, c *Call, r *sendRequest) (*oldInviteResponse, error) {
	var with struct {
		Unsigned struct {
			State []json.RawMessage `json:"invite_room_state"`
		} `json:"unsigned"`
	}
	if err := json.Unmarshal(r.Body, &with); err != nil {
		return nil, fault.New(fault.BadJSON, "The unsigned of the event is not what it should be").Because(err)
	}
	// The two versions have one form, so that what is signed is the same.
	answer, err := a.takeInvite(ctx, c, handshake.Invitation{Room: r.Room, ID: r.Event, Version: "1", Event: r.Body, State: with.Unsigned.State})
	return &oldInviteResponse{http.StatusOK, answer}, err
}

// takeInvite signs an invitation of this server's user, who is told. Into a room that this server is in it has to be allowed
// by what is known here, and comes in at once.
func (a *API) takeInvite(ctx context.Context, c *Call, in handshake.Invitation) (*inviteResponse, error) {
	_, err := a.door(ctx, c, in.Room)
	here := err == nil
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	e, err := a.Handshakes.Invited(ctx, c.Origin, in)
	if err != nil {
		return nil, err
	}
	if here {
		receipts, err := a.Rooms.Receive(ctx, in.Room, []room.Incoming{{Event: e, SignedBy: []id.Server{a.Signer.Server}}})
		if err != nil {
			return nil, err
		}
		if got := receipts[0]; got.Verdict == room.Rejected || got.Verdict == room.SoftFailed {
			return nil, refused(got)
		}
	}
	return &inviteResponse{e.Bytes()}, nil
}
