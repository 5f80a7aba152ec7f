package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"
)

// What the specification has beside the numbered lines: notifications, and looking into a room without joining it.

func TestNotifications(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	first, second := alice.publicRoom(), alice.publicRoom()
	bob.join(first)
	bob.join(second)
	var want []string
	for i := range 5 {
		want = append([]string{alice.send([]string{first, second}[i%2], "hello")}, want...)
	}
	mention := alice.sendEvent(second, "m.room.message", obj{
		"msgtype": "m.text", "body": "look", "m.mentions": obj{"user_ids": list{bob.id}},
	})
	want = append([]string{mention}, want...)
	bob.send(first, "what I say does not notify me")
	ids := func(a *answer) (ids []string) {
		for _, n := range a.list("notifications") {
			if n.at("event").has("room_id") || !n.isList("actions") || n.num("ts") == 0 || !n.has("read") {
				t.Errorf("got %s", n)
			}
			ids = append(ids, n.str("event", "event_id"))
		}
		return ids
	}
	var got []string
	from := ""
	for range 10 {
		a := bob.get("/v3/notifications?limit=2" + from).ok()
		got = append(got, ids(a)...)
		if a.str("next_token") == "" {
			break
		}
		from = "&from=" + url.QueryEscape(a.str("next_token"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := ids(bob.get("/v3/notifications?only=highlight").ok()); !slices.Equal(got, []string{mention}) {
		t.Errorf("highlights: got %v, want %s", got, mention)
	}
	bob.post(path("/v3/rooms", second, "receipt", "m.read", mention), obj{}).ok()
	a := bob.get("/v3/notifications?limit=1").ok()
	if !a.flag("notifications", 0, "read") {
		t.Errorf("after the receipt: %s", a.raw)
	}
	bob.get("/v3/notifications?from=x").fails(400, "M_INVALID_PARAM")
}

func TestPeeking(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.get(path("/v3/rooms", room, "initialSync")).fails(403, "M_FORBIDDEN")
	bob.get("/v3/events?room_id="+url.QueryEscape(room)).fails(403, "M_FORBIDDEN")
	alice.setState(room, "m.room.history_visibility", "", obj{"history_visibility": "world_readable"})
	sent := alice.send(room, "before")
	a := bob.get(path("/v3/rooms", room, "initialSync")).ok()
	if a.str("room_id") != room || a.str("messages", "chunk") != "" || a.at("messages", "chunk", -1).str("event_id") != sent ||
		a.at("state").find("m.room.create", "").missing() || a.str("visibility") != "private" || a.has("membership") {
		t.Errorf("got %s", a.raw)
	}
	if m := alice.get(path("/v3/rooms", room, "initialSync")).ok().str("membership"); m != "join" {
		t.Errorf("membership: %q", m)
	}
	next := alice.send(room, "after")
	peek := func(from string) *answer {
		return bob.get("/v3/events?timeout=1000&room_id=" + url.QueryEscape(room) + "&from=" + url.QueryEscape(from)).ok()
	}
	events := peek("")
	if len(events.list("chunk")) != 0 {
		t.Errorf("nothing is new: %s", events.raw)
	}
	later := alice.send(room, "later")
	events = peek(events.str("end"))
	if got := events.at("chunk").all("event_id"); !slices.Equal(got, []string{later}) {
		t.Errorf("got %v, want %s", got, later)
	}
	if got := bob.get(path("/v3/events", next)).ok().str("event_id"); got != next {
		t.Errorf("by its id: %s", got)
	}
	bob.get(path("/v3/events", "$nothing")).fails(404, "M_NOT_FOUND")
}

// The API before /sync, which is deprecated and still there: everything at once, and then what comes.
func TestInitialSync(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	one, left, asked := alice.publicRoom(), alice.publicRoom(), alice.createRoom(nil)
	for _, room := range []string{one, left} {
		bob.join(room)
	}
	var said []string
	for i := range 3 {
		said = append(said, alice.send(one, fmt.Sprint(i)))
	}
	bob.post(path("/v3/rooms", left, "leave"), obj{}).ok()
	alice.post(path("/v3/rooms", asked, "invite"), obj{"user_id": bob.id}).ok()
	bob.do("PUT", path("/v3/user", bob.id, "account_data", "m.kept"), obj{"kept": true}).ok()
	bob.do("PUT", path("/v3/user", bob.id, "rooms", one, "account_data", "m.kept"), obj{"here": true}).ok()

	a := bob.get("/v3/initialSync?limit=2").ok()
	rooms := map[string]value{}
	for _, r := range a.list("rooms") {
		rooms[r.str("room_id")] = r
	}
	if len(rooms) != 2 || !a.isList("presence") || a.at("account_data").find("m.kept").missing() {
		t.Errorf("got %s", a.raw)
	}
	in := rooms[one]
	if got := in.at("messages", "chunk").all("event_id"); !slices.Equal(got, said[1:]) || in.str("membership") != "join" ||
		in.at("state").find("m.room.member", bob.id).missing() || in.at("account_data").find("m.kept").missing() {
		t.Errorf("a room: got %v", in)
	}
	earlier := bob.get(path("/v3/rooms", one, "messages") + "?dir=b&limit=1&from=" + url.QueryEscape(in.str("messages", "start"))).ok()
	if got := earlier.at("chunk").all("event_id"); !slices.Equal(got, said[:1]) {
		t.Errorf("before it: got %v, want %v", got, said[:1])
	}
	if in := rooms[asked]; in.str("membership") != "invite" || in.str("invite", "sender") != alice.id {
		t.Errorf("an invitation: got %v", in)
	}
	if a := bob.get("/v3/initialSync?archived=true").ok(); len(a.list("rooms")) != 3 {
		t.Errorf("with what is archived: %s", a.raw)
	}

	end := a.str("end")
	events := func() *answer { return bob.get("/v3/events?timeout=3000&from=" + url.QueryEscape(end)).ok() }
	var want []string
	want = append(want, alice.send(one, "3"), alice.setState(asked, "m.room.topic", "", obj{"topic": "not for bob"}))
	bob.join(asked)
	want[1] = alice.send(asked, "welcome")
	var got []string
	for range 5 {
		a := events()
		for _, e := range a.list("chunk") {
			if e.str("type") == "m.room.message" {
				got = append(got, e.str("event_id"))
			}
			if e.str("room_id") == "" || e.str("room_id") == left {
				t.Errorf("got %v", e)
			}
		}
		if end = a.str("end"); len(got) >= len(want) {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	sent := make(chan string, 1)
	go func() {
		time.Sleep(300 * time.Millisecond)
		sent <- alice.send(one, "while he waits")
	}()
	if got := events().at("chunk").all("event_id"); !slices.Equal(got, []string{<-sent}) {
		t.Errorf("while he waits: got %v", got)
	}
	bob.get("/v3/events?from=x").fails(400, "M_INVALID_PARAM")
}
