package room

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Shared is a room that somebody of this server is in, and somebody of others.
type Shared struct {
	Room    id.Room
	Servers []id.Server // the others, as far as they are known
	Heads   []id.Event  // its forward extremities
}

const sqlSomeRooms = `SELECT nid, room_id, state, extremities FROM room WHERE room_id > $1 ORDER BY room_id LIMIT $2`

type someRoom struct {
	stateOf
	id    id.Room
	heads []byte
}

func scanSomeRoom(row sqldb.Scanner) (s someRoom, err error) {
	var root []byte
	err = row.Scan(&s.room, &s.id, &root, &s.heads)
	copy(s.state[:], root)
	return s, err
}

// EachShared calls fn with every room that is shared with other servers, in the order of their ids, until it fails. It costs a
// few queries for each countedAtOnce rooms.
func (r *Rooms) EachShared(ctx context.Context, fn func(Shared) error) error {
	for after, more := id.Room(""), true; more; {
		var found []Shared
		err := r.DB.Read(ctx, func(tx *sqldb.Tx) error { // one for some rooms, so that no snapshot is held for long
			some, err := sqldb.All(tx, scanSomeRoom, sqlSomeRooms, after, countedAtOnce)
			if err != nil {
				return err
			}
			if more = len(some) == countedAtOnce; len(some) > 0 {
				after = some[len(some)-1].id
			}
			found, err = r.shared(tx, some)
			return err
		})
		if err != nil {
			return fmt.Errorf("list the rooms shared with other servers: %w", err)
		}
		for _, s := range found {
			if err := fn(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// shared picks those rooms that are shared with other servers.
func (r *Rooms) shared(tx *sqldb.Tx, some []someRoom) (found []Shared, err error) {
	partial, err := r.partials(tx)
	if err != nil {
		return nil, err
	}
	states := make([]stateOf, len(some))
	for i, s := range some {
		states[i] = s.stateOf
	}
	all, err := r.presentInAll(tx, states, partial)
	if err != nil {
		return nil, err
	}
	for _, s := range some {
		here := all[s.room].list
		if _, joined := slices.BinarySearch(here, r.Server); !joined {
			continue
		}
		in := Shared{Room: s.id, Servers: sorted(slices.Concat(here, partial[s.room]))}
		in.Servers = slices.DeleteFunc(in.Servers, func(other id.Server) bool { return other == r.Server })
		if len(in.Servers) == 0 {
			continue
		}
		if err := json.Unmarshal(s.heads, &in.Heads); err != nil {
			return nil, err
		}
		found = append(found, in)
	}
	return found, nil
}
