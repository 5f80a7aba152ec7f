package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/ephemeral"
	"freehold.example/matrix/csapi"
)

// "Presence"
// https://spec.matrix.org/v1.19/client-server-api/#presence
func (a *API) presenceRows() []route.Row[Call] {
	const path = "/_matrix/client/v3/presence/{userID}/status"
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: path, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.presence)},
		{Method: http.MethodPut, Path: path, Auth: route.User, Limit: limit.Ephemeral, Serve: route.JSON(a.setPresence)},
	}
}

func (a *API) presence(ctx context.Context, c *Call, r *csapi.PresenceRequest) (*csapi.Presence, error) {
	p, err := a.Ephemeral.Presence(ctx, c.Session.User, r.User)
	if err != nil {
		return nil, err
	}
	out := a.shownPresence(p)
	return &out, nil
}

// shownPresence is the content of an m.presence event.
func (a *API) shownPresence(p ephemeral.Presence) csapi.Presence {
	out := csapi.Presence{Presence: p.State}
	if p.StatusMsg != "" {
		out.StatusMsg = &p.StatusMsg
	}
	if !p.LastActive.IsZero() {
		ago := max(a.Now().Sub(p.LastActive).Milliseconds(), 0)
		out.LastActiveAgo = &ago
	}
	if p.State == ephemeral.Online {
		out.CurrentlyActive = &p.CurrentlyActive
	}
	return out
}

func (a *API) setPresence(ctx context.Context, c *Call, r *csapi.SetPresenceRequest) (*csapi.Empty, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	return nil, a.Ephemeral.SetPresence(ctx, r.User, c.Session.Device, r.Presence, r.StatusMsg)
}
