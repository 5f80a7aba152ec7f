package feed

import (
	"encoding/json"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// ephemeral is the receipts and the typing of a room: one event of each, and further ones of receipts that have no place in the
// first.
func (l *look) ephemeral(s *room.Standing, fresh, receipts, typing bool, typists []id.User) ([]json.RawMessage, error) {
	events := none
	filter := &l.q.Filter.Ephemeral
	if receipts && filter.Type("m.receipt") && filter.Room(s.RoomID) {
		after := l.since.pos
		if fresh {
			after = 0
		}
		told, err := l.receiptEvents(s, after, nil)
		if err != nil {
			return nil, err
		}
		events = append(events, told...)
	}
	if typing && filter.Type("m.typing") && filter.Room(s.RoomID) {
		e, err := l.typingEvent(typists)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// typingEvent is one m.typing event, without the people whom the user ignores.
func (l *look) typingEvent(typists []id.User) (json.RawMessage, error) {
	typists = slices.DeleteFunc(typists, func(u id.User) bool { return l.ignored[u] })
	if typists == nil {
		typists = []id.User{}
	}
	return json.Marshal(map[string]any{"type": "m.typing", "content": map[string]any{"user_ids": typists}})
}

// receiptEvents tells all receipts that moved and that keep keeps, but those of people the user ignores. A nil keep keeps all.
func (l *look) receiptEvents(s *room.Standing, after sqldb.Pos, keep func(ephemeral.Receipt) bool) ([]json.RawMessage, error) {
	receipts, read := l.ahead[s.RoomID]
	var err error
	if !read || after > 0 {
		receipts, err = l.f.Ephemeral.Receipts(l.tx, s.RoomID, after, l.upto, l.user)
	}
	if err != nil {
		return nil, err
	}
	receipts = slices.DeleteFunc(receipts, func(r ephemeral.Receipt) bool { return l.ignored[r.User] || keep != nil && !keep(r) })
	var events []json.RawMessage
	for _, content := range ephemeral.Contents(receipts) {
		e, err := json.Marshal(map[string]any{"type": "m.receipt", "content": content})
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}
