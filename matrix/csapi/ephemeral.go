package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// ReceiptRequest is POST /rooms/{roomId}/receipt/{receiptType}/{eventId}.
type ReceiptRequest struct {
	Room   id.Room         `path:"roomID"`
	Type   string          `path:"type"` // m.read, m.read.private or m.fully_read
	Event  id.Event        `path:"eventID"`
	Thread json.RawMessage `json:"thread_id"` // absent: unthreaded; a string: "main" or a thread's root
}

// ReadMarkersRequest is POST /rooms/{roomId}/read_markers.
type ReadMarkersRequest struct {
	Room        id.Room  `path:"roomID"`
	FullyRead   id.Event `json:"m.fully_read"`
	Read        id.Event `json:"m.read"`
	ReadPrivate id.Event `json:"m.read.private"`
}

// TypingRequest is PUT /rooms/{roomId}/typing/{userId}.
type TypingRequest struct {
	Room    id.Room `path:"roomID"`
	User    id.User `path:"userID"`
	Typing  *bool   `json:"typing"`
	Timeout *int64  `json:"timeout"` // milliseconds
}

// PresenceRequest is GET /presence/{userId}/status.
type PresenceRequest struct {
	User id.User `path:"userID"`
}

// Presence is what is known of a user being there.
type Presence struct {
	Presence        string  `json:"presence"`                   // online, unavailable or offline
	LastActiveAgo   *int64  `json:"last_active_ago,omitempty"`  // milliseconds; nil when never active
	StatusMsg       *string `json:"status_msg,omitempty"`       //
	CurrentlyActive *bool   `json:"currently_active,omitempty"` //
}

// SetPresenceRequest is PUT /presence/{userId}/status.
type SetPresenceRequest struct {
	User      id.User `path:"userID"`
	Presence  string  `json:"presence"`
	StatusMsg *string `json:"status_msg"`
}
