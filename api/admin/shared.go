package admin

import (
	"context"

	"freehold.example/core/account"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// NonceRequest is GET /_synapse/admin/v1/register.
type NonceRequest struct{}

// NonceResponse is a nonce that is good for one registration, soon.
type NonceResponse struct {
	Nonce string `json:"nonce"`
}

// SharedRequest is POST /_synapse/admin/v1/register.
type SharedRequest struct {
	Nonce    string    `json:"nonce"`
	Username string    `json:"username"`
	Password string    `json:"password"`
	Admin    bool      `json:"admin"`
	UserType *string   `json:"user_type"`
	MAC      string    `json:"mac"`
	Device   id.Device `json:"device_id"`
}

func nonce[C any](a *API) func(context.Context, *C, *NonceRequest) (*NonceResponse, error) {
	return func(context.Context, *C, *NonceRequest) (*NonceResponse, error) {
		n, err := a.Accounts.Nonce()
		if err != nil {
			return nil, err
		}
		return &NonceResponse{Nonce: n}, nil
	}
}

func registerShared[C any](a *API) func(context.Context, *C, *SharedRequest) (*csapi.LoginResponse, error) {
	return func(ctx context.Context, _ *C, r *SharedRequest) (*csapi.LoginResponse, error) {
		g, err := a.Accounts.RegisterShared(ctx, account.SharedRequest{
			Nonce: r.Nonce, Name: r.Username, Password: r.Password, Admin: r.Admin, UserType: r.UserType, MAC: r.MAC,
			DeviceRequest: account.DeviceRequest{Device: r.Device},
		})
		if err != nil {
			return nil, err
		}
		return &csapi.LoginResponse{User: g.User, Device: g.Device, AccessToken: g.Access, HomeServer: g.User.Server()}, nil
	}
}
