package conformance

import (
	"slices"
	"testing"

	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// Spaces and directories that are spread over servers.

func (u *user) linkVia(space, child, via string) {
	u.t.Helper()
	u.link(space, child, obj{"via": list{via}})
}

// B345: a tree over S and S2.
func TestB345(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	root, r1 := alice.space(obj{"name": "Root"}), alice.publicRoom()
	sub, r2 := bob.space(obj{"name": "Sub"}), bob.publicRoom()
	back, r3 := alice.space(obj{"name": "Back"}), alice.publicRoom()
	alice.linkVia(root, r1, string(s.name))
	alice.linkVia(root, sub, string(s2.name))
	bob.linkVia(sub, r2, string(s2.name))
	bob.linkVia(sub, back, string(s.name))
	alice.linkVia(back, r3, string(s.name))
	alice.tree(root).ok().wantRooms(root, r1, sub, r2, back, r3)
	alice.tree(root, "max_depth=1").ok().wantRooms(root, r1, sub)
	page := alice.tree(root, "limit=4").ok()
	page.wantRooms(root, r1, sub, r2)
	alice.tree(root, "limit=4", "from="+page.str("next_batch")).ok().wantRooms(back, r3)
}

// B347: a restricted child on S2 whose allowed room is on S.
func TestB347(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob, dave := s.newUser(t), s.newUser(t), s2.newUser(t)
	root := alice.space(obj{"name": "Root"})
	room := dave.createRoom(rule("restricted", root))
	alice.linkVia(root, room, string(s2.name))
	alice.tree(root).ok().wantRooms(root)
	dave.joinVia(root, s.name).ok()
	alice.tree(root).ok().wantRooms(root, room)
	bob.tree(root).ok().wantRooms(root)
}

// What R says of its rooms is shown as far as it can be, and to nobody who could not come in.
func TestForeignSpaces(t *testing.T) {
	s, r := first(t), remote.New(t)
	alice := s.newUser(t)
	s.meet(r)
	root := alice.space(obj{"name": "Root"})
	const link = `"type":"m.space.child","sender":"@r:b.example","origin_server_ts":1`
	answers := map[string]string{
		"!good:b.example":    `{"room":{"room_id":"!good:b.example","join_rule":"public","num_joined_members":1,"world_readable":false,"guest_can_join":false,"room_type":"m.space","children_state":[{` + link + `,"state_key":"!leaf:b.example","content":{"via":["b.example"]}},{` + link + `,"state_key":"nonsense","content":{"via":["x"]}},7,{}]},"children":[{"room_id":"!leaf:b.example","join_rule":"knock"},{"room_id":"!stranger:b.example","join_rule":"public"},7]}`,
		"!private:b.example": `{"room":{"room_id":"!private:b.example","join_rule":"invite"},"children":[]}`,
		"!other:b.example":   `{"room":{"room_id":"!good:b.example","join_rule":"public"},"children":[]}`,
		"!null:b.example":    `{"room":null}`,
		"!list:b.example":    `[]`,
		"!numbers:b.example": `{"room":{"room_id":7,"join_rule":{}}}`,
		"!loop:b.example":    `{"room":{"room_id":"!loop:b.example","join_rule":"public","room_type":"m.space","children_state":[{` + link + `,"state_key":"!loop:b.example","content":{"via":["` + string(r.Name) + `"]}}]},"children":[]}`,
	}
	for room, answer := range answers {
		r.Hook("GET /_matrix/federation/v1/hierarchy/"+room, remote.Say(200, answer))
		alice.linkVia(root, room, string(r.Name))
	}
	alice.linkVia(root, "!nowhere:b.example", "127.0.0.1:1")
	var got []string
	for _, room := range alice.tree(root).ok().list("rooms") {
		got = append(got, room.str("room_id"))
	}
	slices.Sort(got)
	want := []string{root, "!good:b.example", "!leaf:b.example", "!loop:b.example"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The directory of another server, for those who are signed in.
func TestDirectoriesOfOthers(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	name := "Directory of " + run
	room := bob.createRoom(obj{"preset": "public_chat", "visibility": "public", "name": name})
	find := obj{"filter": obj{"generic_search_term": name}}
	got := alice.post("/v3/publicRooms?server="+string(s2.name), find).ok()
	if list := got.list("chunk"); len(list) != 1 || list[0].str("room_id") != room || list[0].str("name") != name {
		t.Errorf("got %s", got)
	}
	if list := alice.get("/v3/publicRooms?server=" + string(s2.name)).ok().list("chunk"); len(list) == 0 {
		t.Error("the list is empty")
	}
	(&user{t: t, house: s}).get("/v3/publicRooms?server="+string(s2.name)).fails(401, "M_MISSING_TOKEN")
	alice.get("/v3/publicRooms?server=127.0.0.1:1").fails(502, "M_UNKNOWN")
}

// B77, B78: R asks for a profile.
func TestB77(t *testing.T) {
	s, r := first(t), remote.New(t)
	alice, at := s.newUser(t), s.meet(r)
	alice.put(path("/v3/profile", alice.id, "displayname"), obj{"displayname": "Alice"}).ok()
	var got map[string]any
	at.Do("GET", "/_matrix/federation/v1/query/profile?field=displayname&user_id=%40"+alice.id[1:], nil).OK().Decode(&got)
	if len(got) != 1 || got["displayname"] != "Alice" {
		t.Errorf("got %v", got)
	}
}

func TestB78(t *testing.T) {
	s, r := first(t), remote.New(t)
	s.meet(r).Do("GET", "/_matrix/federation/v1/query/profile?field=displayname&user_id=%40u:localhost:http", nil).Want(400, "")
}

// B509: events of a version 12 room as servers see them.
func TestB509(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat", "room_version": "12"})
	create := id.Event("$" + g.room.ID[1:])
	g.alice.send(string(g.room.ID), "hello")
	for _, e := range g.room.Events() {
		if slices.Contains(e.Auth(), create) {
			t.Errorf("%s names the create event", e.Type())
		}
		if e.Room() != g.room.ID {
			t.Errorf("%s is of %s", e.Type(), e.Room())
		}
	}
}

// A summary of a room on S2, for those on S who could come in.
func TestSummaryOfAnotherServersRoom(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	open := bob.createRoom(obj{"preset": "public_chat", "name": "Open", "room_alias_name": "open-" + run})
	closed := bob.createRoom(obj{"preset": "private_chat", "name": "Closed"})
	via := "?via=" + string(s2.name)
	if got := alice.get(path("/v1/room_summary", open) + via).ok(); got.str("name") != "Open" || got.str("membership") != "leave" {
		t.Errorf("got %s", got)
	}
	if got := alice.get(path("/v1/room_summary", "#open-"+run+":"+string(s2.name))).ok(); got.str("room_id") != open {
		t.Errorf("by its alias: got %s", got)
	}
	alice.get(path("/v1/room_summary", closed)+via).fails(404, "M_NOT_FOUND")
	(&user{t: t, house: s}).get(path("/v1/room_summary", open)+via).fails(404, "M_NOT_FOUND")
}
