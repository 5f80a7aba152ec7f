package account

import (
	"context"
	"crypto/rand"
	"net/netip"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

var (
	errLogin  = fault.New(fault.Forbidden, "The user name or the password is wrong")
	errLocked = fault.New(fault.UserLocked, "This account has been locked").With("soft_logout", true)
)

// DeviceRequest says which device a session is for.
type DeviceRequest struct {
	Device     id.Device // "": a new one
	DeviceName string    // of a new one
	Refresh    bool      // the client can refresh: its access tokens expire
}

// LoginRequest is a login with a password.
type LoginRequest struct {
	Name     string // as typed: a whole user id or a local part, in any case
	Password string
	From     netip.Addr // whose guesses are counted together
	DeviceRequest
}

// Login opens a session. Logging in to a device that exists takes it over: its sessions end, its keys and messages stay.
func (a *Accounts) Login(ctx context.Context, r LoginRequest) (*Grant, error) {
	acc, err := a.prove(ctx, r.Name, r.Password, r.From)
	if err != nil {
		return nil, err
	}
	if acc.Locked {
		return nil, errLocked
	}
	stronger := ""
	if a.hash.Weak(acc.password) {
		if stronger, err = a.hash.Hash(ctx, r.Password); err != nil {
			return nil, err
		}
	}
	g := a.newGrant(acc.User, r.device(), r.Refresh)
	err = a.change(ctx, acc.User, func(tx *sqldb.Tx) error {
		now, err := find(tx, acc.User)
		if err != nil {
			return err
		}
		if now == nil || now.password != acc.password {
			return errLogin // the password was changed, or the account closed, while this one was being checked
		}
		if stronger != "" {
			if err := update(tx, acc.User, `password = $2`, stronger); err != nil {
				return err
			}
		}
		return a.open(tx, g, r.DeviceName)
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// prove finds the account that name and password belong to. It takes as long when there is none.
func (a *Accounts) prove(ctx context.Context, name, password string, from netip.Addr) (*Account, error) {
	if err := a.hash.crowded(); err != nil {
		return nil, err
	}
	var acc *Account
	user, ok := a.Named(name)
	right, err := a.guess(ctx, user, from)
	if err != nil {
		return nil, err
	}
	if ok {
		err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			acc, err = find(tx, user)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if acc == nil {
		acc = &Account{}
	}
	matches, err := a.hash.Verify(ctx, acc.password, password)
	if err != nil {
		right() // nothing was learned
		return nil, err
	}
	if !matches || !acc.Deactivated.IsZero() {
		return nil, errLogin
	}
	right()
	return acc, nil
}

// open makes the grant's device if need be and writes its tokens.
func (a *Accounts) open(tx *sqldb.Tx, g *Grant, name string) error {
	if err := a.ensure(tx, g.User, g.Device, name); err != nil {
		return err
	}
	return g.write(tx, a.now(), nil)
}

func (r *DeviceRequest) device() id.Device {
	if r.Device != "" {
		return r.Device
	}
	return id.Device(rand.Text()[:10]) // base32: letters and digits that survive being read aloud
}
