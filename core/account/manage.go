package account

import (
	"context"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// SetPassword gives the user of the session a new password. With logout every other device is removed; the session that
// made the change lives on.
func (a *Accounts) SetPassword(ctx context.Context, s *Session, password string, logout bool) error {
	return a.setPassword(ctx, s.User, password, logout, s.Device)
}

// ResetPassword is SetPassword by an administrator.
func (a *Accounts) ResetPassword(ctx context.Context, user id.User, password string, logout bool) error {
	return a.setPassword(ctx, user, password, logout, "")
}

func (a *Accounts) setPassword(ctx context.Context, user id.User, password string, logout bool, keep id.Device) error {
	if err := checkPassword(password, 1); err != nil {
		return err
	}
	hash, err := a.hash.Hash(ctx, password)
	if err != nil {
		return err
	}
	return a.change(ctx, user, func(tx *sqldb.Tx) error {
		if err := update(tx, user, `password = $2`, hash); err != nil {
			return err
		}
		for _, hook := range a.NewPassword {
			if err := hook(tx, user, keep); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`DELETE FROM login_token WHERE user_id = $1`, user); err != nil || !logout {
			return err
		}
		return a.removeAllBut(tx, user, keep)
	})
}

// SetAdmin makes the user an administrator, or an ordinary user again.
func (a *Accounts) SetAdmin(ctx context.Context, user id.User, admin bool) error {
	return a.change(ctx, user, func(tx *sqldb.Tx) error { return update(tx, user, `admin = $2`, admin) })
}

// SetLocked locks or unlocks an account: a locked one keeps its sessions and cannot use them.
func (a *Accounts) SetLocked(ctx context.Context, user id.User, locked bool) error {
	return a.change(ctx, user, func(tx *sqldb.Tx) error { return update(tx, user, `locked = $2`, locked) })
}

// SetSuspended suspends an account or lifts that: a suspended one reads and leaves, and says nothing.
func (a *Accounts) SetSuspended(ctx context.Context, user id.User, suspended bool) error {
	return a.change(ctx, user, func(tx *sqldb.Tx) error { return update(tx, user, `suspended = $2`, suspended) })
}

// update changes an account that is in use.
func update(tx *sqldb.Tx, user id.User, set string, args ...any) error {
	n, err := tx.Exec(`UPDATE account SET `+set+` WHERE user_id = $1 AND deactivated IS NULL`, append([]any{user}, args...)...)
	if err != nil {
		return fmt.Errorf("update account %s: %w", user, err)
	}
	if n == 0 {
		return fault.New(fault.NotFound, "There is no such user")
	}
	return nil
}
