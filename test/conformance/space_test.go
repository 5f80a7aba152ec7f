package conformance

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// 25 Spaces and room summaries

// tree is the answer of /hierarchy; params are "limit=4".
func (u *user) tree(room string, params ...string) *answer {
	u.t.Helper()
	p := path("/v1/rooms", room, "hierarchy")
	if len(params) > 0 {
		p += "?" + strings.Join(params, "&")
	}
	return u.get(p)
}

func (u *user) space(body obj) string {
	u.t.Helper()
	all := obj{"creation_content": obj{"type": "m.space"}, "preset": "public_chat"}
	maps.Copy(all, body)
	return u.createRoom(all)
}

// link makes a room a child of a space; more goes into the content.
func (u *user) link(space, child string, more ...obj) {
	u.t.Helper()
	content := obj{"via": list{u.server()}}
	for _, m := range more {
		maps.Copy(content, m)
	}
	u.setState(space, "m.space.child", child, content)
	time.Sleep(2 * time.Millisecond) // children are ordered by time, and only then by their ids
}

func rule(rule string, allow ...string) obj {
	content := obj{"join_rule": rule}
	if len(allow) > 0 {
		entries := list{}
		for _, room := range allow {
			entries = append(entries, obj{"type": "m.room_membership", "room_id": room, "via": list{"here.example"}})
		}
		content["allow"] = entries
	}
	return obj{"initial_state": list{obj{"type": "m.room.join_rules", "state_key": "", "content": content}}}
}

// family is the space of B341: R1, SS1 with SS2 (with R3 and R4) below it, R2.
type family struct {
	root, r1, ss1, ss2, r2, r3, r4 string
}

func newFamily(alice *user) family {
	f := family{
		root: alice.space(obj{"name": "Root"}), ss1: alice.space(nil), ss2: alice.space(obj{"name": "Sub"}),
		r1: alice.publicRoom(), r2: alice.publicRoom(), r3: alice.publicRoom(), r4: alice.publicRoom(),
	}
	for _, l := range [][2]string{{f.root, f.r1}, {f.root, f.ss1}, {f.root, f.r2}, {f.ss1, f.ss2}, {f.ss2, f.r3}, {f.ss2, f.r4}} {
		alice.link(l[0], l[1])
	}
	return f
}

func (a *answer) wantRooms(want ...string) {
	a.t.Helper()
	if got := a.ok().at("rooms").all("room_id"); !slices.Equal(got, want) {
		a.t.Errorf("%s: got rooms\n%v, want\n%v", a.asked, got, want)
	}
}

func TestB337(t *testing.T) { // and B338, B339
	alice, bob := newUser(t), newUser(t)
	f := newFamily(alice)
	alice.link(f.r1, f.r4) // a room that is no space has no children
	alice.link(f.ss2, f.root)
	alice.link(f.root, f.r4, obj{"order": "z"})
	alice.link(f.root, "!elsewhere:example.org")
	alice.link(f.root, "nonsense")
	for _, u := range []*user{alice, bob} {
		a := u.tree(f.root)
		a.wantRooms(f.root, f.r4, f.r1, f.ss1, f.ss2, f.r3, f.r2)
		root, r1 := a.at("rooms", 0), a.at("rooms", 2)
		if root.str("name") != "Root" || root.str("room_type") != "m.space" || root.str("join_rule") != "public" || root.num("num_joined_members") != 1 {
			t.Errorf("got root %v", root)
		}
		var links []string
		for _, l := range root.list("children_state") {
			links = append(links, l.str("state_key"))
			if l.str("type") != "m.space.child" || l.str("sender") != alice.id || !l.isNumber("origin_server_ts") || !l.isList("content", "via") {
				t.Errorf("got link %v", l)
			}
		}
		if !slices.Equal(links, []string{f.r4, f.r1, f.ss1, f.r2, "!elsewhere:example.org"}) {
			t.Errorf("got links %v", links)
		}
		if !r1.isList("children_state") || len(r1.list("children_state")) != 0 || r1.has("room_type") {
			t.Errorf("got room %v", r1)
		}
		one := u.tree(f.root, "max_depth=1")
		one.wantRooms(f.root, f.r4, f.r1, f.ss1, f.r2)
		if len(one.list("rooms", 3, "children_state")) != 1 {
			t.Errorf("the sub-space has no links: %s", one.raw)
		}
		u.tree(f.root, "max_depth=0").wantRooms(f.root)
	}
}

func TestB340(t *testing.T) {
	alice := newUser(t)
	f := newFamily(alice)
	alice.link(f.root, f.ss1, obj{"suggested": true})
	alice.link(f.root, f.r2, obj{"suggested": "true"})
	alice.link(f.ss1, f.ss2, obj{"suggested": true})
	alice.link(f.ss2, f.r4, obj{"suggested": true})
	a := alice.tree(f.root, "suggested_only=true")
	a.wantRooms(f.root, f.ss1, f.ss2, f.r4)
	for i, want := range []string{f.ss1, f.ss2, f.r4} {
		if got := a.at("rooms", i, "children_state").all("state_key"); !slices.Equal(got, []string{want}) {
			t.Errorf("got links %v, want %s", got, want)
		}
	}
}

func TestB341(t *testing.T) {
	alice := newUser(t)
	f := newFamily(alice)
	all := []string{f.root, f.r1, f.ss1, f.ss2, f.r3, f.r4, f.r2}
	for limit := 1; limit <= 8; limit++ {
		var got []string
		from := ""
		for page := 0; ; page++ {
			a := alice.tree(f.root, fmt.Sprint("limit=", limit), "from="+url.QueryEscape(from)).ok()
			got = append(got, a.at("rooms").all("room_id")...)
			if from = a.str("next_batch"); from == "" {
				break
			}
			if page > 7 {
				t.Fatal("paging does not come to an end")
			}
		}
		if !slices.Equal(got, all) {
			t.Errorf("limit %d: got %v, want %v", limit, got, all)
		}
	}
	first := alice.tree(f.root, "limit=4")
	first.wantRooms(all[:4]...)
	alice.setState(f.ss1, "m.space.child", f.ss2, obj{}) // the place where the page ended is gone
	alice.tree(f.root, "from="+first.str("next_batch")).wantRooms()
	alice.link(f.ss1, f.ss2)
	rest := alice.tree(f.root, "from="+first.str("next_batch"))
	rest.wantRooms(all[4:]...)
	if rest.has("next_batch") {
		t.Errorf("there is more after the end: %s", rest.raw)
	}
	for _, bad := range []string{"limit=0", "limit=-1", "limit=x", "max_depth=-1", "max_depth=1.5", "suggested_only=perhaps", "from=nonsense"} {
		alice.tree(f.root, bad).fails(400, "M_INVALID_PARAM")
	}
	next := "from=" + first.str("next_batch")
	alice.tree(f.root, next, "suggested_only=true").fails(400, "M_INVALID_PARAM")
	alice.tree(f.root, next, "max_depth=1").fails(400, "M_INVALID_PARAM")
	alice.tree(f.root, next, "suggested_only=false").ok()
}

func TestB342(t *testing.T) {
	alice := newUser(t)
	f := newFamily(alice)
	alice.setState(f.root, "m.space.child", f.r1, obj{})
	alice.setState(f.root, "m.space.child", f.r2, obj{"via": "here"})
	a := alice.tree(f.root)
	a.wantRooms(f.root, f.ss1, f.ss2, f.r3, f.r4)
	if got := a.at("rooms", 0, "children_state").all("state_key"); !slices.Equal(got, []string{f.ss1}) {
		t.Errorf("got links %v", got)
	}
}

func TestB343(t *testing.T) { // and B344
	alice, bob := newUser(t), newUser(t)
	f := newFamily(alice)
	private := alice.createRoom(nil)
	alice.link(f.root, private)
	alice.setState(f.ss1, "m.room.join_rules", "", obj{"join_rule": "invite"})
	a := bob.tree(f.root)
	a.wantRooms(f.root, f.r1, f.r2)
	if got := a.at("rooms", 0, "children_state").all("state_key"); !slices.Equal(got, []string{f.r1, f.ss1, f.r2, private}) {
		t.Errorf("got links %v", got)
	}
	alice.invite(private, bob)
	bob.tree(f.root).wantRooms(f.root, f.r1, f.r2, private)
	alice.invite(f.ss1, bob)
	bob.tree(f.root).wantRooms(f.root, f.r1, f.ss1, f.ss2, f.r3, f.r4, f.r2, private)
	bob.leave(private)
	bob.tree(f.root).wantRooms(f.root, f.r1, f.ss1, f.ss2, f.r3, f.r4, f.r2)
	alice.about("ban", f.r2, bob).ok()
	bob.tree(f.root).wantRooms(f.root, f.r1, f.ss1, f.ss2, f.r3, f.r4)
	bob.tree(private).fails(403, "M_FORBIDDEN")
	bob.tree("!unknown:"+bob.server()).fails(403, "M_FORBIDDEN")
	nobody(t).tree(f.root).fails(401)
}

func TestB346(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	root, club := alice.space(nil), alice.publicRoom()
	var rooms []string
	for _, r := range []struct {
		version, rule string
		shown         bool // to who is not in the club
	}{
		{"12", "restricted", false},
		{"12", "knock_restricted", true},
		{"12", "knock", true},
		{"7", "restricted", false},       // no rule of that version
		{"9", "knock_restricted", false}, // nor this
		{"6", "knock", false},
		{"12", "private", false},
	} {
		body := rule(r.rule, club)
		body["room_version"] = r.version
		room := alice.createRoom(body)
		alice.link(root, room)
		if r.shown {
			rooms = append(rooms, room)
		} else if r.version == "12" && r.rule == "restricted" {
			defer func() {
				bob.join(club)
				bob.tree(root).wantRooms(slices.Concat([]string{root, room}, rooms)...)
				bob.leave(club)
				bob.tree(root).wantRooms(slices.Concat([]string{root}, rooms)...)
			}()
		}
	}
	bob.tree(root).wantRooms(slices.Concat([]string{root}, rooms)...)
}

func TestB348(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	club := alice.publicRoom()
	name := "b348-" + run
	public := alice.createRoom(obj{
		"preset": "public_chat", "room_alias_name": name, "name": "Name", "topic": "Topic", "room_version": "11",
		"initial_state": list{obj{"type": "m.room.encryption", "content": obj{"algorithm": "m.megolm.v1.aes-sha2"}}},
	})
	for _, p := range []string{
		path("/v1/room_summary", public), path("/v1/room_summary", "#"+name+":"+alice.server()),
		path("/unstable/im.nheko.summary/summary", public), path("/unstable/im.nheko.summary/rooms", public, "summary"),
	} {
		for _, c := range []struct {
			who        *user
			membership string
		}{{alice, "join"}, {bob, "leave"}, {nobody(t), ""}} {
			a := c.who.get(p).ok()
			if a.str("room_id") != public || a.str("join_rule") != "public" || a.str("name") != "Name" || a.str("topic") != "Topic" ||
				a.str("room_version") != "11" || a.str("encryption") != "m.megolm.v1.aes-sha2" || a.num("num_joined_members") != 1 ||
				a.str("membership") != c.membership || a.has("allowed_room_ids") || a.flag("world_readable") || a.flag("guest_can_join") {
				t.Errorf("%s: got %s", a.asked, a.raw)
			}
		}
	}
	restricted := alice.createRoom(rule("restricted", club))
	a := alice.get(path("/v1/room_summary", restricted)).ok()
	if a.str("join_rule") != "restricted" || !a.at("allowed_room_ids").equals(list{club}) {
		t.Errorf("got %s", a.raw)
	}
	bob.get(path("/v1/room_summary", restricted)).fails(404, "M_NOT_FOUND")
	bob.join(club)
	bob.get(path("/v1/room_summary", restricted)).ok()
	private := alice.createRoom(nil)
	for _, u := range []*user{bob, nobody(t)} {
		u.get(path("/v1/room_summary", private)).fails(404, "M_NOT_FOUND")
		u.get(path("/v1/room_summary", "!unknown:"+alice.server())).fails(404, "M_NOT_FOUND")
		u.get(path("/v1/room_summary", "#unknown:"+alice.server())).fails(404, "M_NOT_FOUND")
		u.get(path("/v1/room_summary", "unknown")).fails(400, "M_INVALID_PARAM")
	}
	alice.invite(private, bob)
	if got := bob.get(path("/v1/room_summary", private)).ok().str("membership"); got != "invite" {
		t.Errorf("got membership %q", got)
	}
}

// TestRedactedState: what is redacted is gone from where others find the room, though the room's state is the same events.
func TestRedactedState(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	root, child := alice.space(nil), alice.publicRoom()
	word := "w" + run
	alice.link(root, child)
	name := alice.setState(root, "m.room.name", "", obj{"name": word})
	alice.put(path("/v3/directory/list/room", root), obj{"visibility": "public"}).ok()
	find := func() []string {
		return bob.post("/v3/publicRooms", obj{"filter": obj{"generic_search_term": word}}).ok().at("chunk").all("room_id")
	}
	bob.tree(root).wantRooms(root, child)
	if got := find(); !slices.Equal(got, []string{root}) {
		t.Errorf("found %v", got)
	}
	link := alice.get(path("/v3/rooms", root, "state", "m.space.child", child) + "?format=event").ok().str("event_id")
	for i, event := range []string{link, name} {
		alice.put(path("/v3/rooms", root, "redact", event, fmt.Sprint("r", i)), obj{}).ok()
	}
	a := bob.tree(root)
	a.wantRooms(root)
	if a.at("rooms", 0).has("name") || len(a.list("rooms", 0, "children_state")) != 0 {
		t.Errorf("got %s", a.raw)
	}
	if got := bob.get(path("/v1/room_summary", root)).ok(); got.has("name") {
		t.Errorf("got %s", got.raw)
	}
	if got := find(); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}
