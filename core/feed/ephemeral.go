package feed

import (
	"encoding/json"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// ephemeral is the receipts and the typing of a room: one event of each.
func (l *look) ephemeral(s *room.Standing, fresh, receipts, typing bool, typists []id.User) ([]json.RawMessage, error) {
	events := none
	filter := &l.q.Filter.Ephemeral
	if receipts && filter.Type("m.receipt") && filter.Room(s.RoomID) {
		after := l.since.pos
		if fresh {
			after = 0
		}
		e, err := l.receiptEvent(s, after)
		if err != nil {
			return nil, err
		}
		if e != nil {
			events = append(events, e)
		}
	}
	if typing && filter.Type("m.typing") && filter.Room(s.RoomID) {
		typists = slices.DeleteFunc(typists, func(u id.User) bool { return l.ignored[u] })
		if typists == nil {
			typists = []id.User{}
		}
		e, err := json.Marshal(map[string]any{"type": "m.typing", "content": map[string]any{"user_ids": typists}})
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// receiptEvent puts all receipts that moved, but those of people the user ignores, into one m.receipt event.
func (l *look) receiptEvent(s *room.Standing, after sqldb.Pos) (json.RawMessage, error) {
	receipts, err := l.f.Ephemeral.Receipts(l.tx, s.RoomID, after, l.upto, l.user)
	receipts = slices.DeleteFunc(receipts, func(r ephemeral.Receipt) bool { return l.ignored[r.User] })
	if err != nil || len(receipts) == 0 {
		return nil, err
	}
	return json.Marshal(map[string]any{"type": "m.receipt", "content": ephemeral.Content(receipts)})
}
