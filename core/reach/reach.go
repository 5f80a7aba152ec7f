// Package reach knows on which side of a cut this server is: whether anything comes from outside, and which of the servers that
// its users share rooms with are reached.
//
// It is told by what is going on anyway (base/dial, core/peer, core/outbox). When attempts to get outside fail, and nothing has come
// from there since, it asks a few servers that were last heard of: if one of them answers, it is others who are gone.
package reach

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/dial"
	"freehold.example/core/outbox"
	"freehold.example/core/peer"
	"freehold.example/matrix/id"
)

// Peers is what is known of other servers; *peer.Peers is it.
type Peers interface {
	Contacts(ctx context.Context, servers []id.Server) ([]peer.Contact, error)
	SilentNow() map[id.Server]time.Time
	Witness(but map[id.Server]bool) id.Server
	FetchKeys(ctx context.Context, server id.Server) error
}

// Door is what goes out; *dial.Door is it.
type Door interface {
	Side() dial.Side
	CutState() dial.Scope
}

// Config is what a Reach works with. All fields are needed.
type Config struct {
	Door   Door
	Peers  Peers
	Gaps   func() map[id.Server]int                                     // rooms of which servers lack something
	Queues func(ctx context.Context) ([]outbox.Destination, error)      // what is still to be sent
	Shared func(ctx context.Context, user id.User) ([]id.Server, error) // with whom a user shares rooms
	Bus    *bus.Local                                                   // Topic is woken
	Now    func() time.Time
	Log    *slog.Logger
}

// Topic is woken on the bus when something has changed that users are told.
const Topic = "reach"

// State is how it stands with the outside, or with a server.
type State string

// The states.
const (
	Reached State = "reached"
	CutOff  State = "cut_off" // the outside: whoever was tried there does not answer
	Silent  State = "silent"  // a server: it was reached before, and is not now
	Healing State = "healing" // a server: it is told what it has missed
	Unknown State = "unknown" // nothing was tried since the start, or nobody who ever answered
)

// Outside is how it stands with what lies outside.
type Outside struct {
	State     State
	Since     time.Time // of a cut
	Heard     time.Time // when something last came from there; zero for not since the start
	Rehearsal bool      // it is this server's own doing, for a while
}

const (
	tick       = time.Second
	doubt      = 5 * time.Second // between two servers that are asked whether it is this one that is cut off
	witnesses  = 3               // that are asked
	askTime    = 10 * time.Second
	progressIn = 2 * time.Second // at least, between two wakes that are about progress alone
)

// Reach watches. Its methods may be called from any goroutine.
type Reach struct {
	Config

	mu      sync.Mutex // guards what follows
	outside Outside
	asked   map[id.Server]bool // since the attempts fail; bounded by witnesses
	askedAt time.Time
	seen    stand
	healing map[id.Server]int // rooms that were to be told when it began; bounded by the servers with a queue
	told    time.Time         // when Topic was last woken
	work    sync.WaitGroup    // of asking
}

// stand is what has to change for users to be told.
type stand struct {
	state  State
	drill  bool
	silent map[id.Server]time.Time
	gaps   map[id.Server]int
}

// New makes a Reach, which watches once Run is called.
func New(c Config) *Reach {
	return &Reach{Config: c, outside: Outside{State: Unknown}, asked: map[id.Server]bool{}, healing: map[id.Server]int{}}
}

// Outside says how it stands with the outside.
func (r *Reach) Outside() Outside {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outside
}

// Run watches until ctx ends.
func (r *Reach) Run(ctx context.Context) error {
	defer r.work.Wait()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		r.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// look takes stock, and wakes who waits for news of that.
func (r *Reach) look(ctx context.Context) {
	now := r.Now()
	silent := r.Peers.SilentNow()
	gaps := r.Gaps()
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.outside
	r.judge(ctx, now, len(silent) > 0)
	if before.State != r.outside.State && (before.State == CutOff || r.outside.State == CutOff) {
		r.Log.InfoContext(ctx, "the outside", "state", r.outside.State, "since", r.outside.Since)
	}
	for server, n := range gaps {
		if _, is := silent[server]; !is && n > r.healing[server] {
			r.healing[server] = n
		}
	}
	maps.DeleteFunc(r.healing, func(server id.Server, _ int) bool { return gaps[server] == 0 })
	is := stand{r.outside.State, r.outside.Rehearsal, silent, gaps}
	same := is.state == r.seen.state && is.drill == r.seen.drill && maps.Equal(is.silent, r.seen.silent)
	if same && (maps.Equal(is.gaps, r.seen.gaps) || now.Sub(r.told) < progressIn && !now.Before(r.told)) {
		return
	}
	r.seen, r.told = is, now
	r.Bus.Wake(Topic)
}

// judge decides how it stands with the outside. r.mu is held.
func (r *Reach) judge(ctx context.Context, now time.Time, silent bool) {
	side, cut := r.Door.Side(), r.Door.CutState()
	o := &r.outside
	o.Heard = side.Heard
	o.Rehearsal = cut&(dial.CutOutside|dial.CutPeers|dial.CutAll) != 0 // whom people here talk with is not reached
	if o.Rehearsal {
		if o.State != CutOff {
			o.State, o.Since = CutOff, now
		}
		return
	}
	if side.Failing.IsZero() {
		clear(r.asked)
		o.Since = time.Time{}
		if o.State = Reached; side.Heard.IsZero() {
			o.State = Unknown
		}
		return
	}
	if side.Heard.IsZero() && !silent {
		o.State, o.Since = Unknown, time.Time{} // who does not answer has never done so
		return
	}
	if o.State == CutOff || now.Sub(r.askedAt) < doubt && !now.Before(r.askedAt) {
		return
	}
	if len(r.asked) < witnesses {
		if server := r.Peers.Witness(r.asked); server != "" {
			r.asked[server], r.askedAt = true, now
			r.work.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				_ = r.Peers.FetchKeys(ctx, server) // the door takes note of what comes
			})
			return
		}
	}
	o.State, o.Since = CutOff, side.Failing
}

// Server is how it stands with another server.
type Server struct {
	Server  id.Server
	State   State
	Last    time.Time // when it was last heard of; zero for never
	Since   time.Time // when it fell silent; zero while it has not
	Events  int       // that wait to be sent to it
	Rooms   int       // in which it may lack more than that
	Others  int64     // that wait besides: messages to devices, and the like
	OfRooms int       // while it is healing: in how many it did when that began
}

// limit: other servers that a user is told about | %d, those first that are not reached | the rest are counted
const maxServers = 200

// View is what a user is told: how it stands with the outside, and with the servers of his rooms.
type View struct {
	Outside Outside
	Servers []Server
	More    int // servers that are not listed
}

// Of makes the view of a user.
func (r *Reach) Of(ctx context.Context, user id.User) (*View, error) {
	servers, err := r.Shared(ctx, user)
	if err != nil {
		return nil, err
	}
	contacts, err := r.Peers.Contacts(ctx, servers)
	if err != nil {
		return nil, err
	}
	queues, err := r.Queues(ctx)
	if err != nil {
		return nil, err
	}
	of := make(map[id.Server]outbox.Destination, len(queues))
	for _, q := range queues {
		of[q.Server] = q
	}
	v := &View{Servers: make([]Server, 0, len(contacts))}
	r.mu.Lock()
	v.Outside = r.outside
	for _, c := range contacts {
		q := of[c.Server]
		s := Server{
			Server: c.Server, State: Reached, Last: c.Last, Since: c.Silent,
			Events: q.Events, Rooms: q.Rooms, Others: q.Messages, OfRooms: max(r.healing[c.Server], q.Rooms),
		}
		switch {
		case !c.Silent.IsZero():
			s.State, s.OfRooms = Silent, 0
		case q.Rooms > 0:
			s.State = Healing
		case c.Last.IsZero():
			s.State = Unknown
		}
		v.Servers = append(v.Servers, s)
	}
	r.mu.Unlock()
	rank := map[State]int{Silent: 0, Healing: 1, Unknown: 2, Reached: 3}
	slices.SortStableFunc(v.Servers, func(a, b Server) int { return rank[a.State] - rank[b.State] })
	v.More = max(len(v.Servers)-maxServers, 0)
	v.Servers = v.Servers[:len(v.Servers)-v.More]
	return v, nil
}
