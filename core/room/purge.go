package room

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Purge says which of a room's history goes: what lies before an event, or what is older than a time. What a room cannot do
// without stays: its state, of every moment; the redactions that emptied some of it; the newest event and those that the next
// one will follow. So every event that is left can be authorised and shown as before.
type Purge struct {
	Room  id.Room
	Event id.Event `json:",omitempty"` // what lies before it, in topological order, goes; it stays itself
	Older int64    // or what its sender's server dated before this time, in milliseconds since 1970
	Local bool     // also what users of this server sent, of which no other server may have a copy
}

// Purged is what a purge has removed so far, or would.
type Purged struct {
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"` // of the events themselves
	Kept   int64 `json:"kept"`  // events in the same stretch that have to stay
}

// purgeBatch is how many events are looked at in one transaction: others wait for the disk behind it.
const purgeBatch = 200

const (
	sqlPurgeBefore = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND (e.depth < $2 OR (e.depth = $2 AND e.pos < $3)) AND (e.depth > $4 OR (e.depth = $4 AND e.pos > $5))
		ORDER BY e.depth, e.pos LIMIT $6`
	sqlPurgeOlder = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND e.ts < $2 AND (e.ts > $3 OR (e.ts = $3 AND e.pos > $4)) ORDER BY e.ts, e.pos LIMIT $5`
	sqlEdges        = `SELECT nid, head, extremities FROM room WHERE room_id = $1`
	sqlDropEvents   = `DELETE FROM event WHERE nid IN ({ints $1})`
	sqlDropReferred = `DELETE FROM reference WHERE event IN ({ints $1})`
	sqlDropParents  = `DELETE FROM parent WHERE event_id IN ({list $1}) AND room = $2`
)

// purge is one that goes on.
type purge struct {
	Purge
	room     NID
	head     NID
	edges    []id.Event
	depth    int64 // of Event
	pos      sqldb.Pos
	afterKey int64 // depth or time of the last event that was looked at
	afterPos sqldb.Pos
}

// CheckPurge says why a purge cannot be. Errors: M_NOT_FOUND, M_MISSING_PARAM, M_INVALID_PARAM.
func (r *Rooms) CheckPurge(ctx context.Context, p Purge) error {
	return r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		_, err := r.beginPurge(tx, p)
		return err
	})
}

func (r *Rooms) beginPurge(tx *sqldb.Tx, p Purge) (*purge, error) {
	g := &purge{Purge: p, afterKey: math.MinInt64}
	if err := g.readEdges(tx); err != nil {
		return nil, err
	}
	switch {
	case p.Event == "" && p.Older <= 0:
		return nil, fault.New(fault.MissingParam, "Say up to which event or time the history goes")
	case p.Event == "":
		return g, nil
	}
	s, err := r.Shown(tx, p.Event)
	if err != nil {
		return nil, err
	}
	if s == nil || s.Room != g.room {
		return nil, fault.New(fault.NotFound, "The room has no such event")
	}
	g.depth, g.pos = s.Depth, s.Pos
	return g, nil
}

// readEdges reads what must stay whatever happens, as it is now.
func (g *purge) readEdges(tx *sqldb.Tx) error {
	var edges []byte
	err := tx.Row(sqlEdges, g.Room).Scan(&g.room, &g.head, &edges)
	if errors.Is(err, sql.ErrNoRows) {
		return errUnknownRoom
	}
	g.edges = nil
	return errors.Join(err, json.Unmarshal(edges, &g.edges))
}

// next reads the next stretch of what may go.
func (g *purge) next(tx *sqldb.Tx) ([]*Stored, error) {
	if g.Event != "" {
		return sqldb.All(tx, new(storedReader).scan, sqlPurgeBefore, g.room, g.depth, g.pos, g.afterKey, g.afterPos, purgeBatch)
	}
	return sqldb.All(tx, new(storedReader).scan, sqlPurgeOlder, g.room, g.Older, g.afterKey, g.afterPos, purgeBatch)
}

func (g *purge) pass(s *Stored) {
	g.afterKey, g.afterPos = s.Event.Timestamp(), s.Pos
	if g.Event != "" {
		g.afterKey = s.Depth
	}
}

// goes says whether an event of the stretch is one that is removed.
func (r *Rooms) goes(tx *sqldb.Tx, g *purge, s *Stored) (bool, error) {
	if _, state := s.Event.StateKey(); state || s.NID == g.head || slices.Contains(g.edges, s.Event.ID()) {
		return false, nil
	}
	if !g.Local && s.Event.Sender().Server() == r.Server {
		return false, nil
	}
	target := s.Event.Redacts()
	if s.Event.Type() != "m.room.redaction" || target == "" {
		return true, nil
	}
	old, err := r.ByID(tx, target)
	if err != nil || old == nil || old.RedactedBy != s.NID {
		return true, err
	}
	_, state := old.Event.StateKey()
	return !state, nil
}

// Purge removes history, or with rehearse only says what would go. also removes what other packages have of the events, in
// the same transactions; progress is told after each of them how far it has come. What is done stays done when it is
// ended: it may be begun again. Errors: those of CheckPurge.
func (r *Rooms) Purge(ctx context.Context, p Purge, rehearse bool, also func(*sqldb.Tx, []NID) error, progress func(Purged) error) (sum Purged, err error) {
	var g *purge
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		g, err = r.beginPurge(tx, p)
		return err
	})
	for err == nil {
		var looked int
		looked, err = r.purgeSome(ctx, g, rehearse, also, &sum)
		if err != nil {
			break
		}
		if err = progress(sum); looked < purgeBatch {
			break
		}
	}
	return sum, err
}

// purgeSome deals with one stretch, and says how many events it had.
func (r *Rooms) purgeSome(ctx context.Context, g *purge, rehearse bool, also func(*sqldb.Tx, []NID) error, sum *Purged) (looked int, err error) {
	var gone []*Stored
	var last *Stored
	look := func(tx *sqldb.Tx) error {
		gone, last = nil, nil
		if err := g.readEdges(tx); err != nil {
			return err
		}
		events, err := g.next(tx)
		if err != nil {
			return err
		}
		looked = len(events)
		for _, s := range events {
			ok, err := r.goes(tx, g, s)
			if err != nil {
				return err
			}
			if ok {
				gone = append(gone, s)
			}
			last = s
		}
		return nil
	}
	if rehearse {
		err = r.DB.Read(ctx, look)
	} else {
		err = r.DB.SubmitThen(1, func(tx *sqldb.Tx) error {
			if err := look(tx); err != nil || len(gone) == 0 {
				return err
			}
			return r.dropEvents(tx, g.room, gone, also)
		}, func(error) { r.unlearn(g.room, gone) }).Wait(context.WithoutCancel(ctx))
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	for _, s := range gone {
		sum.Events++
		sum.Bytes += int64(len(s.Event.Bytes()))
	}
	sum.Kept += int64(looked - len(gone))
	if last != nil {
		g.pass(last)
	}
	return looked, nil
}

// dropEvents removes events with what is known of their relations.
func (r *Rooms) dropEvents(tx *sqldb.Tx, room NID, gone []*Stored, also func(*sqldb.Tx, []NID) error) error {
	nids, ids := make([]NID, len(gone)), make([]id.Event, len(gone))
	for i, s := range gone {
		if err := unrelate(tx, s); err != nil {
			return fmt.Errorf("take an event from what it refers to: %w", err)
		}
		nids[i], ids[i] = s.NID, s.Event.ID()
	}
	if _, err := tx.Exec(sqlDropParents, sqldb.List(ids), room); err != nil {
		return fmt.Errorf("forget the sums of events: %w", err)
	}
	for _, q := range []string{sqlDropReferred, sqlDropEvents} {
		if _, err := tx.Exec(q, sqldb.List(nids)); err != nil {
			return fmt.Errorf("remove events: %w", err)
		}
	}
	return also(tx, nids)
}

// unlearn takes events out of memory that have been removed, or may have been.
func (r *Rooms) unlearn(room NID, gone []*Stored) {
	if len(gone) == 0 {
		return
	}
	r.tails.drop(room)
	for _, s := range gone {
		r.events.drop(s.NID)
		r.names.drop(s.Event.ID())
	}
}

// Removal takes a room off this server, with everything in it: first the room itself, which nobody finds from then on, and
// then, batch by batch, what it was made of.
type Removal struct {
	Room  NID       // 0 when there is no such room
	Users []id.User // of this server, who had to do with it
}

const (
	sqlHadToDo       = `SELECT user_id FROM membership WHERE room = $1`
	sqlDropRoom      = `DELETE FROM room WHERE nid = $1`
	sqlDropMembers   = `DELETE FROM membership WHERE room = $1`
	sqlDropRelations = `DELETE FROM relation WHERE room = $1`
	sqlDropSums      = `DELETE FROM parent WHERE room = $1`
	sqlDropEarly     = `DELETE FROM early_redaction WHERE room = $1`
	sqlDropAsides    = `DELETE FROM event_aside WHERE nid IN ({ints $1})`
	sqlLeftOver      = `SELECT nid, event_id, state, own FROM event WHERE room = $1
		UNION ALL SELECT nid, event_id, NULL, own FROM event_aside WHERE room = $1 LIMIT $2`
	sqlDropNode = `DELETE FROM state_node WHERE address = $1 RETURNING body`
)

// Remove takes the room away from everybody, in one transaction, whoever is in it. also removes what other packages have of
// it, and writes down what is still to be done: Sweep does it. Errors: M_NOT_FOUND.
func (r *Rooms) Remove(ctx context.Context, room id.Room, also func(*sqldb.Tx, Removal) error) (x Removal, err error) {
	unlock, err := r.lanes.Lock(ctx, room)
	if err != nil {
		return x, err
	}
	defer unlock()
	err = r.DB.SubmitThen(1, func(tx *sqldb.Tx) error {
		x = Removal{}
		var head NID
		var edges []byte
		err := tx.Row(sqlEdges, room).Scan(&x.Room, &head, &edges)
		if errors.Is(err, sql.ErrNoRows) {
			return errUnknownRoom
		}
		if err != nil {
			return err
		}
		if x.Users, err = sqldb.Column[id.User](tx, sqlHadToDo, x.Room); err != nil {
			return err
		}
		for _, u := range x.Users {
			r.owns.written.Note(u, tx.Pos()) // what is in memory of her rooms is out of date
		}
		x.Users = slices.DeleteFunc(x.Users, func(u id.User) bool { return u.Server() != r.Server })
		for _, q := range []string{sqlDropRoom, sqlDropMembers, sqlDropRelations, sqlDropSums, sqlDropOutside, sqlDropEarly, sqlDropFollowed, sqlEndPartial} {
			if _, err := tx.Exec(q, x.Room); err != nil {
				return fmt.Errorf("remove a room: %w", err)
			}
		}
		return also(tx, x)
	}, func(error) {
		r.tails.drop(x.Room)
		for _, u := range x.Users {
			r.owns.drop(u)
		}
	}).Wait(context.WithoutCancel(ctx))
	if h := r.heads.get(room); h != nil {
		r.heads.drop(h)
	}
	return x, err
}

// Sweep removes what is left of a room that has been removed, a batch at a time, and says how many events that were; more,
// whether there is more. also is as with Purge.
func (r *Rooms) Sweep(ctx context.Context, room NID, also func(*sqldb.Tx, []NID) error) (events int64, more bool, err error) {
	type rest struct {
		nid   NID
		event id.Event
		roots []pmap.Root
	}
	var left []rest
	err = r.DB.SubmitThen(1, func(tx *sqldb.Tx) error {
		left, err = sqldb.All(tx, func(row sqldb.Scanner) (x rest, err error) {
			var root, own []byte
			err = row.Scan(&x.nid, &x.event, &root, &own)
			if len(root) > 0 {
				x.roots = append(x.roots, pmap.Root(root))
			}
			if s := spanOf(own); s != nil {
				x.roots = append(x.roots, s.before, s.after)
			}
			return x, err
		}, sqlLeftOver, room, purgeBatch)
		if err != nil || len(left) == 0 {
			return err
		}
		nids := make([]NID, len(left))
		for i, x := range left {
			nids[i] = x.nid
			for _, root := range x.roots {
				if err := dropState(tx, root); err != nil {
					return fmt.Errorf("remove the state of a room: %w", err)
				}
			}
		}
		for _, q := range []string{sqlDropReferred, sqlDropEvents, sqlDropAsides} {
			if _, err := tx.Exec(q, sqldb.List(nids)); err != nil {
				return fmt.Errorf("remove events: %w", err)
			}
		}
		return also(tx, nids)
	}, func(error) {
		for _, x := range left {
			r.events.drop(x.nid)
			r.names.drop(x.event)
		}
	}).Wait(context.WithoutCancel(ctx))
	return int64(len(left)), len(left) == purgeBatch, err
}

// dropState removes the nodes of a state. They are this room's alone, as they name its events; those that another of its
// states had in common are gone already, with all that lies below them.
func dropState(tx *sqldb.Tx, root pmap.Root) error {
	bodies := map[pmap.Root][]byte{}
	load := func(address pmap.Root) ([]byte, error) {
		body := bodies[address]
		delete(bodies, address)
		return body, nil
	}
	return pmap.Visit(load, root, func(address pmap.Root) (bool, error) {
		var body []byte
		err := tx.Row(sqlDropNode, address[:]).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		bodies[address] = body
		return true, err
	})
}
