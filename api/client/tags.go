package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
)

// "Room Tagging"
// https://spec.matrix.org/v1.19/client-server-api/#room-tagging
func (a *API) tagRows() []route.Row[Call] {
	const path = "/_matrix/client/v3/user/{userID}/rooms/{roomID}/tags"
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: path, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.tags)},
		{Method: http.MethodPut, Path: path + "/{tag}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.setTag)},
		{Method: http.MethodDelete, Path: path + "/{tag}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.dropTag)},
	}
}

func (a *API) tags(ctx context.Context, c *Call, r *csapi.TagsRequest) (*csapi.TagsResponse, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	tags, err := a.People.Tags(ctx, r.User, r.Room)
	return &csapi.TagsResponse{Tags: tags}, err
}

func (a *API) setTag(ctx context.Context, c *Call, r *csapi.SetTagRequest) (*csapi.Empty, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	return nil, a.People.SetTag(ctx, r.User, r.Room, r.Tag, r.Info)
}

func (a *API) dropTag(ctx context.Context, c *Call, r *csapi.TagRequest) (*csapi.Empty, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	return nil, a.People.DropTag(ctx, r.User, r.Room, r.Tag)
}
