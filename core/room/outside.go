package room

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// A room that lives elsewhere and that a user of this server is invited to or knocks on is a row of room like any other,
// whose state is nothing but the member events of such users (docs/decisions/0017-rooms-elsewhere.md). Nobody sees anything
// of it but what came with the invitation. When somebody joins, Adopt puts the real state in its place.

// Outside is a member event of a local user in a room that this server is not in: an invitation, a knock, or the end of
// either. Its signatures were checked; whether it may happen nobody here can tell.
type Outside struct {
	Event *event.Event
	Shown []json.RawMessage // stripped state, each in canonical form: what the user is shown of the room
}

// ErrInside says that this server is in a room, and that what happens there is told by the room itself.
var ErrInside = errors.New("this server is in the room")

const (
	sqlAddOutside  = `INSERT INTO outside (event, room, shown) VALUES ($1, $2, $3)`
	sqlOutside     = `SELECT shown FROM outside WHERE event = $1`
	sqlDropOutside = `DELETE FROM outside WHERE room = $1`
	sqlTypeOutside = `UPDATE room SET type = $1 WHERE nid = $2 AND creator = ''`
	sqlAnyJoined   = `SELECT 1 FROM membership WHERE room = $1 AND membership = 'join' LIMIT 1`
	sqlSettle      = `UPDATE room SET version = $1, creator = $2, type = $3 WHERE nid = $4`
)

// PutOutside writes a user's membership of a room that this server is not in, and tells her. The same event twice changes
// nothing. Errors: ErrInside, M_FORBIDDEN for a blocked room.
func (r *Rooms) PutOutside(ctx context.Context, o Outside) error {
	key, _ := o.Event.StateKey()
	user, membership := id.User(key), membershipOf(o.Event.Content())
	if o.Event.Type() != "m.room.member" || user.Server() != r.Server || membership == "join" {
		return errors.New("bug: that is no membership from outside")
	}
	if err := r.enterable(ctx, o.Event.Room(), membership); err != nil {
		return err
	}
	if err := r.intern(ctx, memberKey(user)); err != nil {
		return err
	}
	for range maxTries {
		first, err := r.allot(ctx, 2)
		if err != nil {
			return err
		}
		w, pending, err := r.submitOutside(ctx, o, first)
		if err != nil || pending == nil {
			return err
		}
		err = pending.Wait(context.WithoutCancel(ctx))
		if err == nil {
			r.committed(w)
			return nil
		}
		r.heads.drop(w.head)
		if !errors.Is(err, errStale) {
			return err
		}
	}
	return errBusy
}

// submitOutside is the part that holds the room's lane. pending is nil where the event is here already.
func (r *Rooms) submitOutside(ctx context.Context, o Outside, first NID) (*write, *sqldb.Pending, error) {
	in := o.Event.Room()
	unlock, err := r.lanes.Lock(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	h, err := r.headOf(ctx, in)
	fresh := fault.Is(err, fault.NotFound)
	switch {
	case fresh:
		h = newHead(in)
		h.nid, h.version = first, o.Event.Version()
	case err != nil:
		return nil, nil, err
	case len(h.joined) > 0:
		return nil, nil, ErrInside
	}
	var known *Stored
	var holes []id.Event
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if known, err = r.ByID(tx, o.Event.ID()); err != nil {
			return err
		}
		holes, err = r.Unfounded(tx, o.Event.Prev())
		return err
	})
	if err != nil || known != nil {
		return nil, nil, err
	}
	expect, edges, after, depth := h.newest, h.extremities, maps.Clone(h.after), h.depth
	p := &planned{event: o.Event, nid: first + 1, root: h.root, before: h.root}
	if err := r.advance(ctx, h, p); err != nil {
		r.heads.drop(h)
		return nil, nil, err
	}
	h.extremities, h.after, h.depth = edges, after, depth // it is no part of the room's graph here
	if len(holes) > 0 || len(o.Event.Prev()) == 0 {
		p.own = new(span) // the members that are known are not the room's state, by which others could be judged
	}
	if h.extremities == nil {
		h.extremities = []id.Event{}
	}
	w := h.write([]*planned{p})
	w.expect = expect
	w.also = func(tx *sqldb.Tx) error { return o.persist(tx, h.nid, p.nid) }
	if fresh {
		r.heads.put(h) // who comes next builds on it
	}
	return w, r.queue(w), nil
}

// persist keeps what the user is shown.
func (o *Outside) persist(tx *sqldb.Tx, room, nid NID) error {
	if len(o.Shown) == 0 {
		return nil
	}
	shown := []byte{'['}
	for i, raw := range o.Shown {
		if i > 0 {
			shown = append(shown, ',')
		}
		shown = append(shown, raw...)
	}
	shown = append(shown, ']')
	if _, err := tx.Exec(sqlAddOutside, nid, room, shown); err != nil {
		return fmt.Errorf("keep what came with an invitation: %w", err)
	}
	for _, raw := range o.Shown {
		if typ, _ := canon.String(canon.Get(raw, "type")); typ != keyCreate.Type {
			continue
		}
		kind := textIn(canon.Get(raw, "content"), "type")
		_, err := tx.Exec(sqlTypeOutside, kind[:min(len(kind), longestType)], room)
		return err
	}
	return nil
}

// settle puts what a room is in place of what was said of it with an invitation, now that somebody has joined it.
func (r *Rooms) settle(tx *sqldb.Tx, h *head, told []Incoming) error {
	creator, typ := creatorOf(told)
	_, err := tx.Exec(sqlSettle, h.version.ID, creator, typ, h.nid)
	r.types.learn(map[NID]string{h.nid: typ})
	return err
}

// shownOutside is what came with an invitation or a knock from outside; nil when the event is not one.
func (r *Rooms) shownOutside(tx *sqldb.Tx, own *Stored) ([]json.RawMessage, error) {
	raw, err := sqldb.Column[[]byte](tx, sqlOutside, own.NID)
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	var shown []json.RawMessage
	if err := json.Unmarshal(raw[0], &shown); err != nil {
		return nil, fmt.Errorf("stored stripped state of an invitation: %w", err)
	}
	mine := own.Event.AppendStripped(nil)
	for _, s := range shown {
		if bytes.Equal(s, mine) {
			return shown, nil
		}
	}
	return append(shown, mine), nil
}

// Here says whether this server is in the room: whether a local user is joined.
func (r *Rooms) Here(ctx context.Context, room id.Room) (bool, error) {
	unlock, err := r.lanes.Lock(ctx, room)
	if err != nil {
		return false, err
	}
	defer unlock()
	h, err := r.headOf(ctx, room)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && len(h.joined) > 0, err
}

// Whereabouts is where a room is, as far as this server knows.
type Whereabouts struct {
	Here    bool        // a local user is in it; unless it is Restricted too, the rest is not looked up
	Depth   int64       // of the deepest event of it that is here
	Local   bool        // its state is here, and nobody of another server is in it: what becomes of it is decided here
	Servers []id.Server // of others who are in it, those first of whom somebody may invite; at most maxServers

	// Restricted says that who wants to join needs somebody to vouch for her, as the user asked for is not in or invited.
	Restricted bool
}

const maxServers = 50

// Whereabouts tells where a room is that a user wants to enter or leave. Of a room that nobody here had to do with nothing is
// known, which is no error.
func (r *Rooms) Whereabouts(ctx context.Context, room id.Room, user id.User) (at Whereabouts, err error) {
	unlock, err := r.lanes.Lock(ctx, room)
	if err != nil {
		return at, err
	}
	defer unlock()
	h, err := r.headOf(ctx, room)
	if fault.Is(err, fault.NotFound) {
		return at, nil
	}
	if err != nil {
		return at, err
	}
	at.Here, at.Depth = len(h.joined) > 0, h.depth
	if rules := h.state.JoinRules; at.Here && rules != nil && h.version.RestrictedJoin &&
		(rules.Rule == authrule.RuleRestricted || rules.Rule == authrule.RuleKnockRestricted) {
		if err := r.need(ctx, h, memberKey(user)); err != nil {
			return at, err
		}
		now := h.state.Membership(user)
		at.Restricted = now != authrule.Join && now != authrule.Invite && now != authrule.Ban
	}
	if at.Here && !at.Restricted {
		return at, nil // nobody is going to be asked, and the room may have thousands of members
	}
	able := map[id.Server]bool{}
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		clear(able)
		others, err := r.others(tx, nil, h.nid)
		if err != nil {
			return err
		}
		for _, server := range others {
			able[server] = false
		}
		if len(others) == 0 {
			return nil
		}
		rows, err := tx.Query(sqlMembers, h.nid)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var user id.User
			if err := rows.Scan(&user); err != nil {
				return err
			}
			if server := user.Server(); server != r.Server {
				able[server] = able[server] || h.state.Level(user) >= h.state.Power.Invite()
			}
		}
		return rows.Err()
	})
	at.Local = h.state.Create != nil && len(able) == 0
	for _, may := range []bool{true, false} {
		for server, can := range able {
			if can == may && len(at.Servers) < maxServers {
				at.Servers = append(at.Servers, server)
			}
		}
	}
	return at, err
}

// livesElsewhere says whether a room is one that others are in, or may be, and nobody of this server, who can at most be invited.
// Of one that all have left, this server knows as much as any.
func (r *Rooms) livesElsewhere(ctx context.Context, h *head) (is bool, err error) {
	if len(h.joined) > 0 || h.state.Create == nil {
		return len(h.joined) == 0, nil
	}
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		some, err := sqldb.Column[int](tx, sqlAnyJoined, h.nid)
		if is = len(some) > 0; err != nil || is {
			return err
		}
		_, is, err = r.Partial(tx, h.nid)
		return err
	})
	return is, err
}

// StandingOf is a user's newest membership of a room; nil when she never had to do with it.
func (r *Rooms) StandingOf(ctx context.Context, room id.Room, user id.User) (s *Standing, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		s, err = r.standing(tx, room, user)
		if fault.Is(err, fault.Forbidden) {
			s, err = nil, nil
		}
		return err
	})
	return s, err
}
