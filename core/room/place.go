package room

import (
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Place is a room by both its names.
type Place struct {
	Room   NID
	RoomID id.Room
}

const (
	sqlPlaces = `SELECT r.nid, r.room_id FROM membership m JOIN room r ON r.nid = m.room WHERE m.user_id = $1 AND m.membership = 'join'`
	sqlPlace  = `SELECT nid, room_id FROM room WHERE room_id IN ({list $1})`
)

// PlacesOf lists the rooms that a user is in, in no order.
func (r *Rooms) PlacesOf(tx *sqldb.Tx, user id.User) ([]Place, error) {
	return sqldb.All(tx, scanPlace, sqlPlaces, user)
}

// Places finds rooms, in no order; those that this server does not have are left out.
func (r *Rooms) Places(tx *sqldb.Tx, rooms []id.Room) ([]Place, error) {
	return sqldb.All(tx, scanPlace, sqlPlace, sqldb.List(rooms))
}

const sqlCameOrWent = `SELECT user_id, membership, event, pos FROM membership WHERE room = $1 AND (membership = 'join' OR pos > $2)`

// AnyoneAt says whether somebody whom match picks was in a room at a moment of the stream.
func (r *Rooms) AnyoneAt(tx *sqldb.Tx, room NID, at sqldb.Pos, match func(id.User) bool) (bool, error) {
	type came struct {
		user       id.User
		membership string
		event      NID
		pos        sqldb.Pos
	}
	scan := func(row sqldb.Scanner) (c came, err error) {
		err = row.Scan(&c.user, &c.membership, &c.event, &c.pos)
		return c, err
	}
	all, err := sqldb.All(tx, scan, sqlCameOrWent, room, at)
	if err != nil {
		return false, err
	}
	for _, c := range all {
		if !match(c.user) {
			continue
		}
		if c.pos > at {
			if c.membership, err = r.MembershipAt(tx, c.event, at); err != nil {
				return false, err
			}
		}
		if c.membership == "join" {
			return true, nil
		}
	}
	return false, nil
}

func scanPlace(row sqldb.Scanner) (p Place, err error) {
	err = row.Scan(&p.Room, &p.RoomID)
	return p, err
}
