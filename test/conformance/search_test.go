package conformance

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"testing"
)

// 24 Search

// search asks for events; more is put into room_events, from may be empty.
func (u *user) search(term, from string, more obj) value {
	u.t.Helper()
	events := obj{"search_term": term, "keys": list{"content.body"}}
	maps.Copy(events, more)
	query := "/v3/search"
	if from != "" {
		query += "?next_batch=" + url.QueryEscape(from)
	}
	return u.post(query, obj{"search_categories": obj{"room_events": events}}).ok().at("search_categories", "room_events")
}

// found are the ids of a search's results.
func found(v value) (ids []string) {
	for _, r := range v.list("results") {
		ids = append(ids, r.str("result", "event_id"))
	}
	return ids
}

// numbered sends "Message number 1" and so on, and returns the ids.
func (u *user) numbered(room string, n int) (ids []string) {
	u.t.Helper()
	for i := range n {
		ids = append(ids, u.send(room, fmt.Sprint("Message number ", i+1)))
	}
	return ids
}

func TestSearch(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	ids := alice.numbered(room, 7)
	in := obj{"rooms": list{room}}

	t.Run("B328 B336", func(t *testing.T) {
		got := alice.search("number 3", "", obj{"filter": in})
		r := got.at("results", 0, "result")
		if got.num("count") != 1 || r.str("event_id") != ids[2] || r.str("room_id") != room || r.str("type") != "m.room.message" ||
			r.str("content", "body") != "Message number 3" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("B329", func(t *testing.T) {
		if got := found(alice.search("Message 4", "", obj{"filter": in})); !slices.Equal(got, []string{ids[3]}) {
			t.Errorf("got %v, want %s", got, ids[3])
		}
	})
	t.Run("B330", func(t *testing.T) {
		got := alice.search("Message 4", "", obj{"filter": in, "event_context": obj{"before_limit": 2, "after_limit": 2, "include_profile": true}})
		c := got.at("results", 0, "context")
		if before := c.at("events_before").all("event_id"); !slices.Equal(before, []string{ids[2], ids[1]}) {
			t.Errorf("before: %v", before)
		}
		if after := c.at("events_after").all("event_id"); !slices.Equal(after, ids[4:6]) {
			t.Errorf("after: %v", after)
		}
		if c.str("start") == "" || c.str("end") == "" || c.at("profile_info", alice.id).missing() {
			t.Errorf("got %s", c)
		}
	})
	t.Run("B331", func(t *testing.T) {
		if got := found(alice.search("Message", "", obj{"filter": in, "order_by": "recent"})); !slices.Equal(got, reversed(ids)) {
			t.Errorf("got %v, want %v", got, reversed(ids))
		}
	})
	t.Run("B332 B333", func(t *testing.T) {
		var got []string
		from := ""
		for page := range 4 {
			a := alice.search("number", from, obj{"filter": obj{"rooms": list{room}, "limit": 7 / 3}, "order_by": "recent"})
			if a.num("count") != 7 {
				t.Errorf("page %d: there are %v, want 7", page, a.num("count"))
			}
			got = append(got, found(a)...)
			from = a.str("next_batch")
			if full := page < 3; full != (from != "") {
				t.Errorf("page %d: next_batch is %q", page, from)
			}
		}
		if !slices.Equal(got, reversed(ids)) {
			t.Errorf("got %v, want %v", got, reversed(ids))
		}
		whole := alice.search("number", "", obj{"filter": obj{"rooms": list{room}, "limit": 7}})
		if whole.str("next_batch") == "" {
			t.Error("a full page, the last, has no next_batch")
		}
		past := alice.search("number", whole.str("next_batch"), obj{"filter": obj{"rooms": list{room}, "limit": 7}})
		if !past.isList("results") || len(past.list("results")) != 0 || past.has("next_batch") {
			t.Errorf("the page after it: %s", past)
		}
	})
	t.Run("Groups", func(t *testing.T) {
		got := alice.search("number 5", "", obj{"filter": in, "groupings": obj{"group_by": list{obj{"key": "room_id"}, obj{"key": "sender"}}}, "include_state": true})
		if !got.at("groups", "room_id", room, "results").equals(list{ids[4]}) || !got.at("groups", "sender", alice.id, "results").equals(list{ids[4]}) {
			t.Errorf("got %s", got.at("groups"))
		}
		if got.at("state", room).find("m.room.create", "").missing() {
			t.Errorf("without the state: %s", got.at("state"))
		}
	})
	t.Run("Others", func(t *testing.T) {
		if got := newUser(t).search("number", "", nil); got.num("count") != 0 || len(got.list("results")) != 0 {
			t.Errorf("a stranger finds %s", got)
		}
	})
	t.Run("Errors", func(t *testing.T) {
		for _, events := range []obj{{}, {"search_term": "x", "order_by": "luck"}, {"search_term": "x", "keys": list{"content.url"}}} {
			alice.post("/v3/search", obj{"search_categories": obj{"room_events": events}}).fails(400)
		}
		alice.post("/v3/search?next_batch=x", obj{"search_categories": obj{"room_events": obj{"search_term": "x"}}}).fails(400, "M_INVALID_PARAM")
	})
}

func TestB334(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	ids := alice.numbered(room, 2)
	alice.put(path("/v3/rooms", room, "redact", ids[0], "t"), obj{}).ok()
	for _, order := range []string{"rank", "recent"} {
		if got := found(alice.search("number", "", obj{"order_by": order})); !slices.Equal(got, ids[1:]) {
			t.Errorf("%s: got %v, want %v", order, got, ids[1:])
		}
	}
}

func TestB335(t *testing.T) {
	alice := newUser(t)
	older := alice.createRoom(nil)
	first := alice.send(older, "Message before the upgrade")
	newer := alice.post(path("/v3/rooms", older, "upgrade"), obj{"new_version": "11"}).ok().str("replacement_room")
	second := alice.send(newer, "Message after the upgrade")
	got := found(alice.search("upgrade", "", obj{"filter": obj{"rooms": list{older, newer}}, "order_by": "recent"}))
	if !slices.Equal(got, []string{second, first}) {
		t.Errorf("got %v, want %v", got, []string{second, first})
	}
}
