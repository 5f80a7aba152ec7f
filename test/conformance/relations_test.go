package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
)

// 14 Relations and threads

// relate sends a message that relates to another event and returns its id.
func (u *user) relate(room, rel, parent string) string {
	u.t.Helper()
	return u.sendEvent(room, "m.room.message", related(rel, parent))
}

func related(rel, parent string) obj {
	return obj{
		"msgtype": "m.text", "body": fmt.Sprint(rel, " ", count.Add(1)),
		"m.relates_to": obj{"rel_type": rel, "event_id": parent},
	}
}

// replies sends n replies in a thread and returns their ids.
func (u *user) replies(room, root string, n int) (ids []string) {
	u.t.Helper()
	for range n {
		ids = append(ids, u.relate(room, "m.thread", root))
	}
	return ids
}

// relations asks for the children of an event; more is further segments of the path.
func (u *user) relations(room, event, query string, more ...string) *answer {
	u.t.Helper()
	segments := append([]string{room, "relations", event}, more...)
	return u.get(path("/v1/rooms", segments...) + "?" + query).ok()
}

func TestRelations(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	root := alice.send(room, "root")
	alice.send(room, "something else")
	reply := alice.relate(room, "m.thread", root)
	custom := alice.sendEvent(room, "org.example.reply", related("m.thread", root))
	edit := related("m.replace", root)
	edit["m.new_content"] = obj{"msgtype": "m.text", "body": "edited"}
	replaced := alice.sendEvent(room, "m.room.message", edit)

	t.Run("B181", func(t *testing.T) {
		if got := alice.relations(room, root, "").at("chunk").all("event_id"); !slices.Equal(got, []string{replaced, custom, reply}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("B182", func(t *testing.T) {
		if got := alice.relations(room, root, "", "m.thread").at("chunk").all("event_id"); !slices.Equal(got, []string{custom, reply}) {
			t.Errorf("threads: got %v", got)
		}
		if got := alice.relations(room, root, "", "m.thread", "m.room.message").at("chunk").all("event_id"); !slices.Equal(got, []string{reply}) {
			t.Errorf("messages in threads: got %v", got)
		}
	})
	t.Run("NotFound", func(t *testing.T) {
		bob := newUser(t)
		bob.get(path("/v1/rooms", room, "relations", root)).fails(404, "M_NOT_FOUND")
		alice.get(path("/v1/rooms", room, "relations", "$nothing")).fails(404, "M_NOT_FOUND")
	})
	t.Run("Bundled", func(t *testing.T) {
		got := alice.get(path("/v3/rooms", room, "event", root)).ok().at("unsigned", "m.relations")
		if got.str("m.replace", "event_id") != replaced || got.num("m.thread", "count") != 2 || got.str("m.thread", "latest_event", "event_id") != custom {
			t.Errorf("got %s", got)
		}
		for _, e := range alice.messages(room, "dir=b", nil).ok().list("chunk") {
			if has := !e.at("unsigned", "m.relations").missing(); has != (e.str("event_id") == root) {
				t.Errorf("in a page of messages: %s", e)
			}
		}
		around := alice.get(path("/v3/rooms", room, "context", root)).ok()
		if around.at("event", "unsigned", "m.relations", "m.thread").missing() {
			t.Errorf("in its context: %s", around.at("event"))
		}
		timeline := alice.sync("", obj{"room": obj{"timeline": obj{"limit": 5}}}).timeline(room)
		if timeline.at(0, "unsigned", "m.relations", "m.replace").missing() || timeline.str(0, "event_id") != root {
			t.Errorf("in a timeline that is limited: %s", timeline)
		}
	})
}

func TestRelationPages(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	root := alice.send(room, "root")
	ids := alice.replies(room, root, 10)
	pages := func(t *testing.T, query string, pages int) (got []string) {
		t.Helper()
		for from := ""; pages > 0; pages-- {
			a := alice.relations(room, root, query+from, "m.thread")
			page := a.at("chunk").all("event_id")
			if len(page) > 3 {
				t.Errorf("a page has %d", len(page))
			}
			got = append(got, page...)
			if a.str("next_batch") == "" {
				return got
			}
			from = "&from=" + url.QueryEscape(a.str("next_batch"))
		}
		return got
	}
	t.Run("B183", func(t *testing.T) {
		if got := pages(t, "limit=3", 100); !slices.Equal(got, reversed(ids)) {
			t.Errorf("got %v, want %v", got, reversed(ids))
		}
		a := alice.relations(room, root, "limit=3", "m.thread")
		if a.str("next_batch") == "" || !slices.Equal(a.at("chunk").all("event_id"), reversed(ids)[:3]) {
			t.Errorf("the first page: %s", a.raw)
		}
	})
	t.Run("B184", func(t *testing.T) {
		if got := pages(t, "limit=3&dir=f", 100); !slices.Equal(got, ids) {
			t.Errorf("got %v, want %v", got, ids)
		}
	})
	t.Run("B185", func(t *testing.T) {
		since := alice.sync("", nil).str("next_batch")
		later := alice.replies(room, root, 5)
		a := alice.relations(room, root, "dir=f&limit=3&from="+since, "m.thread")
		if got := a.at("chunk").all("event_id"); !slices.Equal(got, later[:3]) {
			t.Errorf("got %v, want %v", got, later[:3])
		}
		a = alice.relations(room, root, "dir=f&limit=3&from="+url.QueryEscape(a.str("next_batch")), "m.thread")
		if got := a.at("chunk").all("event_id"); !slices.Equal(got, later[3:]) {
			t.Errorf("then got %v, want %v", got, later[3:])
		}
	})
}

func TestThreads(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	older, newer := alice.send(room, "older"), alice.send(room, "newer")
	first, second := alice.relate(room, "m.thread", older), alice.relate(room, "m.thread", newer)
	check := func(t *testing.T, u *user, query string, roots, latest []string) {
		t.Helper()
		a := u.get(path("/v1/rooms", room, "threads") + query).ok()
		if got := a.at("chunk").all("event_id"); !slices.Equal(got, roots) {
			t.Fatalf("%s: got %v, want %v", query, got, roots)
		}
		for i, e := range a.list("chunk") {
			if got := e.str("unsigned", "m.relations", "m.thread", "latest_event", "event_id"); got != latest[i] {
				t.Errorf("root %d: the newest reply is %q, want %q", i, got, latest[i])
			}
		}
	}
	t.Run("B186", func(t *testing.T) { check(t, alice, "", []string{newer, older}, []string{second, first}) })
	t.Run("B187", func(t *testing.T) {
		third := bob.relate(room, "m.thread", older)
		check(t, alice, "", []string{older, newer}, []string{third, second})
		check(t, bob, "?include=participated", []string{older}, []string{third})
	})
	t.Run("Errors", func(t *testing.T) {
		newUser(t).get(path("/v1/rooms", room, "threads")).fails(403, "M_FORBIDDEN")
		alice.get(path("/v1/rooms", room, "threads")+"?from=x").fails(400, "M_INVALID_PARAM")
		reply := alice.relate(room, "m.thread", older)
		alice.put(path("/v3/rooms", room, "send", "m.room.message", "t"), related("m.thread", reply)).fails(400, "M_UNKNOWN")
	})
}

func TestDuplicateAnnotation(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	event := alice.send(room, "hello")
	like := obj{"m.relates_to": obj{"rel_type": "m.annotation", "event_id": event, "key": "👍"}}
	alice.sendEvent(room, "m.reaction", like)
	alice.put(path("/v3/rooms", room, "send", "m.reaction", "t"), like).fails(400, "M_DUPLICATE_ANNOTATION")
}

func TestRelationFilters(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	root, plain := alice.send(room, "root"), alice.send(room, "plain")
	reply, reference := bob.relate(room, "m.thread", root), alice.relate(room, "m.reference", plain)
	ids := func(t *testing.T, filter obj) []string {
		t.Helper()
		filter["types"] = list{"m.room.message"}
		return alice.messages(room, "dir=b", filter).ok().at("chunk").all("event_id")
	}
	for _, c := range []struct {
		line, key string
		value     list
		want      []string
	}{
		{"B539", "org.matrix.msc3874.rel_types", list{"m.thread"}, []string{reply}},
		{"B539 both", "org.matrix.msc3874.rel_types", list{"m.thread", "m.reference"}, []string{reference, reply}},
		{"B540", "org.matrix.msc3874.not_rel_types", list{"m.thread"}, []string{reference, plain, root}},
		{"Types of children", "related_by_rel_types", list{"m.thread"}, []string{root}},
		{"Senders of children", "related_by_senders", list{alice.id}, []string{plain}},
	} {
		t.Run(c.line, func(t *testing.T) {
			if got := ids(t, obj{c.key: c.value}); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			filter := obj{"room": obj{"timeline": obj{c.key: c.value, "types": list{"m.room.message"}}}}
			if got := alice.sync("", filter).timeline(room).all("event_id"); !slices.Equal(got, reversed(c.want)) {
				t.Errorf("in a timeline: got %v, want %v", got, reversed(c.want))
			}
		})
	}
}
