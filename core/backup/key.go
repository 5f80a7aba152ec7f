package backup

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Key is the backup of one session's key.
type Key struct {
	Room    id.Room
	Session string

	FirstMessageIndex int64
	ForwardedCount    int64
	Verified          bool
	Data              json.RawMessage // encrypted by the client; a JSON object
}

// Part is the part of a backup that a request is about.
type Part struct {
	Room    id.Room // empty: all rooms
	Session string  // empty: all sessions of the room
}

// better says whether k takes the place of old ("Server-side key backups": verified, then lower index, then fewer
// forwards; between equals the stored one stays).
func (k *Key) better(old *Key) bool {
	switch {
	case k.Verified != old.Verified:
		return k.Verified
	case k.FirstMessageIndex != old.FirstMessageIndex:
		return k.FirstMessageIndex < old.FirstMessageIndex
	default:
		return k.ForwardedCount < old.ForwardedCount
	}
}

func (k *Key) check() error {
	switch {
	case len(k.Data) > MaxSessionData:
		return fault.Newf(fault.TooLarge, "session_data may have at most %d bytes", MaxSessionData)
	case !isObject(k.Data):
		return fault.New(fault.BadJSON, "session_data must be an object")
	case k.Session == "" || len(k.Session) > id.MaxLength:
		return fault.New(fault.InvalidParam, "A session id has 1 to 255 bytes")
	case k.FirstMessageIndex < 0 || k.ForwardedCount < 0:
		return fault.New(fault.BadJSON, "first_message_index and forwarded_count are not negative")
	}
	return nil
}

const (
	sqlKey = `SELECT first_message_index, forwarded_count, is_verified, length(session_data) FROM backup_key
		WHERE user_id = $1 AND version = $2 AND room_id = $3 AND session_id = $4`
	sqlPutKey = `INSERT INTO backup_key (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified,
		session_data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET first_message_index = excluded.first_message_index,
		forwarded_count = excluded.forwarded_count, is_verified = excluded.is_verified, session_data = excluded.session_data`
	sqlPutState = `UPDATE backup_version SET etag = $3, keys = $4, bytes = $5 WHERE user_id = $1 AND version = $2`
)

// Put stores keys in the current backup, which name must be. A key that is stored already is replaced by a better one
// and otherwise left as it is; that is no error.
func (b *Backups) Put(ctx context.Context, user id.User, name string, keys []Key) (State, error) {
	if len(keys) > MaxBatch {
		return State{}, fault.Newf(fault.TooLarge, "At most %d keys can be stored at once", MaxBatch)
	}
	for i := range keys {
		if err := keys[i].check(); err != nil {
			return State{}, err
		}
	}
	var v *version
	err := b.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
		if v, err = current(tx, user); err != nil {
			return err
		}
		if now := strconv.FormatInt(v.number, 10); now != name {
			return fault.New(fault.WrongRoomKeysVersion, "This is not the current backup").With("current_version", now)
		}
		changed := false
		for i := range keys {
			stored, err := put(tx, user, v, &keys[i])
			if err != nil {
				return err
			}
			changed = changed || stored
		}
		if !changed {
			return nil
		}
		if v.keys > MaxKeys || v.bytes > MaxBytes {
			return fault.New(fault.TooLarge, "The backup is full")
		}
		return v.save(tx, user)
	})
	if err != nil {
		return State{}, err
	}
	return v.state(), nil
}

// save writes v, whose keys have changed, under a new etag.
func (v *version) save(tx *sqldb.Tx, user id.User) error {
	v.etag++
	_, err := tx.Exec(sqlPutState, user, v.number, v.etag, v.keys, v.bytes)
	return err
}

// put stores one key if it is new or better, and counts it in v.
func put(tx *sqldb.Tx, user id.User, v *version, k *Key) (stored bool, err error) {
	var old Key
	var size int64
	err = tx.Row(sqlKey, user, v.number, k.Room, k.Session).Scan(&old.FirstMessageIndex, &old.ForwardedCount, &old.Verified, &size)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		v.keys++
	case err != nil:
		return false, err
	case !k.better(&old):
		return false, nil
	}
	v.bytes += int64(len(k.Data)) - size
	_, err = tx.Exec(sqlPutKey, user, v.number, k.Room, k.Session, k.FirstMessageIndex, k.ForwardedCount, k.Verified, []byte(k.Data))
	return true, err
}

// The keys after a room and session, up to a room: PostgreSQL and SQLite both find them by the primary key.
const (
	sqlKeys = `SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data FROM backup_key
		WHERE user_id = $1 AND version = $2 AND (room_id, session_id) > ($3, $4) AND room_id <= $5
		ORDER BY room_id, session_id LIMIT $6`
	sqlOneKey = `SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data FROM backup_key
		WHERE user_id = $1 AND version = $2 AND room_id = $3 AND session_id = $4`
	sqlRemove = `DELETE FROM backup_key
		WHERE user_id = $1 AND version = $2 AND (room_id, session_id) > ($3, '') AND room_id <= $4
		RETURNING length(session_data)`
	sqlRemoveOne = `DELETE FROM backup_key WHERE user_id = $1 AND version = $2 AND room_id = $3 AND session_id = $4
		RETURNING length(session_data)`
)

// lastRoom sorts after every room id: those begin with "!".
const lastRoom id.Room = "\""

// upto is the last room of the part.
func (p Part) upto() id.Room {
	if p.Room == "" {
		return lastRoom
	}
	return p.Room
}

// page is how many keys are read at once. A page is its own snapshot: a backup can be large and its reader slow.
const page = 500

// Each calls fn with the keys of a room or of the whole backup, in order of room and session. It returns an error of fn
// as it is.
func (b *Backups) Each(ctx context.Context, user id.User, name string, room id.Room, fn func(*Key) error) error {
	after, upto := Key{Room: room}, Part{Room: room}.upto()
	for {
		keys, err := b.read(ctx, user, name, sqlKeys, after.Room, after.Session, upto, page)
		if err != nil {
			return err
		}
		for i := range keys {
			if err := fn(&keys[i]); err != nil {
				return err
			}
		}
		if len(keys) < page {
			return nil
		}
		after = keys[len(keys)-1]
	}
}

// Get is one key of a backup.
func (b *Backups) Get(ctx context.Context, user id.User, name string, room id.Room, session string) (*Key, error) {
	keys, err := b.read(ctx, user, name, sqlOneKey, room, session)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fault.New(fault.NotFound, "There is no such key in the backup")
	}
	return &keys[0], nil
}

// read runs q, whose first two arguments are the user and the version.
func (b *Backups) read(ctx context.Context, user id.User, name, q string, args ...any) ([]Key, error) {
	var keys []Key
	err := b.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := existing(tx, user, name)
		if err != nil {
			return err
		}
		keys, err = sqldb.All(tx, scanKey, q, append([]any{user, v.number}, args...)...)
		return err
	})
	return keys, err
}

func scanKey(row sqldb.Scanner) (k Key, err error) {
	err = row.Scan((*string)(&k.Room), &k.Session, &k.FirstMessageIndex, &k.ForwardedCount, &k.Verified, (*[]byte)(&k.Data))
	return k, err
}

// Remove deletes the keys of a part of a backup; that there are none is no error.
func (b *Backups) Remove(ctx context.Context, user id.User, name string, part Part) (State, error) {
	var v *version
	err := b.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
		if v, err = existing(tx, user, name); err != nil {
			return err
		}
		before := v.keys
		if part.Session != "" {
			err = removed(tx, v, sqlRemoveOne, user, v.number, part.Room, part.Session)
		} else {
			err = removed(tx, v, sqlRemove, user, v.number, part.Room, part.upto())
		}
		if err != nil || v.keys == before {
			return err
		}
		return v.save(tx, user)
	})
	if err != nil {
		return State{}, err
	}
	return v.state(), nil
}

// removed runs a deletion and takes what went off v.
func removed(tx *sqldb.Tx, v *version, q string, args ...any) error {
	rows, err := tx.Query(q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var size int64
		if err := rows.Scan(&size); err != nil {
			return err
		}
		v.keys--
		v.bytes -= size
	}
	return rows.Err()
}
