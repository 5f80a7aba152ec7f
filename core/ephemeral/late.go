package ephemeral

import (
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// late is the receipts that moved last, as they are on disk, so that a room full of readers is told of one without a query
// each. The writer appends to it once a receipt is on disk and before sqldb.DB.Committed says so.
type late struct {
	mu    sync.RWMutex  // guards all below
	list  []lateReceipt // bounded: twice the limit
	floor sqldb.Pos     // what moved at or before it may be missing
	limit int
}

type lateReceipt struct {
	pos  sqldb.Pos
	room id.Room
	Receipt
}

// add remembers receipts that moved at one position. Beyond twice the limit the older half goes.
func (l *late) add(pos sqldb.Pos, room id.Room, receipts []Receipt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= 2*l.limit {
		l.floor = l.list[l.limit-1].pos
		l.list = append([]lateReceipt(nil), l.list[l.limit:]...)
	}
	for _, r := range receipts {
		l.list = append(l.list, lateReceipt{pos, room, r})
	}
}

// lose is for a write of which it is not known how it ended.
func (l *late) lose(pos sqldb.Pos) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list, l.floor = nil, max(l.floor, pos)
}

// in is what Receipts reads; ok is false when some of it may be missing.
func (l *late) in(room id.Room, since, upto sqldb.Pos, reader id.User) (found []Receipt, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if since < l.floor {
		return nil, false
	}
	type place struct {
		user        id.User
		typ, thread string
	}
	seen := map[place]bool{}
	for i := len(l.list) - 1; i >= 0 && l.list[i].pos > since; i-- {
		r := &l.list[i]
		at := place{r.User, r.Type, r.Thread}
		if r.pos > upto || r.room != room || r.Type != Read && r.User != reader || seen[at] {
			continue
		}
		seen[at] = true
		found = append(found, r.Receipt)
	}
	return found, len(found) <= maxReceipts
}
