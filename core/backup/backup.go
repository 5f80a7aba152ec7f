// Package backup keeps room keys that clients encrypted for themselves (Client-Server API, "Server-side key backups").
// A user has numbered backups; keys go into the newest one that was not deleted. The server can read nothing of a key but
// the numbers by which the better of two copies is told.
package backup

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The bounds of what a user can have stored. What is over them is refused with 413.
const (
	MaxAuthData    = 64 << 10  // bytes of auth_data
	MaxSessionData = 64 << 10  // bytes of one key
	MaxBatch       = 10_000    // keys in one request
	MaxVersions    = 100       // backups of a user that are not deleted
	MaxKeys        = 1_000_000 // keys in one backup
	MaxBytes       = 1 << 30   // bytes of the keys of one backup
)

// Backups is the backups of all users of one server. Its methods may be called from any goroutine.
type Backups struct{ DB *sqldb.DB }

// New makes a Backups.
func New(db *sqldb.DB) *Backups { return &Backups{DB: db} }

// State is how much is in a backup. ETag changes whenever a key does.
type State struct {
	ETag string
	Keys int64
}

// Version describes a backup.
type Version struct {
	State
	Version   string
	Algorithm string
	AuthData  json.RawMessage // a JSON object; what is in it is between the user's clients
}

var (
	errNoVersion = fault.New(fault.NotFound, "There is no such backup")
	errNoCurrent = fault.New(fault.NotFound, "There is no backup yet")
)

// version is a row of backup_version.
type version struct {
	number      int64
	algorithm   string
	authData    []byte
	etag        int64
	keys, bytes int64
	deleted     bool
}

func (v *version) state() State { return State{ETag: strconv.FormatInt(v.etag, 10), Keys: v.keys} }

const (
	sqlVersion = `SELECT version, algorithm, auth_data, etag, keys, bytes, deleted FROM backup_version
		WHERE user_id = $1 AND version = $2`
	sqlCurrent = `SELECT version, algorithm, auth_data, etag, keys, bytes, deleted FROM backup_version
		WHERE user_id = $1 AND deleted = FALSE ORDER BY version DESC LIMIT 1`
)

func scanVersion(row sqldb.Scanner) (*version, error) {
	var v version
	err := row.Scan(&v.number, &v.algorithm, &v.authData, &v.etag, &v.keys, &v.bytes, &v.deleted)
	return &v, err
}

// current is the backup that keys go into.
func current(tx *sqldb.Tx, user id.User) (*version, error) {
	v, err := scanVersion(tx.Row(sqlCurrent, user))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoCurrent
	}
	return v, err
}

// known is a backup of the user's that may be deleted.
func known(tx *sqldb.Tx, user id.User, name string) (*version, error) {
	number, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return nil, errNoVersion
	}
	v, err := scanVersion(tx.Row(sqlVersion, user, number))
	if errors.Is(err, sql.ErrNoRows) || err == nil && strconv.FormatInt(v.number, 10) != name {
		return nil, errNoVersion
	}
	return v, err
}

// existing is a backup of the user's that is not deleted.
func existing(tx *sqldb.Tx, user id.User, name string) (*version, error) {
	v, err := known(tx, user, name)
	if err == nil && v.deleted {
		return nil, errNoVersion
	}
	return v, err
}

// Create starts a backup, which is then the current one, and gives its version.
func (b *Backups) Create(ctx context.Context, user id.User, algorithm string, authData json.RawMessage) (string, error) {
	if err := checkAuthData(algorithm, authData); err != nil {
		return "", err
	}
	var number int64
	err := b.DB.Write(ctx, func(tx *sqldb.Tx) error {
		var live int64
		err := tx.Row(`SELECT coalesce(max(version), 0), count(*) FILTER (WHERE deleted = FALSE) FROM backup_version
			WHERE user_id = $1`, user).Scan(&number, &live)
		if err != nil {
			return err
		}
		if live >= MaxVersions {
			return fault.New(fault.TooLarge, "You have too many backups; please delete old ones")
		}
		// A device that knows a version of a life that a restore has ended must not take this one for it: it would put keys
		// into it that are encrypted for another.
		number = max(number+1, b.DB.Epoch().Floor())
		_, err = tx.Exec(`INSERT INTO backup_version (user_id, version, algorithm, auth_data, etag, keys, bytes, deleted)
			VALUES ($1, $2, $3, $4, 0, 0, 0, FALSE)`, user, number, algorithm, []byte(authData))
		return err
	})
	return strconv.FormatInt(number, 10), err
}

func checkAuthData(algorithm string, authData json.RawMessage) error {
	switch {
	case algorithm == "" || len(algorithm) > id.MaxLength:
		return fault.New(fault.BadJSON, "algorithm is missing or too long")
	case len(authData) > MaxAuthData:
		return fault.Newf(fault.TooLarge, "auth_data may have at most %d bytes", MaxAuthData)
	case !isObject(authData):
		return fault.New(fault.BadJSON, "auth_data must be an object")
	}
	return nil
}

// isObject tells a JSON object from other JSON.
func isObject(raw json.RawMessage) bool { return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) }

// Current describes the newest backup that was not deleted.
func (b *Backups) Current(ctx context.Context, user id.User) (*Version, error) {
	return b.describe(ctx, func(tx *sqldb.Tx) (*version, error) { return current(tx, user) })
}

// Version describes a backup.
func (b *Backups) Version(ctx context.Context, user id.User, name string) (*Version, error) {
	return b.describe(ctx, func(tx *sqldb.Tx) (*version, error) { return existing(tx, user, name) })
}

func (b *Backups) describe(ctx context.Context, find func(*sqldb.Tx) (*version, error)) (*Version, error) {
	var v *version
	err := b.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		v, err = find(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Version{State: v.state(), Version: strconv.FormatInt(v.number, 10), Algorithm: v.algorithm, AuthData: v.authData}, nil
}

// Update replaces the auth_data of a backup. Its algorithm cannot change.
func (b *Backups) Update(ctx context.Context, user id.User, name, algorithm string, authData json.RawMessage) error {
	if err := checkAuthData(algorithm, authData); err != nil {
		return err
	}
	return b.DB.Write(ctx, func(tx *sqldb.Tx) error {
		v, err := existing(tx, user, name)
		if err != nil {
			return err
		}
		if v.algorithm != algorithm {
			return fault.New(fault.InvalidParam, "The algorithm of a backup cannot change")
		}
		_, err = tx.Exec(`UPDATE backup_version SET auth_data = $3 WHERE user_id = $1 AND version = $2`, user, v.number, []byte(authData))
		return err
	})
}

// Delete removes a backup with its keys. One that was deleted before is no error, one that never was is.
func (b *Backups) Delete(ctx context.Context, user id.User, name string) error {
	var number int64
	err := b.DB.Write(ctx, func(tx *sqldb.Tx) error {
		v, err := known(tx, user, name)
		if err != nil {
			return err
		}
		number = v.number
		_, err = tx.Exec(`UPDATE backup_version SET deleted = TRUE, auth_data = $3, keys = 0, bytes = 0
			WHERE user_id = $1 AND version = $2`, user, number, []byte("{}"))
		return err
	})
	if err != nil {
		return err
	}
	return b.purge(ctx, user, number)
}

// Forget removes all backups of a user, for an account that has been deactivated.
func (b *Backups) Forget(ctx context.Context, user id.User) error {
	var last int64
	err := b.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := tx.Row(`SELECT coalesce(max(version), 0) FROM backup_version WHERE user_id = $1`, user).Scan(&last); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE backup_version SET deleted = TRUE, auth_data = $2, keys = 0, bytes = 0 WHERE user_id = $1`, user, []byte("{}"))
		return err
	})
	for number := int64(1); err == nil && number <= last; number++ {
		err = b.purge(ctx, user, number)
	}
	return err
}

// purged is how many keys are deleted in one write, so that a large backup does not hold up the writes of others.
const purged = 2000

// purge removes the keys of a deleted backup. When it is cut off, deleting the backup again goes on with it.
func (b *Backups) purge(ctx context.Context, user id.User, number int64) error {
	for {
		var n int64
		err := b.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
			n, err = tx.Exec(`DELETE FROM backup_key WHERE user_id = $1 AND version = $2 AND (room_id, session_id) IN
				(SELECT room_id, session_id FROM backup_key WHERE user_id = $1 AND version = $2 LIMIT $3)`, user, number, purged)
			return err
		})
		if err != nil || n < purged {
			return err
		}
	}
}
