package budget

import (
	"time"

	"freehold.example/matrix/id"
)

// Facts are what a budget is computed of besides what is declared at the door: the configuration as it runs, and who uses
// what.
type Facts struct {
	Server   id.Server
	Accounts int // that are not closed

	Federation  bool
	Allowlist   bool // it is with some servers only
	SharedRooms int  // with others
	SharedUsers int  // who are in one of them
	Peers       []Peer
	Met         int // other servers that have answered at some time, in shared rooms or not

	Certificate Certificate
	PublicURL   string // where clients reach this server by a proxy; "" for not so
	HTTPS       bool   // ... encrypted

	Gateways []Gateway
	Services []Service
	Previews bool
	TURN     []string // addresses
	LiveKit  []string
	Database string // host and port; "" for a file of this machine
	Drift    *Drift // nil while no drill has measured it
}

// Peer is another homeserver that people of this one share rooms with.
type Peer struct {
	Server       id.Server
	Rooms, Users int

	Met         time.Time // zero for never
	Address     bool      // one is remembered
	Keys        bool      // they are
	KeysUntil   time.Time // when they are to be fetched again
	Pinned      bool      // its certificate rests on its own key
	Certificate time.Time // when the one ends that rests on an authority; zero for not known
	Silent      time.Time // since when it is not reached; zero for it is
}

// Certificate is what other servers are shown.
type Certificate struct {
	Listens bool      // there is a listener for them
	Own     bool      // this server made it, and makes the next
	Until   time.Time // when it ends
}

// Gateway is a push gateway.
type Gateway struct {
	Host           string
	Inside         bool
	Users, Pushers int
}

// Service is an application service that is told of events.
type Service struct {
	ID, Host string
	Inside   bool // by its address, where that is none to be asked for
	Users    int  // of its own
}

// Drift is how the machine's clock runs while nobody sets it.
type Drift struct {
	PPM      int64     // millionths; negative for slow
	Measured time.Time // when
}
