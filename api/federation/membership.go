package federation

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// "Joining Rooms", "Knocking upon a room" and "Leaving Rooms": another server's user changes her own membership of a room
// that this server is in. Her server is given a template, makes an event of it and sends that back.
// https://spec.matrix.org/v1.19/server-server-api/#joining-rooms
func (a *API) membershipRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/make_join/{roomID}/{userID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.makeJoin)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/make_knock/{roomID}/{userID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.makeKnock)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/make_leave/{roomID}/{userID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.makeLeave)},
		{Method: http.MethodPut, Path: "/_matrix/federation/v2/send_join/{roomID}/{eventID}", Auth: route.Server, Limit: limit.Federation, Serve: route.Streamed(a.sendJoin)},
		// As servers have them that know nothing of version 2: in the answer is the status.
		{Method: http.MethodPut, Path: "/_matrix/federation/v1/send_join/{roomID}/{eventID}", Auth: route.Server, Limit: limit.Federation, Serve: route.Streamed(a.sendJoinOld)},
		{Method: http.MethodPut, Path: "/_matrix/federation/v1/send_leave/{roomID}/{eventID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.sendLeaveOld)},
		{Method: http.MethodPut, Path: "/_matrix/federation/v1/send_knock/{roomID}/{eventID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.sendKnock)},
		{Method: http.MethodPut, Path: "/_matrix/federation/v2/send_leave/{roomID}/{eventID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.sendLeave)},
	}
}

type makeRequest struct {
	Room     id.Room  `path:"roomID"`
	User     id.User  `path:"userID"`
	Versions []string `query:"ver"` // of rooms that the other server knows
}

type makeResponse struct {
	Version string          `json:"room_version"`
	Event   json.RawMessage `json:"event"`
}

func (a *API) makeJoin(ctx context.Context, c *Call, r *makeRequest) (*makeResponse, error) {
	if len(r.Versions) == 0 {
		r.Versions = []string{"1"}
	}
	return a.template(ctx, c, r, authrule.Join)
}

func (a *API) makeKnock(ctx context.Context, c *Call, r *makeRequest) (*makeResponse, error) {
	if len(r.Versions) == 0 {
		return nil, fault.New(fault.MissingParam, "The query parameter ver is missing")
	}
	return a.template(ctx, c, r, authrule.Knock)
}

func (a *API) makeLeave(ctx context.Context, c *Call, r *makeRequest) (*makeResponse, error) {
	r.Versions = nil
	return a.template(ctx, c, r, authrule.Leave)
}

func (a *API) template(ctx context.Context, c *Call, r *makeRequest, m authrule.Membership) (*makeResponse, error) {
	if r.User.Server() != c.Origin {
		return nil, fault.New(fault.Forbidden, "The user is not of your server")
	}
	if _, err := a.door(ctx, c, r.Room); err != nil {
		return nil, err
	}
	t, err := a.Rooms.Template(ctx, r.Room, r.User, m, r.Versions)
	if err != nil {
		return nil, err
	}
	return &makeResponse{Version: t.Version.ID, Event: t.Event}, nil
}

// errUnsure is the answer to who wants to come in while this server does not know yet who is in.
var errUnsure = fault.New(fault.NotFound, "This server does not know enough of the room yet; try another one")

// door looks whether a server may come with its users to a room. Errors: M_NOT_FOUND, M_FORBIDDEN of one that the room's
// access list denies.
func (a *API) door(ctx context.Context, c *Call, in id.Room) (v *version.Version, err error) {
	err = a.Rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
		resident, err := a.Rooms.Outsider(tx, in, c.Origin)
		switch {
		case err != nil:
			return err
		case resident.Partial:
			return errUnsure
		}
		v = resident.Version
		return nil
	})
	return v, err
}

type sendRequest struct {
	Room  id.Room         `path:"roomID"`
	Event id.Event        `path:"eventID"`
	Body  json.RawMessage `body:"raw"`
}

type sendLeaveResponse struct{}

func (a *API) sendLeave(ctx context.Context, c *Call, r *sendRequest) (*sendLeaveResponse, error) {
	_, err := a.take(ctx, c, r, authrule.Leave)
	return nil, err
}

func (a *API) sendLeaveOld(ctx context.Context, c *Call, r *sendRequest) (*[2]any, error) {
	_, err := a.take(ctx, c, r, authrule.Leave)
	return &[2]any{http.StatusOK, sendLeaveResponse{}}, err
}

// take puts a user's own member event, which her server has sent, into the room. Errors: M_NOT_FOUND, M_FORBIDDEN,
// M_BAD_JSON, M_INVALID_PARAM for an event that is another than the endpoint is for.
func (a *API) take(ctx context.Context, c *Call, r *sendRequest, m authrule.Membership) (*event.Event, error) {
	v, err := a.door(ctx, c, r.Room)
	if err != nil {
		return nil, err
	}
	e, err := parsePDU(v, r.Body, r.Room, r.Event)
	if err != nil {
		return nil, err
	}
	key, isState := e.StateKey()
	switch {
	case e.Type() != "m.room.member" || !isState:
		err = fault.New(fault.InvalidParam, "The event is no member event")
	case authrule.ParseMember(e.Content()).Membership != m:
		err = fault.Newf(fault.InvalidParam, "The membership of the event is not %s", m)
	case e.Sender() != id.User(key):
		err = fault.New(fault.InvalidParam, "The event is about somebody else than its sender")
	case e.Sender().Server() != c.Origin:
		err = fault.New(fault.InvalidParam, "The sender is not of your server")
	case m == authrule.Join:
		err = a.Rooms.CheckVouched(ctx, e)
	}
	if err != nil {
		return nil, err
	}
	// The signature is what a restricted join needs, and by which the others in the room are told by this server.
	if e, err = e.Sign(a.Signer); err != nil {
		return nil, err
	}
	return e, a.receive(ctx, c, e)
}

// parsePDU reads an event that came by itself, under its name and that of its room. Errors: M_BAD_JSON, M_INVALID_PARAM.
func parsePDU(v *version.Version, body []byte, in id.Room, name id.Event) (*event.Event, error) {
	e, err := event.Parse(v, body)
	if err != nil {
		if bad, is := errors.AsType[*event.Invalid](err); is {
			return nil, fault.New(fault.BadJSON, "That is not a valid event: "+bad.Reason).Because(err)
		}
		return nil, err
	}
	switch {
	case e.Redacted():
		return nil, fault.New(fault.InvalidParam, "The event is not what its hash is of")
	case e.Room() != in:
		return nil, fault.New(fault.InvalidParam, "The event is of another room")
	case e.ID() != name:
		return nil, fault.New(fault.InvalidParam, "The event has another id")
	}
	return e, nil
}

// receive puts an event, whose form was looked at, into its room. Errors: M_INVALID_PARAM for a signature, M_FORBIDDEN,
// M_NOT_FOUND where this server lacks what the event follows, and does not get it.
func (a *API) receive(ctx context.Context, c *Call, e *event.Event) error {
	signed, err := a.verify(ctx, c, e)
	if err != nil {
		return err
	}
	in := []room.Incoming{{Event: e, SignedBy: signed}}
	receipts, err := a.Rooms.Receive(ctx, e.Room(), in)
	if err == nil && receipts[0].Verdict == room.Lacking && a.Arrivals.Supply(ctx, c.Origin, e) == nil {
		receipts, err = a.Rooms.Receive(ctx, e.Room(), in)
	}
	if err != nil {
		return err
	}
	switch got := receipts[0]; got.Verdict {
	case room.Accepted, room.Known:
		return nil
	case room.Lacking:
		return fault.New(fault.NotFound, "This server does not have the events that this one follows")
	default:
		return refused(got)
	}
}

// refused is the answer about an event that did not get into its room.
func refused(r room.Receipt) *fault.Fault {
	no := fault.New(fault.Forbidden, "The room does not allow that").Because(r.Cause)
	if by, is := errors.AsType[*authrule.Refused](r.Cause); is {
		no.Text += ": " + by.Reason
	}
	return no
}

// verify looks at the signatures that an event needs, and gives those besides its sender's.
func (a *API) verify(ctx context.Context, c *Call, e *event.Event) ([]id.Server, error) {
	v := a.Peers.VerifyEvents(ctx, c.Origin, []*event.Event{e})[0]
	switch {
	case errors.Is(v.Err, context.Canceled):
		return nil, v.Err
	case v.Err != nil:
		return nil, fault.New(fault.InvalidParam, "The event lacks a signature that it needs, or has a wrong one").Because(v.Err)
	}
	return v.By, nil
}
