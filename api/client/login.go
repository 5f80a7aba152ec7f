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

// Legacy API, "Login" and "Refreshing access tokens"
// https://spec.matrix.org/v1.19/client-server-api/#legacy-login
func (a *API) loginRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/login", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.loginFlows)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/login", Auth: route.None, Limit: limit.Login, Serve: route.JSON(a.login)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/refresh", Auth: route.None, Limit: limit.Refresh, Serve: route.JSON(a.refresh)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/logout", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.logout)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/logout/all", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.logoutAll)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/account/whoami", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.whoami)},
	}
}

func (a *API) loginFlows(context.Context, *Call, *csapi.LoginFlowsRequest) (*csapi.LoginFlowsResponse, error) {
	return &csapi.LoginFlowsResponse{Flows: []csapi.Flow{{Type: account.StagePassword}}}, nil
}

func (a *API) login(ctx context.Context, _ *Call, r *csapi.LoginRequest) (*csapi.LoginResponse, error) {
	if r.Type != account.StagePassword {
		return nil, fault.New(fault.Unknown, "Only m.login.password is known here")
	}
	name := r.User
	if r.Identifier != nil {
		if r.Identifier.Type != "m.id.user" {
			return nil, fault.New(fault.Unknown, "Only identifiers of type m.id.user are known here")
		}
		name = r.Identifier.User
	}
	if name == "" {
		return nil, fault.New(fault.MissingParam, "The login does not say who you are")
	}
	g, err := a.Accounts.Login(ctx, account.LoginRequest{
		Name: name, Password: r.Password,
		DeviceRequest: account.DeviceRequest{Device: r.Device, DeviceName: r.DeviceName, Refresh: r.RefreshToken},
	})
	if err != nil {
		return nil, err
	}
	return granted(g), nil
}

func granted(g *account.Grant) *csapi.LoginResponse {
	return &csapi.LoginResponse{
		User: g.User, Device: g.Device, AccessToken: g.Access, RefreshToken: g.Refresh,
		ExpiresInMS: g.ExpiresIn.Milliseconds(), HomeServer: g.User.Server(),
	}
}

func (a *API) refresh(ctx context.Context, _ *Call, r *csapi.RefreshRequest) (*csapi.RefreshResponse, error) {
	if r.RefreshToken == "" {
		return nil, fault.New(fault.MissingParam, "There is no refresh_token")
	}
	g, err := a.Accounts.Refresh(ctx, r.RefreshToken)
	if err != nil {
		return nil, err
	}
	return &csapi.RefreshResponse{AccessToken: g.Access, RefreshToken: g.Refresh, ExpiresInMS: g.ExpiresIn.Milliseconds()}, nil
}

func (a *API) logout(ctx context.Context, c *Call, _ *csapi.LogoutRequest) (*csapi.Empty, error) {
	return nil, a.Accounts.Logout(ctx, c.Session)
}

func (a *API) logoutAll(ctx context.Context, c *Call, _ *csapi.LogoutRequest) (*csapi.Empty, error) {
	return nil, a.Accounts.LogoutAll(ctx, c.Session.User)
}

func (a *API) whoami(_ context.Context, c *Call, _ *csapi.WhoamiRequest) (*csapi.WhoamiResponse, error) {
	return &csapi.WhoamiResponse{User: c.Session.User, Device: c.Session.Device}, nil
}
