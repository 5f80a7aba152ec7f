package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"freehold.example/core/drill"
	"freehold.example/matrix/fault"
)

// Rehearsing a cut: docs/standing-alone.md.
func drillRows[C any](t *table[C]) {
	const path = "/_freehold/admin/v1/drill"
	a := t.api
	looks(t, path, func(context.Context, *NothingRequest) (*drill.Status, error) { return a.drillStatus(), nil })
	does(t, http.MethodPost, path, a.startDrill)
	does(t, http.MethodPost, path+"/stop", a.stopDrill)
	looks(t, path+"/reports", a.drillReports)
	looks(t, path+"/reports/{drillID}", a.drillReport)
}

func (a *API) drillStatus() *drill.Status {
	s := a.Drills.Status()
	return &s
}

// DrillRequest begins a drill.
type DrillRequest struct {
	Seconds int64  `json:"seconds"`
	Scope   string `json:"scope"` // outside unless told otherwise
}

func (r *DrillRequest) deed() (string, any) {
	return "", map[string]any{"seconds": r.Seconds, "scope": r.Scope}
}

func (a *API) startDrill(_ context.Context, by By, r *DrillRequest) (*drill.Status, error) {
	scope := r.Scope
	if scope == "" {
		scope = "outside"
	}
	if r.Seconds > int64(drill.Longest/time.Second) {
		r.Seconds = int64(drill.Longest/time.Second) + 1 // what it would be in nanoseconds is too much for a number
	}
	if err := a.Drills.Start(drill.Order{For: time.Duration(r.Seconds) * time.Second, Scope: scope, By: string(by.User)}); err != nil {
		return nil, err
	}
	return a.drillStatus(), nil
}

// StopDrillRequest ends a drill.
type StopDrillRequest struct{}

func (*StopDrillRequest) deed() (string, any) { return "", nil }

func (a *API) stopDrill(context.Context, By, *StopDrillRequest) (*drill.Status, error) {
	if err := a.Drills.Stop(); err != nil {
		return nil, err
	}
	return a.drillStatus(), nil
}

// DrillReportsResponse lists reports, the newest first.
type DrillReportsResponse struct {
	Reports []string `json:"reports"` // their ids
}

func (a *API) drillReports(context.Context, *NothingRequest) (*DrillReportsResponse, error) {
	ids, err := a.Drills.Reports()
	return &DrillReportsResponse{Reports: append([]string{}, ids...)}, err
}

// DrillReportRequest asks for a report.
type DrillReportRequest struct {
	ID string `path:"drillID" json:"-"`
}

func (a *API) drillReport(_ context.Context, r *DrillReportRequest) (*json.RawMessage, error) {
	b, err := a.Drills.Report(r.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "There is no such report")
	}
	if err != nil {
		return nil, err
	}
	raw := json.RawMessage(b)
	return &raw, nil
}
