package client

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/handshake"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Rooms": creation and membership
// https://spec.matrix.org/v1.19/client-server-api/#rooms-1
func (a *API) roomRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/createRoom", Auth: route.User, Limit: limit.Create, Serve: route.JSON(a.createRoom)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/join/{roomIDOrAlias}", Auth: route.User, Limit: limit.Join, Serve: route.JSON(a.join)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomIDOrAlias}/join", Auth: route.User, Limit: limit.Join, Serve: route.JSON(a.join)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/knock/{roomIDOrAlias}", Auth: route.User, Limit: limit.Join, Serve: route.JSON(a.knock)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/leave", Auth: route.User, Limit: limit.Join, Serve: route.JSON(a.leave)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/forget", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.forget)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/invite", Auth: route.User, Limit: limit.Invite, Serve: route.JSON(a.invite)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/kick", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.kick)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/ban", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.ban)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/unban", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.unban)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/joined_rooms", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.joinedRooms)},
	}
}

// caller is who a call is made by, as the room engine wants it.
func (c *Call) caller() room.Caller {
	return room.Caller{User: c.Session.User, Device: c.Session.Device, Exempt: c.exempt()}
}

// maxInvited bounds the invitations of one createRoom.
const maxInvited = 100

func (a *API) createRoom(ctx context.Context, c *Call, r *csapi.CreateRoomRequest) (*csapi.RoomResponse, error) {
	preset := r.Preset
	switch {
	case preset == "" && r.Visibility == "public":
		preset = "public_chat"
	case preset == "":
		preset = "private_chat"
	case preset != "private_chat" && preset != "trusted_private_chat" && preset != "public_chat":
		return nil, fault.Newf(fault.InvalidParam, "There is no preset %q", preset)
	}
	if r.Visibility != "" && r.Visibility != "public" && r.Visibility != "private" {
		return nil, fault.New(fault.InvalidParam, "visibility must be public or private")
	}
	if len(r.Invite3PID) > 0 {
		return nil, errNoIdentity
	}
	invited := map[id.User]bool{}
	for _, user := range r.Invite {
		invited[user] = true
	}
	for _, s := range r.InitialState {
		if s.Type == "m.room.member" {
			invited[id.User(s.StateKey)] = true
		}
	}
	if len(invited) > maxInvited {
		return nil, fault.Newf(fault.InvalidParam, "At most %d people can be invited when a room is made; please invite the others afterwards", maxInvited)
	}
	if err := a.Limits.Spend(limit.Invite, string(c.Session.User), len(invited)); err != nil {
		return nil, err
	}
	q := room.CreateRequest{
		Version:         r.RoomVersion,
		Preset:          preset,
		CreationContent: r.CreationContent,
		PowerLevels:     r.PowerLevels,
		Name:            r.Name,
		Topic:           r.Topic,
		Invite:          r.Invite,
		IsDirect:        r.IsDirect,
	}
	for _, s := range r.InitialState {
		if s.Type == "m.room.canonical_alias" && s.StateKey == "" && r.AliasName == "" {
			if err := a.Directory.CheckCanonical(ctx, "", s.Content); err != nil { // no alias leads to the room yet
				return nil, err
			}
		}
		q.InitialState = append(q.InitialState, room.StateEntry(s))
	}
	if r.AliasName != "" {
		alias, err := a.Directory.NewAlias(ctx, r.AliasName)
		if err != nil {
			return nil, err
		}
		if !a.Services.MayAlias(alias, c.Service) {
			return nil, errExclusive
		}
		q.Alias = alias
	}
	q.Also = func(tx *sqldb.Tx, made id.Room) error {
		if q.Alias != "" {
			if err := a.Directory.Add(tx, q.Alias, made, c.Session.User); err != nil {
				return err
			}
		}
		if r.Visibility == "public" {
			return a.Directory.Publish(tx, made, true)
		}
		return nil
	}
	made, err := a.Rooms.Create(ctx, c.caller(), q)
	if err != nil {
		return nil, err
	}
	return &csapi.RoomResponse{Room: made}, nil
}

// roomOf finds the room of this server that a path names by id or alias.
func (a *API) roomOf(ctx context.Context, c *Call, s string) (id.Room, error) {
	if strings.HasPrefix(s, "#") {
		alias, err := id.ParseAlias(s)
		if err != nil {
			return "", fault.New(fault.InvalidParam, "That is no room alias").Because(err)
		}
		return a.resolve(ctx, c, alias)
	}
	found, err := id.ParseRoom(s)
	if err != nil {
		return "", fault.New(fault.InvalidParam, "That is neither a room id nor a room alias").Because(err)
	}
	return found, nil
}

// door finds the room that a path names by id or alias, and the servers through which it may be reached: those that the client
// names, and those that the alias's own server does.
func (a *API) door(ctx context.Context, c *Call, s string, via ...[]string) (handshake.Request, error) {
	q := handshake.Request{Caller: c.caller()}
	for _, server := range slices.Concat(via...) {
		q.Via = append(q.Via, id.Server(server)) // those that are none are passed over
	}
	found, err := a.roomOf(ctx, c, s)
	if alias := id.Alias(s); fault.Is(err, fault.NotFound) && alias.Server() != a.Directory.Server {
		var servers []id.Server
		found, servers, err = a.Directory.ResolveRemote(ctx, alias)
		q.Via = append(append(q.Via, servers...), alias.Server())
	}
	q.Room = found
	return q, err
}

func (a *API) join(ctx context.Context, c *Call, r *csapi.JoinRequest) (*csapi.RoomResponse, error) {
	q, err := a.door(ctx, c, r.RoomOrAlias, r.Via, r.ServerName)
	if err != nil {
		return nil, err
	}
	extra := map[string]any{}
	if len(r.Body) > 0 {
		if err := json.Unmarshal(r.Body, &extra); err != nil {
			return nil, fault.New(fault.BadJSON, "The body must be a JSON object").Because(err)
		}
	}
	q.Reason, _ = extra["reason"].(string)
	delete(extra, "reason")
	delete(extra, "third_party_signed")
	q.Extra = extra
	if err := a.Handshakes.Join(ctx, q); err != nil {
		return nil, err
	}
	return &csapi.RoomResponse{Room: q.Room}, nil
}

func (a *API) knock(ctx context.Context, c *Call, r *csapi.KnockRequest) (*csapi.RoomResponse, error) {
	q, err := a.door(ctx, c, r.RoomOrAlias, r.Via, r.ServerName)
	if err != nil {
		return nil, err
	}
	q.Reason = r.Reason
	if err := a.Handshakes.Knock(ctx, q); err != nil {
		return nil, err
	}
	return &csapi.RoomResponse{Room: q.Room}, nil
}

func (a *API) leave(ctx context.Context, c *Call, r *csapi.LeaveRequest) (*csapi.Empty, error) {
	if err := a.Notices.MayLeave(ctx, c.Session.User, r.Room); err != nil {
		return nil, err
	}
	return nil, a.Handshakes.Leave(ctx, handshake.Request{Caller: c.caller(), Room: r.Room, Reason: r.Reason})
}

func (a *API) forget(ctx context.Context, c *Call, r *csapi.LeaveRequest) (*csapi.Empty, error) {
	return nil, a.Rooms.Forget(ctx, c.Session.User, r.Room)
}

var errNoIdentity = fault.New(fault.Forbidden, "This server has no identity server: people can be invited by their user ids only")

func (a *API) invite(ctx context.Context, c *Call, r *csapi.InviteRequest) (*csapi.Empty, error) {
	if r.User == "" && r.Medium != "" {
		return nil, errNoIdentity
	}
	return a.onTarget(ctx, c, &r.TargetRequest, a.Rooms.Invite)
}

func (a *API) kick(ctx context.Context, c *Call, r *csapi.TargetRequest) (*csapi.Empty, error) {
	if r.User == c.Session.User { // an invitation from elsewhere is turned down there
		return a.leave(ctx, c, &csapi.LeaveRequest{Room: r.Room, Reason: r.Reason})
	}
	return a.onTarget(ctx, c, r, a.Rooms.Kick)
}

func (a *API) ban(ctx context.Context, c *Call, r *csapi.TargetRequest) (*csapi.Empty, error) {
	return a.onTarget(ctx, c, r, a.Rooms.Ban)
}

func (a *API) unban(ctx context.Context, c *Call, r *csapi.TargetRequest) (*csapi.Empty, error) {
	return a.onTarget(ctx, c, r, a.Rooms.Unban)
}

func (a *API) onTarget(ctx context.Context, c *Call, r *csapi.TargetRequest,
	do func(context.Context, room.Caller, id.Room, id.User, string) error,
) (*csapi.Empty, error) {
	if r.User == "" {
		return nil, fault.New(fault.MissingParam, "user_id is missing")
	}
	return nil, do(ctx, c.caller(), r.Room, r.User, r.Reason)
}

func (a *API) joinedRooms(ctx context.Context, c *Call, _ *csapi.JoinedRoomsRequest) (*csapi.JoinedRoomsResponse, error) {
	rooms, err := a.Rooms.Joined(ctx, c.Session.User)
	if err != nil {
		return nil, err
	}
	return &csapi.JoinedRoomsResponse{Rooms: rooms}, nil
}
