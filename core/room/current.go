package room

import (
	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Current is where a room stands: the newest state that is on disk. Two that are equal show the same.
type Current struct {
	Room    NID
	RoomID  id.Room
	State   pmap.Root
	Emptied sqldb.Pos // when an event of its state, now or then, was last redacted
}

const sqlCurrent = `SELECT nid, room_id, state, emptied FROM room WHERE room_id IN ({list $1})`

// Current reads where the rooms stand, in no particular order; those that this server does not have are left out.
func (r *Rooms) Current(tx *sqldb.Tx, rooms ...id.Room) ([]Current, error) {
	return sqldb.All(tx, scanCurrent, sqlCurrent, sqldb.List(rooms))
}

func scanCurrent(row sqldb.Scanner) (now Current, err error) {
	var root []byte
	err = row.Scan(&now.Room, &now.RoomID, &root, &now.Emptied)
	copy(now.State[:], root)
	return now, err
}
