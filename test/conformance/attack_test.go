package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a hostile client does within the rules of HTTP. docs/attacks.md says which test stands for which line of the list.

// One request, sent many times at once, is one event; state that is there already is not set again.
func TestConcurrentTransaction(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	const n = 20
	ids := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ids[i] = alice.put(path("/v3/rooms", room, "send", "m.room.message", "same"), obj{"body": "once", "msgtype": "m.text"}).str("event_id")
		})
	}
	wg.Wait()
	slices.Sort(ids)
	if all := slices.Compact(ids); len(all) != 1 || all[0] == "" {
		t.Errorf("got the events %v", all)
	}
	for range 3 {
		alice.setState(room, "m.room.topic", "", obj{"topic": "once"})
	}
	messages, topics := 0, 0
	for _, e := range alice.get(path("/v3/rooms", room, "messages") + "?dir=b&limit=100").ok().list("chunk") {
		messages += btoi(e.str("content", "body") == "once")
		topics += btoi(e.str("content", "topic") == "once")
	}
	if messages != 1 || topics != 1 {
		t.Errorf("the room has %d messages and %d topics, want one each", messages, topics)
	}
}

// Tokens of another room, another kind, another user, or of nobody's making show nothing that one may not see, and no
// limit is too large or too small.
func TestForeignTokens(t *testing.T) {
	alice, mallory := newUser(t), newUser(t)
	secret, room := alice.createRoom(nil), mallory.createRoom(nil)
	event := alice.send(secret, "a secret")
	mallory.send(room, "x")
	mine := alice.get(path("/v3/rooms", secret, "messages") + "?dir=b&limit=2").ok()
	tokens := []string{
		mine.str("start"), mine.str("end"), alice.now(), alice.sync("", nil).joined(secret).str("timeline", "prev_batch"),
		event, secret, "0", "-1", "t0", "s0", "s-1", "t-1_0", "99999999999999999999", "s1_2_3_4_5_6_7_8_9", "'; DROP TABLE event; --", strings.Repeat("9", 4000),
	}
	limits := []string{"0", "-1", "1", "1000000000", "99999999999999999999", "x", ""}
	for i, token := range tokens {
		q := url.Values{"from": {token}, "to": {tokens[(i+3)%len(tokens)]}, "dir": {[]string{"b", "f"}[i%2]}, "limit": {limits[i%len(limits)]}}.Encode()
		for _, a := range []*answer{
			mallory.get(path("/v3/rooms", room, "messages") + "?" + q), mallory.get(path("/v3/rooms", secret, "messages") + "?" + q),
			mallory.get("/v3/sync?since=" + url.QueryEscape(token)), mallory.get("/v3/keys/changes?" + q),
			mallory.get(path("/v3/rooms", room, "members") + "?at=" + url.QueryEscape(token)),
			mallory.get(path("/v3/rooms", secret, "members") + "?at=" + url.QueryEscape(token)),
			mallory.get(path("/v3/rooms", room, "context", event) + "?" + q), mallory.get(path("/v3/rooms", secret, "context", event) + "?" + q),
		} {
			settle(t, a, "")
			if strings.Contains(string(a.raw), "a secret") || strings.Contains(string(a.raw), secret) {
				t.Errorf("%s: got %s", a.asked, a.raw)
			}
		}
	}
}

// However many events one may not see, each page gets on, and the room comes to an end.
func TestPagesOfTheInvisible(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat", "initial_state": list{
		obj{"type": "m.room.history_visibility", "content": obj{"history_visibility": "joined"}},
	}})
	bob.join(room)
	first := bob.send(room, "the first")
	bob.leave(room)
	for i := range 120 {
		alice.send(room, fmt.Sprint("unseen ", i))
	}
	bob.join(room)
	bob.send(room, "the last")
	var seen []string
	from := ""
	for pages := 0; ; pages++ {
		if pages > 200 {
			t.Fatalf("no end after %d pages", pages)
		}
		a := bob.get(path("/v3/rooms", room, "messages") + "?dir=b&limit=5&from=" + from).ok()
		for _, e := range a.list("chunk") {
			if strings.HasPrefix(e.str("content", "body"), "unseen") {
				t.Fatalf("got %v", e)
			}
			seen = append(seen, e.str("event_id"))
		}
		end := a.str("end")
		if end == "" {
			break
		}
		if end == from {
			t.Fatalf("%s: it stays where it is", a.asked)
		}
		from = end
	}
	if !slices.Contains(seen, first) {
		t.Errorf("the first message is not in %v", seen)
	}
}

// What one account can make the server keep has an end, and the server says where.
func TestCaps(t *testing.T) {
	alice := newUser(t)
	big := strings.Repeat("x", 9<<10)
	refusedAt := func(what string, most int, do func(i int) *answer) {
		t.Helper()
		for i := range most {
			if a := do(i); a.status >= 400 && a.status < 500 {
				a.fails(a.status)
				return
			} else if a.status != 200 {
				t.Errorf("%s %d: got %d %s", what, i, a.status, a.raw)
				return
			}
		}
		t.Errorf("%s: %d are taken", what, most)
	}
	rule := func(name string) string { return path("/v3/pushrules/global/override", name) }
	refusedAt("push rules in bytes", 60, func(i int) *answer {
		return alice.put(rule(fmt.Sprint("big", i)), obj{"actions": list{}, "conditions": list{obj{"kind": "event_match", "key": "type", "pattern": "x", "note": big}}})
	})
	bob := newUser(t)
	refusedAt("push rules", 501, func(i int) *answer {
		return bob.put(rule(fmt.Sprint("r", i)), obj{"actions": list{"notify"}, "conditions": list{}})
	})
	for _, u := range []*user{alice, bob} {
		u.get("/v3/pushrules/").ok() // what is kept can be read
		u.sync("", nil)
	}
	refusedAt("a piece of account data", 1, func(int) *answer {
		return alice.put(path("/v3/user", alice.id, "account_data", "m.big"), obj{"a": strings.Repeat("x", 300<<10)})
	})
	refusedAt("the profile", 10, func(i int) *answer {
		return alice.put(path("/v3/profile", alice.id, fmt.Sprint("com.example.f", i)), obj{fmt.Sprint("com.example.f", i): big})
	})
	refusedAt("a filter", 1, func(int) *answer {
		return alice.post(path("/v3/user", alice.id, "filter"), obj{"event_fields": list{strings.Repeat("x", 70<<10)}})
	})
	for i := range 210 { // more than are kept
		alice.post(path("/v3/user", alice.id, "filter"), obj{"event_fields": list{fmt.Sprint("f", i)}}).ok()
	}
	alice.get(path("/v3/user", alice.id, "filter", "2")).fails(404, "M_NOT_FOUND") // the oldest made room
	refusedAt("a reason", 1, func(int) *answer {
		return alice.post(path("/v3/rooms", alice.createRoom(nil), "leave"), obj{"reason": big})
	})
	refusedAt("a new room's state", 1, func(int) *answer {
		state := make(list, 1001)
		for i := range state {
			state[i] = obj{"type": "m.x", "state_key": fmt.Sprint(i), "content": obj{}}
		}
		return alice.post("/v3/createRoom", obj{"initial_state": state})
	})
}

// No pattern that a client can leave behind makes others wait.
func TestPatternsAreQuick(t *testing.T) {
	alice, bob, room := pair(t)
	hard := strings.Repeat("*a", 60) + "*b"
	bob.put(path("/v3/pushrules/global/content", "hard"), obj{"actions": list{"notify"}, "pattern": hard}).ok()
	bob.put(path("/v3/pushrules/global/override", "hard"), obj{"actions": list{"notify"}, "conditions": list{obj{"kind": "event_match", "key": "content.body", "pattern": hard}}}).ok()
	since := bob.now()
	began := time.Now()
	alice.send(room, strings.Repeat("a", 60_000))
	bob.sync(since, obj{"room": obj{"timeline": obj{"types": list{hard}, "not_types": list{hard + "c"}}}})
	alice.post("/v3/user_directory/search", obj{"search_term": strings.Repeat("%_*", 80)}).ok()
	alice.post("/v3/publicRooms", obj{"filter": obj{"generic_search_term": strings.Repeat("a*?", 80)}}).ok()
	settle(t, alice.post("/v3/search", obj{"search_categories": obj{"room_events": obj{"search_term": strings.Repeat(`a* "( `, 50)}}}), "")
	if took := time.Since(began); took > within {
		t.Errorf("took %v", took)
	}
}

// A key that is given twice means one thing: what the sender is told, what is stored and what others read agree.
func TestDuplicateKeys(t *testing.T) {
	alice, bob, room := pair(t)
	for i, body := range []string{`{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `{"body":"x","\u0062ody":"y","msgtype":"m.text"}`} {
		a := alice.put(path("/v3/rooms", room, "send", "m.room.message", fmt.Sprint("dup", i)), body)
		if a.status == 400 {
			a.fails(400, "M_BAD_JSON")
			continue
		}
		event := a.ok().str("event_id")
		for _, u := range []*user{alice, bob} {
			raw := string(u.get(path("/v3/rooms", room, "event", event)).ok().raw)
			for _, key := range []string{`"a":`, `"b":`, `"body":`} {
				if strings.Count(raw, key) > 1 {
					t.Errorf("%s: got %s", body, raw)
				}
			}
		}
	}
	at := path("/v3/rooms", room, "state", "m.room.member", bob.id)
	settle(t, alice.put(at, `{"membership":"leave","membership":"ban"}`), "")
	state := alice.state(room, "m.room.member", bob.id).ok().str("membership")
	listed := !alice.get(path("/v3/rooms", room, "joined_members")).ok().at("joined", bob.id).missing()
	if listed != (state == "join") {
		t.Errorf("the state says %s, the list of members %v", state, listed)
	}
}
