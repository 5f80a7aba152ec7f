package conformance

import (
	"fmt"
	"net/url"
	"testing"
)

// What a server adds to an event: https://spec.matrix.org/v1.19/client-server-api/#definition-clientevent, "unsigned".

// places are the endpoints at which a user is shown events of a room; each gives those it shows.
func places(u *user, room, event string) map[string][]value {
	u.t.Helper()
	around := u.get(path("/v3/rooms", room, "context", event) + "?limit=20")
	history := u.get(path("/v3/rooms", room, "messages") + "?dir=b&limit=100")
	synced := u.sync("", obj{"room": obj{"include_leave": true, "timeline": obj{"limit": 100}}})
	short := u.sync("", obj{"room": obj{"include_leave": true, "timeline": obj{"limit": 1}}})
	p := map[string][]value{
		"event":           one(u.event(room, event)),
		"context":         one(&answer{value: around.at("event"), status: around.status}),
		"events_before":   around.list("events_before"),
		"events_after":    around.list("events_after"),
		"context's state": around.list("state"),
		"messages":        history.list("chunk"),
		"state":           u.get(path("/v3/rooms", room, "state")).list(),
		"members":         u.get(path("/v3/rooms", room, "members")).list("chunk"),
		"relations":       u.get(path("/v1/rooms", room, "relations", event)).list("chunk"),
	}
	found := u.post("/v3/search", obj{"search_categories": obj{"room_events": obj{
		"search_term": "one", "filter": obj{"rooms": list{room}}, "event_context": obj{"before_limit": 5, "after_limit": 5},
	}}})
	for _, result := range found.list("search_categories", "room_events", "results") {
		p["search"] = append(p["search"], result.at("result"))
		for _, around := range []string{"events_before", "events_after"} {
			p["search's "+around] = append(p["search's "+around], result.list("context", around)...)
		}
	}
	for what, sync := range map[string]*answer{"sync": synced, "short sync": short} {
		for where, r := range map[string]value{"": sync.joined(room), " of left rooms": sync.left(room)} {
			p[what+where+" timeline"] = r.list("timeline", "events")
			p[what+where+" state"] = r.list("state", "events")
		}
	}
	for _, e := range p["state"] {
		p["state event"] = append(p["state event"],
			u.get(path("/v3/rooms", room, "state", e.str("type"), e.str("state_key"))+"?format=event").value)
	}
	return p
}

func one(a *answer) []value {
	if a.status != 200 {
		return nil
	}
	return []value{a.value}
}

func TestUnsigned(t *testing.T) { // B142 and B161 everywhere
	alice, bob := newUser(t), newUser(t)
	phone := alice.login("")
	room := alice.createRoom(obj{"preset": "public_chat", "topic": "first"})
	first := alice.get(path("/v3/rooms", room, "state", "m.room.topic", "") + "?format=event").ok().str("event_id")
	before := alice.send(room, "before")
	bob.join(room)
	topic := alice.setState(room, "m.room.topic", "", obj{"topic": "second"})
	sent := alice.put(path("/v3/rooms", room, "send", "m.room.message", "mine"), text("one")).ok().str("event_id")
	alice.sendEvent(room, "com.example", obj{"m.relates_to": obj{"rel_type": "m.reference", "event_id": sent}})
	gone := alice.send(room, "gone")
	redaction := alice.put(path("/v3/rooms", room, "redact", gone, "r1"), obj{"reason": "spam"}).ok().str("event_id")

	for _, c := range []struct {
		who   *user
		where func(e value) string // her membership at the event
		txn   bool
	}{
		{alice, func(e value) string {
			if e.str("type") == "m.room.create" {
				return "leave"
			}
			return "join"
		}, true},
		{phone, nil, false},
		{bob, func(e value) string {
			switch e.str("type") {
			case "m.room.create", "m.room.power_levels", "m.room.join_rules", "m.room.history_visibility":
				return "leave"
			case "m.room.member":
				if e.str("state_key") == alice.id {
					return "leave"
				}
			case "m.room.topic":
				if e.str("event_id") == first {
					return "leave"
				}
			}
			if e.str("event_id") == before {
				return "leave"
			}
			return "join"
		}, false},
	} {
		found, wheres := map[string]int{}, map[string]bool{}
		for _, event := range []string{sent, gone, topic, before} {
			for where, events := range places(c.who, room, event) {
				for _, e := range events {
					wheres[where] = true
					u := e.at("unsigned")
					if !u.isNumber("age") || u.num("age") < 0 {
						t.Errorf("%s: no age: %v", where, e)
					}
					if c.where != nil && u.str("membership") != c.where(e) {
						t.Errorf("%s: membership %q, want %q: %v", where, u.str("membership"), c.where(e), e)
					}
					found[e.str("event_id")]++
					if got := u.str("transaction_id"); (got == "mine") != (c.txn && e.str("event_id") == sent) && e.str("event_id") == sent {
						t.Errorf("%s: transaction id %q", where, got)
					}
					because := u.at("redacted_because")
					switch e.str("event_id") {
					case topic:
						if u.str("replaces_state") != first || u.str("prev_content", "topic") != "first" || u.str("prev_sender") != alice.id {
							t.Errorf("%s: what the topic replaced: %v", where, u)
						}
					case gone:
						if because.str("event_id") != redaction || because.str("sender") != alice.id || because.str("content", "reason") != "spam" ||
							because.str("unsigned", "membership") != "join" || !because.isNumber("unsigned", "age") {
							t.Errorf("%s: what redacted: %v", where, because)
						}
						if !e.at("content").equals(obj{}) {
							t.Errorf("%s: content %v", where, e.at("content"))
						}
					default:
						if u.has("replaces_state") && e.str("type") != "m.room.member" || u.has("redacted_because") {
							t.Errorf("%s: %v", where, e)
						}
					}
				}
			}
		}
		if len(wheres) < 14 { // all but those of left rooms
			t.Errorf("events were seen at %d places: %v", len(wheres), wheres)
		}
		for what, id := range map[string]string{"topic": topic, "redacted message": gone, "message": sent} {
			if found[id] < 6 {
				t.Errorf("the %s was seen at %d places", what, found[id])
			}
		}
	}
}

// TestRedactedBecause: a redaction is shown with what it emptied only to whom the redaction itself is shown.
func TestRedactedBecause(t *testing.T) {
	alice, bob, carol := newUser(t), newUser(t), newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat", "initial_state": list{
		obj{"type": "m.room.history_visibility", "content": obj{"history_visibility": "world_readable"}},
	}})
	bob.join(room)
	message := alice.send(room, "gone")
	state := alice.setState(room, "com.example", "", obj{"a": 1})
	alice.setState(room, "m.room.history_visibility", "", obj{"history_visibility": "joined"})
	bob.leave(room)
	reason := obj{"reason": "said after Bob had left"}
	for i, event := range []string{message, state} {
		alice.put(path("/v3/rooms", room, "redact", event, fmt.Sprint("r", i)), reason).ok()
	}
	carol.join(room) // after the redactions, which she may not see
	for who, u := range map[string]*user{"Alice": alice, "Bob": bob, "Carol": carol} {
		seen := 0
		for _, event := range []string{message, state} {
			for where, events := range places(u, room, event) {
				for _, e := range events {
					if id := e.str("event_id"); id != message && id != state {
						continue
					}
					seen++
					if len(e.keys("content")) != 0 {
						t.Errorf("%s, %s: content %v", who, where, e)
					}
					if got := e.at("unsigned").has("redacted_because"); got != (who == "Alice") {
						t.Errorf("%s, %s: redacted_because %t: %v", who, where, got, e)
					}
				}
			}
		}
		if seen < 8 {
			t.Errorf("%s saw them at %d places", who, seen)
		}
	}
}

// TestPrevContent: what a state event replaced is not shown to whom it was not shown; that it replaced something is.
func TestPrevContent(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat", "initial_state": list{
		obj{"type": "m.room.history_visibility", "content": obj{"history_visibility": "joined"}},
	}})
	old := alice.setState(room, "m.room.topic", "", obj{"topic": "secret"})
	bob.join(room)
	topic := alice.setState(room, "m.room.topic", "", obj{"topic": "open"})
	bob.put(path("/v3/profile", bob.id, "displayname"), obj{"displayname": "Bobby"}).ok()
	bob.soon("", "the new name", func(a *answer) bool {
		return bob.state(room, "m.room.member", bob.id).ok().str("displayname") == "Bobby"
	})
	for where, events := range places(bob, room, topic) {
		for _, e := range events {
			u := e.at("unsigned")
			switch {
			case e.str("event_id") == topic:
				if u.has("prev_content") || u.has("prev_sender") || u.str("replaces_state") != old {
					t.Errorf("%s: got %v", where, u)
				}
			case e.str("state_key") == bob.id && e.str("content", "displayname") == "Bobby":
				if u.str("prev_content", "membership") != "join" {
					t.Errorf("%s: got %v", where, u)
				}
			}
		}
	}
	since := url.QueryEscape(bob.now())
	if got := bob.get(path("/v3/rooms", room, "messages") + "?dir=b&from=" + since).ok(); got.at("chunk").find("m.room.topic").missing() {
		t.Errorf("got %s", got.raw)
	}
}
