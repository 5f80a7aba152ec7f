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
	expect  NID // the stored head the events were built on; 0 for a new room
	events  []*planned
	newest  NID
	depth   int64
	edges   []id.Event
	open    bool
	creator id.User                  // of a new room
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
	sqlAddRoom = `INSERT INTO room (nid, room_id, version, creator, head, head_pos, depth, extremities, state, open)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	sqlMoveHead = `UPDATE room SET head = $1, head_pos = $2, depth = $3, extremities = $4, state = $5, open = $6
		WHERE nid = $7 AND head = $8`
	sqlAddEvent = `INSERT INTO event (nid, room, pos, depth, ts, event_id, state, replaces, device, txn_id, txn, json)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (txn) WHERE txn IS NOT NULL DO NOTHING`
	sqlAddNode       = `INSERT INTO state_node (address, body) VALUES ($1, $2) ON CONFLICT (address) DO NOTHING`
	sqlSetMembership = `INSERT INTO membership (room, user_id, membership, event, pos, sender, forgotten)
		VALUES ($1, $2, $3, $4, $5, $6, 0)
		ON CONFLICT (room, user_id) DO UPDATE SET membership = excluded.membership, event = excluded.event,
			pos = excluded.pos, sender = excluded.sender,
			forgotten = CASE WHEN excluded.membership IN ('leave', 'ban') THEN membership.forgotten ELSE 0 END`
	sqlPrune = `UPDATE event SET json = $1, redacted_by = $2 WHERE nid = $3`
)

// persist writes it all, or nothing. It runs inside a group commit and must not touch the head.
func (w *write) persist(tx *sqldb.Tx) error {
	last := w.events[len(w.events)-1]
	lastPos := tx.Pos() + sqldb.Pos(len(w.events)-1)
	extremities, err := json.Marshal(w.edges)
	if err != nil {
		return err
	}
	if w.expect == 0 {
		_, err := tx.Exec(sqlAddRoom, w.head.nid, w.head.room, w.head.version.ID, w.creator, w.newest, lastPos, w.depth,
			extremities, last.root[:], w.open)
		if err != nil {
			return err
		}
	} else {
		n, err := tx.Exec(sqlMoveHead, w.newest, lastPos, w.depth, extremities, last.root[:], w.open,
			w.head.nid, w.expect)
		if err != nil {
			return err
		}
		if n == 0 {
			return errStale
		}
	}
	for i, p := range w.events {
		if err := p.persist(tx, w.head.nid, tx.Pos()+sqldb.Pos(i)); err != nil {
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
	if p.txn.id != "" {
		device, txnID, hash = p.txn.device, p.txn.id, p.txn.hash[:]
	}
	e := p.event
	n, err := tx.Exec(sqlAddEvent, p.nid, room, pos, e.Depth(), e.Timestamp(), e.ID(), p.root[:], replaces, device, txnID, hash,
		e.Bytes())
	if err != nil {
		return err
	}
	if n == 0 {
		return errSent
	}
	for _, node := range p.nodes {
		if _, err := tx.Exec(sqlAddNode, node.Address[:], node.Body); err != nil {
			return err
		}
	}
	if p.membership != "" {
		target, _ := e.StateKey()
		_, err := tx.Exec(sqlSetMembership, room, target, p.membership, p.nid, pos, e.Sender())
		if err != nil {
			return err
		}
	}
	if p.redact != nil {
		if _, err := tx.Exec(sqlPrune, p.redact.pruned.Bytes(), p.nid, p.redact.target.NID); err != nil {
			return err
		}
	}
	return nil
}
