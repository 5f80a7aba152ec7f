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

// Legacy API, "Password management" and "Account deactivation"
// https://spec.matrix.org/v1.19/client-server-api/#password-management
func (a *API) passwordRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/password", Auth: route.User, Limit: limit.Login, Serve: route.JSON(a.changePassword)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/deactivate", Auth: route.User, Limit: limit.Login, Serve: route.JSON(a.deactivate)},
	}
}

// byPassword asks the caller for her password before the operation. params is the request without its auth. An application
// service is not asked: its users have none, and it has full control of them.
func (a *API) byPassword(ctx context.Context, c *Call, operation string, params any, auth *csapi.Auth) error {
	if c.Service != nil {
		return nil
	}
	_, err := a.Accounts.Confirm(ctx, account.Operation{
		User: c.Session.User, From: c.Remote, Name: operation, Params: params, Flows: [][]string{{account.StagePassword}},
	}, auth)
	return err
}

func (a *API) changePassword(ctx context.Context, c *Call, r *csapi.PasswordRequest) (*csapi.Empty, error) {
	if r.NewPassword != "" {
		if err := a.Accounts.CheckPassword(r.NewPassword); err != nil {
			return nil, err
		}
	}
	params := *r
	params.Auth = nil
	if err := a.byPassword(ctx, c, "POST /account/password", params, r.Auth); err != nil {
		return nil, err
	}
	if r.NewPassword == "" {
		return nil, fault.New(fault.MissingParam, "There is no new_password")
	}
	logout := r.LogoutDevices == nil || *r.LogoutDevices
	return nil, a.Accounts.SetPassword(ctx, c.Session, r.NewPassword, logout)
}

func (a *API) deactivate(ctx context.Context, c *Call, r *csapi.DeactivateRequest) (*csapi.DeactivateResponse, error) {
	params := *r
	params.Auth = nil
	if err := a.byPassword(ctx, c, "POST /account/deactivate", params, r.Auth); err != nil {
		return nil, err
	}
	if err := a.Accounts.Deactivate(ctx, c.Session.User, r.Erase); err != nil {
		return nil, err
	}
	return &csapi.DeactivateResponse{IDServerUnbindResult: "success"}, nil // there is nothing to unbind
}
