// Package person keeps what belongs to one user and is not a conversation: the profile, account data with its room tags,
// sync filters and push rules. It also answers the user directory.
//
// Account data, tags and push rules are one stream to the user's other devices: each change takes a stream position in
// the transaction that makes it and wakes the user's syncs, and AccountData reads them back by position.
package person

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"freehold.example/base/bus"
	"freehold.example/base/lane"
	"freehold.example/base/sqldb"
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
	Log    *slog.Logger
}

// People is what belongs to the users of one server. Its methods may be called from any goroutine.
type People struct {
	Config
	changing lane.Lanes[id.User] // one profile change of a user at a time, member events included
	filters  filterCache
	rules    ruleCache
}

// New makes a People.
func New(c Config) *People {
	p := &People{Config: c}
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
