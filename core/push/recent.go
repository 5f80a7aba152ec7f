package push

import (
	"context"

	"freehold.example/base/sqldb"
	"freehold.example/core/notify"
	"freehold.example/matrix/id"
)

// Recent runs render with the newest events up to a position that notified the user, pusher or no pusher; next is where the
// rest begins, 0 when there is none.
func (p *Push) Recent(ctx context.Context, user id.User, upto sqldb.Pos, limit int, highlights bool,
	render func(tx *sqldb.Tx, all []notify.Notification, next sqldb.Pos) error,
) error {
	return p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		high, err := tx.High()
		if err != nil {
			return err
		}
		all, next, err := p.Notify.Recent(tx, user, min(upto, high), limit, highlights)
		if err != nil {
			return err
		}
		return render(tx, all, next)
	})
}
