package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// SendRequest is PUT /rooms/{roomId}/send/{eventType}/{txnId}.
type SendRequest struct {
	Room    id.Room         `path:"roomID" json:"-"`
	Type    string          `path:"type" json:"-"`
	TxnID   string          `path:"txnID" json:"-"`
	Time    *int64          `query:"ts" json:"-"`                       // of application services: milliseconds since 1970
	Delay   *int64          `query:"org.matrix.msc4140.delay" json:"-"` // milliseconds; nil: send it now
	Content json.RawMessage `body:"raw,optional" json:"-"`              // optional for a retry with a delay alone
}

// SendOnceRequest is POST /rooms/{roomId}/send/{eventType}.
type SendOnceRequest struct {
	Room    id.Room         `path:"roomID" json:"-"`
	Type    string          `path:"type" json:"-"`
	Time    *int64          `query:"ts" json:"-"` // of application services: milliseconds since 1970
	Content json.RawMessage `body:"raw" json:"-"`
}

// SetStateRequest is PUT /rooms/{roomId}/state/{eventType}/{stateKey}.
type SetStateRequest struct {
	Room     id.Room         `path:"roomID" json:"-"`
	Type     string          `path:"type" json:"-"`
	StateKey string          `path:"stateKey" json:"-"`
	Time     *int64          `query:"ts" json:"-"`                       // of application services: milliseconds since 1970
	Delay    *int64          `query:"org.matrix.msc4140.delay" json:"-"` // milliseconds; nil: set it now
	Content  json.RawMessage `body:"raw" json:"-"`
}

// RedactRequest is PUT /rooms/{roomId}/redact/{eventId}/{txnId}.
type RedactRequest struct {
	Room    id.Room         `path:"roomID" json:"-"`
	Event   string          `path:"eventID" json:"-"` // whatever it is: events this server does not have can be redacted
	TxnID   string          `path:"txnID" json:"-"`
	Content json.RawMessage `body:"raw,optional" json:"-"`
}

// SentResponse names the event that was sent, or the one that will be (MSC4140).
type SentResponse struct {
	Event   id.Event `json:"event_id,omitempty"`
	DelayID string   `json:"delay_id,omitempty"`
}

// EventIDResponse names an event.
type EventIDResponse struct {
	Event id.Event `json:"event_id"`
}

// StateEventRequest is GET /rooms/{roomId}/state/{eventType}/{stateKey}.
type StateEventRequest struct {
	Room     id.Room `path:"roomID" json:"-"`
	Type     string  `path:"type" json:"-"`
	StateKey string  `path:"stateKey" json:"-"`
	Format   string  `query:"format" json:"-"` // "content", the default, or "event"
}

// RoomRequest is a GET of something of a room.
type RoomRequest struct {
	Room id.Room `path:"roomID" json:"-"`
}

// MembersRequest is GET /rooms/{roomId}/members.
type MembersRequest struct {
	Room          id.Room `path:"roomID" json:"-"`
	At            string  `query:"at" json:"-"`
	Membership    string  `query:"membership" json:"-"`
	NotMembership string  `query:"not_membership" json:"-"`
}

// MembersResponse has the member events.
type MembersResponse struct {
	Chunk []json.RawMessage `json:"chunk"`
}

// JoinedMembersResponse has who is in a room.
type JoinedMembersResponse struct {
	Joined map[id.User]JoinedMember `json:"joined"`
}

// JoinedMember is a member's name and picture; both are written out also when there is none.
type JoinedMember struct {
	DisplayName *string `json:"display_name"`
	AvatarURL   *string `json:"avatar_url"`
}

// EventRequest is GET /rooms/{roomId}/event/{eventId}.
type EventRequest struct {
	Room  id.Room `path:"roomID" json:"-"`
	Event string  `path:"eventID" json:"-"`
}

// ContextRequest is GET /rooms/{roomId}/context/{eventId}.
type ContextRequest struct {
	Room   id.Room `path:"roomID" json:"-"`
	Event  string  `path:"eventID" json:"-"`
	Limit  *int    `query:"limit" json:"-"` // 10 when nil
	Filter string  `query:"filter" json:"-"`
}

// ContextResponse is an event among its neighbours.
type ContextResponse struct {
	Event  json.RawMessage   `json:"event"`
	Before []json.RawMessage `json:"events_before"` // nearest first
	After  []json.RawMessage `json:"events_after"`
	State  []json.RawMessage `json:"state"` // at the last event shown
	Start  string            `json:"start"`
	End    string            `json:"end"`
}

// MessagesRequest is GET /rooms/{roomId}/messages.
type MessagesRequest struct {
	Room   id.Room `path:"roomID" json:"-"`
	From   string  `query:"from" json:"-"`
	To     string  `query:"to" json:"-"`
	Dir    string  `query:"dir" json:"-"`   // b or f
	Limit  *int    `query:"limit" json:"-"` // 10 when nil
	Filter string  `query:"filter" json:"-"`
}

// MessagesResponse is a page of history.
type MessagesResponse struct {
	Start string            `json:"start"`
	End   string            `json:"end,omitempty"` // "": nothing further
	Chunk []json.RawMessage `json:"chunk"`
	State []json.RawMessage `json:"state,omitempty"`
}

// NearestRequest is GET /rooms/{roomId}/timestamp_to_event.
type NearestRequest struct {
	Room      id.Room `path:"roomID"`
	Timestamp int64   `query:"ts,required"` // milliseconds since 1970
	Dir       string  `query:"dir,required"`
}

// NearestResponse names the event nearest to a time.
type NearestResponse struct {
	Event     id.Event `json:"event_id"`
	Timestamp int64    `json:"origin_server_ts"`
}
