package conformance

import (
	"slices"
	"strings"
	"testing"
)

// 10 Sending, transaction ids, redaction

func text(body string) obj { return obj{"msgtype": "m.text", "body": body} }

func TestB138(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	since := alice.now()
	sent := alice.put(path("/v3/rooms", room, "send", "m.room.message", "1"), text("hello")).ok().str("event_id")
	alice.soon(since, "the event", func(a *answer) bool { return slices.Contains(a.timeline(room).all("event_id"), sent) })
	if got := alice.get(path("/v3/rooms", room, "messages")+"?dir=b&limit=1").ok().str("chunk", 0, "event_id"); got != sent {
		t.Errorf("got %q, want %q", got, sent)
	}
}

func TestB139(t *testing.T) {
	alice := newUser(t)
	room, other := alice.createRoom(nil), alice.createRoom(nil)
	send := func(room, body string) string {
		return alice.put(path("/v3/rooms", room, "send", "m.room.message", "b139"), text(body)).ok().str("event_id")
	}
	first := send(room, "one")
	for _, body := range []string{"one", "two"} {
		if got := send(room, body); got != first {
			t.Errorf("%s: got %s, want %s", body, got, first)
		}
	}
	if got := send(other, "one"); got == first {
		t.Errorf("the other room has the same event")
	}
}

// Beyond the lines: a path that ends before the transaction id sends nothing.
func TestNoTransactionID(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	sent := alice.send(room, "hello")
	alice.put(path("/v3/rooms", room, "send", "m.room.message", ""), text("no id")).fails(400, "M_MISSING_PARAM")
	alice.put(path("/v3/rooms", room, "redact", sent, ""), obj{}).fails(400, "M_MISSING_PARAM")
	if got := alice.messages(room, "dir=b&limit=1", nil).ok().str("chunk", 0, "event_id"); got != sent {
		t.Errorf("the newest event is %s, want %s", got, sent)
	}
}

// Beyond the lines, and the specification: a message without a transaction id is sent each time it is asked for.
func TestSendOnce(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(nil)
	once := path("/v3/rooms", room, "send", "m.room.message")
	first, second := alice.post(once, text("one")).ok().str("event_id"), alice.post(once, text("one")).ok().str("event_id")
	if first == second {
		t.Errorf("two requests sent one event, %s", first)
	}
	if got := alice.messages(room, "dir=b&limit=2", nil).ok().at("chunk").all("event_id"); !slices.Equal(got, []string{second, first}) {
		t.Errorf("got %v, want %s and %s", got, second, first)
	}
	for _, body := range []string{`{"body": 9007199254740992}`, `{"body": 1.1}`, `"a string"`} {
		alice.post(once, body).fails(400, "M_BAD_JSON")
	}
	alice.post(once, `{"body": NaN}`).fails(400)
	bob.post(once, text("me too")).fails(403, "M_FORBIDDEN")
}

// sends sends one request with the same transaction id from each session, and says which events came of it.
func sends(room, txn string, sessions ...*user) []string {
	var ids []string
	for _, u := range sessions {
		u.t.Helper()
		ids = append(ids, u.put(path("/v3/rooms", room, "send", "m.room.message", txn), text("once")).ok().str("event_id"))
	}
	return slices.Compact(ids)
}

func TestB140(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	again := func() *user { return alice.login(alice.device) }
	first := sends(room, "b140", alice)
	if got := sends(room, "b140", again()); !slices.Equal(got, first) {
		t.Errorf("got %v, want %v", got, first)
	}
	if got := sends(room, "b140", alice.login("")); slices.Equal(got, first) {
		t.Errorf("another device got %v too", got)
	}
}

// refreshing logs in with a refresh token; refresh is the session after the next renewal.
func (u *user) refreshing() (session *user, refresh func() *user) {
	u.t.Helper()
	a := nobody(u.t).post("/v3/login", obj{
		"type": "m.login.password", "password": u.password, "refresh_token": true,
		"identifier": obj{"type": "m.id.user", "user": u.id},
	}).ok()
	session = &user{t: u.t, id: u.id, token: a.str("access_token"), device: a.str("device_id"), password: u.password}
	return session, func() *user {
		renewed := *session
		renewed.token = nobody(u.t).post("/v3/refresh", obj{"refresh_token": a.str("refresh_token")}).ok().str("access_token")
		return &renewed
	}
}

func TestB141(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	session, refresh := alice.refreshing()
	first := sends(room, "b141", session)
	if got := sends(room, "b141", refresh()); !slices.Equal(got, first) {
		t.Errorf("got %v, want %v", got, first)
	}
}

func TestB142(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	session, refresh := alice.refreshing()
	sent := sends(room, "b142", session)[0]
	txn := func(u *user) (synced, got string) {
		for _, e := range u.sync("", nil).timeline(room).list() {
			if e.str("event_id") == sent {
				synced = e.str("unsigned", "transaction_id")
			}
		}
		return synced, u.get(path("/v3/rooms", room, "event", sent)).ok().str("unsigned", "transaction_id")
	}
	check := func(who string, u *user, want string) {
		t.Helper()
		if synced, got := txn(u); synced != want || got != want {
			t.Errorf("%s: got %q in sync and %q from /event, want %q", who, synced, got, want)
		}
	}
	check("the session", session, "b142")
	check("another device", alice, "")
	check("after a refresh", refresh(), "b142")
	check("the device, logged in again", alice.login(session.device), "b142")
}

func TestB143(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	since := alice.now()
	sent := alice.sendEvent(room, "m.room.join_rules", obj{"join_rule": "public"})
	a := alice.soon(since, "the event", func(a *answer) bool { return slices.Contains(a.timeline(room).all("event_id"), sent) })
	if e := a.timeline(room).find("m.room.join_rules"); e.has("state_key") {
		t.Errorf("got %v", e)
	}
	if got := alice.state(room, "m.room.join_rules", "").ok().str("join_rule"); got != "invite" {
		t.Errorf("the state is now %q", got)
	}
}

func TestB144(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	first := alice.setState(room, "m.room.name", "", obj{"name": "n", "x": 1})
	if got := alice.setState(room, "m.room.name", "", `{"x":1, "name":"n"}`); got != first {
		t.Errorf("got %s, want %s", got, first)
	}
	if got := alice.setState(room, "m.room.name", "", obj{"name": "m"}); got == first {
		t.Errorf("the changed state has the same event")
	}
}

func TestB145(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	big := obj{"body": strings.Repeat("x", 70_000)}
	alice.put(path("/v3/rooms", room, "send", "m.room.message", "b145"), big).fails(413, "M_TOO_LARGE")
	alice.put(path("/v3/rooms", room, "state", "com.example", ""), big).fails(413, "M_TOO_LARGE")
}

func TestB146(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	for _, version := range []string{"10", "11"} {
		room := alice.createRoom(obj{"preset": "public_chat", "room_version": version})
		bob.join(room)
		sent := alice.send(room, "regretted")
		redact := path("/v3/rooms", room, "redact", sent, "b146")
		by := alice.put(redact, obj{"reason": "why"}).ok().str("event_id")
		got := bob.get(path("/v3/rooms", room, "event", sent)).ok()
		if !got.at("content").equals(obj{}) || got.str("unsigned", "redacted_because", "event_id") != by {
			t.Errorf("version %s: got %s", version, got.raw)
		}
		if redaction := bob.get(path("/v3/rooms", room, "event", by)).ok(); redaction.str("redacts") != sent && redaction.str("content", "redacts") != sent {
			t.Errorf("version %s: got %s", version, redaction.raw)
		}
		if again := alice.put(redact, obj{}).ok().str("event_id"); again != by {
			t.Errorf("version %s: the same request made %s too", version, again)
		}
		alice.put(path("/v3/rooms", room, "redact", sent, "b146-2"), obj{}).ok() // twice does no harm
		bobs := bob.send(room, "mine")
		for _, txn := range []string{"1", "2"} {
			bob.put(path("/v3/rooms", room, "redact", bobs, txn), obj{}).ok()
		}
		bob.put(path("/v3/rooms", room, "redact", alice.send(room, "hers"), "3"), obj{}).fails(403, "M_FORBIDDEN")
	}
}

func TestB147(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	for i, target := range []string{"$unknown", "$0123456789012345678901234567890123456789012", "nothing of an id"} {
		txn := string(rune('a' + i))
		by := alice.put(path("/v3/rooms", room, "redact", target, txn), obj{}).ok().str("event_id")
		if got := alice.get(path("/v3/rooms", room, "event", by)).ok().str("content", "redacts"); got != target {
			t.Errorf("got %q, want %q", got, target)
		}
		bob.put(path("/v3/rooms", room, "redact", target, txn), obj{}).fails(403, "M_FORBIDDEN")
	}
}
