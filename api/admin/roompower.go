package admin

import (
	"context"
	"net/http"
	"strings"

	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// What administrators may do about who is in a room.
func roomPowerRows[C any](t *table[C]) {
	const path = "/_synapse/admin/v1/rooms"
	a := t.api
	looks(t, path+"/{roomID}/block", a.blocked)
	does(t, http.MethodPut, path+"/{roomID}/block", a.block)
	does(t, http.MethodPost, path+"/{roomIDOrAlias}/make_room_admin", a.makeRoomAdmin)
	does(t, http.MethodPost, "/_synapse/admin/v1/join/{roomIDOrAlias}", a.join)
}

// BlockResponse says whether a room is blocked.
type BlockResponse struct {
	Block bool     `json:"block"`
	By    *id.User `json:"user_id,omitempty"` // who has blocked it
}

func (a *API) blocked(ctx context.Context, r *RoomRequest) (*BlockResponse, error) {
	by, ok, err := a.Rooms.Blocked(ctx, r.Room)
	if err != nil || !ok {
		return &BlockResponse{}, err
	}
	return &BlockResponse{Block: true, By: &by}, nil
}

// BlockRequest is PUT /_synapse/admin/v1/rooms/{roomID}/block.
type BlockRequest struct {
	Room  id.Room `path:"roomID" json:"-"`
	Block *bool   `json:"block"`
}

func (r *BlockRequest) deed() (string, any) {
	return string(r.Room), given("block", r.Block)
}

func (a *API) block(ctx context.Context, by By, r *BlockRequest) (*BlockResponse, error) {
	if r.Block == nil {
		return nil, fault.New(fault.MissingParam, "block is missing")
	}
	return &BlockResponse{Block: *r.Block}, a.Rooms.SetBlocked(ctx, r.Room, by.User, *r.Block)
}

// find turns a room id or an alias of this server into a room id.
func (a *API) find(ctx context.Context, name string) (id.Room, error) {
	if alias, err := id.ParseAlias(name); err == nil {
		return a.Directory.Resolve(ctx, alias)
	}
	in, err := id.ParseRoom(name)
	if err != nil || !strings.HasPrefix(name, "!") {
		return "", fault.New(fault.InvalidParam, "This is neither a room id nor an alias").Because(err)
	}
	return in, nil
}

// MakeRoomAdminRequest is POST /_synapse/admin/v1/rooms/{roomIDOrAlias}/make_room_admin.
type MakeRoomAdminRequest struct {
	Room string  `path:"roomIDOrAlias" json:"-"`
	User id.User `json:"user_id"` // the caller when there is none
}

func (r *MakeRoomAdminRequest) deed() (string, any) {
	return r.Room, map[string]any{"user_id": r.User}
}

func (a *API) makeRoomAdmin(ctx context.Context, by By, r *MakeRoomAdminRequest) (*csapi.Empty, error) {
	in, err := a.find(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	user := by.User
	if r.User != "" {
		user = r.User
	}
	if _, err := a.inUse(ctx, user); err != nil {
		return nil, err
	}
	return nil, a.Rooms.Elevate(ctx, in, user)
}

// JoinRequest is POST /_synapse/admin/v1/join/{roomIDOrAlias}.
type JoinRequest struct {
	Room string  `path:"roomIDOrAlias" json:"-"`
	User id.User `json:"user_id"`
}

func (r *JoinRequest) deed() (string, any) { return r.Room, map[string]any{"user_id": r.User} }

// JoinResponse names the room.
type JoinResponse struct {
	Room id.Room `json:"room_id"`
}

func (a *API) join(ctx context.Context, by By, r *JoinRequest) (*JoinResponse, error) {
	if r.User == "" {
		return nil, fault.New(fault.MissingParam, "user_id is missing")
	}
	if _, err := a.inUse(ctx, r.User); err != nil {
		return nil, err
	}
	in, err := a.find(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	return &JoinResponse{in}, a.Rooms.Bring(ctx, room.Caller{User: by.User, Device: by.Device, Exempt: true}, in, r.User)
}
