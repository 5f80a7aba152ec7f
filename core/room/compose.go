package room

import (
	"context"
	"encoding/json"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Compose makes an event on the room's head and signs it without putting it into the room: for an invitation, which another
// server signs before it comes in by Receive. Errors: M_NOT_FOUND, M_FORBIDDEN, M_BAD_JSON, M_TOO_LARGE.
func (r *Rooms) Compose(ctx context.Context, c Caller, room id.Room, d Draft) (e *event.Event, err error) {
	_, err = r.commit(ctx, room, 1, func(ctx context.Context, h *head, _ NID) ([]*planned, error) {
		if err := r.need(ctx, h, memberKey(c.User)); err != nil {
			return nil, err
		}
		if h.state.Membership(c.User) != authrule.Join {
			return nil, errNotIn // before anything is said of the room
		}
		draft, err := r.draft(ctx, h, c.User, d)
		if err != nil {
			return nil, err
		}
		if e, err = event.Build(h.version, draft, r.Signer); err != nil {
			return nil, buildFault(err)
		}
		if err := authrule.Check(e, &h.state); err != nil {
			return nil, refusal(err)
		}
		e, err = r.judged(h, e)
		return nil, err
	})
	return e, err
}

// InviteState is what another server is sent of a room with an invitation, for its user to see: whole events, so that it can
// tell whose they are (https://spec.matrix.org/v1.19/server-server-api/#inviting-to-a-room).
func (r *Rooms) InviteState(ctx context.Context, invite *event.Event) (out []json.RawMessage, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		out = []json.RawMessage{}
		now, err := r.Current(tx, invite.Room())
		if err != nil || len(now) == 0 {
			return err
		}
		keys := make([]authrule.StateKey, 0, len(inviteState)+1)
		for _, typ := range inviteState {
			keys = append(keys, authrule.StateKey{Type: typ})
		}
		for _, key := range append(keys, memberKey(invite.Sender())) {
			s, err := r.StateEvent(tx, now[0].State, key.Type, key.Key)
			if err != nil {
				return err
			}
			if s != nil {
				out = append(out, s.Event.Bytes())
			}
		}
		return nil
	})
	return out, err
}
