package account

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Browse is which accounts an administrator wants to see, and in which order. What is nil or empty takes any.
type Browse struct {
	Text        string    // part of the user id, in any case
	Or          []id.User // with Text: these too, such as those whose names have it
	Deactivated *bool
	Admin       *bool
	Locked      *bool
	Order       Order
	Desc        bool
	From, Limit int
}

// Order is what accounts are ordered by; those that are equal are in the order of their ids.
type Order string

// The orders. ByName is that of the ids.
const (
	ByName        Order = ""
	ByCreated     Order = "created"
	BySeen        Order = "seen"
	ByAdmin       Order = "admin"
	ByDeactivated Order = "deactivated"
	ByLocked      Order = "locked"
)

// orders are the columns, in the words of SQL.
var orders = map[Order]string{
	ByName: `a.user_id`, ByCreated: `a.created`, BySeen: `seen`, ByAdmin: `a.admin`,
	ByDeactivated: `(a.deactivated IS NOT NULL)`, ByLocked: `a.locked`,
}

// Listed is an account as Browse shows it.
type Listed struct {
	Account
	Seen time.Time // the last request of any device, to within a minute or two; zero: none that is known
}

const (
	sqlBrowse = ` FROM account a WHERE ($1 = '' OR a.user_id LIKE $1 ESCAPE '!' OR a.user_id IN ({list $2}))
		AND (CAST($3 AS BOOLEAN) IS NULL OR (a.deactivated IS NOT NULL) = $3)
		AND (CAST($4 AS BOOLEAN) IS NULL OR a.admin = $4)
		AND (CAST($5 AS BOOLEAN) IS NULL OR a.locked = $5)`
	sqlBrowsed = `SELECT a.user_id, a.password, a.admin, a.locked, a.suspended, a.erase, a.created, a.deactivated,
		coalesce((SELECT max(d.seen) FROM account_device d WHERE d.user_id = a.user_id), 0) AS seen`
)

// Browse lists accounts for an administrator, and says how many there are in all.
func (a *Accounts) Browse(ctx context.Context, b Browse) (list []*Listed, total int64, err error) {
	args := b.args()
	way := ""
	if b.Desc {
		way = " DESC"
	}
	column, ok := orders[b.Order]
	if !ok {
		column = orders[ByName]
	}
	q := sqlBrowsed + sqlBrowse + ` ORDER BY ` + column + way + `, a.user_id` + way + ` LIMIT $6 OFFSET $7`
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		if err := tx.Row(`SELECT count(*)`+sqlBrowse, args...).Scan(&total); err != nil {
			return err
		}
		list, err = sqldb.All(tx, scanListed, q, append(b.args(), b.Limit, b.From)...)
		return err
	})
	return list, total, err
}

// BrowseIDs lists up to most of the users that Browse would list, in the order of their ids.
func (a *Accounts) BrowseIDs(ctx context.Context, b Browse, most int) (users []id.User, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		users, err = sqldb.Column[id.User](tx, `SELECT a.user_id`+sqlBrowse+` ORDER BY a.user_id LIMIT $6`, append(b.args(), most)...)
		return err
	})
	return users, err
}

// Listed gives these accounts in this order, without those that are not there.
func (a *Accounts) Listed(ctx context.Context, users []id.User) (list []*Listed, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		list, err = sqldb.All(tx, scanListed, sqlBrowsed+` FROM account a WHERE a.user_id IN ({list $1})`, sqldb.List(users))
		return err
	})
	at := make(map[id.User]int, len(users))
	for i, u := range users {
		at[u] = i
	}
	slices.SortFunc(list, func(x, y *Listed) int { return at[x.User] - at[y.User] })
	return list, err
}

func (b *Browse) args() []any {
	text := ""
	if b.Text != "" {
		text = "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(lower(b.Text)) + "%"
	}
	return []any{text, sqldb.List(b.Or), maybe(b.Deactivated), maybe(b.Admin), maybe(b.Locked)}
}

func maybe(v *bool) any {
	if v == nil {
		return nil
	}
	return *v
}

func scanListed(row sqldb.Scanner) (*Listed, error) {
	var (
		l             Listed
		password      sql.NullString
		created, seen int64
		deactivated   sql.NullInt64
	)
	err := row.Scan(&l.User, &password, &l.Admin, &l.Locked, &l.Suspended, &l.Erase, &created, &deactivated, &seen)
	if err != nil {
		return nil, err
	}
	l.password, l.Created = password.String, time.UnixMilli(created)
	if deactivated.Valid {
		l.Deactivated = time.UnixMilli(deactivated.Int64)
	}
	if seen != 0 {
		l.Seen = time.UnixMilli(seen)
	}
	return &l, nil
}

// CountDevices is how many devices these users have together.
func (a *Accounts) CountDevices(ctx context.Context, users []id.User) (n int, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(`SELECT count(*) FROM account_device WHERE user_id IN ({list $1})`, sqldb.List(users)).Scan(&n)
	})
	return n, err
}
