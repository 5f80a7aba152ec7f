package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "User Directory"
// https://spec.matrix.org/v1.19/client-server-api/#user-directory
func (a *API) userDirectoryRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/user_directory/search", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.searchUsers)},
	}
}

func (a *API) searchUsers(ctx context.Context, c *Call, r *csapi.UserSearchRequest) (*csapi.UserSearchResponse, error) {
	if r.Term == nil {
		return nil, fault.New(fault.MissingParam, "search_term is missing")
	}
	found, more, err := a.People.Search(ctx, c.Session.User, *r.Term, r.Limit)
	if err != nil {
		return nil, err
	}
	out := &csapi.UserSearchResponse{Results: make([]csapi.FoundUser, len(found)), Limited: more}
	for i, f := range found {
		out.Results[i] = csapi.FoundUser(f)
	}
	return out, nil
}
