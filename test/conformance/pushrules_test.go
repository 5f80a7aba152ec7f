package conformance

import (
	"testing"
	"time"
)

// 26 Push rules; pushers come with the push to gateways

func TestB349(t *testing.T) {
	alice := newUser(t)
	first, second := alice.get("/v3/pushrules/").ok(), alice.get("/v3/pushrules/").ok()
	for _, kind := range []string{"override", "content", "room", "sender", "underride"} {
		if !first.isList("global", kind) {
			t.Errorf("no %s in %s", kind, first.raw)
		}
	}
	if first.String() != second.String() {
		t.Errorf("got %s, then %s", first.raw, second.raw)
	}
}

func TestB350(t *testing.T) { // and B351
	alice := newUser(t)
	for kind, id := range map[string]string{"sender": "@nobody:nowhere", "room": "!none:nowhere"} {
		for _, actions := range []list{
			{"notify"}, {}, {"dont_notify"}, {"notify", obj{"set_tweak": "sound", "value": "default"}, obj{"set_tweak": "highlight"}},
		} {
			at := path("/v3/pushrules/global", kind, id)
			alice.put(at, obj{"actions": actions}).ok()
			if got := alice.get(at).ok(); !got.at("actions").equals(actions) || got.str("rule_id") != id || !got.flag("enabled") {
				t.Errorf("got %s, want the actions %v", got.raw, actions)
			}
		}
	}
}

func TestB352(t *testing.T) {
	alice := newUser(t)
	a := alice.sync("", nil)
	if got := a.at("account_data", "events").find("m.push_rules"); len(got.keys("content", "global")) == 0 {
		t.Errorf("got %s", a.at("account_data"))
	}
}

func TestB353(t *testing.T) {
	alice := newUser(t)
	at := path("/v3/pushrules/global/room", "!r:x")
	since := alice.sync(alice.now(), nil).str("next_batch")
	for _, c := range []struct {
		at   string
		body obj
	}{
		{at, obj{"actions": list{"notify"}}},
		{at + "/enabled", obj{"enabled": false}},
		{at + "/enabled", obj{"enabled": true}},
		{at + "/actions", obj{"actions": list{}}},
	} {
		later := make(chan *answer)
		go func() { later <- alice.sync(since, nil, "timeout=60000") }()
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		alice.put(c.at, c.body).ok()
		a := <-later
		if a.at("account_data", "events").find("m.push_rules").missing() || time.Since(began) > within {
			t.Errorf("%s: got %s after %v", c.at, a.raw, time.Since(began))
		}
		since = a.str("next_batch")
	}
}

func TestB359(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	actions := list{"notify", obj{"set_tweak": "sound", "value": "ping"}}
	alice.put(path("/v3/pushrules/global/room", room), obj{"actions": actions}).ok()
	since := alice.now()
	made := alice.upgraded(room, "11")
	rule := func(rules value) value {
		for _, r := range rules.list("global", "room") {
			if r.str("rule_id") == made {
				return r
			}
		}
		return value{}
	}
	if r := rule(alice.get("/v3/pushrules/").ok().value); !r.at("actions").equals(actions) {
		t.Errorf("got %v", r)
	}
	if r := rule(alice.sync(since, nil).at("account_data", "events").find("m.push_rules").at("content")); !r.at("actions").equals(actions) {
		t.Errorf("sync: got %v", r)
	}
}
