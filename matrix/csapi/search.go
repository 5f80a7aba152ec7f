package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// SearchRequest is POST /search.
type SearchRequest struct {
	NextBatch  string           `query:"next_batch" json:"-"`
	Categories SearchCategories `json:"search_categories"`
}

// SearchCategories says in what is searched.
type SearchCategories struct {
	RoomEvents *SearchCriteria `json:"room_events,omitempty"`
}

// SearchCriteria says what is searched for in the events of rooms.
type SearchCriteria struct {
	Term      *string         `json:"search_term"`
	Keys      []string        `json:"keys,omitempty"`
	Filter    json.RawMessage `json:"filter,omitempty"`   // a room event filter
	OrderBy   string          `json:"order_by,omitempty"` // rank, the default, or recent
	Context   *SearchContext  `json:"event_context,omitempty"`
	State     bool            `json:"include_state,omitempty"`
	Groupings SearchGroupings `json:"groupings"`
}

// SearchContext says how much of what stands around a hit is wanted.
type SearchContext struct {
	Before  *int `json:"before_limit,omitempty"` // 5 when nil
	After   *int `json:"after_limit,omitempty"`  // 5 when nil
	Profile bool `json:"include_profile,omitempty"`
}

// SearchGroupings says by what the hits are grouped.
type SearchGroupings struct {
	By []SearchGrouping `json:"group_by,omitempty"`
}

// SearchGrouping is one way to group hits.
type SearchGrouping struct {
	Key string `json:"key"` // room_id or sender
}

// SearchResponse has what was found.
type SearchResponse struct {
	Categories SearchResults `json:"search_categories"`
}

// SearchResults is what was found in each category that was searched.
type SearchResults struct {
	RoomEvents *SearchPage `json:"room_events,omitempty"`
}

// SearchPage is a page of events.
type SearchPage struct {
	Count      int                               `json:"count"` // on all pages
	Highlights []string                          `json:"highlights"`
	Results    []SearchHit                       `json:"results"`
	State      map[id.Room][]json.RawMessage     `json:"state,omitempty"`
	Groups     map[string]map[string]SearchGroup `json:"groups,omitempty"`
	NextBatch  string                            `json:"next_batch,omitempty"`
}

// SearchHit is one event that was found.
type SearchHit struct {
	Rank    float64         `json:"rank"`
	Result  json.RawMessage `json:"result"`
	Context *HitContext     `json:"context,omitempty"`
}

// HitContext is what stands around a hit.
type HitContext struct {
	Start    string                 `json:"start"`
	End      string                 `json:"end"`
	Before   []json.RawMessage      `json:"events_before"` // nearest first
	After    []json.RawMessage      `json:"events_after"`
	Profiles map[id.User]HitProfile `json:"profile_info,omitempty"`
}

// HitProfile is the name and picture of someone in a room, when what was found was said.
type HitProfile struct {
	DisplayName string `json:"displayname,omitempty"`
	AvatarURL   string `json:"avatar_url,omitempty"`
}

// SearchGroup is the hits on a page that belong together.
type SearchGroup struct {
	Results []id.Event `json:"results"`
	Order   int        `json:"order"`
}
