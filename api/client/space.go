package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/space"
	"freehold.example/matrix/csapi"
)

// "Spaces" and "Room Summaries"
// https://spec.matrix.org/v1.19/client-server-api/#spaces
func (a *API) spaceRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v1/rooms/{roomID}/hierarchy", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.hierarchy)},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/room_summary/{roomIDOrAlias}", Auth: route.Optional, Limit: limit.Search, Serve: route.JSON(a.roomSummary)},
		{Method: http.MethodGet, Path: "/_matrix/client/unstable/im.nheko.summary/summary/{roomIDOrAlias}", Auth: route.Optional, Limit: limit.Search, Serve: route.JSON(a.unstableSummary)},
		{Method: http.MethodGet, Path: "/_matrix/client/unstable/im.nheko.summary/rooms/{roomIDOrAlias}/summary", Auth: route.Optional, Limit: limit.Search, Serve: route.JSON(a.unstableSummary)},
	}
}

func (a *API) hierarchy(ctx context.Context, c *Call, r *csapi.HierarchyRequest) (*csapi.HierarchyResponse, error) {
	return a.Spaces.Hierarchy(ctx, c.Session.User, space.Query{
		Room: r.Room, Suggested: r.Suggested, Depth: r.Depth, Limit: r.Limit, From: r.From,
	})
}

func (a *API) roomSummary(ctx context.Context, c *Call, r *csapi.RoomSummaryRequest) (*csapi.RoomSummaryResponse, error) {
	if c.Session == nil { // a stranger is not to have this one knock at doors
		found, err := a.roomOf(ctx, c, r.RoomOrAlias)
		if err != nil {
			return nil, err
		}
		return a.Spaces.Summary(ctx, "", found)
	}
	at, err := a.door(ctx, c, r.RoomOrAlias, r.Via)
	if err != nil {
		return nil, err
	}
	return a.Spaces.SummaryVia(ctx, c.Session.User, at.Room, at.Via)
}

// unstableSummary is roomSummary as clients ask for it that were made before Matrix 1.15 (MSC3266).
func (a *API) unstableSummary(ctx context.Context, c *Call, r *csapi.RoomSummaryRequest) (*csapi.UnstableSummaryResponse, error) {
	s, err := a.roomSummary(ctx, c, r)
	if err != nil {
		return nil, err
	}
	return &csapi.UnstableSummaryResponse{
		RoomSummaryResponse: *s, UnstableEncryption: s.Encryption, UnstableVersion: s.Version, OldVersion: s.Version,
	}, nil
}
