package room

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"

	"freehold.example/base/news"
	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// What this server has in common with others, for those who tell them things or are told.

const (
	sqlNID          = `SELECT nid FROM room WHERE room_id = $1`
	sqlInStates     = `SELECT m.room, r.state FROM membership m JOIN room r ON r.nid = m.room WHERE m.user_id = $1 AND m.membership = 'join'`
	sqlInRooms      = `SELECT room FROM membership WHERE user_id = $1 AND membership = 'join'`
	sqlIsIn         = `SELECT count(*) FROM membership WHERE room = $1 AND user_id = $2 AND membership = 'join'`
	sqlUnsettled    = `SELECT 1 FROM partial_room p JOIN membership m ON m.room = p.room WHERE m.user_id = $1 AND m.membership = 'join' LIMIT 1`
	sqlSinceWhole   = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room WHERE e.room = $1 AND r.whole > 0 AND e.pos >= r.whole`
	sqlPartialRooms = `SELECT room, servers FROM partial_room`
	sqlMoves        = `SELECT pos, room, user_id, membership FROM membership WHERE pos > $1 AND pos <= $2
		AND (membership <> 'join' OR user_id LIKE $3) ORDER BY pos LIMIT $4`
)

// Admits says whether a user of another server may be heard in the room: she is joined to it, or may be while not all of its
// members are known, and its server ACL does not deny her server.
func (r *Rooms) Admits(ctx context.Context, room id.Room, user id.User) (ok bool, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		ok = false
		nid, found, err := roomNID(tx, room)
		if err != nil || !found {
			return err
		}
		var n int
		if err := tx.Row(sqlIsIn, nid, user).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			servers, _, err := r.Partial(tx, nid)
			if err != nil || !slices.Contains(servers, user.Server()) {
				return err
			}
		}
		denied, err := r.Denied(tx, nid, user.Server())
		ok = !denied
		return err
	})
	return ok && err == nil, err
}

func roomNID(tx *sqldb.Tx, room id.Room) (nid NID, found bool, err error) {
	err = tx.Row(sqlNID, room).Scan(&nid)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return nid, err == nil, err
}

// OtherServers lists the servers with members in the room, as far as they are known, but this one.
func (r *Rooms) OtherServers(ctx context.Context, room id.Room) (servers []id.Server, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		nid, found, err := roomNID(tx, room)
		if err != nil || !found {
			return err
		}
		servers, err = r.others(tx, nil, nid)
		return err
	})
	return sorted(servers), err
}

// SharedServers lists the servers of the rooms that the user is joined to, as far as they are known, but this one.
func (r *Rooms) SharedServers(tx *sqldb.Tx, user id.User) ([]id.Server, error) {
	return r.SharedServersBut(tx, user, nil)
}

// SharedServersBut is SharedServers without some rooms. It costs a few queries, however many rooms there are.
func (r *Rooms) SharedServersBut(tx *sqldb.Tx, user id.User, but []NID) (servers []id.Server, err error) {
	partial, err := r.partials(tx)
	if err != nil {
		return nil, err
	}
	states, err := sqldb.All(tx, scanStateOf, sqlInStates, user)
	if err != nil {
		return nil, err
	}
	states = slices.DeleteFunc(states, func(s stateOf) bool { return slices.Contains(but, s.room) })
	all, err := r.presentInAll(tx, states, partial)
	if err != nil {
		return nil, err
	}
	seen := map[id.Server]bool{r.Server: true}
	add := func(some []id.Server) {
		for _, s := range some {
			if !seen[s] {
				seen[s] = true
				servers = append(servers, s)
			}
		}
	}
	for _, p := range all {
		add(p.list)
	}
	for _, s := range states {
		add(partial[s.room])
	}
	slices.Sort(servers)
	return servers, nil
}

// SharedServersBy is SharedServers for who has read SharedUsers, which has what is known of the members: it costs a query, or two.
func (r *Rooms) SharedServersBy(tx *sqldb.Tx, user id.User, shared []id.User) ([]id.Server, error) {
	partial, err := r.partials(tx)
	if err != nil {
		return nil, err
	}
	seen := map[id.Server]bool{}
	if len(partial) > 0 {
		rooms, err := sqldb.Column[NID](tx, sqlInRooms, user)
		if err != nil {
			return nil, err
		}
		for _, room := range rooms {
			for _, s := range partial[room] {
				seen[s] = true
			}
		}
	}
	for _, other := range shared {
		seen[other.Server()] = true
	}
	delete(seen, r.Server)
	return slices.Sorted(maps.Keys(seen)), nil
}

// others appends the servers of a room but this one.
func (r *Rooms) others(tx *sqldb.Tx, to []id.Server, room NID) ([]id.Server, error) {
	known, err := r.Servers(tx, room)
	if err != nil {
		return nil, err
	}
	told, _, err := r.Partial(tx, room)
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Concat(known, told) {
		if s != r.Server {
			to = append(to, s)
		}
	}
	return to, nil
}

func sorted(servers []id.Server) []id.Server {
	slices.Sort(servers)
	return slices.Compact(servers)
}

// Meets says whether a user of another server is joined to a room that somebody of this server is joined to.
func (r *Rooms) Meets(tx *sqldb.Tx, user id.User) (bool, error) {
	rooms, err := sqldb.Column[NID](tx, sqlInRooms, user)
	if err != nil {
		return false, err
	}
	for _, room := range rooms {
		if here, err := r.Inhabited(tx, room); err != nil || here {
			return here, err
		}
	}
	return false, nil
}

// Inhabited says whether somebody of this server is joined to the room.
func (r *Rooms) Inhabited(tx *sqldb.Tx, room NID) (bool, error) {
	servers, err := r.Servers(tx, room)
	_, here := slices.BinarySearch(servers, r.Server)
	return here, err
}

// unsettled lists the rooms of which not all members are known yet, and that somebody of a server may be in.
func (r *Rooms) unsettled(tx *sqldb.Tx, server id.Server) (rooms []NID, err error) {
	partial, err := r.partials(tx)
	for room, servers := range partial {
		if slices.Contains(servers, server) {
			rooms = append(rooms, room)
		}
	}
	slices.Sort(rooms)
	return rooms, err
}

// partials are the rooms of which not all members are known, each with the servers that are in it as Partial has them.
// They are shared and must not be changed.
func (r *Rooms) partials(tx *sqldb.Tx) (map[NID][]id.Server, error) {
	if all, ok := r.partly.rooms.Get(struct{}{}, tx.Pos()); ok {
		return all, nil
	}
	rows, err := tx.Query(sqlPartialRooms)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[NID][]id.Server{}
	n := 0
	for rows.Next() {
		var room NID
		var list []byte
		if err := rows.Scan(&room, &list); err != nil {
			return nil, err
		}
		var servers []id.Server
		if err := json.Unmarshal(list, &servers); err != nil {
			return nil, err
		}
		all[room] = servers
		n += len(servers) + 1
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if !tx.Writing() && n <= maxPartly {
		r.partly.rooms.Put(struct{}{}, tx.Pos(), all)
	}
	return all, nil
}

// partly remembers the rooms of which not all members are known: few, and none most of the time, but asked for again and again.
type partly struct {
	written *news.Latest[struct{}]
	rooms   *news.Values[struct{}, map[NID][]id.Server]
}

// limit: servers of rooms of which not all members are known, in memory | %d of some 60 bytes | they are read each time
const maxPartly = 50_000

func newPartly(floor sqldb.Pos) partly {
	written := news.NewLatest[struct{}](floor, 1)
	return partly{written, news.NewValues[struct{}, map[NID][]id.Server](written, 1)}
}

// MayMeet says whether a user of a server may be joined to a room of which not all members are known yet.
func (r *Rooms) MayMeet(tx *sqldb.Tx, server id.Server) (bool, error) {
	rooms, err := r.unsettled(tx, server)
	return len(rooms) > 0, err
}

// MayShare lists the users of this server who are joined to a room that somebody of another server may be in: not all of its
// members are known yet.
func (r *Rooms) MayShare(tx *sqldb.Tx, server id.Server) (users []id.User, err error) {
	rooms, err := r.unsettled(tx, server)
	if err != nil {
		return nil, err
	}
	for _, in := range rooms {
		members, err := sqldb.Column[id.User](tx, sqlJoinedIn, in)
		if err != nil {
			return nil, err
		}
		for _, u := range members {
			if u.Server() == r.Server {
				users = append(users, u)
			}
		}
	}
	return users, nil
}

// NIDOf finds a room by its id.
func (r *Rooms) NIDOf(tx *sqldb.Tx, room id.Room) (nid NID, found bool, err error) {
	return roomNID(tx, room)
}

// ServersOf lists the servers of a room, as far as they are known, but this one. whole is false while not all members are
// known.
func (r *Rooms) ServersOf(tx *sqldb.Tx, room NID) (servers []id.Server, whole bool, err error) {
	partial, err := r.partials(tx)
	if err != nil {
		return nil, false, err
	}
	known, err := r.Servers(tx, room)
	if err != nil {
		return nil, false, err
	}
	told, some := partial[room]
	servers = sorted(slices.Concat(known, told))
	return slices.DeleteFunc(servers, func(s id.Server) bool { return s == r.Server }), !some, nil
}

// ServersThen lists the servers with members in a room as it was at a moment of the stream.
func (r *Rooms) ServersThen(tx *sqldb.Tx, room NID, at sqldb.Pos) ([]id.Server, error) {
	root, err := r.RootAt(tx, room, at)
	if err != nil || root == (pmap.Root{}) {
		return nil, err
	}
	return r.ServersAt(tx, room, root)
}

// Unsettled says whether a user is joined to a room of which not all members are known.
func (r *Rooms) Unsettled(tx *sqldb.Tx, user id.User) (bool, error) {
	some, err := sqldb.Column[int](tx, sqlUnsettled, user)
	return len(some) > 0, err
}

// FoundGone lists the users who left a room, or turned out to have left it, since all of its members are known.
func (r *Rooms) FoundGone(tx *sqldb.Tx, room NID) (users []id.User, err error) {
	events, err := sqldb.All(tx, new(storedReader).scan, sqlSinceWhole, room)
	if err != nil {
		return nil, err
	}
	for _, s := range events {
		if m := s.Membership(); m == "leave" || m == "ban" {
			key, _ := s.Event.StateKey()
			users = append(users, id.User(key))
		}
	}
	return users, nil
}

// Move is somebody's newest membership of a room.
type Move struct {
	Pos    sqldb.Pos
	Room   NID
	User   id.User
	Joined bool
}

// Moves reads the newest memberships, as far as they were set after one position and up to another, in the order of their
// positions and about limit of them: those of this server's users, and of others only that they have left. end is the
// position up to which that is everything.
func (r *Rooms) Moves(tx *sqldb.Tx, after, upto sqldb.Pos, limit int) (moves []Move, end sqldb.Pos, err error) {
	if !r.seats.After(struct{}{}, after) {
		return nil, upto, nil
	}
	if moves, ok := r.lateMoves(after, upto, limit); ok && upto <= tx.Pos() {
		return moves, upto, nil
	}
	scan := func(row sqldb.Scanner) (m Move, err error) {
		var membership string
		err = row.Scan(&m.Pos, &m.Room, &m.User, &membership)
		m.Joined = membership == "join"
		return m, err
	}
	own := "%:" + string(r.Server) // a server name has neither % nor _
	moves, err = sqldb.All(tx, scan, sqlMoves, after, upto, own, limit+1)
	if err != nil || len(moves) <= limit {
		return moves, upto, err
	}
	if end = moves[limit].Pos - 1; moves[0].Pos > end { // so many at one position
		end = moves[0].Pos
		moves, err = sqldb.All(tx, scan, sqlMoves, end-1, end, own, math.MaxInt32)
		return moves, end, err
	}
	return slices.DeleteFunc(moves, func(m Move) bool { return m.Pos > end }), end, nil
}

// lateMoves is Moves out of memory; ok is false where that does not have all of them.
func (r *Rooms) lateMoves(after, upto sqldb.Pos, limit int) (moves []Move, ok bool) {
	type seat struct {
		room NID
		user id.User
	}
	if after < sqldb.Pos(r.doubted.Load()) {
		return nil, false
	}
	var seen map[seat]bool
	ok = r.moves.Since(after, func(e news.Entry[move]) bool { // the newest first
		m := Move{Pos: e.Pos, Room: e.Key.nid, User: e.Key.user, Joined: e.Key.membership == "join"}
		if at := (seat{m.Room, m.User}); m.Pos <= upto && !seen[at] {
			if seen == nil {
				seen = map[seat]bool{}
			}
			seen[at] = true
			if !m.Joined || m.User.Server() == r.Server {
				moves = append(moves, m)
			}
		}
		return len(seen) <= limit
	})
	if !ok || len(seen) > limit {
		return nil, false
	}
	slices.Reverse(moves)
	return moves, true
}

// doubt is told of a position up to which moves may not be what was written.
func (r *Rooms) doubt(pos sqldb.Pos) {
	for {
		old := r.doubted.Load()
		if int64(pos) <= old || r.doubted.CompareAndSwap(old, int64(pos)) {
			return
		}
	}
}
