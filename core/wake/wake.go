// Package wake notices that the way to other servers is back, and has everybody make up for what was missed.
//
// That a link has returned is seen in four ways: the machine has a new address or route (base/link), it was asleep and is not
// any more, a silent server answers when it is called (peer.ToCall), or one speaks first. In the first two cases all waits
// end, and every server that rooms are shared with is poked. In the others that server's waits end, and all that are silent
// are called at once, as what kept one away has often kept others away too.
//
// A poke is an ordinary transaction without events. What any server makes of it: a signed request has come, so its sender is there
// again. What Freehold makes of it besides, as it says in its answer: EDUs of the type [EDU] say which events end each shared room as
// the sender knows it, and who lacks one of them asks for it (pull.go), first in rooms that somebody there looks at. So a room also
// heals between two servers that have nothing of their own to say, with what a third has said.
package wake

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"freehold.example/base/link"
	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// EDU is the type of what a poke holds: {"rooms": {room: [event, ...]}}.
const EDU = "org.freehold.wakeup"

// Peers is what other servers are reached through; *peer.Peers is it.
type Peers interface {
	Ask(ctx context.Context, q peer.Question, out any) error
	Met(ctx context.Context, limit int) ([]id.Server, error)
	ToCall(n int) []id.Server
	ToCallOf(servers []id.Server) []id.Server
	CallAll()
	Retry()
	Silent() int
}

// Rooms is where it is seen what is shared; *room.Rooms is it.
type Rooms interface {
	EachShared(ctx context.Context, fn func(room.Shared) error) error
	Gate(tx *sqldb.Tx, room id.Room, from id.Server) (room.Gate, bool, error)
	Have(tx *sqldb.Tx, events []id.Event) (map[id.Event]bool, error)
	Servers(tx *sqldb.Tx, room room.NID) ([]id.Server, error)
}

// Outbox is what sends; *outbox.Outbox is it.
type Outbox interface {
	Wake(server id.Server)
	WakeAll()
}

// Config is what a Wake works with. All fields are needed, but for Joined, Link and Waits.
type Config struct {
	DB     *sqldb.DB
	Peers  Peers
	Rooms  Rooms
	Outbox Outbox
	Server id.Server                                                               // this one
	Take   func(ctx context.Context, from id.Server, raws []json.RawMessage) error // events that were asked for; (*arrival.Arrivals).Accept
	Waits  func(in id.Room, e id.Event) bool                                       // an event has come and waits for others; (*arrival.Arrivals).Waits
	Joined func(ctx context.Context, in id.Room) error                             // waits until nobody here is joining a room any more; (*handshake.Handshakes).Joined
	Link   link.Watch
	Now    func() time.Time
	Log    *slog.Logger
}

// Wake watches over the ways to other servers. Its methods may be called from any goroutine.
type Wake struct {
	Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	counts counts
	back   chan id.Server // that have shown a sign of life after a silence; bounded by maxBack
	all    chan string    // why all servers are to be poked; bounded: of size one
	some   chan struct{}  // some are; bounded: of size one
	looks  chan id.Room   // that somebody looks at; bounded by maxLooks
	looked looked

	mu      sync.Mutex             // guards what follows
	calling int                    // calls under way
	waiting map[id.Server]struct{} // to be poked in the next round; bounded by maxBack
	pulls   map[id.Server]*pull    // bounded by maxPulls
	fluent  map[id.Server]struct{} // that know what a poke is; bounded by maxMet
	work    sync.WaitGroup         // calls and pulls
}

type counts struct {
	rounds, returns, calls, pokes, poked, pulled atomic.Int64
}

const (
	tick       = time.Second
	callsATick = 2                // silent servers that are called in a second ...
	burst      = 32               // ... and after one of them, or the link, has come back
	atOnce     = 32               // calls under way, and pokes of a round
	asleep     = 30 * time.Second // between two ticks, when the machine was asleep
	// limit: servers that are back and wait to be sent to, in memory | %d names | further ones are sent to when it is their turn anyway
	maxBack = 1000
	// limit: rooms that somebody looks at and whose silent servers are to be called, in memory | %d names | further ones are called when it is their turn
	maxLooks = 100
)

// New makes a Wake, which watches once Run is called.
func New(c Config) *Wake {
	ctx, cancel := context.WithCancel(context.Background())
	if c.Joined == nil {
		c.Joined = func(context.Context, id.Room) error { return nil }
	}
	return &Wake{
		Config: c, ctx: ctx, cancel: cancel, back: make(chan id.Server, maxBack), all: make(chan string, 1), some: make(chan struct{}, 1), looks: make(chan id.Room, maxLooks),
		waiting: map[id.Server]struct{}{}, pulls: map[id.Server]*pull{}, fluent: map[id.Server]struct{}{},
	}
}

// Close ends what is under way, after Run has ended.
func (w *Wake) Close() {
	w.mu.Lock()
	w.cancel() // from here on nothing is begun
	w.mu.Unlock()
	w.work.Wait()
}

// Back is told that a server that was silent is not any more. It does not wait.
func (w *Wake) Back(server id.Server) {
	select {
	case w.back <- server:
	default:
	}
}

// Returned is told why the link may be back: all servers are tried again, and poked. It does not wait.
func (w *Wake) Returned(why string) {
	select {
	case w.all <- why:
	default: // a round is to come anyway
	}
}

// Nearby is told of a server that says that it is on the same network: what waits for it is sent. It does not wait.
func (w *Wake) Nearby(server id.Server) { w.Outbox.Wake(server) }

// Run watches until ctx ends. There must be only one.
func (w *Wake) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer stop()
	tasks.Go(func() { w.watchLink(ctx) })
	tasks.Go(func() { w.rounds(ctx) })
	tasks.Go(func() { w.greetings(ctx) })
	w.Returned("the server has started")
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	due, last := callsATick, w.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case server := <-w.back:
			w.welcome(ctx, server)
			due = burst
			continue
		case in := <-w.looks:
			w.callIn(ctx, in)
			continue
		case <-ticker.C:
		}
		now := w.Now()
		if now.Sub(last) > asleep {
			w.Returned("the machine was asleep, or its clock was set")
		}
		last = now
		if w.call(ctx, due) < due {
			due = callsATick
		}
	}
}

// welcome sees to a server that is back: it is sent what it missed, and told what there is to miss.
func (w *Wake) welcome(ctx context.Context, server id.Server) {
	w.counts.returns.Add(1)
	w.Log.InfoContext(ctx, "a server is back", "server", server)
	w.Outbox.Wake(server)
	w.Peers.CallAll()
	w.Entered(server)
}

// Entered is told of a server that is to hear how the rooms end that are shared with it: it may lack something. It does not wait.
func (w *Wake) Entered(server id.Server) {
	w.mu.Lock()
	if len(w.waiting) < maxBack {
		w.waiting[server] = struct{}{}
	}
	w.mu.Unlock()
	select {
	case w.some <- struct{}{}:
	default:
	}
}

func (w *Wake) watchLink(ctx context.Context) {
	_ = w.Link.Run(ctx, func(way string) { w.Returned(way + " is new") }) // it never fails
}

// call pokes at most n silent servers whose turn it is, and says how many.
func (w *Wake) call(ctx context.Context, n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	servers := w.Peers.ToCall(min(n, atOnce-w.calling))
	w.callLocked(ctx, servers)
	return len(servers)
}

// callLocked pokes silent servers. w.mu is held.
func (w *Wake) callLocked(ctx context.Context, servers []id.Server) {
	w.calling += len(servers)
	for _, server := range servers {
		w.counts.calls.Add(1)
		w.work.Go(func() {
			_ = w.tell(ctx, server, nil) // package peer takes note of who does not answer
			w.mu.Lock()
			w.calling--
			w.mu.Unlock()
		})
	}
}
