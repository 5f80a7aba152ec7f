package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// RoomSummaryRequest is GET /room_summary/{roomIdOrAlias}.
type RoomSummaryRequest struct {
	RoomOrAlias string   `path:"roomIDOrAlias"`
	Via         []string `query:"via"` // servers that may know of the room
}

// RoomSummaryResponse is a room as those who may find it see it.
type RoomSummaryResponse struct {
	PublicRoom
	AllowedRooms []id.Room `json:"allowed_room_ids,omitempty"` // of a restricted room
	Encryption   string    `json:"encryption,omitempty"`       // the algorithm
	Version      string    `json:"room_version,omitempty"`
	Membership   string    `json:"membership,omitempty"` // the caller's; only in /room_summary
}

// UnstableSummaryResponse is RoomSummaryResponse as MSC3266 had it.
type UnstableSummaryResponse struct {
	RoomSummaryResponse
	UnstableEncryption string `json:"im.nheko.summary.encryption,omitempty"`
	UnstableVersion    string `json:"im.nheko.summary.room_version,omitempty"`
	OldVersion         string `json:"im.nheko.summary.version,omitempty"`
}

// HierarchyRequest is GET /rooms/{roomId}/hierarchy.
type HierarchyRequest struct {
	Room      id.Room `path:"roomID"`
	Suggested *bool   `query:"suggested_only"`
	Limit     *int    `query:"limit"`
	Depth     *int    `query:"max_depth"`
	From      string  `query:"from"`
}

// HierarchyResponse is a page of the rooms below a space.
type HierarchyResponse struct {
	Rooms     []SpaceRoom `json:"rooms"`
	NextBatch string      `json:"next_batch,omitempty"`
}

// SpaceRoom is a room of a space, with the links to those below it if it is a space itself.
type SpaceRoom struct {
	RoomSummaryResponse
	Children []ChildLink `json:"children_state"`
}

// ChildLink is an m.space.child event as stripped state with its time.
type ChildLink struct {
	Type      string          `json:"type"`
	StateKey  string          `json:"state_key"`
	Content   json.RawMessage `json:"content"`
	Sender    id.User         `json:"sender"`
	Timestamp int64           `json:"origin_server_ts"`
}
