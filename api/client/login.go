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
		{Method: http.MethodPost, Path: "/_matrix/client/v1/login/get_token", Auth: route.User, Limit: limit.Login, Serve: route.JSON(a.loginToken)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/refresh", Auth: route.None, Limit: limit.Refresh, Serve: route.JSON(a.refresh)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/logout", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.logout)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/logout/all", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.logoutAll)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/account/whoami", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.whoami)},
	}
}

func (a *API) loginFlows(context.Context, *Call, *csapi.LoginFlowsRequest) (*csapi.LoginFlowsResponse, error) {
	flows := []csapi.Flow{{Type: account.StagePassword}}
	if a.LoginTokens {
		flows = append(flows, csapi.Flow{Type: loginByToken, GetLoginToken: true})
	}
	if len(a.Services.All()) > 0 {
		flows = append(flows, csapi.Flow{Type: byService})
	}
	return &csapi.LoginFlowsResponse{Flows: flows}, nil
}

const loginByToken = "m.login.token"

func (a *API) login(ctx context.Context, c *Call, r *csapi.LoginRequest) (*csapi.LoginResponse, error) {
	device := account.DeviceRequest{Device: r.Device, DeviceName: r.DeviceName, Refresh: r.RefreshToken}
	var g *account.Grant
	var err error
	switch {
	case r.Type == account.StagePassword:
		g, err = a.passwordLogin(ctx, c, r, device)
	case r.Type == byService:
		g, err = a.serviceLogin(ctx, c, r, device)
	case r.Type == loginByToken && a.LoginTokens:
		g, err = a.Accounts.LoginByToken(ctx, r.Token, device)
	default:
		err = fault.New(fault.Unknown, "This is not a way to log in here; GET /login lists them")
	}
	if err != nil {
		return nil, err
	}
	return granted(g), nil
}

func (a *API) passwordLogin(
	ctx context.Context, c *Call, r *csapi.LoginRequest, device account.DeviceRequest,
) (*account.Grant, error) {
	name, err := loginName(r)
	if err != nil {
		return nil, err
	}
	return a.Accounts.Login(ctx, account.LoginRequest{Name: name, Password: r.Password, From: c.Remote, DeviceRequest: device})
}

// loginName is who logs in: a whole user id or a local part.
func loginName(r *csapi.LoginRequest) (string, error) {
	name := r.User
	if r.Identifier != nil {
		if r.Identifier.Type != "m.id.user" {
			return "", fault.New(fault.Unknown, "Only identifiers of type m.id.user are known here")
		}
		name = r.Identifier.User
	}
	if name == "" {
		return "", fault.New(fault.MissingParam, "The login does not say who you are")
	}
	return name, nil
}

// loginToken makes a token for one more login of the caller. She confirms each one.
func (a *API) loginToken(ctx context.Context, c *Call, r *csapi.LoginTokenRequest) (*csapi.LoginTokenResponse, error) {
	if !a.LoginTokens {
		return nil, fault.New(fault.Unrecognized, "There are no login tokens on this server")
	}
	if err := a.byPassword(ctx, c, "POST /login/get_token", nil, r.Auth); err != nil {
		return nil, err
	}
	token, err := a.Accounts.LoginToken(ctx, c.Session)
	if err != nil {
		return nil, err
	}
	return &csapi.LoginTokenResponse{LoginToken: token, ExpiresInMS: account.LoginTokenFor.Milliseconds()}, nil
}

func granted(g *account.Grant) *csapi.LoginResponse {
	return &csapi.LoginResponse{
		User: g.User, Device: g.Device, AccessToken: g.Access, RefreshToken: g.Refresh,
		ExpiresInMS: g.ExpiresIn.Milliseconds(), HomeServer: g.User.Server(),
	}
}

func (a *API) refresh(ctx context.Context, c *Call, r *csapi.RefreshRequest) (*csapi.RefreshResponse, error) {
	if r.RefreshToken == "" {
		return nil, fault.New(fault.MissingParam, "There is no refresh_token")
	}
	g, err := a.Accounts.Refresh(ctx, r.RefreshToken)
	if err != nil {
		return nil, a.unknownToken(c, err)
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
