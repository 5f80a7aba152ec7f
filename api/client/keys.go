package client

import (
	"context"
	"net/http"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/keys"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// DeviceLists says whose devices a client must look up again. It knows what sync tokens stand for, as sync does.
type DeviceLists interface {
	// DeviceLists is the device_lists of all syncs of user between two tokens.
	DeviceLists(ctx context.Context, user id.User, from, to string) (changed, left []id.User, err error)
}

// "End-to-End Encryption", key management
// https://spec.matrix.org/v1.19/client-server-api/#key-management-api
func (a *API) keyRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/upload", Auth: route.User, Limit: limit.Keys, Body: 1 << 20, Serve: route.JSON(a.uploadKeys)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/query", Auth: route.User, Limit: limit.Keys, Body: 1 << 20, Serve: route.JSON(a.queryKeys)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/claim", Auth: route.User, Limit: limit.Keys, Body: 2 << 20, Serve: route.JSON(a.claimKeys)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/keys/changes", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.changedKeys)},
	}
}

func (a *API) uploadKeys(ctx context.Context, c *Call, r *csapi.KeysUploadRequest) (*csapi.KeysUploadResponse, error) {
	up := keys.Upload{DeviceKeys: r.DeviceKeys, OneTimeKeys: r.OneTimeKeys, FallbackKeys: r.FallbackKeys}
	stock, err := a.Keys.Upload(ctx, c.Session.User, c.Session.Device, up)
	if err != nil {
		return nil, err
	}
	return &csapi.KeysUploadResponse{OneTimeKeyCounts: stock.Counts}, nil
}

func (a *API) queryKeys(ctx context.Context, c *Call, r *csapi.KeysQueryRequest) (*csapi.KeysQueryResponse, error) {
	if r.DeviceKeys == nil {
		return nil, fault.New(fault.BadJSON, "device_keys is missing")
	}
	found, err := a.Keys.Query(ctx, c.Session.User, r.DeviceKeys)
	if err != nil {
		return nil, err
	}
	if err := a.Keys.QueryRemote(ctx, c.Session.User, r.DeviceKeys, time.Duration(r.Timeout)*time.Millisecond, found); err != nil {
		return nil, err
	}
	return &csapi.KeysQueryResponse{
		DeviceKeys:      found.Devices,
		MasterKeys:      found.Master,
		SelfSigningKeys: found.SelfSigning,
		UserSigningKeys: found.UserSigning,
		Failures:        unreachable(found.Unreachable),
	}, nil
}

func (a *API) claimKeys(ctx context.Context, c *Call, r *csapi.KeysClaimRequest) (*csapi.KeysClaimResponse, error) {
	if r.OneTimeKeys == nil {
		return nil, fault.New(fault.BadJSON, "one_time_keys is missing")
	}
	got, _, err := a.Keys.Claim(ctx, r.OneTimeKeys)
	if err != nil {
		return nil, err
	}
	failures := a.Keys.ClaimRemote(ctx, r.OneTimeKeys, time.Duration(r.Timeout)*time.Millisecond, got)
	return &csapi.KeysClaimResponse{OneTimeKeys: got, Failures: unreachable(failures)}, nil
}

func unreachable(servers []id.Server) map[id.Server]csapi.Failure {
	out := make(map[id.Server]csapi.Failure, len(servers))
	for _, s := range servers {
		out[s] = csapi.Failure{Code: string(fault.ConnectionFailed), Text: "The server cannot be reached"}
	}
	return out
}

func (a *API) changedKeys(ctx context.Context, c *Call, r *csapi.KeysChangesRequest) (*csapi.KeysChangesResponse, error) {
	changed, left, err := a.DeviceLists.DeviceLists(ctx, c.Session.User, r.From, r.To)
	if err != nil {
		return nil, err
	}
	return &csapi.KeysChangesResponse{Changed: orEmpty(changed), Left: orEmpty(left)}, nil
}

// orEmpty makes [] of what JSON would write as null.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
