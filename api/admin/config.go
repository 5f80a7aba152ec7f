package admin

import (
	"context"
	"net/http"
	"time"

	"freehold.example/api/change"
	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/fault"
)

// The configuration, as far as it may be changed over the network: what the operator does with `freehold config`, by the same
// way. A change is on trial until it is confirmed by a request of its own, which only arrives when the new configuration can
// be reached.
func configRows[C any](t *table[C]) {
	const path = "/_freehold/admin/v1/config"
	a := t.api
	looks(t, path, a.configuration)
	looks(t, path+"/history", a.configuration)
	does(t, http.MethodPost, path+"/check", a.checkConfig)
	does(t, http.MethodPost, path+"/apply", a.applyConfig)
	does(t, http.MethodPost, path+"/confirm", a.confirmConfig)
	does(t, http.MethodPost, path+"/rollback", a.rollbackConfig)
}

// wordRows take the word of who confirms a change at the machine, which is handed in where clients are served.
func wordRows[C any](a *API) []route.Row[C] {
	return []route.Row[C]{
		{Method: http.MethodPost, Path: "/_freehold/config/confirm", Auth: route.None, Limit: limit.Token, Serve: route.JSON(
			func(_ context.Context, _ *C, r *WordRequest) (*change.Applied, error) {
				if err := a.keeps(); err != nil {
					return nil, err
				}
				return a.Changes.Hand(r.Word)
			})},
	}
}

func (a *API) keeps() error {
	if a.Changes == nil {
		return fault.New(fault.NotFound, "The configuration of this server cannot be changed while it runs")
	}
	return nil
}

// WordRequest is POST /_freehold/config/confirm.
type WordRequest struct {
	Word string `json:"word"`
}

func (a *API) configuration(context.Context, *NothingRequest) (*change.State, error) {
	if err := a.keeps(); err != nil {
		return nil, err
	}
	s := a.Changes.State()
	return &s, nil
}

// ConfigRequest is a new configuration, as the text of a file.
type ConfigRequest struct {
	Text   string `json:"text"`
	Within int64  `json:"confirm_within_ms"` // a minute unless told otherwise
	Why    string `json:"why"`
}

// deed leaves the text out, which has secrets: what it changed is in the history.
func (r *ConfigRequest) deed() (string, any) { return "", map[string]any{"why": r.Why} }

func (a *API) checkConfig(ctx context.Context, _ By, r *ConfigRequest) (*change.Plan, error) {
	if err := a.keeps(); err != nil {
		return nil, err
	}
	return a.Changes.Check(ctx, []byte(r.Text), true)
}

func (a *API) applyConfig(ctx context.Context, by By, r *ConfigRequest) (*change.Applied, error) {
	if err := a.keeps(); err != nil {
		return nil, err
	}
	within := time.Minute
	if r.Within != 0 {
		within = time.Duration(r.Within) * time.Millisecond
	}
	return a.Changes.Apply(ctx, change.Request{Text: []byte(r.Text), Within: within, By: string(by.User), Why: r.Why, Over: true})
}

// NoConfigRequest confirms the change that is on trial.
type NoConfigRequest struct{}

func (*NoConfigRequest) deed() (string, any) { return "", nil }

func (a *API) confirmConfig(_ context.Context, by By, _ *NoConfigRequest) (*change.Applied, error) {
	if err := a.keeps(); err != nil {
		return nil, err
	}
	return a.Changes.Confirm(string(by.User))
}

// RollbackRequest names an earlier configuration; 0, or nothing, is the one before, or ends the trial.
type RollbackRequest struct {
	Number int    `json:"number"`
	Why    string `json:"why"`
}

func (r *RollbackRequest) deed() (string, any) {
	return "", map[string]any{"number": r.Number, "why": r.Why}
}

func (a *API) rollbackConfig(ctx context.Context, by By, r *RollbackRequest) (*change.Applied, error) {
	if err := a.keeps(); err != nil {
		return nil, err
	}
	return a.Changes.Rollback(ctx, change.Rollback{Number: r.Number, By: string(by.User), Why: r.Why, Over: true})
}
