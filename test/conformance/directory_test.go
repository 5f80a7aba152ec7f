package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// 22 Room directory, aliases, public rooms

// newAlias is an alias that nobody has; name may be any text.
func (u *user) newAlias(name string) string {
	return fmt.Sprintf("#%s-%s-%d:%s", name, run, count.Add(1), u.server())
}

func (u *user) putAlias(alias, room string) *answer {
	u.t.Helper()
	return u.put(path("/v3/directory/room", alias), obj{"room_id": room})
}

func (u *user) dropAlias(alias string) *answer {
	u.t.Helper()
	return u.do("DELETE", path("/v3/directory/room", alias), nil)
}

func (u *user) resolve(alias string) *answer {
	u.t.Helper()
	return u.get(path("/v3/directory/room", alias))
}

func TestB307(t *testing.T) {
	alice := newUser(t)
	room, alias := alice.createRoom(nil), alice.newAlias("b307")
	alice.putAlias(alias, room).ok()
	a := alice.resolve(alias).ok()
	if a.str("room_id") != room || !a.at("servers").equals(list{alice.server()}) {
		t.Errorf("got %s", a.raw)
	}
	alice.putAlias(alias, room).fails(409)
}

func TestB308(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	for _, name := range []string{"ÜBER/☃", "a b", "日本語", "🏠%2F?x=#1"} {
		alias := alice.newAlias(name)
		alice.putAlias(alias, room).ok()
		if got := bob.resolve(alias).ok().str("room_id"); got != room {
			t.Errorf("%s: got %s, want %s", alias, got, room)
		}
	}
}

func TestB309(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(nil)
	aliases := func() value { return alice.get(path("/v3/rooms", room, "aliases")).ok().at("aliases") }
	if got := aliases(); !got.equals(list{}) {
		t.Errorf("at first: got %v", got)
	}
	one, two := alice.newAlias("one"), alice.newAlias("two")
	alice.putAlias(one, room).ok()
	alice.putAlias(two, room).ok()
	got := words(aliases())
	slices.Sort(got)
	if want := []string{one, two}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	bob.get(path("/v3/rooms", room, "aliases")).fails(403, "M_FORBIDDEN")
}

func TestB310(t *testing.T) {
	alice, bob, room := pair(t)
	alias := bob.newAlias("b310")
	bob.putAlias(alias, room).ok()
	alice.setState(room, "m.room.canonical_alias", "", obj{"alias": alias})
	bob.dropAlias(alias).ok()
	bob.resolve(alias).fails(404)
}

func TestB311(t *testing.T) {
	alice := newUser(t)
	alias := alice.newAlias("b311")
	alice.dropAlias(alias).fails(404, "M_NOT_FOUND")
	alice.putAlias(alias, alice.createRoom(nil)).ok()
	alice.dropAlias(alias).ok()
	alice.resolve(alias).fails(404, "M_NOT_FOUND")
	alice.dropAlias(alias).fails(404, "M_NOT_FOUND")
}

func TestB312(t *testing.T) {
	alice := newUser(t)
	room, alias := alice.createRoom(nil), alice.newAlias("b312")
	alice.putAlias(alias, room).ok()
	alice.setState(room, "m.room.canonical_alias", "", obj{"alias": alias, "alt_aliases": list{alias}})
	since := alice.now()
	alice.dropAlias(alias).ok()
	alice.soon(since, "an empty canonical alias", func(a *answer) bool {
		return a.timeline(room).find("m.room.canonical_alias", "").at("content").equals(obj{})
	})
}

func TestB313(t *testing.T) {
	alice, bob, room := pair(t)
	for i := range 2 {
		alias := bob.newAlias("b313")
		bob.putAlias(alias, room).ok()
		bob.dropAlias(alias).ok()
		if i == 0 {
			levels := alice.state(room, "m.room.power_levels", "").ok().v.(map[string]any)
			levels["events"].(map[string]any)["m.room.aliases"] = 50
			alice.setState(room, "m.room.power_levels", "", levels)
		}
	}
}

func TestB314(t *testing.T) {
	alice, bob, room := pair(t)
	charlie := newUser(t)
	charlie.join(room)
	alias := charlie.newAlias("b314")
	charlie.putAlias(alias, room).ok()
	bob.dropAlias(alias).fails(403, "M_FORBIDDEN")
	if got := bob.resolve(alias).ok().str("room_id"); got != room {
		t.Errorf("after the refusal it is %q", got)
	}
	alice.dropAlias(alias).ok()
}

func TestCanonicalAlias(t *testing.T) {
	alice := newUser(t)
	room, other := alice.createRoom(nil), alice.createRoom(nil)
	one, two, away, gone := alice.newAlias("one"), alice.newAlias("two"), alice.newAlias("away"), alice.newAlias("gone")
	alice.putAlias(one, room).ok()
	alice.putAlias(two, room).ok()
	alice.putAlias(away, other).ok()
	alice.putAlias(gone, room).ok()
	alice.dropAlias(gone).ok()
	never, malformed := alice.newAlias("never"), "%x:"+alice.server()
	for _, c := range []struct {
		line    string
		content obj
		errcode string
	}{
		{"B315", obj{"alias": one}, ""},
		{"B315", obj{"alias": one, "alt_aliases": list{two}}, ""},
		{"B315", obj{"alias": one, "alt_aliases": list{one, two}}, ""},
		{"B316", obj{"alias": never}, "M_BAD_ALIAS"},
		{"B316", obj{"alias": gone}, "M_BAD_ALIAS"},
		{"B316", obj{"alias": away}, "M_BAD_ALIAS"},
		{"B316", obj{"alias": one, "alt_aliases": list{never}}, "M_BAD_ALIAS"},
		{"B316", obj{"alias": one, "alt_aliases": list{gone}}, "M_BAD_ALIAS"},
		{"B316", obj{"alias": one, "alt_aliases": list{away}}, "M_BAD_ALIAS"},
		{"B317", obj{"alias": malformed}, "M_INVALID_PARAM"},
		{"B317", obj{"alias": one, "alt_aliases": list{malformed}}, "M_INVALID_PARAM"},
	} {
		t.Run(c.line, func(t *testing.T) {
			a := alice.put(path("/v3/rooms", room, "state", "m.room.canonical_alias"), c.content)
			if a.t = t; c.errcode == "" {
				a.ok()
			} else {
				a.fails(400, c.errcode)
			}
		})
	}
}

// listed finds a room in the public rooms by a word of its name or topic.
func (u *user) listed(room, word string) value {
	u.t.Helper()
	a := u.post("/v3/publicRooms", obj{"filter": obj{"generic_search_term": word}}).ok()
	for _, r := range a.list("chunk") {
		if r.str("room_id") == room {
			return r
		}
	}
	return value{}
}

// word is one that no other room has.
func word(name string) string { return fmt.Sprintf("%s%s%d", name, run, count.Add(1)) }

func TestB318(t *testing.T) {
	alice := newUser(t)
	name := word("listed")
	room := alice.createRoom(obj{"visibility": "public", "name": name})
	inList := func() bool { // page by page
		for from, pages := "", 0; pages < 1000; pages++ {
			a := alice.get("/v3/publicRooms?limit=100&since=" + from).ok()
			if slices.Contains(a.at("chunk").all("room_id"), room) {
				return true
			}
			if from = a.str("next_batch"); from == "" {
				return false
			}
		}
		t.Fatal("the list has no end")
		return false
	}
	for began := time.Now(); !inList(); {
		if time.Since(began) > within {
			t.Fatal("a public room is not in the list")
		}
	}
	at := path("/v3/directory/list/room", room)
	for _, visibility := range []string{"private", "public"} {
		alice.put(at, obj{"visibility": visibility}).ok()
		if got := alice.get(at).ok().str("visibility"); got != visibility {
			t.Errorf("visibility: got %q, want %q", got, visibility)
		}
		if inList() != (visibility == "public") {
			t.Errorf("%s, and in the list it is %v", visibility, !inList())
		}
	}
}

func TestB319(t *testing.T) {
	alice := newUser(t)
	topic, name, alias := word("topic"), word("name"), word("alias")
	room := alice.createRoom(obj{"visibility": "public", "topic": "all about " + topic + "s", "name": strings.ToUpper(name), "room_alias_name": alias})
	alice.createRoom(obj{"visibility": "public", "topic": "something else"})
	for _, term := range []string{topic, strings.ToUpper(topic), name, alias} {
		a := alice.post("/v3/publicRooms", obj{"filter": obj{"generic_search_term": term}}).ok()
		if got := a.at("chunk").all("room_id"); !slices.Equal(got, []string{room}) {
			t.Errorf("%s: got %v, want %s", term, got, room)
		}
	}
}

func TestB320(t *testing.T) {
	alice := newUser(t)
	w := word("b320")
	room := alice.createRoom(obj{"visibility": "public", "name": "ünï ☃ " + w, "topic": "日本語", "room_alias_name": w})
	r := alice.listed(room, w)
	if r.flag("world_readable") || !r.has("world_readable") || r.flag("guest_can_join") || !r.has("guest_can_join") ||
		r.num("num_joined_members") != 1 || r.str("canonical_alias") != "#"+w+":"+alice.server() || r.str("join_rule") != "public" ||
		r.str("name") != "ünï ☃ "+w || r.str("topic") != "日本語" {
		t.Errorf("got %v", r)
	}
	bare := alice.createRoom(obj{"visibility": "public", "room_alias_name": w + "b"})
	alice.setState(bare, "m.room.history_visibility", "", obj{"history_visibility": "world_readable"})
	alice.setState(bare, "m.room.guest_access", "", obj{"guest_access": "can_join"})
	r = alice.listed(bare, w+"b")
	if !r.flag("world_readable") || !r.flag("guest_can_join") || r.str("name") != "" || r.str("topic") != "" {
		t.Errorf("got %v", r)
	}
}

func TestB321(t *testing.T) {
	alice := newUser(t)
	for rule, content := range map[string]obj{
		"public": {"join_rule": "public"}, "knock": {"join_rule": "knock"},
		"knock_restricted": {"join_rule": "knock_restricted", "allow": list{}},
	} {
		w := word("b321")
		room := alice.createRoom(obj{
			"visibility": "public", "name": w, "room_version": "11",
			"initial_state": list{obj{"type": "m.room.join_rules", "content": content}},
		})
		if r := alice.listed(room, w); r.str("join_rule") != rule {
			t.Errorf("%s: got %v", rule, r)
		}
	}
}
