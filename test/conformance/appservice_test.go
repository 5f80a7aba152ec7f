package conformance

import (
	"net/url"
	"testing"
)

// 29 Application services

// serviceToken is the as_token of the service in registration; FREEHOLD_APPSERVICES_DIR has it as a file.
const serviceToken = "conformance-as-token"

// registration is of a service whose namespace is not exclusive, and at whose address nothing listens (B369).
const registration = `
id: conformance
url: http://127.0.0.1:1
as_token: ` + serviceToken + `
hs_token: conformance-hs-token
sender_localpart: conformance-service
rate_limited: false
namespaces:
  users:
    - exclusive: false
      regex: ".*"
  aliases:
    - exclusive: true
      regex: "#_conformance_.*"
  rooms: []
`

// service is the application service, as its sender or as another user.
func service(t *testing.T, as *user) *user { t.Helper(); return (*house)(nil).service(t, as) }

// service is service on this server.
func (h *house) service(t *testing.T, as *user) *user {
	t.Helper()
	u := &user{t: t, token: serviceToken, house: h}
	u.id = u.get("/v3/account/whoami").ok().str("user_id")
	if as != nil {
		u.id, u.params = as.id, "user_id="+url.QueryEscape(as.id)
	}
	return u
}

func TestApplicationService(t *testing.T) {
	alice := newUser(t) // B369: ordinary registration of matching names stays possible
	bot := service(t, nil)
	t.Run("B369", func(t *testing.T) {
		if got := bot.get("/v3/account/whoami").ok(); got.str("user_id") != "@conformance-service:"+alice.server() || got.str("device_id") != "" {
			t.Errorf("got %s", got.raw)
		}
		alice.put(path("/v3/directory/room", "#_conformance_x:"+alice.server()), obj{"room_id": alice.createRoom(nil)}).fails(400, "M_EXCLUSIVE")
		alice.post("/v3/createRoom", obj{"room_alias_name": "_conformance_y"}).fails(400, "M_EXCLUSIVE")
		bot.createRoom(obj{"room_alias_name": "_conformance_" + run})
		elsewhere := "#_conformance_elsewhere" + run + ":" + alice.server() // of a room that the service is not in
		bot.put(path("/v3/directory/room", elsewhere), obj{"room_id": alice.createRoom(nil)}).ok()
		bot.do("DELETE", path("/v3/directory/room", elsewhere), nil).ok()
		bot.put(path("/v3/directory/room", elsewhere), obj{"room_id": "!nowhere:" + alice.server()}).fails(404, "M_NOT_FOUND")
		bot.put(path("/v3/directory/room", "#nobodys"+run+":"+alice.server()), obj{"room_id": alice.createRoom(nil)}).fails(400, "M_EXCLUSIVE")
		alice.post("/v1/appservice/conformance/ping", obj{}).fails(403, "M_FORBIDDEN")
		bot.post("/v1/appservice/another/ping", obj{}).fails(403, "M_FORBIDDEN")
		bot.do("DELETE", path("/v3/directory/room", "#_conformance_"+run+":"+alice.server()), nil).ok()
	})
	t.Run("B370", func(t *testing.T) {
		room := alice.publicRoom()
		bot.join(room)
		bot.send(room, "from the service")
		ghost := bot.post("/v3/register", obj{"type": "m.login.application_service", "username": "ghost-" + run, "inhibit_login": true}).ok().str("user_id")
		as := service(t, &user{id: ghost})
		as.join(room)
		as.send(room, "from a ghost")
		since := alice.sync("", nil)
		for _, want := range []string{bot.id, ghost} {
			found := false
			for _, e := range since.timeline(room).list() {
				found = found || e.str("type") == "m.room.message" && e.str("sender") == want
			}
			if !found {
				t.Errorf("nothing from %s", want)
			}
		}
		// A device of the ghost, without any login.
		if a := as.put(path("/v3/devices", "BRIDGE"), obj{"display_name": "bridge"}); a.status != 201 {
			t.Errorf("a device is made with %d %s, want 201", a.status, a.raw)
		}
		as.params += "&device_id=BRIDGE"
		if got := as.get("/v3/account/whoami").ok().str("device_id"); got != "BRIDGE" {
			t.Errorf("got the device %q", got)
		}
		as.sync("", nil, "timeout=50").ok()
		as.do("DELETE", path("/v3/devices", "BRIDGE"), nil).ok()
		as.get("/v3/account/whoami").fails(400, "M_UNKNOWN_DEVICE")
		login := bot.post("/v3/login", obj{"type": "m.login.application_service", "identifier": obj{"type": "m.id.user", "user": ghost}}).ok()
		if login.str("user_id") != ghost || login.str("access_token") == "" {
			t.Errorf("got %s", login.raw)
		}
		for name, u := range map[string]*user{"nobody": {t: t, id: "@nobody-" + run + ":" + alice.server()}, "a foreigner": {t: t, id: "@a:elsewhere.test"}} {
			if a := service(t, u).get("/v3/account/whoami"); a.status != 403 || a.errcode != "M_FORBIDDEN" {
				t.Errorf("%s: got %s", name, a.raw)
			}
		}
		nobody(t).post("/v3/register", obj{"type": "m.login.application_service", "username": "x"}).fails(401, "M_MISSING_TOKEN")
		alice.post("/v3/login", obj{"type": "m.login.application_service", "identifier": obj{"type": "m.id.user", "user": "x"}}).fails(401)
	})
	t.Run("B372", func(t *testing.T) {
		room := bot.createRoom(nil)
		send := path("/v3/rooms", room, "send", "m.room.message")
		var events []string
		for _, txn := range []string{"a", "b"} {
			events = append(events, bot.put(send+"/"+txn+"?ts=1234567890", obj{"msgtype": "m.text", "body": txn}).ok().str("event_id"))
		}
		events = append(events, bot.put(path("/v3/rooms", room, "state", "org.test", "")+"?ts=42", obj{}).ok().str("event_id"))
		bot.put(send+"/c?ts=-1", obj{}).fails(400, "M_INVALID_PARAM")
		timeline := bot.sync("", nil).timeline(room).list()
		last := timeline[len(timeline)-3:]
		for i, want := range []float64{1234567890, 1234567890, 42} {
			if last[i].str("event_id") != events[i] || last[i].num("origin_server_ts") != want {
				t.Errorf("got %v, want %s at %v", last[i], events[i], want)
			}
		}
		// A person's ts says nothing.
		room = alice.createRoom(nil)
		e := alice.put(path("/v3/rooms", room, "send", "m.room.message", "t")+"?ts=1", obj{"body": "x"}).ok().str("event_id")
		if got := alice.get(path("/v3/rooms", room, "event", e)).ok().num("origin_server_ts"); got == 1 {
			t.Error("a person chose the time of an event")
		}
	})
}
