package room

import (
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/id"
)

// accept puts an event at the end of the room, with the state before and after it by the room's graph, and moves the head.
func (s *sight) accept(p *planned, before, after pmap.Root) error {
	h := s.h
	was := h.root
	p.before, p.own = was, &span{before, after, p.gap}
	s.plan(p)
	roots, err := s.follow(p)
	if err != nil {
		return err
	}
	now, err := s.resolve(p, roots)
	if err != nil {
		return err
	}
	p.root, h.root = now, now
	if before == was && after == now && !p.gap {
		p.own = nil
	}
	if err := s.redacts(p); err != nil {
		return err
	}
	return s.move(p, was, now)
}

// gather puts an event of this server's at the end of a room that has more ends than one event can name.
func (s *sight) gather(p *planned) error {
	before, missing, err := s.stateBefore(p, &Incoming{Event: p.event})
	if err == nil && len(missing) > 0 {
		err = errors.New("bug: an end of the room is not here")
	}
	if err != nil {
		return err
	}
	after, err := s.with(p, before)
	if err != nil {
		return err
	}
	return s.accept(p, before, after)
}

// move tells the head what has become of the state, and works out whose memberships are others now.
func (s *sight) move(p *planned, was, now pmap.Root) error {
	type change struct{ was, now NID }
	var changes []change
	var nids []NID
	err := pmap.Diff(s.load, was, now, func(_, old, next uint64) error {
		changes = append(changes, change{NID(old), NID(next)})
		nids = append(nids, NID(old), NID(next))
		return nil
	})
	if err != nil || len(changes) == 0 {
		return err
	}
	found, err := s.events(slices.DeleteFunc(nids, func(n NID) bool { return n == 0 }))
	if err != nil {
		return err
	}
	events := make(map[NID]*Stored, len(found))
	for _, x := range found {
		events[x.NID] = x
	}
	afresh, came := false, false
	for _, c := range changes {
		x := events[c.now]
		if c.now == 0 {
			x = events[c.was]
		}
		if x == nil {
			return errUnseen
		}
		key, _ := keyOf(x.Event)
		_, known := s.h.auth[key]
		switch {
		case c.now == 0 && known:
			afresh = true // what the rules no longer see cannot be taken back one by one
		case c.now != 0 && (known || weighs(key)):
			if err := s.h.set(key, x.Event); err != nil {
				return err
			}
		}
		if key.Type == "m.room.member" && s.member(p, x, c.now == 0) {
			came = true
		}
		if key == keyPolicy {
			p.regard = true
		}
	}
	if came {
		p.follows = s.h.predecessor // the create event may have come after the join among the changes
	}
	if afresh {
		return s.refresh()
	}
	return nil
}

// weighs says whether the head is told of every event under a key.
func weighs(key authrule.StateKey) bool {
	return key == keyCreate || key == keyPower || key == keyJoinRules || key == keyVisibility || key == keyPolicy ||
		key.Type == "m.room.member" || key.Type == "m.room.third_party_invite"
}

// member plans one user's membership; gone, that the state has no event of hers any more. It says whether p is a local user's coming in.
func (s *sight) member(p *planned, x *Stored, gone bool) (came bool) {
	user, _ := x.Event.StateKey()
	m := memberChange{id.User(user), membershipOf(x.Event.Content()), x.NID, x.Event.Sender()}
	if gone {
		m.membership = string(authrule.Leave)
	}
	p.members = append(p.members, m)
	return s.r.moved(s.h, m) && x.NID == p.nid
}

// refresh reads anew what the head knows of the state.
func (s *sight) refresh() error {
	known := s.h.auth
	s.h.auth, s.h.state, s.h.visibility, s.h.policy = make(map[authrule.StateKey]id.Event, len(known)), authrule.State{}, "", nil
	for key := range known {
		if !storable(key.Key) {
			s.h.auth[key] = ""
			continue
		}
		nid, err := s.get(s.h.root, key)
		if err != nil {
			return err
		}
		s.h.auth[key] = ""
		if nid == 0 {
			continue
		}
		found, err := s.events([]NID{nid})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return errUnseen
		}
		if err := s.h.set(key, found[0].Event); err != nil {
			return err
		}
	}
	return nil
}

const (
	sqlEarlyRedaction    = `SELECT redaction FROM early_redaction WHERE target = $1 AND room = $2 ORDER BY redaction`
	sqlAddEarlyRedaction = `INSERT INTO early_redaction (target, room, redaction) VALUES ($1, $2, $3) ON CONFLICT (redaction) DO NOTHING`
)

// redacts works out what a redaction empties, or by which one that came before it the event is emptied itself
// (Server-Server API, "Redactions": what may be redacted is looked at when both are here).
func (s *sight) redacts(p *planned) error {
	e := p.event
	if _, is := e.StateKey(); e.Type() == "m.room.redaction" && !is {
		name := e.Redacts()
		if name == "" || !storable(string(name)) {
			return nil
		}
		target, err := s.event(name)
		if err != nil {
			return err
		}
		if target == nil {
			p.early = name
			return nil
		}
		return s.empty(p, target)
	}
	earlier, err := sqldb.Column[NID](s.tx, sqlEarlyRedaction, e.ID(), s.h.nid)
	if err != nil || len(earlier) == 0 {
		return err
	}
	redactions, err := s.events(earlier)
	if err != nil {
		return err
	}
	for _, by := range redactions {
		allowed, err := s.mayRedact(by, s.stored(p))
		if err != nil {
			return err
		}
		if !allowed {
			continue
		}
		pruned, err := e.Redact()
		if err != nil {
			return err
		}
		p.event, p.redactedBy = pruned, by.NID
		return nil
	}
	return nil
}

// empty plans the effect of a redaction on an event that is here.
func (s *sight) empty(p *planned, target *Stored) error {
	if target.Room != s.h.nid || target.Aside != "" || target.RedactedBy != 0 || target.Event.Type() == keyCreate.Type {
		return nil
	}
	allowed, err := s.mayRedact(s.stored(p), target)
	if err != nil || !allowed {
		return err
	}
	pruned, err := target.Event.Redact()
	if err != nil {
		return err
	}
	p.redact = &redaction{target: target, pruned: pruned}
	return nil
}

// mayRedact says whether a redaction that is in the room has an effect on an event: it is of the same server's users, or its
// sender has the level (Room Versions, "Handling redactions").
func (s *sight) mayRedact(by, target *Stored) (bool, error) {
	if by.Event.Sender().Server() == target.Event.Sender().Server() {
		return true, nil
	}
	root, ok := s.after(by)
	if !ok {
		return false, nil
	}
	state := new(authrule.State)
	for _, key := range []authrule.StateKey{keyCreate, keyPower} {
		if err := s.add(state, root, key, nil); err != nil {
			return false, err
		}
	}
	return state.Level(by.Event.Sender()) >= state.Power.Redact(), nil
}

// persistEarly writes down a redaction whose target is not here, or that of the event itself.
func (p *planned) persistEarly(tx *sqldb.Tx, room NID) error {
	if p.early != "" {
		if err := tx.Put(sqlAddEarlyRedaction, p.early, room, p.nid); err != nil {
			return err
		}
	}
	if p.redactedBy != 0 {
		return tx.Put(sqlPrune, p.event.Bytes(), p.redactedBy, p.nid)
	}
	return nil
}

const sqlPartial = `SELECT servers FROM partial_room WHERE room = $1`

// Partial says whether members are still missing from what this server knows of a room's state, and which servers are in it as
// the one said through which it was joined.
func (r *Rooms) Partial(tx *sqldb.Tx, room NID) (servers []id.Server, partial bool, err error) {
	if all, ok := r.partly.rooms.Get(struct{}{}, tx.Pos()); ok {
		servers, partial = all[room]
		return servers, partial, nil
	}
	var list []byte
	err = tx.Row(sqlPartial, room).Scan(&list)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return servers, true, json.Unmarshal(list, &servers)
}
