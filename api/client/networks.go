package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/appservice"
	"freehold.example/core/directory"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Third-party Networks", and the directories of their rooms
// https://spec.matrix.org/v1.19/client-server-api/#third-party-networks
func (a *API) networkRows() []route.Row[Call] {
	const at = "/_matrix/client/v3/thirdparty"
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: at + "/protocols", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.protocols)},
		{Method: http.MethodGet, Path: at + "/protocol/{protocol}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.protocol)},
		{Method: http.MethodGet, Path: at + "/user", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.networkUsersOf)},
		{Method: http.MethodGet, Path: at + "/user/{protocol}", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.networkUsers)},
		{Method: http.MethodGet, Path: at + "/location", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.locationsOf)},
		{Method: http.MethodGet, Path: at + "/location/{protocol}", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.locations)},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/directory/list/appservice/{networkID}/{roomID}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.listRoom)},
	}
}

func (a *API) protocols(ctx context.Context, _ *Call, _ *csapi.ProtocolsRequest) (*map[string]json.RawMessage, error) {
	all, err := a.Desk.Protocols(ctx)
	return &all, err
}

func (a *API) protocol(ctx context.Context, _ *Call, r *csapi.ProtocolRequest) (*json.RawMessage, error) {
	one, err := a.Desk.Protocol(ctx, r.Protocol)
	return &one, err
}

func (a *API) networkUsersOf(ctx context.Context, _ *Call, r *csapi.NetworkUserRequest) (*[]json.RawMessage, error) {
	found, err := a.Desk.UsersOf(ctx, r.User)
	return &found, err
}

func (a *API) networkUsers(ctx context.Context, c *Call, r *csapi.NetworkSearchRequest) (*[]json.RawMessage, error) {
	found, err := a.Desk.Users(ctx, r.Protocol, c.fields(r.Fields))
	return &found, err
}

func (a *API) locationsOf(ctx context.Context, _ *Call, r *csapi.NetworkLocationRequest) (*[]json.RawMessage, error) {
	found, err := a.Desk.LocationsOf(ctx, r.Alias)
	return &found, err
}

func (a *API) locations(ctx context.Context, c *Call, r *csapi.NetworkSearchRequest) (*[]json.RawMessage, error) {
	found, err := a.Desk.Locations(ctx, r.Protocol, c.fields(r.Fields))
	return &found, err
}

// fields is what of a query is to be looked for: all but who asks.
func (c *Call) fields(query url.Values) url.Values {
	query.Del("access_token")
	if c.Service != nil {
		for _, own := range []string{"user_id", "device_id", unstableDevice} {
			query.Del(own)
		}
	}
	return query
}

func (a *API) listRoom(ctx context.Context, c *Call, r *csapi.ListRoomRequest) (*csapi.Empty, error) {
	if c.Service == nil {
		return nil, fault.New(fault.Forbidden, "This is for application services, with their token")
	}
	if r.Visibility != "public" && r.Visibility != "private" {
		return nil, fault.New(fault.InvalidParam, "The visibility of a room is public or private")
	}
	return nil, a.Directory.SetListed(ctx, directory.Network{Service: c.Service.ID, ID: r.Network}, r.Room, r.Visibility == "public")
}

// network is the directory that an instance_id names; all says that every one is asked for, which is to be alone.
func network(instance string, all bool) (directory.Network, error) {
	if instance == "" {
		return directory.Network{}, nil
	}
	if all {
		return directory.Network{}, fault.New(fault.InvalidParam, "third_party_instance_id goes without include_all_networks")
	}
	service, name := appservice.ParseInstance(instance)
	return directory.Network{Service: service, ID: name}, nil
}

// resolve finds the room of an alias. One that an application service may have is asked for.
func (a *API) resolve(ctx context.Context, c *Call, alias id.Alias) (id.Room, error) {
	found, err := a.Directory.Resolve(ctx, alias)
	if !fault.Is(err, fault.NotFound) {
		return found, err
	}
	switch made, asked := a.Desk.Alias(ctx, alias, c.Service); {
	case asked != nil:
		return "", asked
	case !made:
		return "", err
	}
	return a.Directory.Resolve(ctx, alias)
}
