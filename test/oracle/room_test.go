package oracle

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/matrix-org/gomatrixserverlib"
	"maunium.net/go/mautrix/federation/pdu"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
	"freehold.example/matrix/version"
)

// node is an event of a room's graph.
type node struct {
	event    *event.Event
	state    stateres.StateMap // after the event
	rejected bool

	gmsl    gomatrixserverlib.PDU
	mautrix *pdu.PDU // from room version 3 on
}

// room is a random room, and everything that was sent to it.
type room struct {
	d       *dice
	version *version.Version
	users   []id.User // those who may be named; some are never in the room
	nodes   []*node
	byID    map[id.Event]*node
	events  map[id.Event]*event.Event
	clock   int64
}

var identityKey = keyOf("id.example")

func newRoom(d *dice, v *version.Version) *room {
	r := &room{d: d, version: v, byID: make(map[id.Event]*node), events: make(map[id.Event]*event.Event), clock: 1_700_000_000_000}
	for _, name := range []string{"alice", "bob", "carol", "dave", "erin", "frank"} {
		r.users = append(r.users, id.NewUser(name, pick(d, servers...)))
	}
	creator := r.users[0]
	content := object().set("room_version", str(v.ID))
	if !v.ImplicitCreator {
		content.set("creator", str(string(creator)))
		if d.oneIn(10) {
			content.set("creator", str(string(r.users[1])))
		}
	}
	if d.oneIn(8) {
		content.set("m.federate", raw("false"))
	}
	if d.oneIn(3) {
		content.set("additional_creators", list(str(string(r.users[1]))))
	}
	dr := event.Draft{Type: "m.room.create", StateKey: new(""), Sender: creator, Content: content.bytes(), Depth: 1, Timestamp: r.tick()}
	if !v.RoomIDIsCreateHash {
		dr.Room = id.Room("!" + d.word() + ":" + string(creator.Server()))
	}
	e, err := event.Build(v, dr, signerOf(creator.Server()))
	if err != nil {
		panic(err)
	}
	n := r.add(e, stateres.StateMap{{Type: "m.room.create"}: e.ID()}, false)
	member := object().set("membership", str("join"))
	n = r.send(n, event.Draft{Type: "m.room.member", StateKey: new(string(creator)), Sender: creator, Content: member.bytes()})
	if !d.oneIn(4) {
		n = r.send(n, event.Draft{Type: "m.room.power_levels", StateKey: new(""), Sender: creator, Content: r.firstLevels().bytes()})
	}
	if !d.oneIn(5) {
		r.send(n, event.Draft{Type: "m.room.join_rules", StateKey: new(""), Sender: creator, Content: r.joinRules(n).bytes()})
	}
	return r
}

func (r *room) tick() int64 {
	if !r.d.oneIn(3) { // some have the same time, to try what breaks ties
		r.clock += r.d.Int64N(3000)
	}
	if r.d.oneIn(20) {
		return r.clock - r.d.Int64N(100_000) // a clock that is wrong
	}
	return r.clock
}

// add puts an event into the graph.
func (r *room) add(e *event.Event, before stateres.StateMap, rejected bool) *node {
	n := &node{event: e, state: before, rejected: rejected}
	if key, isState := e.StateKey(); isState && !rejected {
		n.state = maps.Clone(before)
		n.state[authrule.StateKey{Type: e.Type(), Key: key}] = e.ID()
	}
	n.gmsl, n.mautrix = theirs(e)
	r.nodes = append(r.nodes, n)
	r.byID[e.ID()], r.events[e.ID()] = n, e
	return n
}

// draft fills a draft in that is to follow the nodes in the state before it.
func (r *room) complete(dr *event.Draft, before stateres.StateMap, prev ...*node) {
	v := r.version
	if dr.Type != "m.room.create" || !v.RoomIDIsCreateHash {
		dr.Room = r.nodes[0].event.Room()
	}
	dr.Timestamp = r.tick()
	for _, p := range prev {
		dr.Prev = append(dr.Prev, p.event.ID())
		dr.Depth = max(dr.Depth, p.event.Depth()+1)
	}
	for _, key := range authrule.Needed(v, dr.Type, dr.Sender, dr.StateKey, dr.Content) {
		if name, has := before[key]; has {
			dr.Auth = append(dr.Auth, name)
		}
	}
	if v.HashedReferences {
		dr.Hashes = make(map[id.Event][32]byte)
		for _, name := range slices.Concat(dr.Prev, dr.Auth) {
			dr.Hashes[name] = r.events[name].ReferenceHash()
		}
	}
}

// build makes the event of a draft, and has it signed by the server of the user who vouches for a restricted join.
func (r *room) build(dr event.Draft) (*event.Event, error) {
	e, err := event.Build(r.version, dr, signerOf(dr.Sender.Server()))
	if err != nil {
		return nil, err
	}
	if by := authrule.ParseMember(e.Content()).Authoriser; by != "" && !r.d.oneIn(8) {
		return e.Sign(signerOf(by.Server()))
	}
	return e, nil
}

// send adds what follows a node, rejected where ours does not allow it.
func (r *room) send(after *node, dr event.Draft) *node {
	return r.merge(after.state, dr, after)
}

// merge adds what follows some nodes whose states were resolved.
func (r *room) merge(before stateres.StateMap, dr event.Draft, prev ...*node) *node {
	r.complete(&dr, before, prev...)
	e, err := r.build(dr)
	if err != nil {
		return prev[0] // content that the room version does not have
	}
	if known := r.byID[e.ID()]; known != nil {
		return known
	}
	return r.add(e, before, ourAuth(r.version, e, r.stateEvents(before)) != nil)
}

// stateEvents are the events of a state, in an order that is the same each time.
func (r *room) stateEvents(state stateres.StateMap) []*event.Event {
	list := make([]*event.Event, 0, len(state))
	for _, name := range state {
		list = append(list, r.events[name])
	}
	slices.SortFunc(list, func(a, b *event.Event) int { return strings.Compare(string(a.ID()), string(b.ID())) })
	return list
}

func (r *room) user() id.User { return pick(r.d, r.users...) }

// member is somebody who is joined, mostly.
func (r *room) member(at *node) id.User {
	for range 6 {
		u := r.user()
		name, has := at.state[authrule.StateKey{Type: "m.room.member", Key: string(u)}]
		if has && authrule.ParseMember(r.events[name].Content()).Membership == authrule.Join {
			return u
		}
	}
	return r.user()
}

// any is something to send after the node: sensible or not.
func (r *room) any(at *node) event.Draft {
	d := r.d
	dr := event.Draft{Sender: r.member(at), Content: []byte("{}")}
	switch d.IntN(20) {
	case 0, 1, 2, 3, 4, 5, 6, 7, 8:
		r.membership(at, &dr)
	case 9, 10, 11:
		dr.Type, dr.StateKey, dr.Content = "m.room.power_levels", new(""), r.levels(at).bytes()
	case 12:
		dr.Type, dr.StateKey, dr.Content = "m.room.join_rules", new(""), r.joinRules(at).bytes()
	case 13:
		dr.Type, dr.StateKey = "m.room.third_party_invite", new(pick(d, "token", "other"))
		key := base64.RawStdEncoding.EncodeToString(identityKey.Public().(ed25519.PublicKey))
		dr.Content = object().set("display_name", str("e...")).set("public_key", str(key)).set("key_validity_url", str("https://x")).
			set("public_keys", list(object().set("public_key", str(key)))).bytes()
	case 14:
		dr.Type, dr.Content = "m.room.aliases", []byte(`{"aliases":[]}`)
		dr.StateKey = new(string(pick(d, dr.Sender.Server(), pick(d, servers...))))
		if d.oneIn(8) {
			dr.StateKey = nil
		}
		if d.oneIn(3) {
			dr.Sender = r.user()
		}
	case 15:
		dr.Type, dr.Redacts = "m.room.redaction", pick(d, pick(d, r.nodes...).event.ID(), d.eventID(r.version))
	case 16, 17:
		dr.Type, dr.StateKey = pick(d, "m.room.topic", "m.room.name", "custom"), new("")
		dr.Content = object().set("topic", str(d.word())).bytes()
		if d.oneIn(3) {
			dr.StateKey = new(string(pick(d, dr.Sender, r.user())))
		}
	case 18:
		dr.Type = pick(d, "m.room.message", "custom")
		if d.oneIn(3) {
			dr.Sender = r.user()
		}
	case 19:
		dr.Type, dr.StateKey = pick(d, "m.room.server_acl", "m.room.tombstone", "m.room.encryption"), new("")
	}
	return dr
}

// membership is some m.room.member event.
func (r *room) membership(at *node, dr *event.Draft) {
	d := r.d
	target := r.user()
	membership := pick(d, "join", "join", "join", "invite", "invite", "leave", "leave", "ban", "ban", "knock", "knock")
	switch {
	case membership == "join" || membership == "knock":
		dr.Sender = target
		if d.oneIn(15) {
			dr.Sender = r.member(at)
		}
	case d.oneIn(4):
		dr.Sender = target
	}
	content := object().set("membership", str(membership))
	switch {
	case membership == "join" && d.oneIn(2) || d.oneIn(30):
		content.set("join_authorised_via_users_server", str(string(r.member(at))))
	case membership == "invite" && d.oneIn(4):
		content.set("third_party_invite", r.thirdPartyInvite(target))
		if d.oneIn(15) {
			content.set("third_party_invite", pick(d, raw("null"), list(), str("x")))
		}
	}
	if d.oneIn(40) {
		content.set("membership", pick(d, str("odd"), str(""), raw("null"), raw("1"), list()))
	}
	if d.oneIn(40) {
		content.remove("membership")
	}
	dr.Type, dr.StateKey, dr.Content = "m.room.member", new(string(target)), content.bytes()
	if d.oneIn(60) {
		dr.StateKey = nil
	}
	if d.oneIn(60) {
		dr.StateKey = new(pick(d, "", "x", "@x"))
	}
}

// thirdPartyInvite is an identity server's word for a user, or something wrong.
func (r *room) thirdPartyInvite(target id.User) *tree {
	d := r.d
	if d.oneIn(6) {
		target = r.user()
	}
	signed := object().set("mxid", str(string(target))).set("token", str(pick(d, "token", "token", "other", "no such")))
	key := identityKey
	if d.oneIn(8) {
		key = keyOf("wrong")
	}
	if d.oneIn(10) {
		signed.remove(pick(d, "mxid", "token"))
	}
	text, err := event.SignJSON(signed.bytes(), "id.example", "ed25519:0", key)
	if err != nil {
		panic(err)
	}
	invite := object().set("display_name", str("e..."))
	if d.oneIn(12) {
		return invite
	}
	return invite.set("signed", parseTree(text))
}

func (r *room) joinRules(at *node) *tree {
	d := r.d
	rules := []string{"public", "public", "invite", "knock", "restricted", "restricted", "knock_restricted", "private"}
	if r.version.KnockRule && d.oneIn(3) {
		rules = []string{"knock", "public"}
	}
	content := object().set("join_rule", str(pick(d, rules...)))
	if d.oneIn(2) {
		content.set("allow", list(object().set("type", str("m.room_membership")).set("room_id", str("!other:a.example"))))
	}
	if d.oneIn(25) {
		content.set("join_rule", pick(d, raw("null"), raw("1"), str("odd"), list()))
	}
	if d.oneIn(25) {
		content.remove("join_rule")
	}
	return content
}

// firstLevels are what a room begins with.
func (r *room) firstLevels() *tree {
	d := r.d
	users := object()
	if !r.version.CreatorsPrivileged {
		users.set(string(r.users[0]), number(100))
	}
	for _, u := range r.users[2:] {
		if d.oneIn(2) {
			users.set(string(u), number(pick(d, int64(0), 25, 50, 50, 99, 100)))
		}
	}
	return object().set("users", users)
}

var levelKeys = []string{"ban", "events_default", "invite", "kick", "redact", "state_default", "users_default"}

// levels are those of the room with something changed.
func (r *room) levels(at *node) *tree {
	d := r.d
	content := object().set("users", object())
	if name, has := at.state[authrule.StateKey{Type: "m.room.power_levels"}]; has {
		content = parseTree(r.events[name].Content())
	}
	for range 1 + d.IntN(2) {
		switch d.IntN(8) {
		case 0, 1, 2:
			content.set(pick(d, levelKeys...), r.level())
		case 3, 4, 5:
			if users := content.get("users"); users.kindIs('{') {
				if d.oneIn(4) {
					users.remove(string(r.user()))
				} else {
					users.set(string(r.user()), r.level())
				}
				if d.oneIn(40) {
					users.set(pick(d, "nobody", "@nobody", "", "@a:b:c", "@a:", "@:x"), r.level())
				}
			} else {
				content.set("users", object())
			}
		case 6:
			key := pick(d, "events", "notifications")
			if !content.get(key).kindIs('{') {
				content.set(key, object())
			}
			content.get(key).set(pick(d, "m.room.topic", "m.room.power_levels", "m.room.third_party_invite", "custom", "room"), r.level())
		case 7:
			content.remove(pick(d, append(levelKeys, "events", "notifications", "users")...))
		}
	}
	if d.oneIn(60) {
		content.set(pick(d, "users", "events", "notifications"), pick(d, raw("null"), list(), raw("1"), str("x")))
	}
	return content
}

func (r *room) level() *tree {
	d := r.d
	switch {
	case d.oneIn(20):
		return pick(d, str("50"), str(" 50 "), str("+5"), str("-1"), str("050"), str(""), str("x"), str("5.0"), str("1_0"), raw("null"), raw("true"), list(), object())
	case d.oneIn(30):
		return pick(d, raw("50.0"), raw("49.9"), raw("-0.5"), raw("1e2"), raw("9007199254740991"), raw("9007199254740992"), raw("-9007199254740991"), raw("9223372036854775807"), raw("9223372036854775808"), raw("1e30"))
	}
	return number(pick(d, int64(0), 0, 1, 25, 49, 50, 50, 51, 75, 99, 100, 100, 101, 1000, -1, -100))
}

// describe is an event in one line.
func describe(e *event.Event) string {
	key := "-"
	if k, isState := e.StateKey(); isState {
		key = fmt.Sprintf("%q", k)
	}
	return fmt.Sprintf("%.8s %s %s by %s %s prev %.8s auth %.8s depth %d ts %d", e.ID(), e.Type(), key, e.Sender(), e.Content(), e.Prev(), e.Auth(), e.Depth(), e.Timestamp())
}
