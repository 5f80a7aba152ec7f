package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Session is what a request is made by: a user on a device. It is shared between requests; nobody changes it.
type Session struct {
	User      id.User
	Device    id.Device
	Admin     bool
	Locked    bool // may log out and nothing else
	Suspended bool

	assumed bool // by an application service: there is no token
	token   tokenHash
	expires int64        // 0: never
	seen    atomic.Int64 // when Seen last noted it
}

// tokenHash is the SHA-256 of a token: all that is kept of it. Tokens have 256 random bits, so no salt is needed.
type tokenHash [sha256.Size]byte

func hashToken(token string) tokenHash { return sha256.Sum256([]byte(token)) }

// The prefixes let people and programs that search for leaked secrets recognise ours.
const (
	accessPrefix  = "fha_"
	refreshPrefix = "fhr_"
)

func newToken(prefix string) string {
	var b [32]byte
	rand.Read(b[:])
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// Grant is a session as its owner gets it, once.
type Grant struct {
	User      id.User
	Device    id.Device
	Access    string
	Refresh   string        // "" when none was asked for
	ExpiresIn time.Duration // of Access; 0: it does not expire
}

// newGrant makes the tokens of a session; Grant.write stores them.
func (a *Accounts) newGrant(user id.User, device id.Device, refresh bool) *Grant {
	g := &Grant{User: user, Device: device, Access: newToken(accessPrefix)}
	if refresh {
		g.Refresh, g.ExpiresIn = newToken(refreshPrefix), a.AccessLifetime
	}
	return g
}

// write stores the hashes of the grant's tokens, as the successors of the refresh token replaces (nil: of none).
func (g *Grant) write(tx *sqldb.Tx, now int64, replaces []byte) error {
	var expires any
	if g.ExpiresIn > 0 {
		expires = now + g.ExpiresIn.Milliseconds()
	}
	hash := hashToken(g.Access)
	err := tx.Put(`INSERT INTO access_token (hash, user_id, device_id, replaces, expires) VALUES ($1, $2, $3, $4, $5)`,
		hash[:], g.User, g.Device, replaces, expires)
	if err != nil || g.Refresh == "" {
		return err
	}
	hash = hashToken(g.Refresh)
	return tx.Put(`INSERT INTO refresh_token (hash, user_id, device_id, replaces) VALUES ($1, $2, $3, $4)`,
		hash[:], g.User, g.Device, replaces)
}

// errUnknownToken is said of tokens that were never valid and of those that have been logged out: nothing is remembered of
// the latter.
var errUnknownToken = fault.New(fault.UnknownToken, "This access token is not valid")

const sqlSession = `SELECT t.user_id, t.device_id, t.expires, t.replaces, a.admin, a.locked, a.suspended
	FROM access_token t JOIN account a ON a.user_id = t.user_id WHERE t.hash = $1 AND a.deactivated IS NULL`

// Authenticate finds the session that an access token opens. The first use of a token that came from a refresh retires the
// tokens before it.
func (a *Accounts) Authenticate(ctx context.Context, token string) (*Session, error) {
	return a.authenticate(ctx, hashToken(token))
}

// Still says whether the session could be opened now: a request that has waited may find that it was ended meanwhile.
func (a *Accounts) Still(ctx context.Context, s *Session) error {
	if s.assumed {
		_, err := a.Assume(ctx, s.User, s.Device)
		return err
	}
	now, err := a.authenticate(ctx, s.token)
	if err == nil && now.Locked {
		err = errLocked
	}
	return err
}

func (a *Accounts) authenticate(ctx context.Context, hash tokenHash) (*Session, error) {
	s, generation := a.sessions.find(hash)
	if s == nil {
		var err error
		if s, err = a.load(ctx, hash); err != nil {
			return nil, err
		}
		a.sessions.put(s, generation)
	}
	if s.expires != 0 && s.expires <= a.now() {
		return nil, fault.New(fault.UnknownToken, "This access token has expired").With("soft_logout", true)
	}
	return s, nil
}

func (a *Accounts) load(ctx context.Context, hash tokenHash) (*Session, error) {
	s := &Session{token: hash}
	var expires sql.NullInt64
	var replaces []byte
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(sqlSession, hash[:]).Scan(&s.User, &s.Device, &expires, &replaces, &s.Admin, &s.Locked, &s.Suspended)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errUnknownToken
	}
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	s.expires = expires.Int64
	if replaces != nil && (s.expires == 0 || s.expires > a.now()) {
		if err := a.settle(ctx, s, replaces); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// endSessions removes every token of the device, with the login tokens that were made on it, and those of all the user's
// devices when device is "".
func endSessions(tx *sqldb.Tx, user id.User, device id.Device) error {
	for _, q := range []string{
		`DELETE FROM access_token WHERE user_id = $1 AND ($2 = '' OR device_id = $2)`,
		`DELETE FROM refresh_token WHERE user_id = $1 AND ($2 = '' OR device_id = $2)`,
		`DELETE FROM login_token WHERE user_id = $1 AND ($2 = '' OR device_id = $2)`,
		`DELETE FROM openid_token WHERE user_id = $1 AND ($2 = '' OR device_id = $2)`,
	} {
		if err := tx.Put(q, user, device); err != nil {
			return fmt.Errorf("end sessions of %s: %w", user, err)
		}
	}
	return nil
}

// change runs a write that may end sessions or alter what they say. It is finished even if the caller goes away, since the
// write may be made all the same, and then the cache must hear of it.
func (a *Accounts) change(ctx context.Context, user id.User, fn func(tx *sqldb.Tx) error) error {
	err := a.DB.Write(context.WithoutCancel(ctx), fn)
	a.sessions.drop(user)
	if err == nil {
		a.Wake(topic(user))
	}
	return err
}
