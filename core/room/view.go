package room

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"strings"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/visible"
)

// Viewer is what one user may see of one room. It is made inside a read transaction and lives as long.
type Viewer struct {
	r        *Rooms
	tx       *sqldb.Tx
	user     id.User
	Room     NID
	RoomID   id.Room
	Standing *Standing // nil for someone who never had to do with the room
	Parted   *Stored   // the member event that ended her last stay; nil while she is in, and if she never was
	current  pmap.Root
	oversees bool // she administers this server, and sees all that is stored

	stays []stay // the user's memberships, newest first, as far as they were asked for
	older NID    // the member event before those, 0 for none; with no stays it is not known yet
	memo  map[pmap.Root]moment
}

// stay is what the user's membership was from a position on.
type stay struct {
	from       sqldb.Pos
	membership string
}

// moment is what decides about seeing an event, in the state once it was in.
type moment struct {
	visibility visible.History
	membership authrule.Membership
}

const sqlRoomNow = `SELECT nid, state FROM room WHERE room_id = $1`

// Viewer opens a room for a user. Errors: M_FORBIDDEN, alike for a room that is not there, one the user has forgotten, and
// one she may not see anything of.
func (r *Rooms) Viewer(tx *sqldb.Tx, room id.Room, user id.User) (*Viewer, error) {
	v, err := r.Onlooker(tx, room, user)
	if err != nil {
		return nil, err
	}
	if v.Standing != nil {
		switch {
		case v.Standing.Forgotten:
			return nil, errNotIn
		case v.Joined() || v.Parted != nil:
			return v, nil
		}
	}
	now, err := v.at(v.current)
	if err != nil {
		return nil, err
	}
	if now.visibility == visible.WorldReadable || now.visibility == visible.Invited && now.membership == authrule.Invite {
		return v, nil
	}
	return nil, errNotIn
}

// Onlooker is Viewer for anybody: what she may see has still to be asked. Errors: M_FORBIDDEN for a room that is not there.
func (r *Rooms) Onlooker(tx *sqldb.Tx, room id.Room, user id.User) (*Viewer, error) {
	v := &Viewer{r: r, tx: tx, user: user, RoomID: room, memo: map[pmap.Root]moment{}}
	var root []byte
	err := tx.Row(sqlRoomNow, room).Scan(&v.Room, &root)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNotIn
	}
	if err != nil {
		return nil, err
	}
	copy(v.current[:], root)
	standing, err := r.standing(tx, room, user)
	if fault.Is(err, fault.Forbidden) {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	return r.ViewerOf(tx, standing, user)
}

// ViewerOf is Onlooker for a user whose standing in the room was read in this transaction.
func (r *Rooms) ViewerOf(tx *sqldb.Tx, s *Standing, user id.User) (*Viewer, error) {
	v := &Viewer{
		r: r, tx: tx, user: user, RoomID: s.RoomID, Room: s.Room, Standing: s, current: s.State, memo: map[pmap.Root]moment{},
	}
	var err error
	if !v.Joined() {
		v.Parted, err = r.parted(tx, s.Event)
	}
	return v, err
}

// parted goes back through a user's memberships of a room to the end of her last stay. nil: she never was in.
func (r *Rooms) parted(tx *sqldb.Tx, newest NID) (after *Stored, err error) {
	for s, err := range r.memberEvents(tx, newest) {
		if err != nil {
			return nil, err
		}
		if s.Membership() == "join" {
			return after, nil
		}
		after = s
	}
	return nil, nil
}

// Joined says whether the user is in the room now.
func (v *Viewer) Joined() bool { return v.Standing != nil && v.Standing.Membership == "join" }

// State is the root of the state the user sees: today's for members, and for everybody where the room is open to the
// world; that of the moment she left for those who are gone. Errors: M_FORBIDDEN for who never was in.
func (v *Viewer) State() (pmap.Root, error) {
	if v.oversees || v.Joined() {
		return v.current, nil
	}
	now, err := v.at(v.current)
	switch {
	case err != nil:
		return pmap.Root{}, err
	case now.visibility == visible.WorldReadable:
		return v.current, nil
	case v.Parted != nil:
		return v.Parted.State, nil
	}
	return pmap.Root{}, errNotIn
}

// Bound is the last position of which the user can see anything.
func (v *Viewer) Bound(upto sqldb.Pos) (sqldb.Pos, error) {
	if v.oversees || v.Standing == nil || v.Standing.Membership != "leave" && v.Standing.Membership != "ban" {
		return upto, nil
	}
	now, err := v.at(v.current)
	if err != nil || now.visibility == visible.WorldReadable {
		return upto, err
	}
	return min(upto, v.Standing.Pos), nil
}

// at is what decides, in the state with that root.
func (v *Viewer) at(root pmap.Root) (moment, error) {
	if m, ok := v.memo[root]; ok {
		return m, nil
	}
	m := moment{visibility: visible.Shared}
	e, err := v.r.StateEvent(v.tx, root, keyVisibility.Type, "")
	if err != nil {
		return m, err
	}
	if e != nil {
		m.visibility = visible.ParseHistory(e.Event.Content())
	}
	if m.membership, err = v.r.membership(v.tx, root, v.user); err != nil {
		return m, err
	}
	if len(v.memo) > 1000 {
		clear(v.memo)
	}
	v.memo[root] = m
	return m, nil
}

// Membership is the user's membership once the event was in: unsigned.membership. roughly goes by when events arrived,
// which is the same unless servers disagreed, and costs next to nothing.
func (v *Viewer) Membership(s *Stored, roughly bool) (string, error) {
	if s.State == v.current && v.Standing != nil {
		return v.Standing.Membership, nil
	}
	if roughly {
		seen := 0
		for x, err := range v.memberships {
			if err != nil || x.from <= s.Pos {
				return x.membership, err
			}
			if seen++; seen == maxRough {
				break
			}
		}
		if seen < maxRough {
			return string(authrule.Leave), nil
		}
	}
	m, err := v.at(s.State)
	return string(m.membership), err
}

// maxRough is how many memberships are gone through before the state at the event is asked, which costs as much as some of them: a room's
// first events would have all read that the user ever had there, each time that her client begins anew.
const maxRough = 16

// Sees says whether the user may see the event: by the visibility and her membership just before it, or for shared history
// by her having joined since.
func (v *Viewer) Sees(s *Stored) (bool, error) {
	if v.oversees {
		return true, nil
	}
	if s.State == v.current && v.Joined() {
		return true, nil // whatever the visibility, who is in the room then sees it
	}
	m, err := v.at(s.State)
	if err != nil {
		return false, err
	}
	if s.Event.IsState("m.room.member", string(v.user)) || s.Event.IsState(keyVisibility.Type, "") {
		if m, err = v.before(s, m); err != nil {
			return false, err
		}
	}
	allowed := func(joinedLater bool) bool {
		return visible.ToUser(v.user, s.Event, m.visibility, m.membership, joinedLater)
	}
	if allowed(false) || !allowed(true) {
		return allowed(false), nil
	}
	return v.joinedAfter(s.Pos)
}

// seesContent says whether the user may be told what a state event replaced: what she may see, and her own memberships.
// In a list of a room's members, those of others are not looked into.
func (v *Viewer) seesContent(old *Stored, list bool) (bool, error) {
	switch {
	case v == nil:
		return false, nil
	case old.Event.IsState("m.room.member", string(v.user)):
		return true, nil
	case list && old.Event.Type() == "m.room.member":
		return false, nil
	}
	return v.Sees(old)
}

// before is the moment before a state event that decides.
func (v *Viewer) before(s *Stored, m moment) (moment, error) {
	var old *Stored
	if s.Replaces != 0 {
		var err error
		if old, err = v.r.Load(v.tx, s.Replaces); err != nil {
			return m, err
		}
	}
	switch {
	case s.Event.Type() == "m.room.member" && old == nil:
		m.membership = authrule.Leave
	case s.Event.Type() == "m.room.member":
		m.membership = authrule.Membership(old.Membership())
	case old == nil:
		m.visibility = visible.Shared
	default:
		m.visibility = visible.ParseHistory(old.Event.Content())
	}
	return m, nil
}

// maxMemberships bounds the walk through a user's former memberships of a room.
const maxMemberships = 1000

// memberEvents are a user's member events of one room, from the newest back, each read when it is asked for; an error is the
// last.
func (r *Rooms) memberEvents(tx *sqldb.Tx, newest NID) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		nid := newest
		for range maxMemberships {
			if nid == 0 {
				return
			}
			s, err := r.Load(tx, nid)
			if !yield(s, err) || err != nil {
				return
			}
			nid = s.Replaces
		}
	}
}

// wasSince says whether a user had, after a moment of the stream, a membership of a kind. Of who had more than can be looked
// through it is taken to be so.
func (r *Rooms) wasSince(tx *sqldb.Tx, newest NID, since sqldb.Pos, kind func(membership string) bool) (bool, error) {
	seen := 0
	for s, err := range r.memberEvents(tx, newest) {
		if err != nil || s.Pos <= since {
			return false, err
		}
		if kind(s.Membership()) {
			return true, nil
		}
		seen++
	}
	return seen == maxMemberships, nil
}

// joinedAfter says whether the user joined the room at some time after pos.
func (v *Viewer) joinedAfter(pos sqldb.Pos) (bool, error) {
	for x, err := range v.memberships {
		if err != nil || x.membership == "join" {
			return x.from > pos, err
		}
	}
	return false, nil
}

// memberships are the user's in the room, newest first. Each is read when it is asked for, once: who renames herself every day
// has many, and it is seldom that more than the last of them matters.
func (v *Viewer) memberships(yield func(stay, error) bool) {
	if v.Standing == nil {
		return
	}
	if len(v.stays) == 0 {
		v.older = v.Standing.Event
	}
	for _, x := range v.stays {
		if !yield(x, nil) {
			return
		}
	}
	for s, err := range v.r.memberEvents(v.tx, v.older) {
		if err != nil {
			yield(stay{}, err)
			return
		}
		if len(v.stays) == maxMemberships {
			return
		}
		x := stay{s.Pos, s.Membership()}
		v.stays, v.older = append(v.stays, x), s.Replaces
		if !yield(x, nil) {
			return
		}
	}
}

var errNoEvent = fault.New(fault.NotFound, "There is no such event, or you may not see it")

// Event finds one event that the user may see. Errors: M_NOT_FOUND for every other case.
func (v *Viewer) Event(eventID id.Event) (*Stored, error) {
	s, err := v.r.Shown(v.tx, eventID)
	if err != nil {
		return nil, err
	}
	if s == nil || s.Room != v.Room {
		return nil, errNoEvent
	}
	ok, err := v.Sees(s)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoEvent
	}
	return s, nil
}

// The facts about rooms that other packages build on.

const (
	sqlIsMember    = `SELECT count(*) FROM membership m JOIN room r ON r.nid = m.room WHERE r.room_id = $1 AND m.user_id = $2 AND m.membership = 'join'`
	sqlRoomMembers = `SELECT m.user_id FROM membership m JOIN room r ON r.nid = m.room WHERE r.room_id = $1 AND m.membership = 'join'`
	sqlSharesRoom  = `SELECT count(*) FROM membership a JOIN membership b ON b.room = a.room WHERE a.user_id = $1 AND a.membership = 'join' AND b.user_id = $2 AND b.membership = 'join'`
	sqlSharedWith  = `SELECT string_agg(user_id, ' ') FROM (SELECT DISTINCT user_id FROM membership WHERE membership = 'join' AND room IN (SELECT room FROM membership WHERE membership = 'join' AND user_id IN ({list $1}))) x`
	sqlSharedUsers = `SELECT string_agg(user_id, ' ') FROM (SELECT DISTINCT b.user_id FROM membership a JOIN membership b ON b.room = a.room WHERE a.user_id = $1 AND a.membership = 'join' AND b.membership = 'join') x`
	sqlPublicUsers = `SELECT DISTINCT m.user_id FROM membership m JOIN room r ON r.nid = m.room WHERE r.open AND m.membership = 'join'`
	sqlEventPos    = `SELECT e.pos FROM event e JOIN room r ON r.nid = e.room WHERE e.event_id = $1 AND r.room_id = $2`
	sqlRoomExists  = `SELECT count(*) FROM room WHERE room_id = $1`
)

// IsMember says whether the user is joined to the room.
func (r *Rooms) IsMember(ctx context.Context, room id.Room, user id.User) (bool, error) {
	var n int
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) error { return tx.Row(sqlIsMember, room, user).Scan(&n) })
	return n > 0, err
}

// Exists says whether this server has the room.
func (r *Rooms) Exists(tx *sqldb.Tx, room id.Room) (bool, error) {
	var n int
	err := tx.Row(sqlRoomExists, room).Scan(&n)
	return n > 0, err
}

// LocalMembers lists the joined users of this server.
func (r *Rooms) LocalMembers(ctx context.Context, room id.Room) ([]id.User, error) {
	var local []id.User
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		users, err := sqldb.Column[id.User](tx, sqlRoomMembers, room)
		for _, user := range users {
			if user.Server() == r.Server {
				local = append(local, user)
			}
		}
		return err
	})
	return local, err
}

// EventPos is the position of an event of this room, or 0 when the room has no such event.
func (r *Rooms) EventPos(tx *sqldb.Tx, room id.Room, eventID id.Event) (sqldb.Pos, error) {
	var pos sqldb.Pos
	err := tx.Row(sqlEventPos, eventID, room).Scan(&pos)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return pos, err
}

// SharesRoom says whether both are joined to one room.
func (r *Rooms) SharesRoom(tx *sqldb.Tx, a, b id.User) (bool, error) {
	if tx.Peeking() {
		return r.shareNow(a, b, tx.Pos())
	}
	var n int
	err := tx.Row(sqlSharesRoom, a, b).Scan(&n)
	return n > 0, err
}

// shareNow is SharesRoom by what is in memory.
func (r *Rooms) shareNow(a, b id.User, at sqldb.Pos) (bool, error) {
	x, y := r.owns.get(a, at), r.owns.get(b, at)
	if x == nil || y == nil {
		return false, sqldb.ErrPeek
	}
	if len(x.rooms) > len(y.rooms) {
		x, y = y, x
	}
	for room, row := range x.rooms {
		if other := y.rooms[room]; row.Membership == "join" && other != nil && other.Membership == "join" {
			return true, nil
		}
	}
	return false, nil
}

// SharedUsers lists whoever is joined to a room that user is joined to, herself included.
func (r *Rooms) SharedUsers(tx *sqldb.Tx, user id.User) ([]id.User, error) {
	return usersOf(tx, sqlSharedUsers, user)
}

// usersOf reads users that come in one value, with a space between them: as rows they would cost a multiple of that, and
// there may be thousands. A localpart may have spaces in it, but no colon, and the name of a server has none.
func usersOf(tx *sqldb.Tx, q string, arg any) ([]id.User, error) {
	var all sql.NullString
	if err := tx.Row(q, arg).Scan(&all); err != nil || !all.Valid {
		return nil, err
	}
	users := make([]id.User, 0, strings.Count(all.String, " ")+1)
	for rest := all.String; rest != ""; {
		server := max(strings.IndexByte(rest, ':'), 0)
		name, _, _ := strings.Cut(rest[server:], " ")
		end := server + len(name)
		users = append(users, id.User(rest[:end]))
		rest = rest[min(end+1, len(rest)):]
	}
	return users, nil
}

// SharedWith lists whoever is joined to a room that any of the users is joined to, they included.
func (r *Rooms) SharedWith(tx *sqldb.Tx, users []id.User) ([]id.User, error) {
	if len(users) == 1 {
		return r.SharedUsers(tx, users[0])
	}
	return usersOf(tx, sqlSharedWith, sqldb.List(users))
}

// PublicUsers lists whoever is joined to a room that anybody may join or read.
func (r *Rooms) PublicUsers(tx *sqldb.Tx) ([]id.User, error) {
	return sqldb.Column[id.User](tx, sqlPublicUsers)
}

// View runs fn in a read transaction with what the user may see of the room. Errors: M_FORBIDDEN.
func (r *Rooms) View(ctx context.Context, room id.Room, user id.User, fn func(*sqldb.Tx, *Viewer) error) error {
	return r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := r.Viewer(tx, room, user)
		if err != nil {
			return err
		}
		return fn(tx, v)
	})
}
