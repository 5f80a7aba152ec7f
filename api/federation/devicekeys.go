package federation

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/keys"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Device Management" and "End-to-End Encryption"
// https://spec.matrix.org/v1.19/server-server-api/#device-management
// https://spec.matrix.org/v1.19/server-server-api/#end-to-end-encryption
func (a *API) deviceKeyRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/federation/v1/user/keys/query", Auth: route.Server, Limit: limit.Federation, Body: 1 << 20, Serve: route.JSON(a.queryKeys)},
		{Method: http.MethodPost, Path: "/_matrix/federation/v1/user/keys/claim", Auth: route.Server, Limit: limit.Federation, Body: 2 << 20, Serve: route.JSON(a.claimKeys)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/user/devices/{userID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.devices)},
	}
}

type queryKeysRequest struct {
	DeviceKeys map[id.User][]id.Device `json:"device_keys"`
}

type queryKeysResponse struct {
	DeviceKeys  map[id.User]map[id.Device]json.RawMessage `json:"device_keys"`
	Master      map[id.User]json.RawMessage               `json:"master_keys,omitempty"`
	SelfSigning map[id.User]json.RawMessage               `json:"self_signing_keys,omitempty"`
}

// queryKeys gives what anybody may see of the keys of local users; those of others are left out.
func (a *API) queryKeys(ctx context.Context, _ *Call, r *queryKeysRequest) (*queryKeysResponse, error) {
	if r.DeviceKeys == nil {
		return nil, fault.New(fault.BadJSON, "device_keys is missing")
	}
	found, err := a.Keys.Query(ctx, "", r.DeviceKeys)
	if err != nil {
		return nil, err
	}
	return &queryKeysResponse{DeviceKeys: found.Devices, Master: found.Master, SelfSigning: found.SelfSigning}, nil
}

type claimKeysRequest struct {
	OneTimeKeys map[id.User]map[id.Device]string `json:"one_time_keys"`
}

type claimKeysResponse struct {
	OneTimeKeys map[id.User]map[id.Device]map[string]json.RawMessage `json:"one_time_keys"`
}

func (a *API) claimKeys(ctx context.Context, _ *Call, r *claimKeysRequest) (*claimKeysResponse, error) {
	if r.OneTimeKeys == nil {
		return nil, fault.New(fault.BadJSON, "one_time_keys is missing")
	}
	got, _, err := a.Keys.Claim(ctx, r.OneTimeKeys)
	if err != nil {
		return nil, err
	}
	return &claimKeysResponse{OneTimeKeys: got}, nil
}

type devicesRequest struct {
	User id.User `path:"userID"`
}

// devices gives the devices of a local user to servers that share a room with her: only those are told of changes.
func (a *API) devices(ctx context.Context, c *Call, r *devicesRequest) (*keys.Told, error) {
	told, shares, err := a.Keys.Tell(ctx, c.Origin, r.User)
	if err == nil && !shares {
		err = fault.New(fault.NotFound, "There is no such user who shares a room with your server")
	}
	return told, err
}
