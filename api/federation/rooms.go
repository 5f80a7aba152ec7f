package federation

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/appservice"
	"freehold.example/core/directory"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Published Room Directory" and "Spaces"
// https://spec.matrix.org/v1.19/server-server-api/#published-room-directory
func (a *API) roomRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/publicRooms", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.publicRooms)},
		{Method: http.MethodPost, Path: "/_matrix/federation/v1/publicRooms", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.searchRooms)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/hierarchy/{roomID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.hierarchy)},
	}
}

type publicRoomsRequest struct {
	Limit       int    `query:"limit"`
	Since       string `query:"since"`
	Network     string `query:"third_party_instance_id"`
	AllNetworks bool   `query:"include_all_networks"`
}

func (a *API) publicRooms(ctx context.Context, _ *Call, r *publicRoomsRequest) (*csapi.PublicRoomsResponse, error) {
	return a.published(ctx, directory.Query{Limit: r.Limit, Since: r.Since, AllNetworks: r.AllNetworks}, r.Network)
}

type searchRoomsRequest struct {
	Limit       int              `json:"limit"`
	Since       string           `json:"since"`
	Filter      csapi.RoomFilter `json:"filter"`
	Network     string           `json:"third_party_instance_id"`
	AllNetworks bool             `json:"include_all_networks"`
}

func (a *API) searchRooms(ctx context.Context, _ *Call, r *searchRoomsRequest) (*csapi.PublicRoomsResponse, error) {
	return a.published(ctx, directory.Query{Limit: r.Limit, Since: r.Since, Filter: r.Filter, AllNetworks: r.AllNetworks}, r.Network)
}

func (a *API) published(ctx context.Context, q directory.Query, network string) (*csapi.PublicRoomsResponse, error) {
	if network != "" {
		if q.AllNetworks {
			return nil, fault.New(fault.InvalidParam, "third_party_instance_id goes without include_all_networks")
		}
		q.Network.Service, q.Network.ID = appservice.ParseInstance(network)
	}
	return a.Directory.Search(ctx, q)
}

type hierarchyRequest struct {
	Room      id.Room `path:"roomID"`
	Suggested bool    `query:"suggested_only"`
}

type hierarchyResponse struct {
	Room         csapi.SpaceRoom             `json:"room"`
	Children     []csapi.RoomSummaryResponse `json:"children"`
	Inaccessible []id.Room                   `json:"inaccessible_children"`
}

func (a *API) hierarchy(ctx context.Context, c *Call, r *hierarchyRequest) (*hierarchyResponse, error) {
	b, err := a.Spaces.Below(ctx, c.Origin, r.Room, r.Suggested)
	if err != nil {
		return nil, err
	}
	return &hierarchyResponse{Room: b.Room, Children: b.Children, Inaccessible: b.Inaccessible}, nil
}
