package conformance

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// 15 Sync and filters

func TestB188(t *testing.T) {
	alice := newUser(t)
	filter := obj{"room": obj{"timeline": obj{"limit": 7}}, "event_fields": list{"type", "content"}}
	id := alice.post(path("/v3/user", alice.id, "filter"), filter).ok().str("filter_id")
	if got := alice.get(path("/v3/user", alice.id, "filter", id)).ok(); id == "" || !got.equals(filter) {
		t.Errorf("%q: got %s", id, got.raw)
	}
}

func TestB189(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	for i := range 3 {
		alice.send(room, fmt.Sprint(i))
	}
	filter := obj{"room": obj{"timeline": obj{"limit": 1}}}
	id := alice.post(path("/v3/user", alice.id, "filter"), filter).ok().str("filter_id")
	for _, a := range []*answer{alice.sync("", nil, "filter="+id), alice.sync("", filter)} {
		if n := len(a.timeline(room).list()); n != 1 {
			t.Errorf("%s: got %d events, want 1", a.asked, n)
		}
	}
}

func TestBadFilters(t *testing.T) {
	alice := newUser(t)
	refused := func(t *testing.T, filter obj) {
		t.Helper()
		if a := alice.post(path("/v3/user", alice.id, "filter"), filter); a.status < 400 || a.status > 499 {
			t.Errorf("%v: got %d %s", filter, a.status, a.raw)
		}
	}
	places := []func(any) obj{
		func(part any) obj { return obj{"presence": part} },
		func(part any) obj { return obj{"room": obj{"timeline": part}} },
		func(part any) obj { return obj{"room": obj{"state": part}} },
		func(part any) obj { return obj{"room": obj{"ephemeral": part}} },
		func(part any) obj { return obj{"room": obj{"account_data": part}} },
	}
	for _, in := range places {
		t.Run("B190", func(t *testing.T) {
			for _, bad := range []any{"x", 1, list{}, true} {
				refused(t, in(bad))
			}
		})
		t.Run("B191", func(t *testing.T) {
			for _, key := range []string{"rooms", "not_rooms", "senders", "not_senders", "types", "not_types"} {
				for _, bad := range []any{"x", 1, obj{}, list{1}, list{list{}}} {
					refused(t, in(obj{key: bad}))
				}
			}
		})
		t.Run("B192", func(t *testing.T) {
			refused(t, in(obj{"rooms": list{"not a room"}}))
			refused(t, in(obj{"senders": list{"not a user"}}))
		})
	}
}

// complete checks what a joined room's entry must have.
func complete(t *testing.T, r value) {
	t.Helper()
	_, limited := r.at("timeline", "limited").v.(bool)
	if !r.isList("timeline", "events") || !limited || !r.isList("state", "events") || !r.isList("ephemeral", "events") || !r.isList("account_data", "events") {
		t.Errorf("got %v", r)
	}
}

func TestB193(t *testing.T) { // and B194
	alice := newUser(t)
	room := alice.createRoom(nil)
	complete(t, alice.sync("", nil).joined(room))
}

func TestB195(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	since := alice.sync("", nil).str("next_batch")
	if got := alice.sync(since, nil).joined(room); !got.missing() {
		t.Errorf("unchanged: got %v", got)
	}
	began := time.Now()
	a := alice.sync(since, nil, "full_state=true", "timeout=60000")
	complete(t, a.joined(room))
	if a.joined(room).at("state", "events").find("m.room.create").missing() || time.Since(began) > within {
		t.Errorf("full_state after %v: %v", time.Since(began), a.joined(room))
	}
}

func TestB196(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	since := bob.now()
	bob.join(room)
	a := bob.soon(since, "the room", func(a *answer) bool { return !a.joined(room).missing() })
	complete(t, a.joined(room))
	if got := bob.sync(a.str("next_batch"), nil).joined(room); !got.missing() {
		t.Errorf("once more: %v", got)
	}
}

func TestB197(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	since := alice.now()
	step := func(what string, seen func(*answer) bool) {
		t.Helper()
		a := alice.sync(since, nil)
		if !seen(a) {
			t.Errorf("%s: not in %s", what, a.raw)
		}
		since = a.str("next_batch")
		if seen(alice.sync(since, nil)) {
			t.Errorf("%s: again after next_batch", what)
		}
	}
	event := alice.send(room, "x")
	step("event", func(a *answer) bool { return slices.Contains(a.timeline(room).all("event_id"), event) })
	alice.setState(room, "m.room.topic", "", obj{"topic": "t"})
	step("state", func(a *answer) bool { return !a.timeline(room).find("m.room.topic").missing() })
	alice.put(path("/v3/user", alice.id, "account_data", "org.x"), obj{"a": 1}).ok()
	step("account data", func(a *answer) bool { return !a.at("account_data", "events").find("org.x").missing() })
	alice.put(path("/v3/pushrules/global/room", room), obj{"actions": list{}}).ok()
	step("push rule", func(a *answer) bool { return !a.at("account_data", "events").find("m.push_rules").missing() })
	alice.post(path("/v3/rooms", room, "receipt", "m.read", event), obj{}).ok()
	step("receipt", func(a *answer) bool {
		return !a.joined(room).at("ephemeral", "events").find("m.receipt").missing()
	})
}

func TestB198(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	a := alice.sync("", nil)
	// Presence comes into being with the first syncs; after these it is settled.
	a = alice.sync(a.str("next_batch"), nil)
	for _, params := range [][]string{{"timeout=0"}, nil} {
		began := time.Now()
		if alice.sync(a.str("next_batch"), nil, params...); time.Since(began) > within {
			t.Errorf("%v took %v", params, time.Since(began))
		}
	}
	began := time.Now()
	idle := alice.sync(a.str("next_batch"), nil, "timeout=700")
	if d := time.Since(began); d < 600*time.Millisecond || d > within || idle.str("next_batch") == "" {
		t.Errorf("a long poll without news took %v", d)
	}
	later := make(chan *answer)
	go func() { later <- alice.sync(idle.str("next_batch"), nil, "timeout=60000") }()
	time.Sleep(200 * time.Millisecond)
	began = time.Now()
	event := alice.send(room, "wake")
	if got := (<-later).timeline(room).all("event_id"); !slices.Equal(got, []string{event}) || time.Since(began) > within {
		t.Errorf("got %v after %v", got, time.Since(began))
	}
}

func TestB199(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	since := alice.now()
	bob.join(room)
	bob.send(room, "x")
	bob.uploadDevice()
	var first string
	for range 2 {
		a := alice.sync(since, nil)
		got := fmt.Sprint(a.timeline(room).all("event_id"), a.at("device_lists"))
		if first == "" {
			first = got
		}
		if got != first || len(a.timeline(room).list()) != 2 || len(a.list("device_lists", "changed")) != 1 {
			t.Errorf("got %s, first %s", got, first)
		}
	}
}

func TestB200(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	for i := range 3 {
		alice.send(room, fmt.Sprint(i))
	}
	filter := obj{"room": obj{"timeline": obj{"limit": 10, "types": list{"m.room.message"}}, "state": obj{"types": list{}}}}
	since := bob.now()
	bob.join(room)
	r := bob.sync(since, filter).joined(room)
	if n := len(r.list("timeline", "events")); n != 3 || !r.flag("timeline", "limited") || len(r.list("state", "events")) != 0 {
		t.Errorf("got %v", r)
	}
	for _, e := range r.list("timeline", "events") {
		if e.str("type") != "m.room.message" {
			t.Errorf("got %v", e)
		}
	}
}

func TestB201(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	since := alice.now()
	var sent []string
	for i := range 12 {
		sent = append(sent, alice.send(room, fmt.Sprint(i)))
	}
	r := alice.sync(since, obj{"room": obj{"timeline": obj{"limit": 5}}}).joined(room)
	if got := r.at("timeline", "events").all("event_id"); !slices.Equal(got, sent[7:]) || !r.flag("timeline", "limited") {
		t.Errorf("got %v, want %v, limited", got, sent[7:])
	}
	var gap []string
	for from := r.str("timeline", "prev_batch"); from != ""; {
		a := alice.get(path("/v3/rooms", room, "messages") + "?dir=b&limit=3&from=" + from + "&to=" + since).ok()
		gap = append(gap, a.at("chunk").all("event_id")...)
		from = a.str("end")
	}
	slices.Reverse(gap)
	if !slices.Equal(gap, sent[:7]) {
		t.Errorf("the gap: got %v, want %v", gap, sent[:7])
	}
}

func TestB202(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	since := bob.now()
	bob.join(room)
	bob.leave(room)
	bob.join(room)
	if a := bob.sync(since, nil); a.joined(room).missing() || !a.left(room).missing() {
		t.Errorf("got %s", a.at("rooms"))
	}
}

func TestB203(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	alice.invite(room, bob)
	bob.leave(room)
	since := bob.now()
	a := bob.sync(since, nil, "full_state=true")
	if a.left(room).missing() {
		t.Errorf("full_state: got %s", a.at("rooms"))
	}
	bob.join(room)
	if a := bob.sync(a.str("next_batch"), nil, "full_state=true"); a.joined(room).missing() || !a.left(room).missing() {
		t.Errorf("after the join: got %s", a.at("rooms"))
	}
}

func TestB204(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"invite": list{bob.id}})
	counts := func(a *answer, joined, invited float64) {
		t.Helper()
		s := a.joined(room).at("summary")
		if s.num("m.joined_member_count") != joined || s.num("m.invited_member_count") != invited || !s.has("m.invited_member_count") {
			t.Errorf("got %v, want %v and %v", s, joined, invited)
		}
	}
	a := alice.sync("", nil)
	counts(a, 1, 1)
	bobSince := bob.now()
	bob.join(room)
	counts(alice.sync(a.str("next_batch"), nil), 2, 0)
	counts(bob.sync(bobSince, nil), 2, 0)
}

var lazy = obj{"room": obj{"timeline": obj{"limit": 2}, "state": obj{"lazy_load_members": true}}}

// members are whose member events are in a list of events.
func members(events value) []string {
	var users []string
	for _, e := range events.list() {
		if e.str("type") == "m.room.member" {
			users = append(users, e.str("state_key"))
		}
	}
	slices.Sort(users)
	return users
}

func TestB210(t *testing.T) {
	alice, bob, charlie := newUser(t), newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	charlie.join(room)
	bob.send(room, "1")
	bob.send(room, "2")
	a := alice.sync("", lazy)
	want := []string{alice.id, bob.id}
	slices.Sort(want)
	if got := members(a.joined(room).at("state", "events")); !slices.Equal(got, want) {
		t.Errorf("initial sync: got %v, want %v", got, want)
	}
	bob.send(room, "3")
	charlie.send(room, "4")
	a = alice.sync(a.str("next_batch"), lazy)
	if got := members(a.joined(room).at("state", "events")); !slices.Equal(got, []string{charlie.id}) {
		t.Errorf("incremental sync: got %v, want %v, as Bob was told before", got, charlie.id)
	}
}

func TestB211(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	since := alice.now()
	for i := range 3 {
		alice.setState(room, "m.room.topic", "", obj{"topic": fmt.Sprint(i)})
	}
	for param, key := range map[string]string{
		"use_state_after": "state_after", "org.matrix.msc4222.use_state_after": "org.matrix.msc4222.state_after",
	} {
		r := alice.sync(since, obj{"room": obj{"timeline": obj{"limit": 1}}}, param+"=true").joined(room)
		events := r.list(key, "events")
		if len(events) != 1 || events[0].str("content", "topic") != "2" || r.has("state") {
			t.Errorf("%s: got %v", param, r)
		}
	}
}

// With use_state_after clients take state from nowhere else, so that of the members who load lazily too: a timeline that
// shows a member event of somebody who says nothing has it among the state.
func TestStateAfterHasTheTimelinesMembers(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	lazy := obj{"room": obj{"state": obj{"lazy_load_members": true}}}
	since := alice.sync("", lazy, "use_state_after=true").str("next_batch")
	bob.join(room)
	for _, verb := range []string{"", "kick", "ban", "unban"} {
		if verb != "" {
			alice.about(verb, room, bob).ok()
		}
		a := alice.sync(since, lazy, "use_state_after=true")
		since = a.str("next_batch")
		r := a.joined(room)
		shown, state := r.list("timeline", "events"), r.list("state_after", "events")
		if len(shown) != 1 || !slices.ContainsFunc(state, func(e value) bool { return e.str("event_id") == shown[0].str("event_id") }) {
			t.Errorf("after %q: got state %v for the timeline %v, want the same event in it", verb, state, shown)
		}
	}
}

func TestB212(t *testing.T) {
	for _, preset := range []string{"public_chat", "private_chat"} {
		alice, bob := newUser(t), newUser(t)
		room := alice.createRoom(obj{"preset": preset, "invite": list{bob.id}})
		bob.join(room)
		r := alice.sync("", obj{"room": obj{"state": obj{"lazy_load_members": true}}}, "use_state_after=true").joined(room)
		want := []string{alice.id, bob.id}
		slices.Sort(want)
		if got := members(r.at("state_after", "events")); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", preset, got, want)
		}
	}
}
