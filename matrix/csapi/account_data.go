package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// AccountDataRequest is GET and DELETE of account data, of the account or with a room of that room.
type AccountDataRequest struct {
	User id.User `path:"userID"`
	Type string  `path:"type"`
}

// SetAccountDataRequest is PUT /user/{userId}/account_data/{type}.
type SetAccountDataRequest struct {
	User    id.User         `path:"userID"`
	Type    string          `path:"type"`
	Content json.RawMessage `body:"raw"`
}

// RoomAccountDataRequest is GET and DELETE of a room's account data.
type RoomAccountDataRequest struct {
	User id.User `path:"userID"`
	Room id.Room `path:"roomID"`
	Type string  `path:"type"`
}

// SetRoomAccountDataRequest is PUT /user/{userId}/rooms/{roomId}/account_data/{type}.
type SetRoomAccountDataRequest struct {
	User    id.User         `path:"userID"`
	Room    id.Room         `path:"roomID"`
	Type    string          `path:"type"`
	Content json.RawMessage `body:"raw"`
}

// TagsRequest is GET /user/{userId}/rooms/{roomId}/tags.
type TagsRequest struct {
	User id.User `path:"userID"`
	Room id.Room `path:"roomID"`
}

// TagsResponse is a room's tags, by name.
type TagsResponse struct {
	Tags map[string]json.RawMessage `json:"tags"`
}

// TagRequest is DELETE /user/{userId}/rooms/{roomId}/tags/{tag}.
type TagRequest struct {
	User id.User `path:"userID"`
	Room id.Room `path:"roomID"`
	Tag  string  `path:"tag"`
}

// SetTagRequest is PUT /user/{userId}/rooms/{roomId}/tags/{tag}; Info says where the room stands among those so tagged.
type SetTagRequest struct {
	User id.User         `path:"userID"`
	Room id.Room         `path:"roomID"`
	Tag  string          `path:"tag"`
	Info json.RawMessage `body:"raw"`
}

// AddFilterRequest is POST /user/{userId}/filter.
type AddFilterRequest struct {
	User   id.User         `path:"userID"`
	Filter json.RawMessage `body:"raw"`
}

// AddFilterResponse names the filter.
type AddFilterResponse struct {
	FilterID string `json:"filter_id"`
}

// FilterRequest is GET /user/{userId}/filter/{filterId}. The answer is the filter as it was given.
type FilterRequest struct {
	User   id.User `path:"userID"`
	Filter string  `path:"filterID"`
}
