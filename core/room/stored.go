package room

import (
	"database/sql"
	"errors"
	"strings"
	"sync"

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

// The columns that scanStored reads, in its order.
const storedColumns = `e.nid, e.room, e.pos, e.depth, e.state, coalesce(e.replaces, 0), coalesce(e.redacted_by, 0),
	coalesce(e.device, ''), coalesce(e.txn_id, ''), e.event_id, r.version, e.json`

const (
	sqlEventsByNID = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room WHERE e.nid IN ({ints $1})`
	sqlEventByID   = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room WHERE e.event_id = $1`
	sqlEventByTxn  = `SELECT event_id FROM event WHERE txn = $1`
)

func scanStored(row sqldb.Scanner) (*Stored, error) {
	var (
		s           Stored
		state, body []byte
		eventID     id.Event
		versionID   string
	)
	err := row.Scan(&s.NID, &s.Room, &s.Pos, &s.Depth, &state, &s.Replaces, &s.RedactedBy, &s.Device, &s.TxnID,
		&eventID, &versionID, &body)
	if err != nil {
		return nil, err
	}
	copy(s.State[:], state)
	v, ok := version.Lookup(versionID)
	if !ok {
		return nil, errors.New("stored room version " + versionID + " is unknown")
	}
	if s.Event, err = event.Stored(v, eventID, body); err != nil {
		return nil, err
	}
	return &s, nil
}

// load reads one event by its number; a number that is not there is an error, as only the database gives them out.
func (r *Rooms) load(tx *sqldb.Tx, nid NID) (*Stored, error) {
	found, err := r.loadAll(tx, []NID{nid})
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, errors.New("bug: event number without an event")
	}
	return found[0], nil
}

// loadAll reads events by their numbers, in the order of nids, leaving out those that are not there.
func (r *Rooms) loadAll(tx *sqldb.Tx, nids []NID) ([]*Stored, error) {
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
		found, err := sqldb.All(tx, scanStored, sqlEventsByNID, sqldb.List(missing))
		if err != nil {
			return nil, err
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

// byID reads an event by its id; nil when this server does not have it.
func (r *Rooms) byID(tx *sqldb.Tx, eventID id.Event) (*Stored, error) {
	if strings.IndexByte(string(eventID), 0) >= 0 {
		return nil, nil // PostgreSQL would not even look for it
	}
	s, err := scanStored(tx.Row(sqlEventByID, eventID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return s, err
}

// eventCache keeps state events and others that many readers ask for, bounded in bytes. Events change only when they are
// redacted: drop takes them out then, and a reader whose snapshot is older than the redaction cannot put the old form back.
type eventCache struct {
	mu    sync.Mutex // guards the rest
	m     map[NID]*Stored
	gone  map[NID]struct{} // redacted of late, so that older snapshots may still have the event whole
	order []NID            // the same in the order of their redaction: a ring once it is full
	next  int              // the oldest in the ring
	bytes int
	limit int
}

// maxGone is far more redactions than are made while one snapshot is read.
const maxGone = 20_000

func newEventCache(limit int) *eventCache {
	return &eventCache{m: map[NID]*Stored{}, gone: map[NID]struct{}{}, limit: limit}
}

func (c *eventCache) get(nid NID) *Stored {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[nid]
}

func (c *eventCache) put(events []*Stored) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range events {
		_, redacted := c.gone[s.NID]
		if _, ok := c.m[s.NID]; ok || redacted && s.RedactedBy == 0 {
			continue
		}
		size := cost(s)
		for nid, old := range c.m { // any will do: what is in use comes back
			if c.bytes+size <= c.limit {
				break
			}
			delete(c.m, nid)
			c.bytes -= cost(old)
		}
		c.m[s.NID] = s
		c.bytes += size
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
	if old := c.m[nid]; old != nil {
		delete(c.m, nid)
		c.bytes -= cost(old)
	}
}

func cost(s *Stored) int { return 2*len(s.Event.Bytes()) + 512 }
