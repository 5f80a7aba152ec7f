// Package room is the room engine: it makes events, decides whether they may happen, keeps each room's state, and reads
// them back for whoever may see them.
//
// A room has one writer. Each active room has a lane and, while it is in use, a head in memory: forward extremities,
// current state, the parsed power levels and join rules. A send holds the lane only to build its event on the head, to
// queue the write and to move the head forward; it waits for the disk outside the lane, so that many sends into one room
// share one commit (design D4, D5). The write compares the stored head with the one the event was built on. If an earlier
// write of the room failed, the comparison fails too, the head in memory is thrown away, and the send starts again from
// what is on disk.
//
// The path of a send: send.go -> build.go -> persist.go -> announce.go.
package room

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/lane"
	"freehold.example/base/limit"
	"freehold.example/base/news"
	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// NID is a number that stands for a room, an event or a state key within this database.
type NID int64

// Caller is who an operation is done for: a local user, and the device whose transaction ids count.
type Caller struct {
	User   id.User
	Device id.Device
	Exempt bool // from the limits of rooms
}

// Profiles tells the name and picture that a user's member events carry; core/person has them.
type Profiles interface {
	MemberProfile(ctx context.Context, user id.User) (displayname, avatarURL string, err error)
}

// Config is what the engine works with. All fields but the functions and the sizes are needed.
type Config struct {
	DB             *sqldb.DB
	Bus            *bus.Local
	Profiles       Profiles
	Server         id.Server
	Signer         event.Signer
	DefaultVersion string        // room version of new rooms; "12" when empty
	Limits         *limit.Limits // of how much all members together send into one room; nil: none
	Now            func() time.Time
	Log            *slog.Logger

	// Erased says at which position a user has asked to be erased from this server, if she has; nil: nobody has.
	Erased func(user id.User) (at sqldb.Pos, ok bool)

	// Follow carries a local user's settings of a room, and what this server's directory has of it, over to the one that
	// has replaced it, within the write by which she is in that; nil carries nothing. Both rooms say that it has: the new one
	// by its predecessor, the old one by its tombstone. It may be called again for the same rooms.
	Follow func(tx *sqldb.Tx, user id.User, from, to id.Room) error

	// Unseated is told of events that leave the timeline, as they turn out not to have been allowed, within the write that does
	// it; nil tells nobody.
	Unseated func(tx *sqldb.Tx, events []NID) error

	// Policy asks policy servers; nil where this server asks no other.
	Policy PolicyServers

	// InviteOut invites a user of another server, who has to be asked before the event is in the room; nil where this server
	// talks to no other.
	InviteOut func(ctx context.Context, c Caller, room id.Room, target id.User, content map[string]any) (id.Event, error)

	// MayInvite refuses an invitation that the invited does not want; nil refuses none.
	MayInvite func(ctx context.Context, inviter, user id.User) error

	// limit: rooms that are written to, in memory | 10,000, with 1,000,000 of their members | any others make room
	// limit: decoded state in memory | 64 MiB | what was used longest ago goes
	// limit: newest events of rooms in memory | 64 MiB | the oldest of a room, then the room written longest ago
	MaxHeads  int // heads kept in memory; 10,000 when 0
	NodeBytes int // bytes of decoded state kept in memory; 64 MiB when 0
	TailBytes int // bytes of the newest events of rooms kept in memory; 64 MiB when 0
	OwnRows   int // memberships of those who sync kept in memory; 100,000 when 0
}

// Check names the field that is wrong.
func (c *Config) Check() error {
	if c.DefaultVersion != "" {
		if _, ok := version.Lookup(c.DefaultVersion); !ok {
			return errors.New("default_room_version: unknown room version " + c.DefaultVersion)
		}
	}
	return nil
}

// Rooms is the room engine of one server. Its methods may be called from any goroutine.
type Rooms struct {
	Config
	lanes   *lane.Lanes[id.Room]
	heads   *heads
	nodes   *pmap.Cache
	keys    *keyNames
	kinds   *keyKinds
	nids    nids
	recent  *recentTxns
	asks    asks
	changes *news.Log[roomKey]     // which rooms were written
	moves   *news.Log[move]        // whose memberships were written
	seats   *news.Latest[struct{}] // when a row of membership was
	doubted atomic.Int64           // up to which position moves may have what never came to be, or lack something
	partly  partly
	owns    *owns
	tails   *tails
	levels  levels
	acls    acls
	present presence
	names   eventNames
	parents relatedRooms
	census  census
	types   types
	views   overviews
	blocks  blocks
	events  *eventCache

	resolved resolved

	lastCreate atomic.Int64 // origin_server_ts of the newest create event
}

// New makes the engine. It reads nothing until it is used.
func New(c Config) (*Rooms, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.DefaultVersion == "" {
		c.DefaultVersion = "12"
	}
	if c.MaxHeads == 0 {
		c.MaxHeads = 10_000
	}
	if c.NodeBytes == 0 {
		c.NodeBytes = 64 << 20
	}
	c.TailBytes = cmp.Or(c.TailBytes, 64<<20)
	c.OwnRows = cmp.Or(c.OwnRows, maxOwnRows)
	floor := c.DB.Committed()
	r := &Rooms{
		Config: c,
		lanes:  new(lane.Lanes[id.Room]),
		heads:  newHeads(c.MaxHeads),
		nodes:  pmap.NewCache(c.NodeBytes, c.Now),
		keys:   newKeyNames(),
		census: census{rooms: map[NID]headcount{}},
		kinds:  newKeyKinds(),
		recent: newRecentTxns(),
		events: newEventCache(32<<20, c.Now),

		changes: news.NewLog[roomKey](floor, maxChanges),
		moves:   news.NewLog[move](floor, maxMoves),
		seats:   news.NewLatest[struct{}](floor, 1),
		partly:  newPartly(floor),
		owns:    newOwns(floor, c.OwnRows),
		tails:   newTails(c.TailBytes),
	}
	return r, nil
}

// nids hands out numbers from blocks reserved in the database, so that an event has its number before it is written.
// A block that a crash leaves half used is lost; numbers need only be unique.
type nids struct {
	mu         sync.Mutex // guards next and end; held over the reservation of a block, which is rare
	next, last NID
}

const nidBlock = 4096

// allot returns the first of n consecutive numbers.
func (r *Rooms) allot(ctx context.Context, n int) (NID, error) {
	r.nids.mu.Lock()
	defer r.nids.mu.Unlock()
	if r.nids.next == 0 || r.nids.next+NID(n) > r.nids.last {
		var end NID
		size := max(nidBlock, n)
		err := r.DB.Write(ctx, func(tx *sqldb.Tx) error {
			return tx.Row(`UPDATE nid_block SET next = next + $1 RETURNING next`, size).Scan(&end)
		})
		if err != nil {
			return 0, err
		}
		r.nids.next, r.nids.last = end-NID(size), end
	}
	first := r.nids.next
	r.nids.next += NID(n)
	return first, nil
}
