// Package person keeps what belongs to one user and is not a conversation: the profile, account data with its room tags,
// sync filters and push rules. It also answers the user directory.
//
// Account data, tags and push rules are one stream to the user's other devices: each change takes a stream position in
// the transaction that makes it and wakes the user's syncs, and AccountData reads them back by position.
package person

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"freehold.example/base/bus"
	"freehold.example/base/lane"
	"freehold.example/base/news"
	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Rooms is what this package asks of the room engine.
type Rooms interface {
	// SetMemberProfile puts the name and picture into the user's member event of every joined room.
	SetMemberProfile(ctx context.Context, user id.User, displayname, avatarURL string) error
	// SharedUsers lists whoever is joined to a room that user is joined to.
	SharedUsers(tx *sqldb.Tx, user id.User) ([]id.User, error)
	// PublicUsers lists whoever is joined to a room that anybody may join or read.
	PublicUsers(tx *sqldb.Tx) ([]id.User, error)
}

// Config is what this package works with. All fields are needed.
type Config struct {
	DB     *sqldb.DB
	Bus    *bus.Local
	Rooms  Rooms
	Exists func(tx *sqldb.Tx, user id.User) (bool, error) // whether a local account has this id
	Server id.Server
	Peers  *peer.Peers // asked for the profiles of other servers' users; nil: nobody is asked
	Log    *slog.Logger

	// limit: whose account data was written of late, in memory | 20,000 of at most 600 bytes, several times | the older half goes; the rest is asked of the disk
	Recall int // users of whom it is known whether anything of theirs was written of late, and whom they ignore; 20,000 when 0
}

// People is what belongs to the users of one server. Its methods may be called from any goroutine.
type People struct {
	Config
	changing lane.Lanes[id.User] // one profile change of a user at a time, member events included
	filters  filterCache
	rules    ruleCache
	written  *news.Latest[id.User] // whose account data or push rules
	ignored  *news.Values[id.User, map[id.User]bool]
}

// New makes a People.
func New(c Config) *People {
	c.Recall = cmp.Or(c.Recall, 20_000)
	written := news.NewLatest[id.User](c.DB.Committed(), c.Recall)
	p := &People{Config: c, written: written, ignored: news.NewValues[id.User, map[id.User]bool](written, c.Recall)}
	p.changing.MaxWaiters = 16
	return p
}

// wake lets the user's syncs look for news.
func (p *People) wake(user id.User) { p.Bus.Wake("u:" + string(user)) }

// Forget removes everything kept of a user, for an account that has been deactivated. It does not touch member events:
// the account leaves its rooms.
func (p *People) Forget(ctx context.Context, user id.User) error {
	var pos sqldb.Pos
	err := p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		pos = tx.Pos()
		p.written.Note(user, pos)
		for _, q := range []string{
			`DELETE FROM profile WHERE user_id = $1`,
			`DELETE FROM account_data WHERE user_id = $1`,
			`DELETE FROM filter WHERE user_id = $1`,
			`DELETE FROM push_rules WHERE user_id = $1`,
		} {
			if _, err := tx.Exec(q, string(user)); err != nil {
				return fmt.Errorf("forget a user: %w", err)
			}
		}
		return nil
	})
	if err == nil {
		p.rules.changed(user, pos)
	}
	return err
}

// object checks that content is a JSON object.
func object(content json.RawMessage) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(content, &members); err != nil || members == nil {
		return fault.New(fault.BadJSON, "Content must be a JSON object").Because(err)
	}
	return nil
}
