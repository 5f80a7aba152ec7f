package room

import (
	"cmp"
	"slices"

	"freehold.example/base/news"
	"freehold.example/base/sqldb"
)

// Log is the topic of base/bus that is woken when anything was committed, for those who read Stream.
const Log = "log"

const sqlStream = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
	WHERE e.pos > $1 AND e.pos <= $2 ORDER BY e.pos LIMIT $3`

// maxLate is how many rooms may have been written for Stream to look into memory.
const maxLate = 100

// Stream reads the events of all rooms in the order in which they were committed, after a moment of the stream: at most
// limit of them. upto is the moment up to which these are all; more, whether that is not yet all there is.
func (r *Rooms) Stream(tx *sqldb.Tx, after sqldb.Pos, limit int) (events []*Stored, upto sqldb.Pos, more bool, err error) {
	if events, ok := r.late(after, tx.Pos()); ok {
		upto = max(after, tx.Pos())
		if len(events) > limit {
			events, more = events[:limit], true
			upto = events[limit-1].Pos
		}
		return events, upto, more, nil
	}
	high, err := tx.High()
	if err != nil {
		return nil, 0, false, err
	}
	if events, err = sqldb.All(tx, new(storedReader).scan, sqlStream, after, high, limit); err != nil {
		return nil, 0, false, err
	}
	if len(events) == limit {
		return events, events[limit-1].Pos, true, nil
	}
	return events, max(high, after), false, nil
}

// late gives the events that were committed after one moment and up to another, which has been, out of memory; ok is false where that does
// not have all of them.
func (r *Rooms) late(after, upto sqldb.Pos) (events []*Stored, ok bool) {
	rooms := map[NID]bool{}
	ok = r.changes.Since(after, func(e news.Entry[roomKey]) bool {
		rooms[e.Key.nid] = true
		return len(rooms) <= maxLate
	})
	if !ok || len(rooms) > maxLate {
		return nil, false
	}
	for room := range rooms {
		end, ok := r.tails.get(room, after)
		if !ok {
			return nil, false
		}
		events = append(events, end.since(after, upto)...)
	}
	slices.SortFunc(events, func(a, b *Stored) int { return cmp.Compare(a.Pos, b.Pos) })
	return events, true
}

const (
	sqlFirstBetween = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND e.pos > $2 AND e.pos <= $3 ORDER BY e.pos LIMIT $4`
	sqlLastBetween = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND e.pos > $2 AND e.pos <= $3 ORDER BY e.pos DESC LIMIT $4`
)

// Between reads at most limit events of a room that were committed after one moment and up to another: the first of them, or
// the last, which come in reverse.
func (r *Rooms) Between(tx *sqldb.Tx, room NID, after, upto sqldb.Pos, last bool, limit int) ([]*Stored, error) {
	q := sqlFirstBetween
	if last {
		q = sqlLastBetween
	}
	return sqldb.All(tx, new(storedReader).scan, q, room, after, upto, limit)
}
