package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "Room Upgrades"
// https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
func (a *API) upgradeRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/upgrade", Auth: route.User, Limit: limit.Create, Serve: route.JSON(a.upgrade)},
	}
}

func (a *API) upgrade(ctx context.Context, c *Call, r *csapi.UpgradeRequest) (*csapi.UpgradeResponse, error) {
	if r.Version == "" {
		return nil, fault.New(fault.MissingParam, "new_version is missing")
	}
	made, err := a.Rooms.Upgrade(ctx, c.caller(), r.Room, room.UpgradeRequest{
		Version: r.Version, AdditionalCreators: r.AdditionalCreators, Also: a.Directory.Move,
	})
	if err != nil {
		return nil, err
	}
	return &csapi.UpgradeResponse{Replacement: made}, nil
}
