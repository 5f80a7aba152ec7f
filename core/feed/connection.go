package feed

import (
	"container/list"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
)

// connections remembers what each connection of sliding sync has been shown. It is memory only: a connection that is not
// here any more is begun anew by its client, which M_UNKNOWN_POS tells it.
type connections struct {
	told *told

	mu     sync.Mutex                             // before told's; guards all below, and the connections but for the contents of their stages
	of     map[room.Caller]map[string]*connection // bounded by maxConnectionBytes
	recent *list.List                             // of *connection: used last in front; bounded as those
	bytes  int
	limit  int
}

const (
	// limit: connections of sliding sync of one device | %d | the one used longest ago is begun anew
	maxConnections = 10
	// limit: what connections of sliding sync have been shown, in memory | %b, 100 bytes for each room | the connections used longest ago are begun anew
	maxConnectionBytes = 128 << 20
	shownBytes         = 100
)

// connection is one of a device's. Its name is the client's, its number nobody else has had, so that a pos of an earlier
// connection of that name is not taken for one of this. The number 0 has one that was never shown a room: everything about
// that is in its pos, and nothing is kept here.
type connection struct {
	caller room.Caller
	name   string
	number int64
	place  *list.Element // in recent; nil once it is dropped

	turn *turn     // the request that has the connection
	last int64     // the number of the newest answer
	busy int       // requests under way, overtaken ones included
	at   time.Time // when the newest answer was made
	base *stage    // the client has this, as it has asked from it
	next *stage    // the answer to that, which may not have arrived: what differs from base
	size int

	configs []*config // what rooms were asked for with; shown has indexes of it
}

// stage is what a client has been shown at a pos.
type stage struct {
	token  token
	n      int64 // of the answer
	rooms  map[room.NID]shown
	counts map[string]int // of lists
	data   bool           // the account data

	// What is for told once the client is known to have it: the rooms that were new to it, and the members it loads lazily.
	fresh   map[room.NID]bool
	members map[room.NID]room.NID
}

// shown is what a client has been shown of a room. The zero value is nothing.
type shown struct {
	as      standing
	config  uint8     // index of the configuration
	flags   flags     //
	limit   uint16    // it has at least so many of the newest events
	behind  sqldb.Pos // up to where, when that is not the stage's position: the room was not in sight since
	notices int32     // the counts of unread
	shouts  int32
}

type standing uint8

const (
	unseen  standing = iota
	inside           // as its member
	outside          // as somebody who is invited, or knocks
	gone             // as somebody who was there
)

type flags uint8

const (
	direct      flags = 1 << iota // as a direct chat
	hasReceipts                   // with its receipts
	hasTyping                     // with who types
	hasData                       // with its account data
	sawTyping                     // with somebody who types, and without the end of it
)

// maxConfigs bounds how many different configurations the rooms of a connection are shown with.
const maxConfigs = 32

// turn is one request's use of a connection.
type turn struct {
	*connection
	base    *stage    // as the request found it
	n       int64     // of its answer
	configs []*config // as index has found them
}

func (x *connection) reader() reader { return reader{x.caller, x.number} }

func (t *turn) config(i uint8) *config { return t.configs[i] }

func newConnections(t *told) *connections {
	return &connections{told: t, of: map[room.Caller]map[string]*connection{}, recent: list.New(), limit: maxConnectionBytes}
}

// slidePos is a pos: a token of /sync, whose first number is a place in the history of every room, and which answer of which
// connection it came with.
type slidePos struct {
	token  token
	number int64
	n      int64
}

// hasAccountData is n in the pos of a connection with the number 0 that has been told the account data.
const hasAccountData = 1

func (p slidePos) String() string {
	return fmt.Sprintf("%s_%d_%d", p.token, p.number, p.n)
}

func parseSlidePos(s string) (p slidePos, err error) {
	if s == "" {
		return p, nil
	}
	if p.token, err = parseToken(s); err != nil {
		return p, errUnknownPos
	}
	fields := strings.Split(s, "_")
	if len(fields) != 5 || p.token.initial() {
		return p, errUnknownPos // it is of another server, or of /sync
	}
	for i, to := range []*int64{&p.number, &p.n} {
		if *to, err = strconv.ParseInt(fields[3+i], 10, 64); err != nil {
			return p, errUnknownPos
		}
	}
	return p, nil
}

// begin gives a request its connection, as it is at the pos. What the answer before that left to be confirmed is confirmed;
// an answer after it has not arrived, and is forgotten.
func (c *connections) begin(q *Slide, at slidePos) (*turn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.of[q.Caller][q.Connection]
	switch {
	case at.number == 0: // a new one, or one about which nothing was to be remembered
		if x != nil {
			c.drop(x)
		}
		x = &connection{caller: q.Caller, name: q.Connection, base: &stage{token: at.token, n: at.n, data: at.n == hasAccountData}}
		if len(q.Lists)+len(q.Rooms) > 0 {
			x.number = rand.Int64N(1<<53-1) + 1 //nolint:gosec // nobody gains by guessing it: it is looked up by device
			c.add(x)
		}
	case x == nil || x.number != at.number:
		return nil, errUnknownPos
	case x.next != nil && x.next.n == at.n:
		c.confirm(x)
	case x.base.n == at.n:
		x.next = nil
	default:
		return nil, errUnknownPos
	}
	if x.place != nil {
		c.recent.MoveToFront(x.place)
	}
	x.busy++
	x.last++
	x.turn = &turn{connection: x, base: x.base, n: x.last, configs: x.configs}
	return x.turn, nil
}

// knows says whether there is a connection for a pos, and whether it was answered so lately that its client has not been away.
func (c *connections) knows(q *Slide, at slidePos, now time.Time) (is, lately bool) {
	if at.number == 0 {
		return true, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.of[q.Caller][q.Connection]
	if x == nil || x.number != at.number {
		return false, false
	}
	away := now.Sub(x.at)
	return true, away >= 0 && away <= lingerFor
}

func (c *connections) end(t *turn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.busy--
}

func (c *connections) add(x *connection) {
	device := c.of[x.caller]
	if len(device) >= maxConnections {
		for e := c.recent.Back(); e != nil; e = e.Prev() {
			if old := e.Value.(*connection); old.caller == x.caller {
				c.drop(old)
				break
			}
		}
	}
	if device = c.of[x.caller]; device == nil {
		device = map[string]*connection{}
		c.of[x.caller] = device
	}
	device[x.name] = x
	x.place = c.recent.PushFront(x)
	c.resize(x)
}

func (c *connections) drop(x *connection) {
	if x.place == nil {
		return
	}
	c.recent.Remove(x.place)
	x.place = nil
	c.bytes -= x.size
	if delete(c.of[x.caller], x.name); len(c.of[x.caller]) == 0 {
		delete(c.of, x.caller)
	}
	c.told.forget(x.reader())
}

// confirm makes the newest answer what the client has. Whoever still reads the stage before that keeps it as it was.
func (c *connections) confirm(x *connection) {
	rooms := x.base.rooms
	switch {
	case rooms == nil:
		rooms = make(map[room.NID]shown, len(x.next.rooms))
	case x.busy > 0:
		rooms = maps.Clone(rooms)
	}
	for nid, s := range x.next.rooms {
		if s.as == unseen {
			delete(rooms, nid)
		} else {
			rooms[nid] = s
		}
	}
	x.base, x.next = x.next, nil
	x.base.rooms = rooms
	c.told.tell(x.reader(), 0, false, x.base.fresh, x.base.members)
	x.base.fresh, x.base.members = nil, nil
	c.resize(x)
}

// resize counts anew what a connection takes, and drops others when all take too much.
func (c *connections) resize(x *connection) {
	if x.place == nil {
		return
	}
	c.bytes -= x.size
	x.size = 1000 + len(x.name) + shownBytes*len(x.base.rooms)
	if x.next != nil {
		x.size += shownBytes * (len(x.next.rooms) + len(x.next.fresh) + len(x.next.members))
	}
	for _, cfg := range x.configs {
		x.size += cfg.bytes
	}
	c.bytes += x.size
	for c.bytes > c.limit && c.recent.Len() > 0 {
		c.drop(c.recent.Back().Value.(*connection))
	}
}

var errOvertaken = fault.New(fault.UnknownPos, "Another request on this connection came after this one").WithStatus(400)

// keep remembers what an answer shows, which is about to go out. A request that another one has overtaken is not answered:
// the client does not wait for it, and if it does, what it was shown is not what is remembered.
func (c *connections) keep(t *turn, l *slideLook) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := t.connection
	if x.number == 0 {
		return nil
	}
	if x.turn != t || x.place == nil {
		return errOvertaken
	}
	x.at = l.f.Now()
	x.next = &stage{
		token: l.token(), n: t.n, rooms: l.changes, counts: l.counts, data: l.ask.Extensions.AccountData != nil, fresh: l.fresh, members: l.members,
	}
	c.resize(x)
	if x.place == nil {
		return errUnknownPos // it alone is too large
	}
	return nil
}

// index is where the connection has a configuration, adding it where it is new.
func (c *connections) index(t *turn, cfg *config) (uint8, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := t.connection
	at := slices.IndexFunc(x.configs, func(have *config) bool { return have.key == cfg.key })
	if at < 0 {
		if at = len(x.configs); at == maxConfigs {
			return 0, errUnknownPos // begun anew it has only those that are asked for now
		}
		x.configs = append(x.configs[:at:at], cfg)
		c.resize(x)
	}
	t.configs = x.configs
	return uint8(at), nil
}
