package csapi

import "freehold.example/matrix/id"

// UserRequest is a request about one user: GET /admin/whois/{userId}, GET /admin/lock/{userId}, GET /admin/suspend/{userId}.
type UserRequest struct {
	User id.User `path:"userID" json:"-"`
}

// WhoisResponse says from where a user's devices were last seen.
type WhoisResponse struct {
	User    id.User                   `json:"user_id"`
	Devices map[id.Device]WhoisDevice `json:"devices"`
}

// WhoisDevice is one device.
type WhoisDevice struct {
	Sessions []WhoisSession `json:"sessions"`
}

// WhoisSession is what was done with one access token.
type WhoisSession struct {
	Connections []WhoisConnection `json:"connections"`
}

// WhoisConnection is where a request came from.
type WhoisConnection struct {
	IP        string `json:"ip,omitempty"`
	LastSeen  int64  `json:"last_seen,omitempty"` // milliseconds since 1970
	UserAgent string `json:"user_agent,omitempty"`
}

// LockRequest is PUT /admin/lock/{userId}.
type LockRequest struct {
	User   id.User `path:"userID" json:"-"`
	Locked *bool   `json:"locked"`
}

// LockResponse says whether an account is locked.
type LockResponse struct {
	Locked bool `json:"locked"`
}

// SuspendRequest is PUT /admin/suspend/{userId}.
type SuspendRequest struct {
	User      id.User `path:"userID" json:"-"`
	Suspended *bool   `json:"suspended"`
}

// SuspendResponse says whether an account is suspended.
type SuspendResponse struct {
	Suspended bool `json:"suspended"`
}

// AccountModeration is the capability m.account_moderation, of administrators alone.
type AccountModeration struct {
	Lock    bool `json:"lock"`
	Suspend bool `json:"suspend"`
}

// ThreePIDsRequest is GET /account/3pid.
type ThreePIDsRequest struct{}

// ThreePIDsResponse lists the e-mail addresses and telephone numbers of an account.
type ThreePIDsResponse struct {
	ThreePIDs []struct{} `json:"threepids"`
}
