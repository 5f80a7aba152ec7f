package room

import (
	"context"
	"errors"
	"slices"
	"strings"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
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
	event    *event.Event
	nid      NID
	root     pmap.Root // the state once it is in
	before   pmap.Root // and before
	nodes    []pmap.Node
	freshKey *freshKey // its state key, where that is not on disk yet
	replaces NID
	members  []memberChange // what it makes of memberships
	follows  id.Room        // of a local user's join: the room before, whose settings of hers come along (upgrade.go)
	txn      txn
	redact   *redaction // what a redaction empties
	once     []byte     // mark of an annotation that is refused where there is one like it

	own      *span   // its state by the room's graph, where that is another than the room's: before and root
	aside    Verdict // it has no place in the timeline
	wasAside bool    // until now
	gap      bool    // what it follows is not here, and the state before it is what another server told
	past     bool    // its place is in the history before the timeline that /sync shows
	regard   bool    // the room's policy server is another now: the head is to be read anew

	unplaced   []id.Event // what it follows that has no place here
	had        *Stored    // of one from outside, which gets its place in the room's graph: as it was
	early      id.Event   // of a redaction: its target, which is not here yet
	redactedBy NID        // the redaction that came before the event, which is what it has left of it
}

// memberChange is what a user's membership becomes.
type memberChange struct {
	user       id.User
	membership string
	event      NID
	sender     id.User
}

// pastPos is the position of an event of the past: before all others, and no two have the same.
func (p *planned) pastPos() sqldb.Pos { return -sqldb.Pos(p.nid) }

// after is the state after the event by the room's graph.
func (p *planned) after() pmap.Root {
	if p.own != nil {
		return p.own.after
	}
	return p.root
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
	draft, err := r.draft(ctx, h, sender, d)
	if err != nil {
		return nil, err
	}
	e, err := event.Build(h.version, draft, r.Signer)
	if err != nil {
		return nil, buildFault(err)
	}
	if err := authrule.Check(e, &h.state); err != nil {
		return nil, refusal(err)
	}
	if e, err = r.judged(h, e); err != nil {
		return nil, err
	}
	p := &planned{event: e, nid: nid, root: h.root, before: h.root}
	if len(e.Prev()) < len(h.extremities) {
		return p, r.look(ctx, h, func(s *sight) error { return s.gather(p) })
	}
	if err := r.advance(ctx, h, p); err != nil {
		return nil, err
	}
	return p, nil
}

// draft is the event as it is to be built on the head, once that knows what authorises it. The caller holds the lane.
func (r *Rooms) draft(ctx context.Context, h *head, sender id.User, d Draft) (event.Draft, error) {
	keys := authrule.Needed(h.version, d.Type, sender, d.StateKey, d.Content)
	if err := r.need(ctx, h, keys...); err != nil {
		return event.Draft{}, err
	}
	draft := event.Draft{
		Room:      h.room,
		Type:      d.Type,
		StateKey:  d.StateKey,
		Sender:    sender,
		Content:   d.Content,
		Redacts:   d.Redacts,
		Prev:      h.extremities[max(0, len(h.extremities)-event.MaxPrev):],
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
	return draft, nil
}

// advance moves the head past p.
func (r *Rooms) advance(ctx context.Context, h *head, p *planned) error {
	e := p.event
	if key, ok := e.StateKey(); ok {
		k := authrule.StateKey{Type: e.Type(), Key: key}
		if err := r.setState(ctx, h, p, k); err != nil {
			return err
		}
		if _, known := h.auth[k]; known || weighs(k) {
			if err := h.set(k, e); err != nil {
				return err
			}
		}
		if k.Type == "m.room.member" {
			p.members = []memberChange{{id.User(key), membershipOf(e.Content()), p.nid, e.Sender()}}
			if r.moved(h, p.members[0]) {
				p.follows = h.predecessor
			}
		}
	}
	h.follow(p)
	return nil
}

// moved keeps the head's account of who is in the room. It says whether a local user has come in.
func (r *Rooms) moved(h *head, m memberChange) (came bool) {
	joined := m.membership == "join"
	joins := joined && m.user.Server() == r.Server
	_, in := h.joined[m.user]
	h.setJoined(m.user, joins)
	h.setGuard(r.Server, m.user, joined)
	return joins && !in
}

// follow puts an event at the end of the room's graph.
func (h *head) follow(p *planned) {
	e := p.event
	h.newest, h.depth = p.nid, max(h.depth, e.Depth())
	edges := make([]id.Event, 0, len(h.extremities)+1)
	for _, x := range h.extremities {
		if slices.Contains(e.Prev(), x) {
			delete(h.after, x)
			continue
		}
		edges = append(edges, x)
	}
	h.extremities = append(edges, e.ID()) // writes under way hold the old slice
	h.after[e.ID()] = p.after()
	h.hash(e)
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
		if refused.Malformed {
			return fault.New(fault.BadJSON, "That is not a valid event: "+refused.Reason).Because(err)
		}
		return fault.New(fault.Forbidden, "You may not do that here: "+refused.Reason).Because(err)
	}
	return err
}
