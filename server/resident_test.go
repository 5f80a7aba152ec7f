package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"freehold.example/core/account"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
	far "freehold.example/test/remote"
)

// hostel is a server with a user at home, and another server that comes to it.
type hostel struct {
	*testing.T
	s     *Server
	base  string
	token string
	alice id.User

	r   *far.Server
	sut *far.Subject
}

func newHostel(t *testing.T) *hostel {
	t.Helper()
	h := &hostel{T: t, r: far.New(t), alice: "@alice:a.example"}
	h.s, h.base, _, _ = start(t, federated, func(c *Config) {
		c.TLSCA, c.Registration, c.RateLimits = far.CAFile(t), account.Open, false
		c.InsideNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	h.token = h.register("alice")
	h.sut = h.r.Meet("a.example", h.s.FederationAddr())
	return h
}

func (h *hostel) register(name string) (token string) {
	h.Helper()
	_, made := ask(h.T, "POST", h.base+"/_matrix/client/v3/register", "", map[string]any{
		"username": name, "password": "secret " + name, "auth": map[string]any{"type": "m.login.dummy"},
	})
	token, _ = made["access_token"].(string)
	return token
}

// do is a request of alice's that succeeds.
func (h *hostel) do(method, path string, body any) map[string]any {
	h.Helper()
	return h.as(h.token, method, path, body)
}

func (h *hostel) as(token, method, path string, body any) map[string]any {
	h.Helper()
	status, answer := ask(h.T, method, h.base+"/_matrix/client/v3"+path, token, body)
	if status != http.StatusOK {
		h.Fatalf("%s %s: got %d %v", method, path, status, answer)
	}
	return answer
}

type fields = map[string]any

// room makes a public room of alice's.
func (h *hostel) room(roomVersion string, more ...fields) id.Room {
	h.Helper()
	body := fields{"preset": "public_chat", "room_version": roomVersion}
	for _, m := range more {
		maps.Copy(body, m)
	}
	room, _ := h.do("POST", "/createRoom", body)["room_id"].(string)
	return id.Room(room)
}

func (h *hostel) set(room id.Room, typ, key string, content fields) id.Event {
	h.Helper()
	sent, _ := h.do("PUT", "/rooms/"+url.PathEscape(string(room))+"/state/"+typ+"/"+url.PathEscape(key), content)["event_id"].(string)
	return id.Event(sent)
}

func (h *hostel) say(room id.Room, body string) id.Event {
	h.Helper()
	path := "/rooms/" + url.PathEscape(string(room)) + "/send/m.room.message/" + url.PathEscape(body)
	sent, _ := h.do("PUT", path, fields{"msgtype": "m.text", "body": body})["event_id"].(string)
	return id.Event(sent)
}

func (h *hostel) membership(room id.Room, user id.User) string {
	h.Helper()
	_, answer := ask(h.T, "GET", h.base+"/_matrix/client/v3/rooms/"+url.PathEscape(string(room))+"/state/m.room.member/"+url.PathEscape(string(user)), h.token, nil)
	m, _ := answer["membership"].(string)
	return m
}

func texts(events []json.RawMessage) (out []string) {
	for _, raw := range events {
		var e struct {
			Type    string
			Content struct{ Body string }
		}
		_ = json.Unmarshal(raw, &e)
		if e.Type == "m.room.message" {
			out = append(out, e.Content.Body)
		}
	}
	return out
}

// TestRemoteMembers: users of another server join, knock and leave through this one, in every room version.
func TestRemoteMembers(t *testing.T) {
	h := newHostel(t)
	robin := h.r.User("robin")
	for _, v := range version.All() {
		room := h.room(v.ID)
		h.say(room, "before")
		copied := h.sut.Join(room, robin)
		if got := h.membership(room, robin); got != "join" {
			t.Fatalf("version %s: robin is %q", v.ID, got)
		}
		if e := copied.Now("m.room.create", ""); e == nil || e.Sender() != h.alice {
			t.Errorf("version %s: the answer has no create event", v.ID)
		}
		h.sut.Leave(room, robin)
		if got := h.membership(room, robin); got != "leave" {
			t.Errorf("version %s: robin is %q", v.ID, got)
		}
		if !v.KnockRule {
			continue
		}
		h.set(room, "m.room.join_rules", "", fields{"join_rule": "knock"})
		_, shown := h.sut.Knock(room, robin)
		if got := h.membership(room, robin); got != "knock" || len(shown) < 2 {
			t.Errorf("version %s: robin is %q, and was shown %s", v.ID, got, shown)
		}
	}
}

// TestResidentHistory: a server in a room is given its events, states and auth chains, and one that is not is given nothing.
func TestResidentHistory(t *testing.T) {
	h := newHostel(t)
	robin := h.r.User("robin")
	room := h.room("12")
	h.say(room, "one")
	topic := h.set(room, "m.room.topic", "", fields{"topic": "old"})
	h.say(room, "two")
	join, a := h.sut.Member("join", room, robin)
	a.OK()
	last := h.say(room, "three")
	paths := []string{
		far.Path("/_matrix/federation/v1/event", last),
		far.Path("/_matrix/federation/v1/backfill", room) + "?limit=3&v=" + url.QueryEscape(string(last)),
		far.Path("/_matrix/federation/v1/state", room) + "?event_id=" + url.QueryEscape(string(last)),
		far.Path("/_matrix/federation/v1/state_ids", room) + "?event_id=" + url.QueryEscape(string(last)),
		far.Path("/_matrix/federation/v1/event_auth", string(room), string(last)),
		far.Path("/_matrix/federation/v1/timestamp_to_event", room) + "?dir=f&ts=0",
	}
	missing := far.Path("/_matrix/federation/v1/get_missing_events", room)
	gap := fields{"earliest_events": []id.Event{topic}, "latest_events": []id.Event{last}}

	stranger := far.New(t).Meet("a.example", h.s.FederationAddr())
	for _, path := range paths {
		h.sut.Do("GET", path, nil).OK()
		stranger.Do("GET", path, nil).Want(403, "M_FORBIDDEN")
	}
	stranger.Do("POST", missing, gap).Want(403, "M_FORBIDDEN")

	var got struct {
		PDUs   []json.RawMessage
		Events []json.RawMessage
		Chain  []json.RawMessage `json:"auth_chain"`
		State  []id.Event        `json:"pdu_ids"`
		ChainI []id.Event        `json:"auth_chain_ids"`
	}
	h.sut.Do("GET", paths[0], nil).Decode(&got)
	if b := texts(got.PDUs); !slices.Equal(b, []string{"three"}) {
		t.Errorf("event: got %q", b)
	}
	h.sut.Do("GET", paths[1], nil).Decode(&got)
	if b := texts(got.PDUs); !slices.Equal(b, []string{"three", "two"}) || len(got.PDUs) != 3 {
		t.Errorf("backfill: got %q of %d", b, len(got.PDUs))
	}
	h.sut.Do("POST", missing, gap).OK().Decode(&got)
	if b := texts(got.Events); !slices.Equal(b, []string{"two"}) || len(got.Events) != 2 {
		t.Errorf("missing: got %q of %d", b, len(got.Events))
	}
	h.sut.Do("GET", far.Path("/_matrix/federation/v1/state_ids", room)+"?event_id="+url.QueryEscape(string(join.ID())), nil).Decode(&got)
	if !slices.Contains(got.State, topic) || slices.Contains(got.State, join.ID()) || len(got.ChainI) == 0 {
		t.Errorf("state_ids: got %v and %v", got.State, got.ChainI)
	}
	h.sut.Do("GET", paths[2], nil).Decode(&got)
	if len(got.PDUs) != len(got.State)+1 || len(got.Chain) == 0 {
		t.Errorf("state: got %d and %d", len(got.PDUs), len(got.Chain))
	}
	for path, want := range map[string]int{
		far.Path("/_matrix/federation/v1/event", "$nothing"):                              404,
		far.Path("/_matrix/federation/v1/backfill", room) + "?limit=3":                    400,
		far.Path("/_matrix/federation/v1/backfill", room) + "?limit=0&v=x":                400,
		far.Path("/_matrix/federation/v1/state", room):                                    400,
		far.Path("/_matrix/federation/v1/state_ids", room) + "?event_id=%24nothing":       404,
		far.Path("/_matrix/federation/v1/state_ids", "!nothing") + "?event_id=%24nothing": 404,
		far.Path("/_matrix/federation/v1/event_auth", string(room), "$nothing"):           404,
		far.Path("/_matrix/federation/v1/timestamp_to_event", room) + "?dir=x&ts=0":       400,
	} {
		if a := h.sut.Do("GET", path, nil); a.Status != want {
			t.Errorf("%s: got %d %s, want %d", path, a.Status, a.Body, want)
		}
	}
}

// TestHostileMembers: what is sent to send_join and its like must be what they are for.
func TestHostileMembers(t *testing.T) {
	h := newHostel(t)
	robin, eve := h.r.User("robin"), h.r.User("eve")
	room := h.room("10")
	copied := h.sut.Join(room, robin)
	key, other := string(robin), string(eve)
	for _, kind := range []string{"join", "leave", "knock"} {
		for name, e := range map[string]*event.Event{
			"a message":         copied.Build(robin, "m.room.message", nil, far.Text("hi")),
			"no state key":      copied.Build(robin, "m.room.member", nil, fields{"membership": kind}),
			"another type":      copied.Build(robin, "m.room.topic", &key, fields{"membership": kind}),
			"a ban":             copied.Build(robin, "m.room.member", &key, fields{"membership": "ban"}),
			"an invitation":     copied.Build(robin, "m.room.member", &key, fields{"membership": "invite"}),
			"about another":     copied.Build(robin, "m.room.member", &other, fields{"membership": kind}),
			"of another server": copied.Build("@x:b.example", "m.room.member", new("@x:b.example"), fields{"membership": kind}),
			"of this server":    copied.Build(h.alice, "m.room.member", new(string(h.alice)), fields{"membership": kind}),
		} {
			if a := h.sut.SendMember(kind, e); a.Status != 400 {
				t.Errorf("send_%s of %s: got %d %s", kind, name, a.Status, a.Body)
			}
		}
		path := far.Path("/_matrix/federation/v2/send_"+kind, string(room), "$x")
		if kind == "knock" {
			path = strings.Replace(path, "v2", "v1", 1)
		}
		good := copied.Build(robin, "m.room.member", &key, fields{"membership": kind})
		for _, body := range []string{`{}`, `{"type":"m.room.member"}`, string(good.Bytes())} {
			if a := h.sut.Do("PUT", path, []byte(body)); a.Status != 400 {
				t.Errorf("send_%s %s: got %d %s", kind, body, a.Status, a.Body)
			}
		}
		unsigned := strings.Replace(string(good.Bytes()), string(h.r.Name)+`":{"ed25519:`, "b.example"+`":{"ed25519:`, 1)
		changed := strings.Replace(string(good.Bytes()), `"membership":"`+kind, `"x":1,"membership":"`+kind, 1)
		for _, body := range []string{unsigned, changed} {
			path := strings.Replace(path, "$x", string(good.ID()), 1)
			path = strings.Replace(path, "%24x", url.PathEscape(string(good.ID())), 1)
			if a := h.sut.Do("PUT", path, []byte(body)); a.Status != 400 {
				t.Errorf("send_%s spoilt: got %d %s", kind, a.Status, a.Body)
			}
		}
	}
	// Templates are made for the asking server's own users, of rooms that are here, in versions that it knows.
	make := func(kind string, room id.Room, user id.User, query string) *far.Answer {
		return h.sut.Do("GET", far.Path("/_matrix/federation/v1/make_"+kind, string(room), string(user))+query, nil)
	}
	for _, kind := range []string{"join", "leave", "knock"} {
		make(kind, room, "@x:b.example", "?ver=10").Want(403, "M_FORBIDDEN")
		make(kind, "!nowhere:a.example", robin, "?ver=10").Want(404, "M_NOT_FOUND")
	}
	make("join", room, eve, "").Want(400, "M_INCOMPATIBLE_ROOM_VERSION")
	make("join", room, eve, "?ver=9&ver=11").Want(400, "M_INCOMPATIBLE_ROOM_VERSION")
	make("knock", room, eve, "").Want(400, "M_MISSING_PARAM")
	make("knock", room, eve, "?ver=10").Want(403, "M_FORBIDDEN")
	make("leave", room, eve, "").Want(403, "M_FORBIDDEN")
	h.do("POST", "/rooms/"+url.PathEscape(string(room))+"/ban", fields{"user_id": eve})
	make("join", room, eve, "?ver=10").Want(403, "M_FORBIDDEN")
	h.sut.SendMember("join", copied.Build(eve, "m.room.member", &other, fields{"membership": "join"})).Want(403, "M_FORBIDDEN")
	if got := h.membership(room, eve); got != "ban" {
		t.Errorf("eve is %q", got)
	}
}

// TestDeniedServer: a server that the room's access list keeps out is given nothing.
func TestDeniedServer(t *testing.T) {
	h := newHostel(t)
	robin := h.r.User("robin")
	room := h.room("12")
	copied := h.sut.Join(room, robin)
	last := h.say(room, "hello")
	h.set(room, "m.room.server_acl", "", fields{"allow": []string{"*"}, "deny": []string{"127.0.0.*"}})
	at := "?event_id=" + url.QueryEscape(string(last))
	for _, path := range []string{
		far.Path("/_matrix/federation/v1/event", last),
		far.Path("/_matrix/federation/v1/backfill", room) + "?limit=3&v=" + url.QueryEscape(string(last)),
		far.Path("/_matrix/federation/v1/state", room) + at,
		far.Path("/_matrix/federation/v1/state_ids", room) + at,
		far.Path("/_matrix/federation/v1/event_auth", string(room), string(last)),
		far.Path("/_matrix/federation/v1/make_join", string(room), string(robin)) + "?ver=12",
		far.Path("/_matrix/federation/v1/make_leave", string(room), string(robin)),
		far.Path("/_matrix/federation/v1/make_knock", string(room), string(robin)) + "?ver=12",
	} {
		h.sut.Do("GET", path, nil).Want(403, "M_FORBIDDEN")
	}
	h.sut.Do("POST", far.Path("/_matrix/federation/v1/get_missing_events", room), fields{
		"earliest_events": []id.Event{}, "latest_events": []id.Event{last},
	}).Want(403, "M_FORBIDDEN")
	key := string(robin)
	for _, kind := range []string{"join", "leave", "knock"} {
		h.sut.SendMember(kind, copied.Build(robin, "m.room.member", &key, fields{"membership": kind})).Want(403, "M_FORBIDDEN")
	}
}

// TestRestrictedJoins: this server vouches for who is in a room whose members are let in, says when it cannot tell, and when
// nobody here may let her in.
func TestRestrictedJoins(t *testing.T) {
	h := newHostel(t)
	robin, eve := h.r.User("robin"), h.r.User("eve")
	for _, v := range []string{"8", "10", "12"} {
		club := h.room(v)
		room := h.room(v)
		rule := func(rooms ...string) {
			allow := []fields{}
			for _, r := range rooms {
				allow = append(allow, fields{"type": "m.room_membership", "room_id": r})
			}
			h.set(room, "m.room.join_rules", "", fields{"join_rule": "restricted", "allow": allow})
		}
		rule(string(club))
		h.sut.MakeMember("join", room, robin).Want(403, "M_FORBIDDEN")
		rule(string(club), "!elsewhere:b.example")
		h.sut.MakeMember("join", room, robin).Want(400, "M_UNABLE_TO_AUTHORISE_JOIN")
		rule()
		h.sut.MakeMember("join", room, robin).Want(403, "M_FORBIDDEN")
		rule("invalid", string(club))
		h.sut.Join(club, robin)
		copied := h.sut.Join(room, robin)
		join := copied.Now("m.room.member", string(robin))
		if signed := join.Signatures(); len(signed["a.example"]) == 0 || !strings.Contains(string(join.Content()), string(h.alice)) {
			t.Errorf("version %s: the join is not vouched for: %s", v, join.Bytes())
		}
		// A join that claims to be vouched for, and is not.
		key := string(eve)
		claim := fields{"membership": "join", "join_authorised_via_users_server": h.alice}
		h.sut.SendMember("join", copied.Build(eve, "m.room.member", &key, claim)).Want(403, "M_FORBIDDEN")
		claim["join_authorised_via_users_server"] = "@nobody:a.example"
		h.sut.Join(club, eve)
		h.sut.SendMember("join", copied.Build(eve, "m.room.member", &key, claim)).Want(403, "M_FORBIDDEN")
		claim["join_authorised_via_users_server"] = robin // her own server cannot vouch for her by a user without the level
		h.set(room, "m.room.power_levels", "", h.levels(room, "invite", 50))
		h.sut.SendMember("join", copied.Build(eve, "m.room.member", &key, claim)).Want(403, "M_FORBIDDEN")
		if v == "12" {
			continue // the creator cannot lose her power
		}
		h.set(room, "m.room.power_levels", "", h.levels(room, "users", fields{string(h.alice): 100, string(robin): 100}))
		h.set(room, "m.room.power_levels", "", h.levels(room, "users", fields{string(h.alice): 0, string(robin): 100}))
		a := h.sut.MakeMember("join", room, eve)
		if a.Status != 400 || a.Code() != "M_UNABLE_TO_GRANT_JOIN" {
			t.Errorf("version %s: got %d %s", v, a.Status, a.Body)
		}
	}
}

// levels is a room's power levels with one entry changed.
func (h *hostel) levels(room id.Room, key string, value any) fields {
	h.Helper()
	levels := h.do("GET", "/rooms/"+url.PathEscape(string(room))+"/state/m.room.power_levels/", nil)
	levels[key] = value
	return levels
}

// TestOmitMembers: a join without the members names the servers in the room, and who the room is named after.
func TestOmitMembers(t *testing.T) {
	h := newHostel(t)
	robin := h.r.User("robin")
	bob := h.register("bob")
	for _, named := range []bool{false, true} {
		room := h.room("12")
		h.as(bob, "POST", "/rooms/"+url.PathEscape(string(room))+"/join", fields{})
		if named {
			h.set(room, "m.room.name", "", fields{"name": "Hostel"})
		}
		template := far.Template{}
		h.sut.MakeMember("join", room, robin).OK().Decode(&template)
		e, err := h.r.Sign(template, room, robin)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Omitted bool        `json:"members_omitted"`
			Servers []id.Server `json:"servers_in_room"`
			State   []struct {
				Type string
				Key  string `json:"state_key"`
			}
			Chain []json.RawMessage `json:"auth_chain"`
			Event json.RawMessage
		}
		path := far.Path("/_matrix/federation/v2/send_join", string(room), string(e.ID())) + "?omit_members=true"
		h.sut.Do("PUT", path, json.RawMessage(e.Bytes())).OK().Decode(&got)
		var types []string
		for _, s := range got.State {
			types = append(types, s.Type)
		}
		slices.Sort(types)
		want := []string{"m.room.create", "m.room.history_visibility", "m.room.join_rules", "m.room.member", "m.room.member", "m.room.power_levels"}
		if named {
			want = []string{"m.room.create", "m.room.history_visibility", "m.room.join_rules", "m.room.name", "m.room.power_levels"}
		}
		if !got.Omitted || !slices.Equal(got.Servers, []id.Server{"a.example"}) || !slices.Equal(types, want) || len(got.Event) == 0 {
			t.Errorf("got %v of %v, want the state %v", types, got.Servers, want)
		}
		// What the join refers to and is not in the state: of the room with a name, alice's join.
		if n := len(got.Chain); n != map[bool]int{false: 0, true: 1}[named] {
			t.Errorf("the auth chain has %d events: %s", n, got.Chain)
		}
	}
}

// TestHistoryForServers: what nobody of a server was entitled to see is given without its words.
func TestHistoryForServers(t *testing.T) {
	h := newHostel(t)
	robin := h.r.User("robin")
	for visibility, want := range map[string][]string{
		"shared": {"now", "before"}, "world_readable": {"now", "before"}, "joined": {"now", ""}, "invited": {"now", ""},
	} {
		room := h.room("12")
		h.set(room, "m.room.history_visibility", "", fields{"history_visibility": visibility})
		time.Sleep(2 * time.Millisecond) // so that no event before it has its time
		first := h.say(room, "before")
		h.sut.Join(room, robin)
		last := h.say(room, "now")
		var got struct{ PDUs, Events []json.RawMessage }
		h.sut.Do("GET", far.Path("/_matrix/federation/v1/backfill", room)+"?limit=100&v="+url.QueryEscape(string(last)), nil).OK().Decode(&got)
		if b := texts(got.PDUs); !slices.Equal(b, want) {
			t.Errorf("%s: backfill has %q, want %q", visibility, b, want)
		}
		h.sut.Do("POST", far.Path("/_matrix/federation/v1/get_missing_events", room), fields{
			"earliest_events": []id.Event{}, "latest_events": []id.Event{last}, "limit": 100,
		}).OK().Decode(&got)
		if b := texts(got.Events); !slices.Equal(b, want[1:]) {
			t.Errorf("%s: missing events have %q, want %q", visibility, b, want[1:])
		}
		h.sut.Do("GET", far.Path("/_matrix/federation/v1/event", first), nil).OK().Decode(&got)
		if b := texts(got.PDUs); !slices.Equal(b, want[1:]) {
			t.Errorf("%s: the event is %q, want %q", visibility, b, want[1:])
		}
		var sent struct {
			Timestamp int64 `json:"origin_server_ts"`
		}
		if err := json.Unmarshal(got.PDUs[0], &sent); err != nil {
			t.Fatal(err)
		}
		a := h.sut.Do("GET", far.Path("/_matrix/federation/v1/timestamp_to_event", room)+"?dir=f&ts="+strconv.FormatInt(sent.Timestamp, 10), nil)
		if whole := want[1] != ""; whole != strings.Contains(string(a.OK().Body), string(first)) {
			t.Errorf("%s: at the time of %s is %s", visibility, first, a.Body)
		}
	}
}

// TestDirectoryForServers: the directory, spaces and unknown queries.
func TestDirectoryForServers(t *testing.T) {
	h := newHostel(t)
	robin := h.r.User("robin")
	space := h.room("12", fields{"creation_content": fields{"type": "m.space"}, "name": "Space", "visibility": "public"})
	open := h.room("12", fields{"name": "Open", "visibility": "public"})
	secret := h.room("12", fields{"preset": "private_chat", "name": "Secret"})
	club := h.room("12", fields{"preset": "private_chat"})
	h.set(club, "m.room.join_rules", "", fields{"join_rule": "restricted", "allow": []fields{{"type": "m.room_membership", "room_id": space}}})
	for i, child := range []id.Room{open, secret, club, "!elsewhere:b.example"} {
		h.set(space, "m.space.child", string(child), fields{"via": []string{"a.example"}, "suggested": i == 0})
	}
	type answer struct {
		Room struct {
			Room     id.Room           `json:"room_id"`
			Children []json.RawMessage `json:"children_state"`
		}
		Children []struct {
			Room id.Room `json:"room_id"`
		}
		Inaccessible []id.Room `json:"inaccessible_children"`
	}
	below := func(query string) (got answer, children []id.Room) {
		h.sut.Do("GET", far.Path("/_matrix/federation/v1/hierarchy", space)+query, nil).OK().Decode(&got)
		for _, c := range got.Children {
			children = append(children, c.Room)
		}
		slices.Sort(children)
		slices.Sort(got.Inaccessible)
		return got, children
	}
	got, children := below("")
	if !slices.Equal(children, []id.Room{open}) || !slices.Equal(got.Inaccessible, slices.Sorted(slices.Values([]id.Room{secret, club}))) ||
		len(got.Room.Children) != 4 || got.Room.Room != space {
		t.Errorf("got %+v", got)
	}
	if got, children = below("?suggested_only=true"); !slices.Equal(children, []id.Room{open}) || len(got.Room.Children) != 1 {
		t.Errorf("suggested: got %+v", got)
	}
	h.sut.Join(space, robin)
	if got, children = below(""); !slices.Equal(children, slices.Sorted(slices.Values([]id.Room{open, club}))) || len(got.Inaccessible) != 1 {
		t.Errorf("to a server in the space: got %+v", got)
	}
	h.sut.Do("GET", far.Path("/_matrix/federation/v1/hierarchy", secret), nil).Want(404, "M_NOT_FOUND")
	h.sut.Do("GET", far.Path("/_matrix/federation/v1/hierarchy", "!nowhere:a.example"), nil).Want(404, "M_NOT_FOUND")

	var list struct {
		Chunk []struct {
			Name string
		}
		Next string `json:"next_batch"`
	}
	h.sut.Do("GET", "/_matrix/federation/v1/publicRooms?limit=1", nil).OK().Decode(&list)
	if len(list.Chunk) != 1 || list.Next == "" {
		t.Errorf("publicRooms: got %+v", list)
	}
	h.sut.Do("POST", "/_matrix/federation/v1/publicRooms", fields{"filter": fields{"generic_search_term": "ope"}}).OK().Decode(&list)
	if len(list.Chunk) != 1 || list.Chunk[0].Name != "Open" {
		t.Errorf("publicRooms: got %+v", list)
	}
	h.sut.Do("GET", "/_matrix/federation/v1/publicRooms?since=x", nil).Want(400, "M_INVALID_PARAM")
	h.sut.Do("GET", "/_matrix/federation/v1/query/weather", nil).Want(404, "M_NOT_FOUND")
}

// TestThirdPartyInvites: who was invited by an address is invited as a user, when an identity server that the room knows says
// that she is the one.
func TestThirdPartyInvites(t *testing.T) {
	h := newHostel(t)
	bob := h.register("bob")
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(user id.User, token string, by ed25519.PrivateKey) json.RawMessage {
		object, err := json.Marshal(fields{"mxid": user, "token": token})
		if err == nil {
			object, err = event.SignJSON(object, "identity.example", "ed25519:i", by)
		}
		if err != nil {
			t.Fatal(err)
		}
		return object
	}
	_, wrong, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	room := h.room("12", fields{"preset": "private_chat"})
	for _, token := range []string{"one", "two"} {
		h.set(room, "m.room.third_party_invite", token, fields{
			"display_name": "r...@example.org", "public_key": base64.RawStdEncoding.EncodeToString(public), "key_validity_url": "https://identity.example",
		})
	}
	robin := h.r.User("robin")
	exchange := func(sender, user id.User, membership string, signed json.RawMessage) *far.Answer {
		return h.sut.Do("PUT", far.Path("/_matrix/federation/v1/exchange_third_party_invite", room), fields{
			"type": "m.room.member", "room_id": room, "sender": sender, "state_key": user,
			"content": fields{"membership": membership, "third_party_invite": fields{"display_name": "r...@example.org", "signed": signed}},
		})
	}
	good := sign(robin, "one", private)
	exchange(h.alice, robin, "invite", sign(robin, "one", wrong)).Want(403, "M_FORBIDDEN")
	exchange(h.alice, robin, "invite", sign(robin, "three", private)).Want(403, "M_FORBIDDEN")
	exchange(h.alice, h.r.User("eve"), "invite", good).Want(403, "M_FORBIDDEN")
	exchange(h.alice, "@x:b.example", "invite", good).Want(403, "M_FORBIDDEN")
	exchange("@bob:a.example", robin, "invite", good).Want(403, "M_FORBIDDEN")
	exchange(robin, robin, "invite", good).Want(403, "M_FORBIDDEN")
	exchange(h.alice, robin, "join", good).Want(400, "M_INVALID_PARAM")
	exchange(h.alice, robin, "invite", good).OK()
	if i := h.r.WaitInvite(robin); i.Room != room || h.membership(room, robin) != "invite" {
		t.Errorf("got %+v, and robin is %q", i, h.membership(room, robin))
	}

	bind := func(user id.User, signed json.RawMessage) *far.Answer {
		invite := fields{"medium": "email", "address": "b@example.org", "mxid": user, "room_id": room, "sender": h.alice, "signed": signed}
		return h.sut.Do("PUT", "/_matrix/federation/v1/3pid/onbind", fields{
			"medium": "email", "address": "b@example.org", "mxid": user, "invites": []any{invite},
		}, func(q *http.Request) { q.Header.Del("Authorization") })
	}
	bind("@bob:a.example", sign("@bob:a.example", "two", wrong)).OK()
	if m := h.membership(room, "@bob:a.example"); m != "" {
		t.Errorf("bob is %q by a wrong signature", m)
	}
	bind("@nobody:a.example", sign("@nobody:a.example", "two", private)).Want(404, "M_NOT_FOUND")
	bind(robin, sign(robin, "two", private)).Want(400, "M_INVALID_PARAM")
	bind("@bob:a.example", sign("@bob:a.example", "two", private)).OK()
	if m := h.membership(room, "@bob:a.example"); m != "invite" {
		t.Errorf("bob is %q", m)
	}
	h.as(bob, "POST", "/rooms/"+url.PathEscape(string(room))+"/join", fields{})
}
