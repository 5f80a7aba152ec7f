package wake

import (
	"context"
	"maps"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// After a cut there is much to fetch, and somebody may be waiting for some of it: whoever opens a room, writes or reads in it
// has what was missed there fetched first, and its silent servers called at once.

// looked are the rooms that somebody here has looked at.
type looked struct {
	mu sync.Mutex            // guards at
	at map[id.Room]time.Time // when that was last; bounded by maxLooked
}

const (
	// limit: rooms that somebody has looked at of late, in memory | %d of some 100 bytes | those of further ones are fetched in their turn
	maxLooked = 2000

	lookedFor = 5 * time.Minute // a look counts
	lookApart = 2 * time.Second // looks at one room that count as one
)

// note takes down a look. again: the room was looked at just now.
func (l *looked) note(in id.Room, now time.Time) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.at[in]
	if since := now.Sub(last); known && since >= 0 && since < lookApart {
		return true
	}
	if l.at == nil {
		l.at = map[id.Room]time.Time{}
	}
	if !known && len(l.at) >= maxLooked {
		maps.DeleteFunc(l.at, func(_ id.Room, at time.Time) bool { return now.Sub(at) > lookedFor })
	}
	for other := range l.at {
		if known || len(l.at) < maxLooked {
			break
		}
		delete(l.at, other)
	}
	l.at[in] = now
	return false
}

// Looked is told that somebody here does something in a room. It costs next to nothing, and does not wait.
func (w *Wake) Looked(in id.Room) {
	if w.looked.note(in, w.Now()) || w.Peers.Silent() == 0 {
		return
	}
	select {
	case w.looks <- in:
	default:
	}
}

// LastLook is when somebody here has last looked at a room; zero when nobody has of late.
func (w *Wake) LastLook(in id.Room) time.Time {
	w.looked.mu.Lock()
	at, is := w.looked.at[in]
	w.looked.mu.Unlock()
	if !is || w.Now().Sub(at) > lookedFor {
		return time.Time{}
	}
	return at
}

const maxCalledIn = 100 // servers of a room, of which those that are silent are called

// callIn calls the silent servers of a room.
func (w *Wake) callIn(ctx context.Context, in id.Room) {
	var servers []id.Server
	err := w.DB.Read(ctx, func(tx *sqldb.Tx) error {
		gate, here, err := w.Rooms.Gate(tx, in, "")
		if err != nil || !here {
			return err
		}
		servers, err = w.Rooms.Servers(tx, gate.Room)
		return err
	})
	if err != nil {
		w.failed(ctx, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calling < atOnce {
		w.callLocked(ctx, w.Peers.ToCallOf(servers[:min(len(servers), maxCalledIn)]))
	}
}
