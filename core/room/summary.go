package room

import (
	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Front is what a room is to those who are not in it: who may come in, and who may look.
type Front struct {
	Version       *version.Version
	Rule          string    // the join rule; RuleInvite in place of one that the room version does not know
	Allowed       []id.Room // whose members may join by themselves, where the rule says so
	WorldReadable bool
	Encryption    string // the algorithm, or ""
}

// Front reads it out of the room's current state. It is nil for a room that lives elsewhere: of that there is no state.
func (r *Rooms) Front(tx *sqldb.Tx, now Current) (*Front, error) {
	create, err := r.StateEvent(tx, now.State, keyCreate.Type, "")
	if err != nil {
		return nil, err
	}
	if create == nil {
		return nil, nil
	}
	f := &Front{Version: create.Event.Version(), Rule: authrule.RuleInvite}
	rules, err := r.StateEvent(tx, now.State, keyJoinRules.Type, "")
	if err != nil {
		return nil, err
	}
	if rules != nil {
		j := authrule.ParseJoinRules(rules.Event.Content())
		switch {
		case j.Rule == authrule.RulePublic,
			j.Rule == authrule.RuleKnock && f.Version.KnockRule:
			f.Rule = j.Rule
		case j.Rule == authrule.RuleRestricted && f.Version.RestrictedJoin,
			j.Rule == authrule.RuleKnockRestricted && f.Version.KnockRestricted:
			f.Rule, f.Allowed = j.Rule, j.Allow
		}
	}
	for _, read := range []struct {
		typ, key string
		to       func(string)
	}{
		{keyVisibility.Type, "history_visibility", func(s string) { f.WorldReadable = s == "world_readable" }},
		{"m.room.encryption", "algorithm", func(s string) { f.Encryption = s }},
	} {
		s, err := r.StateEvent(tx, now.State, read.typ, "")
		if err != nil {
			return nil, err
		}
		if s != nil {
			read.to(textIn(s.Event.Content(), read.key))
		}
	}
	return f, nil
}

// ToAnyone says whether the room shows itself to everybody: they may join it, knock on it or read it.
func (f *Front) ToAnyone() bool {
	return f.WorldReadable || f.Rule == authrule.RulePublic || f.Rule == authrule.RuleKnock || f.Rule == authrule.RuleKnockRestricted
}

const sqlMembershipsIn = `SELECT r.room_id, m.membership FROM room r JOIN membership m ON m.room = r.nid AND m.user_id = $1
	WHERE r.room_id IN ({list $2})`

// Memberships are the user's in those of the rooms that she has or had to do with.
func (r *Rooms) Memberships(tx *sqldb.Tx, user id.User, rooms ...id.Room) (map[id.Room]string, error) {
	if user == "" || len(rooms) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(sqlMembershipsIn, user, sqldb.List(rooms))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[id.Room]string, len(rooms))
	for rows.Next() {
		var room id.Room
		var membership string
		if err := rows.Scan(&room, &membership); err != nil {
			return nil, err
		}
		found[room] = membership
	}
	return found, rows.Err()
}

// Settings reads the events of a state besides its members, in no particular order.
func (r *Rooms) Settings(tx *sqldb.Tx, root pmap.Root) ([]*Stored, error) {
	return r.StateDelta(tx, pmap.Root{}, root, true)
}
