package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
)

// "Filtering"
// https://spec.matrix.org/v1.19/client-server-api/#filtering
func (a *API) filterRows() []route.Row[Call] {
	const path = "/_matrix/client/v3/user/{userID}/filter"
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: path, Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.addFilter)},
		{Method: http.MethodGet, Path: path + "/{filterID}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.filter)},
	}
}

func (a *API) addFilter(ctx context.Context, c *Call, r *csapi.AddFilterRequest) (*csapi.AddFilterResponse, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	name, err := a.People.AddFilter(ctx, r.User, r.Filter)
	return &csapi.AddFilterResponse{FilterID: name}, err
}

func (a *API) filter(ctx context.Context, c *Call, r *csapi.FilterRequest) (*route.Bytes, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	body, err := a.People.FilterBody(ctx, r.User, r.Filter)
	return (*route.Bytes)(&body), err
}
