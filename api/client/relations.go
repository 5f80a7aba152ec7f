package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Relationships API" and "Threading"
// https://spec.matrix.org/v1.19/client-server-api/#relationships-api
func (a *API) relationRows() []route.Row[Call] {
	const path = "/_matrix/client/v1/rooms/{roomID}/relations/{eventID}"
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: path, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.relations)},
		{Method: http.MethodGet, Path: path + "/{relType}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.typedRelations)},
		{Method: http.MethodGet, Path: path + "/{relType}/{eventType}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.eventRelations)},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/rooms/{roomID}/threads", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.threads)},
	}
}

func (a *API) relations(ctx context.Context, c *Call, r *csapi.RelationsRequest) (*csapi.RelationsResponse, error) {
	return a.related(ctx, c, r, "", "")
}

func (a *API) typedRelations(ctx context.Context, c *Call, r *csapi.TypedRelationsRequest) (*csapi.RelationsResponse, error) {
	return a.related(ctx, c, &r.RelationsRequest, r.Rel, "")
}

func (a *API) eventRelations(ctx context.Context, c *Call, r *csapi.EventRelationsRequest) (*csapi.RelationsResponse, error) {
	return a.related(ctx, c, &r.RelationsRequest, r.Rel, r.Type)
}

func (a *API) related(ctx context.Context, c *Call, r *csapi.RelationsRequest, rel, typ string) (*csapi.RelationsResponse, error) {
	if r.Dir != "" && r.Dir != "b" && r.Dir != "f" {
		return nil, fault.New(fault.InvalidParam, "dir must be b or f")
	}
	q := room.RelationsRequest{
		Room: r.Room, User: c.Session.User, Parent: id.Event(r.Event), Rel: rel, Type: typ, Forward: r.Dir == "f", Limit: 10,
	}
	out := &csapi.RelationsResponse{}
	if r.Limit != nil {
		q.Limit = *r.Limit
	}
	if r.Recurse != nil {
		if q.Recurse = *r.Recurse; q.Recurse {
			out.Depth = room.Depth
		}
	}
	var err error
	if q.From, err = room.ParseOptionalToken(r.From); err != nil {
		return nil, err
	}
	if q.To, err = room.ParseOptionalToken(r.To); err != nil {
		return nil, err
	}
	err = a.Rooms.Relations(ctx, q, func(tx *sqldb.Tx, v *room.Viewer, page *room.Page) error {
		if page.End != nil {
			out.NextBatch = page.End.String()
		}
		if q.From != nil {
			out.PrevBatch = page.Start.String()
		}
		form, err := a.bundled(tx, c, v)
		if err != nil {
			return err
		}
		out.Chunk, err = a.Rooms.Render(tx, page.Events, form)
		return err
	})
	return out, err
}

func (a *API) threads(ctx context.Context, c *Call, r *csapi.ThreadsRequest) (*csapi.ThreadsResponse, error) {
	if r.Include != "" && r.Include != "all" && r.Include != "participated" {
		return nil, fault.New(fault.InvalidParam, "include must be all or participated")
	}
	q := room.ThreadsRequest{
		Room: r.Room, User: c.Session.User, Participated: r.Include == "participated", Limit: 10,
		Ignored: func(tx *sqldb.Tx) (map[id.User]bool, error) { return a.People.Ignored(tx, c.Session.User) },
	}
	if r.Limit != nil {
		if q.Limit = *r.Limit; q.Limit < 1 {
			return nil, fault.New(fault.InvalidParam, "limit must be greater than zero")
		}
	}
	var err error
	if q.From, err = room.ParseOptionalToken(r.From); err != nil {
		return nil, err
	}
	out := &csapi.ThreadsResponse{}
	err = a.Rooms.Threads(ctx, q, func(tx *sqldb.Tx, v *room.Viewer, ignored map[id.User]bool, page *room.Page) (err error) {
		if page.End != nil {
			out.NextBatch = page.End.String()
		}
		form := room.Form{Caller: c.caller(), Viewer: v, Bundle: true, Ignored: ignored}
		out.Chunk, err = a.Rooms.Render(tx, page.Events, form)
		return err
	})
	return out, err
}

// bundled is the form of events with the aggregations of their children
// (https://spec.matrix.org/v1.19/client-server-api/#aggregations-of-child-events).
func (a *API) bundled(tx *sqldb.Tx, c *Call, v *room.Viewer) (room.Form, error) {
	ignored, err := a.People.Ignored(tx, c.Session.User)
	return room.Form{Caller: c.caller(), Viewer: v, Bundle: true, Ignored: ignored}, err
}
