package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// RelationsRequest is GET /rooms/{roomId}/relations/{eventId}.
type RelationsRequest struct {
	Room    id.Room `path:"roomID" json:"-"`
	Event   string  `path:"eventID" json:"-"`
	Dir     string  `query:"dir" json:"-"` // b, the default, or f
	From    string  `query:"from" json:"-"`
	To      string  `query:"to" json:"-"`
	Limit   *int    `query:"limit" json:"-"`   // 10 when nil
	Recurse *bool   `query:"recurse" json:"-"` // false when nil
}

// TypedRelationsRequest is GET /rooms/{roomId}/relations/{eventId}/{relType}.
type TypedRelationsRequest struct {
	RelationsRequest
	Rel string `path:"relType" json:"-"`
}

// EventRelationsRequest is GET /rooms/{roomId}/relations/{eventId}/{relType}/{eventType}.
type EventRelationsRequest struct {
	TypedRelationsRequest
	Type string `path:"eventType" json:"-"`
}

// RelationsResponse is a page of the children of an event.
type RelationsResponse struct {
	Chunk     []json.RawMessage `json:"chunk"`
	NextBatch string            `json:"next_batch,omitempty"` // "": nothing further
	PrevBatch string            `json:"prev_batch,omitempty"` // "": the first page
	Depth     int               `json:"recursion_depth,omitempty"`
}

// ThreadsRequest is GET /rooms/{roomId}/threads.
type ThreadsRequest struct {
	Room    id.Room `path:"roomID" json:"-"`
	Include string  `query:"include" json:"-"` // all, the default, or participated
	Limit   *int    `query:"limit" json:"-"`   // 10 when nil
	From    string  `query:"from" json:"-"`
}

// ThreadsResponse is a page of the roots of threads, that with the newest reply first.
type ThreadsResponse struct {
	Chunk     []json.RawMessage `json:"chunk"`
	NextBatch string            `json:"next_batch,omitempty"` // "": nothing further
}
