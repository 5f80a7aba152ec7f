package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const sqlAssume = `SELECT a.locked, a.suspended, a.deactivated IS NOT NULL,
	$2 = '' OR EXISTS (SELECT 1 FROM account_device d WHERE d.user_id = a.user_id AND d.device_id = $2)
	FROM account a WHERE a.user_id = $1`

// Assume opens a session of a user without a token: for an application service that acts as her, and has the right to.
// device may be "", for none. Errors: M_FORBIDDEN when there is no such account, M_UNKNOWN_DEVICE, M_USER_LOCKED.
func (a *Accounts) Assume(ctx context.Context, user id.User, device id.Device) (*Session, error) {
	s := &Session{User: user, Device: device, assumed: true}
	var closed, known bool
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(sqlAssume, user, device).Scan(&s.Locked, &s.Suspended, &closed, &known)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fault.New(fault.Forbidden, "The application service has not registered this user")
	case err != nil:
		return nil, fmt.Errorf("assume a user: %w", err)
	case closed:
		return nil, fault.New(fault.UserDeactivated, "This account has been deactivated")
	case !known:
		return nil, fault.New(fault.UnknownDevice, "The user has no such device")
	case s.Locked:
		return nil, errLocked
	}
	return s, nil
}

// AddDevice makes a device without a session. One that is there is left as it is: made is false.
func (a *Accounts) AddDevice(ctx context.Context, user id.User, device id.Device, name string) (made bool, err error) {
	err = a.change(ctx, user, func(tx *sqldb.Tx) error {
		made = false
		var there int
		err := tx.Row(`SELECT count(*) FROM account_device WHERE user_id = $1 AND device_id = $2`, user, device).Scan(&there)
		if err != nil || there > 0 {
			return err
		}
		made = true
		return a.ensure(tx, user, device, name)
	})
	return made, err
}

// LoginService opens a session of a user for the application service that she belongs to, without a password.
// Errors: M_FORBIDDEN when there is no such account.
func (a *Accounts) LoginService(ctx context.Context, user id.User, r DeviceRequest) (*Grant, error) {
	if _, err := a.Assume(ctx, user, ""); err != nil {
		return nil, err
	}
	g := a.newGrant(user, r.device(), r.Refresh)
	err := a.change(ctx, user, func(tx *sqldb.Tx) error { return a.open(tx, g, r.DeviceName) })
	if err != nil {
		return nil, err
	}
	return g, nil
}
