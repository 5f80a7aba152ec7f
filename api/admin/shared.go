package admin

import (
	"context"
	"errors"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/core/audit"
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

// sharedRows are of shared-secret registration, for who has no account yet.
// https://element-hq.github.io/synapse/latest/admin_api/register_api.html
func sharedRows[C any](a *API) []route.Row[C] {
	const path = "/_synapse/admin/v1/register"
	return []route.Row[C]{
		{Method: http.MethodGet, Path: path, Auth: route.None, Limit: limit.Register, Serve: route.JSON(
			func(context.Context, *C, *NonceRequest) (*NonceResponse, error) { return a.nonce() })},
		{Method: http.MethodPost, Path: path, Auth: route.None, Limit: limit.Register, Serve: route.JSON(
			func(ctx context.Context, _ *C, r *SharedRequest) (*csapi.LoginResponse, error) {
				return a.registerShared(ctx, r)
			})},
	}
}

func (a *API) nonce() (*NonceResponse, error) {
	n, err := a.Accounts.Nonce()
	if err != nil {
		return nil, err
	}
	return &NonceResponse{Nonce: n}, nil
}

// bySecret stands for who knows the shared secret.
const bySecret id.User = "registration_shared_secret"

// registerShared writes down what was done only for who knows the secret: everybody may call it.
func (a *API) registerShared(ctx context.Context, r *SharedRequest) (*csapi.LoginResponse, error) {
	var number int64
	g, err := a.Accounts.RegisterShared(ctx, account.SharedRequest{
		Nonce: r.Nonce, Name: r.Username, Password: r.Password, Admin: r.Admin, UserType: r.UserType, MAC: r.MAC,
		DeviceRequest: account.DeviceRequest{Device: r.Device},
		Before: func() (err error) {
			e := audit.Entry{By: bySecret, Action: "POST /_synapse/admin/v1/register", Target: r.Username}
			number, err = a.Audit.Begin(ctx, e, map[string]any{"admin": r.Admin})
			return err
		},
	})
	if number != 0 {
		err = errors.Join(err, a.Audit.End(ctx, number, err))
	}
	if err != nil {
		return nil, err
	}
	return &csapi.LoginResponse{User: g.User, Device: g.Device, AccessToken: g.Access, HomeServer: g.User.Server()}, nil
}
