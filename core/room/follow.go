package room

import (
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// follow has the settings of local users carried over to rooms that have replaced others, when they join those, and when
// a room is said to be replaced by one that they are in already. Both rooms must say so, as either alone could be anybody's.
func (r *Rooms) follow(tx *sqldb.Tx, w *write) error {
	if r.Follow == nil {
		return nil
	}
	for _, p := range w.events {
		switch {
		case p.follows != "":
			now, err := r.Current(tx, p.follows)
			if err != nil {
				return err
			}
			if len(now) == 0 {
				continue
			}
			s, err := r.StateEvent(tx, now[0].State, typeTombstone, "")
			if err != nil {
				return err
			}
			if s == nil || textIn(s.Event.Content(), "replacement_room") != string(w.head.room) {
				continue
			}
			user, _ := p.event.StateKey()
			if err := r.Follow(tx, id.User(user), p.follows, w.head.room); err != nil {
				return err
			}
		case p.event.IsState(typeTombstone, ""):
			if err := r.followAll(tx, w.head.room, roomIn(p.event.Content(), "replacement_room")); err != nil {
				return err
			}
		}
	}
	return nil
}

// followAll is for those who are in the new room before the old one has its tombstone.
func (r *Rooms) followAll(tx *sqldb.Tx, from, to id.Room) error {
	create, err := r.createOf(tx, to)
	if err != nil || create == nil || predecessor(create) != from {
		return err
	}
	users, err := sqldb.Column[id.User](tx, sqlRoomMembers, to)
	if err != nil {
		return err
	}
	for _, user := range users {
		if user.Server() != r.Server {
			continue
		}
		if err := r.Follow(tx, user, from, to); err != nil {
			return err
		}
	}
	return nil
}
