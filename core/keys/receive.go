package keys

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The types of EDUs.
const (
	listEDU    = "m.device_list_update"
	signingEDU = "m.signing_key_update"
)

const (
	maxPrev  = 100             // prev_ids of an update
	maxEarly = 10_000          // users that are remembered in followed_early
	calm     = 2 * time.Second // before a list that became stale is asked for by itself: most often a client asks sooner
)

// update is the content of an m.device_list_update.
type update struct {
	User    id.User         `json:"user_id"`
	Device  id.Device       `json:"device_id"`
	Name    string          `json:"device_display_name,omitempty"`
	Stream  int64           `json:"stream_id"`
	Prev    []int64         `json:"prev_id"`
	Deleted bool            `json:"deleted,omitempty"`
	Keys    json.RawMessage `json:"keys,omitempty"`
}

// ReceiveDeviceList takes an m.device_list_update of another server. Who shares no room with anybody here is not followed.
// Errors: M_BAD_JSON, M_INVALID_PARAM, M_FORBIDDEN.
func (k *Keys) ReceiveDeviceList(ctx context.Context, origin id.Server, content json.RawMessage) error {
	var u update
	if err := json.Unmarshal(content, &u); err != nil {
		return fault.New(fault.BadJSON, "The content of an m.device_list_update has the wrong form").Because(err)
	}
	switch {
	case u.User == "" || u.Device == "":
		return fault.New(fault.BadJSON, "An m.device_list_update needs user_id and device_id")
	case u.User.Server() != origin:
		return errNotTheirs
	case len(u.Prev) > maxPrev:
		return fault.Newf(fault.InvalidParam, "At most %d prev_ids are taken", maxPrev)
	}
	var keys []byte
	var broken error
	if !u.Deleted && len(u.Keys) > 0 && string(u.Keys) != "null" {
		keys, broken = shown(u.Keys, u.User, u.Device, u.Name)
	}
	return k.hear(ctx, u.User, func(tx *sqldb.Tx, l *list) (news bool, err error) {
		if l.stale {
			return true, nil
		}
		switch l.judge(u.Stream, u.Prev) {
		case known:
			return false, nil
		case gap:
			l.stale = true
			return true, nil
		case follows:
		}
		if broken != nil {
			l.stale = true // what it should be is learnt from the whole
			return true, nil
		}
		l.include(u.Stream)
		if keys == nil {
			_, err = tx.Exec(sqlDropTheirs, u.User, u.Device)
			return true, err
		}
		var n int
		if err := tx.Row(`SELECT count(*) FROM followed_device WHERE user_id = $1 AND device_id <> $2`, u.User, u.Device).Scan(&n); err != nil {
			return false, err
		}
		if n >= maxDevices {
			return true, nil
		}
		_, err = tx.Exec(sqlSetTheirs, u.User, u.Device, keys)
		return true, err
	})
}

var errNotTheirs = fault.New(fault.Forbidden, "The user is not of the server that speaks of them")

// ReceiveSigningKeys takes an m.signing_key_update of another server. It has no place in the order of the updates, so that
// the keys in it may be older than those that are known: they are asked for. Errors: M_BAD_JSON, M_FORBIDDEN.
func (k *Keys) ReceiveSigningKeys(ctx context.Context, origin id.Server, content json.RawMessage) error {
	var u struct {
		User id.User `json:"user_id"`
	}
	if err := json.Unmarshal(content, &u); err != nil || u.User == "" {
		return fault.New(fault.BadJSON, "The content of an m.signing_key_update has the wrong form").Because(err)
	}
	if u.User.Server() != origin {
		return errNotTheirs
	}
	return k.hear(ctx, u.User, func(_ *sqldb.Tx, l *list) (bool, error) {
		l.stale = true
		return true, nil
	})
}

// hear changes what is known of another server's user, where she shares a room with somebody here, and announces the change
// if there is one. A user of whom nothing is known has a stale list.
func (k *Keys) hear(ctx context.Context, user id.User, change func(*sqldb.Tx, *list) (news bool, err error)) error {
	var news, stale bool
	err := k.DB.Write(ctx, func(tx *sqldb.Tx) error {
		news, stale = false, false
		meets, err := k.Rooms.Meets(tx, user)
		if err != nil {
			return err
		}
		if !meets {
			return k.early(tx, user)
		}
		l, err := followed(tx, user)
		if err != nil {
			return err
		}
		if l == nil {
			l = &list{stale: true}
		}
		if news, err = change(tx, l); err != nil || !news {
			return err
		}
		l.heard++
		stale = l.stale
		if err := l.save(tx, user, k.Now().Add(calm)); err != nil {
			return fmt.Errorf("write a device list: %w", err)
		}
		return k.change(tx, user, "", everybody)
	})
	if err != nil || !news {
		return err
	}
	k.announce(ctx, user)
	if stale {
		k.poke()
	}
	return nil
}

// early remembers that a user's devices changed who may turn out to share a room: there is one of which not all members are
// known.
func (k *Keys) early(tx *sqldb.Tx, user id.User) error {
	possible, err := k.Rooms.MayMeet(tx, user.Server())
	if err != nil || !possible {
		return err
	}
	_, err = tx.Exec(`INSERT INTO followed_early (user_id) SELECT CAST($1 AS TEXT) WHERE (SELECT count(*) FROM followed_early) < $2
		ON CONFLICT (user_id) DO NOTHING`, user, maxEarly)
	return err
}

// Settled looks again at whose devices are followed, once all members of a room are known: who turns out to share no room is
// forgotten, and who turns out to share one is announced where something was missed. Servers of the room are told what they
// have missed of its local members.
func (k *Keys) Settled(ctx context.Context, in id.Room) error {
	var met []id.User
	err := k.DB.Write(ctx, func(tx *sqldb.Tx) error {
		met = nil
		all, err := sqldb.Column[id.User](tx, `SELECT user_id FROM followed ORDER BY user_id`)
		if err != nil {
			return err
		}
		for _, user := range all {
			if meets, err := k.Rooms.Meets(tx, user); err != nil {
				return err
			} else if !meets {
				if err := unfollow(tx, user); err != nil {
					return err
				}
			}
		}
		if met, err = k.settleEarly(tx); err != nil {
			return err
		}
		nid, found, err := k.Rooms.NIDOf(tx, in)
		if err != nil || !found {
			return err
		}
		back, err := k.doubt(tx, nid)
		if err != nil {
			return err
		}
		met = append(met, back...)
		return k.tellMissed(tx, nid)
	})
	if err != nil {
		return fmt.Errorf("look at device lists again: %w", err)
	}
	for _, user := range met {
		k.announce(ctx, user)
	}
	return nil
}

// doubt forgets the devices of those who turned out to have been out of the room: what they changed then was not told. Those
// who share a room now are announced.
func (k *Keys) doubt(tx *sqldb.Tx, in room.NID) (met []id.User, err error) {
	gone, err := k.Rooms.FoundGone(tx, in)
	if err != nil {
		return nil, err
	}
	for _, user := range gone {
		l, err := followed(tx, user)
		if err != nil {
			return nil, err
		}
		if l == nil {
			continue
		}
		if err := unfollow(tx, user); err != nil {
			return nil, err
		}
		if meets, err := k.announceMet(tx, user); err != nil {
			return nil, err
		} else if meets {
			met = append(met, user)
		}
	}
	return met, nil
}

// announceMet says that a user's devices have changed, if she shares a room with somebody here.
func (k *Keys) announceMet(tx *sqldb.Tx, user id.User) (meets bool, err error) {
	if meets, err = k.Rooms.Meets(tx, user); err != nil || !meets {
		return false, err
	}
	return true, k.change(tx, user, "", everybody)
}

// settleEarly announces those in followed_early who share a room by now, and forgets those of whom that is known.
func (k *Keys) settleEarly(tx *sqldb.Tx) (met []id.User, err error) {
	all, err := sqldb.Column[id.User](tx, `SELECT user_id FROM followed_early ORDER BY user_id`)
	if err != nil {
		return nil, err
	}
	for _, user := range all {
		meets, err := k.announceMet(tx, user)
		if err != nil {
			return nil, err
		}
		if meets {
			met = append(met, user)
		} else if possible, err := k.Rooms.MayMeet(tx, user.Server()); err != nil || possible {
			if err != nil {
				return nil, err
			}
			continue
		}
		if _, err := tx.Exec(`DELETE FROM followed_early WHERE user_id = $1`, user); err != nil {
			return nil, err
		}
	}
	return met, nil
}
