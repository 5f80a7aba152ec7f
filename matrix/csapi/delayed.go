package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// DelayedEventsRequest is GET /delayed_events.
type DelayedEventsRequest struct{}

// DelayedEventsResponse lists the caller's events that wait.
type DelayedEventsResponse struct {
	Events []DelayedEvent `json:"delayed_events"`
}

// DelayedEvent is an event that waits to be sent.
type DelayedEvent struct {
	DelayID  string          `json:"delay_id"`
	Room     id.Room         `json:"room_id"`
	Type     string          `json:"type"`
	StateKey *string         `json:"state_key,omitempty"`
	Delay    int64           `json:"delay"`         // milliseconds
	Since    int64           `json:"running_since"` // milliseconds since 1970
	Content  json.RawMessage `json:"content"`
}

// DelayedEventRequest is GET /delayed_events/{delayID}, and POST with an action after it.
type DelayedEventRequest struct {
	DelayID string `path:"delayID" json:"-"`
}
