package person

import (
	"context"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/inviterule"
)

// Invited says what becomes of an invitation of the user by inviter, as the user wishes it now.
func (p *People) Invited(tx *sqldb.Tx, user, inviter id.User) (inviterule.Verdict, error) {
	stable, err := readDatum(tx, user, "", inviterule.Type)
	if err != nil {
		return 0, err
	}
	fine, err := readDatum(tx, user, "", inviterule.TypeUnstable)
	if err != nil {
		return 0, err
	}
	return inviterule.Parse(stable, fine).Of(inviter), nil
}

// MayInvite is M_INVITE_BLOCKED where the user does not want to be invited by inviter.
func (p *People) MayInvite(ctx context.Context, inviter, user id.User) error {
	var verdict inviterule.Verdict
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		verdict, err = p.Invited(tx, user, inviter)
		return err
	})
	if err == nil && verdict == inviterule.Block {
		return fault.Newf(fault.InviteBlocked, "%s does not want to be invited", user)
	}
	if err != nil {
		return fmt.Errorf("read whom a user may be invited by: %w", err)
	}
	return nil
}
