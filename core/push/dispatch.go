package push

import (
	"context"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/notify"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

const (
	batch    = 500  // events that are read at once
	perWrite = 250  // notifications that are queued in one write, so that no sender waits for thousands
	lag      = 5000 // positions that the cursor on disk may lie behind while there is nothing to queue
	// limit: notifications that wait for one pusher | %d | the oldest go
	maxQueue = 200 // notifications that wait for one pusher; past it the oldest go
)

const (
	sqlCursor  = `SELECT pos FROM push_cursor WHERE id = 1`
	sqlOldest  = `SELECT coalesce(min(nid), 0) FROM pusher`
	sqlAdvance = `UPDATE push_cursor SET pos = $1 WHERE id = 1 AND pos < $1`
	sqlQueue   = `INSERT INTO push_queue (pusher, pos, event, actions)
		SELECT nid, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT) FROM pusher WHERE user_id IN ({list $1}) AND nid < $2
		ON CONFLICT (pusher, pos) DO NOTHING`
	sqlTrim = `DELETE FROM push_queue WHERE pusher = $1
		AND pos <= (SELECT pos FROM push_queue WHERE pusher = $1 ORDER BY pos DESC LIMIT 1 OFFSET $2)`
	sqlPushersOf = `SELECT nid, url, retry FROM pusher WHERE user_id IN ({list $1})`
)

// notification is an event that a user is to be told of.
type notification struct {
	user    id.User
	event   *room.Stored
	actions string
	loud    bool // it highlights
}

// news is what has come to pass since the log was last looked at.
type news struct {
	notifications []notification
	readings      []ephemeral.Reading
}

// dispatch judges what has been committed since it last looked.
func (p *Push) dispatch(ctx context.Context) error {
	for p.queues.upto == 0 || p.queues.seen < p.DB.Committed() {
		var all news
		var upto, seen sqldb.Pos
		more := false
		users := p.listeners()
		err := p.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			all, seen = news{}, tx.Pos()
			after := p.queues.upto
			if after == 0 {
				if err := tx.Row(sqlCursor).Scan(&after); err != nil {
					return err
				}
			}
			if after == 0 { // nothing is told of what was there before the first pusher
				if err := tx.Row(sqlOldest).Scan(&after); err != nil {
					return err
				}
			}
			if after == 0 || len(users) == 0 {
				upto, err = tx.High()
				return err
			}
			var events []*room.Stored
			if events, upto, more, err = p.Rooms.Stream(tx, after, batch); err != nil {
				return err
			}
			if all.notifications, err = p.judge(tx, events, users); err != nil {
				return err
			}
			all.readings, err = p.readings(tx, events, users, after, upto)
			return err
		})
		if err != nil {
			return err
		}
		if err := p.queueReadings(ctx, all.readings); err != nil {
			return err
		}
		if err := p.queue(ctx, all.notifications, upto); err != nil {
			return err
		}
		p.queues.upto = upto
		if !more {
			p.queues.seen = seen
			return nil
		}
	}
	return nil
}

// judge finds whom the events notify, among the users.
func (p *Push) judge(tx *sqldb.Tx, events []*room.Stored, users map[id.User]bool) ([]notification, error) {
	type place struct {
		listener *notify.Listener
		users    []id.User
	}
	places := map[room.NID]*place{}
	var all []notification
	for _, e := range events {
		at := places[e.Room]
		if at == nil {
			members, err := p.Rooms.Members(tx, e.Room)
			if err != nil {
				return nil, err
			}
			at = &place{}
			for _, u := range members {
				if users[u] {
					at.users = append(at.users, u)
				}
			}
			at.listener = p.Notify.Listen(tx, e.Room, at.users)
			places[e.Room] = at
		}
		heard, err := at.listener.Hear(e)
		if err != nil {
			return nil, err
		}
		if target, is := e.Event.StateKey(); is && e.Membership() == "invite" && users[id.User(target)] && !slices.Contains(at.users, id.User(target)) {
			own, err := at.listener.HearAs(e, id.User(target))
			if err != nil {
				return nil, err
			}
			heard = append(heard, own...)
		}
		for _, h := range heard {
			all = append(all, notification{user: h.User, event: e, actions: string(h.Result.Actions), loud: h.Result.Highlight})
		}
	}
	return all, nil
}

// queue writes down what is to be sent, and with the last of it how far the log has been judged.
func (p *Push) queue(ctx context.Context, all []notification, upto sqldb.Pos) error {
	if len(all) == 0 && p.queues.saved != 0 && upto < p.queues.saved+lag {
		return nil
	}
	slices.SortStableFunc(all, func(a, b notification) int { // each queue is in order all the same
		switch {
		case a.loud == b.loud:
			return 0
		case a.loud:
			return -1
		}
		return 1
	})
	for first := true; first || len(all) > 0; first = false {
		now := all[:min(perWrite, len(all))]
		all = all[len(now):]
		last := len(all) == 0
		var waiting []waiting
		err := p.DB.Write(ctx, func(tx *sqldb.Tx) error {
			var err error
			waiting, err = enqueue(tx, now)
			if err == nil && last {
				err = tx.Put(sqlAdvance, upto)
			}
			return err
		})
		if err != nil {
			return err
		}
		p.queues.add(waiting, p.Now())
		p.start(ctx)
	}
	p.queues.saved = upto
	return nil
}

// enqueue adds notifications to the queues of their users' pushers, and says which pushers those are.
func enqueue(tx *sqldb.Tx, all []notification) ([]waiting, error) {
	if len(all) == 0 {
		return nil, nil
	}
	var urgent, others []id.User
	for len(all) > 0 {
		var alike []id.User // those who are told the same of the same event, of which a crowd is one statement
		n := all[0]
		for len(all) > 0 && all[0].event == n.event && all[0].actions == n.actions {
			alike = append(alike, all[0].user)
			all = all[1:]
		}
		if err := tx.Put(sqlQueue, sqldb.List(alike), n.event.Pos, n.event.NID, n.actions); err != nil {
			return nil, err
		}
		if n.loud {
			urgent = append(urgent, alike...)
		} else {
			others = append(others, alike...)
		}
	}
	var pushers []waiting
	for loud, users := range map[bool][]id.User{true: urgent, false: others} {
		slices.Sort(users)
		some, err := sqldb.All(tx, scanWaiting, sqlPushersOf, sqldb.List(slices.Compact(users)))
		if err != nil {
			return nil, err
		}
		for _, w := range some {
			w.urgent = loud
			pushers = append(pushers, w)
		}
	}
	for _, w := range pushers {
		if w.retry != 0 { // of those that are sent at once nothing heaps up
			if err := tx.Put(sqlTrim, w.pusher, maxQueue); err != nil {
				return nil, err
			}
		}
	}
	return pushers, nil
}
