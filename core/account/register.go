package account

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// RegisterRequest makes an account, and a session unless NoLogin.
type RegisterRequest struct {
	Name     string // the local part as typed; "": the server makes one up
	Password string
	Admin    bool
	NoLogin  bool
	Own      bool   // one of the names that are reserved for the server itself
	Service  bool   // an application service's user, who has no password
	Token    string // the invitation that lets the user in; "" when none is needed
	DeviceRequest
}

var (
	errName  = fault.New(fault.InvalidUsername, "A user name may have a-z, 0-9 and . _ = - / + in it, and must not be too long")
	errTaken = fault.New(fault.UserInUse, "This user name is taken")
)

// CheckName says which user a local part would be, or why nobody can register it.
func (a *Accounts) CheckName(ctx context.Context, localpart string) (id.User, error) {
	return a.checkName(ctx, localpart, false)
}

func (a *Accounts) checkName(ctx context.Context, localpart string, own bool) (id.User, error) {
	name := a.newName
	if own {
		name = a.grammar
	}
	user, err := name(localpart)
	if err != nil {
		return "", err
	}
	taken := false
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		taken, err = a.Exists(tx, user)
		return err
	})
	if err == nil && taken {
		err = errTaken
	}
	return user, err
}

// newName checks a new name: its grammar, and that it is not the server's own.
func (a *Accounts) newName(localpart string) (id.User, error) {
	user, err := a.grammar(localpart)
	if err == nil && slices.Contains(a.Reserved, user.Localpart()) {
		return "", errTaken
	}
	return user, err
}

// grammar checks that of a new name (Appendices, "User Identifiers").
func (a *Accounts) grammar(localpart string) (id.User, error) {
	localpart = lower(localpart)
	if !id.LocalpartAllowed(localpart) {
		return "", errName
	}
	user, err := id.ParseUser(string(id.NewUser(localpart, a.ServerName)))
	if err != nil {
		return "", errName.Because(err)
	}
	return user, nil
}

// CheckPassword says why a user may not choose this password.
func (a *Accounts) CheckPassword(password string) error {
	return checkPassword(password, a.MinPassword)
}

// Register makes an account for somebody who has been let in. The caller has checked the password's strength.
func (a *Accounts) Register(ctx context.Context, r RegisterRequest) (*Grant, error) {
	if r.Name == "" {
		r.Name = strings.ToLower(rand.Text()[:12])
	}
	user, err := a.checkName(ctx, r.Name, r.Own)
	if err != nil {
		return nil, err
	}
	var password sql.NullString
	if !r.Service {
		if err := checkPassword(r.Password, 1); err != nil {
			return nil, err
		}
		if password.String, err = a.hash.Hash(ctx, r.Password); err != nil {
			return nil, err
		}
		password.Valid = true
	}
	g := &Grant{User: user}
	if !r.NoLogin {
		g = a.newGrant(user, r.device(), r.Refresh)
	}
	// Nothing is to be thrown out for an account that was not there, and so what others throw out meanwhile is noticed.
	_, generation := a.sessions.find(tokenHash{})
	err = a.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		if r.Token != "" {
			if err := a.redeem(tx, r.Token); err != nil {
				return err
			}
		}
		made, err := tx.Exec(`INSERT INTO account (user_id, password, admin, locked, suspended, erase, created)
			VALUES ($1, $2, $3, FALSE, FALSE, FALSE, $4) ON CONFLICT (user_id) DO NOTHING`, user, password, r.Admin, a.now())
		switch {
		case err != nil:
			return fmt.Errorf("make account %s: %w", user, err)
		case made == 0:
			return errTaken
		case r.NoLogin:
			return nil
		}
		return a.open(tx, g, r.DeviceName)
	})
	if err != nil {
		return nil, err
	}
	if !r.NoLogin && !r.Refresh { // her first request is about to come
		a.sessions.put(&Session{User: user, Device: g.Device, Admin: r.Admin, token: hashToken(g.Access)}, generation)
	}
	return g, nil
}

// Create makes an account without a session: for the setup page and the command line.
func (a *Accounts) Create(ctx context.Context, localpart, password string, admin bool) (id.User, error) {
	if localpart == "" {
		return "", errName
	}
	g, err := a.Register(ctx, RegisterRequest{Name: localpart, Password: password, Admin: admin, NoLogin: true})
	if err != nil {
		return "", err
	}
	return g.User, nil
}
