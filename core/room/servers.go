package room

import (
	"errors"
	"maps"
	"math"
	"slices"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Which servers are in a room follows from its members, of whom there may be many thousands. It is counted once, and from
// then on follows what changes between one state and the next: two states differ in few members, wherever they stand in the
// room's history.

// present is which servers are in one state of a room. It is shared and does not change.
type present struct {
	state  pmap.Root
	joined map[id.Server]int // members
	list   []id.Server       // the same, sorted, and those said to be there while not all members are known
	said   bool              // there are such
}

// presence is what was counted of late.
type presence struct {
	mu    sync.Mutex         // guards all below
	rooms map[NID][]*present // of each room those asked for last, the latest first; bounded by maxPresent and maxCounted
	size  int                // servers in all of them
}

const (
	// limit: counts of the servers in a room, in memory | %d states of each room | the one asked for longest ago goes
	maxPresent = 4
	// limit: servers in the rooms that are sent to, in memory | %d of some 60 bytes | any others are counted again
	maxCounted = 400_000
	// manyMoved is how many members may differ for which it is cheaper to look at their events than at all members.
	manyMoved = 400
)

// near gives what is known of a state, and otherwise of another state of the room, if any.
func (p *presence) near(room NID, state pmap.Root) (s *present, exact bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.rooms[room]
	for i, s := range known {
		if s.state == state {
			copy(known[1:i+1], known[:i])
			known[0] = s
			return s, true
		}
	}
	if len(known) > 0 {
		return known[0], false
	}
	return nil, false
}

func (p *presence) put(room NID, s *present) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for other, known := range p.rooms {
		if p.size+len(s.list) <= maxCounted {
			break
		}
		if other != room {
			p.drop(other, known, 0)
		}
	}
	known := p.rooms[room]
	if len(known) >= maxPresent {
		known = p.drop(room, known, maxPresent-1)
	}
	if p.rooms == nil {
		p.rooms = map[NID][]*present{}
	}
	p.rooms[room] = slices.Insert(known, 0, s)
	p.size += len(s.list)
}

// drop keeps the first n of what is known of a room.
func (p *presence) drop(room NID, known []*present, n int) []*present {
	for _, s := range known[n:] {
		p.size -= len(s.list)
	}
	clear(known[n:])
	if n == 0 {
		delete(p.rooms, room)
	}
	return known[:n]
}

const (
	sqlRoomState   = `SELECT state FROM room WHERE nid = $1`
	sqlJoinedInAll = `SELECT room, user_id FROM membership WHERE room IN ({ints $1}) AND membership = 'join'`
	sqlJoinedIn    = `SELECT user_id FROM membership WHERE room = $1 AND membership = 'join'`
)

// Servers lists the servers with members in a room, this one among them, sorted. The list is shared and must not be changed.
// A room that is not there has none.
func (r *Rooms) Servers(tx *sqldb.Tx, room NID) ([]id.Server, error) {
	state, err := r.stateNow(tx, room)
	if err != nil || state == (pmap.Root{}) {
		return nil, err
	}
	s, err := r.presentIn(tx, room, state)
	if err != nil || s == nil {
		return nil, err
	}
	return s.list, nil
}

// ServersAt is Servers for another state of the room.
func (r *Rooms) ServersAt(tx *sqldb.Tx, room NID, state pmap.Root) ([]id.Server, error) {
	servers, _, err := r.Presence(tx, room, state)
	return servers, err
}

// Presence is ServersAt, and how many members this server has in that state.
func (r *Rooms) Presence(tx *sqldb.Tx, room NID, state pmap.Root) (servers []id.Server, own int, err error) {
	s, err := r.presentIn(tx, room, state)
	if err != nil || s == nil {
		return nil, 0, err
	}
	return s.list, s.joined[r.Server], nil
}

// stateNow is the room's current state; zero for a room that is not there.
func (r *Rooms) stateNow(tx *sqldb.Tx, room NID) (state pmap.Root, err error) {
	if tx.Peeking() {
		return r.RootNow(tx, room)
	}
	found, err := sqldb.Column[[]byte](tx, sqlRoomState, room)
	if err == nil && len(found) == 1 {
		copy(state[:], found[0])
	}
	return state, err
}

// presentIn counts the servers in a state of a room; nil of a room that is not there.
func (r *Rooms) presentIn(tx *sqldb.Tx, room NID, state pmap.Root) (*present, error) {
	from, exact := r.present.near(room, state)
	if exact {
		return from, nil
	}
	if from != nil {
		s, err := r.moveOn(tx, room, from, state, manyMoved)
		if err == nil || !errors.Is(err, errMany) && !unseen(err) {
			return s, err
		}
	}
	now, err := r.stateNow(tx, room)
	if err != nil || now == (pmap.Root{}) {
		return nil, err
	}
	if from != nil && state != now {
		s, err := r.moveOn(tx, room, from, state, math.MaxInt)
		if err == nil || !unseen(err) {
			return s, err
		}
	}
	counted, err := r.count(tx, []stateOf{{room, now}})
	if err != nil {
		return nil, err
	}
	from = counted[room]
	said, partial, err := r.Partial(tx, room)
	if err != nil {
		return nil, err
	}
	from.enlist(said, partial)
	r.present.put(room, from)
	if from.state == state {
		return from, nil
	}
	return r.moveOn(tx, room, from, state, math.MaxInt)
}

// stateOf is where a room stands.
type stateOf struct {
	room  NID
	state pmap.Root
}

func scanStateOf(row sqldb.Scanner) (s stateOf, err error) {
	var root []byte
	err = row.Scan(&s.room, &root)
	copy(s.state[:], root)
	return s, err
}

// countedAtOnce is of how many rooms the members are read in one query.
const countedAtOnce = 500

// presentInAll is presentIn for the present states of many rooms. partial are those of which not all members are known.
func (r *Rooms) presentInAll(tx *sqldb.Tx, states []stateOf, partial map[NID][]id.Server) (map[NID]*present, error) {
	all := make(map[NID]*present, len(states))
	var uncounted []stateOf
	for _, s := range states {
		p, exact := r.present.near(s.room, s.state)
		if p == nil {
			uncounted = append(uncounted, s)
			continue
		}
		if !exact {
			var err error
			if p, err = r.presentIn(tx, s.room, s.state); err != nil {
				return nil, err
			}
		}
		all[s.room] = p
	}
	for some := range slices.Chunk(uncounted, countedAtOnce) {
		counted, err := r.count(tx, some)
		if err != nil {
			return nil, err
		}
		for _, s := range some {
			p := counted[s.room]
			said, is := partial[s.room]
			p.enlist(said, is)
			r.present.put(s.room, p)
			all[s.room] = p
		}
	}
	return all, nil
}

// count counts the members of rooms by server.
func (r *Rooms) count(tx *sqldb.Tx, states []stateOf) (map[NID]*present, error) {
	all := map[NID]*present{}
	rooms := make([]NID, len(states))
	for i, s := range states {
		rooms[i] = s.room
		all[s.room] = &present{state: s.state, joined: map[id.Server]int{}}
	}
	rows, err := tx.Query(sqlJoinedInAll, sqldb.List(rooms))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var room NID
		var user id.User
		if err := rows.Scan(&room, &user); err != nil {
			return nil, err
		}
		all[room].joined[user.Server()]++
	}
	return all, rows.Err()
}

var errMany = errors.New("the states differ in many events")

// moveOn counts from one state to another by the events that they differ in; errMany where those are more than most. The state
// counted from may be unseen.
func (r *Rooms) moveOn(tx *sqldb.Tx, room NID, from *present, to pmap.Root, most int) (*present, error) {
	var gone, come []NID
	err := pmap.Diff(r.nodesOf(tx), from.state, to, func(_, was, is uint64) error {
		if was != 0 {
			gone = append(gone, NID(was))
		}
		if is != 0 {
			come = append(come, NID(is))
		}
		if len(gone)+len(come) > most {
			return errMany
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s := &present{state: to, joined: from.joined, list: from.list}
	moves := map[id.Server]int{}
	for step, nids := range map[int][]NID{-1: gone, 1: come} {
		for some := range slices.Chunk(nids, manyMoved) {
			events, err := r.LoadAll(tx, some)
			if err != nil {
				return nil, err
			}
			if len(events) < len(some) {
				return nil, errUnseen
			}
			for _, e := range events {
				if user, is := e.Event.StateKey(); is && e.Membership() == "join" {
					moves[id.User(user).Server()] += step
				}
			}
		}
	}
	maps.DeleteFunc(moves, func(_ id.Server, n int) bool { return n == 0 }) // a new name, a new picture
	others := from.said
	if len(moves) > 0 {
		s.joined = maps.Clone(from.joined)
	}
	for server, n := range moves {
		before := s.joined[server]
		if s.joined[server] = before + n; before+n <= 0 {
			delete(s.joined, server)
		}
		others = others || before <= 0 || before+n <= 0
	}
	if others {
		said, partial, err := r.Partial(tx, room)
		if err != nil {
			return nil, err
		}
		s.enlist(said, partial)
	}
	r.present.put(room, s)
	return s, nil
}

// enlist makes the list of the servers that were counted, and of those said to be there where not all members are known.
func (s *present) enlist(said []id.Server, partial bool) {
	s.said = partial
	s.list = append(slices.Collect(maps.Keys(s.joined)), said...)
	slices.Sort(s.list)
	s.list = slices.Compact(s.list)
}
