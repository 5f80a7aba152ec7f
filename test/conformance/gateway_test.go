package conformance

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// A message reaches the push gateway of whoever it is for (Push Gateway API); once the key is rejected, nothing more does.
func TestPushGateway(t *testing.T) {
	if os.Getenv("FREEHOLD_CONFORMANCE_URL") != "" {
		t.Skip("a server elsewhere cannot reach this machine's loopback")
	}
	told := make(chan value, 10)
	gateway := httptest.NewServer(watch.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body any
		_ = json.NewDecoder(r.Body).Decode(&body) // what is no JSON has no values
		told <- value{body}.at("notification")
		_, _ = rw.Write([]byte(`{"rejected":["key"]}`))
	})))
	defer gateway.Close()
	alice, bob := newUser(t), newUser(t)
	room := alice.createRoom(obj{"preset": "private_chat", "name": "The room", "invite": list{bob.id}})
	bob.join(room)
	p := pusher("key")
	p["data"] = obj{"url": gateway.URL + "/_matrix/push/v1/notify", "custom": "x"}
	bob.post("/v3/pushers/set", p).ok()
	sent := alice.send(room, "hello")
	select {
	case n := <-told:
		if n.str("event_id") != sent || n.str("room_id") != room || n.str("content", "body") != "hello" || n.str("room_name") != "The room" ||
			n.num("counts", "unread") != 1 || n.str("prio") != "high" {
			t.Errorf("got %s", n)
		}
		d := n.at("devices", 0)
		if d.str("pushkey") != "key" || d.str("app_id") != "org.example.app" || d.str("data", "custom") != "x" || d.at("data", "url").v != nil ||
			d.str("tweaks", "sound") != "default" {
			t.Errorf("device: %s", d)
		}
	case <-time.After(within):
		t.Fatal("the gateway was told nothing")
	}
	for end := time.Now().Add(within); len(bob.get("/v3/pushers").ok().list("pushers")) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the pusher with the rejected key is still there")
		}
	}
}

// When the message has been read, the gateway is told that nothing is left, and nothing of the message.
func TestBadgeAfterReading(t *testing.T) {
	if os.Getenv("FREEHOLD_CONFORMANCE_URL") != "" {
		t.Skip("a server elsewhere cannot reach this machine's loopback")
	}
	told := make(chan value, 10)
	gateway := httptest.NewServer(watch.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body any
		_ = json.NewDecoder(r.Body).Decode(&body) // what is no JSON has no values
		told <- value{body}.at("notification")
		_, _ = rw.Write([]byte(`{"rejected":[]}`))
	})))
	defer gateway.Close()
	next := func() value {
		select {
		case n := <-told:
			return n
		case <-time.After(within):
			t.Fatal("the gateway was told nothing")
			return value{}
		}
	}
	alice, bob, room := pair(t)
	p := pusher("key")
	p["data"] = obj{"url": gateway.URL + "/_matrix/push/v1/notify", "format": "event_id_only"}
	bob.post("/v3/pushers/set", p).ok()
	sent := alice.send(room, "hello")
	if n := next(); n.str("event_id") != sent || n.num("counts", "unread") != 1 {
		t.Errorf("got %s", n)
	}
	bob.receipt(room, sent, "")
	if n := next(); n.has("event_id") || n.has("room_id") || !n.at("counts").equals(obj{"unread": 0}) || n.at("devices", 0).str("pushkey") != "key" {
		t.Errorf("after it was read: %s", n)
	}
}
