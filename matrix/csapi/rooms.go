package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// CreateRoomRequest is POST /createRoom.
type CreateRoomRequest struct {
	Visibility      string                     `json:"visibility,omitempty"` // public or private
	AliasName       string                     `json:"room_alias_name,omitempty"`
	Name            string                     `json:"name,omitempty"`
	Topic           string                     `json:"topic,omitempty"`
	Invite          []id.User                  `json:"invite,omitempty"`
	Invite3PID      []json.RawMessage          `json:"invite_3pid,omitempty"`
	RoomVersion     string                     `json:"room_version,omitempty"`
	CreationContent map[string]json.RawMessage `json:"creation_content,omitempty"`
	InitialState    []InitialState             `json:"initial_state,omitempty"`
	Preset          string                     `json:"preset,omitempty"`
	IsDirect        bool                       `json:"is_direct,omitempty"`
	PowerLevels     map[string]json.RawMessage `json:"power_level_content_override,omitempty"`
}

// InitialState is a state event that a room begins with.
type InitialState struct {
	Type     string          `json:"type"`
	StateKey string          `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

// RoomResponse names a room.
type RoomResponse struct {
	Room id.Room `json:"room_id"`
}

// JoinRequest is POST /join/{roomIdOrAlias} and POST /rooms/{roomId}/join. Members of the body besides reason and
// third_party_signed go into the member event.
type JoinRequest struct {
	RoomOrAlias string          `path:"roomIDOrAlias" json:"-"`
	Body        json.RawMessage `body:"raw,optional" json:"-"`
}

// KnockRequest is POST /knock/{roomIdOrAlias}.
type KnockRequest struct {
	RoomOrAlias string `path:"roomIDOrAlias" json:"-"`
	Reason      string `json:"reason,omitempty"`
}

// LeaveRequest is POST /rooms/{roomId}/leave and /forget.
type LeaveRequest struct {
	Room   id.Room `path:"roomID" json:"-"`
	Reason string  `json:"reason,omitempty"`
}

// TargetRequest is POST /rooms/{roomId}/invite, /kick, /ban and /unban.
type TargetRequest struct {
	Room   id.Room `path:"roomID" json:"-"`
	User   id.User `json:"user_id"`
	Reason string  `json:"reason,omitempty"`
}

// JoinedRoomsRequest is GET /joined_rooms.
type JoinedRoomsRequest struct{}

// JoinedRoomsResponse lists the rooms the caller is in.
type JoinedRoomsResponse struct {
	Rooms []id.Room `json:"joined_rooms"`
}
