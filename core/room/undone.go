package room

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/id"
)

// Somebody joins by way of one server, while on the other side of a fork the room is closed, or she is banned as one who is not
// there. When the fork is resolved against her, no event says so that her server would be sent: to whoever made the other
// side she was not in the room, and now she is not in it to anybody. Her server alone would go on as if she were, for ever. So it is
// sent the event that undid her join.
//
// That is of no use where her server has that event and does not follow it: it soft failed a ban that came to stand only later, or she
// joined once more by way of a server that had not heard of her leave, or nobody follows the kick, and she is out as the room was closed after
// it. Then it is sent the event that follows both, in which the sides of the fork come together (Parted).

const (
	sqlStateUntil = `SELECT state FROM event WHERE room = $1 AND pos < $2 ORDER BY pos DESC LIMIT 1`
	sqlLeft       = `SELECT user_id, pos FROM membership WHERE room = $1 AND membership IN ('leave', 'ban') AND user_id LIKE $2
		ORDER BY pos DESC LIMIT $3`
	sqlMovedAt = `SELECT pos FROM membership WHERE room = $1 AND user_id = $2`
	maxLeavers = 10   // users of a server of which one was there until she left
	maxUndone  = 1000 // changes of a room's state by one event that are looked through
	maxParting = 100  // events since somebody left among which is looked for the one that tells her server so
)

// Undone lists the joins that were in the room's state until an event arrived, and are not any more, though it does not follow
// them.
func (r *Rooms) Undone(tx *sqldb.Tx, e *Stored) (joins []*Stored, err error) {
	if e.own == nil || e.Aside != "" { // there was no fork
		return nil, nil
	}
	was, ok, err := r.stateUntil(tx, e.Room, e.Pos)
	if err != nil || !ok || was == e.State {
		return nil, err
	}
	return r.gone(tx, was, e.State, func(join *Stored, now NID) (bool, error) { return r.isUndone(tx, join, now, e) })
}

// gone lists the joins that are in one state and not in another, where something else stands in their place, or nothing, as far as is
// says so of them.
func (r *Rooms) gone(tx *sqldb.Tx, from, to pmap.Root, is func(join *Stored, now NID) (bool, error)) (joins []*Stored, err error) {
	type change struct{ was, now NID }
	var changes []change
	err = pmap.Diff(r.nodesOf(tx), from, to, func(_, old, next uint64) error {
		if old != 0 && len(changes) < maxUndone {
			changes = append(changes, change{NID(old), NID(next)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		join, err := r.Load(tx, c.was)
		if err != nil {
			return nil, err
		}
		if join.Membership() != string(authrule.Join) {
			continue
		}
		undone, err := is(join, c.now)
		if err != nil {
			return nil, err
		}
		if undone {
			joins = append(joins, join)
		}
	}
	return joins, nil
}

// isUndone says whether a join is no more, now that another event stands in its place, or none, and the event that arrived does not
// follow it.
func (r *Rooms) isUndone(tx *sqldb.Tx, join *Stored, now NID, e *Stored) (bool, error) {
	if now == 0 {
		return true, nil
	}
	if now != e.NID { // what was before the join stands again
		next, err := r.Load(tx, now)
		return err == nil && next.Membership() != string(authrule.Join), err
	}
	if e.Membership() == string(authrule.Join) {
		return false, nil
	}
	key, _ := keyOf(join.Event)
	before, err := r.stateNID(tx, e.own.before, key)
	return before != join.NID, err
}

// Parted lists the joins that stand on one side of a fork which an event brings together, and not after it, where the server of who
// joined may have what stands in their place and not follow it. Whoever is banned while others talk is not among them, nor who joined where
// the other side did not know of her: their servers are sent the ban, and need nothing of what is said after it.
func (r *Rooms) Parted(tx *sqldb.Tx, e *Stored) (joins []*Stored, err error) {
	if e.Aside != "" || len(e.Event.Prev()) < 2 {
		return nil, nil
	}
	after, err := r.StateAfter(tx, e)
	if err != nil {
		return nil, err
	}
	var sides []pmap.Root
	for _, name := range e.Event.Prev() {
		p, err := r.ByID(tx, name)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue // the state before e was told by another server
		}
		side, err := r.StateAfter(tx, p)
		if errors.Is(err, errNoState) {
			continue // likewise
		}
		if err != nil {
			return nil, err
		}
		sides = append(sides, side)
	}
	for _, side := range sides {
		more, err := r.gone(tx, side, after, func(join *Stored, now NID) (bool, error) { return r.isParted(tx, join, now, sides) })
		if err != nil {
			return nil, err
		}
		joins = append(joins, more...)
	}
	return joins, nil
}

// isParted says whether the server of who joined may have what now stands in the place of her join, and not follow it: whoever made that
// knew her to be there by an earlier join, and so sent it to her; or it did not stand at first, and others may have soft failed it. Where
// nothing stands there now, it is what took her out on another side that her server has and does not follow, as nobody does: what closed the
// room to her afterwards it was not sent.
func (r *Rooms) isParted(tx *sqldb.Tx, join *Stored, now NID, sides []pmap.Root) (bool, error) {
	key, _ := keyOf(join.Event)
	if now == 0 {
		for _, side := range sides {
			if other, err := r.stateNID(tx, side, key); err != nil || other != 0 && other != join.NID {
				return err == nil, err
			}
		}
		return false, nil
	}
	next, err := r.Load(tx, now)
	if err != nil || next.Membership() == string(authrule.Join) {
		return false, err
	}
	moved, err := sqldb.Column[sqldb.Pos](tx, sqlMovedAt, join.Room, key.Key)
	if err != nil || len(moved) == 1 && moved[0] != next.Pos { // also where it has no place in the timeline here
		return err == nil, err
	}
	before, err := r.StateBefore(tx, next)
	if err != nil {
		return false, err
	}
	was, err := r.StateEvent(tx, before, key.Type, key.Key)
	return was != nil && was.NID != join.NID && was.Membership() == string(authrule.Join), err
}

// Former is Resident, also for a server whose last user has left or was removed: it may ask for what there was until then, or it
// would never understand the event that took her out, when it lacks what came before that one; and likewise for what there was until the
// event that tells it so (Parted). And where it is this server that has left, others go on asking for what it said until then: what its
// last events follow may be known to nobody else. Errors: as Resident.
func (r *Rooms) Former(tx *sqldb.Tx, room id.Room, server id.Server) (*Resident, error) {
	v, here, err := r.open(tx, room, server)
	if err != nil {
		return nil, err
	}
	in, err := r.hasServer(tx, v.Room, server)
	switch {
	case err != nil:
		return nil, err
	case in:
		return v, nil
	case !here:
		return nil, errNotHere
	}
	type leaver struct {
		user id.User
		pos  sqldb.Pos
	}
	left, err := sqldb.All(tx, func(row sqldb.Scanner) (l leaver, err error) {
		err = row.Scan(&l.user, &l.pos)
		return l, err
	}, sqlLeft, v.Room, "%:"+string(server), maxLeavers) // a server name has neither % nor _
	if err != nil {
		return nil, err
	}
	for _, l := range left {
		member, err := r.memberUntil(tx, v.Room, l.user, l.pos)
		if err != nil {
			return nil, err
		}
		if member != nil && member.Membership() != string(authrule.Join) && member.Pos != 0 { // by which she was out, before that was undone with her join
			l.pos = member.Pos
			if member, err = r.memberUntil(tx, v.Room, l.user, l.pos); err != nil {
				return nil, err
			}
		}
		if member != nil && member.Membership() == string(authrule.Join) {
			v.upto, err = r.parting(tx, v.Room, server, l.pos)
			return v, err
		}
	}
	return nil, errOut
}

// memberUntil is the event of a user's membership in the room's state until something arrived at a position; nil where there was none.
func (r *Rooms) memberUntil(tx *sqldb.Tx, room NID, user id.User, pos sqldb.Pos) (*Stored, error) {
	was, ok, err := r.stateUntil(tx, room, pos)
	if err != nil || !ok {
		return nil, err
	}
	return r.StateEvent(tx, was, "m.room.member", string(user))
}

// parting is where the first event arrived, after one by which the last user of a server left, that parts it from the room; where there is
// none, as mostly, it is where she left.
func (r *Rooms) parting(tx *sqldb.Tx, room NID, server id.Server, left sqldb.Pos) (sqldb.Pos, error) {
	later, err := r.Between(tx, room, left, math.MaxInt64, false, maxParting)
	if err != nil {
		return 0, err
	}
	for _, e := range later {
		joins, err := r.Parted(tx, e)
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(joins, func(j *Stored) bool { return j.Event.Sender().Server() == server }) {
			return e.Pos, nil
		}
	}
	return left, nil
}

// stateUntil is the room's state until something arrived at a position; ok is false when nothing was there before.
func (r *Rooms) stateUntil(tx *sqldb.Tx, room NID, pos sqldb.Pos) (was pmap.Root, ok bool, err error) {
	var raw []byte
	switch err := tx.Row(sqlStateUntil, room, pos).Scan(&raw); {
	case errors.Is(err, sql.ErrNoRows):
		return was, false, nil
	case err != nil:
		return was, false, fmt.Errorf("read the state before an event arrived: %w", err)
	}
	copy(was[:], raw)
	return was, true, nil
}
