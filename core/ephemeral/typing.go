package ephemeral

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"freehold.example/matrix/id"
)

const (
	usualTyping  = 30 * time.Second // when a client gives no timeout
	longestTyper = 60 * time.Second // whatever a client asks for; it repeats itself while its user types
	quietRooms   = 10_000           // rooms in which nobody types any more that are remembered for certain
	quietFor     = time.Hour        // how long others are remembered
)

// typing is who types where.
type typing struct {
	mu     sync.Mutex // guards all below; held for map operations only
	rooms  map[id.Room]*typists
	sweep  *time.Timer // runs at due; nil when nothing is due
	due    time.Time
	closed bool
	newest Serial // of the last change in any room
}

// typists are those who type in one room. It stays when they have stopped: syncs must be told of that too.
type typists struct {
	until   map[id.User]time.Time
	serial  Serial // of the last change
	changed time.Time
}

// SetTyping says that the user types in the room for timeout, or with typing false does not. A timeout of 0 or less is
// over at once, but is told; nil is half a minute.
func (e *Ephemeral) SetTyping(ctx context.Context, user id.User, room id.Room, typing bool, timeout *time.Duration) error {
	if err := e.checkMember(ctx, room, user); err != nil {
		return err
	}
	long := usualTyping
	if timeout != nil {
		long = min(*timeout, longestTyper)
	}
	if typing {
		e.Active(ctx, user)
	}
	if !e.setTyping(user, room, typing, long) {
		return nil
	}
	return e.wakeRoom(ctx, room)
}

// setTyping says whether there is anything to tell.
func (e *Ephemeral) setTyping(user id.User, room id.Room, typing bool, long time.Duration) bool {
	now := e.Now()
	t := &e.typing
	t.mu.Lock()
	defer t.mu.Unlock()
	in := t.rooms[room]
	if in == nil {
		if !typing {
			return false
		}
		in = &typists{until: map[id.User]time.Time{}}
		t.rooms[room] = in
	}
	_, before := in.until[user]
	switch {
	case typing && long > 0:
		in.until[user] = now.Add(long)
		e.sweepAt(now.Add(long))
		if before {
			return false
		}
	case typing || before:
		delete(in.until, user)
	default:
		return false
	}
	in.serial, in.changed = e.next(), now
	t.newest = in.serial
	return true
}

// TypingSince is who types in the room, in order, and whether that changed after since. At the beginning of time, and
// for a serial from the future, an empty room has not changed.
func (e *Ephemeral) TypingSince(room id.Room, since Serial) (users []id.User, changed bool) {
	t := &e.typing
	t.mu.Lock()
	defer t.mu.Unlock()
	in := t.rooms[room]
	if in == nil || in.serial <= since || since == 0 && len(in.until) == 0 {
		return nil, false
	}
	users = make([]id.User, 0, len(in.until))
	for u := range in.until {
		users = append(users, u)
	}
	slices.Sort(users)
	return users, true
}

// TypingRooms lists the rooms in which who types has changed since then.
func (e *Ephemeral) TypingRooms(since Serial) []id.Room {
	t := &e.typing
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.newest <= since {
		return nil
	}
	var rooms []id.Room
	for room, in := range t.rooms {
		if in.serial > since {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// sweepAt makes sure that expired typists are looked for at this time. The caller holds t.mu.
func (e *Ephemeral) sweepAt(at time.Time) {
	t := &e.typing
	if t.closed || t.sweep != nil && !at.Before(t.due) {
		return
	}
	if t.sweep != nil {
		t.sweep.Stop()
	}
	t.due = at
	t.sweep = time.AfterFunc(max(at.Sub(e.Now()), 0)+time.Millisecond, e.sweepTyping)
}

// sweepTyping ends the typing of whoever has not said anything for too long, and forgets rooms nobody asks about.
func (e *Ephemeral) sweepTyping() {
	for _, room := range e.expireTyping() {
		if err := e.wakeRoom(context.Background(), room); err != nil {
			e.Log.Warn("typing ended, but its room could not be told", slog.Any("err", err))
		}
	}
}

func (e *Ephemeral) expireTyping() (changed []id.Room) {
	now := e.Now()
	t := &e.typing
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep = nil
	var next time.Time
	for room, in := range t.rooms {
		ended := false
		for u, until := range in.until {
			if !until.After(now) {
				delete(in.until, u)
				ended = true
			} else if next.IsZero() || until.Before(next) {
				next = until
			}
		}
		if ended {
			in.serial, in.changed = e.next(), now
			t.newest = in.serial
			changed = append(changed, room)
		}
		if len(in.until) == 0 && len(t.rooms) > quietRooms && now.Sub(in.changed) > quietFor {
			delete(t.rooms, room)
		}
	}
	if !next.IsZero() {
		e.sweepAt(next)
	}
	return changed
}

func (t *typing) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.sweep != nil {
		t.sweep.Stop()
	}
}
