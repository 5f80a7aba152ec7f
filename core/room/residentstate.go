package room

import (
	"errors"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Other servers ask for whole states with their auth chains, which in a large room are tens of thousands of events. They
// are read and handed on some at a time, so that an answer costs its names in memory and not its events.

// eachAtOnce is how many events are read and handed on at once.
const eachAtOnce = 500

// Before finds an event, and the root of the state before it. Errors: M_NOT_FOUND.
func (v *Resident) Before(eventID id.Event) (*Stored, pmap.Root, error) {
	s, err := v.Event(eventID)
	if err != nil {
		return nil, pmap.Root{}, err
	}
	root, err := v.r.StateBefore(v.tx, s)
	if errors.Is(err, errNoState) || err == nil && root == (pmap.Root{}) && s.Event.Type() != keyCreate.Type {
		err = fault.New(fault.NotFound, "This server does not know the state at that event")
	}
	return s, root, err
}

// EachState gives the events of a state, some at a time; lazy leaves the members out.
func (v *Resident) EachState(root pmap.Root, lazy bool, some func([]*Stored) error) error {
	var keys, nids []NID
	err := pmap.Walk(v.r.nodesOf(v.tx), root, func(k, nid uint64) error {
		keys, nids = append(keys, NID(k)), append(nids, NID(nid))
		return nil
	})
	if err != nil {
		return err
	}
	if lazy {
		if nids, err = v.r.kinds.withoutMembers(v.tx, keys, nids); err != nil {
			return err
		}
	}
	return v.each(nids, some)
}

func (v *Resident) each(nids []NID, some func([]*Stored) error) error {
	for part := range slices.Chunk(nids, eachAtOnce) {
		events, err := v.r.LoadAll(v.tx, part)
		if err != nil {
			return err
		}
		if err := some(events); err != nil {
			return err
		}
	}
	return nil
}

// Heroes gives the member events of those whom a room without a name or an alias is named after, in the state with that
// root; none for a room that has one (https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_joinroomideventid,
// omit_members).
func (v *Resident) Heroes(root pmap.Root, viewer id.User) ([]*Stored, error) {
	for _, typ := range []string{"m.room.name", "m.room.canonical_alias"} {
		s, err := v.r.StateEvent(v.tx, root, typ, "")
		if err != nil || s != nil && Named(s) {
			return nil, err
		}
	}
	users, err := v.r.Heroes(v.tx, v.Room, v.root, viewer)
	if err != nil {
		return nil, err
	}
	var heroes []*Stored
	for _, user := range users {
		s, err := v.r.StateEvent(v.tx, root, "m.room.member", string(user))
		if err != nil {
			return nil, err
		}
		if s != nil {
			heroes = append(heroes, s)
		}
	}
	return heroes, nil
}

// Chain collects the auth chain of events: their auth events, theirs, and so on.
type Chain struct {
	v    *Resident
	seen map[id.Event]bool
	next []id.Event // that are still to be read
}

// Chain begins one. In a room whose id is the create event's, that is part of every chain, though no event names it.
func (v *Resident) Chain() *Chain {
	c := &Chain{v: v, seen: map[id.Event]bool{}}
	if v.Version.RoomIDIsCreateHash {
		c.reach(id.Event("$" + v.RoomID[1:]))
	}
	return c
}

func (c *Chain) reach(events ...id.Event) {
	for _, e := range events {
		if !c.seen[e] {
			c.seen[e] = true
			c.next = append(c.next, e)
		}
	}
}

// Of adds the auth events of events.
func (c *Chain) Of(events ...*Stored) {
	for _, s := range events {
		c.reach(s.Event.Auth()...)
	}
}

// Each gives the chain, some at a time: each event once, and none of those for which without, if it is there, is true.
func (c *Chain) Each(without map[id.Event]bool, some func([]*Stored) error) error {
	for len(c.next) > 0 {
		n := min(len(c.next), eachAtOnce)
		events, err := c.v.r.ByIDs(c.v.tx, c.next[:n])
		if err != nil {
			return err
		}
		c.next = c.next[n:]
		c.Of(events...)
		if events = slices.DeleteFunc(events, func(s *Stored) bool { return without[s.Event.ID()] }); len(events) == 0 {
			continue
		}
		if err := some(events); err != nil {
			return err
		}
	}
	return nil
}
