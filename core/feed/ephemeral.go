package feed

import (
	"encoding/json"

	"freehold.example/base/sqldb"
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

// receiptEvent puts all receipts that moved into one m.receipt event: event, type, user. Where a user has an unthreaded
// and a threaded receipt at one event, there is room for one only, and the unthreaded one says more.
func (l *look) receiptEvent(s *room.Standing, after sqldb.Pos) (json.RawMessage, error) {
	receipts, err := l.f.Ephemeral.Receipts(l.tx, s.RoomID, after, l.upto, l.user)
	if err != nil || len(receipts) == 0 {
		return nil, err
	}
	type mark struct {
		TS     int64  `json:"ts"`
		Thread string `json:"thread_id,omitempty"`
	}
	content := map[id.Event]map[string]map[id.User]mark{}
	for _, r := range receipts {
		if l.ignored[r.User] {
			continue
		}
		types := content[r.Event]
		if types == nil {
			types = map[string]map[id.User]mark{}
			content[r.Event] = types
		}
		if types[r.Type] == nil {
			types[r.Type] = map[id.User]mark{}
		}
		if old, there := types[r.Type][r.User]; !there || old.Thread != "" && r.Thread == "" {
			types[r.Type][r.User] = mark{TS: r.TS, Thread: r.Thread}
		}
	}
	return json.Marshal(map[string]any{"type": "m.receipt", "content": content})
}
