package room

import (
	"freehold.example/base/news"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Encounter is a room in which something about memberships changed for a user.
type Encounter struct {
	Met    []id.User // who joined a room the user is in; where the user joined herself, all members
	Parted []id.User // who left a room the user is in; where the user left herself, all members
	Shares []id.User // of whom it was seen on the way that they share a room with the user now
}

const (
	// Whoever changed on this server, or whoever is in the user's rooms: SQLite keeps the order of a cross join.
	sqlOthersByPos = `SELECT b.user_id, b.membership, b.event FROM membership b CROSS JOIN membership a
		WHERE b.pos > $2 AND b.user_id <> $1 AND a.room = b.room AND a.user_id = $1 AND a.membership = 'join'`
	sqlOthersByRoom = `SELECT b.user_id, b.membership, b.event FROM membership a CROSS JOIN membership b
		WHERE a.user_id = $1 AND a.membership = 'join' AND b.room = a.room AND b.pos > $2 AND b.user_id <> $1`
	sqlManyChanges  = `SELECT count(*) FROM (SELECT 1 FROM membership WHERE pos > $1 LIMIT $2) AS late`
	sqlMembersSince = `SELECT user_id, membership, event FROM membership WHERE room = $1 AND (membership = 'join' OR pos > $2)`
)

// Encounters finds whom a user came to share a room with, and ceased to, since a moment of the stream: what decides about
// device_lists. It gives more than the truth where someone joined one room and left another; whether they share a room
// now is for the caller to ask. standings are the user's, at least those that ChangedStandings gives.
func (r *Rooms) Encounters(tx *sqldb.Tx, user id.User, since sqldb.Pos, standings []*Standing) (Encounter, error) {
	var e Encounter
	for _, s := range standings {
		if s.Pos <= since {
			continue
		}
		if err := r.ownEncounter(tx, &e, user, s, since); err != nil {
			return e, err
		}
	}
	others, err := r.othersChanges(tx, user, since)
	if err != nil {
		return e, err
	}
	for _, o := range others {
		if o.membership == "join" {
			e.Shares = append(e.Shares, o.user)
		}
		was, err := r.MembershipAt(tx, o.event, since)
		if err != nil {
			return e, err
		}
		e.add(o.user, was, o.membership)
	}
	return e, nil
}

// manyChanges is how many memberships changed on this server from which on it is rather asked room by room.
const manyChanges = 5000

// othersChanges lists the memberships of others that changed in the user's rooms.
func (r *Rooms) othersChanges(tx *sqldb.Tx, user id.User, since sqldb.Pos) ([]other, error) {
	if !r.moves.After(since) {
		return nil, nil
	}
	if tx.Peeking() {
		own := r.owns.get(user, tx.Pos())
		if own == nil {
			return nil, sqldb.ErrPeek
		}
		return r.othersMoves(own, user, since, tx.Pos())
	}
	var n int
	if err := tx.Row(sqlManyChanges, since, manyChanges).Scan(&n); err != nil || n == 0 {
		return nil, err
	}
	q := sqlOthersByPos
	if n == manyChanges {
		q = sqlOthersByRoom
	}
	others, err := sqldb.All(tx, scanOther, q, user, since)
	if err != nil {
		return nil, err
	}
	events := make([]NID, len(others))
	for i, o := range others {
		events[i] = o.event
	}
	_, err = r.LoadAll(tx, events) // at once, for MembershipAt
	return others, err
}

// maxOthers is how many changes of memberships are looked at in memory.
const maxOthers = 200

// othersMoves is othersChanges by what was written of late.
func (r *Rooms) othersMoves(own *own, user id.User, since, upto sqldb.Pos) ([]other, error) {
	type place struct {
		room id.Room
		user id.User
	}
	var others []other
	var seen map[place]bool
	n := 0
	ok := r.moves.Since(since, func(e news.Entry[move]) bool {
		m := &e.Key
		n++
		if row := own.rooms[m.room]; e.Pos > upto || m.user == user || row == nil || row.Membership != "join" {
			return n <= maxOthers
		}
		if at := (place{m.room, m.user}); !seen[at] {
			if seen == nil {
				seen = map[place]bool{}
			}
			seen[at] = true
			others = append(others, other{m.user, m.membership, m.event})
		}
		return n <= maxOthers
	})
	if !ok || n > maxOthers {
		return nil, sqldb.ErrPeek
	}
	return others, nil
}

// ownEncounter is that with all the members of a room which the user herself joined or left.
func (r *Rooms) ownEncounter(tx *sqldb.Tx, e *Encounter, user id.User, s *Standing, since sqldb.Pos) error {
	was, err := r.MembershipAt(tx, s.Event, since)
	if err != nil {
		return err
	}
	if (was == "join") == (s.Membership == "join") {
		if was != "join" {
			return nil
		}
		// Who was away in the meantime may not have been told whose keys changed then, and nor may this server.
		if away, err := r.wasSince(tx, s.Event, since, func(m string) bool { return m != "join" }); err != nil || !away {
			return err
		}
		was = "leave"
	}
	members, err := sqldb.All(tx, scanOther, sqlMembersSince, s.Room, since)
	if err != nil {
		return err
	}
	for _, o := range members {
		now := o.membership
		if now != "join" && was == "join" { // gone as well, but was there with the user
			if now, err = r.MembershipAt(tx, o.event, since); err != nil {
				return err
			}
		}
		if now == "join" {
			e.add(o.user, was, s.Membership)
		}
	}
	return nil
}

// other is somebody's membership.
type other struct {
	user       id.User
	membership string
	event      NID
}

func scanOther(row sqldb.Scanner) (o other, err error) {
	err = row.Scan(&o.user, &o.membership, &o.event)
	return o, err
}

func (e *Encounter) add(user id.User, was, is string) {
	switch {
	case was != "join" && is == "join":
		e.Met = append(e.Met, user)
	case was == "join" && is != "join":
		e.Parted = append(e.Parted, user)
	}
}

// MembershipAt follows a user's member events of one room, from the newest back, to what she was at a moment of the
// stream: "leave" before the first.
func (r *Rooms) MembershipAt(tx *sqldb.Tx, newest NID, at sqldb.Pos) (string, error) {
	for s, err := range r.memberEvents(tx, newest) {
		if err != nil {
			return "", err
		}
		if s.Pos <= at {
			return s.Membership(), nil
		}
	}
	return "leave", nil
}
