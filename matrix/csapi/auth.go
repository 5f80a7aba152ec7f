package csapi

import "freehold.example/matrix/id"

// Identifier names a user at login (Client-Server API, "Identifier types").
type Identifier struct {
	Type string `json:"type"`
	User string `json:"user,omitempty"` // with m.id.user: a whole user id or a local part
}

// Auth is the answer to one stage of user-interactive authentication.
type Auth struct {
	Type       string      `json:"type,omitempty"`
	Session    string      `json:"session,omitempty"`
	Identifier *Identifier `json:"identifier,omitempty"`
	User       string      `json:"user,omitempty"` // the form before identifiers
	Password   string      `json:"password,omitempty"`
	Token      string      `json:"token,omitempty"`
}

// Flow is one way to log in, or the stages of one way through user-interactive authentication.
type Flow struct {
	Type          string   `json:"type,omitempty"`
	GetLoginToken bool     `json:"get_login_token,omitempty"` // with m.login.token: POST /login/get_token makes one
	Stages        []string `json:"stages,omitempty"`
}

// LoginFlowsRequest is GET /login.
type LoginFlowsRequest struct{}

// LoginFlowsResponse lists the ways to log in.
type LoginFlowsResponse struct {
	Flows []Flow `json:"flows"`
}

// LoginRequest is POST /login.
type LoginRequest struct {
	Type         string      `json:"type"`
	Identifier   *Identifier `json:"identifier,omitempty"`
	User         string      `json:"user,omitempty"`
	Password     string      `json:"password,omitempty"`
	Token        string      `json:"token,omitempty"`
	Device       id.Device   `json:"device_id,omitempty"`
	DeviceName   string      `json:"initial_device_display_name,omitempty"`
	RefreshToken bool        `json:"refresh_token,omitempty"`
}

// LoginResponse is a new session.
type LoginResponse struct {
	User         id.User   `json:"user_id"`
	AccessToken  string    `json:"access_token,omitempty"`
	Device       id.Device `json:"device_id,omitempty"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	ExpiresInMS  int64     `json:"expires_in_ms,omitempty"`
	HomeServer   id.Server `json:"home_server,omitempty"` // deprecated; old clients still read it
}

// LoginTokenRequest is POST /login/get_token.
type LoginTokenRequest struct {
	Auth *Auth `json:"auth,omitempty"`
}

// LoginTokenResponse is a token that is good for one login.
type LoginTokenResponse struct {
	LoginToken  string `json:"login_token"`
	ExpiresInMS int64  `json:"expires_in_ms"`
}

// RefreshRequest is POST /refresh.
type RefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
}

// RefreshResponse is the next pair of tokens.
type RefreshResponse struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresInMS  int64  `json:"expires_in_ms,omitempty"`
}

// LogoutRequest is POST /logout and POST /logout/all.
type LogoutRequest struct{}

// WhoamiRequest is GET /account/whoami.
type WhoamiRequest struct{}

// WhoamiResponse says whose token was sent.
type WhoamiResponse struct {
	User    id.User   `json:"user_id"`
	Device  id.Device `json:"device_id,omitempty"`
	IsGuest bool      `json:"is_guest"`
}
