package room

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Adoption is a join through another server: what that told of the room (Server-Server API, "send_join").
type Adoption struct {
	Version *version.Version
	Room    id.Room
	Join    Incoming
	State   []Incoming  // before the join
	Auth    []Incoming  // what the state and the join are judged by
	Partial []id.Server // servers in the room, where members are missing in State; nil: it is whole
}

// Adopt makes a room of a join through another server. One that is here already, as users of this server were in it before,
// is brought to what it is now; its history has a gap then. Errors: M_FORBIDDEN for a join that the state does not allow,
// M_INVALID_ROOM_STATE for a state that makes no room.
func (r *Rooms) Adopt(ctx context.Context, a Adoption) error {
	told := slices.Concat(a.Auth, a.State)
	if err := r.internKeys(ctx, append(slices.Clone(told), a.Join)); err != nil {
		return err
	}
	for range maxTries {
		first, err := r.allot(ctx, len(told)+2)
		if err != nil {
			return err
		}
		w, pending, err := r.adopt(ctx, a, told, first)
		if err != nil || pending == nil {
			return err
		}
		if err = pending.Wait(context.WithoutCancel(ctx)); err == nil {
			r.heads.drop(w.head) // what is in memory of the room was of before
			r.tails.drop(w.head.nid)
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

// adopt plans the write, with the room's lane held.
func (r *Rooms) adopt(ctx context.Context, a Adoption, told []Incoming, first NID) (*write, *sqldb.Pending, error) {
	unlock, err := r.lanes.Lock(ctx, a.Room)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	h, err := r.headOf(ctx, a.Room)
	fresh := fault.Is(err, fault.NotFound)
	switch {
	case fresh:
		h = newHead(a.Room)
		h.nid, h.version = first, a.Version
	case err != nil:
		return nil, nil, err
	}
	outside := h.state.Create == nil && !fresh // somebody is invited, and all that is here is what another server said
	if outside {
		h.version = a.Version
	}
	var events []*planned
	expect := h.newest
	err = r.look(ctx, h, func(s *sight) error {
		known, err := s.event(a.Join.Event.ID())
		if err != nil || known != nil && known.Aside == "" {
			return err // it is here: another answer was quicker
		}
		outliers, receipts, err := r.outliers(a.Room, told, first+1, s.find)
		if err != nil {
			return err
		}
		for _, p := range outliers {
			s.plan(p)
		}
		join := &planned{event: a.Join.Event, nid: first + NID(len(told)) + 1}
		if known != nil {
			join.nid, join.wasAside = known.NID, true
		}
		before, err := s.toldState(join, a, receipts[len(a.Auth):])
		if err != nil {
			return err
		}
		if err := s.enter(join, before, &a.Join); err != nil {
			return err
		}
		events = append(outliers, join)
		return nil
	})
	if err != nil || len(events) == 0 {
		r.heads.drop(h)
		return nil, nil, err
	}
	if h.whole = 0; a.Partial != nil {
		h.whole = notWhole
	}
	w := h.write(events)
	w.expect = expect
	if fresh {
		w.creator, w.typ = creatorOf(told)
	}
	w.also = func(tx *sqldb.Tx) error {
		if outside {
			if err := r.settle(tx, h, told); err != nil {
				return err
			}
		}
		r.partly.written.Note(struct{}{}, tx.Pos())
		return writePartial(tx, h.nid, w.newest, a.Partial)
	}
	r.heads.drop(h)
	return w, r.queue(w), nil
}

// toldState is the state before the join, without what was rejected or cannot be judged.
func (s *sight) toldState(join *planned, a Adoption, receipts []Receipt) (root pmap.Root, err error) {
	names := make([]id.Event, 0, len(a.State))
	for i, x := range a.State {
		if v := receipts[i].Verdict; v == Outlier || v == Known {
			names = append(names, x.Event.ID())
		}
	}
	root, missing, err := s.told(join, names)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("bug: %d events of the state were not planned", len(missing))
	}
	if err != nil {
		return root, err
	}
	create, err := s.get(root, keyCreate)
	if err == nil && create == 0 {
		err = fault.New(fault.InvalidRoomState, "The other server's answer has no create event that makes the room")
	}
	return root, err
}

// enter puts the join at the end of the room, in place of all that was there.
func (s *sight) enter(p *planned, before pmap.Root, in *Incoming) error {
	h := s.h
	auth, missing, err := s.authEvents(p.event)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fault.New(fault.InvalidRoomState, "The other server's answer lacks events that the join depends on")
	}
	refused := checkAuth(in, auth)
	if refused == nil {
		s.partial = true // for the one that is to be joined now
		if refused, err = s.check(in, before, auth); err != nil {
			return err
		}
	}
	if refused != nil {
		return refusal(refused)
	}
	after, err := s.with(p, before)
	if err != nil {
		return err
	}
	key, _ := keyOf(p.event)
	for _, x := range auth { // her invitation, where that was left out with the other members
		if p.replaces == 0 && x.Event.IsState(key.Type, key.Key) {
			p.replaces = x.NID
		}
	}
	was := h.root
	p.before, p.root = was, after
	if was != before {
		p.own = &span{before: before, after: after}
	}
	if _, err := s.behind(p); err != nil {
		return err
	}
	h.newest, h.depth = p.nid, max(h.depth, p.event.Depth())
	h.extremities, h.after = []id.Event{p.event.ID()}, map[id.Event]pmap.Root{p.event.ID(): after}
	h.root = after
	s.plan(p)
	return s.move(p, was, after)
}

// creatorOf finds who made the room, and as what.
func creatorOf(told []Incoming) (creator id.User, typ string) {
	for _, x := range told {
		if x.Event.IsState(keyCreate.Type, "") {
			return x.Event.Sender(), typeIn(x.Event)
		}
	}
	return "", ""
}

const (
	sqlSetPartial = `INSERT INTO partial_room (room, event, servers) VALUES ($1, $2, $3)
		ON CONFLICT (room) DO UPDATE SET event = excluded.event, servers = excluded.servers`
	sqlEndPartial   = `DELETE FROM partial_room WHERE room = $1`
	sqlSetWhole     = `UPDATE room SET whole = $1 WHERE nid = $2`
	sqlPartialEvent = `SELECT event FROM partial_room WHERE room = $1`
)

// notWhole is past all positions: Standing.Whole of a room of which not all members are known.
const notWhole = math.MaxInt64

func writePartial(tx *sqldb.Tx, room, join NID, servers []id.Server) error {
	if servers == nil {
		if err := tx.Put(sqlEndPartial, room); err != nil {
			return err
		}
		return tx.Put(sqlSetWhole, 0, room)
	}
	if err := tx.Put(sqlSetWhole, notWhole, room); err != nil {
		return err
	}
	list, err := json.Marshal(servers)
	if err != nil {
		return err
	}
	return tx.Put(sqlSetPartial, room, join, list)
}
