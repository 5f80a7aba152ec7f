package handshake

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// ThirdParty is an invitation of somebody by an address, who turned out to be a user
// (https://spec.matrix.org/v1.19/server-server-api/#third-party-invites).
type ThirdParty struct {
	Room   id.Room
	Sender id.User // of the room's m.room.third_party_invite
	User   id.User
	Invite struct {
		DisplayName string          `json:"display_name,omitempty"`
		Signed      json.RawMessage `json:"signed"` // by the identity server: that the address is the user's
	}
}

// content is that of the invitation which it becomes.
func (t *ThirdParty) content() map[string]any {
	return map[string]any{"membership": "invite", "third_party_invite": t.Invite}
}

// Exchange invites another server's user, who was invited by her address into a room of this server by one of its users. That
// she is the one is for the authorisation rules: an identity server's signature says so. Errors: M_NOT_FOUND, M_FORBIDDEN.
func (h *Handshakes) Exchange(ctx context.Context, origin id.Server, t ThirdParty) error {
	switch {
	case t.User.Server() != origin:
		return fault.New(fault.Forbidden, "The invited is not of your server")
	case t.Sender.Server() != h.Signer.Server:
		return fault.New(fault.Forbidden, "The inviter is not of this server")
	}
	_, err := h.Invite(ctx, room.Caller{User: t.Sender}, t.Room, t.User, t.content())
	return err
}

// The bounds of what one notification of an identity server brings about.
const (
	maxBound      = 20
	boundPatience = 20 * time.Second
)

// Bound invites a user of this server to the rooms to which an address was invited that is hers, as an identity server says:
// here where the inviter is of this server, and otherwise through the inviter's. What cannot be done is logged, as nobody
// waits for it. Errors: M_NOT_FOUND for a user who is not there, M_TOO_LARGE.
func (h *Handshakes) Bound(ctx context.Context, user id.User, invites []ThirdParty) error {
	if len(invites) > maxBound {
		return fault.Newf(fault.TooLarge, "At most %d invitations are taken at once", maxBound)
	}
	var known bool
	err := h.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		known, err = h.Exists(tx, user)
		return err
	})
	if err != nil {
		return err
	}
	if !known {
		return fault.New(fault.NotFound, "There is no such user")
	}
	ctx, cancel := context.WithTimeout(ctx, boundPatience)
	defer cancel()
	for _, t := range invites {
		if err := h.bound(ctx, &t); err != nil {
			h.Log.InfoContext(ctx, "an invitation by an address was not taken", "room", t.Room, "cause", err)
		}
	}
	return nil
}

func (h *Handshakes) bound(ctx context.Context, t *ThirdParty) error {
	raw, err := canon.Marshal(t.content())
	if err != nil {
		return err
	}
	if t.Sender.Server() == h.Signer.Server {
		_, err := h.Rooms.SetState(ctx, room.Caller{User: t.Sender}, t.Room, "m.room.member", string(t.User), raw)
		return err
	}
	return h.Peers.Ask(ctx, peer.Question{
		Server: t.Sender.Server(), Method: http.MethodPut,
		Path: "/_matrix/federation/v1/exchange_third_party_invite/" + url.PathEscape(string(t.Room)), Now: true, Brief: true,
		Content: map[string]any{
			"type": "m.room.member", "room_id": t.Room, "sender": t.Sender, "state_key": t.User, "content": json.RawMessage(raw),
		},
	}, nil)
}
