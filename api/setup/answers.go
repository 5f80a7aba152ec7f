package setup

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// answerRows are for the web app, which asks in JSON what the pages show.
func (p *Pages) answerRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_freehold/v1/about", Limit: limit.Read, Serve: route.JSON(p.about)},
		{Method: http.MethodPost, Path: "/_freehold/v1/setup", Limit: limit.Register, Body: 16 << 10, Serve: route.JSON(p.first)},
	}
}

type aboutRequest struct{}

type aboutAnswer struct {
	ServerName   id.Server            `json:"server_name"`
	First        bool                 `json:"first"` // there is no account yet
	Registration account.Registration `json:"registration"`
	MinPassword  int                  `json:"min_password"`
}

// about says what a stranger needs to know to come in.
func (p *Pages) about(ctx context.Context, _ *Call, _ *aboutRequest) (*aboutAnswer, error) {
	n, err := p.Accounts.Count(ctx)
	if err != nil {
		return nil, err
	}
	return &aboutAnswer{
		ServerName: p.ServerName, First: n == 0, Registration: p.Accounts.Registration, MinPassword: p.Accounts.MinPassword,
	}, nil
}

type firstRequest struct {
	Token    string `json:"token"`
	Name     string `json:"name"`
	Password string `json:"password"`
}

type firstAnswer struct {
	User id.User `json:"user_id"`
}

// first makes the administrator's account.
func (p *Pages) first(ctx context.Context, _ *Call, r *firstRequest) (*firstAnswer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ok, err := p.open(ctx, r.Token); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fault.New(fault.Forbidden, "This link does not work any more")
	}
	user, problem, err := p.make(ctx, r.Name, r.Password, r.Password)
	switch problem {
	case badName:
		return nil, fault.New(fault.InvalidUsername, "This user name cannot be used")
	case taken:
		return nil, fault.New(fault.UserInUse, "There is an account with this name")
	case weak, notTheSame: // it was given once
		return nil, fault.New(fault.WeakPassword, "This password is too short")
	}
	if err != nil {
		return nil, err
	}
	p.token = nil
	return &firstAnswer{User: user}, nil
}
