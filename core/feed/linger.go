package feed

import (
	"sync"
	"time"

	"freehold.example/base/bus"
	"freehold.example/core/room"
)

// lingering holds the registrations of devices that were answered, until they ask again. Such a registration was made
// before the answer was read, and remembers a wake: as long as there was none, there is nothing new since that answer's
// token, so that who comes back with it begins to wait without a look. Most looks of clients that get messages one by one
// would find nothing else.
type lingering struct {
	mu    sync.Mutex                // guards all below
	of    map[room.Caller]*lingerer // bounded by maxLingering
	queue []*lingerer               // bounded by maxLingering; in the order in which they were answered, some have come back
}

type lingerer struct {
	caller  room.Caller
	since   token
	sleeper *bus.Sleeper
	at      time.Time
}

// lingerFor is within which time clients come back.
const lingerFor = 10 * time.Second

// limit: devices that were answered and did not come back yet, in memory | %d of some 400 bytes | the one answered longest ago is looked for news for anew
const maxLingering = 20_000

// leave keeps the sleeper of a device that was told everything up to a token.
func (l *lingering) leave(c room.Caller, since token, s *bus.Sleeper, now time.Time) {
	mine := &lingerer{caller: c, since: since, sleeper: s, at: now}
	l.mu.Lock()
	gone := l.expire(now)
	if old := l.of[c]; old != nil {
		gone = append(gone, old.sleeper)
	}
	if l.of == nil {
		l.of = map[room.Caller]*lingerer{}
	}
	l.of[c] = mine
	l.queue = append(l.queue, mine)
	l.mu.Unlock()
	for _, s := range gone {
		s.Close()
	}
}

// expire gives the sleepers of those who are too many or away for too long. The caller holds the lock.
func (l *lingering) expire(now time.Time) (gone []*bus.Sleeper) {
	for len(l.queue) > 0 && (len(l.queue) >= maxLingering || now.Sub(l.queue[0].at) > lingerFor) {
		first := l.queue[0]
		l.queue[0] = nil
		if l.queue = l.queue[1:]; l.of[first.caller] == first {
			delete(l.of, first.caller)
			gone = append(gone, first.sleeper)
		}
	}
	return gone
}

// back gives the sleeper of a device that comes in time with the token it was told, or nil.
func (l *lingering) back(c room.Caller, since token, now time.Time) *bus.Sleeper {
	l.mu.Lock()
	mine := l.of[c]
	delete(l.of, c)
	for len(l.queue) > 0 && l.of[l.queue[0].caller] != l.queue[0] { // most come back in the order in which they left
		l.queue[0] = nil
		l.queue = l.queue[1:]
	}
	if len(l.queue) == 0 {
		l.queue = nil
	}
	l.mu.Unlock()
	switch {
	case mine == nil:
		return nil
	case mine.since != since, now.Sub(mine.at) > lingerFor: // who has been away comes with others
		mine.sleeper.Close()
		return nil
	}
	return mine.sleeper
}
