package push

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// When a user has read something, the number on her phone's icon is too large. Each of her pushers whose gateway was told of
// unread messages is told how many are left, without an event (Push Gateway API, "event_id"). That waits in the same queue
// as notifications; of several such the last one stays.

// badgeRest is how long a new count waits for the next: one reads message after message.
const badgeRest = time.Second

const (
	sqlStale      = `SELECT nid, url, retry FROM pusher WHERE user_id = $1 AND nid < $2 AND told <> 0`
	sqlDropBadge  = `DELETE FROM push_queue WHERE pusher = $1 AND event = 0`
	sqlQueueBadge = `INSERT INTO push_queue (pusher, pos, event, actions) VALUES ($1, $2, 0, '') ON CONFLICT (pusher, pos) DO NOTHING`
)

// readings finds who among the users has read something after a position: by a receipt, or by sending an event.
func (p *Push) readings(tx *sqldb.Tx, events []*room.Stored, users map[id.User]bool, after, upto sqldb.Pos) ([]ephemeral.Reading, error) {
	all, err := p.Notify.Ephemeral.Readers(tx, after, upto)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		all = append(all, ephemeral.Reading{User: e.Event.Sender(), Pos: e.Pos})
	}
	all = slices.DeleteFunc(all, func(r ephemeral.Reading) bool { return !users[r.User] })
	last := make(map[id.User]sqldb.Pos, len(all))
	for _, r := range all {
		last[r.User] = max(last[r.User], r.Pos)
	}
	return slices.DeleteFunc(all, func(r ephemeral.Reading) bool { return r.Pos != last[r.User] }), nil
}

// queueReadings queues a new count for the pushers of who has read something.
func (p *Push) queueReadings(ctx context.Context, all []ephemeral.Reading) error {
	stale, err := p.stale(ctx, all)
	if err != nil {
		return err
	}
	for now := range slices.Chunk(stale, perWrite) {
		err := p.DB.Write(ctx, func(tx *sqldb.Tx) error {
			for _, s := range now {
				if _, err := tx.Exec(sqlDropBadge, s.pusher); err != nil {
					return err
				}
				if _, err := tx.Exec(sqlQueueBadge, s.pusher, s.pos); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		waiting := make([]waiting, len(now))
		for i, s := range now {
			waiting[i] = s.waiting
		}
		p.queues.add(waiting, p.Now())
	}
	return nil
}

// staleBadge is a pusher that is to be told a new count, because of something at a position.
type staleBadge struct {
	waiting
	pos sqldb.Pos
}

func (p *Push) stale(ctx context.Context, all []ephemeral.Reading) (stale []staleBadge, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		stale = nil
		for _, r := range all {
			pushers, err := sqldb.All(tx, scanWaiting, sqlStale, r.User, r.Pos)
			if err != nil {
				return err
			}
			for _, w := range pushers {
				w.badge = true
				stale = append(stale, staleBadge{w, r.Pos})
			}
		}
		return nil
	})
	return stale, err
}

// composeBadge makes what a gateway is told when only the count has changed; nil where it has not.
func (p *Push) composeBadge(tx *sqldb.Tx, it *item) ([]byte, error) {
	if it.wants().NoBadge {
		it.told = 0
		return nil, nil
	}
	unread, _, err := p.unread(tx, it.user, nil)
	if err != nil || unread == it.told {
		return nil, err
	}
	it.told = unread
	var m message
	m.Notification.Priority = "low"
	m.Notification.Counts.Unread = &unread // also 0: it is all that this says
	m.Notification.Devices = []device{it.device(nil)}
	return json.Marshal(m)
}
