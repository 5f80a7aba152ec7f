package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	// LoginTokenFor is how long a login token lives: what the specification recommends (POST /login/get_token).
	LoginTokenFor = 2 * time.Minute

	loginPrefix = "fhl_"
	// limit: login tokens of one user | %d, two minutes each | the one that ends first goes
	maxLoginTokens = 10
)

var errLoginToken = fault.New(fault.Forbidden, "This login token is not valid, or was used")

// LoginToken makes a token with which the user of the session can log in once more, elsewhere. It ends with the session
// that made it. The caller has asked her to confirm it.
func (a *Accounts) LoginToken(ctx context.Context, s *Session) (string, error) {
	token := newToken(loginPrefix)
	hash := hashToken(token)
	now := a.now()
	return token, a.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := makeRoom(tx, "login_token", s.User, now, maxLoginTokens); err != nil {
			return err
		}
		// Where the session has just been ended, nothing is written, and the token is merely unknown.
		_, err := tx.Exec(`INSERT INTO login_token (hash, user_id, device_id, expires)
			SELECT $1, user_id, device_id, $4 FROM account_device WHERE user_id = $2 AND device_id = $3`,
			hash[:], s.User, s.Device, now+LoginTokenFor.Milliseconds())
		return err
	})
}

// makeRoom removes what has expired from a table of tokens, and of the user's own those that end first, so that with one
// more she has no more than most.
func makeRoom(tx *sqldb.Tx, table string, user id.User, now int64, most int) error {
	if _, err := tx.Exec(`DELETE FROM `+table+` WHERE expires <= $1`, now); err != nil {
		return fmt.Errorf("remove what has expired from %s: %w", table, err)
	}
	if _, err := tx.Exec(`DELETE FROM `+table+` WHERE hash IN (
		SELECT hash FROM `+table+` WHERE user_id = $1 ORDER BY expires DESC, hash LIMIT 1000 OFFSET $2)`, user, most-1); err != nil {
		return fmt.Errorf("make room in %s: %w", table, err)
	}
	return nil
}

// LoginByToken opens a session with a login token, which is used up by it.
func (a *Accounts) LoginByToken(ctx context.Context, token string, r DeviceRequest) (*Grant, error) {
	hash := hashToken(token)
	var user id.User
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(`SELECT user_id FROM login_token WHERE hash = $1 AND expires > $2`, hash[:], a.now()).Scan(&user)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errLoginToken
	}
	if err != nil {
		return nil, fmt.Errorf("read login token: %w", err)
	}
	g := a.newGrant(user, r.device(), r.Refresh)
	err = a.change(ctx, user, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`DELETE FROM login_token WHERE hash = $1`, hash[:])
		if err != nil {
			return fmt.Errorf("use login token: %w", err)
		}
		if n == 0 {
			return errLoginToken // another login was quicker
		}
		acc, err := find(tx, user)
		switch {
		case err != nil:
			return err
		case acc == nil || !acc.Deactivated.IsZero():
			return errLoginToken
		case acc.Locked:
			return errLocked // rolled back: the token is good again once the account is
		}
		return a.open(tx, g, r.DeviceName)
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}
