package keys

import (
	"slices"

	"freehold.example/base/news"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// What follows is for those who are told of everybody's devices, one change after the other.

// Log is the topic that is woken when a device list changes or one-time keys were claimed.
const Log = "keys"

// Change is the newest change of a user's device or cross-signing keys that others can see.
type Change struct {
	Pos  sqldb.Pos
	User id.User
}

const sqlChangesAfter = `SELECT pos, user_id FROM device_change WHERE pos > $1 AND pos <= $2 AND seen_by = '' ORDER BY pos LIMIT $3`

// ChangesAfter reads whose device lists changed at the positions after since, up to and with upto, in order and about limit
// of them. end is the position up to which that is everything.
func (k *Keys) ChangesAfter(tx *sqldb.Tx, since, upto sqldb.Pos, limit int) (all []Change, end sqldb.Pos, err error) {
	if since >= upto || !k.changed.After(since) {
		return nil, upto, nil
	}
	scan := func(row sqldb.Scanner) (c Change, err error) {
		err = row.Scan(&c.Pos, &c.User)
		return c, err
	}
	if all, err = sqldb.All(tx, scan, sqlChangesAfter, since, upto, limit+1); err != nil || len(all) <= limit {
		return all, upto, err
	}
	end = max(all[0].Pos, all[limit].Pos-1)
	return slices.DeleteFunc(all, func(c Change) bool { return c.Pos > end }), end, nil
}

// Owner is a device with keys for others to claim.
type Owner struct {
	User   id.User
	Device id.Device
}

// Restocked calls fn with the devices of which the number of keys may have changed after since, up to and with upto, in no
// order and some more than once, as far as that is remembered: nothing depends on it but how soon a device makes new keys.
func (k *Keys) Restocked(since, upto sqldb.Pos, fn func(Owner)) {
	k.restocked.Since(since, func(e news.Entry[owner]) bool {
		if e.Pos <= upto {
			fn(Owner{e.Key.user, e.Key.device})
		}
		return true
	})
}

// restock notes that the number of a device's keys may change with the write at pos.
func (k *Keys) restock(user id.User, device id.Device, pos sqldb.Pos) {
	k.counted.Note(owner{user, device}, pos)
	k.restocked.Note(owner{user, device}, pos)
}
