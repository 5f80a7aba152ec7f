package account

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

const (
	sqlKeyInUse  = `SELECT key_id, public FROM server_key WHERE until IS NULL`
	sqlRetireKey = `UPDATE server_key SET until = $1 WHERE until IS NULL`
	sqlOwnKeys   = `SELECT key_id, public, since, coalesce(until, -1) FROM server_key ORDER BY since`
	sqlAddKey    = `INSERT INTO server_key (key_id, public, since) VALUES ($1, $2, $3)
		ON CONFLICT (key_id) DO UPDATE SET public = excluded.public, since = excluded.since, until = NULL`
)

// ErrOtherKey says that a signing key is not the one that the database remembers.
var ErrOtherKey = errors.New("signing.key is not the key of this server")

// ForgetKey is what the operator has the database do when its key is lost for good.
const ForgetKey = `UPDATE server_key SET until = 0`

// OwnKey remembers the key that events are signed with, and refuses another one: other servers believe only what is signed
// with the key that they know. With replace the key takes the place of the one before, as when that is lost for good.
func (a *Accounts) OwnKey(ctx context.Context, key id.Key, public ed25519.PublicKey, replace bool) error {
	same, known, err := a.keyInUse(ctx, key, public)
	if err != nil || same {
		return err
	}
	if known != "" && !replace {
		return fmt.Errorf("%w: that is %s, and the data directory has %s. Other servers would not believe what is signed with it. Put the "+
			"right file back; a backup has it (`tar xf BACKUP files/signing.key`)", ErrOtherKey, known, key)
	}
	err = a.DB.Write(ctx, func(tx *sqldb.Tx) error {
		now := a.Now().UnixMilli()
		if _, err := tx.Exec(sqlRetireKey, now); err != nil {
			return err
		}
		_, err := tx.Exec(sqlAddKey, key, []byte(public), now)
		return err
	})
	if err != nil {
		return fmt.Errorf("remember the signing key: %w", err)
	}
	return nil
}

// keyInUse compares a key with the one that is remembered, and names that; "" when there is none.
func (a *Accounts) keyInUse(ctx context.Context, key id.Key, public ed25519.PublicKey) (same bool, known id.Key, err error) {
	var bytesKnown []byte
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error { return tx.Row(sqlKeyInUse).Scan(&known, &bytesKnown) })
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, "", nil
	case err != nil:
		return false, "", fmt.Errorf("read which signing key it is: %w", err)
	}
	return known == key && bytes.Equal(public, bytesKnown), known, nil
}

// CheckKey is OwnKey without remembering anything: nil for the key in use, and where none is known.
func (a *Accounts) CheckKey(ctx context.Context, key id.Key, public ed25519.PublicKey) error {
	same, known, err := a.keyInUse(ctx, key, public)
	if err == nil && !same && known != "" {
		err = fmt.Errorf("%w: that is %s, and the data directory has %s", ErrOtherKey, known, key)
	}
	return err
}

// FormerKey is a key that this server signed with until another took its place.
type FormerKey struct {
	Key    id.Key
	Public ed25519.PublicKey
	Until  int64 // milliseconds
}

// FormerKeys lists them: what they have signed is still good.
func (a *Accounts) FormerKeys(ctx context.Context) (all []FormerKey, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		all = nil
		rows, err := tx.Query(sqlOwnKeys)
		if err != nil {
			return err
		}
		defer rows.Close()
		lost := -1 // the place of one that was forgotten: it ends when the next begins
		for rows.Next() {
			var k FormerKey
			var public []byte
			var since int64
			if err := rows.Scan(&k.Key, &public, &since, &k.Until); err != nil {
				return err
			}
			if lost >= 0 {
				all[lost].Until, lost = since, -1
			}
			if k.Until < 0 {
				continue // in use
			}
			if k.Until == 0 {
				lost = len(all)
			}
			k.Public = public
			all = append(all, k)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read the former signing keys: %w", err)
	}
	return all, nil
}
