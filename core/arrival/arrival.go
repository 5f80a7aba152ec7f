// Package arrival takes in the events that other servers send and sees them through: it keeps them until they are judged,
// has their signatures checked, fetches what they follow and is missing here, and hands them to core/room.
//
// A transaction is answered when its events are on disk: judged, or as they came, in the table arrived. Each event of an
// origin waits in the queue of its room; the queues are served by turns, origin by origin, so that one server with much to
// say costs the others nothing, and several events of a room are judged in one call, which is one commit. What cannot be
// judged because events before it are missing steps aside (wait.go) and is fetched for (gap.go, anchor.go) while the room
// goes on; when that fails it stays on disk, and is tried again when there is a reason to.
//
// The path of an event: accept.go -> queue.go -> judge.go, and for one that lacks something wait.go -> gap.go -> anchor.go.
package arrival

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Rooms is the part of the room engine that events arrive at; *room.Rooms is it.
type Rooms interface {
	Gate(tx *sqldb.Tx, room id.Room, from id.Server) (room.Gate, bool, error)
	Have(tx *sqldb.Tx, events []id.Event) (map[id.Event]bool, error)
	Extremities(ctx context.Context, room id.Room) ([]room.Extremity, error)
	Servers(tx *sqldb.Tx, in room.NID) ([]id.Server, error)
	Receive(ctx context.Context, room id.Room, in []room.Incoming) ([]room.Receipt, error)
	Unplaced(tx *sqldb.Tx, events []id.Event) ([]id.Event, error)
	Unfounded(tx *sqldb.Tx, events []id.Event) ([]id.Event, error)
	Backfilled(ctx context.Context, room id.Room, in []room.Incoming) ([]room.Receipt, error)
	AddOutliers(ctx context.Context, room id.Room, in []room.Incoming) ([]room.Receipt, error)
}

// Peers is what other servers are asked through; *peer.Peers is it.
type Peers interface {
	VerifyEvents(ctx context.Context, via id.Server, events []*event.Event) []peer.Verified
	Ask(ctx context.Context, q peer.Question, out any) error
	SignEvent(ctx context.Context, server id.Server, event []byte) (signature string, err error)
}

// Config is what arrivals are seen through with. All fields but Joining, Joined, Likely, Looked and Outside are needed.
type Config struct {
	DB     *sqldb.DB
	Rooms  Rooms
	Peers  Peers
	Server id.Server
	Now    func() time.Time
	Log    *slog.Logger

	// Joining is the version of a room that somebody here is just joining, nil where nobody is, and Joined waits until that is over, as what
	// is said there meanwhile has to. Both nil: nobody ever is.
	Joining func(id.Room) *version.Version
	Joined  func(context.Context, id.Room) error
	// Likely puts those of some servers first that are likely to answer. nil leaves them as they are.
	Likely func([]id.Server)
	// Looked is when somebody here last looked at a room; zero when that is long ago. nil: nobody does.
	Looked func(id.Room) time.Time
	// Outside is given events of rooms that this server is not in, as they came: the end of an invitation, say. nil takes
	// none. Errors: why it is not taken.
	Outside func(ctx context.Context, origin id.Server, room id.Room, raw json.RawMessage) error
}

// The bounds of what arrives.
const (
	maxPDUs = 50 // events in a transaction (Server-Server API, "Transactions")

	// limit: events of one server that wait to be judged, in memory | 2,000 of at most 8 MiB | its transactions wait up to 5 s, then 429
	originEvents = 2000
	originBytes  = 8 << 20
	// limit: events of all servers that wait to be judged, in memory | 64 MiB | transactions wait up to 5 s, then 429
	totalBytes = 64 << 20

	maxBatch  = 100 // events of one room judged in one call
	workers   = 256 // batches of all servers at once: most of them wait for keys or for the disk
	perOrigin = 4   // batches of one server at once

	settleTime = 100 * time.Millisecond // for which a transaction waits to be judged, before its events are written as they came
	admitTime  = 5 * time.Second        // for which it waits for room
	verifyTime = 30 * time.Second       // for the keys of a batch
)

// Arrivals is the events of other servers on their way into rooms. Its methods may be called from any goroutine.
type Arrivals struct {
	Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	counts counters
	past   past
	states chan struct{} // turns to fetch a whole state; bounded by stateTurns

	mu          sync.Mutex                        // guards what follows, and what hangs on it; held for moments
	origins     map[id.Server]*origin             // bounded by totalBytes: an origin is in it while something of it waits
	ring        []*origin                         // those whose turn comes, in order; bounded as origins are
	running     int                               // batches being judged
	bytes       int                               // of all events that wait to be judged
	freed       chan struct{}                     // bounded: never sent to, closed when something of that was judged
	lastRow     int64                             // the newest number in the table arrived
	finished    []int64                           // rows whose events are through: they go with the next write; bounded by totalBytes
	parked      map[id.Server]map[id.Room]*parked // events that lack something; bounded by maxParkedBytes
	parkedBytes int                               // of these
	waits       map[id.Event][]*item              // the same by what they lack; bounded as parked is
	gaps        []*parked                         // for which something is to be fetched, in order; bounded as parked is
	filling     int                               // of these, under way
	fillingOf   map[id.Server]int                 // the same by server; bounded by fillers
	fillingIn   map[id.Room]time.Time             // since when, the latest; bounded by fillers
	versions    map[id.Room]*version.Version      // bounded by maxVersions
	closed      bool
}

// limit: room versions of rooms that events arrive for, in memory | %d of some 100 bytes | all are read again
const maxVersions = 20_000

// New makes Arrivals. Resume takes up what an earlier life of the server has left.
func New(c Config) *Arrivals {
	ctx, cancel := context.WithCancel(context.Background())
	if c.Joining == nil {
		c.Joining = func(id.Room) *version.Version { return nil }
		c.Joined = func(context.Context, id.Room) error { return nil }
	}
	if c.Looked == nil {
		c.Looked = func(id.Room) time.Time { return time.Time{} }
	}
	return &Arrivals{
		Config: c, ctx: ctx, cancel: cancel, states: make(chan struct{}, stateTurns),
		origins: map[id.Server]*origin{}, freed: make(chan struct{}), parked: map[id.Server]map[id.Room]*parked{}, fillingOf: map[id.Server]int{}, fillingIn: map[id.Room]time.Time{},
		waits: map[id.Event][]*item{}, versions: map[id.Room]*version.Version{},
	}
}

// Close ends what is under way. What is not judged stays in the table.
func (a *Arrivals) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.work.Wait()
}

// spawn runs fn in a goroutine that Close waits for. a.mu is held.
func (a *Arrivals) spawn(fn func()) {
	if !a.closed {
		a.work.Go(fn)
	}
}

// item is one event that arrived.
type item struct {
	origin id.Server
	room   id.Room
	event  *event.Event
	raw    json.RawMessage // as it came, where event is nil: of a room that is not known here
	group  *group          // its transaction; nil for one that was read from the table

	// Guarded by Arrivals.mu:
	row     int64      // its number in the table; 0: none
	over    bool       // nothing is to be done any more
	settled bool       // group knows that it is over or parked
	missing []id.Event // what it lacks, while it is parked
}

func (it *item) size() int { return len(it.event.Bytes()) + 500 }

// group is the events of one transaction.
type group struct {
	left int // not yet settled; guarded by Arrivals.mu
	done chan struct{}
}
