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

// Legacy API, "Account registration"
// https://spec.matrix.org/v1.19/client-server-api/#legacy-account-registration
func (a *API) registerRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/register", Auth: route.None, Limit: limit.Register, Serve: route.JSON(a.register)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/register/available", Auth: route.None, Limit: limit.Search, Serve: route.JSON(a.available)},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/register/m.login.registration_token/validity", Auth: route.None, Limit: limit.Login, Serve: route.JSON(a.tokenValidity)},
	}
}

var errClosed = fault.New(fault.Forbidden, "Registration is closed on this server")

// registrationFlows are what a stranger must do to be let in.
func (a *API) registrationFlows() ([][]string, error) {
	switch a.Accounts.Registration {
	case account.Open:
		return [][]string{{account.StageDummy}}, nil
	case account.Token:
		return [][]string{{account.StageToken}}, nil
	default:
		return nil, errClosed
	}
}

// register checks the name before the authentication, as the specification asks, so that nobody uses up an invitation for
// a name that cannot be had.
func (a *API) register(ctx context.Context, c *Call, r *csapi.RegisterRequest) (*csapi.LoginResponse, error) {
	switch r.Kind {
	case "", "user":
	case "guest":
		return nil, fault.New(fault.GuestAccessForbidden, "There are no guest accounts on this server")
	default:
		return nil, fault.New(fault.InvalidParam, "The kind of an account is user or guest")
	}
	if r.Type == byService {
		return a.registerService(ctx, c, r)
	}
	flows, err := a.registrationFlows()
	if err != nil {
		return nil, err
	}
	if r.Username != "" {
		if err := a.checkName(ctx, r.Username); err != nil {
			return nil, err
		}
	}
	if r.Password != "" {
		if err := a.Accounts.CheckPassword(r.Password); err != nil {
			return nil, err
		}
	}
	params := *r
	params.Auth = nil
	proof, err := a.Accounts.Confirm(ctx, account.Operation{From: c.Remote, Name: "POST /register", Params: params, Flows: flows}, r.Auth)
	if err != nil {
		return nil, err
	}
	if r.Password == "" {
		return nil, fault.New(fault.MissingParam, "There is no password")
	}
	g, err := a.Accounts.Register(ctx, account.RegisterRequest{
		Name: r.Username, Password: r.Password, NoLogin: r.InhibitLogin, Token: proof.Token,
		DeviceRequest: account.DeviceRequest{Device: r.Device, DeviceName: r.DeviceName, Refresh: r.RefreshToken},
	})
	if err != nil {
		return nil, err
	}
	return granted(g), nil
}

func (a *API) available(ctx context.Context, _ *Call, r *csapi.AvailableRequest) (*csapi.AvailableResponse, error) {
	if err := a.checkName(ctx, r.Username); err != nil {
		return nil, err
	}
	return &csapi.AvailableResponse{Available: true}, nil
}

// checkName says why a person cannot register a name.
func (a *API) checkName(ctx context.Context, name string) error {
	user, err := a.Accounts.CheckName(ctx, name)
	if err == nil && a.Services.Reserved(user, nil) {
		err = errExclusive
	}
	return err
}

func (a *API) tokenValidity(ctx context.Context, c *Call, r *csapi.TokenValidityRequest) (*csapi.TokenValidityResponse, error) {
	if a.Accounts.Registration == account.Closed {
		return nil, errClosed
	}
	valid, err := a.Accounts.Invited(ctx, r.Token, c.Remote)
	if err != nil {
		return nil, err
	}
	return &csapi.TokenValidityResponse{Valid: valid}, nil
}
