package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/core/thread"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Thread subscriptions: https://github.com/matrix-org/matrix-spec-proposals/pull/4306, and what changed of them since a
// sync: https://github.com/matrix-org/matrix-spec-proposals/pull/4308.
func (a *API) threadRows() []route.Row[Call] {
	const (
		one = "/_matrix/client/unstable/io.element.msc4306/rooms/{roomID}/thread/{eventID}/subscription"
		all = "/_matrix/client/unstable/io.element.msc4308/thread_subscriptions"
	)
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: one, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.threadSubscription)},
		{Method: http.MethodPut, Path: one, Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.subscribeThread)},
		{Method: http.MethodDelete, Path: one, Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.unsubscribeThread)},
		{Method: http.MethodGet, Path: all, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.threadChanges)},
	}
}

func (a *API) threadSubscription(ctx context.Context, c *Call, r *csapi.ThreadSubscriptionRequest) (*csapi.ThreadSubscription, error) {
	s, err := a.Threads.Get(ctx, c.Session.User, r.Room, r.Root)
	return &csapi.ThreadSubscription{Automatic: s.Automatic}, err
}

func (a *API) subscribeThread(ctx context.Context, c *Call, r *csapi.SubscribeThreadRequest) (*csapi.Empty, error) {
	var cause id.Event
	if r.Automatic != nil {
		if cause = *r.Automatic; cause == "" {
			return nil, fault.New(fault.InvalidParam, "automatic is the id of an event")
		}
	}
	return nil, a.Threads.Subscribe(ctx, c.Session.User, r.Room, r.Root, cause)
}

func (a *API) unsubscribeThread(ctx context.Context, c *Call, r *csapi.ThreadSubscriptionRequest) (*csapi.Empty, error) {
	return nil, a.Threads.Unsubscribe(ctx, c.Session.User, r.Room, r.Root)
}

const maxThreadChanges = 500 // of one answer

func (a *API) threadChanges(ctx context.Context, c *Call, r *csapi.ThreadChangesRequest) (*csapi.ThreadChanges, error) {
	if r.Dir != "b" {
		return nil, fault.New(fault.InvalidParam, "dir must be b")
	}
	n := 100
	if r.Limit != nil {
		if n = *r.Limit; n < 1 {
			return nil, fault.New(fault.InvalidParam, "limit must be greater than zero")
		}
	}
	var since, upto sqldb.Pos
	for _, t := range []struct {
		text string
		into *sqldb.Pos
	}{{r.To, &since}, {r.From, &upto}} {
		if t.text == "" {
			continue
		}
		at, err := room.ParseToken(t.text)
		if err != nil {
			return nil, err
		}
		*t.into = at.Moment()
	}
	var out *csapi.ThreadChanges
	err := a.Rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
		high, err := tx.High()
		if err != nil {
			return err
		}
		if upto == 0 || upto > high {
			upto = high
		}
		changes, more, err := a.Threads.Changed(tx, c.Session.User, since, upto, min(n, maxThreadChanges))
		out = thread.Show(changes)
		if more {
			out.End = thread.Before(changes)
		}
		return err
	})
	return out, err
}
