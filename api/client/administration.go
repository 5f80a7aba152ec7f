package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/core/audit"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Server Administration" and "Account moderation"
// https://spec.matrix.org/v1.19/client-server-api/#server-administration
func (a *API) administrationRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/admin/whois/{userID}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.whois)},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/admin/lock/{userID}", Auth: route.Admin, Limit: limit.Admin, Serve: route.JSON(a.locked)},
		{Method: http.MethodPut, Path: "/_matrix/client/v1/admin/lock/{userID}", Auth: route.Admin, Limit: limit.Admin, Serve: route.JSON(a.lock)},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/admin/suspend/{userID}", Auth: route.Admin, Limit: limit.Admin, Serve: route.JSON(a.suspended)},
		{Method: http.MethodPut, Path: "/_matrix/client/v1/admin/suspend/{userID}", Auth: route.Admin, Limit: limit.Admin, Serve: route.JSON(a.suspend)},
	}
}

// deed is what an administrator does, for the audit.
func (c *Call) deed(action, target string) audit.Entry {
	return audit.Entry{By: c.Session.User, Device: c.Session.Device, Action: action, Target: target}
}

// whois is for oneself, and for administrators.
func (a *API) whois(ctx context.Context, c *Call, r *csapi.UserRequest) (*csapi.WhoisResponse, error) {
	switch {
	case r.User == c.Session.User:
		return a.connections(ctx, r)
	case !c.Session.Admin:
		return nil, fault.New(fault.Forbidden, "This is for administrators of this server")
	}
	deed := c.deed("GET /_matrix/client/v3/admin/whois/{userID}", string(r.User))
	return audit.Do(ctx, a.Audit, deed, nil, func() (*csapi.WhoisResponse, error) { return a.connections(ctx, r) })
}

// connections says from where the user's devices were last seen.
func (a *API) connections(ctx context.Context, r *csapi.UserRequest) (*csapi.WhoisResponse, error) {
	devices, err := a.Accounts.Devices(ctx, r.User)
	if err != nil {
		return nil, err
	}
	out := &csapi.WhoisResponse{User: r.User, Devices: make(map[id.Device]csapi.WhoisDevice, len(devices))}
	for _, d := range devices {
		seen := []csapi.WhoisConnection{}
		if !d.Seen.IsZero() {
			seen = append(seen, csapi.WhoisConnection{IP: d.SeenIP, LastSeen: d.Seen.UnixMilli(), UserAgent: d.SeenAgent})
		}
		out.Devices[d.Device] = csapi.WhoisDevice{Sessions: []csapi.WhoisSession{{Connections: seen}}}
	}
	return out, nil
}

// moderated finds an account that an administrator may lock or suspend: one of this server, in use, and not an administrator's.
func (a *API) moderated(ctx context.Context, user id.User) (*account.Account, error) {
	if user.Server() != a.Accounts.ServerName {
		return nil, fault.New(fault.InvalidParam, "This user belongs to another server")
	}
	acc, err := a.Accounts.Find(ctx, user)
	if err != nil {
		return nil, err
	}
	if !acc.Deactivated.IsZero() {
		return nil, fault.New(fault.NotFound, "This account is closed")
	}
	if acc.Admin {
		return nil, fault.New(fault.Forbidden, "Administrators can be neither locked nor suspended")
	}
	return acc, nil
}

func (a *API) locked(ctx context.Context, _ *Call, r *csapi.UserRequest) (*csapi.LockResponse, error) {
	acc, err := a.moderated(ctx, r.User)
	if err != nil {
		return nil, err
	}
	return &csapi.LockResponse{Locked: acc.Locked}, nil
}

func (a *API) lock(ctx context.Context, c *Call, r *csapi.LockRequest) (*csapi.LockResponse, error) {
	if _, err := a.moderated(ctx, r.User); err != nil {
		return nil, err
	}
	if r.Locked == nil {
		return nil, fault.New(fault.MissingParam, "locked is missing")
	}
	deed := c.deed("PUT /_matrix/client/v1/admin/lock/{userID}", string(r.User))
	return audit.Do(ctx, a.Audit, deed, map[string]any{"locked": *r.Locked}, func() (*csapi.LockResponse, error) {
		if err := a.Accounts.SetLocked(ctx, r.User, *r.Locked); err != nil {
			return nil, err
		}
		return &csapi.LockResponse{Locked: *r.Locked}, nil
	})
}

func (a *API) suspended(ctx context.Context, _ *Call, r *csapi.UserRequest) (*csapi.SuspendResponse, error) {
	acc, err := a.moderated(ctx, r.User)
	if err != nil {
		return nil, err
	}
	return &csapi.SuspendResponse{Suspended: acc.Suspended}, nil
}

func (a *API) suspend(ctx context.Context, c *Call, r *csapi.SuspendRequest) (*csapi.SuspendResponse, error) {
	if _, err := a.moderated(ctx, r.User); err != nil {
		return nil, err
	}
	if r.Suspended == nil {
		return nil, fault.New(fault.MissingParam, "suspended is missing")
	}
	deed := c.deed("PUT /_matrix/client/v1/admin/suspend/{userID}", string(r.User))
	return audit.Do(ctx, a.Audit, deed, map[string]any{"suspended": *r.Suspended}, func() (*csapi.SuspendResponse, error) {
		if err := a.Accounts.SetSuspended(ctx, r.User, *r.Suspended); err != nil {
			return nil, err
		}
		return &csapi.SuspendResponse{Suspended: *r.Suspended}, nil
	})
}
