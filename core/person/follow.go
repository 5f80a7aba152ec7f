package person

import (
	"encoding/json"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const typeDirect = "m.direct"

// Follow carries what the user has set for a room over to the one that replaces it: the room's push rule, its tags, and
// that it is a direct chat (https://spec.matrix.org/v1.19/client-server-api/#room-upgrades, "Server behaviour"). What she
// has set for the new room already stands, and the old room keeps its own. It is part of the write by which she comes
// into the new room and wakes nobody: that does.
func (p *People) Follow(tx *sqldb.Tx, user id.User, from, to id.Room) error {
	if err := p.followRules(tx, user, from, to); err != nil {
		return err
	}
	for _, datum := range []struct {
		room id.Room
		typ  string
		next func(tx *sqldb.Tx) (json.RawMessage, error) // nil: nothing to do
	}{
		{to, typeTag, func(tx *sqldb.Tx) (json.RawMessage, error) { return followTags(tx, user, from, to) }},
		{"", typeDirect, func(tx *sqldb.Tx) (json.RawMessage, error) { return followDirect(tx, user, from, to) }},
	} {
		content, err := datum.next(tx)
		if err != nil {
			return err
		}
		if content == nil {
			continue
		}
		err = p.putDatum(tx, user, datum.room, datum.typ, content)
		if err != nil && !fault.Is(err, fault.TooLarge) && !fault.Is(err, fault.ResourceLimitExceeded) {
			return err // who keeps too much does without
		}
	}
	return nil
}

func (p *People) followRules(tx *sqldb.Tx, user id.User, from, to id.Room) error {
	rules, _, err := readRules(tx, user)
	if err != nil {
		return err
	}
	rules, any := rules.CopyRoom(from, to)
	if !any {
		return nil
	}
	p.written.Note(user, tx.Pos())
	if _, err := tx.Exec(sqlSetRules, string(user), rules.Stored(), int64(tx.Pos())); err != nil {
		return err
	}
	p.rules.changed(user, tx.Pos())
	return nil
}

func followTags(tx *sqldb.Tx, user id.User, from, to id.Room) (json.RawMessage, error) {
	old, err := readDatum(tx, user, from, typeTag)
	if err != nil || len(parseTags(old)) == 0 {
		return nil, err
	}
	now, err := readDatum(tx, user, to, typeTag)
	if err != nil || !deleted(now) {
		return nil, err
	}
	return old, nil
}

// followDirect adds the new room wherever the old one is a direct chat.
func followDirect(tx *sqldb.Tx, user id.User, from, to id.Room) (json.RawMessage, error) {
	content, err := readDatum(tx, user, "", typeDirect)
	if err != nil || len(content) == 0 {
		return nil, err
	}
	var people map[string]json.RawMessage
	if json.Unmarshal(content, &people) != nil {
		return nil, nil // whatever it is, it is no list of chats
	}
	any := false
	for with, list := range people {
		var rooms []id.Room
		if json.Unmarshal(list, &rooms) != nil || !slices.Contains(rooms, from) || slices.Contains(rooms, to) {
			continue
		}
		next, err := json.Marshal(append(rooms, to))
		if err != nil {
			return nil, err
		}
		people[with], any = next, true
	}
	if !any {
		return nil, nil
	}
	return json.Marshal(people)
}
