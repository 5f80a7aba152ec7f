package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// What administrators may do with the accounts of others, besides closing them. None of it is done behind the user's back:
// a session that an administrator opens is a device that its owner sees in her list, and those who share rooms with her.

// AdminDevice is the name of the device of a session that an administrator has opened.
const AdminDevice = "An administrator of this server"

// Impersonate opens a session of a user for an administrator, until the given time when that is not zero.
// Errors: M_NOT_FOUND, M_USER_DEACTIVATED, M_INVALID_PARAM for a time that is past.
func (a *Accounts) Impersonate(ctx context.Context, user id.User, until time.Time) (*Grant, error) {
	acc, err := a.Find(ctx, user)
	if err != nil {
		return nil, err
	}
	if !acc.Deactivated.IsZero() {
		return nil, fault.New(fault.UserDeactivated, "This account has been deactivated")
	}
	g := a.newGrant(user, (&DeviceRequest{}).device(), false)
	if !until.IsZero() {
		if g.ExpiresIn = until.Sub(a.Now()); g.ExpiresIn <= 0 {
			return nil, fault.New(fault.InvalidParam, "valid_until_ms is in the past")
		}
	}
	err = a.change(ctx, user, func(tx *sqldb.Tx) error { return a.open(tx, g, AdminDevice) })
	if err != nil {
		return nil, err
	}
	return g, nil
}

// Reopen takes back a deactivation: the user has the password and no device, and is in none of her rooms.
// Errors: M_NOT_FOUND when there is no deactivated account of that name, M_LIMIT_EXCEEDED while it is still being closed.
func (a *Accounts) Reopen(ctx context.Context, user id.User, password string) error {
	if err := checkPassword(password, 1); err != nil {
		return err
	}
	hash, err := a.hash.Hash(ctx, password)
	if err != nil {
		return err
	}
	err = a.change(ctx, user, func(tx *sqldb.Tx) error {
		var departing bool
		err := tx.Row(`SELECT departing FROM account WHERE user_id = $1 AND deactivated IS NOT NULL`, user).Scan(&departing)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fault.New(fault.NotFound, "There is no deactivated account of this name")
		case err != nil:
			return err
		case departing:
			return fault.New(fault.LimitExceeded, "This account is still being closed; please try again in a few minutes").After(time.Minute)
		}
		_, err = tx.Exec(`UPDATE account SET password = $2, deactivated = NULL, erase = FALSE, erased = NULL WHERE user_id = $1`, user, hash)
		return err
	})
	if err == nil {
		a.erased.remove(user)
	}
	return err
}

// resetKeysFor is how long a user may replace her cross-signing keys without her password once an administrator allows it.
const resetKeysFor = 10 * time.Minute

// AllowKeyReset lets a user replace her cross-signing keys without her password for a while, and says until when.
func (a *Accounts) AllowKeyReset(ctx context.Context, user id.User) (until time.Time, err error) {
	until = a.Now().Add(resetKeysFor).Truncate(time.Millisecond)
	err = a.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error { return update(tx, user, `reset_keys_until = $2`, until.UnixMilli()) })
	return until, err
}

// MayResetKeys says whether AllowKeyReset holds for the user now.
func (a *Accounts) MayResetKeys(ctx context.Context, user id.User) (bool, error) {
	var until int64
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(`SELECT coalesce(reset_keys_until, 0) FROM account WHERE user_id = $1`, user).Scan(&until)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	left := time.UnixMilli(until).Sub(a.Now())
	return left > 0 && left <= resetKeysFor, err // a clock that went back does not make it longer
}

// SendRate is what an administrator has set for how fast a user may send. Burst 0 is no limit.
type SendRate struct {
	PerSecond int64
	Burst     int64
}

// The greatest values of a SendRate.
const maxSendRate = 1_000_000

// rate is the form in which base/limit takes it.
func (r SendRate) rate() limit.Rate {
	if r.Burst == 0 || r.PerSecond == 0 {
		return limit.Rate{}
	}
	return limit.Rate{Burst: int(r.Burst), Every: time.Second / time.Duration(r.PerSecond)}
}

// SendRateOf gives what is set for the user, or nil.
func (a *Accounts) SendRateOf(ctx context.Context, user id.User) (*SendRate, error) {
	r := new(SendRate)
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(`SELECT per_second, burst FROM send_rate WHERE user_id = $1`, user).Scan(&r.PerSecond, &r.Burst)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return r, err
}

// SetSendRate sets how fast a user may send; nil is as everybody else.
func (a *Accounts) SetSendRate(ctx context.Context, user id.User, r *SendRate) error {
	if r != nil && (r.PerSecond < 0 || r.Burst < 0 || r.PerSecond > maxSendRate || r.Burst > maxSendRate) {
		return fault.Newf(fault.InvalidParam, "A rate is between 0 and %d", maxSendRate)
	}
	err := a.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(`DELETE FROM send_rate WHERE user_id = $1`, user); err != nil || r == nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO send_rate (user_id, per_second, burst) VALUES ($1, $2, $3)`, user, r.PerSecond, r.Burst)
		return err
	})
	if err != nil {
		return fmt.Errorf("set how fast a user may send: %w", err)
	}
	if r == nil {
		a.Limits.Forget(string(user))
	} else {
		a.Limits.Own(string(user), r.rate())
	}
	return nil
}

// ReadSendRates tells Limits what is set for users. It is called once, before anything is served.
func (a *Accounts) ReadSendRates(ctx context.Context) error {
	return a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		rows, err := tx.Query(`SELECT user_id, per_second, burst FROM send_rate`)
		if err != nil {
			return fmt.Errorf("read how fast users may send: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var user id.User
			var r SendRate
			if err := rows.Scan(&user, &r.PerSecond, &r.Burst); err != nil {
				return err
			}
			a.Limits.Own(string(user), r.rate())
		}
		return rows.Err()
	})
}
