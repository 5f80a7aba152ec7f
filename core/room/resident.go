package room

import (
	"cmp"
	"container/heap"
	"database/sql"
	"errors"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
	"freehold.example/matrix/visible"
)

// Resident is what another server may be told of a room that this one is in. It is made inside a read transaction and
// lives as long.
type Resident struct {
	r       *Rooms
	tx      *sqldb.Tx
	server  id.Server
	Room    NID
	RoomID  id.Room
	Version *version.Version
	Partial bool      // this server does not know all of the room's state yet
	root    pmap.Root // the room's current state
	upto    sqldb.Pos // what arrived later is none of the server's business; 0: all is

	guests     []id.User // users of the server who have or had to do with the room; read when first asked for
	haveGuests bool
	memo       map[pmap.Root]authrule.Membership // the best that any of them was in a state; bounded by maxMoments
}

const (
	maxGuests  = 1000 // users of one server whose membership is looked at
	maxMoments = 1000
)

const (
	sqlResident = `SELECT nid, version, state FROM room WHERE room_id = $1`
	// A server name has no character that means something to LIKE.
	sqlGuests = `SELECT user_id FROM membership WHERE room = $1 AND user_id LIKE $2
		ORDER BY CASE WHEN membership = 'join' THEN 0 ELSE 1 END, event LIMIT $3`
)

// errNotHere is the answer for a room that this server is not in, or does not have.
var errNotHere = fault.New(fault.NotFound, "This server is not in that room")

// errOut is the answer to a server that is not in the room.
var errOut = fault.New(fault.Forbidden, "Your server is not in the room")

// errDenied is the answer to a server that the room's access list keeps out.
var errDenied = fault.New(fault.Forbidden, "The room's access list keeps your server out")

// Resident opens a room for another server that is in it. Errors: M_NOT_FOUND where this server is not in the room,
// M_FORBIDDEN where the other is not, or where the room's m.room.server_acl denies it.
func (r *Rooms) Resident(tx *sqldb.Tx, room id.Room, server id.Server) (*Resident, error) {
	v, err := r.Outsider(tx, room, server)
	if err != nil {
		return nil, err
	}
	in, err := r.hasServer(tx, v.Room, server)
	if err == nil && !in {
		err = errOut
	}
	return v, err
}

// Outsider is Resident for a server that need not be in the room, as one of which somebody wants to join.
func (r *Rooms) Outsider(tx *sqldb.Tx, room id.Room, server id.Server) (*Resident, error) {
	v, here, err := r.open(tx, room, server)
	if err == nil && !here {
		err = errNotHere
	}
	return v, err
}

// open is Outsider, also for a room that this server has left; here says whether it has not.
func (r *Rooms) open(tx *sqldb.Tx, room id.Room, server id.Server) (v *Resident, here bool, err error) {
	v = &Resident{r: r, tx: tx, server: server, RoomID: room, memo: map[pmap.Root]authrule.Membership{}}
	var versionID string
	var root []byte
	err = tx.Row(sqlResident, room).Scan(&v.Room, &versionID, &root)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, errNotHere
	}
	if err != nil {
		return nil, false, err
	}
	copy(v.root[:], root)
	var ok bool
	if v.Version, ok = version.Lookup(versionID); !ok {
		return nil, false, errors.New("stored room version " + versionID + " is unknown")
	}
	if here, err = r.hasServer(tx, v.Room, r.Server); err != nil {
		return nil, false, err
	}
	denied, err := r.DeniedIn(tx, v.root, server)
	switch {
	case err != nil:
		return nil, false, err
	case denied && !here:
		return nil, false, errNotHere
	case denied:
		return nil, true, errDenied
	}
	_, v.Partial, err = r.Partial(tx, v.Room)
	return v, here, err
}

// ServersAt lists the servers with somebody in the room in one of its states.
func (v *Resident) ServersAt(root pmap.Root) ([]id.Server, error) {
	return v.r.ServersAt(v.tx, v.Room, root)
}

// hasServer says whether a user of the server is joined to the room.
func (r *Rooms) hasServer(tx *sqldb.Tx, room NID, server id.Server) (bool, error) {
	servers, err := r.Servers(tx, room)
	_, found := slices.BinarySearch(servers, server)
	return found, err
}

// Event finds an event of this room. Errors: M_NOT_FOUND, also for one that was rejected.
func (v *Resident) Event(eventID id.Event) (*Stored, error) {
	s, err := v.r.ByID(v.tx, eventID)
	if err != nil {
		return nil, err
	}
	if s == nil || s.Room != v.Room || s.Aside == Rejected || v.upto != 0 && s.Pos > v.upto {
		return nil, fault.New(fault.NotFound, "This server does not have that event")
	}
	return s, nil
}

// Shown is the event as the server may have it: redacted where none of its users was entitled to see it, or where its
// sender was erased and none of them had it. Others refer to the event, so it is not left out.
func (v *Resident) Shown(s *Stored) (*event.Event, error) {
	whole, err := v.sees(s)
	if err != nil || whole {
		return s.Event, err
	}
	return s.Event.Redact()
}

// Told is an event of a state or of an auth chain, which the server needs whoever may see it: redacted where its sender was
// erased from this server, so that her name and picture go no further.
func (v *Resident) Told(s *Stored) (*event.Event, error) {
	if !v.r.erases(s) || s.Event.Sender().Server() == v.server {
		return s.Event, nil
	}
	return s.Event.Redact()
}

func (v *Resident) sees(s *Stored) (bool, error) {
	if s.Event.Sender().Server() == v.server {
		return true, nil
	}
	if _, isState := s.Event.StateKey(); s.Aside == Outlier { // what is no state was given for those who are in the room
		return isState, nil
	}
	before, err := v.r.StateBefore(v.tx, s)
	if err != nil {
		return false, err
	}
	history := visible.Shared
	set, err := v.r.StateEvent(v.tx, before, keyVisibility.Type, "")
	if err != nil {
		return false, err
	}
	if set != nil {
		history = visible.ParseHistory(set.Event.Content())
	}
	if hidden := v.r.erases(s); !hidden && visible.Allowed(history, authrule.Leave, true) {
		return true, nil // whoever of the server was in
	} else if best, err := v.bestOf(before, s); hidden || err != nil {
		return best == authrule.Join, err
	} else {
		return visible.ToServer(v.server, s.Event, history, best), nil
	}
}

// erases says whether the sender was erased from this server, and the event goes with her.
func (r *Rooms) erases(s *Stored) bool {
	if r.Erased == nil {
		return false
	}
	if _, state := s.Event.StateKey(); state && s.Event.Type() != "m.room.member" {
		return false
	}
	_, erased := r.Erased(s.Event.Sender())
	return erased
}

// bestOf is how far in the room any user of the server was in the state before an event, or by the event itself.
func (v *Resident) bestOf(before pmap.Root, s *Stored) (authrule.Membership, error) {
	best, err := v.best(before)
	key, _ := s.Event.StateKey()
	if err != nil || s.Event.Type() != "m.room.member" || id.User(key).Server() != v.server {
		return best, err
	}
	return better(best, authrule.Membership(s.Membership())), nil
}

func (v *Resident) best(root pmap.Root) (authrule.Membership, error) {
	if m, ok := v.memo[root]; ok {
		return m, nil
	}
	if !v.haveGuests {
		var err error
		if v.guests, err = sqldb.Column[id.User](v.tx, sqlGuests, v.Room, "%:"+string(v.server), maxGuests); err != nil {
			return "", err
		}
		v.haveGuests = true
	}
	best := authrule.Leave
	for _, user := range v.guests {
		if user.Server() != v.server {
			continue
		}
		m, err := v.r.membership(v.tx, root, user)
		if err != nil {
			return "", err
		}
		if best = better(best, m); best == authrule.Join {
			break
		}
	}
	if len(v.memo) >= maxMoments {
		clear(v.memo)
	}
	v.memo[root] = best
	return best, nil
}

// better is the one of two memberships that shows more: Join before Invite before anything else.
func better(a, b authrule.Membership) authrule.Membership {
	for _, m := range []authrule.Membership{authrule.Join, authrule.Invite} {
		if a == m || b == m {
			return m
		}
	}
	return a
}

// The bounds of one walk.
const (
	maxBackfill = 100  // events of a backfill
	maxLacking  = 100  // of an answer to which are missing
	maxNamed    = 1000 // events that a request may name
	maxSteps    = 3000 // events that are looked for
)

var errNamed = fault.Newf(fault.InvalidParam, "A request may name at most %d events", maxNamed)

// Backfill walks back from events of the room, which are the first of those it gives: the deepest first, at most limit or a
// hundred. Those that this server does not have are passed over. Errors: M_INVALID_PARAM for too many.
func (v *Resident) Backfill(from []id.Event, limit int) ([]*Stored, error) {
	if len(from) > maxNamed {
		return nil, errNamed
	}
	limit = min(limit, maxBackfill)
	var next frontier
	seen := map[id.Event]bool{}
	reach := func(events []id.Event) error {
		for _, e := range events {
			if seen[e] {
				continue
			}
			seen[e] = true
			s, err := v.r.ByID(v.tx, e)
			if err != nil {
				return err
			}
			if v.inGraph(s) {
				heap.Push(&next, s)
			}
		}
		return nil
	}
	if err := reach(from); err != nil {
		return nil, err
	}
	var out []*Stored
	for steps := 0; len(next) > 0 && len(out) < limit && steps < maxSteps; steps++ {
		s := heap.Pop(&next).(*Stored)
		if s.Aside != Rejected {
			out = append(out, s)
		}
		if err := reach(s.Event.Prev()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// inGraph says whether an event has parents in this room by which a walk goes on. Rejected ones have, and are not given.
func (v *Resident) inGraph(s *Stored) bool {
	return s != nil && s.Room == v.Room && s.Aside != Outlier && (v.upto == 0 || s.Pos <= v.upto)
}

// frontier is a heap of events, the deepest first, and of those the newest.
type frontier []*Stored

func (f frontier) Len() int           { return len(f) }
func (f frontier) Less(i, j int) bool { return deeper(f[i], f[j]) < 0 }
func (f frontier) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *frontier) Push(x any)        { *f = append(*f, x.(*Stored)) }

func (f *frontier) Pop() any {
	last := len(*f) - 1
	s := (*f)[last]
	*f = (*f)[:last]
	return s
}

func deeper(a, b *Stored) int {
	return cmp.Or(cmp.Compare(b.Depth, a.Depth), cmp.Compare(b.Pos, a.Pos))
}

// Gap is which events another server lacks: those before Latest, up to Earliest, which it has.
type Gap struct {
	Latest, Earliest []id.Event
	MinDepth         int64
	Limit            int // 10 when 0
}

// Missing walks back from the latest events, breadth first, and gives what it finds, oldest first: none of those that the
// gap names, none less deep than it wants, at most its limit or a hundred
// (https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1get_missing_eventsroomid). Errors:
// M_INVALID_PARAM for too many.
func (v *Resident) Missing(g Gap) ([]*Stored, error) {
	if len(g.Latest) > maxNamed || len(g.Earliest) > maxNamed {
		return nil, errNamed
	}
	limit := min(cmp.Or(g.Limit, 10), maxLacking)
	seen := map[id.Event]bool{}
	for _, e := range slices.Concat(g.Earliest, g.Latest) {
		seen[e] = true
	}
	has := map[id.Event]bool{}
	for _, e := range g.Earliest {
		has[e] = true
	}
	var queue []id.Event
	for _, e := range g.Latest {
		s, err := v.r.ByID(v.tx, e)
		if err != nil {
			return nil, err
		}
		if v.inGraph(s) && !has[e] {
			queue = append(queue, s.Event.Prev()...)
		}
	}
	var out []*Stored
	for steps := 0; len(queue) > 0 && len(out) < limit && steps < maxSteps; steps++ {
		e := queue[0]
		queue = queue[1:]
		if seen[e] {
			continue
		}
		seen[e] = true
		s, err := v.r.ByID(v.tx, e)
		if err != nil {
			return nil, err
		}
		if !v.inGraph(s) || s.Depth < g.MinDepth {
			continue
		}
		if s.Aside != Rejected {
			out = append(out, s)
		}
		queue = append(queue, s.Event.Prev()...)
	}
	slices.SortFunc(out, func(a, b *Stored) int { return deeper(b, a) })
	return out, nil
}

const sqlInvitedOf = `SELECT user_id FROM membership WHERE room = $1 AND membership = 'invite' AND user_id LIKE $2`

// Invites says whether a user of a server is invited to a room.
func (r *Rooms) Invites(tx *sqldb.Tx, room NID, server id.Server) (bool, error) {
	users, err := sqldb.Column[id.User](tx, sqlInvitedOf, room, "%:"+string(server))
	return slices.ContainsFunc(users, func(user id.User) bool { return user.Server() == server }), err // LIKE may not tell cases apart
}
