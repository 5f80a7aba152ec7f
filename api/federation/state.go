package federation

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The state of a room at an event, and auth chains
// https://spec.matrix.org/v1.19/server-server-api/#retrieving-events
func (a *API) stateRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/state/{roomID}", Auth: route.Server, Limit: limit.Federation, Serve: route.Streamed(a.state)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/state_ids/{roomID}", Auth: route.Server, Limit: limit.Federation, Serve: route.JSON(a.stateIDs)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/event_auth/{roomID}/{eventID}", Auth: route.Server, Limit: limit.Federation, Serve: route.Streamed(a.eventAuth)},
	}
}

type stateRequest struct {
	Room  id.Room  `path:"roomID"`
	Event id.Event `query:"event_id,required"`
}

// errPartial is the answer while members of the room are still being fetched.
var errPartial = fault.New(fault.Forbidden, "This server does not know the whole state of the room yet")

// list writes an answer whose members are lists of events, in parts while it is made. No snapshot is held while the other
// server reads.
type list struct {
	to    *route.Parts
	tx    *sqldb.Tx
	v     *room.Resident
	buf   []byte
	old   bool // as in version 1, the answer is in an array after its status
	begun bool // there was a list before
	any   bool // there is something in the list
}

// partSize is from how many bytes on what was gathered is sent.
const partSize = 256 << 10

// begin starts the member with that name.
func (l *list) begin(name string) {
	if l.begun {
		l.buf = append(l.buf, "],"...)
	} else {
		if l.old {
			l.buf = append(l.buf, "[200,"...)
		}
		l.buf = append(l.buf, '{')
	}
	l.buf = append(append(append(l.buf, '"'), name...), `":[`...)
	l.begun, l.any = true, false
}

func (l *list) add(events []*room.Stored) error {
	for _, s := range events {
		if l.any {
			l.buf = append(l.buf, ',')
		}
		l.any = true
		e, err := l.v.Told(s)
		if err != nil {
			return err
		}
		l.buf = append(l.buf, e.Bytes()...)
	}
	if len(l.buf) < partSize {
		return nil
	}
	return l.flush()
}

func (l *list) flush() error {
	return l.tx.Pause(func() error {
		_, err := l.to.Write(l.buf)
		l.buf = l.buf[:0]
		return err
	})
}

// end closes the last list and the answer.
func (l *list) end(more string) error {
	l.buf = append(append(append(l.buf, ']'), more...), '}')
	if l.old {
		l.buf = append(l.buf, ']')
	}
	return l.flush()
}

func (a *API) state(ctx context.Context, c *Call, r *stateRequest, to *route.Parts) error {
	return a.Rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := a.Rooms.Former(tx, r.Room, c.Origin)
		if err != nil {
			return err
		}
		if v.Partial {
			return errPartial
		}
		_, root, err := v.Before(r.Event)
		if err != nil {
			return err
		}
		l, chain := &list{to: to, tx: tx, v: v}, v.Chain()
		l.begin("pdus")
		err = v.EachState(root, false, func(events []*room.Stored) error {
			chain.Of(events...)
			return l.add(events)
		})
		if err != nil {
			return err
		}
		l.begin("auth_chain")
		if err := chain.Each(nil, l.add); err != nil {
			return err
		}
		return l.end("")
	})
}

type stateIDsResponse struct {
	State []id.Event `json:"pdu_ids"`
	Chain []id.Event `json:"auth_chain_ids"`
}

func (a *API) stateIDs(ctx context.Context, c *Call, r *stateRequest) (*stateIDsResponse, error) {
	out := &stateIDsResponse{State: []id.Event{}, Chain: []id.Event{}} // [], not null
	err := a.wasInRoom(ctx, c, r.Room, func(v *room.Resident) error {
		if v.Partial {
			return errPartial
		}
		_, root, err := v.Before(r.Event)
		if err != nil {
			return err
		}
		chain := v.Chain()
		err = v.EachState(root, false, func(events []*room.Stored) error {
			chain.Of(events...)
			out.State = append(out.State, names(events)...)
			return nil
		})
		if err != nil {
			return err
		}
		return chain.Each(nil, func(events []*room.Stored) error {
			out.Chain = append(out.Chain, names(events)...)
			return nil
		})
	})
	return out, err
}

func names(events []*room.Stored) []id.Event {
	out := make([]id.Event, len(events))
	for i, s := range events {
		out[i] = s.Event.ID()
	}
	return out
}

type eventAuthRequest struct {
	Room  id.Room  `path:"roomID"`
	Event id.Event `path:"eventID"`
}

func (a *API) eventAuth(ctx context.Context, c *Call, r *eventAuthRequest, to *route.Parts) error {
	return a.Rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := a.Rooms.Former(tx, r.Room, c.Origin)
		if err != nil {
			return err
		}
		s, err := v.Event(r.Event)
		if err != nil {
			return err
		}
		l, chain := &list{to: to, tx: tx, v: v}, v.Chain()
		chain.Of(s)
		l.begin("auth_chain")
		if err := chain.Each(map[id.Event]bool{r.Event: true}, l.add); err != nil {
			return err
		}
		return l.end("")
	})
}
