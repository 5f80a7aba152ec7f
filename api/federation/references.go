package federation

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// Threading by reference: https://github.com/matrix-org/matrix-spec-proposals/pull/2836.
func (a *API) referenceRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/federation/unstable/event_relationships", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.references)},
	}
}

type referencesResponse struct {
	Events  []json.RawMessage `json:"events"`
	Auth    []json.RawMessage `json:"auth_chain"`
	Limited bool              `json:"limited"`
}

// maxReferenceAuth is how long the auth chain of an answer may be: what is beyond it is asked for otherwise.
const maxReferenceAuth = 2000

func (a *API) references(ctx context.Context, c *Call, r *csapi.ReferencesRequest) (*referencesResponse, error) {
	if r.Event == "" {
		return nil, fault.New(fault.MissingParam, "event_id is missing")
	}
	q := room.ReferencesRequest{
		Event: r.Event, Up: r.Direction == "up", DepthFirst: r.DepthFirst, OldestFirst: r.RecentFirst != nil && !*r.RecentFirst,
		Parent: r.IncludeParent, Children: r.IncludeChildren,
	}
	q.Bound(r.Depth, r.Breadth, r.Limit)
	out := &referencesResponse{Auth: []json.RawMessage{}}
	err := a.Rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
		s, err := a.Rooms.ByID(tx, r.Event)
		if err == nil && s == nil {
			err = fault.New(fault.NotFound, "This server does not have that event")
		}
		if err != nil {
			return err
		}
		v, err := a.Rooms.Resident(tx, s.Event.Room(), c.Origin)
		if err != nil {
			return err
		}
		found, limited, err := v.References(q)
		if err != nil {
			return err
		}
		out.Limited = limited
		if out.Events, err = shown(v, found); err != nil {
			return err
		}
		chain := v.Chain()
		chain.Of(found...)
		return chain.Each(nil, func(some []*room.Stored) error {
			for _, s := range some {
				if e, err := v.Told(s); err != nil {
					return err
				} else if len(out.Auth) < maxReferenceAuth {
					out.Auth = append(out.Auth, e.Bytes())
				}
			}
			return nil
		})
	})
	return out, err
}
