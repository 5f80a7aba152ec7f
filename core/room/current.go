package room

import (
	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Current is where a room stands: the newest state that is on disk.
type Current struct {
	Room   NID
	RoomID id.Room
	State  pmap.Root
}

const sqlCurrent = `SELECT nid, room_id, state FROM room WHERE room_id IN ({list $1})`

// Current reads where the rooms stand, in no particular order; those that this server does not have are left out.
func (r *Rooms) Current(tx *sqldb.Tx, rooms ...id.Room) ([]Current, error) {
	rows, err := tx.Query(sqlCurrent, sqldb.List(rooms))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make([]Current, 0, len(rooms))
	for rows.Next() {
		var now Current
		var root []byte
		if err := rows.Scan(&now.Room, &now.RoomID, &root); err != nil {
			return nil, err
		}
		copy(now.State[:], root)
		all = append(all, now)
	}
	return all, rows.Err()
}
