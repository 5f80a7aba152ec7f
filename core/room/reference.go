package room

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/visible"
)

// Threading by reference: events that answer others by content."m.relationship", to any depth (MSC2836). Of a chain that
// leads into another room only what is in the room is shown.

// The bounds of one walk, and what is told of one event.
const (
	maxReferred = 100  // events in an answer
	maxWalked   = 1000 // events that are looked at, and that wait for it
	maxBreadth  = 200  // of those that answer one event
	// limit: children of an event that children_hash is made of | %d | there is no hash
	maxHashed = 5000
)

const (
	sqlAddReference = `INSERT INTO reference (event, room, parent, rel, ts) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (event) DO NOTHING`
	sqlReferred       = `SELECT parent FROM reference WHERE event = $1`
	sqlReferringFirst = `SELECT event FROM reference WHERE parent = $1 AND room = $2 ORDER BY ts, event LIMIT $3`
	sqlReferringLast  = `SELECT event FROM reference WHERE parent = $1 AND room = $2 ORDER BY ts DESC, event DESC LIMIT $3`
	sqlReferringSums  = `SELECT rel, count(*) FROM reference WHERE parent = $1 AND room = $2 GROUP BY rel`
	sqlReferringIDs   = `SELECT e.event_id FROM reference c JOIN event e ON e.nid = c.event WHERE c.parent = $1 AND c.room = $2
		ORDER BY e.event_id LIMIT $3`
)

// refer writes down what a new event refers to.
func (p *planned) refer(tx *sqldb.Tx, room NID) error {
	relates := canon.Get(p.event.Content(), "m.relationship")
	if len(relates) == 0 || relates[0] != '{' {
		return nil
	}
	parent, rel := textIn(relates, "event_id"), textIn(relates, "rel_type")
	if parent == "" || rel == "" || len(parent) > id.MaxLength || len(rel) > id.MaxLength || strings.ContainsRune(parent+rel, 0) {
		return nil
	}
	err := tx.Put(sqlAddReference, p.nid, room, parent, rel, p.event.Timestamp())
	return err
}

// ReferencesRequest asks for what an event answers, or what answers it.
type ReferencesRequest struct {
	User        id.User
	Room        id.Room // "": wherever the event is
	Event       id.Event
	Up          bool // the events that it answers, not those that answer it
	DepthFirst  bool
	OldestFirst bool
	Parent      bool // what it answers comes right after it
	Children    bool // and all that answers it after that
	Depth       int  // how far from it; negative: any
	Breadth     int  // how many that answer one event; negative: any
	Limit       int  // of events
}

// Bound sets how far and wide the walk goes; what is nil is as usual.
func (q *ReferencesRequest) Bound(depth, breadth, limit *int) {
	q.Depth, q.Breadth, q.Limit = 3, 10, 100
	for _, n := range []struct{ given, into *int }{{depth, &q.Depth}, {breadth, &q.Breadth}, {limit, &q.Limit}} {
		if n.given != nil {
			*n.into = *n.given
		}
	}
}

// References walks from an event. limited says that there are more than one answer has. children is what unsigned
// has of those of each event (Form.Children). missing are events on the way that are not here, of the room in. Errors: M_NOT_FOUND for an event that is not there or
// that the user may not see.
func (r *Rooms) References(ctx context.Context, q ReferencesRequest,
	render func(tx *sqldb.Tx, v *Viewer, found []*Stored, children map[NID][]byte, limited bool) error,
) (in id.Room, missing []id.Event, err error) {
	if in = q.Room; in == "" {
		err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
			s, err := r.ByID(tx, q.Event)
			if err == nil && s == nil {
				err = errNoEvent
			}
			if err == nil {
				in = s.Event.Room()
			}
			return err
		})
		if err != nil {
			return in, nil, err
		}
	}
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := r.Onlooker(tx, in, q.User)
		if fault.Is(err, fault.Forbidden) || err == nil && v.Standing != nil && v.Standing.Forgotten {
			err = errNoEvent
		}
		if err != nil {
			return err
		}
		w := &walk{q: &q, r: r, tx: tx, room: v.Room, sees: v.seesReferred, in: map[NID]bool{}, most: min(max(q.Limit, 1), maxReferred)}
		anchor, err := w.event(q.Event)
		if err == nil && anchor == nil {
			err = errNoEvent
		}
		if err != nil {
			missing = w.missing
			return err
		}
		if err := w.run(anchor); err != nil {
			return err
		}
		missing = w.missing
		children := make(map[NID][]byte, len(w.found))
		for _, s := range w.found {
			sums, err := r.children(tx, s)
			if err != nil {
				return err
			}
			children[s.NID] = sums
		}
		return render(tx, v, w.found, children, w.limited)
	})
	return in, missing, err
}

// References is Rooms.References for another server. Errors: M_NOT_FOUND.
func (v *Resident) References(q ReferencesRequest) (found []*Stored, limited bool, err error) {
	w := &walk{q: &q, r: v.r, tx: v.tx, room: v.Room, sees: v.sees, in: map[NID]bool{}, most: min(max(q.Limit, 1), maxReferred)}
	anchor, err := v.Event(q.Event)
	if err == nil {
		err = w.run(anchor)
	}
	return w.found, w.limited, err
}

// seesReferred is Sees, and for events that other servers gave without a place in the room, whether everybody who
// is in the room may see its past.
func (v *Viewer) seesReferred(s *Stored) (bool, error) {
	if s.Aside == "" {
		return v.Sees(s)
	}
	if s.Aside != Outlier || !v.Joined() {
		return false, nil
	}
	m, err := v.at(v.current)
	return err == nil && (m.visibility == visible.Shared || m.visibility == visible.WorldReadable), err
}

// walk is a walk through references.
type walk struct {
	q       *ReferencesRequest
	r       *Rooms
	tx      *sqldb.Tx
	room    NID
	sees    func(*Stored) (bool, error)
	most    int
	missing []id.Event // bounded by maxWalked
	found   []*Stored
	in      map[NID]bool // those in found
	limited bool
}

// step is an event that is to be looked at, so far from where the walk began.
type step struct {
	nid   NID
	depth int
}

func (w *walk) run(anchor *Stored) error {
	w.add(anchor)
	if w.q.Parent {
		parent, err := w.parent(anchor.NID)
		if err != nil {
			return err
		}
		for _, nid := range parent {
			if _, err := w.take(nid); err != nil {
				return err
			}
		}
	}
	if w.q.Children {
		all, err := w.children(anchor.Event.ID(), maxWalked)
		if err != nil {
			return err
		}
		for _, nid := range all {
			if _, err := w.take(nid); err != nil || w.limited {
				return err
			}
		}
	}
	seen := map[NID]bool{anchor.NID: true}
	open, err := w.next(anchor, 1)
	if err != nil {
		return err
	}
	cut := false // something was not looked at
	for looked := 0; len(open) > 0; looked++ {
		if looked == maxWalked {
			cut = true
			break
		}
		now := open[0]
		open = open[1:]
		if seen[now.nid] {
			continue
		}
		seen[now.nid] = true
		s, err := w.take(now.nid)
		if err != nil || w.limited {
			return err
		}
		if s == nil || w.q.Depth >= 0 && now.depth >= w.q.Depth {
			continue
		}
		more, err := w.next(s, now.depth+1)
		if err != nil {
			return err
		}
		if w.q.DepthFirst {
			open = slices.Concat(more, open)
		} else {
			open = append(open, more...)
		}
		if len(open) > maxWalked {
			open, cut = open[:maxWalked], true
		}
	}
	w.limited = cut
	return nil
}

// next are the events beside one, in the direction of the walk.
func (w *walk) next(s *Stored, depth int) (steps []step, err error) {
	if w.q.Depth == 0 {
		return nil, nil
	}
	var nids []NID
	if w.q.Up {
		nids, err = w.parent(s.NID)
	} else {
		most := maxBreadth
		if w.q.Breadth >= 0 {
			most = min(w.q.Breadth, most)
		}
		nids, err = w.children(s.Event.ID(), most)
	}
	for _, nid := range nids {
		steps = append(steps, step{nid, depth})
	}
	return steps, err
}

// parent is what an event answers: one or none.
func (w *walk) parent(child NID) ([]NID, error) {
	var parent id.Event
	err := w.tx.Row(sqlReferred, child).Scan(&parent)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := w.event(parent)
	if err != nil || s == nil {
		return nil, err
	}
	return []NID{s.NID}, nil
}

// event is one of the room that may be seen; nil for any other.
func (w *walk) event(name id.Event) (*Stored, error) {
	s, err := w.r.ByID(w.tx, name)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		w.missing = append(w.missing, name)
		return nil, nil
	case s.Room != w.room:
		return nil, nil
	}
	if ok, err := w.sees(s); err != nil || !ok {
		return nil, err
	}
	return s, nil
}

func (w *walk) children(parent id.Event, most int) ([]NID, error) {
	query := sqlReferringLast
	if w.q.OldestFirst {
		query = sqlReferringFirst
	}
	return sqldb.Column[NID](w.tx, query, parent, w.room, most)
}

// take puts an event into the answer, unless it is there; nil when the user may not see it, or when there is no room left.
func (w *walk) take(nid NID) (*Stored, error) {
	s, err := w.r.Load(w.tx, nid)
	if err != nil {
		return nil, err
	}
	if w.in[nid] {
		return s, nil
	}
	if sees, err := w.sees(s); err != nil || !sees {
		return nil, err
	}
	if len(w.found) == w.most {
		w.limited = true
		return nil, nil
	}
	w.add(s)
	return s, nil
}

func (w *walk) add(s *Stored) {
	w.found = append(w.found, s)
	w.in[s.NID] = true
}

// children is what unsigned says of those that answer an event, with a comma before it: how many there are of each kind, and
// a hash of their ids.
func (r *Rooms) children(tx *sqldb.Tx, s *Stored) ([]byte, error) {
	type sum struct {
		rel string
		n   int
	}
	sums, err := sqldb.All(tx, func(row sqldb.Scanner) (x sum, err error) {
		err = row.Scan(&x.rel, &x.n)
		return x, err
	}, sqlReferringSums, s.Event.ID(), s.Room)
	if err != nil {
		return nil, err
	}
	counts, all := map[string]int{}, 0
	for _, x := range sums {
		counts[x.rel] = x.n
		all += x.n
	}
	text, err := json.Marshal(counts)
	if err != nil {
		return nil, err
	}
	out := append([]byte(`,"children":`), text...)
	if all > maxHashed {
		return out, nil
	}
	ids, err := sqldb.Column[id.Event](tx, sqlReferringIDs, s.Event.ID(), s.Room, maxHashed)
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	for _, child := range ids {
		hash.Write([]byte(child))
	}
	return appendText(out, "children_hash", base64.RawStdEncoding.EncodeToString(hash.Sum(nil))), nil
}
