package account

import (
	"context"
	"fmt"
	"net/netip"

	"freehold.example/base/limit"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// guess counts an attempt at a password before it is looked at. right takes the count back: who knows her password is never
// held up by having used it.
//
// Strangers must not be able to lock anybody out, and guessing must be slow from one address and from many:
//   - wrong passwords for one account from one address: a few, then two a minute (limit.Password). It is the only count at
//     an address from which the account has been used, whatever goes on elsewhere;
//   - from other addresses, wrong passwords for this account from all of them together (limit.Account): who is attacked by
//     a thousand machines can still sign in at home, and anywhere else with a login token from a device she has;
//   - from other addresses, wrong passwords of the address for all accounts together (limit.Guess).
//
// An account that does not exist is counted like any other, so that the answer does not tell.
func (a *Accounts) guess(ctx context.Context, user id.User, from netip.Addr) (right func(), err error) {
	addr := limit.Addr(from)
	counts := []struct {
		name limit.Name
		key  string
	}{{limit.Password, addr + " " + string(user)}}
	known, err := a.usedFrom(ctx, user, addr)
	if err != nil {
		return nil, err
	}
	if !known {
		counts = append(counts, counts[0], counts[0])
		counts[1].name, counts[1].key = limit.Account, string(user)
		counts[2].name, counts[2].key = limit.Guess, addr
	}
	back := func(n int) {
		for _, c := range counts[:n] {
			a.Limits.GiveBack(c.name, c.key)
		}
	}
	for i, c := range counts {
		if err := a.Limits.Spend(c.name, c.key, 1); err != nil {
			back(i)
			return nil, err
		}
	}
	return func() { back(len(counts)) }, nil
}

// usedFrom says whether one of the user's devices was last seen at this address, to within a minute or two.
func (a *Accounts) usedFrom(ctx context.Context, user id.User, addr string) (bool, error) {
	var seen []string
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		seen, err = sqldb.Column[string](tx, `SELECT DISTINCT seen_ip FROM account_device WHERE user_id = $1`, user)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read where %s has been: %w", user, err)
	}
	for _, s := range seen {
		if ip, err := netip.ParseAddr(s); err == nil && limit.Addr(ip) == addr {
			return true, nil
		}
	}
	return false, nil
}
