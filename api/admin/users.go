package admin

import (
	"context"
	"time"

	"freehold.example/core/account"
	"freehold.example/matrix/id"
)

// UsersRequest is GET /v1/users: the users in the order of their ids, a page at a time.
type UsersRequest struct {
	After string `query:"after" json:"-"` // the last user of the page before
}

// UsersResponse is a page of users; the last page is shorter than a full one, or empty.
type UsersResponse struct {
	Users []User `json:"users"`
}

// User is an account as administrators see it.
type User struct {
	User        id.User   `json:"user"`
	Admin       bool      `json:"admin"`
	Locked      bool      `json:"locked"`
	Deactivated bool      `json:"deactivated"`
	Created     time.Time `json:"created"`
}

// AddUserRequest is POST /v1/users.
type AddUserRequest struct {
	Name     string `json:"name"` // the local part
	Password string `json:"password"`
	Admin    bool   `json:"admin"`
}

// AddUserResponse says who was added.
type AddUserResponse struct {
	User id.User `json:"user"`
}

// InviteRequest is POST /v1/invitations.
type InviteRequest struct {
	Uses    int64     `json:"uses"`    // how many accounts may be made with it; 0: any number
	Expires time.Time `json:"expires"` // zero: never
}

// InviteResponse is the new invitation.
type InviteResponse struct {
	Token string `json:"token"`
}

const usersPage = 500

func (a *API) users(ctx context.Context, _ *Call, r *UsersRequest) (*UsersResponse, error) {
	list, err := a.Accounts.List(ctx, id.User(r.After), usersPage)
	if err != nil {
		return nil, err
	}
	out := &UsersResponse{Users: make([]User, len(list))}
	for i, u := range list {
		out.Users[i] = User{User: u.User, Admin: u.Admin, Locked: u.Locked, Deactivated: !u.Deactivated.IsZero(), Created: u.Created}
	}
	return out, nil
}

func (a *API) addUser(ctx context.Context, _ *Call, r *AddUserRequest) (*AddUserResponse, error) {
	user, err := a.Accounts.Create(ctx, r.Name, r.Password, r.Admin)
	if err != nil {
		return nil, err
	}
	return &AddUserResponse{User: user}, nil
}

func (a *API) invite(ctx context.Context, _ *Call, r *InviteRequest) (*InviteResponse, error) {
	token, err := a.Accounts.Invite(ctx, account.Invitation{Allowed: r.Uses, Expires: r.Expires})
	if err != nil {
		return nil, err
	}
	return &InviteResponse{Token: token}, nil
}
