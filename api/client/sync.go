package client

import (
	"context"
	"net/http"
	"strings"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/feed"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/filter"
)

// "Syncing"
// https://spec.matrix.org/v1.19/client-server-api/#syncing
func (a *API) syncRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/sync", Auth: route.User, Limit: limit.Sync, Waits: true, Serve: route.Streamed(a.sync)},
	}
}

func (a *API) sync(ctx context.Context, c *Call, r *csapi.SyncRequest, to *route.Parts) error {
	f, err := a.syncFilter(ctx, c, r.Filter)
	if err != nil {
		return err
	}
	return a.Feed.Sync(ctx, feed.Request{
		Caller:      c.caller(),
		Since:       r.Since,
		Filter:      f,
		FullState:   r.FullState,
		StateAfter:  r.UseStateAfter,
		Unstable:    r.UnstableUseStateAfter,
		SetPresence: r.SetPresence,
		Timeout:     time.Duration(min(max(r.Timeout, 0), feed.MaxWait.Milliseconds())) * time.Millisecond,
		Allowed:     func(ctx context.Context) error { return a.Accounts.Still(ctx, c.Session) },
	}, to)
}

// syncFilter takes the id of a stored filter, or the filter itself.
func (a *API) syncFilter(ctx context.Context, c *Call, s string) (*filter.Filter, error) {
	switch {
	case s == "":
		return nil, nil
	case strings.HasPrefix(s, "{"):
		return filter.Parse([]byte(s))
	}
	return a.People.Filter(ctx, c.Session.User, s)
}
