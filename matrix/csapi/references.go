package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// ReferencesRequest is POST /event_relationships (MSC2836).
type ReferencesRequest struct {
	Event           id.Event `json:"event_id"`
	Room            id.Room  `json:"room_id"`     // "": wherever the event is
	Depth           *int     `json:"max_depth"`   // 3 when nil; negative: any
	Breadth         *int     `json:"max_breadth"` // 10 when nil; negative: any
	Limit           *int     `json:"limit"`       // 100 when nil
	DepthFirst      bool     `json:"depth_first"`
	RecentFirst     *bool    `json:"recent_first"` // true when nil
	IncludeParent   bool     `json:"include_parent"`
	IncludeChildren bool     `json:"include_children"`
	Direction       string   `json:"direction"` // down, the default, or up
	Batch           string   `json:"batch"`     // this server gives none out
}

// ReferencesResponse is the events that were found, the nearest first.
type ReferencesResponse struct {
	Events  []json.RawMessage `json:"events"`
	Limited bool              `json:"limited"` // there are more
}
