package room

import (
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// changes is a log of which rooms were written lately, so that a sync that is not far behind looks at those and not at
// every room its user is in. It is a hint: a write that failed may be in it, but none that was committed since the start
// is missing, as each is noted before its commit.
type changes struct {
	mu    sync.Mutex // guards all below
	log   []changed  // in the order the writes were run, which is that of their positions
	floor sqldb.Pos  // what was at or before it may be missing
}

type changed struct {
	pos  sqldb.Pos
	room NID
}

const (
	maxChanges = 8192 // writes that are remembered, twice as many at times
	maxChanged = 500  // rooms past which all are better looked at
)

// note is called by the writer, before the commit.
func (c *changes) note(pos sqldb.Pos, room NID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.log) == 2*maxChanges {
		c.floor = c.log[maxChanges-1].pos
		c.log = append(c.log[:0], c.log[maxChanges:]...)
	}
	c.log = append(c.log, changed{pos, room})
}

// since lists the rooms that were written after a position. ok is false when that was too long ago, or they are too many.
func (c *changes) since(pos sqldb.Pos) (rooms []NID, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pos < c.floor {
		return nil, false
	}
	seen := map[NID]bool{}
	for i := len(c.log) - 1; i >= 0 && c.log[i].pos > pos; i-- {
		if room := c.log[i].room; !seen[room] {
			seen[room] = true
			rooms = append(rooms, room)
		}
		if len(rooms) > maxChanged {
			return nil, false
		}
	}
	return rooms, true
}

const (
	sqlStandingsIn = `SELECT ` + standingColumns + ` FROM room r JOIN membership m ON m.room = r.nid AND m.user_id = $1
		WHERE r.nid IN ({ints $2})`
	sqlStandingsOf = `SELECT ` + standingColumns + ` FROM room r JOIN membership m ON m.room = r.nid AND m.user_id = $1
		WHERE r.room_id IN ({list $2})`
)

// ChangedStandings is those of Standings that say something new after a position of the stream, and those of other rooms,
// which a caller has reasons of its own to look at. It may be all of them.
func (r *Rooms) ChangedStandings(tx *sqldb.Tx, user id.User, since sqldb.Pos, others []id.Room) ([]*Standing, error) {
	rooms, ok := r.changes.since(since)
	if !ok || len(others) > maxChanged {
		return r.Standings(tx, user)
	}
	var all []*Standing
	if len(rooms) > 0 {
		var err error
		if all, err = sqldb.All(tx, scanStanding, sqlStandingsIn, user, sqldb.List(rooms)); err != nil {
			return nil, err
		}
	}
	if len(others) == 0 {
		return all, nil
	}
	more, err := sqldb.All(tx, scanStanding, sqlStandingsOf, user, sqldb.List(others))
	if err != nil {
		return nil, err
	}
	seen := make(map[NID]bool, len(all))
	for _, s := range all {
		seen[s.Room] = true
	}
	for _, s := range more {
		if !seen[s.Room] {
			all = append(all, s)
		}
	}
	return all, nil
}
