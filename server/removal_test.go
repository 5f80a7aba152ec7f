package server

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/push"
	"freehold.example/matrix/id"
)

// work does the removals that wait, as the background would.
func (h *house) work() {
	h.t.Helper()
	for {
		did, err := h.s.removals.Step(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		if !did {
			return
		}
	}
}

// rows counts the rows of a table.
func (h *house) rowsOf(table string) int {
	h.t.Helper()
	n := 0
	err := h.s.db.Read(h.t.Context(), func(tx *sqldb.Tx) error {
		tables, err := tx.Tables()
		for _, t := range tables {
			if t.Name == table {
				n = 0
				err = tx.Dump(t, func([]any) error { n++; return nil })
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (g *lodger) send(in, txn, body string) string {
	g.t.Helper()
	return g.ok("PUT", "/v3/rooms/"+url.PathEscape(in)+"/send/m.room.message/"+txn, body)["event_id"].(string)
}

// bodies are the texts in a page of messages, the newest first.
func bodies(page map[string]any) (all []string) {
	for _, e := range page["chunk"].([]any) {
		if body, ok := e.(map[string]any)["content"].(map[string]any)["body"].(string); ok {
			all = append(all, body)
		}
	}
	return all
}

func TestPurgeOfHistory(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		alice := h.lodger("alice")
		in := alice.ok("POST", "/v3/createRoom", `{"preset":"private_chat","name":"Attic"}`)["room_id"].(string)
		at := "/v3/rooms/" + url.PathEscape(in)
		var sent []string
		for i := range 450 { // more than two batches
			sent = append(sent, alice.send(in, fmt.Sprint(i), fmt.Sprintf(`{"msgtype":"m.text","body":"word%d"}`, i)))
		}
		reply := func(txn, parent, body string) string {
			return alice.send(in, txn, fmt.Sprintf(`{"msgtype":"m.text","body":%q,"m.relates_to":{"rel_type":"m.thread","event_id":%q}}`, body, parent))
		}
		reply("t1", sent[449], "early reply") // of one that stays
		alice.ok("PUT", at+"/state/m.room.topic/", `{"topic":"dust"}`)
		topic := alice.ok("PUT", at+"/state/m.room.topic/", `{"topic":"more dust"}`)["event_id"].(string)
		alice.ok("PUT", at+"/redact/"+url.PathEscape(topic)+"/r1", `{}`)
		alice.ok("PUT", at+"/redact/"+url.PathEscape(sent[0])+"/r2", `{}`)
		bound := alice.send(in, "bound", `{"msgtype":"m.text","body":"bound"}`)
		reply("t2", sent[449], "late reply")
		last := alice.send(in, "last", `{"msgtype":"m.text","body":"last"}`)
		if err := h.s.search.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		events, entries, nodes := h.rowsOf("event"), h.rowsOf("search_entry"), h.rowsOf("state_node")
		state := alice.as(alice.token, "GET", at+"/messages?dir=b&limit=1", "", 200)

		purge := func(body string, status int) map[string]any {
			t.Helper()
			a := h.admin("POST", "/v1/purge_history/"+url.PathEscape(in), body, status)
			if status != 200 {
				return a
			}
			h.work()
			return h.admin("GET", "/v1/purge_history_status/"+a["purge_id"].(string), "", 200)
		}
		purge(`{}`, 400)
		purge(`{"purge_up_to_event_id":"$none"}`, 404)
		purge(fmt.Sprintf(`{"purge_up_to_event_id":%q}`, h.names["eventID"]), 404) // of another room
		purge(`{"purge_up_to_ts":-1}`, 400)
		purge(fmt.Sprintf(`{"purge_up_to_ts":%d}`, time.Now().Add(time.Hour).UnixMilli()), 400)
		h.admin("POST", "/v1/purge_history/!none:localhost", `{"purge_up_to_ts":1}`, 404)
		h.admin("GET", "/v1/purge_history_status/none", "", 404)

		// Who is of this server may have the only copy: it stays unless that is asked for.
		if got := purge(fmt.Sprintf(`{"purge_up_to_event_id":%q}`, bound), 200); got["events"].(float64) != 0 || got["status"] != "complete" {
			t.Errorf("got %v", got)
		}
		// A rehearsal says what the purge then does.
		asked := fmt.Sprintf(`{"purge_up_to_event_id":%q,"delete_local_events":true`, bound)
		would := purge(asked+`,"dry_run":true}`, 200)
		if n := would["events"].(float64); n != 452 || would["bytes"].(float64) < 452*200 || would["dry_run"] != true || h.rowsOf("event") != events {
			t.Errorf("a rehearsal says %v", would)
		}
		did := purge(asked+`}`, 200)
		if did["events"] != would["events"] || did["bytes"] != would["bytes"] || did["kept"] != would["kept"] || did["status"] != "complete" {
			t.Errorf("it did %v, and was to do %v", did, would)
		}
		if got := h.rowsOf("event"); got != events-452 {
			t.Errorf("%d events are left of %d", got, events)
		}
		if got := h.rowsOf("search_entry"); got != entries-450 { // the redacted one and its redaction had none
			t.Errorf("%d entries of the index are left of %d", got, entries)
		}
		if got := h.rowsOf("state_node"); got != nodes {
			t.Errorf("%d nodes of the state are left of %d", got, nodes)
		}
		if got := purge(asked+`}`, 200); got["events"].(float64) != 0 {
			t.Errorf("once more: got %v", got)
		}

		// What is left can be read, searched, added to, and is the same after a restart of the caches.
		if got := bodies(alice.ok("GET", at+"/messages?dir=b&limit=100", "")); !slices.Equal(got, []string{"last", "late reply", "bound"}) {
			t.Errorf("got %v", got)
		}
		alice.as(alice.token, "GET", at+"/event/"+url.PathEscape(sent[3]), "", 404)
		alice.as(alice.token, "GET", at+"/context/"+url.PathEscape(sent[449]), "", 404)
		alice.ok("GET", at+"/context/"+url.PathEscape(last), "")
		if got := alice.ok("GET", at+"/event/"+url.PathEscape(topic), ""); !strings.Contains(fmt.Sprint(got["unsigned"]), "redacted_because") {
			t.Errorf("the redaction of a state event is gone: %v", got)
		}
		alice.ok("GET", at+"/messages?dir=b&from="+state["end"].(string), "")
		alice.ok("GET", "/v1/rooms/"+url.PathEscape(in)+"/threads", "")
		if got := alice.ok("POST", "/v3/search", `{"search_categories":{"room_events":{"search_term":"word7"}}}`); !strings.Contains(fmt.Sprint(got), "count:0") {
			t.Errorf("it is still found: %v", got)
		}
		full := alice.ok("GET", "/v3/sync?timeout=0", "")
		if got := fmt.Sprint(full); !strings.Contains(got, "late reply") || strings.Contains(got, "word") {
			t.Errorf("the sync has %v", got)
		}
		reply("t3", last, "after")
		alice.ok("PUT", at+"/state/m.room.topic/", `{"topic":"no dust"}`)
		alice.ok("GET", "/v3/sync?timeout=0&since="+full["next_batch"].(string), "")

		// By time: everything but the state and the newest.
		if got := purge(fmt.Sprintf(`{"purge_up_to_ts":%d,"delete_local_events":true}`, time.Now().UnixMilli()), 200); got["status"] != "complete" {
			t.Errorf("got %v", got)
		}
		alice.send(in, "more", `{"msgtype":"m.text","body":"more"}`)
		if got := bodies(alice.ok("GET", at+"/messages?dir=b&limit=100", "")); !slices.Equal(got, []string{"more"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestRemovalOfRooms(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		alice, bob := h.lodger("alice"), h.lodger("bob")
		if err := h.s.search.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := map[string]int{}
		tables := []string{"event", "state_node", "membership", "room", "relation", "parent", "receipt", "search_entry", "room_alias", "published_room", "delayed_event", "push_queue"}
		for _, table := range tables {
			before[table] = h.rowsOf(table)
		}
		data := h.rowsOf("account_data")
		in := alice.ok("POST", "/v3/createRoom", `{"preset":"public_chat","room_alias_name":"doomed","visibility":"public","name":"Doomed"}`)["room_id"].(string)
		at := "/v3/rooms/" + url.PathEscape(in)
		bob.ok("POST", at+"/join", `{}`)
		if err := h.s.push.Set(t.Context(), id.User(alice.user), "TENT", push.Pusher{AppID: "a", Key: "k", Kind: "http", App: "A", Device: "D", Lang: "en", URL: "https://push.example/_matrix/push/v1/notify", Data: []byte(`{}`)}, false); err != nil {
			t.Fatal(err)
		}
		root := ""
		for i := range 250 {
			e := bob.send(in, fmt.Sprint(i), `{"msgtype":"m.text","body":"hello"}`)
			if i == 0 {
				root = e
			}
		}
		bob.send(in, "t", fmt.Sprintf(`{"msgtype":"m.text","body":"x","m.relates_to":{"rel_type":"m.thread","event_id":%q}}`, root))
		bob.ok("POST", at+"/receipt/m.read/"+url.PathEscape(root), `{}`)
		bob.ok("PUT", "/v3/user/"+bob.user+"/rooms/"+url.PathEscape(in)+"/account_data/m.x", `{"a":1}`)
		bob.ok("PUT", "/v3/user/"+bob.user+"/rooms/"+url.PathEscape(in)+"/tags/u.t", `{}`)
		since := bob.ok("GET", "/v3/sync?timeout=0", "")["next_batch"].(string)
		if err := h.s.search.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}

		remove := "/v2/rooms/" + url.PathEscape(in)
		h.admin("DELETE", remove, `{"new_room_user_id":"@nobody:localhost"}`, 404)
		h.admin("DELETE", "/v2/rooms/!none:localhost", `{}`, 404)
		h.admin("GET", remove+"/delete_status", "", 404)
		number := h.admin("DELETE", remove, `{"block":true}`, 200)["delete_id"].(string)
		h.admin("DELETE", remove, `{}`, 400) // it is being removed already
		status := func() map[string]any {
			t.Helper()
			return h.admin("GET", "/v2/rooms/delete_status/"+number, "", 200)
		}
		if got := status(); got["status"] != "scheduled" {
			t.Errorf("got %v", got)
		}
		h.work()
		got := status()
		shut := got["shutdown_room"].(map[string]any)
		if got["status"] != "complete" || fmt.Sprint(shut["kicked_users"]) != "["+alice.user+" "+bob.user+"]" || len(shut["failed_to_kick_users"].([]any)) != 0 ||
			fmt.Sprint(shut["local_aliases"]) != "[#doomed:localhost]" || shut["new_room_id"] != nil {
			t.Errorf("got %v", got)
		}
		if all := h.admin("GET", remove+"/delete_status", "", 200)["results"].([]any); len(all) != 1 {
			t.Errorf("got %v", all)
		}
		if err := h.s.search.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			if got := h.rowsOf(table); got != before[table] {
				t.Errorf("%s has %d rows, and had %d before the room", table, got, before[table])
			}
		}
		if got := h.rowsOf("account_data"); got != data {
			t.Errorf("account data has %d rows, and had %d before the room", got, data)
		}
		for _, g := range []*lodger{alice, bob} {
			if rooms := g.ok("GET", "/v3/joined_rooms", "")["joined_rooms"].([]any); len(rooms) != 0 {
				t.Errorf("%s is in %v", g.user, rooms)
			}
			g.as(g.token, "GET", at+"/messages?dir=b", "", 403)
			g.as(g.token, "POST", at+"/join", `{}`, 403) // it is blocked
			g.ok("GET", "/v3/sync?timeout=0", "")
		}
		bob.ok("GET", "/v3/sync?timeout=0&since="+since, "")
		bob.as(bob.token, "GET", "/v3/directory/room/"+url.PathEscape("#doomed:localhost"), "", 404)
		bob.as(bob.token, "PUT", at+"/send/m.room.message/late", `{"body":"x"}`, 404)
		if got := h.admin("GET", "/v1/rooms/"+url.PathEscape(in)+"/block", "", 200); got["block"] != true || got["user_id"] != h.user {
			t.Errorf("got %v", got)
		}
		h.admin("PUT", "/v1/rooms/"+url.PathEscape(in)+"/block", `{"block":false}`, 200)
		if got := h.admin("GET", "/v1/rooms/"+url.PathEscape(in)+"/block", "", 200); got["block"] != false {
			t.Errorf("got %v", got)
		}
	})
}

// Everybody is led into another room, the aliases with them; and what is not to be purged stays, empty.
func TestClosingOfRooms(t *testing.T) {
	h := newHouse(t)
	alice, bob := h.lodger("alice"), h.lodger("bob")
	in := alice.ok("POST", "/v3/createRoom", `{"preset":"public_chat","room_alias_name":"old","name":"Old"}`)["room_id"].(string)
	bob.ok("POST", "/v3/rooms/"+url.PathEscape(in)+"/join", `{}`)
	number := h.admin("DELETE", "/v2/rooms/"+url.PathEscape(in), fmt.Sprintf(`{"new_room_user_id":%q,"room_name":"New","message":"moved"}`, h.user), 200)["delete_id"].(string)
	h.work()
	status := h.admin("GET", "/v2/rooms/delete_status/"+number, "", 200)
	haven := status["shutdown_room"].(map[string]any)["new_room_id"].(string)
	for _, g := range []*lodger{alice, bob} {
		if rooms := fmt.Sprint(g.ok("GET", "/v3/joined_rooms", "")["joined_rooms"]); rooms != "["+haven+"]" {
			t.Errorf("%s is in %v, want %s", g.user, rooms, haven)
		}
		if got := bodies(g.ok("GET", "/v3/rooms/"+url.PathEscape(haven)+"/messages?dir=b", "")); !slices.Equal(got, []string{"moved"}) {
			t.Errorf("she reads %v", got)
		}
		g.as(g.token, "PUT", "/v3/rooms/"+url.PathEscape(haven)+"/send/m.room.message/1", `{"body":"x"}`, 403)
	}
	if got := alice.ok("GET", "/v3/directory/room/"+url.PathEscape("#old:localhost"), "")["room_id"]; got != haven {
		t.Errorf("the alias leads to %v", got)
	}

	in = alice.ok("POST", "/v3/createRoom", `{"preset":"public_chat"}`)["room_id"].(string)
	if got := h.admin("DELETE", "/v1/rooms/"+url.PathEscape(in), `{"purge":false}`, 200); fmt.Sprint(got["kicked_users"]) != "["+alice.user+"]" {
		t.Errorf("got %v", got)
	}
	if got := h.admin("GET", "/v1/rooms/"+url.PathEscape(in), "", 200); got["joined_members"].(float64) != 0 {
		t.Errorf("got %v", got)
	}
}

// A removal that is cut short between two steps goes on where it was.
func TestRemovalGoesOn(t *testing.T) {
	h := newHouse(t)
	alice := h.lodger("alice")
	in := alice.ok("POST", "/v3/createRoom", `{"preset":"public_chat"}`)["room_id"].(string)
	for i := range 450 {
		alice.send(in, fmt.Sprint(i), `{"msgtype":"m.text","body":"hello"}`)
	}
	number := h.admin("DELETE", "/v2/rooms/"+url.PathEscape(in), `{}`, 200)["delete_id"].(string)
	ctx := &ends{Context: t.Context()}
	for tries := 1; ; tries++ {
		ctx.after, ctx.asked = tries, 0
		if _, err := h.s.removals.Step(ctx); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		got := h.admin("GET", "/v2/rooms/delete_status/"+number, "", 200)
		if got["status"] == "failed" {
			t.Fatalf("got %v", got)
		}
		if got["status"] == "complete" {
			if tries < 3 {
				t.Errorf("after %d tries: got %v", tries, got)
			}
			break
		}
	}
	if n := h.rowsOf("event"); n > 20 {
		t.Errorf("%d events are left", n)
	}
}

// ends is a context that ends when it has been asked a number of times.
type ends struct {
	context.Context
	after, asked int
}

func (e *ends) Err() error {
	if e.asked++; e.asked > e.after {
		return context.Canceled
	}
	return nil
}

func TestPowerOfAdministrators(t *testing.T) {
	h := newHouse(t)
	alice, bob := h.lodger("alice"), h.lodger("bob")
	in := alice.ok("POST", "/v3/createRoom", `{"preset":"private_chat"}`)["room_id"].(string)
	at := "/v1/rooms/" + url.PathEscape(in)
	h.admin("POST", at+"/make_room_admin", `{}`, 200)
	h.as(h.token, "POST", "/v3/rooms/"+url.PathEscape(in)+"/join", `{}`, 200) // she was invited
	h.as(h.token, "PUT", "/v3/rooms/"+url.PathEscape(in)+"/state/m.room.name/", `{"name":"Mine"}`, 200)
	h.admin("POST", at+"/make_room_admin", fmt.Sprintf(`{"user_id":%q}`, bob.user), 200)
	h.admin("POST", at+"/make_room_admin", `{"user_id":"@nobody:localhost"}`, 404)
	h.admin("POST", "/v1/rooms/nonsense/make_room_admin", `{}`, 400)
	h.admin("POST", "/v1/rooms/!none:localhost/make_room_admin", `{}`, 404)

	carol := h.lodger("carol")
	h.admin("POST", "/v1/join/"+url.PathEscape(in), `{}`, 400)
	if got := h.admin("POST", "/v1/join/"+url.PathEscape(in), fmt.Sprintf(`{"user_id":%q}`, carol.user), 200); got["room_id"] != in {
		t.Errorf("got %v", got)
	}
	if rooms := fmt.Sprint(carol.ok("GET", "/v3/joined_rooms", "")["joined_rooms"]); rooms != "["+in+"]" {
		t.Errorf("she is in %s", rooms)
	}
	other := alice.ok("POST", "/v3/createRoom", `{"preset":"private_chat"}`)["room_id"].(string)
	h.admin("POST", "/v1/join/"+url.PathEscape(other), fmt.Sprintf(`{"user_id":%q}`, carol.user), 403) // the administrator is not in it

	// A blocked room is entered by nobody, and left as always.
	h.admin("PUT", at+"/block", `{"block":true}`, 200)
	dave := h.lodger("dave")
	dave.as(dave.token, "POST", "/v3/rooms/"+url.PathEscape(in)+"/join", `{}`, 403)
	carol.ok("POST", "/v3/rooms/"+url.PathEscape(in)+"/leave", `{}`)
	h.admin("PUT", at+"/block", `{}`, 400)
}

func TestRedactionOfUsers(t *testing.T) {
	h := newHouse(t)
	alice, bob := h.lodger("alice"), h.lodger("bob")
	in := alice.ok("POST", "/v3/createRoom", `{"preset":"public_chat"}`)["room_id"].(string)
	bob.ok("POST", "/v3/rooms/"+url.PathEscape(in)+"/join", `{}`)
	for i := range 5 {
		bob.send(in, fmt.Sprint(i), `{"msgtype":"m.text","body":"spam"}`)
		alice.send(in, fmt.Sprint(i), `{"msgtype":"m.text","body":"ham"}`)
	}
	status := func(body string) map[string]any {
		t.Helper()
		number := h.admin("POST", "/v1/user/"+bob.user+"/redact", body, 200)["redact_id"].(string)
		h.work()
		return h.admin("GET", "/v1/user/redact_status/"+number, "", 200)
	}
	if got := status(`{"rooms":[],"limit":2,"reason":"spam"}`); got["status"] != "complete" || got["redacted"].(float64) != 2 || len(got["failed_redactions"].(map[string]any)) != 0 {
		t.Errorf("got %v", got)
	}
	if got := status(`{}`); got["redacted"].(float64) != 3 {
		t.Errorf("got %v", got)
	}
	left := bodies(alice.ok("GET", "/v3/rooms/"+url.PathEscape(in)+"/messages?dir=b&limit=50", ""))
	if !slices.Equal(left, []string{"ham", "ham", "ham", "ham", "ham"}) {
		t.Errorf("got %v", left)
	}
	bob.send(in, "x", `{"msgtype":"m.text","body":"spam"}`)
	if got := status(`{"use_admin":true}`); got["status"] != "complete" || len(got["failed_redactions"].(map[string]any)) != 1 {
		t.Errorf("an administrator who is not in the room: got %v", got)
	}
	h.admin("POST", "/v1/user/"+bob.user+"/redact", `{"limit":0}`, 400)
	h.admin("POST", "/v1/user/@nobody:localhost/redact", `{}`, 404)
	h.admin("GET", "/v1/user/redact_status/none", "", 404)
}
