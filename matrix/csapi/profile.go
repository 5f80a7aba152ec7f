package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// ProfileRequest is GET /profile/{userId}. The answer is an object of fields.
type ProfileRequest struct {
	User id.User `path:"userID"`
}

// ProfileFieldRequest is GET and DELETE /profile/{userId}/{keyName}. The answer to GET has that one field.
type ProfileFieldRequest struct {
	User  id.User `path:"userID"`
	Field string  `path:"field"`
}

// SetProfileFieldRequest is PUT /profile/{userId}/{keyName}. Body is an object that has the field.
type SetProfileFieldRequest struct {
	User  id.User         `path:"userID"`
	Field string          `path:"field"`
	Body  json.RawMessage `body:"raw"`
}

// UserSearchRequest is POST /user_directory/search.
type UserSearchRequest struct {
	Term  *string `json:"search_term"`
	Limit int     `json:"limit"` // 0: as many as the server likes
}

// UserSearchResponse is whom the search found.
type UserSearchResponse struct {
	Results []FoundUser `json:"results"`
	Limited bool        `json:"limited"` // there are more
}

// FoundUser is one user of the directory.
type FoundUser struct {
	User        id.User `json:"user_id"`
	DisplayName string  `json:"display_name,omitempty"`
	AvatarURL   string  `json:"avatar_url,omitempty"`
}
