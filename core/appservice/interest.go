package appservice

import (
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// interesting says whether an event is the service's business: by its room's id or aliases, by whom it is about, or by who is
// in the room (Application Service API, "Registration").
func (q *Queue) interesting(tx *sqldb.Tx, e *room.Stored) (bool, error) {
	s := q.service
	if key, ok := e.Event.StateKey(); ok && e.Event.Type() == "m.room.member" && s.Owns(id.User(key)) {
		delete(q.interest, e.Room) // it may have come or gone
		return true, nil
	}
	if s.Owns(e.Event.Sender()) {
		return true, nil
	}
	return q.cares(tx, room.Place{Room: e.Room, RoomID: e.Event.Room()}, e.Pos)
}

// cares says whether all that happens in a room is the service's business, at a moment of the stream. What is remembered is
// true until the next of its users comes or goes.
func (q *Queue) cares(tx *sqldb.Tx, in room.Place, at sqldb.Pos) (ours bool, err error) {
	if now := q.Now(); q.interest == nil || len(q.interest) > maxRooms || now.Sub(q.asked).Abs() > askAgain {
		q.interest, q.asked = map[room.NID]bool{}, now
	}
	ours, known := q.interest[in.Room]
	if !known {
		if ours, err = q.look(tx, in, at); err != nil {
			return false, err
		}
		q.interest[in.Room] = ours
	}
	return ours, nil
}

// look is cares by what is on disk.
func (q *Queue) look(tx *sqldb.Tx, in room.Place, at sqldb.Pos) (bool, error) {
	s := q.service
	if s.rooms.holds(string(in.RoomID), false) {
		return true, nil
	}
	if len(s.aliases) > 0 {
		aliases, err := q.Aliases(tx, in.RoomID)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(aliases, s.OwnsAlias) {
			return true, nil
		}
	}
	return q.Rooms.AnyoneAt(tx, in.Room, at, s.Owns)
}

// caresFor says whether a user is one of the service's, or in a room that is its business at a moment of the stream.
func (q *Queue) caresFor(tx *sqldb.Tx, user id.User, at sqldb.Pos) (bool, error) {
	if q.service.Owns(user) {
		return true, nil
	}
	places, err := q.Rooms.PlacesOf(tx, user)
	if err != nil {
		return false, err
	}
	for _, in := range places {
		if ours, err := q.cares(tx, in, at); err != nil || ours {
			return ours, err
		}
	}
	return false, nil
}
