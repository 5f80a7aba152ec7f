package ephemeral

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"freehold.example/matrix/id"
)

const (
	usualTyping  = 30 * time.Second // when a client gives no timeout
	longestTyper = 60 * time.Second // whatever a client asks for; it repeats itself while its user types
	// limit: rooms in which nobody types any more, in memory | %d, and those of the last hour | the quietest are forgotten
	quietRooms = 10_000    // rooms in which nobody types any more that are remembered for certain
	quietFor   = time.Hour // how long others are remembered
)

// typing is who types where.
type typing struct {
	mu     sync.Mutex           // guards all below; held for map operations only
	rooms  map[id.Room]*typists // bounded: by how often people may begin to type, and by quietRooms and quietFor
	sweep  *time.Timer          // runs at due; nil when nothing is due
	due    time.Time
	closed bool
	newest Serial // of the last change in any room
}

// typists are those who type in one room. It stays when they have stopped: syncs must be told of that too.
type typists struct {
	until   map[id.User]typist
	serial  Serial // of the last change
	changed time.Time
}

type typist struct {
	until time.Time
	told  time.Time // when other servers were told last
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
	changed, repeat := e.setTyping(user, room, typing, long)
	if changed || repeat {
		if err := e.tellTyping(ctx, user, room, typing && long > 0); err != nil {
			e.Log.WarnContext(ctx, "other servers were not told who types", "cause", err)
		}
	}
	if !changed {
		return nil
	}
	return e.wakeRoom(ctx, room)
}

// setTyping says whether there is anything to tell, and whether it is time to tell other servers again what they know.
func (e *Ephemeral) setTyping(user id.User, room id.Room, typing bool, long time.Duration) (changed, repeat bool) {
	now := e.Now()
	t := &e.typing
	t.mu.Lock()
	defer t.mu.Unlock()
	in := t.rooms[room]
	if in == nil {
		if !typing {
			return false, false
		}
		in = &typists{until: map[id.User]typist{}}
		t.rooms[room] = in
	}
	was, before := in.until[user]
	switch {
	case typing && long > 0:
		repeat = now.Sub(was.told) >= repeatTyping
		if repeat {
			was.told = now
		}
		in.until[user] = typist{now.Add(long), was.told}
		e.sweepAt(now.Add(long))
		if before {
			return false, repeat
		}
	case typing || before:
		delete(in.until, user)
	default:
		return false, false
	}
	in.serial, in.changed = e.next(), now
	t.newest = in.serial
	return true, true
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
	for room, users := range e.expireTyping() {
		err := e.wakeRoom(context.Background(), room)
		for _, user := range users {
			if user.Server() == e.Server {
				err = errors.Join(err, e.tellTyping(context.Background(), user, room, false))
			}
		}
		if err != nil {
			e.Log.Warn("typing ended, but its room could not be told", slog.Any("err", err))
		}
	}
}

// expireTyping gives who has ended typing where.
func (e *Ephemeral) expireTyping() (changed map[id.Room][]id.User) {
	changed = map[id.Room][]id.User{}
	now := e.Now()
	t := &e.typing
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep = nil
	var next time.Time
	for room, in := range t.rooms {
		ended := false
		for u, at := range in.until {
			if !at.until.After(now) {
				delete(in.until, u)
				changed[room] = append(changed[room], u)
				ended = true
			} else if next.IsZero() || at.until.Before(next) {
				next = at.until
			}
		}
		if ended {
			in.serial, in.changed = e.next(), now
			t.newest = in.serial
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
