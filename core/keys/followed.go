package keys

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Of other servers' users who share a room with somebody here there is a copy of their device list, which changes as their
// server tells (https://spec.matrix.org/v1.19/server-server-api/#device-management). Where it may have missed a change, the
// copy is stale: it is not shown to anybody until the whole was asked for again.

// list is what is known of the devices of another server's user.
type list struct {
	Streams []int64 // the newest stream ids in it, the last one last
	heard   int64
	stale   bool
	fetched int64 // milliseconds
	master  []byte
	signing []byte // the self-signing key
}

const (
	maxStreams = 20             // stream ids of a list that are remembered, for updates that come twice or out of order
	freshFor   = 24 * time.Hour // after which a list is asked for again where its server answers
)

const (
	sqlList    = `SELECT streams, heard, stale, fetched, master, self_signing FROM followed WHERE user_id = $1`
	sqlSetList = `INSERT INTO followed (user_id, streams, heard, stale, next, fetched, master, self_signing) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (user_id) DO UPDATE SET streams = excluded.streams, heard = excluded.heard, stale = excluded.stale, next = excluded.next,
		fetched = excluded.fetched, master = excluded.master, self_signing = excluded.self_signing`
	sqlDropList      = `DELETE FROM followed WHERE user_id = $1`
	sqlSetTheirs     = `INSERT INTO followed_device (user_id, device_id, keys) VALUES ($1, $2, $3) ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys`
	sqlTheirs        = `SELECT device_id, keys FROM followed_device WHERE user_id = $1`
	sqlDropTheirs    = `DELETE FROM followed_device WHERE user_id = $1 AND device_id = $2`
	sqlDropAllTheirs = `DELETE FROM followed_device WHERE user_id = $1`
)

// followed reads what is known of a user; nil for nothing.
func followed(tx *sqldb.Tx, user id.User) (*list, error) {
	l := new(list)
	var streams string
	err := tx.Row(sqlList, user).Scan(&streams, &l.heard, &l.stale, &l.fetched, &l.master, &l.signing)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(streams), &l.Streams)
	}
	if err != nil {
		return nil, fmt.Errorf("read a device list: %w", err)
	}
	return l, nil
}

// save writes what is known of a user, but for the devices. A stale list is asked for again by itself at next.
func (l *list) save(tx *sqldb.Tx, user id.User, next time.Time) error {
	streams, err := json.Marshal(slices.Concat([]int64{}, l.Streams))
	if err != nil {
		return err
	}
	_, err = tx.Exec(sqlSetList, user, string(streams), l.heard, l.stale, next.UnixMilli(), l.fetched, orNone(l.master), orNone(l.signing))
	return err
}

func orNone(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// unfollow forgets what is known of a user.
func unfollow(tx *sqldb.Tx, user id.User) error {
	if _, err := tx.Exec(sqlDropAllTheirs, user); err != nil {
		return err
	}
	_, err := tx.Exec(sqlDropList, user)
	return err
}

// verdict is what an update means for a list.
type verdict int

const (
	known   verdict = iota // it is in the list already
	follows                // it comes right after what is in the list
	gap                    // something before it is missing
)

// judge says what an update means that comes after those in prev.
func (l *list) judge(stream int64, prev []int64) verdict {
	if slices.Contains(l.Streams, stream) {
		return known
	}
	if len(prev) == 0 {
		return gap
	}
	for _, p := range prev {
		if !slices.Contains(l.Streams, p) {
			return gap
		}
	}
	return follows
}

// include notes that an update is in the list.
func (l *list) include(stream int64) {
	l.Streams = append(l.Streams, stream)
	if n := len(l.Streams) - maxStreams; n > 0 {
		l.Streams = slices.Delete(l.Streams, 0, n)
	}
}

// shown is a device's keys as clients are given them, with the device's name. Errors: a fault where they are not the keys
// of that device.
func shown(raw json.RawMessage, user id.User, device id.Device, name string) ([]byte, error) {
	o, err := parseObject(raw, MaxDeviceKeys)
	if err != nil {
		return nil, err
	}
	var owner, of string
	if err := errors.Join(o.need("user_id", &owner), o.need("device_id", &of)); err != nil {
		return nil, err
	}
	if owner != string(user) || of != string(device) {
		return nil, fault.New(fault.InvalidParam, "The keys are of another device")
	}
	var sigs, unsigned []byte
	if o.signatures != nil {
		if sigs, err = json.Marshal(o.signatures); err != nil {
			return nil, err
		}
	}
	if name = clip(name); name != "" {
		if unsigned, err = json.Marshal(map[string]string{"device_display_name": name}); err != nil {
			return nil, err
		}
	}
	return join(o.body, sigs, unsigned), nil
}

// maxName is how many bytes of a device's name are kept.
const maxName = 256

func clip(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), maxName)], "")
}

// read adds a list that is fresh to an answer.
func (l *list) read(tx *sqldb.Tx, user id.User, only []id.Device, a *Answer) error {
	type theirs struct {
		device id.Device
		keys   []byte
	}
	all, err := sqldb.All(tx, func(row sqldb.Scanner) (x theirs, err error) {
		err = row.Scan((*string)(&x.device), &x.keys)
		return x, err
	}, sqlTheirs, user)
	if err != nil {
		return fmt.Errorf("read a device list: %w", err)
	}
	devices := map[id.Device]json.RawMessage{}
	for _, x := range all {
		if len(only) == 0 || slices.Contains(only, x.device) {
			devices[x.device] = x.keys
		}
	}
	a.Devices[user] = devices
	if len(l.master) > 0 {
		a.Master[user] = l.master
	}
	if len(l.signing) > 0 {
		a.SelfSigning[user] = l.signing
	}
	return nil
}
