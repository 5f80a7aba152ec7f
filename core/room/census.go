package room

import (
	"errors"
	"slices"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// census remembers how many are in each room and how many are invited, with the state that was counted. The next state is
// counted by what changed, so that a join into a large room does not count it anew for each of its members.
type census struct {
	mu    sync.Mutex        // guards rooms
	rooms map[NID]headcount // bounded by maxCensus
}

type headcount struct {
	root            pmap.Root
	joined, invited int

	first     []hero // who joined or was invited first, one more than a viewer is told, as she is not told herself
	haveFirst bool
}

// hero is a member, and the event by which.
type hero struct {
	user  id.User
	event NID
}

const (
	// limit: member counts of rooms, in memory | %d of at most 2 KiB | any others are counted again
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

// Counts is how many are in a room and how many are invited, now: in the room's newest state, as tx has it.
func (r *Rooms) Counts(tx *sqldb.Tx, room NID, now pmap.Root) (joined, invited int, err error) {
	h, err := r.headcount(tx, room, now)
	return h.joined, h.invited, err
}

func (r *Rooms) headcount(tx *sqldb.Tx, room NID, now pmap.Root) (h headcount, err error) {
	h, known := r.census.get(room)
	if known && h.root != now {
		switch h, err = r.recount(tx, h, now); {
		case errors.Is(err, errRecount), unseen(err):
			known = false
		case err != nil:
			return h, err
		}
	}
	if !known {
		h = headcount{root: now}
		if err := tx.Row(sqlCount, room).Scan(&h.joined, &h.invited); err != nil {
			return h, err
		}
	}
	r.census.put(room, h)
	return h, nil
}

// RootNow is the root of a room's newest state, as tx has it.
func (r *Rooms) RootNow(tx *sqldb.Tx, room NID) (pmap.Root, error) {
	if tx.Peeking() {
		end, ok := r.tail(room, tx.Pos(), tx.Pos())
		if !ok {
			return pmap.Root{}, sqldb.ErrPeek
		}
		_, root := end.now(tx.Pos())
		return root, nil
	}
	var root []byte
	if err := tx.Row(sqlRootNow, room).Scan(&root); err != nil {
		return pmap.Root{}, err
	}
	return pmap.Root(root), nil
}

// maxHeroes is how many people stand for a room without a name.
const maxHeroes = 5

const (
	sqlFirst = `SELECT user_id, event FROM membership WHERE room = $1 AND membership IN ('join', 'invite')
		ORDER BY event LIMIT $2`
	sqlFormerHeroes = `SELECT user_id FROM membership WHERE room = $1 AND user_id <> $2 ORDER BY event LIMIT $3`
)

// Heroes are the people that a room without a name is named after: the first who are in it or invited, and when there is
// nobody the first who were (Client-Server API, "Room summary"). now is the room's newest state, as tx has it.
func (r *Rooms) Heroes(tx *sqldb.Tx, room NID, now pmap.Root, viewer id.User) ([]id.User, error) {
	h, err := r.headcount(tx, room, now)
	if err != nil {
		return nil, err
	}
	if !h.haveFirst {
		h.first, err = sqldb.All(tx, func(row sqldb.Scanner) (x hero, err error) {
			err = row.Scan(&x.user, &x.event)
			return x, err
		}, sqlFirst, room, maxHeroes+1)
		if err != nil {
			return nil, err
		}
		h.haveFirst = true
		r.census.put(room, h)
	}
	var users []id.User
	for _, x := range h.first {
		if x.user != viewer && len(users) < maxHeroes {
			users = append(users, x.user)
		}
	}
	if len(users) > 0 {
		return users, nil
	}
	return sqldb.Column[id.User](tx, sqlFormerHeroes, room, viewer, maxHeroes)
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
	for _, x := range h.first {
		h.haveFirst = h.haveFirst && !slices.Contains(gone, x.event)
	}
	// Who comes later comes after them, unless there were too few. A state that is earlier has them all, or some are gone.
	h.haveFirst = h.haveFirst && (len(h.first) > maxHeroes || len(come) == 0)
	for i, nids := range [][]NID{gone, come} {
		events, err := r.LoadAll(tx, nids)
		if err != nil {
			return h, err
		}
		if len(events) < len(nids) {
			return h, errUnseen
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
