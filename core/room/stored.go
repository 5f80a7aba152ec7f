package room

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Stored is an event as this server keeps it. It is shared between readers and must not be changed.
type Stored struct {
	Event      *event.Event
	NID        NID
	Room       NID
	Pos        sqldb.Pos // when it was committed: the order of sync
	Depth      int64     // with Pos, the topological order: the order of /messages
	State      pmap.Root // the room's state once this event was in it
	Replaces   NID       // state events: the event that stood there before, or 0
	RedactedBy NID       // the redaction that emptied it, or 0
	Device     id.Device // the sender's device and transaction id, where it was sent with one
	TxnID      string

	Aside Verdict // of an event that has no place in the timeline; "" for those that have
	own   *span   // its state by the room's graph, where that is another than by the order of arrival
}

// span is the state before an event and after it.
type span struct {
	before, after pmap.Root
	gap           bool // the state before was told by another server, and what the event follows was not here
}

// bytes is how a span is stored: 32 bytes, one more where there is a gap, or nothing.
func (s *span) bytes() any {
	if s == nil {
		return nil
	}
	b := slices.Concat(s.before[:], s.after[:])
	if s.gap {
		b = append(b, 1)
	}
	return b
}

// isLoose says whether an event is from outside (PutOutside), and what it follows is not here: it is in the timeline, but the room's
// state at it is not known, which an empty span says.
func (s *Stored) isLoose() bool { return s.Aside == "" && s.own != nil && *s.own == span{} }

func spanOf(b []byte) *span {
	const size = 2 * len(pmap.Root{})
	if len(b) != size && len(b) != size+1 {
		return nil
	}
	return &span{pmap.Root(b[:16]), pmap.Root(b[16:size]), len(b) > size}
}

// Membership is the membership in an m.room.member's content, or "" in anything else.
func (s *Stored) Membership() string {
	if s.Event.Type() != "m.room.member" {
		return ""
	}
	return membershipOf(s.Event.Content())
}

func membershipOf(content []byte) string { return textIn(content, "membership") }

// textIn is the string that a stored content has under a key, or "".
func textIn(content []byte, key string) string {
	s, _ := canon.String(canon.Get(content, key))
	return s
}

// The columns that storedReader scans, in its order. The depth is in the event.
const storedColumns = `e.nid, e.room, e.pos, e.state, e.replaces, e.redacted_by, e.device, e.txn_id, e.event_id, r.version,
	e.json, e.own`

// The same of an event beside the timeline.
const asideColumns = `e.nid, e.room, e.depth, e.event_id, r.version, e.json, e.own, e.verdict`

const (
	sqlEventsByNID = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room WHERE e.nid IN ({ints $1})`
	sqlEventByID   = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room WHERE e.event_id = $1`
	sqlAsideByNID  = `SELECT ` + asideColumns + ` FROM event_aside e JOIN room r ON r.nid = e.room WHERE e.nid IN ({ints $1})`
	sqlAsideByID   = `SELECT ` + asideColumns + ` FROM event_aside e JOIN room r ON r.nid = e.room WHERE e.event_id = $1`
	sqlEventByTxn  = `SELECT event_id FROM event WHERE txn = $1`
)

// storedReader scans rows of storedColumns, one after the other.
type storedReader struct {
	// What is any is not copied by reflection, as it would be into a number, and may be NULL.
	nid, room, pos, replaces, redactedBy, device, txnID any
	event                                               id.Event
	version                                             string
	body, own                                           []byte

	last *event.Event // whose texts the next one shares
}

func (r *storedReader) scan(row sqldb.Scanner) (*Stored, error) {
	s := &Stored{}
	err := row.Scan(&r.nid, &r.room, &r.pos, (*rootColumn)(&s.State), &r.replaces, &r.redactedBy, &r.device, &r.txnID,
		(*string)(&r.event), &r.version, &r.body, &r.own)
	if err != nil {
		return nil, err
	}
	s.NID, s.Room, s.Pos = NID(bigint(r.nid)), NID(bigint(r.room)), sqldb.Pos(bigint(r.pos))
	s.Replaces, s.RedactedBy = NID(bigint(r.replaces)), NID(bigint(r.redactedBy))
	s.Device, s.TxnID = id.Device(text(r.device)), text(r.txnID)
	s.own = spanOf(r.own)
	if s.Event, err = readEvent(r.version, r.event, r.body, r.last); err != nil {
		return nil, err
	}
	s.Depth, r.last = s.Event.Depth(), s.Event
	return s, nil
}

// bigint is a column's value, of NULL 0.
func bigint(column any) int64 {
	n, _ := column.(int64)
	return n
}

// rootColumn reads a root without a copy in between.
type rootColumn pmap.Root

// Scan takes what the database gives: sixteen bytes.
func (c *rootColumn) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(c) {
		return errors.New("a stored root is damaged")
	}
	copy(c[:], b)
	return nil
}

// text is a column's value, of NULL "".
func text(column any) string {
	s, _ := column.(string)
	return s
}

// scanAside reads asideColumns.
func scanAside(row sqldb.Scanner) (*Stored, error) {
	var (
		s         Stored
		body, own []byte
		eventID   id.Event
		versionID string
	)
	if err := row.Scan(&s.NID, &s.Room, &s.Depth, &eventID, &versionID, &body, &own, &s.Aside); err != nil {
		return nil, err
	}
	s.own = spanOf(own)
	var err error
	s.Event, err = readEvent(versionID, eventID, body, nil)
	return &s, err
}

func readEvent(versionID string, eventID id.Event, body []byte, like *event.Event) (*event.Event, error) {
	v, ok := version.Lookup(versionID)
	if !ok {
		return nil, errors.New("stored room version " + versionID + " is unknown")
	}
	return event.Stored(v, eventID, body, like)
}

// Load reads one event by its number; a number that is not there is an error, as only the database gives them out.
func (r *Rooms) Load(tx *sqldb.Tx, nid NID) (*Stored, error) {
	found, err := r.LoadAll(tx, []NID{nid})
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, errors.New("bug: event number without an event")
	}
	return found[0], nil
}

// LoadAll reads events by their numbers, in the order of nids, leaving out those that are not there.
func (r *Rooms) LoadAll(tx *sqldb.Tx, nids []NID) ([]*Stored, error) {
	out := make([]*Stored, 0, len(nids))
	have := make(map[NID]*Stored, len(nids))
	var missing []NID
	for _, nid := range nids {
		if s := r.events.get(nid); s != nil {
			have[nid] = s
		} else {
			missing = append(missing, nid)
		}
	}
	if len(missing) > 0 {
		found, err := sqldb.All(tx, new(storedReader).scan, sqlEventsByNID, sqldb.List(missing))
		if err != nil {
			return nil, err
		}
		if len(found) < len(missing) {
			aside, err := sqldb.All(tx, scanAside, sqlAsideByNID, sqldb.List(missing))
			if err != nil {
				return nil, err
			}
			found = append(found, aside...)
		}
		for _, s := range found {
			have[s.NID] = s
		}
		r.events.put(found)
	}
	for _, nid := range nids {
		if s := have[nid]; s != nil {
			out = append(out, s)
		}
	}
	return out, nil
}

// ByID reads an event by its id, whoever asks and wherever it is kept: nil when this server does not have it. Of one with
// Aside only other servers are to hear.
func (r *Rooms) ByID(tx *sqldb.Tx, eventID id.Event) (*Stored, error) {
	if strings.IndexByte(string(eventID), 0) >= 0 {
		return nil, nil // PostgreSQL would not even look for it
	}
	if s := r.tails.byID(eventID); s != nil {
		return s, nil
	}
	if nid, ok := r.names.get(eventID); ok {
		if s := r.events.get(nid); s != nil {
			return s, nil
		}
	}
	s, err := new(storedReader).scan(tx.Row(sqlEventByID, eventID))
	if errors.Is(err, sql.ErrNoRows) {
		s, err = scanAside(tx.Row(sqlAsideByID, eventID))
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		r.events.put([]*Stored{s})
		r.names.put(s.Event.ID(), s.NID)
	}
	return s, err
}

// Shown is ByID for what has a place in the room, in the timeline or before it: nil for what is kept beside that.
func (r *Rooms) Shown(tx *sqldb.Tx, eventID id.Event) (*Stored, error) {
	s, err := r.ByID(tx, eventID)
	if s != nil && s.Aside != "" {
		s = nil
	}
	return s, err
}

// eventNames remembers the numbers of events that were asked for by their ids, as those are that others relate to. They
// never change.
type eventNames struct {
	mu sync.RWMutex     // guards m
	m  map[id.Event]NID // bounded by maxEventNames
}

// limit: ids of events that others relate to, in memory | %d of some 150 bytes | all are forgotten
const maxEventNames = 20_000

func (n *eventNames) get(e id.Event) (NID, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	nid, ok := n.m[e]
	return nid, ok
}

func (n *eventNames) put(e id.Event, nid NID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m == nil || len(n.m) >= maxEventNames {
		n.m = map[id.Event]NID{}
	}
	n.m[e] = nid
}

func (n *eventNames) drop(e id.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.m, e)
}

// eventCache keeps state events and others that many readers ask for, bounded in bytes, and for as long as somebody goes on
// asking: what nobody has asked for in a whole turn is gone with the end of the next. Events change only when they are
// redacted: drop takes them out then, and a reader whose snapshot is older than the redaction cannot put the old form back.
type eventCache struct {
	now   func() time.Time
	limit int

	mu     sync.Mutex       // guards the rest
	asked  generation       // put or asked for in this turn
	before generation       // put or asked for in the turn before it, and not since
	began  time.Time        // when this turn did
	gone   map[NID]struct{} // redacted of late, so that older snapshots may still have the event whole
	order  []NID            // the same in the order of their redaction: a ring once it is full
	next   int              // the oldest in the ring
}

// generation is the events of one turn of an eventCache.
type generation struct {
	m     map[NID]*Stored
	bytes int
}

// maxGone is far more redactions than are made while one snapshot is read.
//
// limit: redactions of late, in memory | %d of some 50 bytes | the oldest goes
// limit: state events and others that were asked for of late, in memory | 32 MiB | those asked for longest ago go first
const maxGone = 20_000

// cacheTurn is long enough for a client that pages through a room, and short enough for what it has paged through to go.
const cacheTurn = time.Minute

func newEventCache(limit int, now func() time.Time) *eventCache {
	return &eventCache{now: now, limit: limit, asked: newGeneration(), before: newGeneration(), began: now(), gone: map[NID]struct{}{}}
}

func newGeneration() generation { return generation{m: map[NID]*Stored{}} }

func (g *generation) add(s *Stored) {
	g.m[s.NID] = s
	g.bytes += cost(s)
}

// take is nil for an event that is not there.
func (g *generation) take(nid NID) *Stored {
	s := g.m[nid]
	if s != nil {
		delete(g.m, nid)
		g.bytes -= cost(s)
	}
	return s
}

func (c *eventCache) get(nid NID) *Stored {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(nid)
}

func (c *eventCache) find(nid NID) *Stored {
	if s := c.asked.m[nid]; s != nil {
		return s
	}
	s := c.before.take(nid)
	if s != nil {
		c.asked.add(s)
	}
	return s
}

func (c *eventCache) put(events []*Stored) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.began).Abs() >= cacheTurn {
		c.before, c.asked, c.began = c.asked, newGeneration(), now
	}
	for _, s := range events {
		_, redacted := c.gone[s.NID]
		if c.find(s.NID) != nil || redacted && s.RedactedBy == 0 {
			continue
		}
		c.asked.add(s)
		c.shrink()
	}
}

// shrink makes room: any will do, as what is in use comes back.
func (c *eventCache) shrink() {
	for _, g := range []*generation{&c.before, &c.asked} {
		for nid := range g.m {
			if c.asked.bytes+c.before.bytes <= c.limit {
				return
			}
			g.take(nid)
		}
	}
}

// drop is called after the redaction of nid was committed.
func (c *eventCache) drop(nid NID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.gone[nid]; !again {
		if len(c.order) < maxGone {
			c.order = append(c.order, nid)
		} else {
			delete(c.gone, c.order[c.next])
			c.order[c.next] = nid
			c.next = (c.next + 1) % maxGone
		}
		c.gone[nid] = struct{}{}
	}
	c.asked.take(nid)
	c.before.take(nid)
}

func cost(s *Stored) int { return 2*len(s.Event.Bytes()) + 512 }
