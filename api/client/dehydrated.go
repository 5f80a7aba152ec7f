package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/account"
	"freehold.example/core/keys"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// Dehydrated devices: https://github.com/matrix-org/matrix-spec-proposals/pull/3814.
func (a *API) dehydratedRows() []route.Row[Call] {
	const path = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"
	return []route.Row[Call]{
		{Method: http.MethodPut, Path: path, Auth: route.User, Limit: limit.Keys, Body: 1 << 20, Serve: route.JSON(a.dehydrate)},
		{Method: http.MethodGet, Path: path, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.dehydratedDevice)},
		{Method: http.MethodDelete, Path: path, Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.dropDehydrated)},
		{Method: http.MethodGet, Path: path + "/{deviceID}/events", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.dehydratedEvents)},
		{Method: http.MethodPost, Path: path + "/{deviceID}/events", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.allDehydratedEvents)},
	}
}

func (a *API) dehydrate(ctx context.Context, c *Call, r *csapi.DehydrateRequest) (*csapi.DehydratedDevice, error) {
	if data := bytes.TrimSpace(r.Data); len(data) == 0 || data[0] != '{' {
		return nil, fault.New(fault.MissingParam, "device_data is missing")
	}
	p, err := keys.Prepare(c.Session.User, r.Device, keys.Upload{DeviceKeys: r.DeviceKeys, OneTimeKeys: r.OneTimeKeys, FallbackKeys: r.FallbackKeys})
	if err != nil {
		return nil, err
	}
	if !p.HasIdentity() {
		return nil, fault.New(fault.MissingParam, "device_keys is missing")
	}
	d := account.Dehydrated{Device: r.Device, Data: r.Data}
	err = a.Accounts.Dehydrate(ctx, c.Session.User, d, r.Name, func(tx *sqldb.Tx) error { return a.Keys.Publish(tx, p) })
	return &csapi.DehydratedDevice{Device: r.Device}, err
}

func (a *API) dehydratedDevice(ctx context.Context, c *Call, _ *csapi.DehydratedDeviceRequest) (*csapi.DehydratedDevice, error) {
	d, err := a.Accounts.Dehydrated(ctx, c.Session.User)
	return &csapi.DehydratedDevice{Device: d.Device, Data: d.Data}, err
}

func (a *API) dropDehydrated(ctx context.Context, c *Call, _ *csapi.DehydratedDeviceRequest) (*csapi.DehydratedDevice, error) {
	device, err := a.Accounts.RemoveDehydrated(ctx, c.Session.User)
	return &csapi.DehydratedDevice{Device: device}, err
}

func (a *API) dehydratedEvents(ctx context.Context, c *Call, r *csapi.DehydratedEventsRequest) (*csapi.DehydratedEventsResponse, error) {
	out, last, err := a.heldEvents(ctx, c, r, r.From)
	if last {
		out.Next = ""
	}
	return out, err
}

// allDehydratedEvents ends, as the proposal had it first, with an answer without events: each has a next_batch.
func (a *API) allDehydratedEvents(ctx context.Context, c *Call, r *csapi.DehydratedEventsRequest) (*csapi.DehydratedEventsResponse, error) {
	out, _, err := a.heldEvents(ctx, c, r, r.Next)
	return out, err
}

func (a *API) heldEvents(ctx context.Context, c *Call, r *csapi.DehydratedEventsRequest, from string) (out *csapi.DehydratedEventsResponse, last bool, err error) {
	const most = 100 // as many as a sync has
	limit := most
	if r.Limit != nil {
		limit = min(max(*r.Limit, 1), most)
	}
	d, err := a.Accounts.Dehydrated(ctx, c.Session.User)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, false, err
	}
	if err != nil || d.Device != r.Device {
		return nil, false, fault.New(fault.Forbidden, "That is not your dehydrated device")
	}
	messages, next, last, err := a.Inbox.Held(ctx, c.Session.User, r.Device, from, limit)
	out = &csapi.DehydratedEventsResponse{Events: make([]json.RawMessage, len(messages)), Next: next}
	for i, m := range messages {
		out.Events[i] = m.Event
	}
	return out, last, err
}
