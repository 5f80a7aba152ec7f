package account

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
)

// maxInvitation is the longest a registration token may be (Client-Server API, "Token-authenticated registration").
const maxInvitation = 64

// Invitation is a token that lets people register.
type Invitation struct {
	Token     string    // letters, digits and . _ ~ -; "": made up by Invite
	Allowed   int64     // how many accounts may be made with it; 0: any number; Nobody: none
	Completed int64     // how many were
	Expires   time.Time // zero: never
}

var errInvitation = fault.New(fault.Forbidden, "This registration token is not valid, or has been used up")

// Invite makes an invitation and gives its token.
func (a *Accounts) Invite(ctx context.Context, inv Invitation) (string, error) {
	if inv.Token == "" {
		inv.Token = rand.Text()
	}
	if !invitationAllowed(inv.Token) {
		return "", fault.New(fault.InvalidParam, "A registration token has 1 to 64 letters, digits and . _ ~ -")
	}
	allowed, expires, err := inv.columns()
	if err != nil {
		return "", err
	}
	err = a.DB.Write(ctx, func(tx *sqldb.Tx) error {
		n, err := tx.Exec(`INSERT INTO registration_token (token, allowed, completed, expires, created)
			VALUES ($1, $2, 0, $3, $4) ON CONFLICT (token) DO NOTHING`, inv.Token, allowed, expires, a.now())
		if err == nil && n == 0 {
			err = fault.New(fault.InvalidParam, "There is such a registration token already")
		}
		return err
	})
	return inv.Token, err
}

// Invited says whether a registration token could be used now. from is who asks: wrong tokens are counted as guesses.
func (a *Accounts) Invited(ctx context.Context, token string, from netip.Addr) (bool, error) {
	addr := limit.Addr(from)
	if err := a.Limits.Spend(limit.Guess, addr, 1); err != nil {
		return false, err
	}
	valid, err := a.invited(ctx, token)
	if valid || err != nil {
		a.Limits.GiveBack(limit.Guess, addr)
	}
	return valid, err
}

func (a *Accounts) invited(ctx context.Context, token string) (bool, error) {
	if !invitationAllowed(token) {
		return false, nil
	}
	valid := false
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		err := tx.Row(`SELECT (allowed IS NULL OR completed < allowed) AND (expires IS NULL OR expires > $2)
			FROM registration_token WHERE token = $1`, token, a.now()).Scan(&valid)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read registration token: %w", err)
	}
	return valid, nil
}

// redeem uses an invitation once, in the transaction that makes the account: however many try at the same time, it is
// never used more often than allowed.
func (a *Accounts) redeem(tx *sqldb.Tx, token string) error {
	n, err := tx.Exec(`UPDATE registration_token SET completed = completed + 1 WHERE token = $1
		AND (allowed IS NULL OR completed < allowed) AND (expires IS NULL OR expires > $2)`, token, a.now())
	if err != nil {
		return fmt.Errorf("redeem registration token: %w", err)
	}
	if n == 0 {
		return errInvitation
	}
	return nil
}

func invitationAllowed(token string) bool {
	if token == "" || len(token) > maxInvitation {
		return false
	}
	for i := range len(token) {
		c := token[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '~', c == '-':
		default:
			return false
		}
	}
	return true
}
