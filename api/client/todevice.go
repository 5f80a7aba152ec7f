package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/inbox"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "Send-to-Device messaging"
// https://spec.matrix.org/v1.19/client-server-api/#send-to-device-messaging
func (a *API) toDeviceRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPut, Path: "/_matrix/client/v3/sendToDevice/{type}/{txnID}", Auth: route.User, Limit: limit.ToDevice, Body: 8 << 20, Serve: route.JSON(a.sendToDevice)},
	}
}

func (a *API) sendToDevice(ctx context.Context, c *Call, r *csapi.SendToDeviceRequest) (*csapi.Empty, error) {
	if r.Messages == nil {
		return nil, fault.New(fault.BadJSON, "messages is missing")
	}
	from := inbox.Sender{User: c.Session.User, Device: c.Session.Device, Txn: r.Txn}
	return nil, a.Inbox.Send(ctx, from, r.Type, r.Messages)
}
