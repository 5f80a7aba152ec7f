package cutoff

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// shared is what people of the house and the farm do with each other: their servers have met, and there is no name, no authority
// and nobody else.
var shared = []step{
	{"talk across in both directions", func(t *testing.T, s *story) {
		s.renew(t, s.carol)
		s.alice.begin(t)
		s.carol.begin(t)
		began := time.Now()
		s.alice.say(t, s.between, "from the house "+s.stage)
		s.carol.until(t, "from the house "+s.stage)
		s.carol.say(t, s.between, "from the farm "+s.stage)
		s.alice.until(t, "from the farm "+s.stage)
		s.waiting = append(s.waiting, "from the house "+s.stage, "from the farm "+s.stage)
		t.Logf("both after %s", time.Since(began).Round(time.Millisecond))
	}},
	{"believe the other side", func(t *testing.T, s *story) {
		s.renew(t, s.erin)
		// The farm knows the house by its authority as long as that stands for it, and by the house's own key when it does not.
		want := s.stops("own_certificate")
		got := s.erin.get(t, "/_freehold/admin/v1/federation/servers/"+s.house.name).str("certificate")
		if is := strings.Contains(got, "signing key"); is != want {
			t.Errorf("on %s the farm knows the house by %q, and the house's budget says that its authority is gone: %v", s.stage, got, want)
		} else if is {
			s.seen["own_certificate"] = true
		}
	}},
	{"catch up with what was said alone", func(t *testing.T, s *story) {
		eventually(t, "it has come", func() bool {
			a := s.carol.get(t, path(v3+"/rooms", s.between, "messages")+"?dir=b&limit=50")
			return a.has("to the city " + s.stage)
		})
	}},
	{"join a room of the other side", func(t *testing.T, s *story) {
		room := s.carol.room(t, obj{"preset": "public_chat", "name": "barn " + s.stage})
		for i := range 30 {
			s.carol.say(t, room, fmt.Sprint("early ", i, s.stage))
		}
		s.alice.join(t, room, s.farm.name)
		s.alice.say(t, room, "may I come in "+s.stage)
		s.carol.until(t, "may I come in "+s.stage)
		// What was said before comes by backfill.
		eventually(t, "what was said before has come", func() bool {
			return s.alice.get(t, path(v3+"/rooms", room, "messages")+"?dir=b&limit=100").has("early 0" + s.stage)
		})
	}},
	{"join by a name of the other side", func(t *testing.T, s *story) {
		alias := "#barn" + s.stage + ":" + s.farm.name
		room := s.carol.room(t, obj{"preset": "public_chat", "room_alias_name": "barn" + s.stage, "visibility": "public"})
		if a := s.bob.get(t, path(v3+"/directory/room", alias)); a.str("room_id") != room {
			t.Errorf("got %s", a)
		}
		s.bob.join(t, alias)
		if a := s.bob.post(t, v3+"/publicRooms?server="+url.QueryEscape(s.farm.name), obj{}); !a.has(room) {
			t.Errorf("got %s", a)
		}
	}},
	{"invite across", func(t *testing.T, s *story) {
		s.carol.begin(t)
		room := s.alice.room(t, obj{"preset": "private_chat", "invite": list{s.carol.id}, "name": "tea " + s.stage})
		s.carol.until(t, "tea "+s.stage)
		s.carol.join(t, room)
		s.carol.say(t, room, "thank you "+s.stage)
		s.alice.until(t, "thank you "+s.stage)
	}},
	{"see keys of the other side", func(t *testing.T, s *story) {
		if !s.alice.knows(t, s.carol) || !s.carol.knows(t, s.bob) {
			t.Error("they do not see each other's devices")
		}
		s.carol.publishKeys(t)
		a := s.bob.post(t, v3+"/keys/claim", obj{"one_time_keys": obj{s.carol.id: obj{s.carol.device: "signed_curve25519"}}})
		if !a.has("signed_curve25519:") {
			t.Errorf("got %s", a)
		}
	}},
	{"hear of a new device of the other side", func(t *testing.T, s *story) {
		s.alice.begin(t)
		fresh := *s.carol
		fresh.signIn(t)
		fresh.publishKeys(t)
		s.alice.until(t, "device_lists", s.carol.id)
		eventually(t, "its keys are seen", func() bool { return s.alice.knows(t, &fresh) })
		fresh.post(t, v3+"/logout", obj{})
	}},
	{"verify somebody of the other side", func(t *testing.T, s *story) { verify(t, s.alice, s.carol) }},
	{"talk encrypted with the other side", func(t *testing.T, s *story) {
		s.alice.toDevice(t, s.carol, "m.room.encrypted", obj{"algorithm": "m.olm.v1.curve25519-aes-sha2", "ciphertext": "across " + s.stage})
		s.alice.send(t, s.between, "m.room.encrypted", obj{"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "coded across " + s.stage, "session_id": s.stage})
		s.carol.until(t, "across "+s.stage, "coded across "+s.stage)
	}},
	{"receipts and typing across", func(t *testing.T, s *story) {
		e := s.alice.say(t, s.between, "read me across "+s.stage)
		s.carol.until(t, "read me across "+s.stage)
		s.alice.begin(t)
		s.carol.post(t, path(v3+"/rooms", s.between, "receipt", "m.read", e), obj{})
		s.carol.put(t, path(v3+"/rooms", s.between, "typing", s.carol.id), obj{"typing": true, "timeout": 10000})
		s.alice.until(t, "m.receipt", "m.typing")
	}},
	{"a profile and a picture of the other side", func(t *testing.T, s *story) {
		s.carol.put(t, path(v3+"/profile", s.carol.id, "displayname"), obj{"displayname": "Carol of " + s.stage})
		eventually(t, "her name is seen", func() bool {
			a := s.bob.do(t, "GET", path(v3+"/profile", s.carol.id), nil)
			return a.status == http.StatusOK && a.has("Carol of "+s.stage)
		})
		at := s.carol.upload(t, png(t, 90, 60+s.n))
		s.bob.get(t, v1+"/media/download/"+at)
		s.bob.get(t, v1+"/media/thumbnail/"+at+"?width=32&height=32&method=crop")
	}},
	{"leave and come back", func(t *testing.T, s *story) {
		s.carol.post(t, path(v3+"/rooms", s.between, "leave"), obj{})
		eventually(t, "she is seen to leave", func() bool {
			a := s.alice.get(t, path(v3+"/rooms", s.between, "members")+"?membership=leave")
			return a.has(s.carol.id)
		})
		s.carol.join(t, s.between, s.house.name)
		s.carol.say(t, s.between, "back "+s.stage)
		s.alice.until(t, "back "+s.stage)
	}},
}
