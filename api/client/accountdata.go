package client

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
)

// "Client Config" with the removal of account data (MSC3391), and "Room Tagging"
// https://spec.matrix.org/v1.19/client-server-api/#client-config
func (a *API) accountDataRows() []route.Row[Call] {
	const (
		own      = "/_matrix/client/v3/user/{userID}/account_data/{type}"
		room     = "/_matrix/client/v3/user/{userID}/rooms/{roomID}/account_data/{type}"
		dropOwn  = "/_matrix/client/unstable/org.matrix.msc3391/user/{userID}/account_data/{type}"
		dropRoom = "/_matrix/client/unstable/org.matrix.msc3391/user/{userID}/rooms/{roomID}/account_data/{type}"
	)
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: own, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.accountData)},
		{Method: http.MethodPut, Path: own, Auth: route.User, Limit: limit.Write, Body: 512 << 10, Serve: route.JSON(a.setAccountData)},
		{Method: http.MethodDelete, Path: dropOwn, Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.dropAccountData)},
		{Method: http.MethodGet, Path: room, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.roomAccountData)},
		{Method: http.MethodPut, Path: room, Auth: route.User, Limit: limit.Write, Body: 512 << 10, Serve: route.JSON(a.setRoomAccountData)},
		{Method: http.MethodDelete, Path: dropRoom, Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.dropRoomAccountData)},
	}
}

var noContent = json.RawMessage(`{}`)

func (a *API) accountData(ctx context.Context, c *Call, r *csapi.AccountDataRequest) (*route.Bytes, error) {
	return a.datum(ctx, c, csapi.RoomAccountDataRequest{User: r.User, Type: r.Type})
}

func (a *API) roomAccountData(ctx context.Context, c *Call, r *csapi.RoomAccountDataRequest) (*route.Bytes, error) {
	return a.datum(ctx, c, *r)
}

func (a *API) datum(ctx context.Context, c *Call, r csapi.RoomAccountDataRequest) (*route.Bytes, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	content, err := a.People.Data(ctx, r.User, r.Room, r.Type)
	return (*route.Bytes)(&content), err
}

func (a *API) setAccountData(ctx context.Context, c *Call, r *csapi.SetAccountDataRequest) (*csapi.Empty, error) {
	return a.setDatum(ctx, c, csapi.SetRoomAccountDataRequest{User: r.User, Type: r.Type, Content: r.Content})
}

func (a *API) setRoomAccountData(ctx context.Context, c *Call, r *csapi.SetRoomAccountDataRequest) (*csapi.Empty, error) {
	return a.setDatum(ctx, c, *r)
}

func (a *API) dropAccountData(ctx context.Context, c *Call, r *csapi.AccountDataRequest) (*csapi.Empty, error) {
	return a.setDatum(ctx, c, csapi.SetRoomAccountDataRequest{User: r.User, Type: r.Type, Content: noContent})
}

func (a *API) dropRoomAccountData(ctx context.Context, c *Call, r *csapi.RoomAccountDataRequest) (*csapi.Empty, error) {
	return a.setDatum(ctx, c, csapi.SetRoomAccountDataRequest{User: r.User, Room: r.Room, Type: r.Type, Content: noContent})
}

func (a *API) setDatum(ctx context.Context, c *Call, r csapi.SetRoomAccountDataRequest) (*csapi.Empty, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	return nil, a.People.SetData(ctx, r.User, r.Room, r.Type, r.Content)
}
