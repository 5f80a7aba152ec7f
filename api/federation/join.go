package federation

import (
	"context"
	"encoding/json"

	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

type sendJoinRequest struct {
	sendRequest
	OmitMembers bool `query:"omit_members"`
}

// sendJoin takes a join, and answers with the state before it and the auth chain of both: what the other server needs to
// go on by itself (https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_joinroomideventid).
func (a *API) sendJoin(ctx context.Context, c *Call, r *sendJoinRequest, to *route.Parts) error {
	return a.join(ctx, c, r, &list{to: to})
}

func (a *API) sendJoinOld(ctx context.Context, c *Call, r *sendRequest, to *route.Parts) error {
	return a.join(ctx, c, &sendJoinRequest{sendRequest: *r}, &list{to: to, old: true})
}

func (a *API) join(ctx context.Context, c *Call, r *sendJoinRequest, l *list) error {
	e, err := a.take(ctx, c, &r.sendRequest, authrule.Join)
	if err != nil {
		return err
	}
	return a.Rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := a.Rooms.Outsider(tx, r.Room, c.Origin)
		if err != nil {
			return err
		}
		l.tx, l.v = tx, v
		return a.entry(tx, v, e, r.OmitMembers, l)
	})
}

// entry answers a join; omit leaves the members out.
func (a *API) entry(tx *sqldb.Tx, v *room.Resident, e *event.Event, omit bool, l *list) error {
	join, root, err := v.Before(e.ID())
	if err != nil {
		return err
	}
	chain := v.Chain()
	chain.Of(join)
	var given map[id.Event]bool // is not repeated
	if omit {
		given = map[id.Event]bool{}
	}
	state := func(events []*room.Stored) error {
		chain.Of(events...)
		if omit {
			for _, s := range events {
				given[s.Event.ID()] = true
			}
		}
		return l.add(events)
	}
	l.begin("state")
	if err := v.EachState(root, omit, state); err != nil {
		return err
	}
	if omit {
		heroes, err := v.Heroes(root, e.Sender())
		if err != nil {
			return err
		}
		if err := state(heroes); err != nil {
			return err
		}
	}
	l.begin("auth_chain")
	if err := chain.Each(given, l.add); err != nil {
		return err
	}
	rest := struct {
		Origin  id.Server       `json:"origin"` // servers of before version 1.6 look for it
		Event   json.RawMessage `json:"event"`
		Omitted bool            `json:"members_omitted,omitempty"`
		Servers []id.Server     `json:"servers_in_room,omitempty"`
	}{Origin: a.Signer.Server, Event: join.Event.Bytes(), Omitted: omit}
	if omit {
		if rest.Servers, err = v.ServersAt(root); err != nil {
			return err
		}
	}
	more, err := json.Marshal(rest)
	if err != nil {
		return err
	}
	return l.end("," + string(more[1:len(more)-1]))
}
