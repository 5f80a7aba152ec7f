// Package account holds who may use this server: users, their passwords, devices, sessions and the tokens that open them,
// registration and its invitations, and user-interactive authentication.
//
// It does not know what a device holds elsewhere (keys, undelivered messages): the packages that own such rows are called
// in the transaction that removes the device (Config.DropDevice). A session that has been ended never authenticates again
// once the call that ended it has returned: the write is made first, then the cached sessions are thrown out.
package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Registration says who may make an account.
type Registration string

// The kinds of registration.
const (
	Open   Registration = "open"   // everybody
	Token  Registration = "token"  // who has an invitation
	Closed Registration = "closed" // nobody but administrators may add accounts
)

// DeviceHook is called inside the transaction that changes a device. It may run twice.
type DeviceHook func(tx *sqldb.Tx, user id.User, device id.Device) error

// Config is what accounts are kept with. DB and ServerName must be given.
type Config struct {
	DB         *sqldb.DB
	Now        func() time.Time
	Log        *slog.Logger
	ServerName id.Server

	Registration Registration // Token unless told otherwise
	Reserved     []string     // local parts that nobody may register: the server's own
	SharedSecret string       // of /_synapse/admin/v1/register; empty: off

	FastHashing bool // weak and quick passwords, for tests only
	// limit: passwords hashed at once | half of the processors, 19 MiB each, and 64 who wait | 429 with Retry-After
	Hashers   int // password hashes computed at once; half of the processors unless told otherwise
	HashQueue int // callers that may wait for one; 64 unless told otherwise

	AccessLifetime time.Duration // of access tokens that come with a refresh token; 1 h unless told otherwise
	// limit: sessions in memory | 32,768 of at most 1 KiB | any others are read again
	CachedSessions int // 32,768 unless told otherwise
	MinPassword    int // characters that users must give at least; 6 unless told otherwise

	Limits *limit.Limits // of guesses; nil: none

	DropDevice    []DeviceHook // called for each device that is removed
	NewPassword   []DeviceHook // called when a password is changed, with the device that did it, or ""
	DeviceChanged []DeviceHook // called for each device that is made, renamed or removed: others must hear of it
	Wake          func(topics ...string)
	// Depart takes a user whose account has been closed out of the rest of the server: out of her rooms, with what is kept
	// of her. It is called after the deactivation has been committed, and again until it has succeeded once, over restarts
	// too. nil: nothing is done.
	Depart func(ctx context.Context, user id.User) error
}

// Check names the field that is wrong.
func (c *Config) Check() error {
	switch c.Registration {
	case "", Open, Token, Closed:
	default:
		return fmt.Errorf("registration: %q is not open, token or closed", c.Registration)
	}
	if c.Hashers < 0 || c.HashQueue < 0 || c.CachedSessions < 0 || c.MinPassword < 0 || c.AccessLifetime < 0 {
		return errors.New("account: no setting may be negative")
	}
	return nil
}

// Accounts are the accounts of one server.
type Accounts struct {
	Config

	hash     *hasher
	sessions *sessionCache
	confirm  *confirmations
	seen     *seenLog
	erased   erasures
	nonces   *nonces
}

// New opens the accounts kept in c.DB.
func New(c Config) (*Accounts, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Wake == nil {
		c.Wake = func(...string) {}
	}
	if c.Registration == "" {
		c.Registration = Token
	}
	orElse(&c.Hashers, max(1, runtime.GOMAXPROCS(0)/2))
	orElse(&c.HashQueue, 64)
	orElse(&c.AccessLifetime, time.Hour)
	orElse(&c.CachedSessions, 32768)
	orElse(&c.MinPassword, 6)
	h, err := newHasher(c.FastHashing, c.Hashers, c.HashQueue)
	if err != nil {
		return nil, err
	}
	return &Accounts{
		Config:   c,
		hash:     h,
		sessions: newSessionCache(c.CachedSessions),
		confirm:  newConfirmations(c.Now),
		seen:     newSeenLog(),
		nonces:   newNonces(c.Now),
	}, nil
}

func orElse[T int | time.Duration](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}

// Account is one user's account.
type Account struct {
	User        id.User
	Admin       bool
	Locked      bool
	Suspended   bool
	Erase       bool
	Created     time.Time
	Deactivated time.Time // zero while the account is in use

	password string // "" when there is none
}

const sqlAccount = `SELECT user_id, password, admin, locked, suspended, erase, created, deactivated FROM account`

func scanAccount(row sqldb.Scanner) (*Account, error) {
	var (
		a           Account
		password    sql.NullString
		created     int64
		deactivated sql.NullInt64
	)
	if err := row.Scan(&a.User, &password, &a.Admin, &a.Locked, &a.Suspended, &a.Erase, &created, &deactivated); err != nil {
		return nil, err
	}
	a.password, a.Created = password.String, time.UnixMilli(created)
	if deactivated.Valid {
		a.Deactivated = time.UnixMilli(deactivated.Int64)
	}
	return &a, nil
}

// find is nil when there is no such account.
func find(tx *sqldb.Tx, user id.User) (*Account, error) {
	acc, err := scanAccount(tx.Row(sqlAccount+` WHERE user_id = $1`, user))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read account %s: %w", user, err)
	}
	return acc, nil
}

// Find gives the account of a user, or fault.NotFound.
func (a *Accounts) Find(ctx context.Context, user id.User) (*Account, error) {
	var acc *Account
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		acc, err = find(tx, user)
		return err
	})
	if err == nil && acc == nil {
		err = fault.New(fault.NotFound, "There is no such user")
	}
	return acc, err
}

// Exists says whether the user has, or had, an account here: a deactivated name is never given out again.
func (a *Accounts) Exists(tx *sqldb.Tx, user id.User) (bool, error) {
	acc, err := find(tx, user)
	return acc != nil, err
}

// IsAdmin says whether the user administers this server.
func (a *Accounts) IsAdmin(ctx context.Context, user id.User) (bool, error) {
	acc, err := a.Find(ctx, user)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return acc.Admin && acc.Deactivated.IsZero(), nil
}

// Count is how many accounts there are, deactivated ones included.
func (a *Accounts) Count(ctx context.Context) (n int64, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(`SELECT count(*) FROM account`).Scan(&n)
	})
	return n, err
}

// List gives up to limit accounts in the order of their ids, from the one after the given id on.
func (a *Accounts) List(ctx context.Context, after id.User, limit int) ([]*Account, error) {
	var list []*Account
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		list, err = sqldb.All(tx, scanAccount, sqlAccount+` WHERE user_id > $1 ORDER BY user_id LIMIT $2`, after, limit)
		return err
	})
	return list, err
}

// LocalDevices lists the devices of a user of this server.
func (a *Accounts) LocalDevices(tx *sqldb.Tx, user id.User) ([]id.Device, error) {
	return sqldb.Column[id.Device](tx, `SELECT device_id FROM account_device WHERE user_id = $1 ORDER BY device_id`, user)
}

// Named turns what a person typed as the name of an account here, a whole user id or a local part in any case, into a user
// id. ok is false when it names nobody of this server.
func (a *Accounts) Named(name string) (user id.User, ok bool) {
	local := name
	if rest, whole := strings.CutPrefix(name, "@"); whole {
		part, server, _ := strings.Cut(rest, ":")
		if id.Server(server) != a.ServerName {
			return "", false
		}
		local = part
	}
	user, err := id.ParseUser(string(id.NewUser(lower(local), a.ServerName)))
	return user, err == nil
}

// lower lowers A-Z and nothing else: other letters have lower cases that are allowed in names, such as the Kelvin sign's k.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

func (a *Accounts) now() int64 { return a.Now().UnixMilli() }

func topic(user id.User) string { return "u:" + string(user) }
