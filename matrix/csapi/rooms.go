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
	Via         []string        `query:"via" json:"-"`
	ServerName  []string        `query:"server_name" json:"-"` // the same by its older name
	Body        json.RawMessage `body:"raw,optional" json:"-"`
}

// KnockRequest is POST /knock/{roomIdOrAlias}.
type KnockRequest struct {
	RoomOrAlias string   `path:"roomIDOrAlias" json:"-"`
	Via         []string `query:"via" json:"-"`
	ServerName  []string `query:"server_name" json:"-"` // the same by its older name
	Reason      string   `json:"reason,omitempty"`
}

// LeaveRequest is POST /rooms/{roomId}/leave and /forget.
type LeaveRequest struct {
	Room   id.Room `path:"roomID" json:"-"`
	Reason string  `json:"reason,omitempty"`
}

// TargetRequest is POST /rooms/{roomId}/kick, /ban and /unban.
type TargetRequest struct {
	Room   id.Room `path:"roomID" json:"-"`
	User   id.User `json:"user_id"`
	Reason string  `json:"reason,omitempty"`
}

// InviteRequest is POST /rooms/{roomId}/invite.
type InviteRequest struct {
	TargetRequest
	Medium string `json:"medium,omitempty"` // of a third-party id, in place of a user id
}

// UpgradeRequest is POST /rooms/{roomId}/upgrade.
type UpgradeRequest struct {
	Room               id.Room   `path:"roomID" json:"-"`
	Version            string    `json:"new_version"`
	AdditionalCreators []id.User `json:"additional_creators,omitempty"` // besides the caller
}

// UpgradeResponse names the room that replaces the old one.
type UpgradeResponse struct {
	Replacement id.Room `json:"replacement_room"`
}

// JoinedRoomsRequest is GET /joined_rooms.
type JoinedRoomsRequest struct{}

// JoinedRoomsResponse lists the rooms the caller is in.
type JoinedRoomsResponse struct {
	Rooms []id.Room `json:"joined_rooms"`
}
