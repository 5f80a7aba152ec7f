package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

const (
	// OpenIDFor is how long a service can ask with a token whose it is.
	OpenIDFor = time.Hour

	openIDPrefix = "fho_"
	// limit: OpenID tokens of one user | %d, an hour each | the one that ends first goes
	maxOpenID = 100
)

// OpenIDToken makes a token by which another service can ask who its user is, and nothing else (Client-Server API,
// "OpenID"). It ends with the session that made it.
func (a *Accounts) OpenIDToken(ctx context.Context, s *Session) (string, error) {
	token := newToken(openIDPrefix)
	hash := hashToken(token)
	now := a.now()
	return token, a.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := makeRoom(tx, "openid_token", s.User, now, maxOpenID); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO openid_token (hash, user_id, device_id, expires) VALUES ($1, $2, $3, $4)`,
			hash[:], s.User, s.Device, now+OpenIDFor.Milliseconds())
		return err
	})
}

// OpenIDUser says whose OpenID token it is. Errors: M_UNKNOWN_TOKEN, also while the account is locked.
func (a *Accounts) OpenIDUser(ctx context.Context, token string) (id.User, error) {
	hash := hashToken(token)
	var user id.User
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(`SELECT t.user_id FROM openid_token t JOIN account a ON a.user_id = t.user_id
			WHERE t.hash = $1 AND t.expires > $2 AND a.locked = FALSE AND a.deactivated IS NULL`, hash[:], a.now()).Scan(&user)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return "", errUnknownToken
	}
	if err != nil {
		return "", fmt.Errorf("read OpenID token: %w", err)
	}
	return user, nil
}
