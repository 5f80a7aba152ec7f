package client

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/ephemeral"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Receipts" and "Read and unread markers"
// https://spec.matrix.org/v1.19/client-server-api/#receipts
func (a *API) receiptRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/receipt/{type}/{eventID}", Auth: route.User, Limit: limit.Ephemeral, Serve: route.JSON(a.receipt)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/read_markers", Auth: route.User, Limit: limit.Ephemeral, Serve: route.JSON(a.readMarkers)},
	}
}

const fullyRead = "m.fully_read"

func (a *API) receipt(ctx context.Context, c *Call, r *csapi.ReceiptRequest) (*csapi.Empty, error) {
	var thread *string
	if len(r.Thread) > 0 {
		// null is no string either, although encoding/json would take it for none
		if err := json.Unmarshal(r.Thread, &thread); err != nil || thread == nil {
			return nil, fault.New(fault.InvalidParam, "thread_id must be a string").Because(err)
		}
	}
	if r.Type == fullyRead {
		if thread != nil {
			return nil, fault.New(fault.InvalidParam, "m.fully_read has no thread_id")
		}
		return nil, a.setFullyRead(ctx, c, r.Room, r.Event)
	}
	return nil, a.read(ctx, c, r.Room, ephemeral.Mark{Type: r.Type, Thread: thread, Event: r.Event})
}

func (a *API) readMarkers(ctx context.Context, c *Call, r *csapi.ReadMarkersRequest) (*csapi.Empty, error) {
	var marks []ephemeral.Mark
	if r.Read != "" {
		marks = append(marks, ephemeral.Mark{Type: ephemeral.Read, Event: r.Read})
	}
	if r.ReadPrivate != "" {
		marks = append(marks, ephemeral.Mark{Type: ephemeral.ReadPrivate, Event: r.ReadPrivate})
	}
	if r.FullyRead != "" {
		if err := a.setFullyRead(ctx, c, r.Room, r.FullyRead); err != nil {
			return nil, err
		}
	}
	if len(marks) == 0 {
		return nil, nil
	}
	return nil, a.read(ctx, c, r.Room, marks...)
}

func (a *API) read(ctx context.Context, c *Call, room id.Room, marks ...ephemeral.Mark) error {
	err := a.Ephemeral.SetReceipts(ctx, c.Session.User, room, marks...)
	if err == nil {
		a.Ephemeral.Active(ctx, c.Session.User)
	}
	return err
}

func (a *API) setFullyRead(ctx context.Context, c *Call, room id.Room, event id.Event) error {
	if err := a.Ephemeral.Known(ctx, c.Session.User, room, event); err != nil {
		return err
	}
	return a.People.SetFullyRead(ctx, c.Session.User, room, event)
}
