package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/audit"
	"freehold.example/core/directory"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "Room aliases" and "Published room directory"
// https://spec.matrix.org/v1.19/client-server-api/#room-aliases
func (a *API) directoryRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/directory/room/{alias}", Auth: route.Optional, Limit: limit.Search, Serve: route.JSON(a.alias)},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/directory/room/{alias}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.setAlias)},
		{Method: http.MethodDelete, Path: "/_matrix/client/v3/directory/room/{alias}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.deleteAlias)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/aliases", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.aliases)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/directory/list/room/{roomID}", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.visibility)},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/directory/list/room/{roomID}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.setVisibility)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/publicRooms", Auth: route.Optional, Limit: limit.Search, Serve: route.JSON(a.publicRooms)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/publicRooms", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.searchRooms)},
	}
}

func (c *Call) directoryCaller() directory.Caller {
	return directory.Caller{Caller: room.Caller{User: c.Session.User, Device: c.Session.Device}, Admin: c.Session.Admin}
}

func (a *API) alias(ctx context.Context, c *Call, r *csapi.AliasRequest) (*csapi.AliasResponse, error) {
	if r.Alias.Server() != a.Directory.Server && (c.Session != nil || c.Service != nil) { // a stranger is not to have this one knock at doors
		in, via, err := a.Directory.ResolveRemote(ctx, r.Alias)
		return &csapi.AliasResponse{Room: in, Servers: via}, err
	}
	in, err := a.resolve(ctx, c, r.Alias)
	if err != nil {
		return nil, err
	}
	via, err := a.Directory.Servers(ctx, in)
	return &csapi.AliasResponse{Room: in, Servers: via}, err
}

func (a *API) setAlias(ctx context.Context, c *Call, r *csapi.SetAliasRequest) (*csapi.Empty, error) {
	if r.Room == "" {
		return nil, fault.New(fault.MissingParam, "There is no room_id")
	}
	if !a.Services.MayAlias(r.Alias, c.Service) {
		return nil, errExclusive
	}
	by := c.directoryCaller()
	by.Service = c.Service != nil
	return nil, a.Directory.Put(ctx, by, r.Alias, r.Room)
}

func (a *API) deleteAlias(ctx context.Context, c *Call, r *csapi.AliasRequest) (*csapi.Empty, error) {
	if !a.Services.MayAlias(r.Alias, c.Service) {
		return nil, errExclusive
	}
	by := c.directoryCaller()
	by.Admin = by.Admin || c.Service != nil && c.Service.OwnsAlias(r.Alias)
	if !c.Session.Admin {
		return nil, a.Directory.Delete(ctx, by, r.Alias)
	}
	deed := c.deed("DELETE /_matrix/client/v3/directory/room/{alias}", string(r.Alias))
	return audit.Do(ctx, a.Audit, deed, nil, func() (*csapi.Empty, error) { return nil, a.Directory.Delete(ctx, by, r.Alias) })
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
	set := func() (*csapi.Empty, error) {
		return nil, a.Directory.SetPublished(ctx, c.directoryCaller(), r.Room, r.Visibility != "private")
	}
	if !c.Session.Admin {
		return set()
	}
	deed := c.deed("PUT /_matrix/client/v3/directory/list/room/{roomID}", string(r.Room))
	return audit.Do(ctx, a.Audit, deed, map[string]any{"visibility": r.Visibility}, set)
}

func (a *API) publicRooms(ctx context.Context, c *Call, r *csapi.PublicRoomsRequest) (*csapi.PublicRoomsResponse, error) {
	if r.Server != "" && r.Server != a.Directory.Server && c.Session == nil && c.Service == nil { // a stranger is not to have this one knock at doors
		return nil, fault.New(fault.MissingToken, "The directories of other servers are for those who are signed in").WithStatus(http.StatusUnauthorized)
	}
	of, err := network(r.Network, r.AllNetworks)
	if err != nil {
		return nil, err
	}
	return a.Directory.Search(ctx, directory.Query{Server: r.Server, Limit: r.Limit, Since: r.Since, Network: of, Instance: r.Network, AllNetworks: r.AllNetworks})
}

func (a *API) searchRooms(ctx context.Context, _ *Call, r *csapi.SearchRoomsRequest) (*csapi.PublicRoomsResponse, error) {
	of, err := network(r.Network, r.AllNetworks)
	if err != nil {
		return nil, err
	}
	return a.Directory.Search(ctx, directory.Query{
		Server: r.Server, Limit: r.Limit, Since: r.Since, Filter: r.Filter, Network: of, Instance: r.Network, AllNetworks: r.AllNetworks,
	})
}
