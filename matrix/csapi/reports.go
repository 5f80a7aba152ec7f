package csapi

import "freehold.example/matrix/id"

// ReportRoomRequest is POST /rooms/{roomId}/report.
type ReportRoomRequest struct {
	Room   string `path:"roomID" json:"-"` // whatever it is: the answer does not tell
	Reason string `json:"reason"`
}

// ReportEventRequest is POST /rooms/{roomId}/report/{eventId}.
type ReportEventRequest struct {
	Room   string `path:"roomID" json:"-"`
	Event  string `path:"eventID" json:"-"`
	Reason string `json:"reason"`
}

// ReportUserRequest is POST /users/{userId}/report.
type ReportUserRequest struct {
	User   string `path:"userID" json:"-"`
	Reason string `json:"reason"`
}

// OpenIDRequest is POST /user/{userId}/openid/request_token.
type OpenIDRequest struct {
	User id.User `path:"userID" json:"-"`
}

// OpenIDResponse is a token by which another service can ask who the user is.
type OpenIDResponse struct {
	AccessToken string    `json:"access_token"`
	TokenType   string    `json:"token_type"`
	Server      id.Server `json:"matrix_server_name"`
	ExpiresIn   int64     `json:"expires_in"` // seconds
}
