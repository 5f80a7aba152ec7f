package csapi

import "freehold.example/matrix/id"

// AliasRequest is GET and DELETE /directory/room/{roomAlias}.
type AliasRequest struct {
	Alias id.Alias `path:"alias" json:"-"`
}

// AliasResponse says which room an alias stands for, and which servers know the room.
type AliasResponse struct {
	Room    id.Room     `json:"room_id"`
	Servers []id.Server `json:"servers"`
}

// SetAliasRequest is PUT /directory/room/{roomAlias}.
type SetAliasRequest struct {
	Alias id.Alias `path:"alias" json:"-"`
	Room  id.Room  `json:"room_id"`
}

// AliasesRequest is GET /rooms/{roomId}/aliases.
type AliasesRequest struct {
	Room id.Room `path:"roomID" json:"-"`
}

// AliasesResponse lists a room's aliases on this server.
type AliasesResponse struct {
	Aliases []id.Alias `json:"aliases"`
}

// VisibilityRequest is GET /directory/list/room/{roomId}.
type VisibilityRequest struct {
	Room id.Room `path:"roomID" json:"-"`
}

// VisibilityResponse says whether a room is in the directory: public or private.
type VisibilityResponse struct {
	Visibility string `json:"visibility"`
}

// SetVisibilityRequest is PUT /directory/list/room/{roomId}.
type SetVisibilityRequest struct {
	Room       id.Room `path:"roomID" json:"-"`
	Visibility string  `json:"visibility,omitempty"` // public unless told otherwise
}

// PublicRoomsRequest is GET /publicRooms.
type PublicRoomsRequest struct {
	Limit  int       `query:"limit" json:"-"`
	Since  string    `query:"since" json:"-"`
	Server id.Server `query:"server" json:"-"`

	Network     string `query:"third_party_instance_id" json:"-"` // instance_id of a protocol's instance
	AllNetworks bool   `query:"include_all_networks" json:"-"`
}

// SearchRoomsRequest is POST /publicRooms.
type SearchRoomsRequest struct {
	Server id.Server  `query:"server" json:"-"`
	Limit  int        `json:"limit,omitempty"`
	Since  string     `json:"since,omitempty"`
	Filter RoomFilter `json:"filter"`

	Network     string `json:"third_party_instance_id,omitempty"` // instance_id of a protocol's instance
	AllNetworks bool   `json:"include_all_networks,omitempty"`
}

// RoomFilter chooses among published rooms.
type RoomFilter struct {
	Term  string    `json:"generic_search_term,omitempty"`
	Types []*string `json:"room_types,omitempty"` // nil in the list stands for rooms without a type
}

// PublicRoomsResponse is a page of published rooms.
type PublicRoomsResponse struct {
	Chunk     []PublicRoom `json:"chunk"`
	NextBatch string       `json:"next_batch,omitempty"`
	PrevBatch string       `json:"prev_batch,omitempty"`
	Total     int          `json:"total_room_count_estimate"`
}

// PublicRoom is a room as those who are not in it see it.
type PublicRoom struct {
	Room           id.Room `json:"room_id"`
	Name           string  `json:"name,omitempty"`
	Topic          string  `json:"topic,omitempty"`
	CanonicalAlias string  `json:"canonical_alias,omitempty"`
	AvatarURL      string  `json:"avatar_url,omitempty"`
	JoinRule       string  `json:"join_rule,omitempty"`
	RoomType       string  `json:"room_type,omitempty"`
	JoinedMembers  int     `json:"num_joined_members"`
	WorldReadable  bool    `json:"world_readable"`
	GuestCanJoin   bool    `json:"guest_can_join"`
}
