package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	// limit: devices of one user | %d | one that has been away for three months goes, else refused
	maxDevices    = 1000                // of one user
	abandoned     = 90 * 24 * time.Hour // a device that has not been seen for so long makes room for a new one when there is none
	maxDeviceName = 256                 // bytes
)

// Device is one of a user's devices.
type Device struct {
	Device    id.Device
	Name      string
	Created   time.Time
	Seen      time.Time // the last request, to within a minute or two; zero: none yet
	SeenIP    string
	SeenAgent string
}

const sqlDevices = `SELECT device_id, display_name, created, seen, seen_ip, seen_agent FROM account_device WHERE user_id = $1`

func scanDevice(row sqldb.Scanner) (*Device, error) {
	var d Device
	var created, seen int64
	if err := row.Scan(&d.Device, &d.Name, &created, &seen, &d.SeenIP, &d.SeenAgent); err != nil {
		return nil, err
	}
	d.Created = time.UnixMilli(created)
	if seen != 0 {
		d.Seen = time.UnixMilli(seen)
	}
	return &d, nil
}

var errNoDevice = fault.New(fault.NotFound, "There is no such device")

// Devices lists the user's devices in the order of their ids.
func (a *Accounts) Devices(ctx context.Context, user id.User) ([]*Device, error) {
	var list []*Device
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		list, err = sqldb.All(tx, scanDevice, sqlDevices+` ORDER BY device_id`, user)
		return err
	})
	for _, d := range list {
		a.seen.fill(user, d)
	}
	return list, err
}

// Device gives one of the user's devices, or fault.NotFound.
func (a *Accounts) Device(ctx context.Context, user id.User, device id.Device) (*Device, error) {
	var d *Device
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		d, err = scanDevice(tx.Row(sqlDevices+` AND device_id = $2`, user, device))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoDevice
	}
	if err != nil {
		return nil, err
	}
	a.seen.fill(user, d)
	return d, nil
}

// DeviceNames gives the user's devices with the names that others may see; none for an unknown user.
func (a *Accounts) DeviceNames(tx *sqldb.Tx, user id.User) (map[id.Device]string, error) {
	rows, err := tx.Query(`SELECT device_id, display_name FROM account_device WHERE user_id = $1`, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names := make(map[id.Device]string)
	for rows.Next() {
		var device, name string
		if err := rows.Scan(&device, &name); err != nil {
			return nil, err
		}
		names[id.Device(device)] = name
	}
	return names, rows.Err()
}

// Rename gives a device the name that its owner and those who share rooms with her see.
func (a *Accounts) Rename(ctx context.Context, user id.User, device id.Device, name string) error {
	if len(name) > maxDeviceName {
		return fault.Newf(fault.InvalidParam, "The name of a device may have at most %d bytes", maxDeviceName)
	}
	name = clip(name)
	return a.change(ctx, user, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`UPDATE account_device SET display_name = $3 WHERE user_id = $1 AND device_id = $2`, user, device, name)
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoDevice
		}
		return a.changed(tx, user, device)
	})
}

// Remove removes devices with everything that belongs to them and ends their sessions. Devices that do not exist are
// passed over.
func (a *Accounts) Remove(ctx context.Context, user id.User, devices []id.Device) error {
	err := a.change(ctx, user, func(tx *sqldb.Tx) error { return a.remove(tx, user, devices) })
	if err == nil {
		a.seen.forget(user, devices)
	}
	return err
}

// Logout ends the session and removes its device.
func (a *Accounts) Logout(ctx context.Context, s *Session) error {
	return a.Remove(ctx, s.User, []id.Device{s.Device})
}

// LogoutAll ends every session of the user and removes all devices.
func (a *Accounts) LogoutAll(ctx context.Context, user id.User) error {
	return a.change(ctx, user, func(tx *sqldb.Tx) error { return a.removeAllBut(tx, user, "") })
}

// removeAllBut removes all devices of the user but one; keep may be "".
func (a *Accounts) removeAllBut(tx *sqldb.Tx, user id.User, keep id.Device) error {
	devices, err := a.LocalDevices(tx, user)
	if err != nil {
		return err
	}
	return a.remove(tx, user, slices.DeleteFunc(devices, func(d id.Device) bool { return d == keep }))
}

func (a *Accounts) remove(tx *sqldb.Tx, user id.User, devices []id.Device) error {
	for _, d := range devices {
		if d == "" {
			continue // no device: it would stand for all of them
		}
		if err := endSessions(tx, user, d); err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM account_device WHERE user_id = $1 AND device_id = $2`, user, d)
		if err != nil {
			return fmt.Errorf("remove device: %w", err)
		}
		if n == 0 {
			continue
		}
		if _, err := tx.Exec(sqlDropDehydrated, user, d); err != nil {
			return err
		}
		for _, drop := range a.DropDevice {
			if err := drop(tx, user, d); err != nil {
				return fmt.Errorf("remove what belongs to a device: %w", err)
			}
		}
		if err := a.changed(tx, user, d); err != nil {
			return err
		}
	}
	return nil
}

// ensure makes the device unless it exists; the name is only for a new one. The sessions of one that exists end.
func (a *Accounts) ensure(tx *sqldb.Tx, user id.User, device id.Device, name string) error {
	var n int
	if err := tx.Row(`SELECT count(*) FROM account_device WHERE user_id = $1`, user).Scan(&n); err != nil {
		return err
	}
	added, err := tx.Exec(`INSERT INTO account_device (user_id, device_id, display_name, created, seen, seen_ip, seen_agent)
		VALUES ($1, $2, $3, $4, 0, '', '') ON CONFLICT (user_id, device_id) DO NOTHING`, user, device, clip(name), a.now())
	switch {
	case err != nil:
		return fmt.Errorf("make a device: %w", err)
	case added == 0:
		return endSessions(tx, user, device)
	case n >= maxDevices:
		if err := a.removeAbandoned(tx, user, device); err != nil {
			return err
		}
	}
	return a.changed(tx, user, device)
}

// removeAbandoned makes room for a new device: the one that has been away the longest goes, if it has been away for months.
// A device in use is never removed for another: then it is the new one that is refused.
func (a *Accounts) removeAbandoned(tx *sqldb.Tx, user id.User, except id.Device) error {
	var oldest id.Device
	var last int64
	err := tx.Row(`SELECT device_id, CASE WHEN seen > created THEN seen ELSE created END AS last FROM account_device
		WHERE user_id = $1 AND device_id <> $2 ORDER BY last, device_id LIMIT 1`, user, except).Scan(&oldest, &last)
	if err != nil {
		return fmt.Errorf("find the device that has been away the longest: %w", err)
	}
	if last > a.Now().Add(-abandoned).UnixMilli() {
		return fault.New(fault.ResourceLimitExceeded, "You have too many devices; please sign some of them out")
	}
	return a.remove(tx, user, []id.Device{oldest})
}

func (a *Accounts) changed(tx *sqldb.Tx, user id.User, device id.Device) error {
	for _, hook := range a.DeviceChanged {
		if err := hook(tx, user, device); err != nil {
			return fmt.Errorf("record the change of a device: %w", err)
		}
	}
	return nil
}

// clip shortens the name that a client gives its device at login, where an error would keep the user out, and takes the
// NULs out, which PostgreSQL does not store.
func clip(name string) string {
	name = strings.ReplaceAll(name, "\x00", "")
	if len(name) <= maxDeviceName {
		return name
	}
	end := 0
	for i := range name {
		if i > maxDeviceName {
			break
		}
		end = i
	}
	return name[:end]
}
