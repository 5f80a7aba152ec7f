package federation

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

// "Querying for information" and "OpenID"
// https://spec.matrix.org/v1.19/server-server-api/#querying-for-information
func (a *API) queryRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/query/profile", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.profile)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/query/directory", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.alias)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/query/{queryType}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.noQuery)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/openid/userinfo", Limit: limit.Federation, Serve: route.JSON(a.openIDUser)},
	}
}

type profileRequest struct {
	User  id.User `query:"user_id,required"`
	Field string  `query:"field"`
}

func (a *API) profile(ctx context.Context, _ *Call, r *profileRequest) (*map[string]json.RawMessage, error) {
	if r.User.Server() != a.Signer.Server {
		return nil, fault.New(fault.InvalidParam, "The user is not of this server")
	}
	if r.Field == "" {
		fields, err := a.People.Profile(ctx, r.User)
		if fields == nil {
			fields = map[string]json.RawMessage{}
		}
		return &fields, err
	}
	value, err := a.People.Field(ctx, r.User, r.Field)
	if err != nil {
		return nil, err
	}
	return &map[string]json.RawMessage{r.Field: value}, nil
}

type aliasRequest struct {
	Alias id.Alias `query:"room_alias,required"`
}

func (a *API) alias(ctx context.Context, _ *Call, r *aliasRequest) (*csapi.AliasResponse, error) {
	if r.Alias.Server() != a.Signer.Server {
		return nil, fault.New(fault.InvalidParam, "The alias is not of this server")
	}
	room, err := a.Directory.Resolve(ctx, r.Alias)
	if err != nil {
		return nil, err
	}
	via, err := a.Directory.Servers(ctx, room)
	return &csapi.AliasResponse{Room: room, Servers: via}, err
}

type noQueryRequest struct {
	Type string `path:"queryType"`
}

// noQuery answers queries of any other kind.
func (a *API) noQuery(_ context.Context, _ *Call, r *noQueryRequest) (*struct{}, error) {
	return nil, fault.New(fault.NotFound, "This server knows no such query")
}

type openIDRequest struct {
	Token string `query:"access_token"`
}

type openIDResponse struct {
	User id.User `json:"sub"`
}

func (a *API) openIDUser(ctx context.Context, _ *Call, r *openIDRequest) (*openIDResponse, error) {
	if r.Token == "" {
		return nil, fault.New(fault.MissingToken, "access_token is missing").WithStatus(http.StatusUnauthorized)
	}
	user, err := a.Accounts.OpenIDUser(ctx, r.Token)
	if err != nil {
		return nil, err
	}
	return &openIDResponse{User: user}, nil
}
