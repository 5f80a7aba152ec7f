package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "OpenID"
// https://spec.matrix.org/v1.19/client-server-api/#openid
func (a *API) openIDRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/user/{userID}/openid/request_token", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.openIDToken)},
	}
}

func (a *API) openIDToken(ctx context.Context, c *Call, r *csapi.OpenIDRequest) (*csapi.OpenIDResponse, error) {
	if r.User != c.Session.User {
		return nil, fault.New(fault.Forbidden, "You can only say who you are yourself")
	}
	token, err := a.Accounts.OpenIDToken(ctx, c.Session)
	if err != nil {
		return nil, err
	}
	return &csapi.OpenIDResponse{
		AccessToken: token, TokenType: "Bearer", Server: a.Accounts.ServerName, ExpiresIn: int64(account.OpenIDFor.Seconds()),
	}, nil
}
