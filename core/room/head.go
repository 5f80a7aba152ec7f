package room

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
	"freehold.example/matrix/version"
)

// head is where a room stands: everything a send needs to know. It belongs to whoever holds the room's lane. It may be
// ahead of the disk by the writes that are queued; if one of those fails, the head is dropped (heads.drop) and the next
// one is read from the database. It is bounded by the room's local members, and by maxAuth.
type head struct {
	nid         NID
	room        id.Room
	version     *version.Version
	whole       sqldb.Pos // as in Standing
	mended      sqldb.Pos // the same
	newest      NID       // the event that the next write expects to find as the stored head
	extremities []id.Event
	after       map[id.Event]pmap.Root // the state after each of them by the room's graph
	depth       int64
	root        pmap.Root
	hashes      map[id.Event][sha256.Size]byte // of the events above and below, where the room version wants them

	// The state that authorises: the create event, power levels and join rules, and the members who act, looked up as they
	// are needed. auth names the event of each key looked up so far, "" where there is none; state has them parsed.
	auth       map[authrule.StateKey]id.Event
	state      authrule.State
	visibility string // history visibility, "" where it is not set

	policy   *policy.Server // what m.room.policy names, nil for none; and its users who are joined, where it is another server
	guards   map[id.User]struct{}
	policing bool      // who has the lane asks the policy server,
	offer    *unsigned // and has come with this answer

	predecessor id.Room // the room that this one replaces, as its create event says; "" for none

	joined map[id.User]struct{} // local users who are joined
	topics []string             // what wakes them; appended to or replaced, never changed, as writes under way hold it

	mu    sync.Mutex // guards fresh and flying, which those who wait for the disk clear outside the lane
	fresh map[pmap.Root][]byte
	// flying are the events whose writes are queued, by their ids. Bounded by the queue of writes.
	flying map[id.Event]*planned

	rows int // when it was put into heads, which guards it
}

// heads keeps heads of rooms in use, bounded in number; any one may be dropped at any time.
type heads struct {
	mu    sync.Mutex        // guards all below; taken inside a lane, never the other way round
	m     map[id.Room]*head // bounded by limit, and by maxHeadRows
	limit int
	rows  int // of all heads, as they were put
}

// maxHeadRows is how many local members and authorising events the heads have together, of some 200 bytes each.
const maxHeadRows = 1_000_000

func newHeads(limit int) *heads { return &heads{m: map[id.Room]*head{}, limit: limit} }

func (h *heads) get(room id.Room) *head {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.m[room]
}

func (h *heads) put(x *head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(x.room)
	x.rows = len(x.joined) + len(x.auth)
	for room := range h.m {
		if len(h.m) < h.limit && h.rows+x.rows <= maxHeadRows {
			break
		}
		h.remove(room)
	}
	h.m[x.room] = x
	h.rows += x.rows
}

func (h *heads) remove(room id.Room) {
	if old := h.m[room]; old != nil {
		h.rows -= old.rows
		delete(h.m, room)
	}
}

// drop forgets x, unless another head has taken its place.
func (h *heads) drop(x *head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m[x.room] == x {
		h.remove(x.room)
	}
}

var errUnknownRoom = fault.New(fault.NotFound, "This server does not know that room")

const (
	sqlRoom    = `SELECT nid, version, head, depth, extremities, state, whole, mended FROM room WHERE room_id = $1`
	sqlMembers = `SELECT user_id FROM membership WHERE room = $1 AND membership = 'join'`
)

// headOf gives the room's head, reading it if need be. The caller holds the room's lane. Errors: M_NOT_FOUND for a room
// this server does not have.
func (r *Rooms) headOf(ctx context.Context, room id.Room) (*head, error) {
	if h := r.heads.get(room); h != nil && len(h.auth) < maxAuth {
		return h, nil
	}
	var h *head
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var err error
		h, err = r.readHead(tx, room)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.heads.put(h)
	return h, nil
}

func (r *Rooms) readHead(tx *sqldb.Tx, room id.Room) (*head, error) {
	var (
		h           = newHead(room)
		versionID   string
		extremities []byte
		root        []byte
	)
	err := tx.Row(sqlRoom, room).Scan(&h.nid, &versionID, &h.newest, &h.depth, &extremities, &root, &h.whole, &h.mended)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errUnknownRoom
	}
	if err != nil {
		return nil, err
	}
	v, ok := version.Lookup(versionID)
	if !ok {
		return nil, errors.New("stored room version " + versionID + " is unknown")
	}
	h.version = v
	if err := json.Unmarshal(extremities, &h.extremities); err != nil {
		return nil, fmt.Errorf("stored extremities of %s: %w", room, err)
	}
	copy(h.root[:], root)
	for _, edge := range h.extremities {
		if len(h.extremities) == 1 && !v.HashedReferences {
			h.after[edge] = h.root // which is what it is resolved from
			break
		}
		s, err := r.ByID(tx, edge)
		if err != nil {
			return nil, err
		}
		h.hash(s.Event)
		if h.after[edge], err = r.StateAfter(tx, s); err != nil {
			return nil, err
		}
	}
	if err := r.readAuth(tx, h, []authrule.StateKey{keyCreate, keyPower, keyJoinRules, keyVisibility, keyPolicy}); err != nil {
		return nil, err
	}
	rows, err := tx.Query(sqlMembers, h.nid)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var user id.User
		if err := rows.Scan(&user); err != nil {
			return nil, err
		}
		if user.Server() == r.Server {
			h.joined[user] = struct{}{}
			h.topics = append(h.topics, topic(user))
		}
		h.setGuard(r.Server, user, true)
	}
	return h, rows.Err()
}

func newHead(room id.Room) *head {
	return &head{
		room:   room,
		auth:   map[authrule.StateKey]id.Event{},
		joined: map[id.User]struct{}{},
		guards: map[id.User]struct{}{},
		hashes: map[id.Event][sha256.Size]byte{},
		fresh:  map[pmap.Root][]byte{},
		after:  map[id.Event]pmap.Root{},
		flying: map[id.Event]*planned{},
	}
}

var (
	keyCreate     = authrule.StateKey{Type: "m.room.create"}
	keyPower      = authrule.StateKey{Type: "m.room.power_levels"}
	keyJoinRules  = authrule.StateKey{Type: "m.room.join_rules"}
	keyVisibility = authrule.StateKey{Type: "m.room.history_visibility"}
	keyPolicy     = authrule.StateKey{Type: policy.Type}
)

func memberKey(user id.User) authrule.StateKey {
	return authrule.StateKey{Type: "m.room.member", Key: string(user)}
}

// maxAuth bounds how many authorising events a head keeps; past it the head is read anew.
const maxAuth = 4096

// need makes sure that the head knows the events of these keys. It reads the database only for members who have not
// acted since the head was loaded.
func (r *Rooms) need(ctx context.Context, h *head, keys ...authrule.StateKey) error {
	var missing []authrule.StateKey
	for _, key := range keys {
		if _, ok := h.auth[key]; ok {
			continue
		}
		if _, fresh, _ := r.keys.get(key); fresh { // nothing on disk has it
			h.auth[key] = ""
			continue
		}
		missing = append(missing, key)
	}
	if len(missing) == 0 {
		return nil
	}
	return r.DB.Read(ctx, func(tx *sqldb.Tx) error { return r.readAuth(tx, h, missing) })
}

// readAuth looks the keys up in the state on disk. For every key the head does not know yet that is the head's own state:
// of what queued writes change, the head was told by set.
func (r *Rooms) readAuth(tx *sqldb.Tx, h *head, keys []authrule.StateKey) error {
	var root []byte
	if err := tx.Row(`SELECT state FROM room WHERE nid = $1`, h.nid).Scan(&root); err != nil {
		if errors.Is(err, sql.ErrNoRows) { // a room that is being made
			for _, key := range keys {
				h.auth[key] = ""
			}
			return nil
		}
		return err
	}
	for _, key := range keys {
		if strings.IndexByte(key.Key, 0) >= 0 { // out of some content: no event has it
			h.auth[key] = ""
			continue
		}
		e, err := r.StateEvent(tx, pmap.Root(root), key.Type, key.Key)
		if err != nil {
			return err
		}
		if e == nil {
			h.auth[key] = ""
			continue
		}
		if err := h.set(key, e.Event); err != nil {
			return err
		}
	}
	return nil
}

// set records that e is now the state of its key.
func (h *head) set(key authrule.StateKey, e *event.Event) error {
	h.auth[key] = e.ID()
	h.hash(e)
	switch key {
	case keyVisibility:
		h.visibility = textIn(e.Content(), "history_visibility")
	case keyCreate:
		h.predecessor = predecessor(e)
	case keyPolicy:
		h.policy = nil
		if server, ok := policy.Parse(e.Content()); ok {
			h.policy = &server
		}
	}
	return h.state.Add(h.version, e)
}

// hash keeps what room versions 1 and 2 put beside a reference.
func (h *head) hash(e *event.Event) {
	if h.version.HashedReferences {
		h.hashes[e.ID()] = e.ReferenceHash()
	}
}

// open says whether anybody may join the room or read it.
func (h *head) open() bool {
	return h.visibility == "world_readable" || h.state.JoinRules != nil && h.state.JoinRules.Rule == authrule.RulePublic
}

// setJoined keeps the set of people to wake.
func (h *head) setJoined(user id.User, joined bool) {
	if _, was := h.joined[user]; was == joined {
		return
	}
	if joined {
		h.joined[user] = struct{}{}
		h.topics = append(h.topics, topic(user)) // those who hold it do not look beyond their own end
		return
	}
	delete(h.joined, user)
	gone := topic(user)
	h.topics = slices.DeleteFunc(slices.Clone(h.topics), func(t string) bool { return t == gone })
}

// setGuard keeps the set of another server's users that makes it the policy server. Which server that is changes with the
// state, after which the head is read anew.
func (h *head) setGuard(own id.Server, user id.User, joined bool) {
	switch {
	case h.policy == nil || h.policy.Name == own || user.Server() != h.policy.Name:
	case joined:
		h.guards[user] = struct{}{}
	default:
		delete(h.guards, user)
	}
}

// keep holds nodes of the state that are not on disk yet.
func (h *head) keep(nodes []pmap.Node) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range nodes {
		h.fresh[n.Address] = n.Body
	}
}

// launched takes down that events are on their way to the disk.
func (h *head) launched(w *write) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range w.all() {
		h.flying[p.event.ID()] = p
	}
}

// settled lets go of what is on disk now.
func (h *head) settled(w *write) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range w.all() {
		delete(h.flying, p.event.ID())
		for _, n := range p.nodes {
			delete(h.fresh, n.Address)
		}
	}
}

func topic(user id.User) string { return "u:" + string(user) }
