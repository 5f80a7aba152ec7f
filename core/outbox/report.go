package outbox

import (
	"slices"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// State is what goes on with a server.
type State string

// The states of a destination.
const (
	Idle       State = "idle"        // it has been told everything
	Sending    State = "sending"     // a transaction is under way
	CatchingUp State = "catching up" // ... with what it has missed
	Waiting    State = "waiting"     // it did not take the last transaction, and is tried again later
)

// Destination is how far a server has been told.
type Destination struct {
	Server     id.Server
	State      State
	Events     int       // that are to be sent to it from memory
	Rooms      int       // in which it may lack more than that
	Messages   int64     // on disk that it is to be told besides
	LastOK     time.Time // when it last took a transaction; zero for not since the start
	LastFailed time.Time // when it last did not; zero likewise
	LastError  string    // why; "" when it has taken one since
	Next       time.Time // when it is tried again; zero unless it is Waiting
}

// Report lists the servers that there was something to tell of late, by name.
func (o *Outbox) Report(tx *sqldb.Tx) ([]Destination, error) {
	queued, err := sqldb.All(tx, scanCount, sqlQueued)
	if err != nil {
		return nil, err
	}
	messages := make(map[id.Server]int64, len(queued))
	for _, q := range queued {
		messages[q.server] = q.n
	}
	o.mu.Lock()
	all := make([]Destination, 0, len(o.destinations))
	for server, d := range o.destinations {
		one := Destination{
			Server: server, State: d.state(), Events: len(d.live), Rooms: len(d.gaps), Messages: messages[server],
			LastOK: d.lastOK, LastFailed: d.lastFailed, Next: d.next,
		}
		if d.lastErr != nil {
			one.LastError = d.lastErr.Error()
		}
		all = append(all, one)
	}
	o.mu.Unlock()
	slices.SortFunc(all, func(a, b Destination) int { return strings.Compare(string(a.Server), string(b.Server)) })
	return all, nil
}

// Gaps are the rooms of which servers are still to be told what they have missed, of those servers that lack any.
func (o *Outbox) Gaps() map[id.Server]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := map[id.Server]int{}
	for server, d := range o.destinations {
		if len(d.gaps) > 0 {
			all[server] = len(d.gaps)
		}
	}
	return all
}

// state is what goes on. o.mu is held.
func (d *destination) state() State {
	switch {
	case d.busy && len(d.gaps) > 0 && !d.failing:
		return CatchingUp
	case d.busy && !d.failing:
		return Sending
	case d.failing || d.timer != nil:
		return Waiting
	}
	return Idle
}
