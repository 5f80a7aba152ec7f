package person

import (
	"context"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Named lists up to most of the users whose display names have the text in them, in any case: for administrators.
func (p *People) Named(ctx context.Context, text string, most int) (users []id.User, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		named, err := namesLike(tx, strings.ToLower(text))
		if err != nil {
			return err
		}
		users = users[:0]
		for u := range named {
			users = append(users, u)
		}
		return nil
	})
	slices.Sort(users)
	return users[:min(len(users), most)], err
}

// Faces reads the names and pictures of users, in their order.
func (p *People) Faces(ctx context.Context, users []id.User) (faces []Found, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		faces, err = p.faces(tx, users)
		return err
	})
	return faces, err
}

// AllData reads all account data of a user: for administrators. It is what her clients keep on the server in the clear.
func (p *People) AllData(ctx context.Context, user id.User) (all []Datum, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		high, err := tx.High()
		if err != nil {
			return err
		}
		all, err = p.AccountData(tx, user, 0, high)
		return err
	})
	return all, err
}

// ForgetRoom removes the account data of these users in a room that is removed, inside the write that removes it.
func (p *People) ForgetRoom(tx *sqldb.Tx, room id.Room, users []id.User) error {
	for _, user := range users {
		p.written.Note(user, tx.Pos()) // what is in memory of hers is out of date
	}
	_, err := tx.Exec(`DELETE FROM account_data WHERE user_id IN ({list $1}) AND room_id = $2`, sqldb.List(users), room)
	return err
}

// Avatars lists the pictures of all profiles.
func (p *People) Avatars(ctx context.Context) (all []string, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		values, err := sqldb.Column[[]byte](tx, `SELECT value FROM profile WHERE field = 'avatar_url'`)
		all = all[:0]
		for _, v := range values {
			all = append(all, text(v))
		}
		return err
	})
	return all, err
}
