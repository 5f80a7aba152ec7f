package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/directory"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "Room aliases" and "Published room directory"
// https://spec.matrix.org/v1.19/client-server-api/#room-aliases
func (a *API) directoryRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/directory/room/{alias}", Auth: route.None, Limit: limit.Search, Serve: route.JSON(a.alias)},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/directory/room/{alias}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.setAlias)},
		{Method: http.MethodDelete, Path: "/_matrix/client/v3/directory/room/{alias}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.deleteAlias)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/aliases", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.aliases)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/directory/list/room/{roomID}", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.visibility)},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/directory/list/room/{roomID}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.setVisibility)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/publicRooms", Auth: route.None, Limit: limit.Search, Serve: route.JSON(a.publicRooms)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/publicRooms", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.searchRooms)},
	}
}

func (c *Call) directoryCaller() directory.Caller {
	return directory.Caller{Caller: room.Caller{User: c.Session.User, Device: c.Session.Device}, Admin: c.Session.Admin}
}

func (a *API) alias(ctx context.Context, _ *Call, r *csapi.AliasRequest) (*csapi.AliasResponse, error) {
	in, err := a.Directory.Resolve(ctx, r.Alias)
	if err != nil {
		return nil, err
	}
	return &csapi.AliasResponse{Room: in, Servers: a.Directory.Servers(in)}, nil
}

func (a *API) setAlias(ctx context.Context, c *Call, r *csapi.SetAliasRequest) (*csapi.Empty, error) {
	if r.Room == "" {
		return nil, fault.New(fault.MissingParam, "There is no room_id")
	}
	return nil, a.Directory.Put(ctx, c.directoryCaller(), r.Alias, r.Room)
}

func (a *API) deleteAlias(ctx context.Context, c *Call, r *csapi.AliasRequest) (*csapi.Empty, error) {
	return nil, a.Directory.Delete(ctx, c.directoryCaller(), r.Alias)
}

func (a *API) aliases(ctx context.Context, c *Call, r *csapi.AliasesRequest) (*csapi.AliasesResponse, error) {
	list, err := a.Directory.Aliases(ctx, c.Session.User, r.Room)
	if err != nil {
		return nil, err
	}
	return &csapi.AliasesResponse{Aliases: list}, nil
}

func (a *API) visibility(ctx context.Context, _ *Call, r *csapi.VisibilityRequest) (*csapi.VisibilityResponse, error) {
	public, err := a.Directory.Published(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	if public {
		return &csapi.VisibilityResponse{Visibility: "public"}, nil
	}
	return &csapi.VisibilityResponse{Visibility: "private"}, nil
}

func (a *API) setVisibility(ctx context.Context, c *Call, r *csapi.SetVisibilityRequest) (*csapi.Empty, error) {
	switch r.Visibility {
	case "", "public", "private":
	default:
		return nil, fault.New(fault.InvalidParam, "The visibility of a room is public or private")
	}
	return nil, a.Directory.SetPublished(ctx, c.directoryCaller(), r.Room, r.Visibility != "private")
}

func (a *API) publicRooms(ctx context.Context, _ *Call, r *csapi.PublicRoomsRequest) (*csapi.PublicRoomsResponse, error) {
	return a.Directory.Search(ctx, directory.Query{Server: r.Server, Limit: r.Limit, Since: r.Since})
}

func (a *API) searchRooms(ctx context.Context, _ *Call, r *csapi.SearchRoomsRequest) (*csapi.PublicRoomsResponse, error) {
	return a.Directory.Search(ctx, directory.Query{Server: r.Server, Limit: r.Limit, Since: r.Since, Filter: r.Filter})
}
