package room

import (
	"context"
	"errors"
	"strings"

	"freehold.example/base/pmap"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Draft is an event that a local user wants to send.
type Draft struct {
	Type     string
	StateKey *string  // nil for a message event
	Content  []byte   // a JSON object
	Redacts  id.Event // for m.room.redaction

	Timestamp int64 // milliseconds since 1970; now when 0
}

// checkKey refuses a state key that no event can have (Client-Server API, "Size limits") and one that PostgreSQL cannot
// store, before it is kept for ever.
func checkKey(key authrule.StateKey) error {
	if len(key.Type) > id.MaxLength || len(key.Key) > id.MaxLength {
		return fault.Newf(fault.TooLarge, "An event's type and state key have at most %d bytes", id.MaxLength)
	}
	if strings.IndexByte(key.Type, 0) >= 0 || strings.IndexByte(key.Key, 0) >= 0 {
		return fault.New(fault.BadJSON, "An event's type and state key cannot have a NUL in them")
	}
	return nil
}

// planned is an event that was built on a head and is about to be written.
type planned struct {
	event      *event.Event
	nid        NID
	root       pmap.Root // the state once it is in
	nodes      []pmap.Node
	replaces   NID
	membership string // of a member event
	txn        txn
	redact     *redaction // what a redaction empties
}

// redaction is the effect of an m.room.redaction: the target, and what is left of it.
type redaction struct {
	target *Stored
	pruned *event.Event
}

func (r *redaction) ofState() bool {
	_, is := r.target.Event.StateKey()
	return is
}

// append builds an event on the head, checks that it may happen, and moves the head forward. The caller holds the lane; a
// refused event leaves the head as it was. Errors: M_FORBIDDEN, M_BAD_JSON, M_TOO_LARGE.
func (r *Rooms) append(ctx context.Context, h *head, sender id.User, d Draft, nid NID) (*planned, error) {
	keys := authrule.Needed(h.version, d.Type, sender, d.StateKey, d.Content)
	if err := r.need(ctx, h, keys...); err != nil {
		return nil, err
	}
	draft := event.Draft{
		Room:      h.room,
		Type:      d.Type,
		StateKey:  d.StateKey,
		Sender:    sender,
		Content:   d.Content,
		Redacts:   d.Redacts,
		Prev:      h.extremities,
		Depth:     h.depth + 1,
		Timestamp: d.Timestamp,
		Hashes:    h.hashes,
	}
	if draft.Timestamp == 0 {
		draft.Timestamp = r.Now().UnixMilli()
	}
	for _, key := range keys {
		if e := h.auth[key]; e != "" {
			draft.Auth = append(draft.Auth, e)
		}
	}
	e, err := event.Build(h.version, draft, r.Signer)
	if err != nil {
		return nil, buildFault(err)
	}
	if err := authrule.Check(e, &h.state); err != nil {
		return nil, refusal(err)
	}
	p := &planned{event: e, nid: nid, root: h.root}
	if err := r.advance(ctx, h, p); err != nil {
		return nil, err
	}
	return p, nil
}

// advance moves the head past p.
func (r *Rooms) advance(ctx context.Context, h *head, p *planned) error {
	e := p.event
	if key, ok := e.StateKey(); ok {
		k := authrule.StateKey{Type: e.Type(), Key: key}
		if err := r.setState(ctx, h, p, k); err != nil {
			return err
		}
		if _, known := h.auth[k]; known || k == keyCreate || k == keyPower || k == keyJoinRules || k == keyVisibility ||
			k.Type == "m.room.member" || k.Type == "m.room.third_party_invite" {
			if err := h.set(k, e); err != nil {
				return err
			}
		}
		if k.Type == "m.room.member" {
			p.membership = membershipOf(e.Content())
			h.setJoined(id.User(key), p.membership == "join" && id.User(key).Server() == r.Server)
		}
	}
	h.newest, h.depth = p.nid, e.Depth()
	h.extremities = []id.Event{e.ID()}
	h.hash(e)
	return nil
}

// buildFault translates what matrix/event says of a draft that is no event.
func buildFault(err error) error {
	if errors.Is(err, event.ErrTooLarge) {
		return fault.New(fault.TooLarge, "The event is larger than the 65,536 bytes an event may have").Because(err)
	}
	if invalid, ok := errors.AsType[*event.Invalid](err); ok {
		return fault.New(fault.BadJSON, "That is not a valid event: "+invalid.Reason).Because(err)
	}
	return err
}

// refusal translates what the authorisation rules say.
func refusal(err error) error {
	if refused, ok := errors.AsType[*authrule.Refused](err); ok {
		return fault.New(fault.Forbidden, "You may not do that here: "+refused.Reason).Because(err)
	}
	return err
}
