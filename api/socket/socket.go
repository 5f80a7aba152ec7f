// Package socket is what the operator's commands ask a running server for, over the unix socket in its data directory.
//
// Whoever can open the socket is the operator: the file system is the guard. It is not a remote interface and promises no
// compatibility; the command line of the same version is its only client.
package socket

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/core/audit"
	"freehold.example/core/budget"
	"freehold.example/core/drill"
	"freehold.example/core/peer"
	"freehold.example/matrix/id"
)

// Config is what commands act on.
type Config struct {
	Accounts *account.Accounts
	Audit    *audit.Log
	Backup   func(ctx context.Context, w io.Writer) error // writes an archive of the server
	Drills   *drill.Drills
	Budget   func(ctx context.Context) (*budget.View, error)
	Examine  func(ctx context.Context, server id.Server) []peer.Step
	Now      func() time.Time
}

// API answers commands.
type API struct {
	Config
	backups sync.Mutex // held while a backup is made: one at a time
}

// New makes the API.
func New(c Config) *API { return &API{Config: c} }

// Call is the operator's; there is nothing to know about him.
type Call struct{}

// Guard lets everybody in who has come this far.
func Guard(*http.Request, route.Auth) (*Call, string, error) { return &Call{}, "", nil }

// Rows lists the commands.
func (a *API) Rows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: "GET", Path: "/users", Serve: route.JSON(a.users)},
		{Method: "POST", Path: "/users", Serve: route.JSON(a.addUser)},
		{Method: "POST", Path: "/users/{name}/rescue", Serve: route.JSON(a.rescue)},
		{Method: "POST", Path: "/invitations", Serve: route.JSON(a.invite)},
		{Method: "POST", Path: "/servers/{serverName}/try", Serve: route.JSON(a.try)},
		{Method: "GET", Path: "/budget", Serve: route.JSON(a.budget)},
		{Method: "GET", Path: "/drill", Serve: route.JSON(a.drill)},
		{Method: "POST", Path: "/drill", Serve: route.JSON(a.startDrill)},
		{Method: "GET", Path: "/backup", Serve: route.Raw(a.backup)},
	}
}

// UsersRequest asks for a page of accounts.
type UsersRequest struct {
	After id.User `query:"after"` // the last one of the page before
	Limit int     `query:"limit"` // 100 unless told otherwise
}

// UsersResponse is a page of accounts in the order of their ids.
type UsersResponse struct {
	Users []User `json:"users"`
	More  bool   `json:"more"` // there is another page after the last of these
}

// User is one account.
type User struct {
	ID          id.User   `json:"user_id"`
	Admin       bool      `json:"admin"`
	Locked      bool      `json:"locked"`
	Deactivated bool      `json:"deactivated"`
	Created     time.Time `json:"created"`
}

func (a *API) users(ctx context.Context, _ *Call, r *UsersRequest) (*UsersResponse, error) {
	const most = 1000
	if r.Limit <= 0 || r.Limit > most {
		r.Limit = 100
	}
	list, err := a.Accounts.List(ctx, r.After, r.Limit+1)
	if err != nil {
		return nil, err
	}
	resp := &UsersResponse{Users: []User{}}
	for i, acc := range list {
		if i == r.Limit {
			resp.More = true
			break
		}
		resp.Users = append(resp.Users, User{
			ID: acc.User, Admin: acc.Admin, Locked: acc.Locked, Deactivated: !acc.Deactivated.IsZero(), Created: acc.Created,
		})
	}
	return resp, nil
}

// AddUserRequest makes an account, whatever the registration setting says.
type AddUserRequest struct {
	Localpart string `json:"localpart"`
	Password  string `json:"password"`
	Admin     bool   `json:"admin"`
}

// AddUserResponse names the account.
type AddUserResponse struct {
	ID id.User `json:"user_id"`
}

func (a *API) addUser(ctx context.Context, _ *Call, r *AddUserRequest) (*AddUserResponse, error) {
	if err := a.Accounts.CheckPassword(r.Password); err != nil {
		return nil, err
	}
	e := audit.Entry{By: audit.Operator, Action: "freehold user add", Target: r.Localpart}
	return audit.Do(ctx, a.Audit, e, map[string]any{"admin": r.Admin}, func() (*AddUserResponse, error) {
		user, err := a.Accounts.Create(ctx, r.Localpart, r.Password, r.Admin)
		if err != nil {
			return nil, err
		}
		return &AddUserResponse{ID: user}, nil
	})
}

// RescueRequest lets somebody in again.
type RescueRequest struct {
	Name     string `path:"name" json:"-"`
	Password string `json:"password"` // "" leaves it as it is
	Admin    bool   `json:"admin"`    // make her an administrator
	SignOut  bool   `json:"sign_out"` // everywhere
}

func (a *API) rescue(ctx context.Context, _ *Call, r *RescueRequest) (*AddUserResponse, error) {
	e := audit.Entry{By: audit.Operator, Action: "freehold user rescue", Target: r.Name}
	params := map[string]any{"password": r.Password != "", "admin": r.Admin, "sign_out": r.SignOut}
	return audit.Do(ctx, a.Audit, e, params, func() (*AddUserResponse, error) {
		user, err := a.Accounts.Rescue(ctx, account.Rescue{Name: r.Name, Password: r.Password, Admin: r.Admin, SignOut: r.SignOut})
		if err != nil {
			return nil, err
		}
		return &AddUserResponse{ID: user}, nil
	})
}

// InviteRequest makes a registration token.
type InviteRequest struct {
	Uses int64 `json:"uses"` // how many accounts may be made with it; 0 for any number
	Days int   `json:"days"` // for how long it is good; 0 for ever
}

// InviteResponse is the token.
type InviteResponse struct {
	Token string `json:"token"`
}

func (a *API) invite(ctx context.Context, _ *Call, r *InviteRequest) (*InviteResponse, error) {
	inv := account.Invitation{Allowed: r.Uses}
	if r.Days > 0 {
		inv.Expires = a.Now().AddDate(0, 0, r.Days)
	}
	e := audit.Entry{By: audit.Operator, Action: "freehold user invite"}
	return audit.Do(ctx, a.Audit, e, map[string]any{"uses": r.Uses, "days": r.Days}, func() (*InviteResponse, error) {
		token, err := a.Accounts.Invite(ctx, inv)
		if err != nil {
			return nil, err
		}
		return &InviteResponse{Token: token}, nil
	})
}

// TryRequest asks for the way to another server to be tried.
type TryRequest struct {
	Server id.Server `path:"serverName" json:"-"`
}

// TryResponse is what came of each step; the last is the one that failed, if one did.
type TryResponse struct {
	Steps []peer.Step `json:"steps"`
}

func (a *API) try(ctx context.Context, _ *Call, r *TryRequest) (*TryResponse, error) {
	return &TryResponse{Steps: a.Examine(ctx, r.Server)}, nil
}
