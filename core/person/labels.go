package person

import (
	"encoding/json"
	"maps"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
	"freehold.example/matrix/inviterule"
)

// Labels is what a user's account data says of her rooms as a list: which are direct chats, which have a tag, and from whom
// she wants no invitations. It is shared and must not be changed.
type Labels struct {
	Direct map[id.Room]bool
	Tags   map[id.Room][]string
	Rules  inviterule.Rules

	stable, fine json.RawMessage // what Rules was made from
}

const sqlLabels = `SELECT room_id, type, content FROM account_data WHERE user_id = $1 AND pos <= $2
	AND (type = 'm.tag' AND room_id <> '' OR room_id = '' AND type IN ('m.direct', '` + inviterule.Type + `', '` + inviterule.TypeUnstable + `'))`

// Labels reads how the user's account data stood at a position.
func (p *People) Labels(tx *sqldb.Tx, user id.User, upto sqldb.Pos) (*Labels, error) {
	data, err := readData(tx, true, sqlLabels, string(user), int64(upto))
	if err != nil {
		return nil, err
	}
	return (&Labels{Tags: map[id.Room][]string{}}).With(data), nil
}

// With is the labels after changes of the account data, which may be any of AccountData.
func (l *Labels) With(data []Datum) *Labels {
	next, own := *l, false
	for _, d := range data {
		switch {
		case d.Type == typeTag && d.Room != "":
			if !own {
				next.Tags, own = maps.Clone(l.Tags), true
			}
			delete(next.Tags, d.Room)
			for tag := range parseTags(d.Content) {
				next.Tags[d.Room] = append(next.Tags[d.Room], tag)
			}
		case d.Room != "":
		case d.Type == typeDirect:
			next.Direct = parseDirect(d.Content)
		case d.Type == inviterule.Type:
			next.stable = d.Content
			next.Rules = inviterule.Parse(next.stable, next.fine)
		case d.Type == inviterule.TypeUnstable:
			next.fine = d.Content
			next.Rules = inviterule.Parse(next.stable, next.fine)
		}
	}
	return &next
}

// parseDirect lists the rooms that m.direct names. It is lenient, as a client may have written anything.
func parseDirect(content json.RawMessage) map[id.Room]bool {
	var users map[string]json.RawMessage
	if json.Unmarshal(content, &users) != nil {
		return nil
	}
	rooms := map[id.Room]bool{}
	for _, raw := range users {
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			continue
		}
		for _, each := range list {
			var room string
			if json.Unmarshal(each, &room) == nil {
				rooms[id.Room(room)] = true
			}
		}
	}
	return rooms
}
