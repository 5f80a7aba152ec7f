package room

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	sqlSetAgain  = `UPDATE event SET state = $1, own = $2, replaces = $3 WHERE nid = $4`
	sqlSetBeside = `UPDATE event_aside SET verdict = $1, own = $2 WHERE nid = $3`
	sqlSetAnew   = `UPDATE room SET state = $1, extremities = $2, head = $3, head_pos = (SELECT pos FROM event WHERE nid = $3),
		whole = $4, mended = CASE WHEN $5 THEN $4 ELSE mended END WHERE nid = $6 AND head = $7`
)

// Complete ends what Adopt began with members missing: state is the whole state before the join, every event of it stored.
// What has happened in the room since is judged again (anew.go). In a room that lacks nothing it does nothing. Errors:
// M_NOT_FOUND.
func (r *Rooms) Complete(ctx context.Context, room id.Room, state []id.Event) error {
	unlock, err := r.lanes.Lock(ctx, room)
	if err != nil {
		return err
	}
	// The lane is kept until the disk has it: what would be built meanwhile, on a state that might not come to be, could not
	// be told from what is right. It happens once in the life of a room.
	defer unlock()
	h, err := r.headOf(ctx, room)
	if err != nil {
		return err
	}
	c := &completion{planned: new(planned)}
	expect := h.newest
	err = r.look(ctx, h, func(s *sight) error { return s.complete(c, state) })
	if err != nil || len(c.all) == 0 {
		r.heads.drop(h)
		return err
	}
	joined := slices.Collect(maps.Keys(h.joined)) // whose rooms in memory are not whole
	for _, m := range c.members {
		joined = append(joined, m.user)
	}
	var at sqldb.Pos
	err = r.DB.SubmitThen(max(1, len(c.come)), func(tx *sqldb.Tx) error {
		at = tx.Pos()
		r.changes.Note(roomKey{h.nid, h.room}, tx.Pos()+sqldb.Pos(max(1, len(c.come))-1))
		r.seats.Note(struct{}{}, tx.Pos())
		for _, user := range joined {
			r.owns.written.Note(user, tx.Pos())
		}
		for _, m := range c.members {
			if c.turned[m.user] { // who was in the room without being known to be is no news
				r.moves.Note(move{h.nid, h.room, m.user, m.membership, m.event}, tx.Pos())
			}
		}
		r.partly.written.Note(struct{}{}, tx.Pos())
		return c.write(r, tx, h, expect)
	}, func(error) {
		r.doubt(at + sqldb.Pos(len(c.come))) // not all who were found to be members are in moves
		r.tails.drop(h.nid)
		for _, x := range c.all {
			r.events.drop(x.NID)
		}
		for _, p := range c.come {
			if p.redact != nil {
				r.events.drop(p.redact.target.NID)
			}
		}
		for _, user := range joined {
			r.owns.drop(user)
		}
		r.levels.forget()
	}).Wait(context.WithoutCancel(ctx))
	r.heads.drop(h)
	switch {
	case errors.Is(err, errStale):
		return errBusy
	case err == nil:
		for _, m := range c.members {
			if m.user.Server() == r.Server {
				r.Bus.Wake(topic(m.user))
			}
		}
		r.Bus.Wake(h.topics...)
		r.Bus.Wake(Log)
	}
	return err
}

// completion is what is written: what became of the events since the join, and who is in the room.
type completion struct {
	*planned
	join   NID
	all    []*again   // in the order of the graph, the join first
	gone   []*Stored  // of the timeline, which leave it
	come   []*planned // which come to its end
	newest NID        // what is the last event of the timeline then, where none comes
	mended bool       // clients have been told something of the room that is not so

	turned map[id.User]bool // of whom an event is judged otherwise now
}

func (s *sight) complete(c *completion, state []id.Event) error {
	err := s.tx.Row(sqlPartialEvent, s.h.nid).Scan(&c.join)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	first, err := s.events([]NID{c.join})
	if err != nil {
		return err
	}
	if len(first) == 0 || first[0].Aside != "" {
		return errors.New("the join that left members missing is not here")
	}
	timeline, aside, err := s.since(first[0])
	if err != nil {
		return err
	}
	before, missing, err := s.told(c.planned, state)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d events of the state are not here, such as %s", len(missing), missing[0])
	}
	if create, err := s.get(before, keyCreate); err != nil || create == 0 {
		return cmp.Or(err, error(fault.New(fault.InvalidRoomState, "The state that was told has no create event")))
	}
	c.all = inOrder(timeline, aside)
	was := s.h.root
	if err := s.replay(c, before); err != nil {
		return err
	}
	for _, x := range timeline {
		if again := s.anew[x.Event.ID()]; again.Aside == "" {
			c.newest = x.NID
		} else {
			c.gone = append(c.gone, again)
		}
	}
	c.turned = map[id.User]bool{}
	for _, x := range c.all {
		if key, is := keyOf(x.Event); is && key.Type == "m.room.member" && x.was != x.now {
			c.turned[id.User(key.Key)] = true
		}
		if x.was == "" || x.now != "" {
			continue
		}
		p := &planned{event: x.Event, nid: x.NID, root: s.h.root, replaces: x.Replaces, own: &x.own, wasAside: true}
		if err := s.redacts(p); err != nil {
			return err
		}
		c.come, c.newest = append(c.come, p), x.NID
	}
	if err := s.mends(c, was, s.h.root); err != nil {
		return err
	}
	c.root = s.h.root
	return s.move(c.planned, was, c.root)
}

// mends finds out whether more has changed of the state than members who were not known.
func (s *sight) mends(c *completion, was, now pmap.Root) error {
	var keys, nids []NID
	err := pmap.Diff(s.load, was, now, func(key, old, next uint64) error {
		keys, nids = append(keys, NID(key)), append(nids, NID(cmp.Or(next, old)))
		return nil
	})
	if err != nil {
		return err
	}
	others, err := s.r.kinds.withoutMembers(s.tx, keys, nids)
	c.mended = len(c.gone) > 0 || len(others) > 0
	return err
}

func (c *completion) write(r *Rooms, tx *sqldb.Tx, h *head, expect NID) error {
	if err := c.persistState(tx); err != nil {
		return err
	}
	for _, x := range c.all {
		var own *span
		if x.differs {
			own = &x.own
		}
		var err error
		switch {
		case x.was == "" && x.now == "":
			err = tx.Put(sqlSetAgain, x.root[:], own.bytes(), nullable(x.Replaces), x.NID)
		case x.was != "" && x.now != "":
			err = tx.Put(sqlSetBeside, x.now, own.bytes(), x.NID)
		}
		if err != nil {
			return err
		}
	}
	if err := c.unseat(r, tx, h); err != nil {
		return err
	}
	for i, p := range c.come {
		if err := p.persist(tx, h.nid, tx.Pos()+sqldb.Pos(i)); err != nil {
			return err
		}
	}
	for _, m := range c.members {
		if err := tx.Put(sqlSetMembership, h.nid, m.user, m.membership, m.event, tx.Pos(), m.sender); err != nil {
			return err
		}
	}
	if err := tx.Put(sqlEndPartial, h.nid); err != nil {
		return err
	}
	edges, err := json.Marshal(h.extremities)
	if err != nil {
		return err
	}
	n, err := tx.Exec(sqlSetAnew, c.root[:], edges, c.newest, tx.Pos(), c.mended, h.nid, expect)
	if err == nil && n == 0 {
		err = errStale
	}
	return err
}

// unseat puts events of the timeline beside it. What a redaction among them has emptied stays so: what was there is not known
// any more.
func (c *completion) unseat(r *Rooms, tx *sqldb.Tx, h *head) error {
	if len(c.gone) == 0 {
		return nil
	}
	also := r.Unseated
	if also == nil {
		also = func(*sqldb.Tx, []NID) error { return nil }
	}
	if err := r.dropEvents(tx, h.nid, c.gone, also); err != nil {
		return err
	}
	for _, x := range c.gone {
		err := tx.Put(sqlAddAside, x.NID, h.nid, x.Event.Depth(), x.Event.ID(), x.Aside, x.Event.Bytes(), x.own.bytes())
		if err != nil {
			return err
		}
	}
	return nil
}

func nullable(nid NID) any {
	if nid == 0 {
		return nil
	}
	return nid
}
