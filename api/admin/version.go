package admin

import (
	"context"
)

// What tools ask of the program itself.
func versionRows[C any](t *table[C]) {
	a := t.api
	looks(t, "/_synapse/admin/v1/server_version", a.version)
	looks(t, "/_synapse/admin/v1/background_updates/status", a.updates)
	looks(t, "/_synapse/admin/v1/background_updates/enabled", a.updatesEnabled)
}

// NothingRequest asks for what there is one of.
type NothingRequest struct{}

// VersionResponse is what runs. Tools parse it as a version of Synapse: it says that it is another server.
type VersionResponse struct {
	Version string `json:"server_version"`
}

func (a *API) version(context.Context, *NothingRequest) (*VersionResponse, error) {
	return &VersionResponse{"Freehold " + a.Version}, nil
}

// UpdatesResponse says that no updates of the database run: migrations are done before the server serves.
type UpdatesResponse struct {
	Enabled bool                `json:"enabled"`
	Current map[string]struct{} `json:"current_updates"`
}

func (a *API) updates(context.Context, *NothingRequest) (*UpdatesResponse, error) {
	return &UpdatesResponse{Enabled: true, Current: map[string]struct{}{}}, nil
}

// UpdatesEnabledResponse is the same, in short.
type UpdatesEnabledResponse struct {
	Enabled bool `json:"enabled"`
}

func (a *API) updatesEnabled(context.Context, *NothingRequest) (*UpdatesEnabledResponse, error) {
	return &UpdatesEnabledResponse{true}, nil
}
