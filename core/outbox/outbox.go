// Package outbox sends to other servers what concerns them: the events of this server's users, and what is told of them
// besides (EDUs), in transactions (Server-Server API, "Transactions").
//
// Nothing is done for it when an event is sent, so a room on a thousand servers costs its sender nothing. One reader follows
// the stream of events and works out whom each concerns (sort.go). Who can be reached is handed it from memory. Of who cannot,
// only the rooms are noted in which it misses something, and from where on (gap.go); on its return the latest is read from
// the database first, then the rest (catchup.go). So a server that is away for a month costs a row for each room.
//
// What is no event is queued: on disk what must not be lost, in memory what is soon out of date (edu.go). Each server's
// transactions are sent one after the other (drive.go), and those to one server never wait for another (slots.go).
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"freehold.example/base/backoff"
	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// Line is the way to other servers; *peer.Peers is one.
type Line interface {
	// Ask sends a request. Errors are those of peer.Peers.Ask.
	Ask(ctx context.Context, q peer.Question, out any) error
	// Next is when a server that did not answer is asked again; zero for now.
	Next(server id.Server) time.Time
}

// Config is what an Outbox works with. All fields but Allowed, Entered and Metrics are needed.
type Config struct {
	DB      *sqldb.DB
	Bus     *bus.Local
	Rooms   *room.Rooms
	Line    Line
	Server  id.Server                   // this one
	Allowed func(server id.Server) bool // whether there is to be any traffic with a server; nil allows all
	Entered func(server id.Server)      // told of a server that has come into a room which has forked (entered.go); it must not wait
	Metrics *Metrics
	Now     func() time.Time
	Log     *slog.Logger
}

// Outbox is all that this server has to tell others. Its methods may be called from any goroutine.
type Outbox struct {
	Config
	serial  atomic.Int64 // orders the EDUs of one write
	txns    atomic.Int64 // numbers the transactions
	run     string       // begins their ids: those of another start are others
	slots   slots
	readers chan struct{} // bounded by its size: those who read what to send; the other connections to the database are for people
	bodies  bodies

	mu           sync.Mutex                 // guards all below; nothing is waited for while it is held
	ctx          context.Context            // of Run; nil while it does not run
	drivers      sync.WaitGroup             // of the goroutines that send
	destinations map[id.Server]*destination // bounded by maxDestinations
	pinned       int                        // bytes of events that are in memory for destinations, each counted for each of them
	flying       int                        // bytes of transactions that are in flight
	upto         sqldb.Pos                  // the stream has been sorted up to here
	unsaved      unsaved
}

// destination is one server. What it holds is guarded by Outbox.mu.
type destination struct {
	server  id.Server
	live    []*item           // events to send, in the order of the stream; bounded by maxLive
	held    int               // so many of them are in the transaction that is made or in flight
	gaps    map[room.NID]*gap // rooms in which it lacks more than that; bounded by the rooms it is in
	passing []*passing        // bounded by maxPassing
	waiting bool              // EDUs may wait on disk
	sent    mark              // those up to here have arrived
	asked   time.Time         // when it last asked for events that it lacks
	resting time.Time         // since when the rest of what it missed is held back for that; zero while it is not
	later   bool              // it is looked at again when that may be over
	full    bool              // too many do: further ones are refused

	busy    bool               // a goroutine sends, or is about to
	began   time.Time          // ... since when a transaction is under way; zero while none is
	cancel  context.CancelFunc // ends that attempt
	again   bool               // it is tried again at once: somebody has woken it
	flight  *transaction       // was sent, and it is not known whether it has arrived: it is sent again as it is, for a while
	failing bool               // the last attempt has failed
	timer   *time.Timer        // when it is tried again; nil unless it waits
	next    time.Time          // the same
	most    int                // events, and messages, in the next transaction; 0 for as many as there may be
	refused backoff.Backoff    // how often it has refused a transaction in a row

	lastOK, lastFailed time.Time
	lastErr            error
}

// limit: servers that something is to be told to, in memory | %d of some 500 bytes | events wait on disk, what passes is not told
const maxDestinations = 50_000

// newSlots are how many transactions are under way at once: see slots.go.
const (
	// limit: transactions to servers that answer at once | %d | the others wait their turn
	fastSlots = 128
	// limit: transactions to servers that did not answer | %d | the others wait their turn
	doubtfulSlots = 64
	// limit: transactions that are not answered within a second | %d | they count as those to servers that answer at once
	slowSlots = 500
)

// New makes an Outbox, which sends once Run is called.
func New(c Config) *Outbox {
	return &Outbox{
		Config: c, run: newRun(), destinations: map[id.Server]*destination{},
		slots: newSlots(fastSlots, doubtfulSlots, slowSlots), readers: make(chan struct{}, 2),
	}
}

// Run sends until ctx ends. There must be only one at a time.
func (o *Outbox) Run(ctx context.Context) error {
	sleeper := o.Bus.Sleep(room.Log)
	defer sleeper.Close()
	if err := o.load(ctx); err != nil {
		return err
	}
	inner, cancel := context.WithCancel(ctx)
	o.mu.Lock()
	o.ctx = inner
	for _, d := range o.destinations {
		o.startLocked(d)
	}
	o.mu.Unlock()
	saved := make(chan error, 1)
	go func() { saved <- o.keepSaving(inner) }()
	err := o.follow(inner, sleeper.C())
	cancel()
	o.mu.Lock()
	o.ctx = nil
	for _, d := range o.destinations {
		d.stopTimer()
	}
	o.mu.Unlock()
	o.drivers.Wait()
	if serr := <-saved; err == nil {
		err = serr
	}
	last, end := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer end()
	if serr := o.save(last); serr != nil && err == nil {
		o.Log.WarnContext(ctx, "how far other servers have been told was not written; they are told some of it again", "cause", serr)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// allowed says whether anything is to be told to a server.
func (o *Outbox) allowed(server id.Server) bool {
	return server != o.Server && (o.Allowed == nil || o.Allowed(server))
}

// to gives the destination for a server; nil where there are too many. o.mu is held.
func (o *Outbox) to(server id.Server) *destination {
	d := o.destinations[server]
	if d == nil && len(o.destinations) < maxDestinations {
		d = &destination{server: server, refused: backoff.Backoff{Policy: patience}}
		o.destinations[server] = d
	}
	return d
}

// idle says whether there is nothing to send. o.mu is held.
func (d *destination) idle() bool {
	return len(d.live) == 0 && len(d.gaps) == 0 && len(d.passing) == 0 && !d.waiting && d.flight == nil
}

// startLocked has a goroutine send what there is, unless one does, or the server is not to be tried yet. o.mu is held.
func (o *Outbox) startLocked(d *destination) {
	if d.busy || d.timer != nil || o.ctx == nil || d.idle() {
		return
	}
	d.busy = true
	ctx := o.ctx
	o.drivers.Go(func() { o.drive(ctx, d) })
}

func (d *destination) stopTimer() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer, d.next = nil, time.Time{}
	}
}

// Wake has a server tried at once that was not reached: it has shown a sign of life, or somebody asks for it.
func (o *Outbox) Wake(server id.Server) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d := o.destinations[server]; d != nil && d.failing {
		o.wakeLocked(d)
	}
}

// WakeAll has all servers tried at once that were not reached: the link has returned.
func (o *Outbox) WakeAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.destinations {
		o.wakeLocked(d)
	}
}

// hangs is how long an attempt is left alone when there is reason to believe that the next one fares better.
const hangs = time.Second

func (o *Outbox) wakeLocked(d *destination) {
	if d.busy {
		if !d.began.IsZero() && o.Now().Sub(d.began) >= hangs {
			d.again = true
			d.cancel() // it goes to where the server was
		}
		return
	}
	if tried := o.Now().Sub(d.lastFailed); d.timer != nil && tried < breath && tried >= 0 {
		d.stopTimer()
		o.wait(d, breath-tried)
		return
	}
	d.stopTimer()
	d.again = true
	o.startLocked(d)
}

// A server that is back has the newest events of its rooms first, and may fetch by itself what goes before them (Freehold
// does), which is quicker than to be sent it: no event of others is missing in between. While it does, the rest is held back.
// For the most part it has that when it is sent.
const (
	askedFor = 500 * time.Millisecond // after it last asked for anything
	mostRest = time.Minute            // in all
)

// Asked is told that a server has asked for events that it lacks.
func (o *Outbox) Asked(server id.Server) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d := o.destinations[server]; d != nil {
		d.asked = o.Now()
	}
}

// holdBack says whether the rest of what a destination missed is held back for now. o.mu is held.
func (o *Outbox) holdBack(d *destination) bool {
	now := o.Now()
	if since := now.Sub(d.asked); since < 0 || since >= askedFor {
		d.resting = time.Time{}
		return false
	}
	if d.resting.IsZero() {
		d.resting = now
	}
	return now.Sub(d.resting) < mostRest
}

// later has a destination looked at again once it may be sent the rest. o.mu is held.
func (o *Outbox) later(d *destination) {
	if d.later {
		return
	}
	d.later = true
	time.AfterFunc(askedFor, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		d.later = false
		o.startLocked(d)
	})
}

var errNoPosition = errors.New("bug: a message is queued in a write without a position")
