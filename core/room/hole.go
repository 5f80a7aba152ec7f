package room

import (
	"context"
	"math"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

const (
	sqlPlaced = `SELECT event_id FROM event WHERE event_id IN ({list $1})
		UNION ALL SELECT event_id FROM event_aside WHERE event_id IN ({list $1}) AND verdict <> $2`
	sqlLoose = `SELECT event_id FROM event WHERE event_id IN ({list $1}) AND own = $2`
	maxHoles = 20 // that one question to another server names
)

// Holes are events that these follow and that have no place in the room's graph here: another server may have them, or what they
// follow.
func (r *Rooms) Holes(tx *sqldb.Tx, events []*Stored) ([]id.Event, error) {
	var prev []id.Event
	for _, s := range events {
		prev = append(prev, s.Event.Prev()...)
	}
	holes, err := r.Unfounded(tx, prev)
	return holes[:min(len(holes), maxHoles)], err
}

// Unplaced are those of some events that have no place in the history here, each once.
func (r *Rooms) Unplaced(tx *sqldb.Tx, events []id.Event) ([]id.Event, error) {
	events = storables(events)
	here := make(map[id.Event]bool, len(events))
	for some := range slices.Chunk(events, 500) {
		found, err := sqldb.Column[id.Event](tx, sqlPlaced, sqldb.List(some), string(Outlier))
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			here[e] = true
		}
	}
	return slices.DeleteFunc(events, func(e id.Event) bool { return here[e] }), nil
}

// storables are those of some events that may be stored at all, each once.
func storables(events []id.Event) []id.Event {
	events = slices.DeleteFunc(slices.Clone(events), func(e id.Event) bool { return !storable(string(e)) })
	slices.Sort(events)
	return slices.Compact(events)
}

// Unfounded are the Unplaced, and those from outside of which it is not known what they follow.
func (r *Rooms) Unfounded(tx *sqldb.Tx, events []id.Event) ([]id.Event, error) {
	unfounded, err := r.Unplaced(tx, events)
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(storables(events), 500) {
		loose, err := sqldb.Column[id.Event](tx, sqlLoose, sqldb.List(some), new(span).bytes())
		if err != nil {
			return nil, err
		}
		unfounded = append(unfounded, loose...)
	}
	slices.Sort(unfounded)
	return slices.Compact(unfounded), nil
}

// maxUnseen is how far past what a user may see holes are looked for.
const maxUnseen = 20

// nextAt is how many events past a time are looked at for holes.
const nextAt = 20

const sqlNextAt = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
	WHERE e.room = $1 AND e.pos > $2 ORDER BY e.pos LIMIT 1`

// HolesOf are the Holes of a page that goes backwards, and of what comes right after it, whose past it begins with; none
// where there is no other server in the room that could be asked.
func (v *Viewer) HolesOf(p *Page) (holes []id.Event, err error) {
	servers, err := v.r.Servers(v.tx, v.Room)
	if err != nil || !slices.ContainsFunc(servers, func(s id.Server) bool { return s != v.r.Server }) {
		return nil, err
	}
	after := p.Start.pos
	if p.Start.depth == math.MaxInt64 { // it begins at a moment of the stream
		after = p.Start.moment
	}
	next, err := sqldb.All(v.tx, new(storedReader).scan, sqlNextAt, v.Room, after)
	if err != nil {
		return nil, err
	}
	return v.r.Holes(v.tx, append(next, p.walked...))
}

// HolesAt are the Holes around a time in milliseconds since 1970: of the first few events at or after it, for the very first
// may be of another time than its clock said. Errors: M_FORBIDDEN.
func (r *Rooms) HolesAt(ctx context.Context, user id.User, room id.Room, ts int64) (holes []id.Event, err error) {
	err = r.View(ctx, room, user, func(tx *sqldb.Tx, v *Viewer) error {
		next, err := sqldb.All(tx, new(storedReader).scan, sqlAtOrAfter, v.Room, ts, -1, -1, nextAt)
		if err != nil {
			return err
		}
		holes, err = r.Holes(tx, next)
		return err
	})
	return holes, err
}
