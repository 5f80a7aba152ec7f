package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// InitialSyncRequest is GET /initialSync.
type InitialSyncRequest struct {
	Limit    *int `query:"limit" json:"-"` // events of each room
	Archived bool `query:"archived" json:"-"`
}

// InitialSyncHead is what GET /initialSync answers, but for its last member, rooms: a list of RoomInitialSyncResponse.
type InitialSyncHead struct {
	End         string            `json:"end"`
	Presence    []PresenceEvent   `json:"presence"`
	AccountData []json.RawMessage `json:"account_data"`
}

// PresenceEvent is m.presence.
type PresenceEvent struct {
	Type    string  `json:"type"`
	Sender  id.User `json:"sender"`
	Content struct {
		Presence        string `json:"presence"`
		StatusMsg       string `json:"status_msg,omitempty"`
		LastActiveAgo   *int64 `json:"last_active_ago,omitempty"` // milliseconds
		CurrentlyActive bool   `json:"currently_active"`
	} `json:"content"`
}

// RoomInitialSyncResponse is what GET /rooms/{roomId}/initialSync answers.
type RoomInitialSyncResponse struct {
	Room        id.Room           `json:"room_id"`
	Membership  string            `json:"membership,omitempty"` // "": she never had to do with the room
	Invite      json.RawMessage   `json:"invite,omitempty"`
	Messages    *RoomMessages     `json:"messages,omitempty"` // nil: none of it is for her to see
	State       []json.RawMessage `json:"state,omitempty"`
	Visibility  string            `json:"visibility"` // public or private
	AccountData []json.RawMessage `json:"account_data"`
}

// RoomMessages is the newest of a room's history, oldest first.
type RoomMessages struct {
	Start string            `json:"start,omitempty"` // where earlier events are; "": there are none
	End   string            `json:"end"`
	Chunk []json.RawMessage `json:"chunk"`
}

// PeekRequest is GET /events.
type PeekRequest struct {
	Room    string `query:"room_id" json:"-"` // "": all rooms of the caller
	From    string `query:"from" json:"-"`
	Timeout int64  `query:"timeout" json:"-"` // milliseconds
}

// PeekResponse is what has arrived.
type PeekResponse struct {
	Start string            `json:"start"`
	End   string            `json:"end"`
	Chunk []json.RawMessage `json:"chunk"`
}

// OneEventRequest is GET /events/{eventId}.
type OneEventRequest struct {
	Event string `path:"eventID" json:"-"`
}
