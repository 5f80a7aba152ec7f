// Package push tells push gateways of what notifies a user (Client-Server API, "Push Notifications"; Push Gateway API).
//
// Nothing is done for it when an event is sent, so a room of ten thousand costs its sender nothing. The log of events is
// read with a cursor, each event is judged by the rules of those in its room who have pushers, and what notifies them is
// queued, in one write with the cursor (dispatch.go). Who has read something has that told to the gateways that have told her
// of more: one message with nothing in it but how much is left (badge.go). Each pusher's queue is sent in order and survives a restart
// (deliver.go). A gateway that fails is left alone for a while, with all pushers behind it; it costs nobody else more than
// one of many slots.
package push

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"freehold.example/base/dial"
	"freehold.example/base/sqldb"
	"freehold.example/core/notify"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// Config is what push works with. All fields are needed.
type Config struct {
	DB     *sqldb.DB
	Rooms  *room.Rooms
	Notify *notify.Notify
	Door   *dial.Door
	Now    func() time.Time
	Log    *slog.Logger
}

// Push keeps the pushers of one server. Its methods may be called from any goroutine.
type Push struct {
	Config
	secure, plain *http.Client // for https, and for http, which stays inside

	// limit: who has pushers, in memory | some 300 bytes for each such account | as many as there are
	mu    sync.Mutex       // guards all below
	users map[id.User]bool // bounded by the accounts
	known map[id.User]bool // a copy of users that does not change; nil when there are others by now; bounded by users

	readers chan struct{} // bounded by its size: those who read what to send; the other connections to the database are for people
	queues  queues        // only Run touches them
}

// New makes a Push. Errors: the reasons to go out cannot be declared.
func New(c Config) (*Push, error) {
	p := &Push{Config: c, readers: make(chan struct{}, 2)}
	limits := dial.HTTP{Total: 30 * time.Second, Stall: 15 * time.Second, MaxBody: 64 << 10, PerHost: perGateway}
	for _, way := range []struct {
		client **http.Client
		reason dial.Reason
	}{
		{&p.secure, dial.Reason{
			Name: "push", Target: "push gateways that users' clients name", Reach: dial.Everywhere,
			Stops: "phones are not woken; what they missed is there when they are opened",
		}},
		{&p.plain, dial.Reason{
			Name: "push_inside", Target: "push gateways in one's own network that do without https", Reach: dial.InsideOnly,
			Stops: "phones are not woken; what they missed is there when they are opened",
		}},
	} {
		out, err := c.Door.Declare(way.reason)
		if err != nil {
			return nil, err
		}
		*way.client = out.Client(limits)
	}
	return p, nil
}

const look = 250 * time.Millisecond // between two looks at the log

// Run judges events and sends notifications until ctx ends.
func (p *Push) Run(ctx context.Context) error {
	if err := p.load(ctx); err != nil {
		return err
	}
	defer p.queues.wait()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if err := p.dispatch(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		p.start(ctx)
		select {
		case o := <-p.queues.done:
			p.settle(o)
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

const (
	sqlUsers   = `SELECT DISTINCT user_id FROM pusher`
	sqlOrphans = `DELETE FROM push_queue WHERE pusher NOT IN (SELECT nid FROM pusher)`
	sqlOldWoes = `DELETE FROM push_failure WHERE pusher NOT IN (SELECT nid FROM pusher)`
	sqlWaiting = `SELECT nid, url, retry FROM pusher WHERE nid IN (SELECT pusher FROM push_queue)`
)

// load reads who has pushers, and which of those have something to send.
func (p *Push) load(ctx context.Context) error {
	if err := p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(sqlOldWoes); err != nil {
			return err
		}
		_, err := tx.Exec(sqlOrphans)
		return err
	}); err != nil {
		return err
	}
	return p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		users, err := sqldb.Column[id.User](tx, sqlUsers)
		if err != nil {
			return err
		}
		for _, u := range users {
			p.listen(u)
		}
		waiting, err := sqldb.All(tx, scanWaiting, sqlWaiting)
		p.queues.init(waiting, p.Now())
		return err
	})
}

// listen makes sure that events are judged for the user.
func (p *Push) listen(u id.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == nil {
		p.users = map[id.User]bool{}
	}
	if !p.users[u] {
		p.users[u], p.known = true, nil
	}
}

// listeners are the users that events are judged for: all who have pushers, and some who had. The map does not change.
func (p *Push) listeners() map[id.User]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = maps.Clone(p.users)
	}
	return p.known
}
