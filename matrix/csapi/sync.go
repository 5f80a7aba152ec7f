package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// SyncRequest is GET /sync.
type SyncRequest struct {
	Filter      string `query:"filter" json:"-"` // an id, or the filter itself
	Since       string `query:"since" json:"-"`
	FullState   bool   `query:"full_state" json:"-"`
	SetPresence string `query:"set_presence" json:"-"`
	Timeout     int64  `query:"timeout" json:"-"` // milliseconds

	UseStateAfter         bool `query:"use_state_after" json:"-"`
	UnstableUseStateAfter bool `query:"org.matrix.msc4222.use_state_after" json:"-"`
}

// SyncResponse is what is new for a client.
type SyncResponse struct {
	NextBatch    string         `json:"next_batch"`
	Presence     *Events        `json:"presence,omitempty"`
	AccountData  *Events        `json:"account_data,omitempty"`
	ToDevice     *Events        `json:"to_device,omitempty"`
	DeviceLists  *DeviceLists   `json:"device_lists,omitempty"`
	OneTimeKeys  map[string]int `json:"device_one_time_keys_count"`
	FallbackKeys []string       `json:"device_unused_fallback_key_types"`
	Rooms        *SyncRooms     `json:"rooms,omitempty"`
}

// Events is a list of events as JSON.
type Events struct {
	Events []json.RawMessage `json:"events"`
}

// DeviceLists says whose devices are to be looked up again, and whose need no longer be followed.
type DeviceLists struct {
	Changed []id.User `json:"changed,omitempty"`
	Left    []id.User `json:"left,omitempty"`
}

// SyncRooms is what is new in rooms, by what the user is to them.
type SyncRooms struct {
	Join   map[id.Room]*JoinedRoom `json:"join,omitempty"`
	Invite map[id.Room]*InviteRoom `json:"invite,omitempty"`
	Knock  map[id.Room]*KnockRoom  `json:"knock,omitempty"`
	Leave  map[id.Room]*LeftRoom   `json:"leave,omitempty"`
}

// Timeline is the newest events of a room, oldest first.
type Timeline struct {
	Events    []json.RawMessage `json:"events"`
	Limited   bool              `json:"limited"`
	PrevBatch string            `json:"prev_batch,omitempty"`
}

// JoinedRoom is what is new in a room the user is in. One of State, StateAfter and UnstableStateAfter is there.
type JoinedRoom struct {
	Summary            *RoomSummary         `json:"summary,omitempty"`
	State              *Events              `json:"state,omitempty"`
	StateAfter         *Events              `json:"state_after,omitempty"`
	UnstableStateAfter *Events              `json:"org.matrix.msc4222.state_after,omitempty"`
	Timeline           Timeline             `json:"timeline"`
	Ephemeral          Events               `json:"ephemeral"`
	AccountData        Events               `json:"account_data"`
	Unread             Unread               `json:"unread_notifications"`
	UnreadThreads      map[id.Event]*Unread `json:"unread_thread_notifications,omitempty"`
}

// Unread counts what the user has not read: all that notifies, and of it what is highlighted.
type Unread struct {
	Notifications int `json:"notification_count"`
	Highlights    int `json:"highlight_count"`
}

// RoomSummary helps a client that loads members lazily to name a room.
type RoomSummary struct {
	Heroes  []id.User `json:"m.heroes,omitempty"`
	Joined  int       `json:"m.joined_member_count"`
	Invited int       `json:"m.invited_member_count"`
}

// InviteRoom is an invitation.
type InviteRoom struct {
	State Events `json:"invite_state"`
}

// KnockRoom is a room the user has knocked on.
type KnockRoom struct {
	State Events `json:"knock_state"`
}

// LeftRoom is the end of a room the user has left.
type LeftRoom struct {
	State              *Events  `json:"state,omitempty"`
	StateAfter         *Events  `json:"state_after,omitempty"`
	UnstableStateAfter *Events  `json:"org.matrix.msc4222.state_after,omitempty"`
	Timeline           Timeline `json:"timeline"`
	AccountData        Events   `json:"account_data"`
}
