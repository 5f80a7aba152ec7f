package client

import (
	"context"
	"net/http"
	"slices"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Threading by reference: https://github.com/matrix-org/matrix-spec-proposals/pull/2836.
func (a *API) referenceRows() []route.Row[Call] {
	const path = "/_matrix/client/unstable/event_relationships"
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: path, Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.references)},
	}
}

func (a *API) references(ctx context.Context, c *Call, r *csapi.ReferencesRequest) (*csapi.ReferencesResponse, error) {
	switch {
	case r.Event == "":
		return nil, fault.New(fault.MissingParam, "event_id is missing")
	case r.Direction != "" && r.Direction != "up" && r.Direction != "down":
		return nil, fault.New(fault.InvalidParam, "direction must be up or down")
	case r.Limit != nil && *r.Limit < 1:
		return nil, fault.New(fault.InvalidParam, "limit must be greater than zero")
	case r.Batch != "":
		return nil, fault.New(fault.InvalidParam, "That is not a batch this server gives out")
	}
	q := room.ReferencesRequest{
		User: c.Session.User, Room: r.Room, Event: r.Event, Up: r.Direction == "up", DepthFirst: r.DepthFirst,
		OldestFirst: r.RecentFirst != nil && !*r.RecentFirst, Parent: r.IncludeParent, Children: r.IncludeChildren,
	}
	q.Bound(r.Depth, r.Breadth, r.Limit)
	out := &csapi.ReferencesResponse{}
	for asked := map[id.Event]bool{}; ; {
		in, missing, err := a.referred(ctx, c, q, out)
		missing = slices.DeleteFunc(missing, func(e id.Event) bool { return asked[e] })
		if a.Past == nil || len(missing) == 0 || len(asked) == referAsks || a.Past.Referred(ctx, in, missing[0], q.Up) != nil {
			return out, err
		}
		asked[missing[0]] = true
	}
}

// referAsks is how often other servers are asked for what one answer lacks.
const referAsks = 5

// referred is References as far as this server has what is referred to.
func (a *API) referred(ctx context.Context, c *Call, q room.ReferencesRequest, out *csapi.ReferencesResponse) (id.Room, []id.Event, error) {
	return a.Rooms.References(ctx, q, func(tx *sqldb.Tx, v *room.Viewer, found []*room.Stored, children map[room.NID][]byte, limited bool) error {
		form, err := a.bundled(tx, c, v)
		if err != nil {
			return err
		}
		form.Children, out.Limited = children, limited
		out.Events, err = a.Rooms.Render(tx, found, form)
		return err
	})
}
