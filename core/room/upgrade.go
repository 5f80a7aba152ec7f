package room

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Room upgrades: https://spec.matrix.org/v1.19/client-server-api/#room-upgrades

// UpgradeRequest is what a room becomes.
type UpgradeRequest struct {
	Version            string
	AdditionalCreators []id.User // besides the caller, in versions that know them

	// Also is what other packages write in the same transaction, such as where aliases lead; it may be nil.
	Also func(tx *sqldb.Tx, from, to id.Room) error
}

const typeTombstone = "m.room.tombstone"

var errItself = fault.New(fault.InvalidParam, "A room cannot be replaced by itself")

// replacesItself is true of a tombstone, put as state or sent as a message, that sends people on to where they are.
func replacesItself(in id.Room, d *Draft) bool {
	var next struct {
		Room id.Room `json:"replacement_room"`
	}
	return d.Type == typeTombstone && json.Unmarshal(d.Content, &next) == nil && next.Room == in
}

// Upgrade replaces a room by a new one that has its settings. The new room with all its events, the tombstone of the old
// one and what Also writes are one transaction: there is no moment, and no crash, with half an upgrade. Who asks again for
// what she has done already gets the same room. Errors: M_UNSUPPORTED_ROOM_VERSION, M_NOT_FOUND, M_FORBIDDEN,
// M_INVALID_ROOM_STATE, M_TOO_LARGE.
func (r *Rooms) Upgrade(ctx context.Context, c Caller, room id.Room, q UpgradeRequest) (id.Room, error) {
	v, ok := version.Lookup(q.Version)
	if !ok {
		return "", fault.Newf(fault.UnsupportedRoomVersion, "This server does not know room version %q", q.Version)
	}
	if err := r.intern(ctx, authrule.StateKey{Type: typeTombstone}); err != nil {
		return "", err
	}
	for range maxTries {
		made, err := r.upgrade(ctx, c.User, room, v, &q)
		if !errors.Is(err, errStale) {
			return made, err
		}
	}
	return "", errBusy
}

// upgrade holds the lane of the old room until all is on disk: its settings must not change meanwhile, and it is the end
// of that room's traffic anyway.
func (r *Rooms) upgrade(ctx context.Context, user id.User, room id.Room, v *version.Version, q *UpgradeRequest) (id.Room, error) {
	unlock, err := r.lanes.Lock(ctx, room)
	if err != nil {
		return "", err
	}
	defer unlock()
	// What is queued of this room goes to the disk first, as the state to move is read from there.
	if err := r.DB.Write(ctx, func(*sqldb.Tx) error { return nil }); err != nil {
		return "", err
	}
	if h := r.heads.get(room); h != nil {
		r.heads.drop(h)
	}
	h, err := r.headOf(ctx, room)
	if err != nil {
		return "", err
	}
	if err := r.need(ctx, h, memberKey(user)); err != nil {
		return "", err
	}
	if h.state.Membership(user) != authrule.Join {
		return "", errNotIn
	}
	old := &settings{head: h, byKey: map[authrule.StateKey]*event.Event{}}
	var made id.Room // by this upgrade, when it was asked for before
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		if err := r.readSettings(tx, old); err != nil {
			return err
		}
		made, err = r.upgraded(tx, old, user, v)
		return err
	})
	if err != nil || made != "" {
		return made, err
	}
	if h.state.Level(user) < h.state.Power.Event(typeTombstone, true) {
		return "", fault.New(fault.Forbidden, "You may not upgrade this room")
	}
	return r.replace(ctx, old, user, v, q)
}

// settings is the state of the room that is replaced.
type settings struct {
	head  *head
	byKey map[authrule.StateKey]*event.Event
	bans  []*event.Event // of users, in the order of their ids
	links []*event.Event // children of a space and parents of any room, in the order of their rooms
}

// maxBans bounds how many bans come along; a room cannot be upgraded with more.
const maxBans = 5000

const sqlBans = `SELECT event FROM membership WHERE room = $1 AND membership = 'ban' ORDER BY user_id LIMIT $2`

func (r *Rooms) readSettings(tx *sqldb.Tx, old *settings) error {
	nids, err := sqldb.Column[NID](tx, sqlBans, old.head.nid, maxBans+1)
	if err != nil {
		return err
	}
	bans, err := r.LoadAll(tx, nids)
	if err != nil {
		return err
	}
	for _, s := range bans {
		old.bans = append(old.bans, s.Event)
	}
	events, err := r.Settings(tx, old.head.root)
	if err != nil {
		return err
	}
	for _, s := range events {
		e := s.Event
		key, _ := e.StateKey()
		switch typ := e.Type(); {
		case (typ == "m.space.child" || typ == "m.space.parent") && len(canon.Get(e.Content(), "via")) > 0:
			old.links = append(old.links, e)
		case key == "":
			old.byKey[authrule.StateKey{Type: typ}] = e
		}
	}
	if len(old.bans) > maxBans || len(old.links) > maxInitial {
		return fault.New(fault.TooLarge, "The room has more bans or spaces than can be moved to a new one")
	}
	slices.SortFunc(old.links, func(a, b *event.Event) int {
		x, _ := a.StateKey()
		y, _ := b.StateKey()
		return cmp.Or(cmp.Compare(a.Type(), b.Type()), cmp.Compare(x, y))
	})
	return nil
}

func (s *settings) get(typ string) *event.Event { return s.byKey[authrule.StateKey{Type: typ}] }

// upgraded finds the room that the user has upgraded this one to before; "" for none.
func (r *Rooms) upgraded(tx *sqldb.Tx, old *settings, user id.User, v *version.Version) (id.Room, error) {
	tombstone := old.get(typeTombstone)
	if tombstone == nil || tombstone.Sender() != user {
		return "", nil
	}
	next := roomIn(tombstone.Content(), "replacement_room")
	create, err := r.createOf(tx, next)
	if err != nil || create == nil {
		return "", err
	}
	if create.Version() != v || create.Sender() != user || predecessor(create) != old.head.room {
		return "", nil
	}
	return next, nil
}

// createOf reads a room's create event; nil for a room that is not here.
func (r *Rooms) createOf(tx *sqldb.Tx, room id.Room) (*event.Event, error) {
	now, err := r.Current(tx, room)
	if err != nil || len(now) == 0 {
		return nil, err
	}
	s, err := r.StateEvent(tx, now[0].State, keyCreate.Type, "")
	if err != nil || s == nil {
		return nil, err
	}
	return s.Event, nil
}

// predecessor is the room that the create event says the new one replaces, or "".
func predecessor(create *event.Event) id.Room {
	before := canon.Get(create.Content(), "predecessor")
	if len(before) == 0 || before[0] != '{' {
		return ""
	}
	return roomIn(before, "room_id")
}

// roomIn is the room id that a content has under a key, or "": PostgreSQL would not even look for what is none.
func roomIn(content []byte, key string) id.Room {
	room, err := id.ParseRoom(textIn(content, key))
	if err != nil {
		return ""
	}
	return room
}

// replace makes the new room and ends the old one.
func (r *Rooms) replace(ctx context.Context, old *settings, user id.User, v *version.Version, q *UpgradeRequest) (made id.Room, err error) {
	h := old.head
	expect := h.newest
	defer func() {
		if err != nil {
			r.heads.drop(h)
		}
	}()
	first, err := r.allot(ctx, 3)
	if err != nil {
		return "", err
	}
	var room id.Room
	var last id.Event
	var ends []*planned
	if !v.RoomIDIsCreateHash { // then the new room can name the event that ended the old one
		room = newRoomID(r.Server)
		if ends, err = r.end(ctx, old, user, room, first); err != nil {
			return "", err
		}
		last = ends[0].event.ID()
	}
	drafts, err := r.relocated(ctx, old, user, v, q, last)
	if err != nil {
		return "", err
	}
	begin, err := r.plan(ctx, user, v, room, drafts)
	if err != nil {
		return "", err
	}
	made = begin.head.room
	if ends == nil {
		if ends, err = r.end(ctx, old, user, made, first); err != nil {
			return "", err
		}
	}
	end := h.write(ends)
	end.expect = expect
	pending := r.DB.SubmitThen(len(end.events)+len(begin.events), func(tx *sqldb.Tx) error {
		if err := r.apply(tx, end, tx.Pos()); err != nil {
			return err
		}
		err := r.apply(tx, begin, tx.Pos()+sqldb.Pos(len(end.events)))
		if err != nil || q.Also == nil {
			return err
		}
		return q.Also(tx, h.room, made)
	}, func(err error) {
		r.landed(end, err)
		r.landed(begin, err)
	})
	if err := pending.Wait(context.WithoutCancel(ctx)); err != nil {
		return "", err
	}
	r.heads.put(begin.head)
	r.committed(begin)
	r.committed(end)
	return made, nil
}

// end builds the last events of the old room: the tombstone and, as far as the user may, that it has no canonical alias
// and that only those above the ordinary may speak and invite.
func (r *Rooms) end(ctx context.Context, old *settings, user id.User, made id.Room, first NID) ([]*planned, error) {
	h := old.head
	tombstone, err := r.append(ctx, h, user, state(typeTombstone, "", map[string]any{
		"body": "This room has been replaced", "replacement_room": made,
	}), first)
	if err != nil {
		return nil, err
	}
	ends := []*planned{tombstone}
	var rest []Draft
	if alias := old.get("m.room.canonical_alias"); alias != nil && !bytes.Equal(alias.Content(), []byte("{}")) {
		rest = append(rest, state("m.room.canonical_alias", "", map[string]any{}))
	}
	if closed := closedLevels(h, old.get(keyPower.Type)); closed != nil {
		rest = append(rest, restated(keyPower.Type, h.version, closed))
	}
	for i, d := range rest {
		p, err := r.append(ctx, h, user, d, first+1+NID(i))
		switch {
		case fault.Is(err, fault.Forbidden):
		case err != nil:
			return nil, err
		default:
			ends = append(ends, p)
		}
	}
	return ends, nil
}

// closedLevels is the power levels of a room that is not to be used any longer; nil where nothing would change, and for a
// room that has none, in which its creator would lose what she has without them.
func closedLevels(h *head, power *event.Event) map[string]any {
	if power == nil {
		return nil
	}
	content := object(power.Content())
	least := max(50, min(h.state.Power.UsersDefault()+1, maxLevel))
	changed := false
	for key, now := range map[string]authrule.Level{
		"events_default": h.state.Power.Event("", false), "invite": h.state.Power.Invite(),
	} {
		if now < least {
			content[key] = least
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return content
}
