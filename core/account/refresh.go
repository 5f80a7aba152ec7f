package account

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// rememberSpent is how long a used refresh token is known as used. One that is presented after that is merely unknown.
const rememberSpent = 7 * 24 * time.Hour

// Refresh exchanges a refresh token for a new pair. The old pair stays valid until the new one is first used, so that a
// client which never got the answer can ask again (Client-Server API, "Refreshing access tokens"). A refresh token that is
// presented after its successor was used is known to somebody else too: the session ends.
func (a *Accounts) Refresh(ctx context.Context, token string) (*Grant, error) {
	hash := hashToken(token)
	var (
		grant  *Grant
		user   id.User
		refuse error
	)
	fresh := a.newGrant("", "", true)
	err := a.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		grant, refuse = nil, nil
		var device id.Device
		var replaces []byte
		var spent sql.NullInt64
		var locked bool
		err := tx.Row(`SELECT r.user_id, r.device_id, r.replaces, r.spent, a.locked FROM refresh_token r
			JOIN account a ON a.user_id = r.user_id WHERE r.hash = $1 AND a.deactivated IS NULL`, hash[:]).
			Scan(&user, &device, &replaces, &spent, &locked)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			refuse = fault.New(fault.UnknownToken, "This refresh token is not valid")
			return nil
		case err != nil:
			return fmt.Errorf("read refresh token: %w", err)
		case spent.Valid:
			refuse = fault.New(fault.UnknownToken, "This refresh token was used before").With("soft_logout", true)
			return endSessions(tx, user, device)
		case locked:
			refuse = errLocked
			return nil
		}
		if replaces != nil {
			if err := retire(tx, user, device, replaces, a.now()); err != nil {
				return err
			}
		}
		for _, q := range []string{
			`DELETE FROM access_token WHERE user_id = $1 AND device_id = $2 AND replaces = $3`,
			`DELETE FROM refresh_token WHERE user_id = $1 AND device_id = $2 AND replaces = $3`,
		} {
			if _, err := tx.Exec(q, user, device, hash[:]); err != nil {
				return fmt.Errorf("remove the unused successor: %w", err)
			}
		}
		g := *fresh
		g.User, g.Device, grant = user, device, &g
		return g.write(tx, a.now(), hash[:])
	})
	if user != "" {
		a.sessions.drop(user)
	}
	if err != nil {
		return nil, err
	}
	return grant, refuse
}

// settle records the first use of an access token that came from a refresh.
func (a *Accounts) settle(ctx context.Context, s *Session, replaces []byte) error {
	gone := false
	err := a.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		var now []byte
		err := tx.Row(`SELECT replaces FROM access_token WHERE hash = $1`, s.token[:]).Scan(&now)
		gone = errors.Is(err, sql.ErrNoRows)
		if gone || err == nil && !bytes.Equal(now, replaces) {
			return nil // removed, or settled by another request
		}
		if err != nil {
			return err
		}
		return retire(tx, s.User, s.Device, replaces, a.now())
	})
	a.sessions.drop(s.User)
	if err != nil {
		return fmt.Errorf("retire the tokens before a refresh: %w", err)
	}
	if gone {
		return errUnknownToken
	}
	return nil
}

// retire makes the pair that replaces the given refresh token the device's only one.
func retire(tx *sqldb.Tx, user id.User, device id.Device, replaced []byte, now int64) error {
	if _, err := tx.Exec(`DELETE FROM access_token WHERE user_id = $1 AND device_id = $2 AND (replaces IS NULL OR replaces <> $3)`,
		user, device, replaced); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE refresh_token SET spent = $4 WHERE user_id = $1 AND device_id = $2
		AND (replaces IS NULL OR replaces <> $3) AND spent IS NULL`, user, device, replaced, now); err != nil {
		return err
	}
	for _, q := range []string{
		`UPDATE access_token SET replaces = NULL WHERE user_id = $1 AND device_id = $2`,
		`UPDATE refresh_token SET replaces = NULL WHERE user_id = $1 AND device_id = $2`,
	} {
		if _, err := tx.Exec(q, user, device); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`DELETE FROM refresh_token WHERE user_id = $1 AND device_id = $2 AND spent < $3`,
		user, device, now-rememberSpent.Milliseconds())
	return err
}
