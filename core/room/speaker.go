package room

import (
	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Speaker is the member event of a user in a state. Where not all members are known yet, the one that what she said refers to
// stands in. nil: there is none.
func (r *Rooms) Speaker(tx *sqldb.Tx, root pmap.Root, user id.User, said []*Stored) (*Stored, error) {
	e, err := r.StateEvent(tx, root, "m.room.member", string(user))
	if e != nil || err != nil {
		return e, err
	}
	for _, s := range said {
		if s.Event.Sender() != user {
			continue
		}
		for _, name := range s.Event.Auth() {
			auth, err := r.ByID(tx, name)
			if err != nil {
				return nil, err
			}
			if auth != nil && auth.Aside != Rejected && auth.Event.IsState("m.room.member", string(user)) {
				return auth, nil
			}
		}
	}
	return nil, nil
}
