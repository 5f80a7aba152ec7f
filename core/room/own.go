package room

import (
	"maps"
	"sync"

	"freehold.example/base/news"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// owns remembers the memberships of users who sync, all those of a user or none, and follows what is written to them. It is
// bounded in rows.
type owns struct {
	written *news.Latest[id.User] // whose memberships were written

	mu    sync.Mutex // guards all below; what is handed out is not changed
	users map[id.User]*own
	rows  int
	limit int // rows
}

// own is the memberships of one user, as they were when everything up to at had been written; perhaps some are newer.
type own struct {
	at    sqldb.Pos
	rooms map[id.Room]*Standing // without Version, Head and State, which change with every event
}

// maxOwnRows bounds the memberships in memory, of about 200 bytes each.
//
// limit: memberships of those who sync, in memory | %d of at most 1 KiB | those of any other users make room
const maxOwnRows = 100_000

// maxWrittenUsers bounds the users of whom it is known when their memberships were last written.
const maxWrittenUsers = 50_000

func newOwns(floor sqldb.Pos, limit int) *owns {
	return &owns{written: news.NewLatest[id.User](floor, maxWrittenUsers), users: map[id.User]*own{}, limit: limit}
}

// get gives the user's memberships if they are known to be what they were at a moment.
func (o *owns) get(user id.User, at sqldb.Pos) *own {
	o.mu.Lock()
	x := o.users[user]
	o.mu.Unlock()
	if x == nil || o.written.After(user, min(x.at, at)) {
		return nil
	}
	return x
}

// put remembers what was read in a snapshot that has everything up to at, unless there was a write since, which may have
// been missed.
func (o *owns) put(user id.User, at sqldb.Pos, rooms map[id.Room]*Standing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.written.After(user, at) {
		return
	}
	o.remove(user)
	for other := range o.users {
		if o.rows+len(rooms)+1 <= o.limit {
			break
		}
		o.remove(other)
	}
	if o.rows+len(rooms)+1 <= o.limit {
		o.users[user] = &own{at, rooms}
		o.rows += len(rooms) + 1
	}
}

func (o *owns) remove(user id.User) {
	if x := o.users[user]; x != nil {
		o.rows -= len(x.rooms) + 1
		delete(o.users, user)
	}
}

func (o *owns) drop(user id.User) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.remove(user)
}

// moved follows a membership that was written. The writer calls it for each in their order.
func (o *owns) moved(w *write, m memberChange, pos sqldb.Pos) {
	user := m.user
	o.mu.Lock()
	defer o.mu.Unlock()
	x := o.users[user]
	if x == nil {
		return
	}
	row := &Standing{
		Room: w.head.nid, RoomID: w.head.room, Version: w.head.version.ID, Membership: m.membership, Event: m.event, Pos: pos,
		Sender: m.sender, Whole: w.head.whole, Mended: w.head.mended,
	}
	if old := x.rooms[row.RoomID]; old != nil && (row.Membership == "leave" || row.Membership == "ban") {
		row.Forgotten, row.ForgotAt = old.Forgotten, old.ForgotAt
	}
	o.remove(user)
	rooms := maps.Clone(x.rooms)
	rooms[row.RoomID] = row
	if o.rows+len(rooms)+1 <= o.limit {
		o.users[user] = &own{pos, rooms}
		o.rows += len(rooms) + 1
	}
}
