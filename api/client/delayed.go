package client

import (
	"context"
	"net/http"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/delayed"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// Delayed events: https://github.com/matrix-org/matrix-spec-proposals/pull/4140. They are made by sending with
// ?org.matrix.msc4140.delay= (events.go). To manage one, its id is enough: a call's back end does it for its members.
func (a *API) delayedRows() []route.Row[Call] {
	const path = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: path, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.delayedEvents)},
		{Method: http.MethodGet, Path: path + "/{delayID}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.delayedEvent)},
		{Method: http.MethodPost, Path: path + "/{delayID}/cancel", Auth: route.None, Limit: limit.Write, Serve: manage(a.Delayed.Cancel)},
		{Method: http.MethodPost, Path: path + "/{delayID}/restart", Auth: route.None, Limit: limit.Write, Serve: manage(a.Delayed.Restart)},
		{Method: http.MethodPost, Path: path + "/{delayID}/send", Auth: route.None, Limit: limit.Write, Serve: manage(a.Delayed.Send)},
	}
}

func manage(act func(ctx context.Context, delayID string) error) route.Endpoint[Call] {
	return route.JSON(func(ctx context.Context, _ *Call, r *csapi.DelayedEventRequest) (*csapi.Empty, error) {
		return nil, act(ctx, r.DelayID)
	})
}

func (a *API) delayedEvents(ctx context.Context, c *Call, _ *csapi.DelayedEventsRequest) (*csapi.DelayedEventsResponse, error) {
	events, err := a.Delayed.List(ctx, c.Session.User)
	if err != nil {
		return nil, err
	}
	out := &csapi.DelayedEventsResponse{Events: make([]csapi.DelayedEvent, len(events))}
	for i := range events {
		out.Events[i] = delayedEvent(&events[i])
	}
	return out, nil
}

func (a *API) delayedEvent(ctx context.Context, c *Call, r *csapi.DelayedEventRequest) (*csapi.DelayedEvent, error) {
	events, err := a.Delayed.List(ctx, c.Session.User)
	if err != nil {
		return nil, err
	}
	for i := range events {
		if events[i].ID == r.DelayID {
			e := delayedEvent(&events[i])
			return &e, nil
		}
	}
	return nil, fault.New(fault.NotFound, "You have no such delayed event")
}

func delayedEvent(e *delayed.Event) csapi.DelayedEvent {
	return csapi.DelayedEvent{
		DelayID: e.ID, Room: e.Room, Type: e.Type, StateKey: e.StateKey,
		Delay: e.Delay.Milliseconds(), Since: e.Since.UnixMilli(), Content: e.Content,
	}
}

// sendLater keeps an event that is sent with a delay.
func (a *API) sendLater(ctx context.Context, ms int64, r delayed.Request) (*csapi.SentResponse, error) {
	r.Delay = milliseconds(ms)
	delayID, err := a.Delayed.Add(ctx, r)
	if err != nil {
		return nil, err
	}
	return &csapi.SentResponse{DelayID: delayID}, nil
}

// milliseconds is a duration as a client gives it. What no duration can hold is longer than any that is allowed.
func milliseconds(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(max(0, min(ms, most))) * time.Millisecond
}
