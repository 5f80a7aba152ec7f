package socket

import (
	"context"
	"time"

	"freehold.example/core/audit"
	"freehold.example/core/drill"
)

// DrillRequest begins a drill.
type DrillRequest struct {
	For   time.Duration `json:"for"`
	Scope string        `json:"scope"`
}

func (a *API) startDrill(ctx context.Context, _ *Call, r *DrillRequest) (*drill.Status, error) {
	e := audit.Entry{By: audit.Operator, Action: "freehold drill"}
	return audit.Do(ctx, a.Audit, e, map[string]any{"seconds": int64(r.For / time.Second), "scope": r.Scope}, func() (*drill.Status, error) {
		if err := a.Drills.Start(drill.Order{For: r.For, Scope: r.Scope, By: "the operator"}); err != nil {
			return nil, err
		}
		s := a.Drills.Status()
		return &s, nil
	})
}

// DrillStatusRequest asks how it goes with the drill.
type DrillStatusRequest struct{}

func (a *API) drill(context.Context, *Call, *DrillStatusRequest) (*drill.Status, error) {
	s := a.Drills.Status()
	return &s, nil
}
