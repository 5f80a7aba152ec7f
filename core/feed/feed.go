// Package feed tells a client what has changed since it last asked: GET /sync.
//
// It keeps nothing between requests. A token is a cursor into the streams of the database and the serials of what is only
// in memory; everything that is new is read from there. Two moments of a room are compared by the roots of its state, so
// that a gap in the timeline costs what differs and not what the room is. To-device messages are the one thing that is
// used up: asking from a token says that everything before it has arrived.
//
// A request that finds nothing sleeps on one topic, its user's, whatever the number of rooms: it registers first, reads
// second and waits third, so that no wake is lost in between (base/bus).
package feed

import (
	"cmp"
	"context"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/park"
	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/notify"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/core/thread"
	"freehold.example/matrix/filter"
	"freehold.example/matrix/id"
)

// Config is what the feed reads from. All fields are needed.
type Config struct {
	DB        *sqldb.DB
	Bus       *bus.Local
	Rooms     *room.Rooms
	Keys      *keys.Keys
	Inbox     *inbox.Inbox
	Ephemeral *ephemeral.Ephemeral
	People    *person.People
	Threads   *thread.Threads
	Notify    *notify.Notify
	Now       func() time.Time
	Log       *slog.Logger
}

// Feed answers syncs. Its methods may be called from any goroutine.
type Feed struct {
	Config
	told       told
	lingering  lingering
	crew       *crew
	admission  *admission
	everything *filter.Filter // for who gives none

	connections *connections
	overviews   overviews

	peeked, read atomic.Int64 // looks that were answered from memory, and from the database
	failed       atomic.Int64 // rooms that were left out of an answer, as they could not be shown
}

// New makes a Feed.
func New(c Config) *Feed {
	f := &Feed{
		Config: c, everything: new(filter.Filter), admission: newAdmission(), crew: newCrew(runtime.GOMAXPROCS(0)),
		told: told{devices: map[reader]map[room.NID]telling{}}, overviews: overviews{of: map[id.User]*overview{}},
	}
	f.connections = newConnections(&f.told)
	return f
}

// Close ends what waits for further requests, of which there are none.
func (f *Feed) Close() { f.crew.end() }

// The bounds of one request.
const (
	MaxWait      = 2 * time.Minute // however long a client wants to wait
	maxTimeline  = 200             // events of one room
	usualLimit   = 10
	maxToDevice  = 100
	manyReceipts = 1000 // new receipts on this server; past it each room is asked
)

// Request is one sync.
type Request struct {
	Caller      room.Caller
	Since       string // "" for all there is
	Filter      *filter.Filter
	FullState   bool
	StateAfter  bool   // state_after instead of state
	Unstable    bool   // ... under its name from before it was in the specification
	SetPresence string // "" for online
	Timeout     time.Duration

	next token // where the answer ends

	// Allowed is asked after each sleep whether the caller may still be told anything; its error is the answer. nil: yes.
	Allowed func(ctx context.Context) error
}

// Sync answers with what is new, a csapi.SyncResponse, waiting up to the timeout while there is nothing. Errors:
// M_INVALID_PARAM for a token of some other server. An error after the first part leaves the answer incomplete.
func (f *Feed) Sync(ctx context.Context, q Request, to Sink) error {
	since, err := parseToken(q.Since)
	if err != nil {
		return err
	}
	if by, lost := f.DB.Lost(since.pos); lost {
		since = since.lose(by.Shared, by.Begins)
	}
	if q.Filter == nil {
		q.Filter = f.everything
	}
	gone := f.Ephemeral.Seen(ctx, q.Caller.User, q.Caller.Device, cmp.Or(q.SetPresence, ephemeral.Online), q.Timeout)
	sleeper := f.lingering.back(q.Caller, since, f.Now())
	told := sleeper != nil // all that there was
	if !told {
		sleeper = f.Bus.Sleep("u:" + string(q.Caller.User))
	}
	wait := park.Begin(ctx, sleeper, min(q.Timeout, MaxWait), gone)
	defer wait.End()
	leave := func() {}
	if !told && !park.Came(ctx) {
		if leave, err = f.admission.enter(ctx); err != nil {
			return err
		}
		defer leave()
		to = leaving{to, leave}
	}
	if since.inbox != 0 && since.inbox <= f.DB.Committed() { // else it is of another life, and says nothing
		if err := f.Inbox.Ack(ctx, q.Caller.User, q.Caller.Device, since.inbox); err != nil && ctx.Err() == nil {
			// They are passed over all the same and removed another time: a disk that is full does not keep anybody from
			// reading.
			f.Log.WarnContext(ctx, "messages that a device has received are still kept", "cause", err)
		}
	}
	for last := wait.Over() || since.initial() || q.FullState; ; {
		if !told || last {
			answer, parts, news, err := f.look(ctx, &q, since, to)
			switch {
			case err != nil:
				return err
			case parts:
				_, err = to.Write(answer)
			case news || last:
				if q.next.inbox == q.next.pos {
					f.lingering.leave(q.Caller, q.next, wait.Leave(), f.Now())
				}
				err = to.Whole(answer)
			}
			recycle(answer)
			if parts || news || last {
				return err
			}
		}
		told = false
		leave()
		if last, err = wait.Sleep(ctx); err != nil {
			return err
		}
		if q.Allowed != nil {
			if err := q.Allowed(ctx); err != nil {
				return err
			}
		}
	}
}

// DeviceLists is the device_lists of all syncs of user between two tokens; what changed after the second may be in it.
func (f *Feed) DeviceLists(ctx context.Context, user id.User, from, to string) (changed, left []id.User, err error) {
	since, err := parseToken(from)
	if err != nil {
		return nil, nil, err
	}
	if _, err := parseToken(to); err != nil {
		return nil, nil, err
	}
	if by, lost := f.DB.Lost(since.pos); lost {
		since.pos = by.Shared
	}
	err = f.DB.Read(ctx, func(tx *sqldb.Tx) error {
		high, err := tx.High()
		if err != nil {
			return err
		}
		standings, err := f.Rooms.ChangedStandings(tx, user, since.pos, nil)
		if err != nil {
			return err
		}
		met, err := f.Rooms.Encounters(tx, user, since.pos, standings)
		if err != nil {
			return err
		}
		changed, left, err = f.deviceLists(tx, user, since.pos, high, met)
		return err
	})
	return changed, left, err
}

// askOneByOne is of how many users it is asked singly whether they share a room; of more, all who do are read.
const askOneByOne = 16

func (f *Feed) deviceLists(tx *sqldb.Tx, user id.User, since, upto sqldb.Pos, e room.Encounter) (changed, left []id.User, err error) {
	w := keys.Window{Watcher: user, Met: e.Met, Parted: e.Parted}
	if w.Updated, err = f.Keys.Changed(tx, user, since, upto); err != nil {
		return nil, nil, err
	}
	w.Shares = func(other id.User) (bool, error) {
		if slices.Contains(e.Shares, other) {
			return true, nil
		}
		return f.Rooms.SharesRoom(tx, user, other)
	}
	if len(e.Met)+len(e.Parted) > askOneByOne {
		shared, err := f.Rooms.SharedUsers(tx, user)
		if err != nil {
			return nil, nil, err
		}
		set := make(map[id.User]bool, len(shared))
		for _, other := range shared {
			set[other] = true
		}
		w.Shares = func(other id.User) (bool, error) { return set[other], nil }
	}
	return w.Lists()
}

// Looks counts the looks for news that memory could answer, and those that read the database.
func (f *Feed) Looks() (peeked, read int64) { return f.peeked.Load(), f.read.Load() }
