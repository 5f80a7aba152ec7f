package keys

import (
	"encoding/json"
	"fmt"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// While not all members of a room are known, not all of its servers are, and one that is there may be taken for gone. Of the
// newest change of each local user in such a room it is noted who was told; when all members are known the others are told.

const (
	sqlPartly    = `SELECT user_id, pos, told FROM device_partly ORDER BY user_id`
	sqlSetPartly = `INSERT INTO device_partly (user_id, pos, told) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE SET pos = excluded.pos, told = excluded.told`
	sqlNotPartly = `DELETE FROM device_partly WHERE user_id = $1`
	sqlToldSince = `SELECT user_id, pos FROM device_told WHERE room = $1`
)

// partly is a user's newest change, and who was told of it.
type partly struct {
	user id.User
	pos  sqldb.Pos
	told []id.Server
}

func (p *partly) save(tx *sqldb.Tx) error {
	list, err := json.Marshal(slices.Concat([]id.Server{}, p.told))
	if err != nil {
		return err
	}
	_, err = tx.Exec(sqlSetPartly, p.user, p.pos, string(list))
	return err
}

// noteTold notes who is told of a change.
func (k *Keys) noteTold(tx *sqldb.Tx, c altered, servers []id.Server) error {
	unsettled, err := k.Rooms.Unsettled(tx, c.user)
	if err != nil || !unsettled {
		return err
	}
	p := &partly{c.user, c.pos, servers}
	return p.save(tx)
}

// tellMissed tells the servers of a room, all of whose members are known now, what they have missed of its local members'
// changes. One that is not in the room any more is told, too, if it shares another with the member.
func (k *Keys) tellMissed(tx *sqldb.Tx, in room.NID) error {
	if k.Queue == nil {
		return nil
	}
	all, err := sqldb.All(tx, func(row sqldb.Scanner) (p partly, err error) {
		var told string
		if err = row.Scan(&p.user, &p.pos, &told); err == nil {
			err = json.Unmarshal([]byte(told), &p.told)
		}
		return p, err
	}, sqlPartly)
	if err != nil || len(all) == 0 {
		return err
	}
	rows, err := sqldb.All(tx, func(row sqldb.Scanner) (p partly, err error) {
		err = row.Scan(&p.user, &p.pos)
		return p, err
	}, sqlToldSince, in)
	if err != nil {
		return err
	}
	since := make(map[id.User]sqldb.Pos, len(rows))
	for _, p := range rows {
		since[p.user] = p.pos
	}
	for _, p := range all {
		if joined, is := since[p.user]; is && p.pos > joined {
			if err := k.catchUp(tx, in, &p); err != nil {
				return fmt.Errorf("tell what was missed of a user's devices: %w", err)
			}
		}
		unsettled, err := k.Rooms.Unsettled(tx, p.user)
		if err != nil {
			return err
		}
		if unsettled {
			err = p.save(tx)
		} else {
			_, err = tx.Exec(sqlNotPartly, p.user)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// catchUp introduces the user to the servers that were in the room at the time of the change and were not told.
func (k *Keys) catchUp(tx *sqldb.Tx, in room.NID, p *partly) error {
	then, err := k.Rooms.ServersThen(tx, in, p.pos)
	if err != nil {
		return err
	}
	shared, err := k.Rooms.SharedServers(tx, p.user)
	if err != nil {
		return err
	}
	missed := slices.DeleteFunc(shared, func(s id.Server) bool { return !slices.Contains(then, s) || slices.Contains(p.told, s) })
	p.told = append(p.told, missed...)
	return k.introduce(tx, p.user, missed)
}
