package account

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// A dehydrated device is a device without a session, which receives keys while its user is away, and whose own keys, encrypted
// by her client, are kept until she takes it up (MSC3814). A user has at most one. It ends like any other device too: when
// she removes it or all of them.

// limit: the private keys of a dehydrated device | %b | 413
const maxDehydrated = 256 << 10 // bytes

// Dehydrated is a user's dehydrated device.
type Dehydrated struct {
	Device id.Device
	Data   json.RawMessage // a JSON object
}

const (
	sqlDehydrated     = `SELECT device_id, data FROM dehydrated_device WHERE user_id = $1`
	sqlDehydrate      = `INSERT INTO dehydrated_device (user_id, device_id, data) VALUES ($1, $2, $3)`
	sqlDropDehydrated = `DELETE FROM dehydrated_device WHERE user_id = $1 AND device_id = $2`
)

var errNoDehydrated = fault.New(fault.NotFound, "There is no dehydrated device")

// Dehydrate makes a user's dehydrated device, in place of the one that she had. publish stores its public keys in the same
// transaction. Errors: M_INVALID_PARAM for the id of another device of hers, M_TOO_LARGE.
func (a *Accounts) Dehydrate(ctx context.Context, user id.User, d Dehydrated, name string, publish func(tx *sqldb.Tx) error) error {
	switch {
	case d.Device == "" || len(d.Device) > id.MaxLength || strings.ContainsRune(string(d.Device), 0):
		return fault.New(fault.InvalidParam, "device_id is missing or too long")
	case len(d.Data) > maxDehydrated:
		return fault.Newf(fault.TooLarge, "device_data may have at most %d bytes", maxDehydrated)
	}
	return a.change(ctx, user, func(tx *sqldb.Tx) error {
		old, err := dehydrated(tx, user)
		switch {
		case err == nil:
			err = a.remove(tx, user, []id.Device{old.Device})
		case errors.Is(err, errNoDehydrated):
			err = nil
		}
		if err != nil {
			return err
		}
		var there int
		if err := tx.Row(`SELECT count(*) FROM account_device WHERE user_id = $1 AND device_id = $2`, user, d.Device).Scan(&there); err != nil {
			return err
		}
		if there > 0 {
			return fault.New(fault.InvalidParam, "device_id is that of another device")
		}
		if err := a.ensure(tx, user, d.Device, name); err != nil {
			return err
		}
		if _, err := tx.Exec(sqlDehydrate, user, d.Device, []byte(d.Data)); err != nil {
			return err
		}
		return publish(tx)
	})
}

// Dehydrated gives a user's dehydrated device. Errors: M_NOT_FOUND.
func (a *Accounts) Dehydrated(ctx context.Context, user id.User) (d Dehydrated, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		d, err = dehydrated(tx, user)
		return err
	})
	return d, err
}

// RemoveDehydrated removes a user's dehydrated device with everything that belongs to it, and says which it was.
// Errors: M_NOT_FOUND.
func (a *Accounts) RemoveDehydrated(ctx context.Context, user id.User) (device id.Device, err error) {
	err = a.change(ctx, user, func(tx *sqldb.Tx) error {
		d, err := dehydrated(tx, user)
		if err != nil {
			return err
		}
		device = d.Device
		return a.remove(tx, user, []id.Device{device})
	})
	return device, err
}

func dehydrated(tx *sqldb.Tx, user id.User) (d Dehydrated, err error) {
	var data []byte
	err = tx.Row(sqlDehydrated, user).Scan(&d.Device, &data)
	d.Data = data
	if errors.Is(err, sql.ErrNoRows) {
		return d, errNoDehydrated
	}
	return d, err
}
