package csapi

import "freehold.example/matrix/id"

// MutualRoomsRequest is GET /mutual_rooms.
type MutualRoomsRequest struct {
	User string `query:"user_id,required" json:"-"`
	From string `query:"from" json:"-"`
}

// MutualRoomsResponse lists rooms that the caller shares with another user.
type MutualRoomsResponse struct {
	Joined    []id.Room `json:"joined"`
	Count     int       `json:"count"`                // of all pages
	NextBatch string    `json:"next_batch,omitempty"` // "": nothing further
}
