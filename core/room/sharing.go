package room

import (
	"context"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// SharedWith is what this server has in common with another.
type SharedWith struct {
	Server id.Server
	Rooms  int
	Users  int // of this server, in those rooms; 0 past the servers of most rooms that were counted
}

// Sharing is who of this server is in rooms with others.
type Sharing struct {
	Rooms   int // that are shared with any
	Users   int // of this server who are in one
	Servers []SharedWith
}

const (
	sqlJoinedHere = `SELECT room, user_id FROM membership WHERE membership = 'join' AND user_id LIKE $1 ESCAPE '!' ORDER BY room`

	countedServers = 200 // whose users are counted one by one
	roomsAtOnce    = 500 // so that no snapshot is held for long
)

// Sharing counts what this server's users have in common with other servers, those of most rooms first. It reads through
// all rooms with members here.
func (r *Rooms) Sharing(ctx context.Context) (s Sharing, err error) {
	here := map[NID][]id.User{}
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		clear(here)
		rows, err := tx.Query(sqlJoinedHere, r.here())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var in NID
			var user id.User
			if err := rows.Scan(&in, &user); err != nil {
				return err
			}
			here[in] = append(here[in], user)
		}
		return rows.Err()
	})
	if err != nil {
		return s, err
	}
	rooms := make([]NID, 0, len(here))
	for in := range here {
		rooms = append(rooms, in)
	}
	slices.Sort(rooms)
	of := map[id.Server][]NID{}
	users := map[id.User]bool{}
	for some := range slices.Chunk(rooms, roomsAtOnce) {
		found := make([][]id.Server, len(some))
		err := r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			for i, in := range some {
				if found[i], err = r.others(tx, nil, in); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return s, err
		}
		for i, in := range some {
			others := sorted(found[i])
			for _, server := range others {
				of[server] = append(of[server], in)
			}
			if len(others) > 0 {
				s.Rooms++
				for _, u := range here[in] {
					users[u] = true
				}
			}
		}
	}
	s.Users = len(users)
	for server, in := range of {
		s.Servers = append(s.Servers, SharedWith{Server: server, Rooms: len(in)})
	}
	slices.SortFunc(s.Servers, func(a, b SharedWith) int {
		if a.Rooms != b.Rooms {
			return b.Rooms - a.Rooms
		}
		return strings.Compare(string(a.Server), string(b.Server))
	})
	for i := range s.Servers[:min(len(s.Servers), countedServers)] {
		clear(users)
		for _, in := range of[s.Servers[i].Server] {
			for _, u := range here[in] {
				users[u] = true
			}
		}
		s.Servers[i].Users = len(users)
	}
	return s, nil
}
