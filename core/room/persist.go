package room

import (
	"encoding/json"
	"errors"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// write is what one transaction does to one room: one event, or all those of a new room.
type write struct {
	head    *head
	expect  NID        // the stored head the events were built on; 0 for a new room
	events  []*planned // those of the timeline; none where only something is put beside it
	beside  []*planned // the others
	first   sqldb.Pos  // where the first of them is written; set by note
	newest  NID
	depth   int64
	edges   []id.Event
	open    bool
	creator id.User                  // of a new room
	typ     string                   // of a new room
	related bool                     // an event in it is summed up at the one it refers to
	also    func(tx *sqldb.Tx) error // what other packages write in the same transaction, or nil
	wakes   []string                 // topics to wake once it is on disk
}

var (
	// errStale: the room has moved on since the event was built. It is built again on the new head.
	errStale = errors.New("room head has moved")
	// errSent: an event with this transaction id is there already.
	errSent = errors.New("transaction id was used")
	// errInFlight: an event with this transaction id is being written.
	errInFlight = errors.New("transaction id is in use")
)

const (
	sqlAddRoom = `INSERT INTO room (nid, room_id, version, creator, head, head_pos, depth, extremities, state, open, related, type)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (room_id) DO NOTHING`
	sqlMoveHead = `UPDATE room SET head = $1, head_pos = $2, depth = $3, extremities = $4, state = $5, open = $6,
			related = related OR $7 WHERE nid = $8 AND head = $9`
	sqlAddEvent = `INSERT INTO event (nid, room, pos, depth, ts, event_id, state, replaces, device, txn_id, txn, json, own)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (txn) WHERE txn IS NOT NULL DO NOTHING`
	sqlAddAside = `INSERT INTO event_aside (nid, room, depth, event_id, verdict, json, own) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (nid) DO UPDATE SET verdict = excluded.verdict, own = excluded.own`
	sqlSetOwn        = `UPDATE event SET own = $1 WHERE nid = $2`
	sqlDropAside     = `DELETE FROM event_aside WHERE nid = $1`
	sqlAddNode       = `INSERT INTO state_node (address, body) VALUES ($1, $2) ON CONFLICT (address) DO NOTHING`
	sqlSetMembership = `INSERT INTO membership (room, user_id, membership, event, pos, sender, forgotten)
		VALUES ($1, $2, $3, $4, $5, $6, 0)
		ON CONFLICT (room, user_id) DO UPDATE SET membership = excluded.membership, event = excluded.event,
			pos = excluded.pos, sender = excluded.sender,
			forgotten = CASE WHEN excluded.membership IN ('leave', 'ban') THEN membership.forgotten ELSE 0 END`
	sqlPrune   = `UPDATE event SET json = $1, redacted_by = $2 WHERE nid = $3`
	sqlEmptied = `UPDATE room SET emptied = $1 WHERE nid = $2`
)

// persist writes it all, or nothing, at positions from first on. It runs inside a group commit and must not touch the head.
func (w *write) persist(tx *sqldb.Tx, first sqldb.Pos) error {
	for _, p := range w.beside {
		if err := p.persistBeside(tx, w.head.nid); err != nil {
			return err
		}
	}
	if len(w.events) == 0 {
		return nil
	}
	last := w.events[len(w.events)-1]
	lastPos := first + sqldb.Pos(len(w.events)-1)
	extremities, err := json.Marshal(w.edges)
	if err != nil {
		return err
	}
	if w.expect == 0 {
		err = tx.PutOne(errStale, sqlAddRoom, w.head.nid, w.head.room, w.head.version.ID, w.creator, w.newest, lastPos, w.depth,
			extremities, last.root[:], w.open, w.related, w.typ) // stale when it was joined through another server meanwhile
	} else {
		err = tx.PutOne(errStale, sqlMoveHead, w.newest, lastPos, w.depth, extremities, last.root[:], w.open, w.related,
			w.head.nid, w.expect)
	}
	if err != nil {
		return err
	}
	for i, p := range w.events {
		if err := p.persist(tx, w.head.nid, first+sqldb.Pos(i)); err != nil {
			return err
		}
	}
	if w.also != nil {
		return w.also(tx)
	}
	return nil
}

func (p *planned) persist(tx *sqldb.Tx, room NID, pos sqldb.Pos) error {
	var replaces, device, txnID, hash any
	if p.replaces != 0 {
		replaces = p.replaces
	}
	if p.wasAside {
		if err := tx.Put(sqlDropAside, p.nid); err != nil {
			return err
		}
	}
	if p.txn.id != "" {
		device, txnID, hash = p.txn.device, p.txn.id, p.txn.hash[:]
	}
	e := p.event
	err := tx.PutOne(errSent, sqlAddEvent, p.nid, room, pos, e.Depth(), e.Timestamp(), e.ID(), p.root[:], replaces, device, txnID, hash,
		e.Bytes(), p.own.bytes())
	if err != nil {
		return err
	}
	if err := p.persistState(tx); err != nil {
		return err
	}
	for _, m := range p.members {
		if err := tx.Put(sqlSetMembership, room, m.user, m.membership, m.event, pos, m.sender); err != nil {
			return err
		}
	}
	if p.redact != nil {
		if err := tx.Put(sqlPrune, p.redact.pruned.Bytes(), p.nid, p.redact.target.NID); err != nil {
			return err
		}
		if err := unrelate(tx, p.redact.target); err != nil {
			return err
		}
		if p.redact.ofState() {
			if err := tx.Put(sqlEmptied, pos, room); err != nil {
				return err
			}
		}
	}
	if err := p.persistEarly(tx, room); err != nil {
		return err
	}
	if err := p.persistFollowed(tx, room); err != nil {
		return err
	}
	if err := p.refer(tx, room); err != nil {
		return err
	}
	return p.relate(tx, room, pos)
}

// persistState writes what is new of the state around an event.
func (p *planned) persistState(tx *sqldb.Tx) error {
	if p.freshKey != nil {
		if err := p.freshKey.persist(tx); err != nil {
			return err
		}
	}
	for _, node := range p.nodes {
		if err := tx.Put(sqlAddNode, node.Address[:], node.Body); err != nil {
			return err
		}
	}
	return nil
}

// persistBeside writes an event that has no place in the timeline.
func (p *planned) persistBeside(tx *sqldb.Tx, room NID) error {
	switch {
	case p.had != nil:
		if err := tx.Put(sqlSetOwn, p.own.bytes(), p.nid); err != nil {
			return err
		}
		return errors.Join(p.persistFollowed(tx, room), p.persistState(tx))
	case p.past:
		return p.persist(tx, room, p.pastPos())
	}
	err := tx.Put(sqlAddAside, p.nid, room, p.event.Depth(), p.event.ID(), p.aside, p.event.Bytes(), p.own.bytes())
	if err == nil && p.aside == Outlier {
		err = p.refer(tx, room)
	}
	if err == nil {
		err = p.persistFollowed(tx, room)
	}
	if err != nil {
		return err
	}
	return p.persistState(tx)
}
