package handshake

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Invite invites a user of another server: her server signs the invitation before it is put into the room, and has it when
// this returns. Errors: M_FORBIDDEN, M_INVITE_BLOCKED, M_INCOMPATIBLE_ROOM_VERSION, or that her server cannot be reached.
func (h *Handshakes) Invite(ctx context.Context, c room.Caller, in id.Room, target id.User, content map[string]any) (id.Event, error) {
	raw, err := canon.Marshal(content)
	if err != nil {
		return "", fault.New(fault.BadJSON, "The content is not valid JSON").Because(err)
	}
	key := string(target)
	e, err := h.Rooms.Compose(ctx, c, in, room.Draft{Type: "m.room.member", StateKey: &key, Content: raw})
	if err != nil {
		return "", err
	}
	signed, err := h.handOver(ctx, e, target.Server())
	if err != nil {
		return "", err
	}
	receipts, err := h.Rooms.Receive(context.WithoutCancel(ctx), in, []room.Incoming{*signed})
	if err != nil {
		return "", err
	}
	if r := receipts[0]; r.Verdict != room.Accepted && r.Verdict != room.Known {
		return "", fault.New(fault.Forbidden, "You may not do that here any more").Because(r.Cause)
	}
	return signed.Event.ID(), nil
}

// handOver sends an invitation to the invited's server and gives it with that one's signature.
func (h *Handshakes) handOver(ctx context.Context, e *event.Event, to id.Server) (*room.Incoming, error) {
	state, err := h.Rooms.InviteState(ctx, e)
	if err != nil {
		return nil, err
	}
	back, err := h.sendInvite(ctx, e, to, state)
	if err != nil {
		return nil, refusedInvite(err)
	}
	var said struct {
		Signatures map[id.Server]map[id.Key]string `json:"signatures"`
	}
	if json.Unmarshal(back, &said) == nil {
		for _, key := range firstKeys(said.Signatures[to]) {
			signed, err := e.WithSignature(to, key, said.Signatures[to][key])
			if err != nil {
				break
			}
			if h.signedBy(ctx, signed, to, key) {
				return &room.Incoming{Event: signed, SignedBy: []id.Server{to}}, nil
			}
		}
	}
	return nil, fault.Newf(fault.Unknown, "The server %s does not sign the invitation", to).WithStatus(http.StatusBadGateway)
}

// signedBy checks a signature that the event does not need to be taken, but that this server wants to see.
func (h *Handshakes) signedBy(ctx context.Context, e *event.Event, by id.Server, with id.Key) bool {
	key, err := h.Peers.Key(ctx, by, with, e.Timestamp())
	return err == nil && key.SignedAt(e.Timestamp()) && e.Verify(by, with, key.Public) == nil
}

// sendInvite asks a server to sign an invitation, in the older way where it does not know the newer one.
func (h *Handshakes) sendInvite(ctx context.Context, e *event.Event, to id.Server, state []json.RawMessage) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	path := "/invite/" + url.PathEscape(string(e.Room())) + "/" + url.PathEscape(string(e.ID()))
	var answer struct {
		Event json.RawMessage `json:"event"`
	}
	err := h.Peers.Ask(ctx, peer.Question{
		Server: to, Method: http.MethodPut, Path: "/_matrix/federation/v2" + path, Now: true, Brief: true, Content: struct {
			Version string            `json:"room_version"`
			Event   json.RawMessage   `json:"event"`
			State   []json.RawMessage `json:"invite_room_state"`
		}{e.Version().ID, e.Bytes(), state},
	}, &answer)
	no, refused := errors.AsType[*peer.AnswerError](err)
	unknown := refused && (no.Status == http.StatusNotFound || no.Status == http.StatusBadRequest) && (no.Code == fault.Unrecognized || no.Code == fault.Unknown)
	if !unknown || !e.Version().HashedReferences {
		return answer.Event, err
	}
	old, err := oldInvite(e, state)
	if err != nil {
		return nil, err
	}
	var pair []json.RawMessage
	err = h.Peers.Ask(ctx, peer.Question{Server: to, Method: http.MethodPut, Path: "/_matrix/federation/v1" + path, Now: true, Content: old}, &pair)
	if err != nil || len(pair) != 2 || json.Unmarshal(pair[1], &answer) != nil {
		return nil, err
	}
	return answer.Event, nil
}

// oldInvite is the body of a request of version 1: the event with the state in its unsigned.
func oldInvite(e *event.Event, state []json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(e.Bytes(), &members); err != nil {
		return nil, err
	}
	unsigned, err := json.Marshal(map[string]any{"invite_room_state": state})
	if err != nil {
		return nil, err
	}
	members["unsigned"] = unsigned
	return json.Marshal(members)
}

// refusedInvite is what an inviter is told.
func refusedInvite(err error) error {
	no, is := errors.AsType[*peer.AnswerError](err)
	if is && no.Status == http.StatusForbidden && no.Code != fault.InviteBlocked {
		return fault.New(fault.Forbidden, no.Text).Because(err)
	}
	if is && (no.Code == fault.MissingParam || no.Code == fault.InvalidParam) {
		// What this server sends is at fault, and not what the user asks for.
		return fault.Newf(fault.Unknown, "The server %s refuses: %s", no.Server, no.Text).WithStatus(http.StatusBadGateway).Because(err)
	}
	return said(err)
}
