package federation

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/handshake"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Third-party invites"
// https://spec.matrix.org/v1.19/server-server-api/#third-party-invites
func (a *API) thirdPartyRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPut, Path: "/_matrix/federation/v1/exchange_third_party_invite/{roomID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.exchangeInvite)},
		{Method: http.MethodPut, Path: "/_matrix/federation/v1/3pid/onbind", Limit: limit.Federation, Serve: route.JSON(a.bound)},
	}
}

type exchangeRequest struct {
	Path    id.Room `path:"roomID"`
	Type    string  `json:"type"`
	Room    id.Room `json:"room_id"`
	Sender  id.User `json:"sender"`
	User    id.User `json:"state_key"`
	Content struct {
		Membership string `json:"membership"`
		Invite     struct {
			DisplayName string          `json:"display_name"`
			Signed      json.RawMessage `json:"signed"`
		} `json:"third_party_invite"`
	} `json:"content"`
}

type exchangeResponse struct{}

func (a *API) exchangeInvite(ctx context.Context, c *Call, r *exchangeRequest) (*exchangeResponse, error) {
	switch {
	case r.Type != "m.room.member" || r.Content.Membership != "invite" || r.User == "" || r.Sender == "" || r.Content.Invite.Signed == nil:
		return nil, fault.New(fault.InvalidParam, "That is no invitation by a third-party identifier")
	case r.Room != r.Path:
		return nil, fault.New(fault.InvalidParam, "The event is of another room")
	}
	if _, err := a.door(ctx, c, r.Room); err != nil {
		return nil, err
	}
	t := handshake.ThirdParty{Room: r.Room, Sender: r.Sender, User: r.User}
	t.Invite.DisplayName, t.Invite.Signed = r.Content.Invite.DisplayName, r.Content.Invite.Signed
	return nil, a.Handshakes.Exchange(ctx, c.Origin, t)
}

type boundRequest struct {
	User    id.User `json:"mxid"`
	Invites []struct {
		User   id.User         `json:"mxid"`
		Room   id.Room         `json:"room_id"`
		Sender id.User         `json:"sender"`
		Signed json.RawMessage `json:"signed"`
	} `json:"invites"`
}

type boundResponse struct{}

// bound is told by an identity server, which does not sign, that an address is a user's. What it says is believed by nobody:
// the rooms look whether the one they know has signed the invitations.
func (a *API) bound(ctx context.Context, _ *Call, r *boundRequest) (*boundResponse, error) {
	if r.User.Server() != a.Signer.Server {
		return nil, fault.New(fault.InvalidParam, "The user is not of this server")
	}
	var invites []handshake.ThirdParty
	for _, i := range r.Invites {
		if i.User != r.User || i.Room == "" || i.Sender == "" || i.Signed == nil {
			return nil, fault.New(fault.InvalidParam, "An invitation is not of that user, or is not whole")
		}
		t := handshake.ThirdParty{Room: i.Room, Sender: i.Sender, User: i.User}
		t.Invite.Signed = i.Signed
		invites = append(invites, t)
	}
	return nil, a.Handshakes.Bound(ctx, r.User, invites)
}
