package keys

import (
	"slices"

	"freehold.example/base/news"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// everybody is whoever shares a room with the user, and the user.
const everybody id.User = ""

// change records that a device of the user's changed or went, or with an empty device that the user's cross-signing keys
// did. Only the newest change of each is kept: whoever asks from an earlier position is told of it all the same.
func (k *Keys) change(tx *sqldb.Tx, user id.User, device id.Device, seenBy id.User) error {
	k.changed.Note(notice{user, seenBy}, tx.Pos())
	return change(tx, user, device, seenBy)
}

func change(tx *sqldb.Tx, user id.User, device id.Device, seenBy id.User) error {
	_, err := tx.Exec(`INSERT INTO device_change (user_id, device_id, seen_by, pos) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, device_id, seen_by) DO UPDATE SET pos = excluded.pos`, user, device, seenBy, tx.Pos())
	return err
}

const sqlChanged = `SELECT user_id, seen_by FROM device_change
	WHERE pos > $1 AND pos <= $2 AND (seen_by = '' OR seen_by = $3) ORDER BY pos DESC`

// askOneByOne is how many changed users are looked up singly before the whole list of shared users is read instead.
const askOneByOne = 16

// Changed lists the users whose device lists changed after since and up to upto, as far as watcher may know: those who
// share a room with the watcher now, the watcher, and those whose keys the watcher signed; the latest change first. It
// costs one index lookup when nothing changed.
//
// A user who changed again after upto may be missing, and is then in the next answer; callers that answer about the past
// (/keys/changes) give the newest position as upto, and get a superset.
func (k *Keys) Changed(tx *sqldb.Tx, watcher id.User, since, upto sqldb.Pos) ([]id.User, error) {
	if since >= upto {
		return nil, nil
	}
	if !k.changed.After(since) {
		return nil, nil
	}
	users, err := k.changedUsers(tx, watcher, since, upto)
	if err != nil || len(users) == 0 {
		return nil, err
	}
	shares := func(u id.User) (bool, error) { return k.Rooms.SharesRoom(tx, watcher, u) }
	if len(users) > askOneByOne {
		all, err := k.Rooms.SharedUsers(tx, watcher)
		if err != nil {
			return nil, err
		}
		set := make(map[id.User]bool, len(all))
		for _, u := range all {
			set[u] = true
		}
		shares = func(u id.User) (bool, error) { return set[u], nil }
	}
	var out []id.User
	for _, u := range users {
		seen := u.own || u.id == watcher
		if !seen {
			if seen, err = shares(u.id); err != nil {
				return nil, err
			}
		}
		if seen {
			out = append(out, u.id)
		}
	}
	return out, nil
}

type changedUser struct {
	id  id.User
	own bool // some change is for the watcher alone, who need not share a room with the user
}

func (k *Keys) changedUsers(tx *sqldb.Tx, watcher id.User, since, upto sqldb.Pos) ([]changedUser, error) {
	var out []changedUser
	if tx.Peeking() {
		ok := k.changed.Since(since, func(e news.Entry[notice]) bool {
			own := e.Key.seenBy != everybody
			if e.Pos <= upto && (!own || e.Key.seenBy == watcher) {
				i := slices.IndexFunc(out, func(c changedUser) bool { return c.id == e.Key.user })
				if i < 0 {
					i = len(out)
					out = append(out, changedUser{id: e.Key.user})
				}
				out[i].own = out[i].own || own
			}
			return len(out) <= askOneByOne
		})
		if !ok || len(out) > askOneByOne {
			return nil, sqldb.ErrPeek
		}
		return out, nil
	}
	rows, err := tx.Query(sqlChanged, since, upto, watcher)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	at := make(map[string]int)
	for rows.Next() {
		var user, seenBy string
		if err := rows.Scan(&user, &seenBy); err != nil {
			return nil, err
		}
		i, known := at[user]
		if !known {
			i = len(out)
			at[user] = i
			out = append(out, changedUser{id: id.User(user)})
		}
		out[i].own = out[i].own || seenBy != ""
	}
	return out, rows.Err()
}

// Window is what happened between two positions to one user, the watcher, as far as it bears on whose devices the
// watcher's clients must follow. Sync and /keys/changes fill it in and ask for Lists.
type Window struct {
	Watcher id.User
	Updated []id.User // whose keys changed: what Changed gave
	Met     []id.User // who joined a room that the watcher is in; of a room that the watcher joined, all members, the watcher included
	Parted  []id.User // who left a room that the watcher is in; of a room that the watcher left, all members

	// Shares says whether the user shares a room with the watcher at the end of the window.
	Shares func(user id.User) (bool, error)
}

// Lists are the members changed and left of device_lists (Client-Server API, "Extensions to /sync" of End-to-End
// Encryption). No user is in both or twice. Who joined and left again, or left one of several shared rooms, is in neither
// unless the keys changed too.
func (w Window) Lists() (changed, left []id.User, err error) {
	seen := make(map[id.User]bool, len(w.Updated)+len(w.Met)+len(w.Parted))
	for _, u := range w.Updated {
		if !seen[u] {
			seen[u] = true
			changed = append(changed, u)
		}
	}
	for i, u := range slices.Concat(w.Met, w.Parted) {
		if seen[u] {
			continue
		}
		shares := u == w.Watcher
		if !shares {
			if shares, err = w.Shares(u); err != nil {
				return nil, nil, err
			}
		}
		switch met := i < len(w.Met); {
		case met && shares:
			changed = append(changed, u)
		case !met && !shares:
			left = append(left, u)
		default:
			continue // a user who was met and no longer shares a room may still be found among the parted
		}
		seen[u] = true
	}
	return changed, left, nil
}
