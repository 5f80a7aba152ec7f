package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Sliding sync (MSC4186), which behaviours.md has no numbers for: as clients send it today, and as it was merged.

const sliding = "/unstable/org.matrix.simplified_msc3575/sync"

// slide asks as Element X does; pos and timeout are in the query.
func (u *user) slide(pos string, body obj, params ...string) *answer {
	u.t.Helper()
	q := url.Values{}
	if pos != "" {
		q.Set("pos", pos)
	}
	for _, p := range params {
		k, v, _ := strings.Cut(p, "=")
		q.Set(k, v)
	}
	return u.post(sliding+"?"+q.Encode(), body)
}

// listOf is a list of the first n rooms.
func listOf(n, timeline int, filters obj, state ...list) obj {
	all := list{}
	for _, pair := range state {
		all = append(all, pair)
	}
	l := obj{"ranges": list{list{0, n - 1}}, "timeline_limit": timeline, "required_state": all}
	if filters != nil {
		l["filters"] = filters
	}
	return obj{"lists": obj{"a": l}}
}

func TestSliding(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	if !nobody(t).get("/versions").flag("unstable_features", "org.matrix.simplified_msc3575") {
		t.Error("it is not announced")
	}
	bob.put(path("/v3/profile", bob.id, "displayname"), obj{"displayname": "Bob"}).ok()
	named := alice.createRoom(obj{"preset": "public_chat", "name": "tea", "topic": "leaves"})
	plain := alice.createRoom(obj{"preset": "private_chat", "invite": list{bob.id}, "is_direct": true})
	bob.join(named)
	for i := range 3 {
		bob.send(named, fmt.Sprint(i))
	}
	request := obj{"conn_id": "room-list", "lists": obj{"all_rooms": obj{
		"ranges": list{list{0, 19}}, "timeline_limit": 1, "include_heroes": true,
		"required_state": list{
			list{"m.room.name", ""},
			list{"m.room.encryption", ""},
			list{"m.room.member", "$LAZY"},
			list{"m.room.member", "$ME"},
			list{"m.room.create", ""},
			list{"m.space.child", "*"},
		},
		"filters": obj{"not_room_types": list{"m.space"}},
	}}, "extensions": obj{"account_data": obj{"enabled": true}, "receipts": obj{"enabled": true}, "typing": obj{"enabled": true}}}
	first := alice.slide("", request, "timeout=30000").ok()
	r := first.at("rooms", named)
	if first.num("lists", "all_rooms", "count") != 2 || !slices.Equal(first.keys("rooms"), inOrder(named, plain)) {
		t.Fatalf("got %s", first.raw)
	}
	if !r.flag("initial") || r.str("name") != "tea" || !r.flag("limited") || len(r.list("timeline")) != 1 || r.str("timeline", 0, "content", "body") != "2" {
		t.Errorf("got %s", r)
	}
	if r.num("joined_count") != 2 || r.num("invited_count") != 0 || r.num("notification_count") != 3 || r.num("highlight_count") != 0 || r.num("num_live") != 0 || r.num("bump_stamp") == 0 || r.str("prev_batch") == "" {
		t.Errorf("got %s", r)
	}
	state := r.at("required_state")
	for _, want := range []list{{"m.room.name", ""}, {"m.room.create", ""}, {"m.room.member", alice.id}, {"m.room.member", bob.id}} {
		if state.find(want[0].(string), want[1].(string)).missing() {
			t.Errorf("there is no %v in %s", want, state)
		}
	}
	if len(state.list()) != 4 {
		t.Errorf("got %s", state)
	}
	r = first.at("rooms", plain)
	if hero := r.at("heroes", 0); r.has("name") || hero.str("user_id") != bob.id || hero.str("displayname") != "Bob" || len(r.list("heroes")) != 1 {
		t.Errorf("got %s", r)
	}
	if first.at("extensions", "account_data", "global").find("m.push_rules").missing() {
		t.Errorf("got %s", first.at("extensions"))
	}

	// The same pos gives the same, and what has happened is told from there, once.
	pos := first.str("pos")
	bob.send(named, "new")
	for range 2 {
		next := alice.slide(pos, request).ok()
		r := next.at("rooms", named)
		if len(next.keys("rooms")) != 1 || r.has("initial") || r.num("num_live") != 1 || r.str("timeline", 0, "content", "body") != "new" || len(r.list("required_state")) != 0 || r.has("name") {
			t.Errorf("got %s", next.raw)
		}
		first = next
	}
	if again := alice.slide(first.str("pos"), request).ok(); len(again.keys("rooms")) != 0 {
		t.Errorf("got %s", again.raw)
	}
	alice.slide(pos, request).fails(400, "M_UNKNOWN_POS")

	// pos is a place in the room's history, like next_batch.
	back := alice.get(path("/v3/rooms", named, "messages") + "?dir=b&limit=1&from=" + first.str("pos")).ok()
	if back.str("chunk", 0, "content", "body") != "new" {
		t.Errorf("got %s", back.raw)
	}

	// The invited is shown the invitation.
	r = bob.slide("", request).ok().at("rooms", plain)
	if len(r.list("invite_state")) < 3 || r.at("invite_state").find("m.room.member", bob.id).str("content", "membership") != "invite" || r.has("timeline") || r.has("joined_count") {
		t.Errorf("got %s", r)
	}
}

func inOrder(all ...string) []string {
	slices.Sort(all)
	return all
}

func TestSlidingWaits(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	body := listOf(5, 5, nil)
	pos := alice.slide("", body).ok().str("pos")
	for alice.slide(pos, body).ok().has("rooms") {
		pos = alice.slide(pos, body).ok().str("pos")
	}
	began := time.Now()
	quiet := alice.slide(pos, body, "timeout=300").ok()
	if took := time.Since(began); took < 250*time.Millisecond || quiet.has("rooms") {
		t.Errorf("after %v got %s", took, quiet.raw)
	}
	var said sync.WaitGroup
	defer said.Wait()
	said.Go(func() {
		time.Sleep(200 * time.Millisecond)
		bob.send(room, "wake")
	})
	if a := alice.slide(quiet.str("pos"), body, "timeout=20000").ok(); a.at("rooms", room, "timeline", 0).str("content", "body") != "wake" {
		t.Errorf("got %s", a.raw)
	}
}

func TestSlidingFilters(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	space := alice.space(obj{"name": "The space"})
	child := alice.createRoom(obj{"name": "Green Tea"})
	alice.link(space, child)
	secret := alice.createRoom(obj{"initial_state": list{obj{"type": "m.room.encryption", "state_key": "", "content": obj{"algorithm": "m.megolm.v1.aes-sha2"}}}})
	direct := alice.createRoom(obj{"is_direct": true, "invite": list{bob.id}})
	alice.put(path("/v3/user", alice.id, "account_data", "m.direct"), obj{bob.id: list{direct}}).ok()
	tagged := alice.createRoom(nil)
	alice.put(path("/v3/user", alice.id, "rooms", tagged, "tags", "m.favourite"), obj{}).ok()
	other := alice.createRoom(obj{"creation_content": obj{"type": "org.example"}})
	invited := bob.createRoom(obj{"invite": list{alice.id}})
	all := []string{space, child, secret, direct, tagged, other, invited}
	without := func(some ...string) []string {
		var rest []string
		for _, room := range all {
			if !slices.Contains(some, room) {
				rest = append(rest, room)
			}
		}
		return rest
	}
	for i, test := range []struct {
		filters obj
		want    []string
	}{
		{nil, all},
		{obj{"is_dm": true}, []string{direct}},
		{obj{"is_dm": false}, without(direct)},
		{obj{"is_encrypted": true}, []string{secret}},
		{obj{"is_encrypted": false}, without(secret)},
		{obj{"is_invite": true}, []string{invited}},
		{obj{"is_invite": false}, without(invited)},
		{obj{"room_types": list{"m.space"}}, []string{space}},
		{obj{"room_types": list{nil}}, without(space, other)},
		{obj{"room_types": list{nil, "m.space"}, "not_room_types": list{"m.space"}}, without(space, other)},
		{obj{"not_room_types": list{"m.space"}}, without(space)},
		{obj{"not_room_types": list{nil}}, []string{space, other}},
		{obj{"spaces": list{space}}, []string{child}},
		{obj{"spaces": list{"!nowhere:x", "nonsense"}}, nil},
		{obj{"tags": list{"m.favourite", "u.x"}}, []string{tagged}},
		{obj{"not_tags": list{"m.favourite"}}, without(tagged)},
		{obj{"tags": list{"m.favourite"}, "not_tags": list{"m.favourite"}}, nil},
		{obj{"room_name_like": "green"}, []string{child}},
		{obj{"is_dm": true, "is_encrypted": true}, nil},
	} {
		body := listOf(20, 0, test.filters)
		body["conn_id"] = fmt.Sprint("filter", i)
		a := alice.slide("", body).ok()
		if got := a.keys("rooms"); !slices.Equal(got, inOrder(test.want...)) || int(a.num("lists", "a", "count")) != len(test.want) {
			t.Errorf("%v: got %v with count %v, want %v", test.filters, got, a.num("lists", "a", "count"), test.want)
		}
	}
	if !alice.slide("", listOf(20, 0, obj{"is_dm": true})).ok().flag("rooms", direct, "is_dm") {
		t.Error("a direct chat is not called one")
	}
}

// TestSlidingWindow: what moves into the window is told, a list can grow, and a room can be named whatever the lists have.
func TestSlidingWindow(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	var rooms []string
	for range 6 {
		rooms = append(rooms, alice.createRoom(nil))
	}
	body := listOf(2, 1, nil)
	a := alice.slide("", body).ok()
	if got := a.keys("rooms"); !slices.Equal(got, inOrder(rooms[4], rooms[5])) || a.num("lists", "a", "count") != 6 {
		t.Fatalf("got %s", a.raw)
	}
	alice.send(rooms[1], "up")
	a = alice.slide(a.str("pos"), body).ok()
	if r := a.at("rooms", rooms[1]); len(a.keys("rooms")) != 1 || !r.flag("initial") || r.num("num_live") != 1 {
		t.Errorf("got %s", a.raw)
	}
	a = alice.slide(a.str("pos"), listOf(4, 1, nil)).ok()
	if got := a.keys("rooms"); !slices.Equal(got, []string{rooms[3]}) {
		t.Errorf("got %v", got)
	}
	subscribe := obj{"room_subscriptions": obj{rooms[0]: obj{"timeline_limit": 20, "required_state": list{list{"*", "*"}}}, rooms[5]: obj{"timeline_limit": 3, "required_state": list{}}, "!nowhere:x": obj{}}}
	secret := bob.createRoom(obj{"preset": "private_chat"})
	subscribe["room_subscriptions"].(obj)[secret] = obj{"timeline_limit": 5, "required_state": list{list{"*", "*"}}}
	a = alice.slide(a.str("pos"), subscribe).ok()
	r := a.at("rooms", rooms[0])
	if got := a.keys("rooms"); !slices.Equal(got, inOrder(rooms[0], rooms[5])) || r.flag("limited") || len(r.list("timeline")) < 5 || len(r.list("required_state")) < 5 {
		t.Errorf("got %s", a.raw)
	}
	if r := a.at("rooms", rooms[5]); r.has("initial") || !r.flag("unstable_expanded_timeline") || len(r.list("timeline")) != 3 {
		t.Errorf("got %s", r)
	}
}

func TestSlidingExtensions(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	sent := bob.send(room, "hi")
	device := obj{"e2ee": obj{"enabled": true}, "to_device": obj{"enabled": true}}
	a := alice.slide("", obj{"conn_id": "encryption", "extensions": device}).ok()
	if e := a.at("extensions", "e2ee"); e.num("device_one_time_keys_count", "signed_curve25519") != 0 || !e.isList("device_unused_fallback_key_types") || !a.isString("extensions", "to_device", "next_batch") || a.has("rooms") {
		t.Fatalf("got %s", a.raw)
	}
	message := obj{"messages": obj{alice.id: obj{alice.device: obj{"n": 1}}}}
	bob.put("/v3/sendToDevice/org.test/1", message).ok()
	for range 2 { // until it says that it has it
		a = alice.slide(a.str("pos"), obj{"conn_id": "encryption", "extensions": device}, "timeout=5000").ok()
		if got := a.list("extensions", "to_device", "events"); len(got) != 1 || got[0].num("content", "n") != 1 {
			t.Errorf("got %s", a.raw)
		}
	}
	device["to_device"].(obj)["since"] = a.str("extensions", "to_device", "next_batch")
	if a = alice.slide(a.str("pos"), obj{"conn_id": "encryption", "extensions": device}).ok(); a.at("extensions", "to_device").has("events") {
		t.Errorf("got %s", a.raw)
	}
	device["to_device"].(obj)["since"] = "nonsense"
	alice.slide(a.str("pos"), obj{"conn_id": "encryption", "extensions": device}).fails(400, "M_INVALID_PARAM")
	carol := newUser(t)
	carol.join(room)
	device["to_device"].(obj)["since"] = ""
	a = alice.slide(a.str("pos"), obj{"conn_id": "encryption", "extensions": device}, "timeout=5000").ok()
	if got := a.at("extensions", "e2ee", "device_lists", "changed"); !strings.Contains(got.String(), carol.id) {
		t.Errorf("got %s", a.raw)
	}

	body := listOf(5, 5, nil)
	body["extensions"] = obj{"account_data": obj{"enabled": true}, "receipts": obj{"enabled": true, "lists": list{"*"}, "rooms": list{"*"}}, "typing": obj{"enabled": true}}
	a = alice.slide("", body).ok()
	bob.post(path("/v3/rooms", room, "receipt", "m.read", sent), obj{}).ok()
	bob.put(path("/v3/rooms", room, "typing", bob.id), obj{"typing": true, "timeout": 20000}).ok()
	alice.put(path("/v3/user", alice.id, "rooms", room, "account_data", "org.test"), obj{"a": 1}).ok()
	alice.put(path("/v3/user", alice.id, "account_data", "org.test"), obj{"b": 1}).ok()
	x := alice.slide(a.str("pos"), body).ok().at("extensions")
	if x.str("receipts", "rooms", room, "type") != "m.receipt" || x.at("receipts", "rooms", room, "content", sent, "m.read", bob.id).missing() {
		t.Errorf("got %s", x)
	}
	if e := x.at("typing", "rooms", room); e.str("type") != "m.typing" || e.str("content", "user_ids", 0) != bob.id {
		t.Errorf("got %s", x)
	}
	if x.at("account_data", "rooms", room).find("org.test").num("content", "a") != 1 || x.at("account_data", "global").find("org.test").num("content", "b") != 1 {
		t.Errorf("got %s", x)
	}
	body["conn_id"] = "nowhere"
	body["extensions"] = obj{"typing": obj{"enabled": true, "lists": list{"b"}}, "receipts": obj{"enabled": false}, "org.unknown": obj{"enabled": true}}
	if x := alice.slide("", body).ok().at("extensions"); len(x.keys()) != 0 {
		t.Errorf("got %s", x)
	}
}

// TestSlidingRefuses: what no client should send, and what belongs to somebody else.
func TestSlidingRefuses(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	alice.createRoom(nil)
	nobody(t).post(sliding, obj{}).fails(401, "M_MISSING_TOKEN")
	many := obj{}
	for i := range 101 {
		many[fmt.Sprint(i)] = obj{"timeline_limit": 1, "required_state": list{}}
	}
	alice.slide("", obj{"lists": many}).fails(400, "M_INVALID_PARAM")
	alice.slide("", obj{"lists": obj{"a": obj{"ranges": list{list{5, 2}}}}}).fails(400, "M_INVALID_PARAM")
	alice.slide("", obj{"lists": obj{"a": obj{"ranges": list{list{-1, 2}}}}}).fails(400, "M_INVALID_PARAM")
	alice.slide("", obj{"lists": 5}).fails(400, "M_BAD_JSON")
	alice.slide("", obj{"conn_id": strings.Repeat("x", 300)}).fails(400, "M_INVALID_PARAM")
	alice.slide("nonsense", obj{}).fails(400, "M_UNKNOWN_POS")
	pos := alice.slide("", listOf(5, 1, nil)).ok().str("pos")
	bob.slide(pos, listOf(5, 1, nil)).fails(400, "M_UNKNOWN_POS")
	alice.login("").slide(pos, listOf(5, 1, nil)).fails(400, "M_UNKNOWN_POS")
	for i := range 10 { // a device has ten connections, and the one used longest ago goes
		alice.slide("", obj{"conn_id": fmt.Sprint(i), "lists": listOf(5, 1, nil)["lists"]}).ok()
	}
	alice.slide(pos, listOf(5, 1, nil)).fails(400, "M_UNKNOWN_POS")
}

// TestSlidingMerged is the form that was merged.
func TestSlidingMerged(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat", "name": "tea", "topic": "leaves"})
	bob.join(room)
	invited := bob.createRoom(obj{"invite": list{alice.id}})
	for i := range 3 {
		bob.send(room, fmt.Sprint(i))
	}
	body := obj{
		"conn_id": "main", "timeout": 0, "set_presence": "offline",
		"lists": obj{"some": obj{
			"range": list{0, 9}, "timeline_limit": 2, "filters": obj{},
			"required_state": obj{"include": list{obj{}}, "exclude": list{obj{"type": "m.room.create", "state_key": ""}}, "lazy_members": true},
		}},
		"extensions": obj{"org.matrix.msc4508.typing": obj{"enabled": true}},
	}
	v4 := func() *answer { t.Helper(); return alice.post("/v4/sync", body).ok() }
	a := v4()
	r := a.at("rooms", room)
	if a.num("lists", "some", "count") != 2 || r.str("membership") != "join" || r.str("lists", 0) != "some" || len(r.list("timeline_events")) != 2 || r.has("timeline") || r.str("name") != "tea" || !r.flag("initial") {
		t.Errorf("got %s", r)
	}
	state := r.at("required_state")
	if !state.find("m.room.create").missing() || state.find("m.room.topic").missing() || state.find("m.room.member", bob.id).missing() || !state.find("m.room.member", alice.id).missing() {
		t.Errorf("got %s", state)
	}
	r = a.at("rooms", invited)
	if r.str("membership") != "invite" || len(r.list("stripped_state")) < 3 || r.has("invite_state") {
		t.Errorf("got %s", r)
	}
	bob.put(path("/v3/rooms", room, "typing", bob.id), obj{"typing": true, "timeout": 20000}).ok()
	alice.setState(room, "m.room.name", "", obj{"name": ""})
	body["pos"] = a.str("pos")
	a = v4()
	r = a.at("rooms", room)
	if !r.has("name") || !r.at("name").missing() || len(r.list("heroes")) != 1 || r.num("num_live") != 1 || a.at("extensions", "org.matrix.msc4508.typing", "rooms", room).missing() {
		t.Errorf("got %s", a.raw)
	}
	body["pos"], body["lists"].(obj)["some"].(obj)["timeline_limit"] = a.str("pos"), 4
	if r := v4().at("rooms", room); !r.flag("expanded_timeline") || len(r.list("timeline_events")) != 4 {
		t.Errorf("got %s", r)
	}
	alice.about("ban", room, bob).ok()
	theirs := obj{"lists": obj{"all": obj{"timeline_limit": 1, "required_state": obj{}}}}
	if r := bob.post("/v4/sync", theirs).ok().at("rooms", room); r.str("membership") != "ban" || len(r.list("timeline_events")) != 1 || r.str("timeline_events", 0, "content", "membership") != "ban" {
		t.Errorf("got %s", r)
	}
	body["set_presence"] = "dancing"
	alice.post("/v4/sync", body).fails(400, "M_INVALID_PARAM")
}
