package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
)

// Nobody is Invitation.Allowed of a token that lets nobody in.
const Nobody = -1

// maxInvitations is how many Invitations lists.
const maxInvitations = 10_000

var errNoInvitation = fault.New(fault.NotFound, "There is no such registration token")

const sqlInvitation = `SELECT token, allowed, completed, expires FROM registration_token`

func scanInvitation(row sqldb.Scanner) (*Invitation, error) {
	var inv Invitation
	var allowed, expires sql.NullInt64
	if err := row.Scan(&inv.Token, &allowed, &inv.Completed, &expires); err != nil {
		return nil, err
	}
	switch {
	case allowed.Valid && allowed.Int64 == 0:
		inv.Allowed = Nobody
	case allowed.Valid:
		inv.Allowed = allowed.Int64
	}
	if expires.Valid {
		inv.Expires = time.UnixMilli(expires.Int64)
	}
	return &inv, nil
}

// columns are what the table has of an invitation's bounds.
func (inv *Invitation) columns() (allowed, expires any, err error) {
	switch {
	case inv.Allowed > 0:
		allowed = inv.Allowed
	case inv.Allowed == Nobody:
		allowed = 0
	case inv.Allowed < 0:
		return nil, nil, fault.New(fault.InvalidParam, "A registration token cannot be used less than no times")
	}
	if !inv.Expires.IsZero() {
		expires = inv.Expires.UnixMilli()
	}
	return allowed, expires, nil
}

// Usable says whether somebody could register with it at that time.
func (inv *Invitation) Usable(now time.Time) bool {
	return (inv.Allowed == 0 || inv.Completed < inv.Allowed) && (inv.Expires.IsZero() || inv.Expires.After(now))
}

// Invitations lists the registration tokens, those that can be used no more included.
func (a *Accounts) Invitations(ctx context.Context) ([]*Invitation, error) {
	var list []*Invitation
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		list, err = sqldb.All(tx, scanInvitation, sqlInvitation+` ORDER BY created DESC, token LIMIT $1`, maxInvitations)
		return err
	})
	return list, err
}

// Invitation finds a registration token.
func (a *Accounts) Invitation(ctx context.Context, token string) (*Invitation, error) {
	var inv *Invitation
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		inv, err = invitation(tx, token)
		return err
	})
	return inv, err
}

func invitation(tx *sqldb.Tx, token string) (*Invitation, error) {
	if !invitationAllowed(token) {
		return nil, errNoInvitation
	}
	inv, err := scanInvitation(tx.Row(sqlInvitation+` WHERE token = $1`, token))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoInvitation
	}
	return inv, err
}

// ChangeInvitation gives a registration token other bounds: change alters Allowed and Expires. It gives what it is then.
func (a *Accounts) ChangeInvitation(ctx context.Context, token string, change func(*Invitation)) (*Invitation, error) {
	var now *Invitation
	err := a.DB.Write(ctx, func(tx *sqldb.Tx) error {
		inv, err := invitation(tx, token)
		if err != nil {
			return err
		}
		change(inv)
		allowed, expires, err := inv.columns()
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE registration_token SET allowed = $2, expires = $3 WHERE token = $1`, token, allowed, expires); err != nil {
			return fmt.Errorf("change a registration token: %w", err)
		}
		now = inv
		return nil
	})
	return now, err
}

// Uninvite removes a registration token.
func (a *Accounts) Uninvite(ctx context.Context, token string) error {
	return a.DB.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`DELETE FROM registration_token WHERE token = $1`, token)
		if err == nil && n == 0 {
			err = errNoInvitation
		}
		return err
	})
}
