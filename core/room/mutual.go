package room

import (
	"context"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

const (
	sqlMutual = `SELECT r.room_id FROM membership a JOIN membership b ON b.room = a.room JOIN room r ON r.nid = a.room
		WHERE a.user_id = $1 AND a.membership = 'join' AND b.user_id = $2 AND b.membership = 'join' AND r.room_id > $3
		ORDER BY r.room_id LIMIT $4`
	sqlCountMutual = `SELECT count(*) FROM membership a JOIN membership b ON b.room = a.room
		WHERE a.user_id = $1 AND a.membership = 'join' AND b.user_id = $2 AND b.membership = 'join'`
)

// Mutual lists up to limit of the rooms that both users are in, in the order of their ids, those after one; and says how
// many they are in all.
func (r *Rooms) Mutual(ctx context.Context, a, b id.User, after id.Room, limit int) (rooms []id.Room, all int, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		if rooms, err = sqldb.Column[id.Room](tx, sqlMutual, a, b, after, limit); err != nil {
			return err
		}
		return tx.Row(sqlCountMutual, a, b).Scan(&all)
	})
	return rooms, all, err
}
