package remote

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
	"freehold.example/matrix/version"
)

// Room is a room as a remote has it: the graph of its events, and the state before each of them.
type Room struct {
	ID      id.Room
	Version *version.Version

	s       *Server
	nodes   map[id.Event]*node
	aside   map[id.Event]*event.Event // needed for state, with no place in the graph
	order   []*node
	ends    []id.Event        // forward extremities
	current stateres.StateMap // the state after them
	signers map[id.Server]event.Signer
}

// node is an event in its place.
type node struct {
	e      *event.Event
	parent *node             // its only previous event, where it has one that is here
	base   stateres.StateMap // the state before it, where there is no parent
}

// after is the state after the event. It costs the way back to where the state was written down.
func (n *node) after() stateres.StateMap {
	var way []*event.Event
	for n.parent != nil {
		way = append(way, n.e)
		n = n.parent
	}
	state := maps.Clone(n.base)
	if state == nil {
		state = stateres.StateMap{}
	}
	put(state, n.e)
	for _, e := range slices.Backward(way) {
		put(state, e)
	}
	return state
}

func (n *node) before() stateres.StateMap {
	if n.parent != nil {
		return n.parent.after()
	}
	return n.base
}

func put(state stateres.StateMap, e *event.Event) {
	if key, ok := e.StateKey(); ok {
		state[authrule.StateKey{Type: e.Type(), Key: key}] = e.ID()
	}
}

func (s *Server) newRoom(room id.Room, v *version.Version) *Room {
	return &Room{
		ID: room, Version: v, s: s, nodes: map[id.Event]*node{}, aside: map[id.Event]*event.Event{},
		current: stateres.StateMap{}, signers: map[id.Server]event.Signer{},
	}
}

// Text is the content of a message.
func Text(body string) map[string]any { return map[string]any{"msgtype": "m.text", "body": body} }

// NewRoom makes a room of a version, "12" or another: its create event, the creator's join, power levels, and everybody may
// join and read.
func (s *Server) NewRoom(roomVersion string, creator id.User) *Room {
	s.t.Helper()
	v, err := lookup(roomVersion)
	if err != nil {
		s.t.Fatal(err)
	}
	room := s.newRoom("", v)
	if !v.RoomIDIsCreateHash {
		room.ID = id.Room(fmt.Sprintf("!r%d-%d:%s", time.Now().UnixNano(), s.names.Add(1), s.Name))
	}
	create := map[string]any{"room_version": v.ID}
	if !v.ImplicitCreator {
		create["creator"] = creator
	}
	users := map[id.User]int{creator: 100}
	if v.CreatorsPrivileged {
		users = map[id.User]int{}
	}
	first := room.State(creator, "m.room.create", "", create)
	s.mu.Lock()
	room.ID = first.Room()
	s.rooms[room.ID] = room
	s.mu.Unlock()
	room.Member(creator, creator, "join")
	room.State(creator, "m.room.power_levels", "", map[string]any{"users": users})
	room.State(creator, "m.room.join_rules", "", map[string]any{"join_rule": "public"})
	room.State(creator, "m.room.history_visibility", "", map[string]any{"history_visibility": "shared"})
	return room
}

// Room is a room by its id, nil if there is none.
func (s *Server) Room(room id.Room) *Room {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rooms[room]
}

// Forget drops a room, as a server does that was started anew on nothing.
func (s *Server) Forget(room id.Room) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rooms, room)
}

// Change spoils or places an event that is being made.
type Change func(*event.Draft)

// After makes an event follow these instead of the ends of the room's graph. With Make, that is a fork on purpose.
func After(events ...*event.Event) Change {
	return func(d *event.Draft) {
		d.Prev, d.Depth = nil, 0
		for _, e := range events {
			d.Prev = append(d.Prev, e.ID())
			d.Depth = max(d.Depth, e.Depth()+1)
		}
	}
}

// At sets an event's origin_server_ts.
func At(ts time.Time) Change { return func(d *event.Draft) { d.Timestamp = ts.UnixMilli() } }

// Auth sets an event's auth_events, instead of what the rules select.
func Auth(events ...*event.Event) Change {
	return func(d *event.Draft) {
		d.Auth = []id.Event{}
		for _, e := range events {
			d.Auth = append(d.Auth, e.ID())
		}
	}
}

// Redacts names what an m.room.redaction redacts.
func Redacts(e id.Event) Change { return func(d *event.Draft) { d.Redacts = e } }

// Build makes and signs an event and puts it nowhere. key is nil for a message event. Nothing is checked, so that it may be
// an event that is not allowed.
func (room *Room) Build(sender id.User, typ string, key *string, content any, change ...Change) *event.Event {
	room.s.t.Helper()
	room.s.mu.Lock()
	defer room.s.mu.Unlock()
	e, err := room.build(sender, typ, key, content, change...)
	if err != nil {
		room.s.t.Fatalf("build %s: %v", typ, err)
	}
	return e
}

func (room *Room) build(sender id.User, typ string, key *string, content any, change ...Change) (*event.Event, error) {
	raw, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	d := event.Draft{Room: room.ID, Type: typ, StateKey: key, Sender: sender, Content: raw, Prev: room.ends, Timestamp: time.Now().UnixMilli()}
	for _, end := range room.ends {
		d.Depth = max(d.Depth, room.nodes[end].e.Depth()+1)
	}
	for _, c := range change {
		c(&d)
	}
	if d.Auth == nil {
		state, err := room.stateOf(d.Prev)
		if err != nil {
			return nil, err
		}
		for _, k := range authrule.Needed(room.Version, d.Type, d.Sender, d.StateKey, d.Content) {
			if e := state[k]; e != "" {
				d.Auth = append(d.Auth, e)
			}
		}
	}
	d.Hashes = map[id.Event][sha256.Size]byte{}
	for _, ref := range append(slices.Clone(d.Prev), d.Auth...) {
		if e := room.find(ref); e != nil {
			d.Hashes[ref] = e.ReferenceHash()
		}
	}
	signer, ok := room.signers[sender.Server()]
	if !ok {
		signer = room.s.signer
	}
	return event.Build(room.Version, d, signer)
}

// SignedBy has the events of users of another server signed with a key of that server's, such as another remote's Signer.
func (room *Room) SignedBy(signer event.Signer) {
	room.s.mu.Lock()
	defer room.s.mu.Unlock()
	room.signers[signer.Server] = signer
}

// Make is Build, and the event gets its place in this server's room. It is not sent.
func (room *Room) Make(sender id.User, typ string, content any, change ...Change) *event.Event {
	room.s.t.Helper()
	return room.made(sender, typ, nil, content, change...)
}

// State is Make for a state event.
func (room *Room) State(sender id.User, typ, key string, content any, change ...Change) *event.Event {
	room.s.t.Helper()
	return room.made(sender, typ, &key, content, change...)
}

// Member is State for a membership, by the sender, of a user.
func (room *Room) Member(sender, user id.User, membership string, change ...Change) *event.Event {
	room.s.t.Helper()
	return room.State(sender, "m.room.member", string(user), map[string]any{"membership": membership}, change...)
}

func (room *Room) made(sender id.User, typ string, key *string, content any, change ...Change) *event.Event {
	room.s.t.Helper()
	room.s.mu.Lock()
	defer room.s.mu.Unlock()
	e, err := room.build(sender, typ, key, content, change...)
	if err == nil {
		err = room.add(e)
	}
	if err != nil {
		room.s.t.Fatalf("make %s: %v", typ, err)
	}
	return e
}

// Send is Make, and the event goes to every server under test that is in the room; each must accept it.
func (room *Room) Send(sender id.User, typ string, content any, change ...Change) *event.Event {
	room.s.t.Helper()
	e := room.Make(sender, typ, content, change...)
	room.Share(e)
	return e
}

// SendState is Send for a state event.
func (room *Room) SendState(sender id.User, typ, key string, content any, change ...Change) *event.Event {
	room.s.t.Helper()
	e := room.State(sender, typ, key, content, change...)
	room.Share(e)
	return e
}

// Share sends events to every server under test that is in the room.
func (room *Room) Share(events ...*event.Event) {
	room.s.t.Helper()
	for _, x := range room.subjects("") {
		x.Accept(events...)
	}
}

// subjects are the servers under test with a user in the room before or after its newest event, but one.
func (room *Room) subjects(but id.Server) []*Subject {
	room.s.mu.Lock()
	defer room.s.mu.Unlock()
	in := map[id.Server]bool{}
	for key, e := range room.current {
		if key.Type == "m.room.member" && membership(room.find(e)) == "join" {
			in[id.User(key.Key).Server()] = true
		}
	}
	if len(room.order) > 0 { // who was put out is told
		if e := room.order[len(room.order)-1].e; e.Type() == "m.room.member" {
			key, _ := e.StateKey()
			in[id.User(key).Server()] = true
		}
	}
	var out []*Subject
	for name, x := range room.s.others {
		if in[name] && name != but {
			out = append(out, x)
		}
	}
	return out
}

func membership(e *event.Event) string {
	var content struct {
		Membership string `json:"membership"`
	}
	if e == nil || json.Unmarshal(e.Content(), &content) != nil {
		return ""
	}
	return content.Membership
}

// find is an event of the room, or beside it.
func (room *Room) find(e id.Event) *event.Event {
	if n := room.nodes[e]; n != nil {
		return n.e
	}
	return room.aside[e]
}

// Event is an event of the room, nil for one that is not here.
func (room *Room) Event(e id.Event) *event.Event {
	room.s.mu.Lock()
	defer room.s.mu.Unlock()
	return room.find(e)
}

// Events are the room's events in the order in which they came.
func (room *Room) Events() []*event.Event {
	room.s.mu.Lock()
	defer room.s.mu.Unlock()
	out := make([]*event.Event, len(room.order))
	for i, n := range room.order {
		out[i] = n.e
	}
	return out
}

// Ends are the room's forward extremities.
func (room *Room) Ends() []id.Event {
	room.s.mu.Lock()
	defer room.s.mu.Unlock()
	return slices.Clone(room.ends)
}

// Now is the room's state event of a type and key, nil where there is none.
func (room *Room) Now(typ, key string) *event.Event {
	room.s.mu.Lock()
	defer room.s.mu.Unlock()
	return room.find(room.current[authrule.StateKey{Type: typ, Key: key}])
}

// Membership is a user's, "" for nobody.
func (room *Room) Membership(user id.User) string {
	return membership(room.Now("m.room.member", string(user)))
}
