package conformance

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
	"freehold.example/test/remote"
)

// guest is a room of Alice's on S that a user of R's has joined.
type guest struct {
	r     *remote.Server
	at    *remote.Subject // S, as R sees it
	alice *user
	robin id.User
	room  *remote.Room // R's copy
}

func newGuest(t *testing.T, body obj) *guest {
	t.Helper()
	s := first(t)
	g := &guest{r: remote.New(t), alice: s.newUser(t)}
	g.at, g.robin = s.meet(g.r), g.r.User("robin")
	g.room = g.at.Join(id.Room(g.alice.createRoom(body)), g.robin)
	return g
}

// ask is a GET of R's at S, whose answer is read into out.
func (g *guest) ask(out any, path string) {
	g.alice.t.Helper()
	g.at.Do("GET", path, nil).OK().Decode(out)
}

// ids are those of events in a room of that version.
func ids(t *testing.T, v *version.Version, raw []json.RawMessage) (out []id.Event) {
	t.Helper()
	for _, r := range raw {
		e, err := event.Parse(v, r)
		if err != nil {
			t.Fatalf("%v: %s", err, r)
		}
		out = append(out, e.ID())
	}
	slices.Sort(out)
	return out
}

// B392: as a resident server.
func TestB392(t *testing.T) {
	for _, v := range version.All() {
		g := newGuest(t, obj{"preset": "public_chat", "room_version": v.ID})
		room := string(g.room.ID)
		if got := g.alice.state(room, "m.room.member", string(g.robin)).ok().str("membership"); got != "join" {
			t.Errorf("version %s: Alice sees %q", v.ID, got)
		}
		if g.room.Now("m.room.create", "") == nil || g.room.Now("m.room.member", g.alice.id) == nil {
			t.Errorf("version %s: the state is not whole", v.ID)
		}
		g.r.WaitEvent(id.Event(g.alice.send(room, "hello")))
	}
}

// B393: a template for one user, and the event of another who is banned.
func TestB393(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat"})
	eve := g.r.User("eve")
	g.alice.post(path("/v3/rooms", string(g.room.ID), "ban"), obj{"user_id": eve}).ok()
	var template remote.Template
	g.at.MakeMember("join", g.room.ID, g.r.User("carol")).OK().Decode(&template)
	template.Event = json.RawMessage(strings.ReplaceAll(string(template.Event), string(g.r.User("carol")), string(eve)))
	e, err := g.r.Sign(template, g.room.ID, eve)
	if err != nil {
		t.Fatal(err)
	}
	g.at.SendMember("join", e).Want(403, "M_FORBIDDEN")
	if got := g.alice.state(string(g.room.ID), "m.room.member", string(eve)).ok().str("membership"); got != "ban" {
		t.Errorf("her membership is %q", got)
	}
}

// unfit sends events to one of the endpoints for memberships that are not what it is for.
func unfit(t *testing.T, kind string, prefixes ...string) {
	t.Helper()
	g := newGuest(t, obj{"preset": "public_chat", "room_version": "10"})
	own, other := string(g.robin), string(g.r.User("eve"))
	events := map[string]*event.Event{
		"a message event":      g.room.Build(g.robin, "m.room.message", nil, remote.Text("hi")),
		"no state key":         g.room.Build(g.robin, "m.room.member", nil, obj{"membership": kind}),
		"a foreign state key":  g.room.Build(g.robin, "m.room.member", &other, obj{"membership": kind}),
		"another type":         g.room.Build(g.robin, "m.room.name", &own, obj{"membership": kind}),
		"another server's":     g.room.Build("@x:b.example", "m.room.member", new("@x:b.example"), obj{"membership": kind}),
		"no membership":        g.room.Build(g.robin, "m.room.member", &own, obj{}),
		"a membership of null": g.room.Build(g.robin, "m.room.member", &own, obj{"membership": nil}),
	}
	for _, m := range []string{"join", "leave", "invite", "knock", "ban"} {
		if m != kind {
			events["membership "+m] = g.room.Build(g.robin, "m.room.member", &own, obj{"membership": m})
		}
	}
	for _, prefix := range prefixes {
		for name, e := range events {
			a := g.at.Do("PUT", remote.Path("/_matrix/federation/"+prefix, string(g.room.ID), string(e.ID())), json.RawMessage(e.Bytes()))
			if a.Status != 400 {
				t.Errorf("%s with %s: got %d %s", prefix, name, a.Status, a.Body)
			}
		}
	}
}

// B394, B408, B418: nothing but what the endpoint is for.
func TestB394(t *testing.T) { unfit(t, "join", "v2/send_join", "v1/send_join") }
func TestB408(t *testing.T) { unfit(t, "leave", "v2/send_leave", "v1/send_leave") }
func TestB418(t *testing.T) { unfit(t, "knock", "v1/send_knock") }

// B395, B396: an answer without the members.
func TestB395B396(t *testing.T) {
	s, r := first(t), remote.New(t)
	alice, bob, robin := s.newUser(t), s.newUser(t), r.User("robin")
	at := s.meet(r)
	room := alice.createRoom(obj{"preset": "public_chat"})
	bob.join(room)
	var template remote.Template
	at.MakeMember("join", id.Room(room), robin).OK().Decode(&template)
	e, err := r.Sign(template, id.Room(room), robin)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Omitted bool              `json:"members_omitted"`
		Servers []id.Server       `json:"servers_in_room"`
		Chain   []json.RawMessage `json:"auth_chain"`
		State   []json.RawMessage `json:"state"`
	}
	at.Do("PUT", remote.Path("/_matrix/federation/v2/send_join", room, string(e.ID()))+"?omit_members=true", json.RawMessage(e.Bytes())).OK().Decode(&got)
	var state []string
	for _, raw := range got.State {
		x, err := event.Parse(e.Version(), raw)
		if err != nil {
			t.Fatal(err)
		}
		key, _ := x.StateKey()
		state = append(state, x.Type()+" "+key)
	}
	slices.Sort(state)
	want := []string{
		"m.room.create ", "m.room.history_visibility ", "m.room.join_rules ", "m.room.member " + alice.id, "m.room.member " + bob.id, "m.room.power_levels ",
	}
	slices.Sort(want)
	t.Run("B395", func(t *testing.T) {
		if !got.Omitted || !slices.Equal(got.Servers, []id.Server{s.name}) {
			t.Errorf("got %v %v", got.Omitted, got.Servers)
		}
	})
	t.Run("B396", func(t *testing.T) {
		if !slices.Equal(state, want) || len(got.Chain) != 0 {
			t.Errorf("got %q and %d events of the auth chain", state, len(got.Chain))
		}
	})
}

// B409: a leave that R made by itself, and a join after it.
func TestB409(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat"})
	key := string(g.robin)
	g.at.SendMember("leave", g.room.Build(g.robin, "m.room.member", &key, obj{"membership": "leave"})).OK()
	if got := g.alice.state(string(g.room.ID), "m.room.member", key).ok().str("membership"); got != "leave" {
		t.Errorf("his membership is %q", got)
	}
	g.at.Join(g.room.ID, g.robin)
}

// B430, B431: the auth chain of an event, and nothing else.
func TestB430(t *testing.T) {
	for _, v := range []string{"10", "12"} {
		g := newGuest(t, obj{"preset": "public_chat", "room_version": v})
		room := string(g.room.ID)
		first := g.room.Now("m.room.member", string(g.robin))
		left := g.at.Leave(g.room.ID, g.robin)
		again := g.at.Join(g.room.ID, g.robin).Now("m.room.member", string(g.robin))
		topic := g.alice.setState(room, "m.room.topic", "", obj{"topic": "not in it"})
		var got struct {
			Chain []json.RawMessage `json:"auth_chain"`
		}
		want := []id.Event{first.ID(), left.ID()}
		for _, typ := range []string{"m.room.create", "m.room.power_levels", "m.room.join_rules"} {
			want = append(want, g.room.Now(typ, "").ID())
		}
		want = append(want, g.room.Now("m.room.member", g.alice.id).ID())
		slices.Sort(want)
		g.ask(&got, remote.Path("/_matrix/federation/v1/event_auth", room, string(again.ID())))
		if chain := ids(t, g.room.Version, got.Chain); !slices.Equal(chain, want) {
			t.Errorf("version %s: got %v, want %v", v, chain, want)
		}
		g.ask(&got, remote.Path("/_matrix/federation/v1/event_auth", room, topic))
		if chain := ids(t, g.room.Version, got.Chain); len(chain) != 3 || slices.Contains(chain, first.ID()) {
			t.Errorf("version %s: the chain of the topic is %v", v, chain)
		}
	}
}

// B431: join, leave, join again.
func TestB431(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat", "room_version": "12"})
	was := g.room.Now("m.room.member", string(g.robin)).ID()
	left := g.at.Leave(g.room.ID, g.robin).ID()
	again := g.at.Join(g.room.ID, g.robin).Now("m.room.member", string(g.robin))
	var got struct {
		Chain []json.RawMessage `json:"auth_chain"`
	}
	g.ask(&got, remote.Path("/_matrix/federation/v1/event_auth", string(g.room.ID), string(again.ID())))
	chain := ids(t, g.room.Version, got.Chain)
	for _, want := range []id.Event{was, left, id.Event("$" + g.room.ID[1:])} {
		if !slices.Contains(chain, want) {
			t.Errorf("%s is not in %v", want, chain)
		}
	}
}

// B447: the events between the room's beginning and R's join.
func TestB447(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat"})
	create, join := g.room.Now("m.room.create", ""), g.room.Now("m.room.member", string(g.robin))
	var got struct{ Events []json.RawMessage }
	g.at.Do("POST", remote.Path("/_matrix/federation/v1/get_missing_events", g.room.ID), obj{
		"earliest_events": list{create.ID()}, "latest_events": list{join.ID()}, "limit": 10, "min_depth": 1,
	}).OK().Decode(&got)
	var depths []int64
	for _, raw := range got.Events {
		e, err := event.Parse(g.room.Version, raw)
		if err != nil {
			t.Fatal(err)
		}
		if e.ID() == create.ID() || e.ID() == join.ID() {
			t.Errorf("%s is in the answer", e.Type())
		}
		depths = append(depths, e.Depth())
	}
	if int64(len(depths)) != join.Depth()-create.Depth()-1 || !slices.IsSorted(depths) {
		t.Errorf("got depths %v of a join at %d", depths, join.Depth())
	}
}

// B448: what R's users may not see comes without its words.
func TestB448(t *testing.T) {
	s, r := first(t), remote.New(t)
	alice, at := s.newUser(t), s.meet(r)
	for visibility, whole := range map[string]bool{"joined": false, "invited": false, "shared": true, "world_readable": true} {
		room := alice.createRoom(obj{"preset": "public_chat", "initial_state": list{
			obj{"type": "m.room.history_visibility", "state_key": "", "content": obj{"history_visibility": visibility}},
		}})
		alice.send(room, "before")
		copied := at.Join(id.Room(room), r.User("robin"))
		var got struct{ Events []json.RawMessage }
		at.Do("POST", remote.Path("/_matrix/federation/v1/get_missing_events", room), obj{
			"earliest_events": list{}, "latest_events": list{copied.Now("m.room.member", string(r.User("robin"))).ID()}, "limit": 10,
		}).OK().Decode(&got)
		messages := 0
		for _, raw := range got.Events {
			if strings.Contains(string(raw), `"m.room.message"`) {
				messages++
				if strings.Contains(string(raw), "before") != whole {
					t.Errorf("%s: got %s", visibility, raw)
				}
			}
		}
		if messages != 1 {
			t.Errorf("%s: %d messages", visibility, messages)
		}
	}
}

// B400: an invitation that comes with nothing of the room; and by both versions of the endpoint.
func TestB400(t *testing.T) {
	s := first(t)
	for _, v := range []string{"1", "10", "12"} {
		r := remote.New(t)
		robin, alice, at := r.User("robin"), s.newUser(t), s.meet(r)
		room := r.NewRoom(v, robin)
		invite := room.Build(robin, "m.room.member", &alice.id, obj{"membership": "invite"})
		var got struct{ Event json.RawMessage }
		at.Do("PUT", remote.Path("/_matrix/federation/v2/invite", string(room.ID), string(invite.ID())), obj{
			"room_version": v, "event": json.RawMessage(invite.Bytes()), "invite_room_state": list{},
		}).OK().Decode(&got)
		signed, err := event.Parse(room.Version, got.Event)
		if err != nil || signed.ID() != invite.ID() || len(signed.Signatures()[s.name]) != 1 {
			t.Errorf("version %s: got %s, %v", v, got.Event, err)
		}
		alice.soon("", "the invitation", func(a *answer) bool { return !a.at("rooms", "invite", string(room.ID)).missing() })
		if v != "1" {
			continue
		}
		again := room.Build(robin, "m.room.member", &alice.id, obj{"membership": "invite", "reason": "again"})
		a := at.Do("PUT", remote.Path("/_matrix/federation/v1/invite", string(room.ID), string(again.ID())), json.RawMessage(again.Bytes())).OK()
		if !strings.HasPrefix(string(a.Body), `[200,{"event":{`) {
			t.Errorf("version 1 of the endpoint: got %s", a.Body)
		}
	}
}

// What is no invitation of a user of S by one of R's is not signed.
func TestUnfitInvitations(t *testing.T) {
	s, r := first(t), remote.New(t)
	robin, alice, at := r.User("robin"), s.newUser(t), s.meet(r)
	room := r.NewRoom("10", robin)
	invite := obj{"membership": "invite"}
	nobody, foreign := "@nobody-"+run+":"+string(s.name), "@x:b.example"
	good := room.Build(robin, "m.room.member", &alice.id, invite)
	send := func(e *event.Event, raw string, change obj) *remote.Answer {
		body := obj{"room_version": "10", "event": json.RawMessage(raw), "invite_room_state": list{}}
		maps.Copy(body, change)
		return at.Do("PUT", remote.Path("/_matrix/federation/v2/invite", string(room.ID), string(e.ID())), body)
	}
	for name, test := range map[string]struct {
		e      *event.Event
		status int
	}{
		"a message":         {room.Build(robin, "m.room.message", nil, remote.Text("hi")), 400},
		"no state key":      {room.Build(robin, "m.room.member", nil, invite), 400},
		"a join":            {room.Build(robin, "m.room.member", &alice.id, obj{"membership": "join"}), 400},
		"a ban":             {room.Build(robin, "m.room.member", &alice.id, obj{"membership": "ban"}), 400},
		"no user":           {room.Build(robin, "m.room.member", &nobody, invite), 403},
		"a foreign user":    {room.Build(robin, "m.room.member", &foreign, invite), 400},
		"a foreign inviter": {room.Build("@x:b.example", "m.room.member", &alice.id, invite), 400},
	} {
		if a := send(test.e, string(test.e.Bytes()), nil); a.Status != test.status {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
	spoilt := strings.Replace(string(good.Bytes()), `"membership":"invite"`, `"membership":"invite","x":1`, 1)
	unsigned := strings.Replace(string(good.Bytes()), string(r.Name)+`":{"ed25519:`, `b.example":{"ed25519:`, 1)
	for _, raw := range []string{spoilt, unsigned, `{}`, `7`} {
		if a := send(good, raw, nil); a.Status != 400 {
			t.Errorf("%.60s: got %d %s", raw, a.Status, a.Body)
		}
	}
	send(good, string(good.Bytes()), obj{"room_version": "99"}).Want(400, "M_INCOMPATIBLE_ROOM_VERSION")
	send(good, string(good.Bytes()), obj{"room_version": "1"}).Want(400, "")
	send(good, string(good.Bytes()), nil).OK()
}

// B479 for rooms that are whole: the state at an event.
func TestStateAtEvent(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat"})
	room := string(g.room.ID)
	was := g.alice.setState(room, "m.room.topic", "", obj{"topic": "one"})
	at := g.alice.send(room, "between")
	now := g.alice.setState(room, "m.room.topic", "", obj{"topic": "two"})
	var got struct {
		State []id.Event `json:"pdu_ids"`
		Chain []id.Event `json:"auth_chain_ids"`
	}
	for event, want := range map[string]string{at: was, now: was, g.alice.send(room, "after"): now} {
		g.ask(&got, remote.Path("/_matrix/federation/v1/state_ids", room)+"?event_id="+url.QueryEscape(event))
		if !slices.Contains(got.State, id.Event(want)) || len(got.State) != 7 {
			t.Errorf("before %s: got %v, want %s in it", event, got.State, want)
		}
	}
}
