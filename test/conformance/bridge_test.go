package conformance

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Application services that are there: what this server asks them and tells them.

const bridgeToken = "bridge-as-token"

// bridge is an application service in this process.
type bridge struct {
	server *httptest.Server

	mu    sync.Mutex
	asked map[string]func() string // by path and query: what is done, and answered; without one it is 404
	told  []value                  // bodies of transactions
}

// theBridge is that of the server under test; nil where that is elsewhere.
var theBridge *bridge

// openBridge starts it and writes its registration.
func openBridge(dir string) error {
	b := &bridge{asked: map[string]func() string{}}
	// From the start: what a service says of a protocol is remembered for a minute, and other tests ask.
	b.answers("/thirdparty/protocol/net", func() string {
		return `{"user_fields":["nick"],"location_fields":["channel"],"icon":"mxc://a/b","field_types":{"nick":{"regexp":".*","placeholder":"nick"},` +
			`"channel":{"regexp":".*","placeholder":"#x"}},"instances":[{"network_id":"n1","desc":"Net One","fields":{"network":"n1"}}]}`
	})
	b.server = httptest.NewServer(watch.Handler(b))
	theBridge = b
	return os.WriteFile(filepath.Join(dir, "bridge.yaml"), []byte(`
id: bridge
url: `+b.server.URL+`
as_token: `+bridgeToken+`
hs_token: bridge-hs-token
sender_localpart: _bridge_bot
rate_limited: false
receive_ephemeral: true
org.matrix.msc3202: true
io.element.msc4190: true
protocols: [net, gone]
namespaces:
  users:
    - exclusive: true
      regex: "@_bridge_.*"
  aliases:
    - exclusive: true
      regex: "#_bridge_.*"
  rooms: []
`), 0o600)
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer bridge-hs-token" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	to := strings.TrimPrefix(r.URL.Path, "/_matrix/app/v1")
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	b.mu.Lock()
	answer := b.asked[to]
	if strings.HasPrefix(to, "/transactions/") {
		var v any
		_ = json.Unmarshal(body, &v) // what is no JSON has no values
		b.told = append(b.told, value{v})
		answer = func() string { return "{}" }
	}
	b.mu.Unlock()
	if answer == nil {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errcode":"M_NOT_FOUND","error":"no"}`))
		return
	}
	_, _ = w.Write([]byte(answer()))
}

// answers says what is answered at a path.
func (b *bridge) answers(to string, with func() string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked[to] = with
}

// as is the bridge as one of its users; "" is its sender.
func (b *bridge) as(t *testing.T, localpart string) *user {
	t.Helper()
	if b == nil {
		t.Skip("a server elsewhere has not this test's bridge")
	}
	bot := &user{t: t, token: bridgeToken}
	bot.id = bot.get("/v3/account/whoami").ok().str("user_id")
	if localpart == "" {
		return bot
	}
	u := &user{t: t, token: bridgeToken, id: "@" + localpart + ":" + bot.server()}
	u.params = "user_id=" + url.QueryEscape(u.id)
	return u
}

// ghost registers a user of the bridge.
func (b *bridge) ghost(t *testing.T, localpart string) *user {
	t.Helper()
	u := b.as(t, localpart)
	bot := b.as(t, "")
	bot.post("/v3/register", obj{"type": "m.login.application_service", "username": localpart, "inhibit_login": true}).ok()
	return u
}

// Users and aliases of a service come to be when somebody asks for them (Application Service API, "Querying").
func TestServiceIsAskedForWhoIsUnknown(t *testing.T) {
	alice, bot := newUser(t), theBridge.as(t, "")
	name := "_bridge_wanted" + run
	wanted := theBridge.as(t, name)
	theBridge.answers("/users/"+wanted.id, func() string { theBridge.ghost(t, name); return "{}" })
	room := alice.createRoom(nil)
	alice.invite(room, wanted)
	wanted.join(room)
	alice.get(path("/v3/profile", wanted.id)).ok()
	alice.get(path("/v3/profile", "@_bridge_unwanted"+run+":"+alice.server())).fails(404, "M_NOT_FOUND")

	alias := "#_bridge_place" + run + ":" + alice.server()
	var made string
	theBridge.answers("/rooms/"+alias, func() string {
		made = bot.createRoom(obj{"preset": "public_chat", "room_alias_name": "_bridge_place" + run})
		return "{}"
	})
	if got := alice.post(path("/v3/join", alias), obj{}).ok().str("room_id"); got != made || made == "" {
		t.Errorf("joined %q, want %q", got, made)
	}
	alice.get(path("/v3/directory/room", "#_bridge_nowhere"+run+":"+alice.server())).fails(404, "M_NOT_FOUND")
	bot.get(path("/v3/directory/room", "#_bridge_nowhere"+run+":"+alice.server())).fails(404, "M_NOT_FOUND")
}

// The networks behind services (Client-Server API, "Third-party Networks"), and the directories of their rooms.
func TestNetworks(t *testing.T) {
	alice, bot := newUser(t), theBridge.as(t, "")
	all := alice.get("/v3/thirdparty/protocols").ok()
	if got := all.keys(); len(got) != 1 || got[0] != "net" {
		t.Fatalf("got %s", all.raw)
	}
	one := alice.get("/v3/thirdparty/protocol/net").ok()
	instance := one.str("instances", 0, "instance_id")
	if instance == "" || one.str("instances", 0, "network_id") != "n1" || one.str("user_fields", 0) != "nick" {
		t.Errorf("got %s", one.raw)
	}
	alice.get("/v3/thirdparty/protocol/gone").fails(404, "M_NOT_FOUND")
	alice.get("/v3/thirdparty/protocol/never").fails(404, "M_NOT_FOUND")

	const ghost = `[{"userid":"@_bridge_x:test","protocol":"net","fields":{"nick":"x"}}]`
	const place = `[{"alias":"#_bridge_x:test","protocol":"net","fields":{"channel":"x"}}]`
	theBridge.answers("/thirdparty/user/net?nick=x+y", func() string { return ghost })
	theBridge.answers("/thirdparty/user?userid=%40_bridge_x%3Atest", func() string { return ghost })
	theBridge.answers("/thirdparty/location/net?channel=x", func() string { return place })
	theBridge.answers("/thirdparty/location?alias=%23_bridge_x%3Atest", func() string { return place })
	for to, want := range map[string]string{
		"/user/net?nick=x%20y": ghost, "/user?userid=%40_bridge_x%3Atest": ghost,
		"/location/net?channel=x": place, "/location?alias=%23_bridge_x%3Atest": place,
	} {
		var parsed any
		_ = json.Unmarshal([]byte(want), &parsed) // our own text
		if got := alice.get("/v3/thirdparty" + to).ok(); !got.equals(parsed) {
			t.Errorf("%s: got %s", to, got.raw)
		}
	}
	alice.get("/v3/thirdparty/user/net?nick=nobody").fails(404, "M_NOT_FOUND")
	alice.get("/v3/thirdparty/location/never?channel=x").fails(404, "M_NOT_FOUND")
	alice.get("/v3/thirdparty/user").fails(400, "M_MISSING_PARAM")
	alice.get("/v3/thirdparty/location?alias=x").fails(400, "M_INVALID_PARAM")
	nobody(t).get("/v3/thirdparty/protocols").fails(401, "M_MISSING_TOKEN")

	// The room is in the directory of the network, and in no other.
	room := bot.createRoom(obj{"preset": "public_chat", "name": "networked" + run})
	at := path("/v3/directory/list/appservice", "n1", room)
	alice.put(at, obj{"visibility": "public"}).fails(403, "M_FORBIDDEN")
	bot.put(at, obj{"visibility": "shown"}).fails(400, "M_INVALID_PARAM")
	bot.put(path("/v3/directory/list/appservice", "n1", "!nowhere:"+alice.server()), obj{"visibility": "public"}).fails(404, "M_NOT_FOUND")
	bot.put(at, obj{"visibility": "public"}).ok()
	bot.put(at, obj{"visibility": "public"}).ok()
	search := func(of obj) bool {
		of["filter"] = obj{"generic_search_term": "networked" + run} // others have named rooms after the run, too
		found := alice.post("/v3/publicRooms", of).ok().at("chunk").all("room_id")
		return len(found) == 1 && found[0] == room
	}
	for name, c := range map[string]struct {
		of   obj
		want bool
	}{
		"its network":     {obj{"third_party_instance_id": instance}, true},
		"another network": {obj{"third_party_instance_id": instance + "x"}, false},
		"this server":     {obj{}, false},
		"all":             {obj{"include_all_networks": true}, true},
	} {
		if got := search(c.of); got != c.want {
			t.Errorf("%s: found is %t", name, got)
		}
	}
	alice.get("/v3/publicRooms?include_all_networks=true&third_party_instance_id=x").fails(400, "M_INVALID_PARAM")
	if got := alice.get("/v3/publicRooms?third_party_instance_id=" + url.QueryEscape(instance)).ok().at("chunk").all("room_id"); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	if got := alice.get(path("/v3/directory/list/room", room)).ok().str("visibility"); got != "private" {
		t.Errorf("the room is %s in the directory of this server", got)
	}
	bot.put(at, obj{"visibility": "private"}).ok()
	if search(obj{"include_all_networks": true}) {
		t.Error("found what is private")
	}
}

// soon waits for a transaction that seen says yes to.
func (b *bridge) soon(t *testing.T, what string, seen func(value) bool) value {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		b.mu.Lock()
		i := slices.IndexFunc(b.told, seen)
		if i >= 0 {
			defer b.mu.Unlock()
			return b.told[i]
		}
		b.mu.Unlock()
		if time.Now().After(end) {
			t.Fatalf("%s was not told within %v: %v", what, within, b.told)
		}
	}
}

// ephemerally picks a transaction with an ephemeral event of a type and room that match says yes to.
func ephemerally(typ, room string, match func(value) bool) func(value) bool {
	return func(txn value) bool {
		return slices.ContainsFunc(txn.list("ephemeral"), func(e value) bool {
			return e.str("type") == typ && e.str("room_id") == room && match(e.at("content"))
		})
	}
}

// What a service is told by transactions (Application Service API, "Pushing events" and "Pushing ephemeral data").
func TestServiceIsTold(t *testing.T) {
	alice, ghost := newUser(t), theBridge.ghost(t, "_bridge_told"+run)
	room, other := alice.publicRoom(), alice.publicRoom()
	ghost.join(room)
	elsewhere, sent := alice.send(other, "not its business"), alice.send(room, "hello")
	theBridge.soon(t, "the event", func(txn value) bool {
		e := txn.at("events").find("m.room.message")
		return e.str("event_id") == sent && e.str("room_id") == room && e.str("sender") == alice.id && e.str("content", "body") == "hello"
	})
	alice.post(path("/v3/rooms", room, "receipt", "m.read", sent), obj{}).ok()
	ghost.post(path("/v3/rooms", room, "receipt", "m.read.private", sent), obj{}).ok()
	alice.put(path("/v3/rooms", room, "typing", alice.id), obj{"typing": true, "timeout": 20_000}).ok()
	alice.put(path("/v3/presence", alice.id, "status"), obj{"presence": "online", "status_msg": "here " + run}).ok()
	theBridge.soon(t, "the receipt", ephemerally("m.receipt", room, func(c value) bool { return c.num(sent, "m.read", alice.id, "ts") > 0 }))
	theBridge.soon(t, "its own private receipt", ephemerally("m.receipt", room, func(c value) bool {
		return c.num(sent, "m.read.private", ghost.id, "ts") > 0
	}))
	theBridge.soon(t, "typing", ephemerally("m.typing", room, func(c value) bool { return c.str("user_ids", 0) == alice.id }))
	theBridge.soon(t, "presence", func(txn value) bool {
		return txn.at("ephemeral").find("m.presence").str("content", "status_msg") == "here "+run
	})
	theBridge.mu.Lock()
	defer theBridge.mu.Unlock()
	for _, txn := range theBridge.told {
		if strings.Contains(txn.String(), elsewhere) {
			t.Errorf("told of what is not its business: %s", txn)
		}
	}
}

// A service's users have devices without signing in, and what the devices need comes by transactions (Application Service API,
// "Device management" and "Cross-signing"; MSC4203, MSC3202).
func TestServiceDevices(t *testing.T) {
	alice, ghost := newUser(t), theBridge.ghost(t, "_bridge_device"+run)
	if a := ghost.put(path("/v3/devices", "LAMP"), obj{"display_name": "lamp"}); a.status != 201 {
		t.Errorf("a device is made with %d %s, want 201", a.status, a.raw)
	}
	ghost.put(path("/v3/devices", "LAMP"), obj{"display_name": "chandelier"}).ok()
	if got := ghost.get(path("/v3/devices", "LAMP")).ok().str("display_name"); got != "chandelier" {
		t.Errorf("the device is called %q", got)
	}
	alice.put(path("/v3/devices", "LAMP"), obj{"display_name": "lamp"}).fails(404, "M_NOT_FOUND")
	lamp := *ghost
	lamp.device = "LAMP"
	lamp.params += "&org.matrix.msc3202.device_id=LAMP"
	if got := lamp.get("/v3/account/whoami").ok(); got.str("device_id") != "LAMP" || got.str("user_id") != ghost.id {
		t.Errorf("got %s", got.raw)
	}
	unknown := *ghost
	unknown.params += "&device_id=DARK"
	unknown.get("/v3/account/whoami").fails(400, "M_UNKNOWN_DEVICE")
	ghost.post("/v3/keys/upload", obj{"one_time_keys": lamp.oneTime("a")}).fails(400)

	lamp.post("/v3/keys/upload", obj{"one_time_keys": lamp.oneTime("a", "b")}).ok()
	alice.post("/v3/keys/claim", obj{"one_time_keys": obj{ghost.id: obj{"LAMP": "signed_curve25519"}}}).ok()
	theBridge.soon(t, "how many keys are left", func(txn value) bool {
		const key = "device_one_time_keys_count"
		return txn.num(key, ghost.id, "LAMP", "signed_curve25519") == 1 && txn.isList("device_unused_fallback_key_types", ghost.id, "LAMP") &&
			txn.num("org.matrix.msc3202."+key, ghost.id, "LAMP", "signed_curve25519") == 1
	})
	alice.put(path("/v3/sendToDevice", "m.test", "t"), obj{"messages": obj{ghost.id: obj{"*": obj{"for": "lamp"}}}}).ok()
	theBridge.soon(t, "a message", func(txn value) bool {
		e := txn.at("to_device").find("m.test")
		return e.str("to_user_id") == ghost.id && e.str("to_device_id") == "LAMP" && e.str("sender") == alice.id && e.str("content", "for") == "lamp" &&
			txn.at("de.sorunome.msc2409.to_device").find("m.test").str("to_user_id") == ghost.id
	})

	// Nobody has to confirm anything.
	for _, name := range []string{"first", "second"} {
		public := newSigner(name + ghost.id).public
		ghost.post("/v3/keys/device_signing/upload", obj{"master_key": obj{
			"user_id": ghost.id, "usage": list{"master"}, "keys": obj{"ed25519:" + public: public},
		}}).ok()
	}
	theBridge.soon(t, "the ghost's keys", func(txn value) bool {
		return slices.ContainsFunc(txn.list("device_lists", "changed"), func(u value) bool { return u.v == ghost.id }) &&
			txn.isList("device_lists", "left") && txn.isList("org.matrix.msc3202.device_lists", "changed")
	})
	ghost.do("DELETE", path("/v3/devices", "LAMP"), obj{}).ok()
	ghost.put(path("/v3/devices", "TORCH"), nil)
	ghost.post("/v3/delete_devices", obj{"devices": list{"TORCH"}}).ok()
	if got := ghost.get("/v3/devices").ok().list("devices"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// Names in a service's exclusive namespaces are its own, and it makes none outside of them.
func TestServiceNames(t *testing.T) {
	alice, bot := newUser(t), theBridge.as(t, "")
	server := alice.server()
	mine := func(localpart string) *answer {
		return bot.post("/v3/register", obj{"type": "m.login.application_service", "username": localpart, "inhibit_login": true})
	}
	mine("_bridge_name" + run).ok()
	mine("_bridge_name"+run).fails(400, "M_USER_IN_USE")
	mine("outside"+run).fails(400, "M_EXCLUSIVE")
	nobody(t).post("/v3/register", obj{"username": "_bridge_x" + run, "password": "correct horse battery", "auth": obj{"type": "m.login.dummy"}}).fails(400, "M_EXCLUSIVE")
	nobody(t).get("/v3/register/available?username=_bridge_x"+run).fails(400, "M_EXCLUSIVE")
	nobody(t).post("/v3/register", obj{"username": "_bridge_bot", "password": "correct horse battery", "auth": obj{"type": "m.login.dummy"}}).fails(400)
	login := obj{"type": "m.login.application_service", "identifier": obj{"type": "m.id.user", "user": alice.id}}
	bot.post("/v3/login", login).fails(400, "M_EXCLUSIVE")
	nobody(t).post("/v3/login", login).fails(401)

	room := alice.createRoom(nil)
	own := bot.createRoom(nil)
	inside, outside := "#_bridge_name"+run+":"+server, "#name"+run+":"+server
	alice.put(path("/v3/directory/room", inside), obj{"room_id": room}).fails(400, "M_EXCLUSIVE")
	bot.put(path("/v3/directory/room", outside), obj{"room_id": own}).fails(400, "M_EXCLUSIVE")
	bot.post("/v3/createRoom", obj{"room_alias_name": "name" + run}).fails(400, "M_EXCLUSIVE")
	bot.put(path("/v3/directory/room", inside), obj{"room_id": own}).ok()
	alice.do("DELETE", path("/v3/directory/room", inside), nil).fails(400, "M_EXCLUSIVE")
	bot.do("DELETE", path("/v3/directory/room", inside), nil).ok()

	// A ghost shows what it is given.
	ghost := theBridge.as(t, "_bridge_name"+run)
	if a := ghost.get(path("/v3/profile", ghost.id, "displayname")).ok(); len(a.keys()) != 0 {
		t.Errorf("got %s", a.raw)
	}
	ghost.put(path("/v3/profile", ghost.id, "displayname"), obj{"displayname": "Ghost"}).ok()
	ghost.put(path("/v3/presence", ghost.id, "status"), obj{"presence": "unavailable", "status_msg": "boo"}).ok()
	ghost.join(alice.publicRoom())
	if got := alice.get(path("/v3/profile", ghost.id)).ok().str("displayname"); got != "Ghost" {
		t.Errorf("the ghost is called %q", got)
	}
	if got := alice.get(path("/v3/presence", ghost.id, "status")).ok(); got.str("presence") != "unavailable" || got.str("status_msg") != "boo" {
		t.Errorf("got %s", got.raw)
	}
}
