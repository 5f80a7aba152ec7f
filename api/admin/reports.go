package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"freehold.example/core/report"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Reports of rooms and of users are among those of events, without what they have not.
// https://element-hq.github.io/synapse/latest/admin_api/event_reports.html
func reportRows[C any](t *table[C]) {
	const path = "/_synapse/admin/v1/event_reports"
	a := t.api
	looks(t, path, a.reports)
	does(t, http.MethodGet, path+"/{id}", a.report)
	does(t, http.MethodDelete, path+"/{id}", a.removeReport)
}

// Report is one report.
type Report struct {
	ID       int64           `json:"id"`
	Received int64           `json:"received_ts"` // milliseconds since 1970
	Reporter id.User         `json:"user_id"`
	Room     id.Room         `json:"room_id,omitempty"`
	Name     *string         `json:"name"`
	Alias    *string         `json:"canonical_alias"`
	Event    id.Event        `json:"event_id,omitempty"`
	Sender   id.User         `json:"sender,omitempty"` // of the event, or the user who is reported
	Reason   string          `json:"reason"`
	Score    int             `json:"score"`                // 0: clients have stopped to ask for one
	JSON     json.RawMessage `json:"event_json,omitempty"` // of a single report: the event, when it is here
}

func shownReport(r *report.Report) *Report {
	return &Report{
		ID: r.ID, Received: r.Created.UnixMilli(), Reporter: r.Reporter, Room: r.Room, Event: r.Event, Sender: r.About, Reason: r.Reason,
	}
}

// ReportsRequest is GET /_synapse/admin/v1/event_reports.
type ReportsRequest struct {
	Pages
	Reporter string `query:"user_id" json:"-"`              // part of it
	Room     string `query:"room_id" json:"-"`              // part of it
	Sender   string `query:"event_sender_user_id" json:"-"` // part of it
}

// ReportsResponse is a page of reports, the newest first unless dir is f.
type ReportsResponse struct {
	Reports []*Report `json:"event_reports"`
	Next    *int      `json:"next_token,omitempty"`
	Total   int       `json:"total"`
}

func (a *API) reports(ctx context.Context, r *ReportsRequest) (*ReportsResponse, error) {
	limit, err := r.check()
	if err != nil {
		return nil, err
	}
	list, total, err := a.Reports.List(ctx, report.Query{
		Reporter: r.Reporter, Room: r.Room, About: r.Sender, Oldest: r.Dir == "f", From: r.From, Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	out := &ReportsResponse{Reports: []*Report{}, Total: total, Next: next(r.From, len(list), total)}
	for _, rep := range list {
		shown := shownReport(rep)
		if err := a.nameRoom(ctx, shown); err != nil {
			return nil, err
		}
		out.Reports = append(out.Reports, shown)
	}
	return out, nil
}

// nameRoom adds what the room is called.
func (a *API) nameRoom(ctx context.Context, r *Report) error {
	if r.Room == "" {
		return nil
	}
	o, err := a.Rooms.Overview(ctx, r.Room)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil {
		r.Name, r.Alias = some(o.Name), some(string(o.Alias))
	}
	return err
}

// ReportRequest names one report.
type ReportRequest struct {
	ID int64 `path:"id" json:"-"`
}

func (r *ReportRequest) deed() (string, any) { return strconv.FormatInt(r.ID, 10), nil }

func (a *API) report(ctx context.Context, _ By, r *ReportRequest) (*Report, error) {
	rep, err := a.Reports.Find(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	shown := shownReport(rep)
	if err := a.nameRoom(ctx, shown); err != nil {
		return nil, err
	}
	if rep.Event != "" {
		shown.JSON, err = a.Rooms.Fetch(ctx, rep.Event)
		if fault.Is(err, fault.NotFound) {
			err = nil
		}
	}
	return shown, err
}

func (a *API) removeReport(ctx context.Context, _ By, r *ReportRequest) (*csapi.Empty, error) {
	return nil, a.Reports.Remove(ctx, r.ID)
}
