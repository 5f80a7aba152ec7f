package conformance

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"
)

// 39 Threading by reference (MSC2836)

// refer sends a message that answers another and returns its id. Those that are compared by their time are not of the same
// millisecond.
func (u *user) refer(room, rel, parent string) string {
	u.t.Helper()
	time.Sleep(2 * time.Millisecond)
	return u.sendEvent(room, "m.room.message", obj{
		"msgtype": "m.text", "body": "x", "m.relationship": obj{"rel_type": rel, "event_id": parent},
	})
}

func (u *user) references(question obj) *answer {
	u.t.Helper()
	return u.post("/unstable/event_relationships", question)
}

func TestB545(t *testing.T) {
	alice, bob, room := pair(t)
	parent := alice.send(room, "parent")
	event := bob.refer(room, "m.reference", parent)
	first, second := alice.refer(room, "m.reference", event), bob.refer(room, "m.reference", event)
	a := alice.references(obj{"event_id": event, "room_id": room, "direction": "down", "include_parent": true}).ok()
	if got, want := a.at("events").all("event_id"), []string{event, parent, second, first}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !a.has("limited") || a.flag("limited") {
		t.Errorf("got %s", a.raw)
	}
	newUser(t).references(obj{"event_id": event, "room_id": room}).fails(404, "M_NOT_FOUND")
	alice.references(obj{"event_id": "$none"}).fails(404, "M_NOT_FOUND")
	alice.references(obj{}).fails(400, "M_MISSING_PARAM")
}

// Which way, how far and how many.
func TestB546(t *testing.T) {
	alice, _, room := pair(t)
	a := alice.send(room, "A")
	b, c := alice.refer(room, "m.reference", a), alice.refer(room, "m.reference", a)
	d := alice.refer(room, "org.example", c)
	e := alice.refer(room, "m.reference", d)
	alice.relate(room, "m.reference", a) // m.relates_to is another matter
	for _, tt := range []struct {
		name    string
		ask     obj
		want    []string
		limited bool
	}{
		{"down", obj{"event_id": a}, []string{a, c, b, d, e}, false},
		{"oldest first", obj{"event_id": a, "recent_first": false}, []string{a, b, c, d, e}, false},
		{"depth first", obj{"event_id": a, "depth_first": true}, []string{a, c, d, e, b}, false},
		{"one step", obj{"event_id": a, "max_depth": 1}, []string{a, c, b}, false},
		{"no step", obj{"event_id": a, "max_depth": 0}, []string{a}, false},
		{"one of each", obj{"event_id": a, "max_breadth": 1}, []string{a, c, d, e}, false},
		{"any depth", obj{"event_id": a, "max_depth": -1, "max_breadth": -1}, []string{a, c, b, d, e}, false},
		{"three", obj{"event_id": a, "limit": 3}, []string{a, c, b}, true},
		{"five", obj{"event_id": a, "limit": 5}, []string{a, c, b, d, e}, false},
		{"up", obj{"event_id": e, "direction": "up", "max_depth": 10}, []string{e, d, c, a}, false},
		{"up, two", obj{"event_id": e, "direction": "up", "max_depth": 2}, []string{e, d, c}, false},
		{"up, with children", obj{"event_id": c, "direction": "up", "include_children": true}, []string{c, d, a}, false},
		{"parent", obj{"event_id": d, "include_parent": true}, []string{d, c, e}, false},
	} {
		got := alice.references(tt.ask).ok()
		if ids := got.at("events").all("event_id"); !slices.Equal(ids, tt.want) || got.flag("limited") != tt.limited {
			t.Errorf("%s: got %v, limited %v, want %v", tt.name, ids, got.flag("limited"), tt.want)
		}
	}
	for _, bad := range []obj{{"direction": "left"}, {"limit": 0}, {"batch": "x"}} {
		bad["event_id"] = a
		alice.references(bad).fails(400, "M_INVALID_PARAM")
	}
}

func TestB547(t *testing.T) {
	alice, bob, room := pair(t)
	event := alice.send(room, "event")
	ids := []string{bob.refer(room, "m.reference", event), bob.refer(room, "m.reference", event), bob.refer(room, "custom", event)}
	bob.put(path("/v3/rooms", room, "redact", ids[0], "t"), obj{}).ok() // what is gone has been said
	slices.Sort(ids)
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return base64.RawStdEncoding.EncodeToString(sum[:])
	}
	a := alice.references(obj{"event_id": event, "room_id": room}).ok()
	of := a.at("events", 0, "unsigned")
	if !of.at("children").equals(obj{"m.reference": 2, "custom": 1}) || of.str("children_hash") != hash(strings.Join(ids, "")) {
		t.Errorf("got %s", of)
	}
	for _, leaf := range a.list("events")[1:] {
		if of := leaf.at("unsigned"); !of.at("children").equals(obj{}) || of.str("children_hash") != hash("") {
			t.Errorf("without children: got %s", of)
		}
	}
}
