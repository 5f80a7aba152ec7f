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
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/notify"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
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
	Notify    *notify.Notify
	Now       func() time.Time
	Log       *slog.Logger
}

// Feed answers syncs. Its methods may be called from any goroutine.
type Feed struct {
	Config
	told told
}

// New makes a Feed.
func New(c Config) *Feed {
	return &Feed{Config: c, told: told{devices: map[room.Caller]map[room.NID]telling{}}}
}

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

	// Allowed is asked after each sleep whether the caller may still be told anything; its error is the answer. nil: yes.
	Allowed func(ctx context.Context) error
}

// Sync answers with what is new, waiting up to the timeout while there is nothing. Errors: M_INVALID_PARAM for a token of
// some other server.
func (f *Feed) Sync(ctx context.Context, q Request) (*csapi.SyncResponse, error) {
	since, err := parseToken(q.Since)
	if err != nil {
		return nil, err
	}
	if q.Filter == nil {
		q.Filter = new(filter.Filter)
	}
	defer f.Ephemeral.Seen(ctx, q.Caller.User, q.Caller.Device, cmp.Or(q.SetPresence, ephemeral.Online), q.Timeout)()
	if since.inbox != 0 && since.inbox <= f.DB.Committed() { // else it is of another life, and says nothing
		if err := f.Inbox.Ack(ctx, q.Caller.User, q.Caller.Device, since.inbox); err != nil && ctx.Err() == nil {
			// They are passed over all the same and removed another time: a disk that is full does not keep anybody from
			// reading.
			f.Log.WarnContext(ctx, "messages that a device has received are still kept", "cause", err)
		}
	}
	sleeper := f.Bus.Sleep("u:" + string(q.Caller.User))
	defer sleeper.Close()
	timeout := time.NewTimer(min(q.Timeout, MaxWait))
	defer timeout.Stop()
	for last := q.Timeout <= 0 || since.initial() || q.FullState; ; {
		out, news, err := f.look(ctx, &q, since)
		if err != nil || news || last {
			return out, err
		}
		select {
		case <-sleeper.C():
		case <-timeout.C:
			last = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if q.Allowed != nil {
			if err := q.Allowed(ctx); err != nil {
				return nil, err
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
	w.Shares = func(other id.User) (bool, error) { return f.Rooms.SharesRoom(tx, user, other) }
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
