package account

import (
	"context"
	"errors"

	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Rescue is what the operator does for somebody who cannot get in any more: perhaps for the only administrator.
type Rescue struct {
	Name     string // as a person types it, see Named
	Password string // "" leaves it as it is
	Admin    bool   // make her an administrator
	SignOut  bool   // everywhere: somebody else may be in
}

// Rescue lets a user in again: unlocked, not suspended, with a new password. A deactivated account is opened again, for which
// a password is needed.
func (a *Accounts) Rescue(ctx context.Context, r Rescue) (id.User, error) {
	user, ok := a.Named(r.Name)
	if !ok {
		return "", fault.New(fault.NotFound, "That is no name of this server")
	}
	acc, err := a.Find(ctx, user)
	if err != nil {
		return "", err
	}
	switch {
	case acc.Deactivated.IsZero() && r.Password != "":
		err = a.ResetPassword(ctx, user, r.Password, r.SignOut)
	case acc.Deactivated.IsZero() && r.SignOut:
		err = a.LogoutAll(ctx, user)
	case !acc.Deactivated.IsZero() && r.Password == "":
		err = fault.New(fault.InvalidParam, "The account was deactivated: it needs a new password")
	case !acc.Deactivated.IsZero():
		err = a.Reopen(ctx, user, r.Password)
	}
	if err == nil {
		err = errors.Join(a.SetLocked(ctx, user, false), a.SetSuspended(ctx, user, false))
	}
	if err == nil && r.Admin {
		err = a.SetAdmin(ctx, user, true)
	}
	return user, err
}
