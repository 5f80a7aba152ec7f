package client

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/core/search"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/filter"
	"freehold.example/matrix/id"
)

// "Server Side Search"
// https://spec.matrix.org/v1.19/client-server-api/#server-side-search
func (a *API) searchRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/search", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.search)},
	}
}

// maxAround is the most events shown before a hit, and after it.
const maxAround = 50

func (a *API) search(ctx context.Context, c *Call, r *csapi.SearchRequest) (*csapi.SearchResponse, error) {
	out := &csapi.SearchResponse{}
	q := r.Categories.RoomEvents
	if q == nil {
		return out, nil
	}
	switch {
	case q.Term == nil:
		return nil, fault.New(fault.MissingParam, "search_term is missing")
	case q.OrderBy != "" && q.OrderBy != "rank" && q.OrderBy != "recent":
		return nil, fault.New(fault.InvalidParam, "order_by must be rank or recent")
	case len(q.Groupings.By) > 2:
		return nil, fault.New(fault.InvalidParam, "Hits can be grouped by room_id and by sender")
	}
	for _, by := range q.Groupings.By {
		if by.Key != "room_id" && by.Key != "sender" {
			return nil, fault.New(fault.InvalidParam, "Hits can be grouped by room_id and by sender")
		}
	}
	part := new(filter.Part)
	if len(q.Filter) > 0 {
		var err error
		if part, err = filter.ParsePart(q.Filter); err != nil {
			return nil, err
		}
	}
	find := search.Query{
		User: c.Session.User, Term: *q.Term, Keys: q.Keys, Filter: part, Recent: q.OrderBy == "recent", From: r.NextBatch,
		Ignored: func(tx *sqldb.Tx) (map[id.User]bool, error) { return a.People.Ignored(tx, c.Session.User) },
	}
	err := a.Search.Find(ctx, find, func(tx *sqldb.Tx, found *search.Result) (err error) {
		out.Categories.RoomEvents, err = a.searchPage(tx, c, q, found)
		return err
	})
	return out, err
}

func (a *API) searchPage(tx *sqldb.Tx, c *Call, q *csapi.SearchCriteria, found *search.Result) (*csapi.SearchPage, error) {
	page := &csapi.SearchPage{
		Count: found.Count, Highlights: found.Words, Results: make([]csapi.SearchHit, len(found.Hits)), NextBatch: found.Next,
	}
	if page.Highlights == nil {
		page.Highlights = []string{}
	}
	for i := range found.Hits {
		h := &found.Hits[i]
		form := room.Form{Caller: c.caller(), Viewer: h.Viewer, Bundle: true, Ignored: found.Ignored}
		hit := &page.Results[i]
		hit.Rank = h.Rank
		shown, err := a.shown(tx, h.Event, form)
		if err != nil {
			return nil, err
		}
		hit.Result = json.RawMessage(shown)
		if q.Context != nil {
			if hit.Context, err = a.around(tx, q.Context, h, form); err != nil {
				return nil, err
			}
		}
		if in := h.Event.Event.Room(); q.State && page.State[in] == nil {
			if page.State == nil {
				page.State = map[id.Room][]json.RawMessage{}
			}
			if page.State[in], err = a.stateOf(tx, c, h.Viewer); err != nil {
				return nil, err
			}
		}
	}
	page.Groups = groups(q.Groupings.By, found.Hits)
	return page, nil
}

// around is what stands before and after a hit.
func (a *API) around(tx *sqldb.Tx, q *csapi.SearchContext, h *search.Hit, form room.Form) (*csapi.HitContext, error) {
	before, after := 5, 5
	if q.Before != nil {
		before = min(max(*q.Before, 0), maxAround)
	}
	if q.After != nil {
		after = min(max(*q.After, 0), maxAround)
	}
	at, err := h.Viewer.Around(h.Event, before, after, nil)
	if err != nil {
		return nil, err
	}
	out := &csapi.HitContext{Start: at.Start.String(), End: at.End.String()}
	if out.Before, err = a.Rooms.Render(tx, at.Before, form); err != nil {
		return nil, err
	}
	if out.After, err = a.Rooms.Render(tx, at.After, form); err != nil {
		return nil, err
	}
	if !q.Profile {
		return out, nil
	}
	out.Profiles = map[id.User]csapi.HitProfile{}
	for _, s := range append(append([]*room.Stored{h.Event}, at.Before...), at.After...) {
		sender := s.Event.Sender()
		if _, known := out.Profiles[sender]; known {
			continue
		}
		m, err := a.Rooms.StateEvent(tx, h.Event.State, "m.room.member", string(sender))
		if err != nil {
			return nil, err
		}
		var p csapi.HitProfile
		if m != nil {
			// A member's own server lets her put anything there; what is no string is shown as nothing.
			_ = json.Unmarshal(m.Event.Content(), &p)
		}
		out.Profiles[sender] = p
	}
	return out, nil
}

// stateOf is a room's state as the viewer sees it.
func (a *API) stateOf(tx *sqldb.Tx, c *Call, v *room.Viewer) ([]json.RawMessage, error) {
	root, err := v.State()
	if err != nil {
		return nil, err
	}
	events, err := a.Rooms.StateEvents(tx, root)
	if err != nil {
		return nil, err
	}
	return a.Rooms.Render(tx, events, room.Form{Caller: c.caller()})
}

// groups sorts the hits of a page by room or by sender. The order of a group is that of its first hit.
func groups(by []csapi.SearchGrouping, hits []search.Hit) map[string]map[string]csapi.SearchGroup {
	if len(by) == 0 {
		return nil
	}
	all := make(map[string]map[string]csapi.SearchGroup, len(by))
	for _, g := range by {
		of := map[string]csapi.SearchGroup{}
		for i, h := range hits {
			key := string(h.Event.Event.Room())
			if g.Key == "sender" {
				key = string(h.Event.Event.Sender())
			}
			group := of[key]
			group.Order = cmp.Or(group.Order, i+1)
			group.Results = append(group.Results, h.Event.Event.ID())
			of[key] = group
		}
		all[g.Key] = of
	}
	return all
}
