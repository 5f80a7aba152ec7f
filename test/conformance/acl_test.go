package conformance

import (
	"testing"
	"time"

	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// TestB450B451B452B453B454: whom a room's access list denies is not heard there (B450), and as before elsewhere, in the same
// transaction (B451, B453); the list itself is state as any other (B452).
func TestB450B451B452B453B454(t *testing.T) {
	v := newVisit(t, "11")
	other := v.at.Join(id.Room(v.alice.publicRoom()), v.robin)
	content := obj{"allow": list{"*"}, "deny": list{v.r.Name.Host()}, "allow_ip_literals": true}
	v.alice.setState(v.id(), "m.room.server_acl", "", content)
	v.since = v.alice.now()

	denied, taken := v.say("denied"), other.Make(v.robin, "m.room.message", remote.Text("taken"))
	edus := []remote.EDU{}
	for _, room := range []*remote.Room{v.room, other} {
		edus = append(edus, remote.MakeEDU("m.typing", obj{"room_id": room.ID, "user_id": v.robin, "typing": true}))
	}
	read := func(room *remote.Room) obj {
		return obj{"m.read": obj{string(v.robin): obj{"event_ids": list{string(room.Ends()[0])}, "data": obj{"ts": 1}}}}
	}
	edus = append(edus, remote.MakeEDU("m.receipt", obj{string(v.room.ID): read(v.room), string(other.ID): read(other)}))
	v.at.Transaction(edus, denied, taken).OK()

	seen := map[string]bool{}
	v.alice.soon(v.since, "what robin does in the other room", func(a *answer) bool {
		for _, room := range []*remote.Room{v.room, other} {
			for _, e := range a.list("rooms", "join", string(room.ID), "ephemeral", "events") {
				if e.str("type") == "m.receipt" && len(e.at("content").keys()) == 0 {
					continue
				}
				seen[string(room.ID)+e.str("type")] = true
			}
			for _, e := range a.list("rooms", "join", string(room.ID), "timeline", "events") {
				seen[e.str("event_id")] = true
			}
		}
		return seen[string(other.ID)+"m.typing"] && seen[string(other.ID)+"m.receipt"] && seen[string(taken.ID())]
	})
	time.Sleep(300 * time.Millisecond)
	v.hides(denied)
	if seen[v.id()+"m.typing"] || seen[v.id()+"m.receipt"] {
		t.Errorf("the denied server is heard: %v", seen)
	}
	if got := v.alice.state(v.id(), "m.room.server_acl", "").ok().str("deny", 0); got != content["deny"].(list)[0] {
		t.Errorf("the access list denies %q", got)
	}
	a := v.alice.sync("", nil) // B454
	if !a.isList("rooms", "join", v.id(), "ephemeral", "events") || len(a.list("rooms", "join", v.id(), "ephemeral", "events")) != 0 {
		t.Errorf("the denied room has %v", a.at("rooms", "join", v.id(), "ephemeral"))
	}
	types := map[string]int{}
	for _, e := range a.list("rooms", "join", string(other.ID), "ephemeral", "events") {
		types[e.str("type")]++
	}
	if len(types) != 2 || types["m.typing"] != 1 || types["m.receipt"] != 1 {
		t.Errorf("the other room has %v", types)
	}
}
