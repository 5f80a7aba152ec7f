package account

import (
	"context"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Deactivate closes an account for good: its password and devices go, its name is never given out again. erase asks that
// its messages be hidden from those who join the rooms later (Client-Server API, POST /account/deactivate).
//
// That the user has still to be taken out of her rooms is written down with it: where that fails, or the server is killed
// meanwhile, FinishDepartures does it later.
func (a *Accounts) Deactivate(ctx context.Context, user id.User, erase bool) error {
	var at sqldb.Pos
	err := a.change(ctx, user, func(tx *sqldb.Tx) error {
		var erased any
		if erase {
			at = tx.Pos()
			erased = at
		}
		err := update(tx, user, `password = NULL, admin = FALSE, deactivated = $2, erase = $3, erased = $4, departing = TRUE`,
			a.now(), erase, erased)
		if err != nil {
			return err
		}
		return a.removeAllBut(tx, user, "")
	})
	if err != nil {
		return err
	}
	if erase {
		a.erased.add(user, at)
	}
	if err := a.depart(context.WithoutCancel(ctx), user); err != nil {
		a.Log.ErrorContext(ctx, "a deactivated user is still in rooms", "cause", err) // the account is closed all the same
	}
	return nil
}

// FinishDepartures takes up deactivations that were cut short. It is meant to be called at the start and every few minutes;
// what fails is tried again the next time.
func (a *Accounts) FinishDepartures(ctx context.Context) error {
	var errs []error
	for user := id.User(""); ctx.Err() == nil; {
		var some []id.User
		err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			some, err = sqldb.Column[id.User](tx, `SELECT user_id FROM account WHERE departing AND user_id > $1 ORDER BY user_id LIMIT 100`, user)
			return err
		})
		if err != nil {
			return fmt.Errorf("read who is departing: %w", err)
		}
		if len(some) == 0 {
			break
		}
		for _, user = range some {
			errs = append(errs, a.depart(ctx, user))
		}
	}
	return errors.Join(errs...)
}

func (a *Accounts) depart(ctx context.Context, user id.User) error {
	if a.Depart != nil {
		if err := a.Depart(ctx, user); err != nil {
			return fmt.Errorf("take a deactivated user out of the server: %w", err)
		}
	}
	return a.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE account SET departing = FALSE WHERE user_id = $1`, user)
		return err
	})
}
