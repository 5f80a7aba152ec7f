package room

import (
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

const (
	sqlTimelineByID = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room WHERE e.event_id IN ({list $1})`
	sqlAsidesByID   = `SELECT ` + asideColumns + ` FROM event_aside e JOIN room r ON r.nid = e.room WHERE e.event_id IN ({list $1})`
	sqlHave         = `SELECT event_id FROM event WHERE event_id IN ({list $1}) UNION ALL SELECT event_id FROM event_aside WHERE event_id IN ({list $1})`
)

// ByIDs reads events by their ids, in no order, in the timeline or beside it; those that are not here are left out.
func (r *Rooms) ByIDs(tx *sqldb.Tx, names []id.Event) ([]*Stored, error) {
	var out []*Stored
	missing := map[id.Event]bool{}
	for _, name := range names {
		if s := r.tails.byID(name); s != nil {
			out = append(out, s)
			continue
		}
		if nid, ok := r.names.get(name); ok {
			if s := r.events.get(nid); s != nil {
				out = append(out, s)
				continue
			}
		}
		if storable(string(name)) {
			missing[name] = true
		}
	}
	for _, read := range []struct {
		scan func(sqldb.Scanner) (*Stored, error)
		sql  string
	}{{new(storedReader).scan, sqlTimelineByID}, {scanAside, sqlAsidesByID}} {
		if len(missing) == 0 {
			break
		}
		rest := make([]id.Event, 0, len(missing))
		for name := range missing {
			rest = append(rest, name)
		}
		found, err := sqldb.All(tx, read.scan, read.sql, sqldb.List(rest))
		if err != nil {
			return nil, err
		}
		r.events.put(found)
		for _, s := range found {
			r.names.put(s.Event.ID(), s.NID)
			delete(missing, s.Event.ID())
		}
		out = append(out, found...)
	}
	return out, nil
}

// Have says which of the events are stored, in the timeline or beside it.
func (r *Rooms) Have(tx *sqldb.Tx, events []id.Event) (map[id.Event]bool, error) {
	clean := make([]id.Event, 0, len(events))
	for _, e := range events {
		if storable(string(e)) {
			clean = append(clean, e)
		}
	}
	found, err := sqldb.Column[id.Event](tx, sqlHave, sqldb.List(clean))
	have := make(map[id.Event]bool, len(found))
	for _, e := range found {
		have[e] = true
	}
	return have, err
}
