package ephemeral

import (
	"cmp"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// What follows is for those who are told of everything, one after the other.

// Log is the topic that is woken by all news of this package.
const Log = "ephemeral"

const sqlMoved = `SELECT pos, room_id, user_id, type, thread, event_id, event_pos, ts FROM receipt WHERE pos > $1 AND pos <= $2 ORDER BY pos LIMIT $3`

// Moved is a receipt that moved at a position and has not moved again.
type Moved struct {
	Pos  sqldb.Pos
	Room id.Room
	Receipt
}

// ReceiptsAfter reads the receipts of all rooms that moved at the positions after since, up to and with upto, in order and
// about limit of them. end is the position up to which that is everything.
func (e *Ephemeral) ReceiptsAfter(tx *sqldb.Tx, since, upto sqldb.Pos, limit int) (all []Moved, end sqldb.Pos, err error) {
	if since >= upto || !e.receipts.After(since) {
		return nil, upto, nil
	}
	scan := func(row sqldb.Scanner) (m Moved, err error) {
		err = row.Scan(&m.Pos, &m.Room, &m.User, &m.Type, &m.Thread, &m.Event, &m.EventPos, &m.TS)
		return m, err
	}
	if all, err = sqldb.All(tx, scan, sqlMoved, since, upto, limit+1); err != nil || len(all) <= limit {
		return all, upto, err
	}
	end = max(all[0].Pos, all[limit].Pos-1) // one request moves several at one position, but a few
	return slices.DeleteFunc(all, func(m Moved) bool { return m.Pos > end }), end, nil
}

// Typists are those who type in a room.
type Typists struct {
	Room   id.Room
	Users  []id.User
	serial Serial
}

// TypingAfter lists at most limit rooms in which who types has changed after since, in order. next is what to go on from.
func (e *Ephemeral) TypingAfter(since Serial, limit int) (all []Typists, next Serial) {
	next = e.Serial() // what has a lesser one is there as soon as the lock is
	t := &e.typing
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.newest <= since {
		return nil, next
	}
	for room, in := range t.rooms {
		if in.serial <= since {
			continue
		}
		users := make([]id.User, 0, len(in.until))
		for u := range in.until {
			users = append(users, u)
		}
		slices.Sort(users)
		all = append(all, Typists{room, users, in.serial})
	}
	slices.SortFunc(all, func(a, b Typists) int { return cmp.Compare(a.serial, b.serial) })
	if len(all) > limit {
		all = all[:limit]
		next = all[limit-1].serial
	}
	return all, next
}

// PresenceAfter lists at most limit people whose presence changed after since, in order. next is what to go on from.
func (e *Ephemeral) PresenceAfter(since Serial, limit int) (all []Presence, next Serial) {
	next = e.Serial()
	if e.presence == nil {
		return nil, next
	}
	now := e.Now()
	p := e.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	type shown struct {
		Presence
		serial Serial
	}
	var changed []shown
	add := func(u id.User, s *somebody) { changed = append(changed, shown{s.show(u, now), s.serial}) }
	if since < p.lost {
		for u, s := range p.people {
			if s.serial > since {
				add(u, s)
			}
		}
	} else {
		for _, c := range slices.Backward(p.log) {
			if c.serial <= since {
				break
			}
			if s := p.people[c.user]; s != nil && s.serial == c.serial { // else there is a newer one, or she is forgotten
				add(c.user, s)
			}
		}
	}
	slices.SortFunc(changed, func(a, b shown) int { return cmp.Compare(a.serial, b.serial) })
	if len(changed) > limit {
		changed = changed[:limit]
		next = changed[limit-1].serial
	}
	for _, c := range changed {
		all = append(all, c.Presence)
	}
	return all, next
}
