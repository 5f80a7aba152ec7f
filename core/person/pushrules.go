package person

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

const (
	sqlRules     = `SELECT differences, pos FROM push_rules WHERE user_id = $1`
	sqlManyRules = `SELECT user_id, differences, pos FROM push_rules WHERE user_id IN ({list $1})`
	sqlSetRules  = `INSERT INTO push_rules (user_id, differences, pos) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE SET differences = excluded.differences, pos = excluded.pos`
)

// PushRules reads the user's push rules as they are now. They are shared and must not be changed.
func (p *People) PushRules(ctx context.Context, user id.User) (*pushrule.Ruleset, error) {
	var rules *pushrule.Ruleset
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var err error
		rules, _, err = readRules(tx, user)
		return err
	})
	return rules, err
}

// pushRulesContent is the content of m.push_rules, and the position of the last change, 0 when there was none.
func pushRulesContent(tx *sqldb.Tx, user id.User) (json.RawMessage, sqldb.Pos, error) {
	rules, pos, err := readRules(tx, user)
	if err != nil {
		return nil, 0, err
	}
	return rules.JSON(user), pos, nil
}

// noRules is the ruleset of everybody who has changed nothing.
var noRules = new(pushrule.Ruleset)

func readRules(tx *sqldb.Tx, user id.User) (*pushrule.Ruleset, sqldb.Pos, error) {
	var stored []byte
	var pos int64
	err := tx.Row(sqlRules, string(user)).Scan(&stored, &pos)
	if errors.Is(err, sql.ErrNoRows) {
		return noRules, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read push rules: %w", err)
	}
	return parseRules(stored, pos)
}

func parseRules(stored []byte, pos int64) (*pushrule.Ruleset, sqldb.Pos, error) {
	rules, err := pushrule.Parse(stored)
	if err != nil {
		return nil, 0, fmt.Errorf("bug: push rules that were kept do not parse: %w", err)
	}
	return rules, sqldb.Pos(pos), nil
}

// ChangePushRules puts the result of change in place of the user's push rules and lets their syncs know. change may be
// called more than once.
func (p *People) ChangePushRules(ctx context.Context, user id.User, change func(*pushrule.Ruleset) (*pushrule.Ruleset, error)) error {
	var pos sqldb.Pos
	err := p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		rules, _, err := readRules(tx, user)
		if err != nil {
			return err
		}
		if rules, err = change(rules); err != nil {
			return err
		}
		stored := rules.Stored()
		if stored == nil {
			stored = []byte(`{}`) // the row stays: that all was undone is news too
		}
		pos = tx.Pos()
		p.written.Note(user, pos)
		_, err = tx.Exec(sqlSetRules, string(user), stored, int64(pos))
		return err
	})
	if err != nil {
		return err
	}
	p.rules.changed(user, pos)
	p.wake(user)
	return nil
}

// CopyRoomRules gives the room to the push rule that the room from has for this user, as after a room upgrade.
func (p *People) CopyRoomRules(ctx context.Context, user id.User, from, to id.Room) error {
	rules, err := p.PushRules(ctx, user)
	if err != nil {
		return err
	}
	if _, any := rules.CopyRoom(from, to); !any {
		return nil
	}
	return p.ChangePushRules(ctx, user, func(rules *pushrule.Ruleset) (*pushrule.Ruleset, error) {
		rules, _ = rules.CopyRoom(from, to)
		return rules, nil
	})
}

// Rules is the user's push rules for evaluation: RulesOf for one.
func (p *People) Rules(tx *sqldb.Tx, user id.User) (*pushrule.Ruleset, error) {
	all, err := p.RulesOf(tx, []id.User{user})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// RulesOf is the push rules of users, in their order. The rulesets are shared and must not be changed; everybody who has
// changed nothing has the same. They are remembered, so that an event in a large room costs no query, or one.
func (p *People) RulesOf(tx *sqldb.Tx, users []id.User) ([]*pushrule.Ruleset, error) {
	all := make([]*pushrule.Ruleset, len(users))
	var missing []id.User
	at := map[id.User]int{}
	p.rules.find(users, func(i int, r *pushrule.Ruleset) {
		if all[i] = r; r == nil {
			missing = append(missing, users[i])
			at[users[i]] = i
			all[i] = noRules
		}
	})
	if len(missing) == 0 {
		return all, nil
	}
	rows, err := tx.Query(sqlManyRules, sqldb.List(missing))
	if err != nil {
		return nil, fmt.Errorf("read push rules: %w", err)
	}
	defer rows.Close()
	var fresh []id.User // read from a row that a commit may still take back: not to be remembered
	for rows.Next() {
		var user string
		var stored []byte
		var pos int64
		if err := rows.Scan(&user, &stored, &pos); err != nil {
			return nil, fmt.Errorf("read push rules: %w", err)
		}
		rules, changed, err := parseRules(stored, pos)
		if err != nil {
			return nil, err
		}
		all[at[id.User(user)]] = rules
		if changed > p.DB.Committed() {
			fresh = append(fresh, id.User(user))
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, u := range fresh {
		delete(at, u)
	}
	for u, i := range at {
		p.rules.keep(u, all[i], tx.Pos())
	}
	return all, nil
}
