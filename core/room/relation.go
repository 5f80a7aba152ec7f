package room

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"strings"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The relationship types that this server knows something about (Client-Server API, "Relationship types"). Of the first
// three it shows a summary with the parent.
const (
	relThread     = "m.thread"
	relReplace    = "m.replace"
	relReference  = "m.reference"
	relAnnotation = "m.annotation"
)

// relation is what a child says of its parent in m.relates_to.
type relation struct {
	parent id.Event
	rel    string
	key    []byte // of an annotation: JSON, as it stands in the content
}

// relationOf reads m.relates_to out of a canonical content. ok is false where there is none with a type and an event, and
// where it could not be kept.
func relationOf(content []byte) (r relation, ok bool) {
	relates := canon.Get(content, "m.relates_to")
	if len(relates) == 0 || relates[0] != '{' {
		return r, false
	}
	parent, rel := textIn(relates, "event_id"), textIn(relates, "rel_type")
	if parent == "" || rel == "" || len(parent) > id.MaxLength || len(rel) > id.MaxLength ||
		strings.IndexByte(parent, 0) >= 0 || strings.IndexByte(rel, 0) >= 0 {
		return r, false
	}
	r = relation{parent: id.Event(parent), rel: rel}
	if rel == relAnnotation {
		r.key = canon.Get(relates, "key")
	}
	return r, true
}

// aggregated says whether a parent is shown with a summary of such children. State events are not in it.
func (r *relation) aggregated(e *event.Event) bool {
	_, isState := e.StateKey()
	return !isState && (r.rel == relThread || r.rel == relReplace || r.rel == relReference)
}

// mark is a hash that two annotations share when they say the same; nil for what is no annotation.
func (r *relation) mark(sender id.User, typ string) []byte {
	if r.rel != relAnnotation || r.key == nil {
		return nil
	}
	h := sha256.New()
	for _, s := range [][]byte{[]byte(r.parent), []byte(sender), []byte(typ), r.key} {
		h.Write(s)
		h.Write([]byte{0})
	}
	return h.Sum(nil)[:16]
}

const (
	sqlAddRelation = `INSERT INTO relation (event, room, parent, rel, type, sender, depth, pos, mark)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	sqlAddChild = `INSERT INTO parent (event_id, rel, room, children, depth, pos) VALUES ($1, $2, $3, 1, $4, $5)
		ON CONFLICT (event_id, rel, room) DO UPDATE SET children = parent.children + 1,
			pos = CASE WHEN excluded.depth >= parent.depth THEN excluded.pos ELSE parent.pos END,
			depth = CASE WHEN excluded.depth >= parent.depth THEN excluded.depth ELSE parent.depth END`
	sqlMarked      = `SELECT count(*) FROM relation WHERE mark = $1`
	sqlUnrelate    = `DELETE FROM relation WHERE event = $1`
	sqlNewestChild = `SELECT depth, pos FROM relation WHERE parent = $1 AND rel = $2 AND room = $3 ORDER BY depth DESC, pos DESC LIMIT 1`
	sqlLoseChild   = `UPDATE parent SET children = children - 1, depth = $4, pos = $5 WHERE event_id = $1 AND rel = $2 AND room = $3`
	sqlChildless   = `DELETE FROM parent WHERE event_id = $1 AND rel = $2 AND room = $3`
	sqlRelated     = `SELECT nid FROM room WHERE related`
)

var errDuplicate = fault.New(fault.DuplicateAnnotation, "You have said exactly that of this event before")

// relate writes down what a new event says of another. An annotation that says what is said already is refused: of those
// that were sent at the same moment, one is left.
func (p *planned) relate(tx *sqldb.Tx, room NID, pos sqldb.Pos) error {
	e := p.event
	r, ok := relationOf(e.Content())
	if !ok {
		return nil
	}
	if p.once != nil {
		var n int
		if err := tx.Row(sqlMarked, p.once).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return errDuplicate
		}
	}
	err := tx.Put(sqlAddRelation, p.nid, room, r.parent, r.rel, e.Type(), e.Sender(), e.Depth(), pos,
		r.mark(e.Sender(), e.Type()))
	if err != nil || !r.aggregated(e) {
		return err
	}
	return tx.Put(sqlAddChild, r.parent, r.rel, room, e.Depth(), pos)
}

// unrelate takes a child that is redacted away from its parent.
func unrelate(tx *sqldb.Tx, child *Stored) error {
	r, ok := relationOf(child.Event.Content())
	if !ok {
		return nil
	}
	n, err := tx.Exec(sqlUnrelate, child.NID)
	if err != nil || n == 0 || !r.aggregated(child.Event) {
		return err
	}
	var depth, pos int64
	err = tx.Row(sqlNewestChild, r.parent, r.rel, child.Room).Scan(&depth, &pos)
	if errors.Is(err, sql.ErrNoRows) {
		return tx.Put(sqlChildless, r.parent, r.rel, child.Room)
	}
	if err != nil {
		return err
	}
	return tx.Put(sqlLoseChild, r.parent, r.rel, child.Room, depth, pos)
}

// checkRelation refuses what the server is asked to refuse of a local user's event: an annotation that she has made before
// ("Avoiding duplicate annotations"), and a thread on what is itself a child ("Validation of m.thread relationships"). For
// an annotation it gives the mark to look for again when it is written. Errors: M_DUPLICATE_ANNOTATION, M_UNKNOWN.
func (r *Rooms) checkRelation(ctx context.Context, h *head, sender id.User, d *Draft, t txn) (mark []byte, err error) {
	if !bytes.Contains(d.Content, []byte(`"m.relates_to"`)) {
		return nil, nil
	}
	content, err := canon.Canonical(d.Content, canon.Lenient)
	if err != nil {
		return nil, nil //nolint:nilerr // building the event says it better
	}
	rel, ok := relationOf(content)
	mark = rel.mark(sender, d.Type)
	if !ok || mark == nil && rel.rel != relThread {
		return nil, nil
	}
	if err := r.need(ctx, h, memberKey(sender)); err != nil || h.state.Membership(sender) != authrule.Join {
		return nil, err // who is not in the room is told that, and nothing of its events
	}
	return mark, r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		if mark != nil {
			return checkOnce(tx, mark, t)
		}
		root, err := r.Shown(tx, rel.parent)
		if err != nil || root == nil || root.Room != h.nid {
			return err
		}
		if _, child := relationOf(root.Event.Content()); child {
			return fault.New(fault.Unknown, "A thread cannot begin at an event that relates to another").WithStatus(400)
		}
		return nil
	})
}

func checkOnce(tx *sqldb.Tx, mark []byte, t txn) error {
	var n int
	if err := tx.Row(sqlMarked, mark).Scan(&n); err != nil || n == 0 {
		return err
	}
	if t.id != "" {
		var sent id.Event
		err := tx.Row(sqlEventByTxn, t.hash[:]).Scan(&sent)
		if err == nil {
			return errSent // the same request, once more
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return errDuplicate
}

// relatedRooms knows the rooms in which any event has children to sum up, so that the others are not asked.
//
// limit: which rooms have relations, in memory | some 40 bytes for each such room on disk | as large as the disk has rooms
type relatedRooms struct {
	mu     sync.Mutex // guards the rest
	rooms  map[NID]bool
	loaded bool // those of before the start are in it
}

// note is called before the commit that makes it so.
func (rr *relatedRooms) note(room NID) {
	rr.mu.Lock()
	defer rr.mu.Unlock()
	if rr.rooms == nil {
		rr.rooms = map[NID]bool{}
	}
	rr.rooms[room] = true
}

func (rr *relatedRooms) has(tx *sqldb.Tx, room NID) (bool, error) {
	rr.mu.Lock()
	defer rr.mu.Unlock()
	if !rr.loaded && !rr.rooms[room] {
		rooms, err := sqldb.Column[NID](tx, sqlRelated)
		if err != nil {
			return false, err
		}
		if rr.rooms == nil {
			rr.rooms = make(map[NID]bool, len(rooms))
		}
		for _, n := range rooms {
			rr.rooms[n] = true
		}
		rr.loaded = true
	}
	return rr.rooms[room], nil
}

// summedUp says whether any of the events is part of a summary.
func summedUp(events []*planned) bool {
	for _, p := range events {
		if r, ok := relationOf(p.event.Content()); ok && r.aggregated(p.event) {
			return true
		}
	}
	return false
}
