package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
)

// 13 Messages, context, pagination

// messages asks for a page; query is what follows the question mark, filter nil for none.
func (u *user) messages(room, query string, filter any) *answer {
	u.t.Helper()
	if filter != nil {
		query += "&filter=" + url.QueryEscape(value{filter}.String())
	}
	return u.get(path("/v3/rooms", room, "messages") + "?" + query)
}

// talk sends n texts and returns the events' ids.
func (u *user) talk(room string, n int) []string {
	u.t.Helper()
	var ids []string
	for i := range n {
		ids = append(ids, u.send(room, fmt.Sprint("message ", i)))
	}
	return ids
}

func reversed(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

func TestB163(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	alice.talk(room, 3)
	next := alice.sync("", nil).str("next_batch")
	want := alice.talk(room, 3)
	if got := alice.messages(room, "dir=f&from="+next, nil).ok().at("chunk").all("event_id"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestB164(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	bob.messages("!unknown:"+bob.server(), "dir=b", nil).fails(403, "M_FORBIDDEN")
	bob.messages(alice.createRoom(nil), "dir=b", nil).fails(403, "M_FORBIDDEN")
	bob.messages(alice.publicRoom(), "dir=b", nil).fails(403, "M_FORBIDDEN")
}

// Beyond the lines: what is wrong with a request is said to those who may read the room.
func TestMessagesWithoutDirection(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	bob.leave(room)
	bob.forget(room)
	for query, code := range map[string]string{"": "M_MISSING_PARAM", "dir=x": "M_INVALID_PARAM"} {
		alice.messages(room, query, nil).fails(400, code)
		bob.messages(room, query, nil).fails(403, "M_FORBIDDEN")
	}
}

func TestB165(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	want := reversed(alice.talk(room, 3))
	if got := alice.messages(room, "dir=b&limit=3", nil).ok().at("chunk").all("event_id"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// pages pages on until there is no end, or until it has gone on for too long, and returns the events' ids.
func (u *user) pages(room, query, from string) []string {
	u.t.Helper()
	var ids []string
	for range 100 {
		q := query
		if from != "" {
			q += "&from=" + from
		}
		a := u.messages(room, q, nil).ok()
		ids = append(ids, a.at("chunk").all("event_id")...)
		next := a.str("end")
		if next == "" {
			return ids
		}
		if next == from {
			u.t.Fatalf("%s: the end is where it began: %s", a.asked, a.raw)
		}
		from = next
	}
	u.t.Fatal("the pages do not come to an end")
	return nil
}

func TestB166(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.roomWith("joined")
	alice.talk(room, 7)
	bob.join(room)
	seen := bob.talk(room, 7)
	for _, limit := range []int{1, 3, 5, 7, 100} {
		back := bob.pages(room, fmt.Sprint("dir=b&limit=", limit), "")
		if want := reversed(seen); len(back) < len(want) || !slices.Equal(back[:len(want)], want) {
			t.Errorf("limit %d: got %v backwards, want %v", limit, back, want)
		}
		if forth := bob.pages(room, fmt.Sprint("dir=f&limit=", limit), ""); !slices.Equal(forth, reversed(back)) {
			t.Errorf("limit %d: got %v forwards, want %v", limit, forth, reversed(back))
		}
		all := alice.pages(room, fmt.Sprint("dir=b&limit=", limit), "")
		if n := len(all); n != 5+7+1+7 { // what a public room begins with, and Bob's join
			t.Errorf("limit %d: Alice has %d events", limit, n)
		}
	}
}

func TestB169(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	bob.leave(room)
	away := alice.talk(room, 20)
	bob.join(room)
	got := bob.pages(room, "dir=b&limit=8", "")
	if !slices.Equal(got[1:21], reversed(away)) {
		t.Errorf("got %v, want %v after the join", got, reversed(away))
	}
	if len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
		t.Errorf("some events come twice: %v", got)
	}
}

func TestB170(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	from := alice.now()
	alice.talk(room, 3)
	to := alice.now()
	bob.talk(room, 1)
	lazy := map[string]any{"lazy_load_members": true}
	only := func(a *answer, want *user) {
		t.Helper()
		state := a.ok().at("state")
		if len(state.list()) != 1 || state.at(0).str("type") != "m.room.member" || state.at(0).str("state_key") != want.id ||
			state.at(0).str("content", "membership") != "join" {
			t.Errorf("%s: got state %v", a.asked, state)
		}
	}
	only(alice.messages(room, "dir=f&from="+from+"&to="+to, lazy), alice)
	only(alice.messages(room, "dir=b&limit=3&from="+to, lazy), alice)
	only(alice.messages(room, "dir=b&limit=1", lazy), bob)
}

func TestB171(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	want := alice.sendEvent(room, "m.room.message", obj{"msgtype": "m.file", "body": "f", "url": "mxc://example.org/x"})
	alice.talk(room, 2)
	a := alice.messages(room, "dir=b", map[string]any{"contains_url": true}).ok()
	if got := a.at("chunk").all("event_id"); !slices.Equal(got, []string{want}) || !a.isString("start") || !a.isString("end") {
		t.Errorf("got %s", a.raw)
	}
}

func TestB173(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	ids := alice.talk(room, 5)
	a := alice.get(path("/v3/rooms", room, "context", ids[3]) + "?limit=0").ok()
	if !a.isString("start") || !a.isString("end") || a.str("event", "event_id") != ids[3] || len(a.list("events_before"))+len(a.list("events_after")) > 0 {
		t.Errorf("got %s", a.raw)
	}
	if got := alice.messages(room, "dir=b&limit=2&from="+a.str("start"), nil).ok().at("chunk").all("event_id"); !slices.Equal(got, []string{ids[2], ids[1]}) {
		t.Errorf("before the start: got %v, want %v", got, ids)
	}
	if got := alice.messages(room, "dir=b&limit=2&from="+a.str("end"), nil).ok().at("chunk").all("event_id"); !slices.Equal(got, []string{ids[3], ids[2]}) {
		t.Errorf("before the end: got %v, want %v", got, ids)
	}
	a = alice.get(path("/v3/rooms", room, "context", ids[2]) + "?limit=2").ok()
	if a.str("events_before", 0, "event_id") != ids[1] || a.str("events_after", 0, "event_id") != ids[3] || a.at("state").find("m.room.create").missing() {
		t.Errorf("got %s", a.raw)
	}
}
