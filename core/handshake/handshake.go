// Package handshake is what this server's users have to do with rooms that live elsewhere: it lets them join, knock, turn an
// invitation down, invite users of other servers and be invited by them.
//
// The other server makes a template of the event (make_join and its like), this one makes the event, signs it, and the other
// puts it into the room (send_join). Nothing of a template is signed because it was in there: template.go checks each field
// or makes it anew. Nothing of the answer is believed unless it is signed by whom it should be: answer.go.
//
// A large room is joined without its members, usable at once; fill.go fetches them behind, and goes on with it after a
// restart.
package handshake

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/lane"
	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Config is what Handshakes works with. All fields are needed.
type Config struct {
	DB       *sqldb.DB
	Rooms    *room.Rooms
	Peers    *peer.Peers
	Profiles room.Profiles
	Bus      *bus.Local
	Signer   event.Signer
	Now      func() time.Time
	Log      *slog.Logger

	// Exists says whether there is a user of this server who can be invited.
	Exists func(tx *sqldb.Tx, user id.User) (bool, error)
	// MayInvite refuses an invitation that the invited does not want.
	MayInvite func(ctx context.Context, inviter, user id.User) error
	// Settled is told that all members of a room are known. It is told again when the server ends in the middle of it. nil for
	// nobody.
	Settled func(ctx context.Context, room id.Room) error
}

// entering is a room that is joined or left. It is taken before the room's own lane.
type entering id.Room

// Handshakes is one server's dealings with rooms that live elsewhere. Its methods may be called from any goroutine.
type Handshakes struct {
	Config
	lanes lane.Lanes[entering] // one join of a room at a time: whoever comes second finds the server in it
	wake  chan struct{}        // bounded: of size 1; there is something to do for Run

	mu       sync.Mutex              // guards what follows
	joins    map[id.Room]pendingJoin // rooms that are being joined; bounded by the requests under way
	fillings map[id.Room]*Filling    // rooms whose members are being fetched, as on disk; what is in it is replaced, not changed. bounded by the rooms that were joined
}

// New makes Handshakes. It asks nobody anything until it is used.
func New(c Config) *Handshakes {
	return &Handshakes{Config: c, wake: make(chan struct{}, 1), joins: map[id.Room]pendingJoin{}, fillings: map[id.Room]*Filling{}}
}

// The bounds of one handshake.
const (
	maxCandidates = 20               // servers that are tried
	headStart     = time.Second      // that one has over the next
	atOnce        = 3                // servers that are asked at the same time
	patience      = 90 * time.Second // for all of it
)
