package keys

import (
	"encoding/json"
	"maps"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// Other servers that share a room with a user of this one are told when her devices or cross-signing keys change, and of all
// her devices when she joins a room with servers that had no reason to know them
// (https://spec.matrix.org/v1.19/server-server-api/#device-management). Nothing is done for that where the change is made:
// one reader follows the changes and the memberships, and queues in the write that notes how far it is.
//
// The updates of a user are one chain, whoever is told of them: each has the stream id of the one before as its prev_id. A
// server that has missed one sees that, and asks for the whole.

// abroad is whoever is told of a change that no client is told of: of a device without keys.
const abroad id.User = "*"

const (
	tellBatch   = 200 // memberships, and changes, that are looked at in one go
	maxIntro    = 50  // devices of a user that new servers are told of; they ask for the others
	sqlWhere    = `SELECT pos FROM device_cursor WHERE id = 1`
	sqlAdvance  = `UPDATE device_cursor SET pos = $1 WHERE id = 1`
	sqlAltered  = `SELECT pos, user_id, device_id, seen_by FROM device_change WHERE pos > $1 AND pos <= $2 AND seen_by IN ('', '*') ORDER BY pos, user_id, device_id LIMIT $3`
	sqlStream   = `SELECT stream FROM device_stream WHERE user_id = $1`
	sqlStreamIs = `INSERT INTO device_stream (user_id, stream) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET stream = excluded.stream`
	sqlToldOf   = `SELECT count(*) FROM device_told WHERE user_id = $1 AND room = $2`
	sqlTold     = `INSERT INTO device_told (user_id, room, pos) VALUES ($1, $2, $3) ON CONFLICT (user_id, room) DO UPDATE SET pos = excluded.pos`
	sqlUntold   = `DELETE FROM device_told WHERE user_id = $1 AND room = $2`
)

// altered is a change that other servers are to be told of.
type altered struct {
	pos    sqldb.Pos
	user   id.User
	device id.Device // empty for the cross-signing keys
	seenBy id.User
}

// tell queues what follows from changes and memberships, and notes that it was done up to end.
func (k *Keys) tell(tx *sqldb.Tx, all []altered, moves []room.Move, end sqldb.Pos) error {
	for _, c := range all {
		if c.user.Server() != k.Server {
			continue
		}
		if err := k.tellChange(tx, c); err != nil {
			return err
		}
	}
	if err := k.tellJoins(tx, moves); err != nil {
		return err
	}
	for _, m := range moves {
		if m.Joined {
			continue
		}
		if err := k.parted(tx, m); err != nil {
			return err
		}
	}
	_, err := tx.Exec(sqlAdvance, end)
	return err
}

// tellChange tells those who share a room with the user, as things are now.
func (k *Keys) tellChange(tx *sqldb.Tx, c altered) error {
	servers, err := k.Rooms.SharedServers(tx, c.user)
	if err != nil {
		return err
	}
	if c.seenBy == abroad { // it has served its purpose
		if _, err := tx.Exec(`DELETE FROM device_change WHERE user_id = $1 AND device_id = $2 AND seen_by = '*' AND pos = $3`,
			c.user, c.device, c.pos); err != nil {
			return err
		}
	}
	if err := k.noteTold(tx, c, servers); err != nil {
		return err
	}
	if c.device == "" {
		return k.tellSigning(tx, c.user, servers)
	}
	last, err := stream(tx, c.user)
	if err != nil {
		return err
	}
	next := max(last+1, int64(c.pos)) // positions grow over restores, so that no id is given twice
	if _, err := tx.Exec(sqlStreamIs, c.user, next); err != nil || len(servers) == 0 {
		return err
	}
	prev := []int64{}
	if last > 0 {
		prev = append(prev, last)
	}
	return k.queueUpdates(tx, servers, c.user, []id.Device{c.device}, next, prev)
}

// stream is the newest stream id of a user's device list; 0 before there is one.
func stream(tx *sqldb.Tx, user id.User) (int64, error) {
	found, err := sqldb.Column[int64](tx, sqlStream, user)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0], nil
}

// queueUpdates queues an update about each of the devices, as they are now.
func (k *Keys) queueUpdates(tx *sqldb.Tx, servers []id.Server, user id.User, devices []id.Device, stream int64, prev []int64) error {
	names, err := k.Devices(tx, user)
	if err != nil {
		return err
	}
	now, err := k.published(tx, user)
	if err != nil {
		return err
	}
	for _, device := range devices {
		name, there := names[device]
		u := update{User: user, Device: device, Name: name, Stream: stream, Prev: prev, Deleted: !there}
		if there {
			u.Keys = now.Devices[user][device]
		}
		content, err := json.Marshal(u)
		if err != nil {
			return err
		}
		if err := k.Queue(tx, servers, listEDU, string(user)+" "+string(device), content); err != nil {
			return err
		}
	}
	return nil
}

// published is what anybody may see of a user's keys.
func (k *Keys) published(tx *sqldb.Tx, user id.User) (*Answer, error) {
	a := &Answer{Devices: map[id.User]map[id.Device]json.RawMessage{}}
	users := []id.User{user}
	sigs, err := addedSignatures(tx, users, "")
	if err != nil {
		return nil, err
	}
	if err := k.queryDevices(tx, a, users, nil, sigs); err != nil {
		return nil, err
	}
	return a, querySigning(tx, a, users, "", sigs)
}

func (k *Keys) tellSigning(tx *sqldb.Tx, user id.User, servers []id.Server) error {
	if len(servers) == 0 {
		return nil
	}
	now, err := k.published(tx, user)
	if err != nil {
		return err
	}
	content, err := json.Marshal(struct {
		User        id.User         `json:"user_id"`
		Master      json.RawMessage `json:"master_key,omitempty"`
		SelfSigning json.RawMessage `json:"self_signing_key,omitempty"`
	}{user, now.Master[user], now.SelfSigning[user]})
	if err != nil {
		return err
	}
	return k.Queue(tx, servers, signingEDU, string(user), content)
}

// tellJoins tells the servers of rooms that local users have joined, as far as they share no other room with them. To a room
// of which not all members are known, nothing is told: it was joined a moment ago, and what happens meanwhile is told by
// Settled.
func (k *Keys) tellJoins(tx *sqldb.Tx, moves []room.Move) error {
	joined := map[id.User][]room.NID{}
	for _, m := range moves {
		if !m.Joined || m.User.Server() != k.Server {
			continue
		}
		var told int
		if err := tx.Row(sqlToldOf, m.User, m.Room).Scan(&told); err != nil {
			return err
		}
		if told > 0 { // it is a new name or picture
			continue
		}
		joined[m.User] = append(joined[m.User], m.Room)
		if _, err := tx.Exec(sqlTold, m.User, m.Room, m.Pos); err != nil {
			return err
		}
	}
	for _, user := range slices.Sorted(maps.Keys(joined)) {
		had, err := k.Rooms.SharedServersBut(tx, user, joined[user])
		if err != nil {
			return err
		}
		var fresh []id.Server
		for _, in := range joined[user] {
			servers, whole, err := k.Rooms.ServersOf(tx, in)
			if err != nil {
				return err
			}
			if whole {
				fresh = append(fresh, servers...)
			}
		}
		fresh = slices.DeleteFunc(fresh, func(s id.Server) bool { return slices.Contains(had, s) })
		slices.Sort(fresh)
		if err := k.introduce(tx, user, slices.Compact(fresh)); err != nil {
			return err
		}
	}
	return nil
}

// introduce tells servers of a user's devices from the beginning.
func (k *Keys) introduce(tx *sqldb.Tx, user id.User, servers []id.Server) error {
	if len(servers) == 0 {
		return nil
	}
	names, err := k.Devices(tx, user)
	if err != nil {
		return err
	}
	last, err := stream(tx, user)
	if err != nil {
		return err
	}
	if last == 0 {
		last = int64(tx.Pos())
		if _, err := tx.Exec(sqlStreamIs, user, last); err != nil {
			return err
		}
	}
	devices := slices.Sorted(maps.Keys(names))
	return k.queueUpdates(tx, servers, user, devices[:min(len(devices), maxIntro)], last, []int64{})
}

// parted forgets what follows from a membership that has ended.
func (k *Keys) parted(tx *sqldb.Tx, m room.Move) error {
	if m.User.Server() != k.Server {
		return k.unfollowApart(tx, m.User)
	}
	if _, err := tx.Exec(sqlUntold, m.User, m.Room); err != nil {
		return err
	}
	here, err := k.Rooms.Inhabited(tx, m.Room)
	if err != nil || here {
		return err
	}
	members, err := k.Rooms.Members(tx, m.Room)
	if err != nil {
		return err
	}
	for _, user := range members {
		if user.Server() == k.Server {
			continue
		}
		if err := k.unfollowApart(tx, user); err != nil {
			return err
		}
	}
	return nil
}

// unfollowApart forgets the devices of a user who shares no room with anybody here any more: nothing will be heard of them.
func (k *Keys) unfollowApart(tx *sqldb.Tx, user id.User) error {
	l, err := followed(tx, user)
	if err != nil || l == nil {
		return err
	}
	if meets, err := k.Rooms.Meets(tx, user); err != nil || meets {
		return err
	}
	return unfollow(tx, user)
}
