package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"freehold.example/matrix/id"
	"freehold.example/test/harness"
	"freehold.example/test/remote"
)

// What servers tell each other besides events: 16 receipts and typing, 18 to-device messages, 20 device lists, over
// federation.

// ownHouse is a server that speaks with others, of the test's own, which may stop and start it.
func ownHouse(t *testing.T) *house {
	t.Helper()
	if testing.Short() {
		t.Skip("servers of its own")
	}
	dir := t.TempDir()
	name, env, err := harness.Federated(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := harness.On(t, dir, append(env, "FREEHOLD_REGISTRATION_SHARED_SECRET="+sharedSecret)...)
	s.Start()
	return &house{name: name, url: s.URL, client: &http.Client{}, server: s, dir: dir}
}

// met has alice of one server and bob of another in a room; both have synced since.
func met(t *testing.T, s, s2 *house) (alice, bob *user, room string) {
	t.Helper()
	alice, bob = s.newUser(t), s2.newUser(t)
	room = alice.createRoom(obj{"preset": "public_chat", "initial_state": list{
		obj{"type": "m.room.encryption", "state_key": "", "content": obj{"algorithm": "m.megolm.v1.aes-sha2"}},
	}})
	bob.joinVia(room, s.name).ok()
	alice.soon("", "bob", func(a *answer) bool { return a.membership(room, bob, "join") })
	return alice, bob, room
}

// message waits for a message to the user's device, once.
func (u *user) message(since, typ string) (got value, next string) {
	u.t.Helper()
	a := u.soon(since, "a message of type "+typ, func(a *answer) bool { return len(a.list("to_device", "events")) > 0 })
	events := a.list("to_device", "events")
	if len(events) != 1 || events[0].str("type") != typ {
		u.t.Errorf("got %s, want one message of type %s", a.raw, typ)
	}
	return events[0], a.str("next_batch")
}

// B246: a message of R's to all devices of a user, sent twice, and one of somebody else's user.
func TestB246(t *testing.T) {
	s, r := first(t), remote.New(t)
	at, alice := s.meet(r), s.newUser(t)
	since := alice.now()
	edu := func(sender id.User, n string) remote.EDU {
		return remote.MakeEDU("m.direct_to_device", obj{
			"sender": sender, "type": "my.test", "message_id": n, "messages": obj{alice.id: obj{"*": obj{"n": n}}},
		})
	}
	robin := r.User("robin")
	for range 2 {
		at.Transaction([]remote.EDU{edu("@x:elsewhere.example", "0"), edu(id.User(alice.id), "0"), edu(robin, "1")}).OK()
	}
	got, since := alice.message(since, "my.test")
	if !got.equals(obj{"sender": robin, "type": "my.test", "content": obj{"n": "1"}}) {
		t.Errorf("got %v", got)
	}
	at.Transaction([]remote.EDU{edu(robin, "1"), edu(robin, "2")}).OK()
	if got, _ = alice.message(since, "my.test"); got.str("content", "n") != "2" {
		t.Errorf("got %v", got)
	}
}

// B247: from S to S2.
func TestB247(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	since := bob.now()
	alice.toDevice("my.test", obj{bob.id: obj{bob.device: obj{"x": 1.0}}})
	if got, _ := bob.message(since, "my.test"); !got.equals(obj{"sender": alice.id, "type": "my.test", "content": obj{"x": 1.0}}) {
		t.Errorf("got %v", got)
	}
}

// B248, B249, B282: what happens while S2 is down comes when it is up again, also when S was stopped in the meantime.
func TestB248(t *testing.T) {
	s, s2 := ownHouse(t), ownHouse(t)
	alice, bob, _ := met(t, s, s2)
	since := bob.now()
	s2.server.Stop()
	alice.toDevice("my.test", obj{bob.id: obj{bob.device: obj{"n": 1}}})
	s2.server.Start()
	got, since := bob.message(since, "my.test")
	if got.str("sender") != alice.id {
		t.Errorf("got %v", got)
	}
	t.Run("B249", func(t *testing.T) {
		alice, bob := alice.in(t), bob.in(t)
		s2.server.Stop()
		alice.toDevice("my.other", obj{bob.id: obj{bob.device: obj{"n": 2}}})
		s.server.Stop()
		s.server.Start()
		s2.server.Start()
		_, since = bob.message(since, "my.other")
	})
	t.Run("B282", func(t *testing.T) {
		alice, bob := alice.in(t), bob.in(t)
		s2.server.Stop()
		phone := alice.login("")
		keys := phone.uploadDevice()
		s.server.Stop()
		s.server.Start()
		s2.server.Start()
		for {
			since = bob.changed(since, alice).str("next_batch")
			if !bob.query(phone).at("device_keys", phone.id, phone.device, "keys").missing() {
				break
			} // else it was told of the login, which was on its way when S2 was stopped
		}
		bob.hasKeys(phone, keys)
	})
}

// in is the user in a subtest.
func (u *user) in(t *testing.T) *user {
	c := *u
	c.t = t
	return &c
}

// B262: keys of a user of another server are queried, claimed once, and show a new name of the device.
func TestB262(t *testing.T) {
	alice, bob, _ := met(t, first(t), second(t))
	keys := alice.uploadDevice()
	alice.upload(obj{"one_time_keys": alice.oneTime("1")})
	since := bob.now()
	bob.hasKeys(alice, keys)
	if got := bob.claim(alice).at(alice.id, alice.device); len(got.keys()) != 1 {
		t.Errorf("claimed %v", got)
	}
	if got := bob.claim(alice).at(alice.id, alice.device); len(got.keys()) != 0 {
		t.Errorf("claimed again: %v", got)
	}
	alice.put(path("/v3/devices", alice.device), obj{"display_name": "a new name"}).ok()
	name := ""
	for range 3 { // her join and her keys are changes too
		since = bob.changed(since, alice).str("next_batch")
		name = bob.query(alice).str("device_keys", alice.id, alice.device, "unsigned", "device_display_name")
		if name == "a new name" {
			return
		}
	}
	t.Errorf("the device is named %q", name)
}

// B280, B281: Bob joins on invite, Alice has a new device: each is in changed, alone.
func TestB280(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	alice.uploadDevice()
	bob.uploadDevice()
	room := alice.createRoom(obj{"preset": "private_chat", "initial_state": list{
		obj{"type": "m.room.encryption", "state_key": "", "content": obj{"algorithm": "m.megolm.v1.aes-sha2"}},
	}})
	alice.invite(room, bob)
	since, bobs := alice.now(), bob.now()
	bob.soon("", "the invitation", func(a *answer) bool { return !a.at("rooms", "invite", room).missing() })
	bob.join(room)
	a := alice.changed(since, bob)
	if got := a.list("device_lists", "changed"); len(got) != 1 || len(a.list("device_lists", "left")) != 0 {
		t.Errorf("alice: got %v", a.at("device_lists"))
	}
	since = a.str("next_batch")
	a = bob.changed(bobs, alice)
	var names []string
	for _, u := range a.list("device_lists", "changed") {
		names = append(names, u.str())
	}
	slices.Sort(names)
	want := []string{alice.id, bob.id}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("bob: got %v, want %v", names, want)
	}
	bobs = bob.now()
	t.Run("B281", func(t *testing.T) {
		alice, bob := alice.in(t), bob.in(t)
		phone := alice.login("")
		keys := phone.uploadDevice()
		for who, from := range map[*user]string{alice: since, bob: bobs} {
			a := who.changed(from, alice)
			if got := a.list("device_lists", "changed"); len(got) != 1 {
				t.Errorf("got %v", got)
			}
		}
		bob.hasKeys(phone, keys)
	})
}

// B283: a join of R's room tells R of the device of the login.
func TestB283(t *testing.T) {
	s, r := first(t), remote.New(t)
	r.OmitMembers = false
	robin := r.User("robin")
	room := r.NewRoom("10", robin)
	alice := s.newUser(t)
	s.meet(r)
	alice.joinVia(string(room.ID), r.Name).ok()
	r.WaitEDU("m.device_list_update", func(content json.RawMessage) bool {
		var u struct {
			User   string `json:"user_id"`
			Device string `json:"device_id"`
			Stream int64  `json:"stream_id"`
		}
		return json.Unmarshal(content, &u) == nil && u.User == alice.id && u.Device == alice.device && u.Stream > 0
	})
}

// B284: who joins is seen in changed there, with her keys.
func TestB284(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	keys := alice.uploadDevice()
	room := bob.createRoom(obj{"preset": "public_chat"})
	since := bob.now()
	alice.joinVia(room, s2.name).ok()
	bob.changed(since, alice)
	bob.hasKeys(alice, keys)
	// B271 to B276 for a user of another server.
	t.Run("B273", func(t *testing.T) {
		alice, bob := alice.in(t), bob.in(t)
		since := bob.now()
		for i := range 3 {
			keys := alice.deviceKeys(fmt.Sprint(i))
			alice.post("/v3/keys/upload", obj{"device_keys": keys}).ok()
			since = bob.changed(since, alice).str("next_batch")
			bob.hasKeys(alice, keys)
		}
	})
	t.Run("B274", func(t *testing.T) {
		alice, bob := alice.in(t), bob.in(t)
		since := bob.now()
		alice.leave(room)
		since = bob.gone(since, alice).str("next_batch")
		keys := alice.deviceKeys("away")
		alice.post("/v3/keys/upload", obj{"device_keys": keys}).ok()
		bob.hasKeys(alice, keys)
		if a := bob.sync(since, nil); a.lists("changed", alice) {
			t.Errorf("a stranger's upload: got %v", a.at("device_lists"))
		}
	})
	t.Run("B276", func(t *testing.T) {
		alice, bob := alice.in(t), bob.in(t)
		since := bob.now()
		keys := alice.deviceKeys("back")
		alice.post("/v3/keys/upload", obj{"device_keys": keys}).ok()
		alice.joinVia(room, s2.name).ok()
		bob.changed(since, alice)
		bob.hasKeys(alice, keys)
	})
}

// TestGapInDeviceLists: the list of a user of R's is asked for once, changes with the updates, and is asked for again where
// one was lost.
func TestGapInDeviceLists(t *testing.T) {
	v := newVisit(t, "11")
	person := remote.Person{Stream: 1, Devices: map[string]json.RawMessage{}, Names: map[string]string{}}
	robin := &user{t: t, id: string(v.robin), device: "R1"}
	// put publishes the device and gives the update that tells of it.
	put := func(device string, version int) remote.EDU {
		prev := person.Stream
		person.Stream++
		person.Devices = map[string]json.RawMessage{device: fmt.Appendf(nil,
			`{"user_id":%q,"device_id":%q,"algorithms":["a"],"keys":{"ed25519:%s":"%d"},"signatures":{}}`, v.robin, device, device, version)}
		v.r.Set(v.robin, person)
		return remote.MakeEDU("m.device_list_update", obj{
			"user_id": v.robin, "device_id": device, "stream_id": person.Stream, "prev_id": list{prev}, "keys": person.Devices[device],
		})
	}
	asked := func() int {
		return v.r.Asked("GET /_matrix/federation/v1/user/devices/"+string(v.robin)) + v.r.Asked("POST /_matrix/federation/v1/user/keys/query")
	}
	want := func(version, times int) {
		t.Helper()
		got := v.alice.query(robin).str("device_keys", robin.id, "R1", "keys", "ed25519:R1")
		if n := asked(); got != fmt.Sprint(version) || n != times {
			t.Errorf("got version %q, and R was asked %d times; want %d, and %d", got, n, version, times)
		}
	}
	put("R1", 1)
	want(1, 1)
	want(1, 1)
	since := v.alice.now()
	v.at.Transaction([]remote.EDU{put("R1", 2)}).OK()
	since = v.alice.changed(since, robin).str("next_batch")
	want(2, 1)
	put("R1", 3) // lost
	v.at.Transaction([]remote.EDU{put("R1", 4)}).OK()
	v.alice.changed(since, robin)
	want(4, 2)
	want(4, 2)
}

// B233: a threaded and an unthreaded receipt at the same event: a member of another server is shown the unthreaded one.
// Private ones are shown to nobody.
func TestReceiptsOfAnotherServer(t *testing.T) {
	alice, bob, room := met(t, first(t), second(t))
	event := alice.send(room, "hello")
	bob.hears(id.Room(room), "hello")
	since := alice.now()
	bob.receipt(room, event, "")
	bob.receipt(room, event, "main")
	receipts := func(a *answer) value {
		for _, e := range a.joined(room).list("ephemeral", "events") {
			if e.str("type") == "m.receipt" {
				return e.at("content", event, "m.read", bob.id)
			}
		}
		return value{}
	}
	a := alice.soon(since, "the receipt", func(a *answer) bool { return !receipts(a).missing() })
	last := alice.send(room, "more")
	bob.hears(id.Room(room), "more")
	bob.post(path("/v3/rooms", room, "receipt", "m.read.private", last), obj{}).ok()
	bob.post(path("/v3/rooms", room, "receipt", "m.read", last), obj{"thread_id": "main"}).ok()
	alice.soon(a.str("next_batch"), "the next receipt", func(a *answer) bool {
		for _, e := range a.joined(room).list("ephemeral", "events") {
			if !e.at("content", last).missing() {
				if !e.at("content", last, "m.read.private").missing() {
					t.Errorf("a private receipt is shown: %v", e)
				}
				return true
			}
		}
		return false
	})
	if got := receipts(alice.sync("", nil)); got.missing() || !got.at("thread_id").missing() {
		t.Errorf("B233 got %v, want the unthreaded one", got)
	}
}

// B232: typing, and its end, is seen by members on another server.
func TestTypingOfAnotherServer(t *testing.T) {
	alice, bob, room := met(t, first(t), second(t))
	since := alice.now()
	for _, on := range []bool{true, false} {
		bob.typing(room, on, 10_000)
		since = alice.soon(since, fmt.Sprint("B232 typing: ", on), func(a *answer) bool {
			for _, e := range a.joined(room).list("ephemeral", "events") {
				if e.str("type") == "m.typing" && len(e.list("content", "user_ids")) == map[bool]int{true: 1}[on] {
					return true
				}
			}
			return false
		}).str("next_batch")
	}
}

// TestPresenceOfAnotherServer: B82 between servers.
func TestPresenceOfAnotherServer(t *testing.T) {
	alice, bob, _ := met(t, first(t), second(t))
	since := alice.now()
	bob.presence("online", "here I am")
	alice.soon(since, "bob's presence", func(a *answer) bool {
		return slices.ContainsFunc(a.list("presence", "events"), func(e value) bool {
			return e.str("sender") == bob.id && e.str("content", "presence") == "online" && e.str("content", "status_msg") == "here I am"
		})
	})
}

// B453, B454: typing and receipts of a server that the room denies are dropped, those of another room are taken.
func TestDeniedServersAreNotHeard(t *testing.T) {
	s, r := first(t), remote.New(t)
	r.Lenient = true
	alice, at, robin := s.newUser(t), s.meet(r), r.User("robin")
	denied, open := alice.publicRoom(), alice.publicRoom()
	events := map[string]string{}
	for _, room := range []string{denied, open} {
		at.Join(id.Room(room), robin)
		events[room] = alice.send(room, "hello")
	}
	alice.setState(denied, "m.room.server_acl", "", obj{"allow": list{"*"}, "deny": list{r.Name.Host()}})
	var edus []remote.EDU
	for _, room := range []string{denied, open} {
		edus = append(edus,
			remote.MakeEDU("m.typing", obj{"room_id": room, "user_id": robin, "typing": true}),
			remote.MakeEDU("m.receipt", obj{room: obj{"m.read": obj{string(robin): obj{
				"event_ids": list{events[room]}, "data": obj{"ts": time.Now().UnixMilli()},
			}}}}))
	}
	at.Transaction(edus).OK()
	a := alice.soon("", "B453 both in the open room", func(a *answer) bool { return len(a.joined(open).list("ephemeral", "events")) == 2 })
	t.Run("B454", func(t *testing.T) {
		if got := a.joined(denied).at("ephemeral", "events"); !got.equals(list{}) {
			t.Errorf("got %v", got)
		}
	})
}
