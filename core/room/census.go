package room

import (
	"errors"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
)

// census remembers how many are in each room and how many are invited, with the state that was counted. The next state is
// counted by what changed, so that a join into a large room does not count it anew for each of its members.
type census struct {
	mu    sync.Mutex // guards rooms
	rooms map[NID]headcount
}

type headcount struct {
	root            pmap.Root
	joined, invited int
}

const (
	maxCensus  = 20_000 // rooms
	maxRecount = 100    // changes past which the members are counted again
)

func (c *census) get(room NID) (headcount, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.rooms[room]
	return h, ok
}

func (c *census) put(room NID, h headcount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.rooms {
		if len(c.rooms) < maxCensus {
			break
		}
		delete(c.rooms, other)
	}
	c.rooms[room] = h
}

const (
	sqlCount = `SELECT count(*) FILTER (WHERE membership = 'join'), count(*) FILTER (WHERE membership = 'invite')
		FROM membership WHERE room = $1`
	sqlRootNow = `SELECT state FROM room WHERE nid = $1`
)

var errRecount = errors.New("too much has changed")

// Counts is how many are in a room and how many are invited, now.
func (r *Rooms) Counts(tx *sqldb.Tx, room NID) (joined, invited int, err error) {
	var root []byte
	if err := tx.Row(sqlRootNow, room).Scan(&root); err != nil {
		return 0, 0, err
	}
	now := pmap.Root(root)
	h, known := r.census.get(room)
	if known && h.root != now {
		switch h, err = r.recount(tx, h, now); {
		case errors.Is(err, errRecount):
			known = false
		case err != nil:
			return 0, 0, err
		}
	}
	if !known {
		h.root = now
		if err := tx.Row(sqlCount, room).Scan(&h.joined, &h.invited); err != nil {
			return 0, 0, err
		}
	}
	r.census.put(room, h)
	return h.joined, h.invited, nil
}

// recount brings a count to another state of the room, be it later or earlier.
func (r *Rooms) recount(tx *sqldb.Tx, h headcount, now pmap.Root) (headcount, error) {
	var gone, come []NID
	err := pmap.Diff(r.nodesOf(tx), h.root, now, func(_, old, next uint64) error {
		if len(gone)+len(come) > maxRecount {
			return errRecount
		}
		if old != 0 {
			gone = append(gone, NID(old))
		}
		if next != 0 {
			come = append(come, NID(next))
		}
		return nil
	})
	if err != nil {
		return h, err
	}
	h.root = now
	for i, nids := range [][]NID{gone, come} {
		events, err := r.loadAll(tx, nids)
		if err != nil {
			return h, err
		}
		for _, e := range events {
			switch e.Membership() {
			case "join":
				h.joined += 2*i - 1
			case "invite":
				h.invited += 2*i - 1
			}
		}
	}
	return h, nil
}
