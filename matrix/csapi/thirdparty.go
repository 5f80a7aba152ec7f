package csapi

import (
	"net/url"

	"freehold.example/matrix/id"
)

// ProtocolsRequest is GET /thirdparty/protocols.
type ProtocolsRequest struct{}

// ProtocolRequest is GET /thirdparty/protocol/{protocol}.
type ProtocolRequest struct {
	Protocol string `path:"protocol" json:"-"`
}

// NetworkSearchRequest is GET /thirdparty/user/{protocol} and /thirdparty/location/{protocol}.
type NetworkSearchRequest struct {
	Protocol string     `path:"protocol" json:"-"`
	Fields   url.Values `query:"*" json:"-"`
}

// NetworkUserRequest is GET /thirdparty/user.
type NetworkUserRequest struct {
	User id.User `query:"userid,required" json:"-"`
}

// NetworkLocationRequest is GET /thirdparty/location.
type NetworkLocationRequest struct {
	Alias id.Alias `query:"alias,required" json:"-"`
}

// ListRoomRequest is PUT /directory/list/appservice/{networkId}/{roomId}.
type ListRoomRequest struct {
	Network    string  `path:"networkID" json:"-"`
	Room       id.Room `path:"roomID" json:"-"`
	Visibility string  `json:"visibility"`
}
