// Package directory finds rooms: the aliases of this server, and its directory of published rooms.
//
// Aliases and publication are this server's own records, not state of the room. What a published room shows of itself,
// its name, topic and size, is read from its current state.
package directory

import (
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Config is what the directory works with. All fields are needed.
type Config struct {
	DB     *sqldb.DB
	Rooms  *room.Rooms
	Server id.Server
	Peers  *peer.Peers // asked for the aliases of other servers; nil: nobody is asked
	Now    func() time.Time
}

// Directory is the directory of one server.
type Directory struct {
	Config

	mu        sync.Mutex          // guards the rest
	summaries map[id.Room]summary // bounded by maxSummaries
	bytes     int
}

// New makes a directory.
func New(c Config) *Directory { return &Directory{Config: c, summaries: map[id.Room]summary{}} }

// Caller is who asks for a change.
type Caller struct {
	room.Caller
	Admin   bool // administers this server
	Service bool // an application service, about what is in its namespaces
}

// canonical is the state event that names a room's main alias. Who may set it may decide about aliases and publication.
const canonical = "m.room.canonical_alias"

// decides says whether the user's power in the room reaches to its aliases and its publication.
func (d *Directory) decides(tx *sqldb.Tx, in id.Room, user id.User) (bool, error) {
	levels, err := d.Rooms.LevelsOf(tx, in)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return levels.User(user) >= levels.Event(canonical, true), nil
}
