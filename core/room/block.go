package room

import (
	"context"
	"fmt"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// blocks knows which rooms nobody of this server may enter. A room need not be here to be among them.
//
// limit: blocked rooms in memory | some 300 bytes for each such room on disk | as many as administrators have blocked
type blocks struct {
	mu     sync.RWMutex        // guards the rest
	by     map[id.Room]id.User // bounded by the administrators, who block each by hand
	loaded bool
}

var errBlocked = fault.New(fault.Forbidden, "This room has been blocked on this server")

// Blocked says which administrator has blocked a room; ok is false when none has.
func (r *Rooms) Blocked(ctx context.Context, room id.Room) (by id.User, ok bool, err error) {
	b := &r.blocks
	b.mu.RLock()
	by, ok = b.by[room]
	loaded := b.loaded
	b.mu.RUnlock()
	if loaded {
		return by, ok, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.loaded {
		by, ok = b.by[room]
		return by, ok, nil
	}
	all := map[id.Room]id.User{}
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		clear(all)
		rows, err := tx.Query(`SELECT room_id, admin FROM blocked_room`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var room id.Room
			var by id.User
			if err := rows.Scan(&room, &by); err != nil {
				return err
			}
			all[room] = by
		}
		return rows.Err()
	})
	if err != nil {
		return "", false, fmt.Errorf("read which rooms are blocked: %w", err)
	}
	b.by, b.loaded = all, true
	by, ok = all[room]
	return by, ok, nil
}

// SetBlocked blocks a room or lets it be entered again. Who is in it stays in it.
func (r *Rooms) SetBlocked(ctx context.Context, room id.Room, by id.User, blocked bool) error {
	if _, _, err := r.Blocked(ctx, room); err != nil { // so that all are known
		return err
	}
	b := &r.blocks
	b.mu.Lock()
	defer b.mu.Unlock()
	err := r.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		if !blocked {
			_, err := tx.Exec(`DELETE FROM blocked_room WHERE room_id = $1`, room)
			return err
		}
		_, err := tx.Exec(`INSERT INTO blocked_room (room_id, admin, at) VALUES ($1, $2, $3) ON CONFLICT (room_id) DO NOTHING`,
			room, by, r.Now().UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("block a room: %w", err)
	}
	if !blocked {
		delete(b.by, room)
	} else if _, was := b.by[room]; !was {
		b.by[room] = by
	}
	return nil
}

// enterable refuses to let anybody of this server into a room that is blocked.
func (r *Rooms) enterable(ctx context.Context, room id.Room, membership string) error {
	if membership != "join" && membership != "invite" && membership != "knock" {
		return nil
	}
	_, blocked, err := r.Blocked(ctx, room)
	if err == nil && blocked {
		err = errBlocked
	}
	return err
}
