package admin

import (
	"context"
	"encoding/json"
	"strconv"

	"freehold.example/core/audit"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// What administrators have done, for administrators to read. There is no endpoint that changes it.
func auditRows[C any](t *table[C]) {
	const path = "/_freehold/admin/v1/audit"
	a := t.api
	looks(t, path, a.deeds)
	looks(t, path+"/{id}", a.oneDeed)
}

// Deed is one thing that an administrator has done.
type Deed struct {
	ID      int64           `json:"id"`
	At      int64           `json:"ts"`    // milliseconds since 1970
	By      id.User         `json:"admin"` // or "operator", for who is at the machine
	Device  id.Device       `json:"device_id,omitempty"`
	Action  string          `json:"action"` // method and route
	Target  string          `json:"target,omitempty"`
	Params  json.RawMessage `json:"params"`
	Outcome string          `json:"outcome"` // done, an error code, or begun
}

func shownDeed(e *audit.Entry) Deed {
	return Deed{
		ID: e.ID, At: e.At.UnixMilli(), By: e.By, Device: e.Device, Action: e.Action, Target: e.Target, Params: e.Params, Outcome: e.Outcome,
	}
}

// DeedsRequest is GET /_freehold/admin/v1/audit.
type DeedsRequest struct {
	From   string `query:"from" json:"-"` // next_token of the page before
	Limit  *int   `query:"limit" json:"-"`
	By     string `query:"admin" json:"-"`
	Target string `query:"target" json:"-"`
	Action string `query:"action" json:"-"`
}

// DeedsResponse is a page, the newest first.
type DeedsResponse struct {
	Deeds []Deed  `json:"entries"`
	Next  *string `json:"next_token,omitempty"`
}

func (a *API) deeds(ctx context.Context, r *DeedsRequest) (*DeedsResponse, error) {
	q := audit.Query{By: id.User(r.By), Target: r.Target, Action: r.Action}
	limit, err := (&Pages{Limit: r.Limit}).check()
	if err != nil {
		return nil, err
	}
	if r.From != "" {
		if q.Before, err = strconv.ParseInt(r.From, 10, 64); err != nil || q.Before < 1 {
			return nil, fault.New(fault.InvalidParam, "from is no next_token")
		}
	}
	q.Limit = limit + 1
	list, err := a.Audit.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &DeedsResponse{Deeds: []Deed{}}
	for _, e := range list[:min(limit, len(list))] {
		out.Deeds = append(out.Deeds, shownDeed(e))
	}
	if len(list) > limit && limit > 0 {
		token := strconv.FormatInt(list[limit-1].ID, 10)
		out.Next = &token
	}
	return out, nil
}

// DeedRequest names an entry.
type DeedRequest struct {
	ID int64 `path:"id" json:"-"`
}

func (a *API) oneDeed(ctx context.Context, r *DeedRequest) (*Deed, error) {
	e, err := a.Audit.Find(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	out := shownDeed(e)
	return &out, nil
}
