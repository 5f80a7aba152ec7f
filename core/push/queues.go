package push

import (
	"context"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"freehold.example/base/backoff"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
)

// How many are sent to at once: in all, and to one gateway. There is nearly always one gateway for each app, so that one
// which is slow leaves most of the slots to the others.
const (
	slots      = 32
	perGateway = 8
)

// again says when a gateway that failed is tried again.
var again = backoff.Policy{First: 2 * time.Second, Cap: 5 * time.Minute}

func pauseAfter(failures int) time.Duration {
	return again.Wait(failures, rand.Float64()) //nolint:gosec // nobody gains by guessing it
}

// waiting is a pusher that has something to send.
type waiting struct {
	pusher int64
	url    string
	retry  int64 // not before this time, in milliseconds
	badge  bool  // what was added is only a new count, which can wait a little for the next
	urgent bool  // it is of what was said to the user herself, and goes before what was said to all
}

func scanWaiting(row sqldb.Scanner) (w waiting, err error) {
	err = row.Scan(&w.pusher, &w.url, &w.retry)
	return w, err
}

// queues is which pushers have something to send, and how it goes with their gateways. It belongs to Run.
type queues struct {
	upto, saved sqldb.Pos // how far the log has been judged, and what of that is on disk; 0 before the first look
	seen        sqldb.Pos // up to here there is nothing more: positions after upto may be those of writes that failed

	pushers  map[int64]*queue
	gateways map[string]*gateway
	running  int
	group    sync.WaitGroup
	done     chan outcome
}

// queue is what waits for one pusher.
type queue struct {
	gateway string
	due     time.Time
	rest    time.Time // there is only a new count to send, and not before this
	busy    bool
	news    bool // something was added while it was busy
	urgent  bool
}

// gateway is what is known of the place that pushers send to.
type gateway struct {
	pushers  map[int64]*queue // those that wait, but for the urgent ones; bounded by queues.pushers
	urgent   map[int64]*queue
	running  int
	failures int
	until    time.Time // it is left alone till then
}

// outcome is what came of sending a pusher's queue.
type outcome struct {
	pusher  int64
	gateway string
	empty   bool      // nothing is left
	down    bool      // the gateway did not answer as a gateway does
	retry   time.Time // the pusher is left alone till then
}

func (q *queues) init(all []waiting, now time.Time) {
	q.pushers, q.gateways, q.running = map[int64]*queue{}, map[string]*gateway{}, 0
	q.upto, q.saved, q.seen = 0, 0, 0
	q.done = make(chan outcome, slots)
	q.add(all, now)
}

func (q *queues) wait() { q.group.Wait() }

func (q *queues) add(all []waiting, now time.Time) {
	for _, w := range all {
		at := q.pushers[w.pusher]
		switch {
		case at == nil:
			at = &queue{}
			q.pushers[w.pusher] = at
			if w.badge {
				at.rest = now.Add(badgeRest)
			}
		case !w.badge:
			at.rest = time.Time{}
		}
		q.leave(w.pusher, at)
		at.gateway, at.news, at.urgent = host(w.url), true, at.urgent || w.urgent
		q.enter(w.pusher, at)
		if w.retry != 0 {
			at.due = time.UnixMilli(w.retry)
		}
	}
}

// host is the gateway that an address belongs to.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// enter puts a pusher among those of its gateway; leave takes it away.
func (q *queues) enter(nid int64, at *queue) {
	g := q.gateways[at.gateway]
	if g == nil {
		g = &gateway{pushers: map[int64]*queue{}, urgent: map[int64]*queue{}}
		q.gateways[at.gateway] = g
	}
	if at.urgent {
		g.urgent[nid] = at
	} else {
		g.pushers[nid] = at
	}
}

func (q *queues) leave(nid int64, at *queue) {
	if g := q.gateways[at.gateway]; g != nil {
		delete(g.urgent, nid)
		delete(g.pushers, nid)
	}
}

// start sends the queues that are due, as far as there are slots. It costs what it starts, however many wait.
func (p *Push) start(ctx context.Context) {
	q, now := &p.queues, p.Now()
	for name, g := range q.gateways {
		if early(now, g.until) {
			continue
		}
		most := perGateway
		if g.failures > 0 {
			most = 1 // to see whether it is back
		}
		for _, waiting := range []map[int64]*queue{g.urgent, g.pushers} {
			for nid, at := range waiting { // in no order: nobody is always the last
				if g.running >= most || q.running >= slots {
					break
				}
				if at.busy || early(now, at.due) || early(now, at.rest) {
					continue
				}
				at.busy, at.news = true, false
				g.running++
				q.running++
				q.group.Go(func() {
					o := p.sendSafely(ctx, nid)
					o.pusher, o.gateway = nid, name // it may be set anew meanwhile
					q.done <- o
				})
			}
		}
	}
}

// early says whether it is not time yet. A time that is further away than any wait is of a clock that has been set back since.
func early(now, until time.Time) bool {
	wait := until.Sub(now)
	return wait > 0 && wait <= again.Cap
}

// settle takes down what came of sending.
func (p *Push) settle(o outcome) {
	q, now := &p.queues, p.Now()
	at, g := q.pushers[o.pusher], q.gateways[o.gateway]
	at.busy, at.due = false, o.retry
	g.running--
	q.running--
	if o.down {
		g.failures++
		g.until = now.Add(pauseAfter(g.failures))
	} else {
		g.failures, g.until = 0, time.Time{}
	}
	if o.empty && !at.news {
		delete(q.pushers, o.pusher)
		q.leave(o.pusher, at)
	}
	if g.running == 0 && g.failures == 0 && len(g.pushers)+len(g.urgent) == 0 {
		delete(q.gateways, o.gateway)
	}
}

// ForgetEvents gives up the notifications of events that are removed, inside the write that removes them.
func ForgetEvents(tx *sqldb.Tx, events []room.NID) error {
	_, err := tx.Exec(`DELETE FROM push_queue WHERE event IN ({ints $1})`, sqldb.List(events))
	return err
}
