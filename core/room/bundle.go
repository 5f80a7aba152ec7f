package room

import (
	"encoding/json"
	"math"
	"strconv"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// Bundled aggregations: what unsigned."m.relations" says of an event's children (Client-Server API, "Aggregations of child
// events"). The children that the viewer may not see, and those of users she ignores, are left out of what is shown of them;
// the count of a thread is that of the table parent where nobody is ignored and nothing lies beyond what she may see, so it
// may count replies from before she came.

const (
	sqlSums    = `SELECT event_id, rel, children FROM parent WHERE event_id IN ({list $1}) AND room = $2`
	sqlReplies = `SELECT event FROM relation WHERE parent = $1 AND rel = 'm.thread' AND room = $2 AND pos <= $3
		AND sender NOT IN ({list $4}) ORDER BY depth DESC, pos DESC LIMIT $5`
	sqlCountReplies = `SELECT count(*) FROM relation WHERE parent = $1 AND rel = 'm.thread' AND room = $2 AND pos <= $3
		AND sender NOT IN ({list $4})`
	sqlSpoke = `SELECT count(*) FROM relation WHERE parent = $1 AND rel = 'm.thread' AND sender = $2 AND room = $3`
	// Of very many edits the last to arrive are looked at; among those the timestamp decides, as it does for clients.
	sqlEdits = `SELECT e.nid FROM event e WHERE e.nid IN (SELECT c.event FROM relation c
			WHERE c.parent = $1 AND c.rel = 'm.replace' AND c.room = $2 AND c.sender = $3 AND c.type = $4 AND c.pos <= $5
			ORDER BY c.depth DESC, c.pos DESC LIMIT $6)
		ORDER BY e.ts DESC, e.event_id DESC`
	sqlReferences = `SELECT event FROM relation WHERE parent = $1 AND rel = 'm.reference' AND room = $2 AND pos <= $3
		AND sender NOT IN ({list $4}) ORDER BY depth, pos LIMIT $5`
)

// The bounds of what is read for one parent.
const (
	maxEdits      = 50
	maxReferences = 200
	maxHidden     = 20 // replies that are passed over in search of one to show
)

// bundler makes the aggregations of one page.
type bundler struct {
	r       *Rooms
	tx      *sqldb.Tx
	v       *Viewer
	form    Form
	bound   sqldb.Pos
	ignored []id.User
}

// bundles makes unsigned."m.relations" for those of the events that have children.
func (r *Rooms) bundles(tx *sqldb.Tx, events []*Stored, form Form) (map[NID][]byte, error) {
	if !form.Bundle || form.Viewer == nil || len(events) == 0 {
		return nil, nil
	}
	ids := make([]id.Event, 0, len(events))
	for _, s := range events {
		if _, isState := s.Event.StateKey(); !isState {
			ids = append(ids, s.Event.ID())
		}
	}
	if tx.Peeking() && r.tails.childless(ids) {
		return nil, nil
	}
	if any, err := r.parents.has(tx, form.Viewer.Room); err != nil || !any {
		return nil, err
	}
	sums, err := sums(tx, ids, form.Viewer.Room)
	if err != nil || len(sums) == 0 {
		return nil, err
	}
	b, err := r.bundler(tx, form)
	if err != nil {
		return nil, err
	}
	out := make(map[NID][]byte, len(sums))
	for _, s := range events {
		of := sums[s.Event.ID()]
		if _, done := out[s.NID]; of == nil || done {
			continue
		}
		bundle, err := b.bundle(s, of)
		if err != nil {
			return nil, err
		}
		if bundle != nil {
			out[s.NID] = bundle
		}
	}
	return out, nil
}

// sums counts the children of events by type of relation.
func sums(tx *sqldb.Tx, ids []id.Event, room NID) (map[id.Event]map[string]int, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(sqlSums, sqldb.List(ids), room)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var sums map[id.Event]map[string]int
	for rows.Next() {
		var parent id.Event
		var rel string
		var n int
		if err := rows.Scan(&parent, &rel, &n); err != nil {
			return nil, err
		}
		if sums == nil {
			sums = map[id.Event]map[string]int{}
		}
		if sums[parent] == nil {
			sums[parent] = map[string]int{}
		}
		sums[parent][rel] = n
	}
	return sums, rows.Err()
}

func (r *Rooms) bundler(tx *sqldb.Tx, form Form) (*bundler, error) {
	b := &bundler{r: r, tx: tx, v: form.Viewer, form: form}
	for user := range form.Ignored {
		b.ignored = append(b.ignored, user)
	}
	var err error
	b.bound, err = form.Viewer.Bound(math.MaxInt64)
	return b, err
}

// bundle is the aggregations of one event; nil when nothing of them is left to show.
func (b *bundler) bundle(s *Stored, of map[string]int) ([]byte, error) {
	var out []byte
	for _, part := range []struct {
		rel  string
		make func(*Stored, int) ([]byte, error)
	}{{relReference, b.references}, {relReplace, b.edit}, {relThread, b.thread}} {
		if of[part.rel] == 0 || part.rel == relThread && b.form.nested {
			continue
		}
		value, err := part.make(s, of[part.rel])
		if err != nil {
			return nil, err
		}
		if value == nil {
			continue
		}
		if out == nil {
			out = append(out, '{')
		} else {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), part.rel...), `":`...)
		out = append(out, value...)
	}
	if out == nil {
		return nil, nil
	}
	return append(out, '}'), nil
}

// references lists the children ("Server-side aggregation of m.reference").
func (b *bundler) references(s *Stored, _ int) ([]byte, error) {
	children, err := b.children(sqlReferences, s.Event.ID(), b.v.Room, b.bound, sqldb.List(b.ignored), maxReferences)
	if err != nil || len(children) == 0 {
		return nil, err
	}
	out := []byte(`{"chunk":[`)
	for i, c := range children {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(canon.AppendString(append(out, `{"event_id":`...), c.Event.ID()), '}')
	}
	return append(out, `]}`...), nil
}

// edit shows the newest valid replacement ("Validity of replacement events").
func (b *bundler) edit(s *Stored, _ int) ([]byte, error) {
	own, _ := relationOf(s.Event.Content())
	if s.RedactedBy != 0 || own.rel == relReplace || b.form.Ignored[s.Event.Sender()] {
		return nil, nil
	}
	edits, err := b.children(sqlEdits, s.Event.ID(), b.v.Room, s.Event.Sender(), s.Event.Type(), b.bound, maxEdits)
	if err != nil {
		return nil, err
	}
	for _, e := range edits {
		_, isState := e.Event.StateKey()
		if isState || e.Event.Type() != "m.room.encrypted" && canon.Get(e.Event.Content(), "m.new_content") == nil {
			continue
		}
		form := b.form
		form.Bundle = false
		return b.render(e, form)
	}
	return nil, nil
}

// thread sums a thread up ("Server-side aggregation of m.thread relationships").
func (b *bundler) thread(s *Stored, n int) ([]byte, error) {
	newest, err := b.newestReply(s.Event.ID())
	if err != nil || newest == nil {
		return nil, err
	}
	if len(b.ignored) > 0 || b.bound != math.MaxInt64 {
		err := b.tx.Row(sqlCountReplies, s.Event.ID(), b.v.Room, b.bound, sqldb.List(b.ignored)).Scan(&n)
		if err != nil {
			return nil, err
		}
	}
	spoke := s.Event.Sender() == b.v.user
	if !spoke {
		if spoke, err = b.v.spokeIn(s.Event.ID()); err != nil {
			return nil, err
		}
	}
	form := b.form
	form.nested = true
	latest, err := b.render(newest, form)
	if err != nil {
		return nil, err
	}
	out := strconv.AppendInt([]byte(`{"count":`), int64(n), 10)
	out = strconv.AppendBool(append(out, `,"current_user_participated":`...), spoke)
	return append(append(append(out, `,"latest_event":`...), latest...), '}'), nil
}

// newestReply is the last reply in a thread that the viewer is shown; nil when there is none.
func (b *bundler) newestReply(root id.Event) (*Stored, error) {
	replies, err := b.children(sqlReplies, root, b.v.Room, b.bound, sqldb.List(b.ignored), maxHidden)
	if err != nil || len(replies) == 0 {
		return nil, err
	}
	return replies[0], nil
}

// spokeIn says whether the viewer has sent a reply in a thread.
func (v *Viewer) spokeIn(root id.Event) (bool, error) {
	var n int
	err := v.tx.Row(sqlSpoke, root, v.user, v.Room).Scan(&n)
	return n > 0, err
}

// children reads those events of a query for their numbers that the viewer may see.
func (b *bundler) children(query string, args ...any) ([]*Stored, error) {
	nids, err := sqldb.Column[NID](b.tx, query, args...)
	if err != nil || len(nids) == 0 {
		return nil, err
	}
	events, err := b.r.LoadAll(b.tx, nids)
	if err != nil {
		return nil, err
	}
	seen := events[:0]
	for _, e := range events {
		ok, err := b.v.Sees(e)
		if err != nil {
			return nil, err
		}
		if ok && e.RedactedBy == 0 {
			seen = append(seen, e)
		}
	}
	return seen, nil
}

func (b *bundler) render(s *Stored, form Form) (json.RawMessage, error) {
	shown, err := b.r.Render(b.tx, []*Stored{s}, form)
	if err != nil {
		return nil, err
	}
	return shown[0], nil
}

// emptied is an event in the form it has once it is redacted.
func emptied(s *Stored) (*Stored, error) {
	pruned, err := s.Event.Redact()
	if err != nil {
		return nil, err
	}
	c := *s
	c.Event = pruned
	return &c, nil
}
