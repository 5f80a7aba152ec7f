// Package crash ends the server at random moments, and damages what it leaves on disk, and looks whether everything that
// was acknowledged is there and everything that is there belongs together.
package crash

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Check reads every room of a database and says what does not belong together: events that are not whole or lack their
// predecessors, a depth, a state or a transaction that does not follow from the events before, a head that is not the
// newest event, memberships that are not those of the state. It computes all of it anew from the events. It holds for
// rooms whose events all come from this server, which are a chain.
func Check(ctx context.Context, db *sqldb.DB) (problems []string, err error) {
	err = db.Read(ctx, func(tx *sqldb.Tx) error {
		c := &checker{tx: tx, keys: map[stateKey]uint64{}, nodes: map[pmap.Root][]byte{}}
		if err := c.prepare(); err != nil {
			return err
		}
		rooms, err := c.rooms()
		if err != nil {
			return err
		}
		for _, r := range rooms {
			if err := c.room(r); err != nil {
				return fmt.Errorf("room %s: %w", r.id, err)
			}
		}
		problems = c.problems
		return nil
	})
	return problems, err
}

type stateKey struct{ typ, key string }

type checker struct {
	tx       *sqldb.Tx
	keys     map[stateKey]uint64
	nodes    map[pmap.Root][]byte // of the stored state trees
	high     sqldb.Pos
	nextNID  int64
	problems []string
}

func (c *checker) found(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// prepare reads what all rooms share.
func (c *checker) prepare() (err error) {
	if c.high, err = c.tx.High(); err != nil {
		return err
	}
	if err := c.tx.Row(`SELECT next FROM nid_block`).Scan(&c.nextNID); err != nil {
		return err
	}
	err = c.each(`SELECT nid, type, state_key FROM state_key`, func(rows *sql.Rows) error {
		var nid uint64
		var k stateKey
		err := rows.Scan(&nid, &k.typ, &k.key)
		c.keys[k] = nid
		return err
	})
	if err != nil {
		return err
	}
	err = c.each(`SELECT address, body FROM state_node`, func(rows *sql.Rows) error {
		var address, body []byte
		err := rows.Scan(&address, &body)
		c.nodes[pmap.Root(address)] = body
		return err
	})
	if err != nil {
		return err
	}
	var homeless int
	err = c.tx.Row(`SELECT COUNT(*) FROM event WHERE room NOT IN (SELECT nid FROM room)`).Scan(&homeless)
	if homeless > 0 {
		c.found("%d events are in no room", homeless)
	}
	return err
}

func (c *checker) each(q string, scan func(rows *sql.Rows) error, args ...any) error {
	rows, err := c.tx.Query(q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// roomRow is a row of the table of rooms.
type roomRow struct {
	nid         int64
	id          id.Room
	version     string
	head        int64
	headPos     sqldb.Pos
	depth       int64
	extremities []byte
	state       []byte
}

func (c *checker) rooms() (rooms []roomRow, err error) {
	err = c.each(`SELECT nid, room_id, version, head, head_pos, depth, extremities, state FROM room`, func(rows *sql.Rows) error {
		var r roomRow
		err := rows.Scan(&r.nid, &r.id, &r.version, &r.head, &r.headPos, &r.depth, &r.extremities, &r.state)
		rooms = append(rooms, r)
		return err
	})
	return rooms, err
}

// eventRow is a row of the table of events.
type eventRow struct {
	nid      int64
	pos      sqldb.Pos
	depth    int64
	id       id.Event
	state    []byte
	replaces sql.NullInt64
	redacted sql.NullInt64
	json     []byte
}

func (c *checker) events(room int64) (events []eventRow, err error) {
	err = c.each(`SELECT nid, pos, depth, event_id, state, replaces, redacted_by, json FROM event WHERE room = $1 ORDER BY pos`,
		func(rows *sql.Rows) error {
			var e eventRow
			err := rows.Scan(&e.nid, &e.pos, &e.depth, &e.id, &e.state, &e.replaces, &e.redacted, &e.json)
			events = append(events, e)
			return err
		}, room)
	return events, err
}

// member is a row of the table of memberships.
type member struct {
	membership string
	event      int64
	pos        sqldb.Pos
	sender     id.User
}

// replay is a room computed anew from its events.
type replay struct {
	depths  map[id.Event]int64
	edges   map[id.Event]bool
	root    pmap.Root
	nodes   map[pmap.Root][]byte
	members map[id.User]member
}

func (c *checker) room(row roomRow) error {
	v, ok := version.Lookup(row.version)
	if !ok {
		return fmt.Errorf("unknown version %q", row.version)
	}
	events, err := c.events(row.nid)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		c.found("%s has no events", row.id)
		return nil
	}
	r := &replay{
		depths: map[id.Event]int64{}, edges: map[id.Event]bool{}, nodes: map[pmap.Root][]byte{}, members: map[id.User]member{},
	}
	for i := range events {
		if err := c.event(v, row, r, &events[i]); err != nil {
			return fmt.Errorf("event %s: %w", events[i].id, err)
		}
	}
	return c.head(row, r, &events[len(events)-1])
}

// event looks at one event after those before it, and takes it into the replay.
func (c *checker) event(v *version.Version, room roomRow, r *replay, row *eventRow) error {
	where := fmt.Sprintf("%s in %s", row.id, room.id)
	e, err := event.Parse(v, row.json)
	if err != nil {
		c.found("%s is not an event: %v", where, err)
		return nil
	}
	if e.ID() != row.id || e.Room() != room.id || e.Depth() != row.depth {
		c.found("%s: its row says depth %d, its bytes %s in %s at depth %d", where, row.depth, e.ID(), e.Room(), e.Depth())
	}
	if e.Redacted() && !row.redacted.Valid {
		c.found("%s is not what was hashed", where)
	}
	if row.pos > c.high || row.nid >= c.nextNID {
		c.found("%s at %d with number %d is beyond the end: %d, %d", where, row.pos, row.nid, c.high, c.nextNID)
	}
	depth := int64(0)
	for _, prev := range e.Prev() {
		d, ok := r.depths[prev]
		if !ok {
			c.found("%s comes after %s, which does not come before it", where, prev)
		}
		depth = max(depth, d)
		delete(r.edges, prev)
	}
	for _, auth := range e.Auth() {
		if _, ok := r.depths[auth]; !ok {
			c.found("%s is allowed by %s, which does not come before it", where, auth)
		}
	}
	if e.Depth() != depth+1 {
		c.found("%s has depth %d, want %d", where, e.Depth(), depth+1)
	}
	r.depths[row.id], r.edges[row.id] = e.Depth(), true
	return c.state(where, r, e, row)
}

// state computes the room's state after the event, and compares.
func (c *checker) state(where string, r *replay, e *event.Event, row *eventRow) error {
	if key, ok := e.StateKey(); ok {
		k := c.keys[stateKey{e.Type(), key}]
		if k == 0 {
			c.found("%s: the state key %s %q has no number", where, e.Type(), key)
			return nil
		}
		load := func(at pmap.Root) ([]byte, error) {
			if body, ok := r.nodes[at]; ok {
				return body, nil
			}
			return nil, errors.New("is not there")
		}
		old, _, err := pmap.Get(load, r.root, k)
		if err != nil {
			return err
		}
		if int64(old) != row.replaces.Int64 {
			c.found("%s replaces %d, want %d", where, row.replaces.Int64, old)
		}
		root, nodes, err := pmap.Set(load, r.root, []pmap.Change{{Key: k, Value: uint64(row.nid)}})
		if err != nil {
			return err
		}
		for _, n := range nodes {
			r.nodes[n.Address] = n.Body
			if c.nodes[n.Address] == nil {
				c.found("%s: a node of the state after it is missing", where)
			}
		}
		r.root = root
		if e.Type() == "m.room.member" {
			var content struct{ Membership string }
			if err := json.Unmarshal(e.Content(), &content); err != nil {
				return err
			}
			r.members[id.User(key)] = member{content.Membership, row.nid, row.pos, e.Sender()}
		}
	}
	if pmap.Root(row.state) != r.root {
		c.found("%s: the state after it is not what its events make", where)
	}
	return nil
}

// head compares the room's row and its memberships with the replay.
func (c *checker) head(row roomRow, r *replay, last *eventRow) error {
	if row.head != last.nid || row.headPos != last.pos || row.depth != last.depth || pmap.Root(row.state) != r.root {
		c.found("%s: the head is event %d at %d, depth %d; the newest event is %d at %d, depth %d, state equal: %v", row.id,
			row.head, row.headPos, row.depth, last.nid, last.pos, last.depth, pmap.Root(row.state) == r.root)
	}
	var extremities []id.Event
	if err := json.Unmarshal(row.extremities, &extremities); err != nil {
		return err
	}
	if want := slices.Collect(maps.Keys(r.edges)); len(want) != 1 || !slices.Equal(extremities, want) {
		c.found("%s: the forward extremities are %v, want %v and only one", row.id, extremities, want)
	}
	stored := map[id.User]member{}
	err := c.each(`SELECT user_id, membership, event, pos, sender FROM membership WHERE room = $1`, func(rows *sql.Rows) error {
		var user id.User
		var m member
		err := rows.Scan(&user, &m.membership, &m.event, &m.pos, &m.sender)
		stored[user] = m
		return err
	}, row.nid)
	if err == nil && !maps.Equal(stored, r.members) {
		c.found("%s: the memberships are %v, those of its state %v", row.id, stored, r.members)
	}
	return err
}
