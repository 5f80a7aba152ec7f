package room

import (
	"bytes"
	"context"
	"errors"

	"freehold.example/base/limit"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Send sends one event into a room and returns its id once it is on disk. A transaction id that the caller's device has
// used for this room and type before gives the event that was sent then. Errors: M_NOT_FOUND, M_FORBIDDEN, M_BAD_JSON,
// M_TOO_LARGE.
func (r *Rooms) Send(ctx context.Context, c Caller, room id.Room, d Draft, txnID string) (id.Event, error) {
	if d.Type == "m.room.redaction" && d.StateKey == nil {
		return r.redact(ctx, c, room, d, newTxn(c, txnID, "send", string(room), d.Type))
	}
	return r.send(ctx, c, room, d, newTxn(c, txnID, "send", string(room), d.Type))
}

// SetState sets one piece of a room's state. Setting what is set already, by the same user, sends nothing and gives the
// event that is there.
func (r *Rooms) SetState(ctx context.Context, c Caller, room id.Room, typ, key string, content []byte) (id.Event, error) {
	return r.PutState(ctx, c, room, Draft{Type: typ, StateKey: &key, Content: content})
}

// PutState is SetState for a draft, which may have a time of its own.
func (r *Rooms) PutState(ctx context.Context, c Caller, room id.Room, d Draft) (id.Event, error) {
	if d.Type == "m.room.create" {
		return "", fault.New(fault.InvalidParam, "A room's m.room.create event cannot be replaced")
	}
	if d.Type == "m.room.member" {
		return r.setMember(ctx, c, room, d)
	}
	return r.send(ctx, c, room, d, txn{})
}

func (r *Rooms) send(ctx context.Context, c Caller, room id.Room, d Draft, t txn) (id.Event, error) {
	if replacesItself(room, &d) {
		return "", errItself
	}
	if d.StateKey != nil {
		key := authrule.StateKey{Type: d.Type, Key: *d.StateKey}
		if err := checkKey(key); err != nil {
			return "", err
		}
		if err := r.intern(ctx, key); err != nil {
			return "", err
		}
	}
	return r.once(ctx, t, func() (id.Event, error) {
		var there id.Event
		events, err := r.commit(ctx, room, 1, func(ctx context.Context, h *head, first NID) ([]*planned, error) {
			if r.recent.has(t.hash) {
				return nil, errInFlight
			}
			if d.StateKey != nil {
				same, err := r.sameState(ctx, h, c.User, d)
				if same != "" || err != nil {
					there = same
					return nil, err
				}
			}
			mark, err := r.checkRelation(ctx, h, c.User, &d, t)
			if err != nil {
				return nil, err
			}
			p, err := r.append(ctx, h, c.User, d, first)
			if err != nil {
				return nil, err
			}
			if err := r.spend(c, room); err != nil { // after it is known that she may send
				return nil, err
			}
			p.txn, p.once = t, mark
			return []*planned{p}, nil
		})
		if err != nil || len(events) == 0 {
			return there, err
		}
		return events[0].event.ID(), nil
	})
}

// spend counts one event against what the room may take.
func (r *Rooms) spend(c Caller, room id.Room) error {
	if c.Exempt {
		return nil
	}
	return r.Limits.Spend(limit.Room, string(room), 1)
}

// once makes sure that a transaction id makes one event. The first request sends; those that come while it waits for the
// disk wait with it (errInFlight is how they find out inside the lane), and those that come after a restart are told by
// the database.
func (r *Rooms) once(ctx context.Context, t txn, send func() (id.Event, error)) (id.Event, error) {
	if t.id == "" {
		return send()
	}
	for range maxTries {
		if s, ok := r.recent.get(t.hash); ok {
			if s.write == nil {
				return s.event, nil
			}
			err := s.write.Wait(ctx)
			if err == nil {
				return s.event, nil
			}
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			r.recent.drop(t.hash, s)
		}
		e, err := send()
		switch {
		case errors.Is(err, errInFlight):
			continue
		case errors.Is(err, errSent):
			err = r.DB.Read(ctx, func(tx *sqldb.Tx) error { return tx.Row(sqlEventByTxn, t.hash[:]).Scan(&e) })
		}
		return e, err
	}
	return "", errBusy
}

// sameState finds the state event that the draft, by a member of the room, would only repeat.
func (r *Rooms) sameState(ctx context.Context, h *head, sender id.User, d Draft) (id.Event, error) {
	if err := r.need(ctx, h, memberKey(sender)); err != nil || h.state.Membership(sender) != authrule.Join {
		return "", err
	}
	content, err := canon.Canonical(d.Content, canon.Lenient)
	if err != nil {
		return "", fault.New(fault.BadJSON, "The content is not a JSON object").Because(err)
	}
	var same id.Event
	overlay := h.nodes()
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		nid, err := r.stateNIDIn(tx, overlay(r.nodesOf(tx)), h.root, authrule.StateKey{Type: d.Type, Key: *d.StateKey})
		if err != nil || nid == 0 {
			return err
		}
		found, err := r.LoadAll(tx, []NID{nid})
		if err != nil || len(found) == 0 { // it is on its way to the disk: the new one is not a repetition then
			return err
		}
		if e := found[0].Event; e.Sender() == sender && bytes.Equal(e.Content(), content) {
			same = e.ID()
		}
		return nil
	})
	return same, err
}

// Redact asks for an event to be redacted. An event this server does not have may be named: whoever has it applies the
// redaction. Errors: M_FORBIDDEN where neither the event is the caller's own nor the caller has the level.
func (r *Rooms) Redact(ctx context.Context, c Caller, room id.Room, target id.Event, content []byte, txnID string) (id.Event, error) {
	d := Draft{Type: "m.room.redaction", Content: content, Redacts: target}
	return r.redact(ctx, c, room, d, newTxn(c, txnID, "redact", string(room), string(target)))
}

func (r *Rooms) redact(ctx context.Context, c Caller, room id.Room, d Draft, t txn) (id.Event, error) {
	return r.once(ctx, t, func() (id.Event, error) {
		events, err := r.commit(ctx, room, 1, func(ctx context.Context, h *head, first NID) ([]*planned, error) {
			if r.recent.has(t.hash) {
				return nil, errInFlight
			}
			if d.Redacts == "" {
				d.Redacts = id.Event(textIn(d.Content, "redacts"))
			}
			effect, own, err := r.redactionOf(ctx, h, c.User, d.Redacts)
			if err != nil {
				return nil, err
			}
			if err := r.need(ctx, h, memberKey(c.User)); err != nil {
				return nil, err
			}
			if !own && h.state.Level(c.User) < h.state.Power.Redact() {
				return nil, fault.New(fault.Forbidden, "You may only redact your own events in this room")
			}
			p, err := r.append(ctx, h, c.User, d, first)
			if err != nil {
				return nil, err
			}
			if err := r.spend(c, room); err != nil { // after it is known that she may send
				return nil, err
			}
			p.txn, p.redact = t, effect
			return []*planned{p}, nil
		})
		if err != nil {
			return "", err
		}
		return events[0].event.ID(), nil
	})
}

// redactionOf finds what redacting target will do: nothing when it is not here, is redacted already, or may not be. own
// says that the target is the user's own event.
func (r *Rooms) redactionOf(ctx context.Context, h *head, user id.User, target id.Event) (effect *redaction, own bool, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		s, err := r.Shown(tx, target)
		if err != nil || s == nil || s.Room != h.nid {
			return err
		}
		own = s.Event.Sender() == user
		if s.RedactedBy != 0 || s.Event.Type() == "m.room.create" {
			return nil
		}
		pruned, err := s.Event.Redact()
		if err != nil {
			return err
		}
		effect = &redaction{target: s, pruned: pruned}
		return nil
	})
	return effect, own, err
}
