package conformance

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/test/remote"
)

// TestB548: what is referred to and was said before this server came into the room is asked for at a server of the room.
func TestB548(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	room := alice.publicRoom()
	a := alice.send(room, "A")
	b := alice.refer(room, "m.reference", a)
	c, d := alice.refer(room, "m.reference", b), alice.refer(room, "m.reference", b)
	bob.joinVia(room, s.name).ok()
	got := bob.references(obj{"event_id": b, "room_id": room, "direction": "down", "include_parent": true, "recent_first": false}).ok()
	if ids := got.at("events").all("event_id"); !slices.Equal(ids, []string{b, a, c, d}) {
		t.Errorf("got %v, want %v", ids, []string{b, a, c, d})
	}
	s2.newUser(t).references(obj{"event_id": b, "room_id": room}).fails(404, "M_NOT_FOUND")
	bob.references(obj{"event_id": "$none", "room_id": room}).fails(404, "M_NOT_FOUND")
	// Once its past is read the events have their places as well, and are shown as before.
	read := bob.readBack(room, "", 100)
	if !slices.Equal(read, []string{d, c, b, a}) {
		t.Errorf("read back %v", read)
	}
	got = bob.references(obj{"event_id": b, "include_parent": true, "recent_first": false}).ok()
	if ids := got.at("events").all("event_id"); !slices.Equal(ids, []string{b, a, c, d}) {
		t.Errorf("then got %v, want %v", ids, []string{b, a, c, d})
	}
}

// TestB549: what R gives in one answer is kept.
func TestB549(t *testing.T) {
	for _, version := range []string{"10", "12"} {
		s := first(t)
		r, room, robin := theirs(t, version)
		alice := s.newUser(t)
		s.meet(r)
		refer := func(to *event.Event) *event.Event {
			time.Sleep(2 * time.Millisecond)
			return room.Make(robin, "m.room.message", obj{
				"msgtype": "m.text", "body": "x", "m.relationship": obj{"rel_type": "m.reference", "event_id": to.ID()},
			})
		}
		a := room.Make(robin, "m.room.message", remote.Text("A"))
		b, c := refer(a), refer(a)
		d := refer(c)
		chain := []json.RawMessage{}
		for _, e := range chainOf(room, d) {
			chain = append(chain, e.Bytes())
		}
		v := &visit{T: t, s: s, alice: alice, r: r, room: room, robin: robin}
		asked := v.asked("POST /_matrix/federation/unstable/event_relationships", func(question) (int, any) {
			return 200, obj{"limited": false, "events": rawsOf(d, c, b, a), "auth_chain": chain}
		})
		r.Hook(eventPath, remote.Fail(404, "M_NOT_FOUND")) // it is to be had in no other way
		others := v.asked("GET /_matrix/federation/v1/state_ids/", nil)
		alice.joinVia(string(room.ID), r.Name).ok()
		e := refer(d)
		room.Share(e)
		v.shows(e)
		names := func(events ...*event.Event) (all []string) {
			for _, e := range events {
				all = append(all, string(e.ID()))
			}
			return all
		}
		before := len(others())
		got := alice.references(obj{"event_id": e.ID(), "max_depth": 10, "direction": "up"}).ok()
		if ids, want := got.at("events").all("event_id"), names(e, d, c, a); !slices.Equal(ids, want) {
			t.Errorf("up: got %v, want %v", ids, want)
		}
		got = alice.references(obj{"event_id": a.ID(), "max_depth": 1, "direction": "down", "recent_first": false}).ok()
		if ids, want := got.at("events").all("event_id"), names(a, b, c); !slices.Equal(ids, want) {
			t.Errorf("down: got %v, want %v", ids, want)
		}
		if all := asked(); len(all) != 1 || all[0].Body["event_id"] != string(d.ID()) {
			t.Errorf("R was asked %v", all)
		}
		if n := len(others()); n != before {
			t.Errorf("R was asked for %d states", n-before)
		}
		s.newUser(t).references(obj{"event_id": a.ID()}).fails(404, "M_NOT_FOUND")
	}
}
