package client

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Profiles"
// https://spec.matrix.org/v1.19/client-server-api/#profiles
func (a *API) profileRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/profile/{userID}", Auth: route.Optional, Limit: limit.Read, Serve: route.JSON(a.profile)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/profile/{userID}/{field}", Auth: route.Optional, Limit: limit.Read, Serve: route.JSON(a.profileField)},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/profile/{userID}/{field}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.setProfileField)},
		{Method: http.MethodDelete, Path: "/_matrix/client/v3/profile/{userID}/{field}", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.dropProfileField)},
	}
}

func (a *API) profile(ctx context.Context, c *Call, r *csapi.ProfileRequest) (*map[string]json.RawMessage, error) {
	if r.User.Server() != a.People.Server {
		fields, err := a.People.RemoteProfile(ctx, r.User, "")
		return &fields, err
	}
	fields, err := a.People.Profile(ctx, r.User)
	if fault.Is(err, fault.NotFound) {
		made, asked := a.Desk.User(ctx, r.User, c.Service)
		if asked != nil {
			return nil, asked
		}
		if made {
			fields, err = a.People.Profile(ctx, r.User)
		}
	}
	return &fields, err
}

// profileField answers an application service that there is nothing, rather than that nothing was found: mautrix-go looks for
// a ghost's name and picture before it gives it one, and goes no further after an error.
func (a *API) profileField(ctx context.Context, c *Call, r *csapi.ProfileFieldRequest) (*map[string]json.RawMessage, error) {
	if r.User.Server() != a.People.Server {
		fields, err := a.People.RemoteProfile(ctx, r.User, r.Field)
		if err == nil && fields[r.Field] == nil {
			err = fault.New(fault.NotFound, "The profile has no such field")
		}
		return &map[string]json.RawMessage{r.Field: fields[r.Field]}, err
	}
	value, err := a.People.Field(ctx, r.User, r.Field)
	if fault.Is(err, fault.NotFound) && c.Service != nil && (r.Field == "displayname" || r.Field == "avatar_url") {
		_, err := a.People.Profile(ctx, r.User) // whether there is such a user
		return &map[string]json.RawMessage{}, err
	}
	return &map[string]json.RawMessage{r.Field: value}, err
}

func (a *API) setProfileField(ctx context.Context, c *Call, r *csapi.SetProfileFieldRequest) (*csapi.Empty, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return nil, fault.New(fault.BadJSON, "The body must be an object").Because(err)
	}
	value, ok := body[r.Field]
	if !ok {
		return nil, fault.Newf(fault.MissingParam, "The body has no %s", r.Field)
	}
	return nil, a.People.SetField(ctx, r.User, r.Field, value)
}

func (a *API) dropProfileField(ctx context.Context, c *Call, r *csapi.ProfileFieldRequest) (*csapi.Empty, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	return nil, a.People.DropField(ctx, r.User, r.Field)
}

// self refuses a caller who is not the user that the path names.
func (c *Call) self(user id.User) error {
	if c.Session.User != user {
		return fault.New(fault.Forbidden, "This belongs to another user")
	}
	return nil
}
