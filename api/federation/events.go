package federation

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Backfilling and retrieving missing events" and "Retrieving events"
// https://spec.matrix.org/v1.19/server-server-api/#backfilling-and-retrieving-missing-events
func (a *API) eventRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/event/{eventID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.event)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/backfill/{roomID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.backfill)},
		{Method: http.MethodPost, Path: "/_matrix/federation/v1/get_missing_events/{roomID}", Auth: route.Server, Limit: limit.Federation, Body: 512 << 10, Serve: route.JSON(a.missingEvents)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/timestamp_to_event/{roomID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.nearestEvent)},
	}
}

// transaction is an answer in the form of one.
type transaction struct {
	Origin    id.Server         `json:"origin"`
	Timestamp int64             `json:"origin_server_ts"`
	PDUs      []json.RawMessage `json:"pdus"`
}

// transaction answers with events as the server may have them.
func (a *API) transaction(v *room.Resident, events ...*room.Stored) (*transaction, error) {
	pdus, err := shown(v, events)
	return &transaction{Origin: a.Signer.Server, Timestamp: a.Now().UnixMilli(), PDUs: pdus}, err
}

func shown(v *room.Resident, events []*room.Stored) ([]json.RawMessage, error) {
	pdus := make([]json.RawMessage, len(events)) // [], not null
	for i, s := range events {
		e, err := v.Shown(s)
		if err != nil {
			return nil, err
		}
		pdus[i] = e.Bytes()
	}
	return pdus, nil
}

// inRoom runs fn with what the asking server may be told of a room that it is in. Errors: M_NOT_FOUND, M_FORBIDDEN.
func (a *API) inRoom(ctx context.Context, c *Call, in id.Room, fn func(v *room.Resident) error) error {
	return a.Rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := a.Rooms.Resident(tx, in, c.Origin)
		if err != nil {
			return err
		}
		return fn(v)
	})
}

// wasInRoom is inRoom, also for a server whose last user has left or was removed, up to that.
func (a *API) wasInRoom(ctx context.Context, c *Call, in id.Room, fn func(v *room.Resident) error) error {
	return a.Rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := a.Rooms.Former(tx, in, c.Origin)
		if err != nil {
			return err
		}
		return fn(v)
	})
}

type eventRequest struct {
	Event id.Event `path:"eventID"`
}

func (a *API) event(ctx context.Context, c *Call, r *eventRequest) (out *transaction, err error) {
	err = a.Rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
		s, err := a.Rooms.ByID(tx, r.Event)
		if err != nil {
			return err
		}
		if s == nil {
			return fault.New(fault.NotFound, "This server does not have that event")
		}
		v, err := a.Rooms.Former(tx, s.Event.Room(), c.Origin)
		if err != nil {
			return err
		}
		if s, err = v.Event(r.Event); err != nil {
			return err
		}
		out, err = a.transaction(v, s)
		return err
	})
	return out, err
}

type backfillRequest struct {
	Room  id.Room    `path:"roomID"`
	From  []id.Event `query:"v,required"`
	Limit int        `query:"limit"`
}

func (a *API) backfill(ctx context.Context, c *Call, r *backfillRequest) (out *transaction, err error) {
	if r.Limit <= 0 {
		return nil, fault.New(fault.InvalidParam, "limit must be greater than zero")
	}
	err = a.inRoom(ctx, c, r.Room, func(v *room.Resident) error {
		events, err := v.Backfill(r.From, r.Limit)
		if err != nil {
			return err
		}
		out, err = a.transaction(v, events...)
		return err
	})
	return out, err
}

type missingEventsRequest struct {
	Room     id.Room    `path:"roomID"`
	Earliest []id.Event `json:"earliest_events"`
	Latest   []id.Event `json:"latest_events"`
	Limit    int        `json:"limit"`
	MinDepth int64      `json:"min_depth"`
}

type missingEventsResponse struct {
	Events []json.RawMessage `json:"events"`
}

func (a *API) missingEvents(ctx context.Context, c *Call, r *missingEventsRequest) (*missingEventsResponse, error) {
	if r.Earliest == nil || r.Latest == nil {
		return nil, fault.New(fault.BadJSON, "earliest_events and latest_events are needed")
	}
	if r.Limit < 0 {
		return nil, fault.New(fault.InvalidParam, "limit must not be negative")
	}
	out := new(missingEventsResponse)
	if a.Asked != nil {
		a.Asked(c.Origin)
		defer a.Asked(c.Origin)
	}
	err := a.wasInRoom(ctx, c, r.Room, func(v *room.Resident) error {
		events, err := v.Missing(room.Gap{Latest: r.Latest, Earliest: r.Earliest, MinDepth: r.MinDepth, Limit: r.Limit})
		if err != nil {
			return err
		}
		out.Events, err = shown(v, events)
		return err
	})
	return out, err
}

type nearestRequest struct {
	Room      id.Room `path:"roomID"`
	Timestamp *int64  `query:"ts,required"`
	Direction string  `query:"dir,required"`
}

type nearestResponse struct {
	Event     id.Event `json:"event_id"`
	Timestamp int64    `json:"origin_server_ts"`
}

func (a *API) nearestEvent(ctx context.Context, c *Call, r *nearestRequest) (out *nearestResponse, err error) {
	if r.Direction != "f" && r.Direction != "b" {
		return nil, fault.New(fault.InvalidParam, "dir must be f or b")
	}
	err = a.inRoom(ctx, c, r.Room, func(v *room.Resident) error {
		s, err := v.Nearest(*r.Timestamp, r.Direction == "f")
		if err == nil {
			out = &nearestResponse{Event: s.Event.ID(), Timestamp: s.Event.Timestamp()}
		}
		return err
	})
	return out, err
}
