package conformance

import (
	"slices"
	"testing"
	"time"
)

// 9 Joining, leaving, inviting, banning, kicking, forgetting

// member is the user's membership as a member of the room sees it now, "" when there is none.
func (u *user) member(room string, of *user) string {
	u.t.Helper()
	return u.state(room, "m.room.member", of.id).str("membership")
}

// sees waits until the user's sync from since on has the membership of other in the timeline of the room.
func (u *user) sees(since, room string, other *user, membership string) *answer {
	u.t.Helper()
	return u.soon(since, other.id+"'s "+membership, func(a *answer) bool { return a.membership(room, other, membership) })
}

func TestB107(t *testing.T) {
	alice := newUser(t)
	name := "b107-" + run
	room := alice.createRoom(obj{"preset": "public_chat", "room_alias_name": name})
	for _, at := range []string{
		path("/v3/rooms", room, "join"), path("/v3/join", room), path("/v3/join", "#"+name+":"+alice.server()),
	} {
		bob := newUser(t)
		before, own := alice.now(), bob.now()
		if got := bob.post(at, obj{}).ok(); !got.equals(obj{"room_id": room}) {
			t.Errorf("%s: got %s", got.asked, got.raw)
		}
		bob.soon(own, "the room", func(a *answer) bool { return !a.joined(room).missing() })
		alice.sees(before, room, bob, "join")
	}
}

func TestB108(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.post(path("/v3/join", room), obj{"foo": "bar"}).ok()
	if got := alice.state(room, "m.room.member", bob.id).ok(); got.str("foo") != "bar" || got.str("membership") != "join" {
		t.Errorf("got %s", got.raw)
	}
}

func TestB109(t *testing.T) {
	t.Parallel() // it waits
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	event := func() string {
		return bob.get(path("/v3/rooms", room, "state", "m.room.member", bob.id) + "?format=event").ok().str("event_id")
	}
	first := event()
	bob.join(room)
	time.Sleep(5 * time.Second)
	if got := event(); got != first || first == "" {
		t.Errorf("got %s after the second join, want %s", got, first)
	}
}

func TestB110(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(nil)
	bob.post(path("/v3/rooms", room, "join"), nil).fails(403, "M_FORBIDDEN")
	alice.invite(room, bob)
	bob.soon("", "the invite", func(a *answer) bool { return !a.invited(room).missing() })
	before, own := alice.now(), bob.now()
	bob.join(room)
	alice.sees(before, room, bob, "join")
	bob.sees(own, room, bob, "join")
}

func TestB111(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(nil)
	alice.invite(room, bob)
	if got := alice.member(room, bob); got != "invite" {
		t.Errorf("got %q", got)
	}
}

func TestB112(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	alice.about("invite", room, alice).fails(403, "M_FORBIDDEN")
	alice.about("invite", room, bob).fails(403, "M_FORBIDDEN")
}

func TestB113(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"invite": list{bob.id}})
	before := alice.now()
	bob.leave(room)
	alice.sees(before, room, bob, "leave")
}

func TestB114(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"invite": list{bob.id}})
	alice.leave(room)
	since := bob.now()
	bob.leave(room)
	a := bob.sync(since, nil)
	if a.left(room).missing() || !a.invited(room).missing() {
		t.Errorf("got %s", a.raw)
	}
	if a = bob.sync("", nil); !a.invited(room).missing() {
		t.Errorf("the invite is still there: %s", a.raw)
	}
}

func TestB115(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"name": "B115", "invite": list{bob.id}})
	stripped := bob.sync("", nil).invited(room).at("invite_state", "events")
	if got := stripped.find("m.room.member", bob.id).str("content", "membership"); got != "invite" {
		t.Errorf("got membership %q in %v", got, stripped)
	}
	for _, typ := range []string{"m.room.join_rules", "m.room.name"} {
		got := stripped.find(typ)
		if !got.missing() && !got.at("content").equals(alice.state(room, typ, "").ok().v) {
			t.Errorf("got %v", got)
		}
	}
}

func TestB116(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"invite": list{bob.id}})
	bob.join(room)
	levels, _ := alice.state(room, "m.room.power_levels", "").ok().v.(map[string]any)
	users, _ := levels["users"].(map[string]any)
	users[bob.id] = 100
	alice.setState(room, "m.room.power_levels", "", levels)
	alice.leave(room)
	bob.invite(room, alice)
	alice.join(room)
}

func TestB117(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	before, own := alice.now(), bob.now()
	bob.leave(room)
	alice.sees(before, room, bob, "leave")
	if got := alice.member(room, bob); got != "leave" {
		t.Errorf("got %q", got)
	}
	bob.soon(own, "the room that was left", func(a *answer) bool { return !a.left(room).missing() })
}

func TestB118(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	before := alice.now()
	alice.post(path("/v3/rooms", room, "ban"), obj{"user_id": bob.id, "reason": "because"}).ok()
	alice.sees(before, room, bob, "ban")
	if got := alice.state(room, "m.room.member", bob.id).ok(); got.str("membership") != "ban" || got.str("reason") != "because" {
		t.Errorf("got %s", got.raw)
	}
}

func TestB119(t *testing.T) {
	alice, bob, carol := newUser(t), newUser(t), newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat", "room_version": "11", "power_level_content_override": obj{
		"users": obj{alice.id: 100, bob.id: 100},
	}})
	carol.join(room)
	bob.about("ban", room, carol).fails(403, "M_FORBIDDEN")
}

func TestB120(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	alice.about("kick", room, bob).fails(403, "M_FORBIDDEN")
	bob.join(room)
	bob.leave(room)
	alice.about("kick", room, bob).fails(403, "M_FORBIDDEN")
}

func TestB122(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	if got := alice.get("/v3/joined_rooms").ok(); !got.at("joined_rooms").equals(list{room}) {
		t.Errorf("got %s", got.raw)
	}
}

func TestB123(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	alice.post(path("/v3/rooms", room, "forget"), obj{}).fails(400, "M_UNKNOWN")
}

func (u *user) forget(room string) {
	u.t.Helper()
	u.post(path("/v3/rooms", room, "forget"), obj{}).ok()
}

func TestForgotten(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	alice.send(room, "one")
	since := bob.now()
	bob.leave(room)
	bob.forget(room)
	alice.send(room, "two")
	t.Run("B124", func(t *testing.T) {
		bob.get(path("/v3/rooms", room, "messages")+"?dir=b").fails(403, "M_FORBIDDEN")
	})
	t.Run("B125", func(t *testing.T) {
		for _, filter := range []any{nil, obj{"room": obj{"include_leave": true}}} {
			a := bob.sync("", filter)
			if !a.joined(room).missing() || !a.invited(room).missing() || !a.left(room).missing() {
				t.Errorf("filter %v: got %s", filter, a.raw)
			}
		}
	})
	t.Run("B126", func(t *testing.T) {
		if a := bob.sync(since, nil); a.left(room).missing() {
			t.Errorf("got %s", a.raw)
		}
	})
}

func TestB127(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	alice.about("kick", room, bob).ok()
	if a := bob.sync("", nil); !a.joined(room).missing() || !a.invited(room).missing() {
		t.Errorf("got %s", a.raw)
	}
	bob.forget(room)
}

func TestB128(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"invite": list{bob.id}})
	bob.leave(room)
	bob.forget(room)
	alice.leave(room)
	alice.forget(room)
}

func TestB129(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"invite": list{bob.id}})
	bob.join(room)
	first := alice.send(room, "while you were here")
	bob.leave(room)
	bob.forget(room)
	bob.post(path("/v3/rooms", room, "join"), nil).fails(403, "M_FORBIDDEN")
	alice.invite(room, bob)
	bob.join(room)
	if got := bob.get(path("/v3/rooms", room, "messages") + "?dir=b&limit=100").ok().at("chunk").all("event_id"); !slices.Contains(got, first) {
		t.Errorf("got %v without %s", got, first)
	}
	newest := alice.send(room, "newest")
	if got := bob.get(path("/v3/rooms", room, "messages") + "?dir=b&limit=1").ok().at("chunk").all("event_id"); !slices.Equal(got, []string{newest}) {
		t.Errorf("got %v, want %s", got, newest)
	}
}

func TestB130(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	bob.put(path("/v3/profile", bob.id, "displayname"), obj{"displayname": "Bob"}).ok()
	room := alice.publicRoom()
	bob.join(room)
	a := alice.get(path("/v3/rooms", room, "joined_members")).ok()
	for _, u := range []*user{alice, bob} {
		entry := a.at("joined", u.id)
		if !entry.has("display_name") || !entry.has("avatar_url") {
			t.Errorf("%s: got %v", u.id, entry)
		}
	}
	if got := a.str("joined", bob.id, "display_name"); got != "Bob" {
		t.Errorf("got %q", got)
	}
}

func TestB131(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	bob.leave(room)
	bob.get(path("/v3/rooms", room, "joined_members")).fails(403, "M_FORBIDDEN")
}

// membersOf asks for /members and returns who is in the chunk, sorted.
func (u *user) membersOf(room, query string) []string {
	u.t.Helper()
	var ids []string
	for _, e := range u.get(path("/v3/rooms", room, "members") + query).ok().list("chunk") {
		if e.str("type") != "m.room.member" || e.str("room_id") != room {
			u.t.Errorf("/members has %v", e)
		}
		ids = append(ids, e.str("state_key"))
	}
	slices.Sort(ids)
	return ids
}

func sorted(users ...*user) []string {
	var ids []string
	for _, u := range users {
		ids = append(ids, u.id)
	}
	slices.Sort(ids)
	return ids
}

func TestMembers(t *testing.T) {
	alice, bob, carol, dan := newUser(t), newUser(t), newUser(t), newUser(t)
	room := alice.publicRoom()
	at := alice.sync("", nil).joined(room).str("timeline", "prev_batch")
	bob.join(room)
	carol.join(room)
	carol.leave(room)
	alice.invite(room, dan)
	for _, c := range []struct {
		line, query string
		want        []string
	}{
		{"B132", "", sorted(alice, bob, carol, dan)},
		{"B133", "?membership=join", sorted(alice, bob)},
		{"B133", "?membership=leave", sorted(carol)},
		{"B133", "?not_membership=leave", sorted(alice, bob, dan)},
		{"B134", "?at=" + at, sorted(alice)},
	} {
		t.Run(c.line, func(t *testing.T) {
			if got := alice.membersOf(room, c.query); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v, want %v", c.query, got, c.want)
			}
		})
	}
}

func TestB134(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	for range 30 {
		alice.send(room, "so that the timeline does not reach the beginning")
	}
	at := alice.sync("", nil).joined(room).str("timeline", "prev_batch")
	bob.join(room)
	if got := alice.membersOf(room, "?at="+at); !slices.Equal(got, sorted(alice)) {
		t.Errorf("got %v", got)
	}
}

func TestDeparted(t *testing.T) {
	alice, bob, carol := newUser(t), newUser(t), newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat", "name": "before", "initial_state": list{
		obj{"type": "m.room.history_visibility", "content": obj{"history_visibility": "joined"}},
	}})
	bob.join(room)
	alice.setState(room, "com.example", "k", obj{"v": "before"})
	m1, m2 := alice.send(room, "one"), alice.send(room, "two")
	bob.leave(room)
	next := bob.now()
	alice.setState(room, "com.example", "k", obj{"v": "after"})
	alice.setState(room, "m.room.name", "", obj{"name": "after"})
	alice.send(room, "three")
	carol.join(room)
	t.Run("B135", func(t *testing.T) {
		if got := bob.state(room, "com.example", "k").ok().str("v"); got != "before" {
			t.Errorf("the departed sees %q", got)
		}
		if got := bob.state(room, "m.room.name", "").ok().str("name"); got != "before" {
			t.Errorf("the departed sees the name %q", got)
		}
		if got := alice.state(room, "com.example", "k").ok().str("v"); got != "after" {
			t.Errorf("the member sees %q", got)
		}
	})
	t.Run("B136", func(t *testing.T) {
		chunk := bob.get(path("/v3/rooms", room, "members")).ok().at("chunk")
		if got := chunk.find("m.room.member", bob.id).str("content", "membership"); got != "leave" {
			t.Errorf("the departed is %q", got)
		}
		if !chunk.find("m.room.member", carol.id).missing() || chunk.find("m.room.member", alice.id).missing() {
			t.Errorf("got %v", chunk)
		}
	})
	t.Run("B137", func(t *testing.T) {
		chunk := bob.get(path("/v3/rooms", room, "messages") + "?dir=b&limit=3&from=" + next).ok().at("chunk")
		if len(chunk.list()) != 3 || chunk.at(0).str("state_key") != bob.id || chunk.str(1, "event_id") != m2 || chunk.str(2, "event_id") != m1 {
			t.Errorf("got %v", chunk)
		}
		if a := bob.get(path("/v3/rooms", room, "messages") + "?dir=f&from=" + next).ok(); len(a.list("chunk")) != 0 {
			t.Errorf("got %s", a.raw)
		}
	})
}
