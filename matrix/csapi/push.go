package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// SetPusherRequest is POST /pushers/set.
type SetPusherRequest struct {
	AppID   string          `json:"app_id"`
	PushKey string          `json:"pushkey"`
	Kind    json.RawMessage `json:"kind"` // a string, or null to remove the pusher
	App     string          `json:"app_display_name,omitempty"`
	Device  string          `json:"device_display_name,omitempty"`
	Profile string          `json:"profile_tag,omitempty"`
	Lang    string          `json:"lang,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"` // an object with url
	Append  bool            `json:"append,omitempty"`
}

// PushersRequest is GET /pushers.
type PushersRequest struct{}

// PushersResponse lists the pushers of a user.
type PushersResponse struct {
	Pushers []Pusher `json:"pushers"`
}

// Pusher is where a user is told of notifications.
type Pusher struct {
	AppID   string                     `json:"app_id"`
	PushKey string                     `json:"pushkey"`
	Kind    string                     `json:"kind"`
	App     string                     `json:"app_display_name"`
	Device  string                     `json:"device_display_name"`
	Profile string                     `json:"profile_tag,omitempty"`
	Lang    string                     `json:"lang"`
	Data    map[string]json.RawMessage `json:"data"`
}

// NotificationsRequest is GET /notifications.
type NotificationsRequest struct {
	From  string `query:"from" json:"-"`
	Limit *int   `query:"limit" json:"-"` // 20 when nil
	Only  string `query:"only" json:"-"`  // highlight
}

// NotificationsResponse is a page of what the user was notified of, the newest first.
type NotificationsResponse struct {
	NextToken     string         `json:"next_token,omitempty"` // "": nothing further
	Notifications []Notification `json:"notifications"`
}

// Notification is an event that a user was notified of.
type Notification struct {
	Actions   json.RawMessage `json:"actions"`
	Event     json.RawMessage `json:"event"` // without room_id
	Read      bool            `json:"read"`
	Room      id.Room         `json:"room_id"`
	Timestamp int64           `json:"ts"` // milliseconds since 1970
}
