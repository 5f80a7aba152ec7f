package conformance

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
	"freehold.example/test/remote"
)

// joinVia joins a room of another server through some servers.
func (u *user) joinVia(room string, via ...id.Server) *answer {
	u.t.Helper()
	q := url.Values{}
	for _, s := range via {
		q.Add("server_name", string(s))
	}
	return u.do("POST", path("/v3/join", room)+"?"+q.Encode(), obj{})
}

// theirs is a room of R's with a user of R's in it.
func theirs(t *testing.T, v string) (*remote.Server, *remote.Room, id.User) {
	t.Helper()
	r := remote.New(t)
	robin := r.User("robin")
	return r, r.NewRoom(v, robin), robin
}

// sees waits until the user has seen a text in a room.
func (u *user) hears(room id.Room, text string) {
	u.t.Helper()
	u.soon("", "the message "+text, func(a *answer) bool {
		return slices.ContainsFunc(a.timeline(string(room)).list(), func(e value) bool { return e.str("content", "body") == text })
	})
}

// B385: a join by make_join and send_join, in every room version.
func TestB385JoinThroughAnotherServer(t *testing.T) {
	s := first(t)
	for _, v := range version.All() {
		t.Run(v.ID, func(t *testing.T) {
			r, room, robin := theirs(t, v.ID)
			alice := s.newUser(t)
			s.meet(r)
			alice.joinVia(string(room.ID), r.Name).ok()
			if got := room.Membership(id.User(alice.id)); got != "join" {
				t.Errorf("for R she is %q", got)
			}
			calls := r.Calls()
			for _, want := range []string{"GET /_matrix/federation/v1/make_join/" + string(room.ID) + "/" + alice.id} {
				if calls[want] != 1 {
					t.Errorf("%s was asked %d times", want, calls[want])
				}
			}
			room.Send(robin, "m.room.message", remote.Text("hello"))
			alice.hears(room.ID, "hello")
			r.WaitEvent(id.Event(alice.send(string(room.ID), "hello yourself")))
		})
	}
}

// What is said in a room while somebody is joining it is not lost, though nobody says anything afterwards: neither what the other server
// sends as soon as it knows of the join, nor what was said there just before, of which it tells by how the room ends.
func TestSaidWhileJoining(t *testing.T) {
	s := first(t)
	for _, v := range []string{"10", "12"} {
		for name, tell := range map[string]func(at *remote.Subject, room *remote.Room, robin id.User){
			"after the join": func(at *remote.Subject, room *remote.Room, robin id.User) {
				at.Transaction(nil, room.Make(robin, "m.room.message", remote.Text("hello")))
			},
			"before the join": func(at *remote.Subject, room *remote.Room, robin id.User) {
				beside := room.Make(robin, "m.room.message", remote.Text("hello"), remote.After(room.Now("m.room.history_visibility", "")))
				at.Transaction([]remote.EDU{remote.MakeEDU("org.freehold.wakeup", obj{"rooms": obj{string(room.ID): []id.Event{beside.ID()}}})})
			},
		} {
			t.Run(v+" "+name, func(t *testing.T) {
				r, room, robin := theirs(t, v)
				alice, at := s.newUser(t), s.meet(r)
				r.Hook("PUT /_matrix/federation/v2/send_join/", func(w http.ResponseWriter, q *http.Request, next http.Handler) {
					out := httptest.NewRecorder()
					next.ServeHTTP(out, q)
					tell(at, room, robin)
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(out.Code)
					_, _ = w.Write(out.Body.Bytes()) // to a server that may be gone
				})
				alice.joinVia(string(room.ID), r.Name).ok()
				alice.hears(room.ID, "hello")
			})
		}
	}
}

// B386: what server_name says is used, also where the server of the room's id is of no help.
func TestB386ServerNameIsUsed(t *testing.T) {
	s, s2 := first(t), second(t)
	r, room, _ := theirs(t, "10")
	s.meet(r)
	alice, bob := s.newUser(t), s2.newUser(t)
	alice.joinVia(string(room.ID), r.Name).ok()
	alice.get(path("/v3/rooms", string(room.ID), "members")).ok() // which waits until the first server knows all of the room
	r.Hook("GET /_matrix/federation/v1/make_join/", remote.Fail(http.StatusBadGateway, "M_UNKNOWN"))
	bob.joinVia(string(room.ID), s.name).ok()
	alice.soon("", "bob", func(a *answer) bool { return a.membership(string(room.ID), bob, "join") })
}

// B387: a server that does not know the room is passed over.
func TestB387NextServerIsTried(t *testing.T) {
	s := first(t)
	r, room, _ := theirs(t, "10")
	other := remote.New(t)
	s.meet(r)
	other.Hook("GET /_matrix/federation/v1/make_join/", remote.Fail(http.StatusNotFound, "M_NOT_FOUND"))
	s.newUser(t).joinVia(string(room.ID), other.Name, r.Name).ok()
	silent := remote.New(t)
	silent.Close()
	s.newUser(t).joinVia(string(room.ID), silent.Name, r.Name).ok()
}

// B388: an alias of another server is resolved by that one.
func TestB388JoinByAlias(t *testing.T) {
	s := first(t)
	r, room, _ := theirs(t, "12")
	s.meet(r)
	alice := s.newUser(t)
	alias := r.Publish(room, "lobby")
	if got := alice.joinVia(string(alias)).ok().str("room_id"); got != string(room.ID) {
		t.Errorf("joined %s", got)
	}
}

// The refusals of another server reach the client as they are; what cannot be joined is not there afterwards.
func TestB397RefusalsOfJoins(t *testing.T) {
	s := first(t)
	for _, tt := range []struct {
		status int
		code   string
		want   int
	}{
		{403, "M_FORBIDDEN", 403},
		{404, "M_NOT_FOUND", 404},
		{400, "M_INCOMPATIBLE_ROOM_VERSION", 400},
		{400, "M_UNABLE_TO_AUTHORISE_JOIN", 400},
		{400, "M_UNABLE_TO_GRANT_JOIN", 400},
		{500, "M_UNKNOWN", 502},
	} {
		t.Run(tt.code, func(t *testing.T) {
			r, room, _ := theirs(t, "11")
			s.meet(r)
			r.Hook("GET /_matrix/federation/v1/make_join/", remote.Fail(tt.status, tt.code))
			alice := s.newUser(t)
			alice.joinVia(string(room.ID), r.Name).fails(tt.want, tt.code)
			alice.get(path("/v3/rooms", string(room.ID), "state")).fails(403)
		})
	}
	alice := s.newUser(t)
	alice.joinVia("!nowhere:"+string(s.name)).fails(404, "M_NOT_FOUND")
	began := time.Now()
	alice.joinVia("!nowhere:"+string(s.name), "127.0.0.1:1").fails(502)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s to find nobody", took)
	}
	alice.post(path("/v3/join", "#nothing:"+strings.Repeat("x", 10)+".invalid"), obj{}).fails(404)
}

// inviteFrom has R's user invite one of this server's.
func (h *house) inviteFrom(r *remote.Server, room *remote.Room, by id.User, u *user) {
	h.meet(r).Invite(room, by, id.User(u.id))
}

// B398, B400: an invitation of another server shows with what came along, also where that is nothing.
func TestB400InvitedByAnotherServer(t *testing.T) {
	s := first(t)
	for _, v := range []string{"1", "6", "10", "12"} {
		t.Run(v, func(t *testing.T) {
			r, room, robin := theirs(t, v)
			room.State(robin, "m.room.name", "", obj{"name": "Theirs & ours"})
			bob := s.newUser(t)
			s.inviteFrom(r, room, robin, bob)
			a := bob.soon("", "the invitation", func(a *answer) bool { return !a.invited(string(room.ID)).missing() })
			events := a.invited(string(room.ID)).at("invite_state", "events")
			if got := events.find("m.room.name").str("content", "name"); got != "Theirs & ours" {
				t.Errorf("the name is %q in %s", got, events)
			}
			if events.find("m.room.join_rules").missing() || events.find("m.room.member", bob.id).str("content", "membership") != "invite" {
				t.Errorf("got %s", events)
			}
			bob.joinVia(string(room.ID)).ok() // through the inviter's server
			if got := room.Membership(id.User(bob.id)); got != "join" {
				t.Errorf("for R he is %q", got)
			}
			a = bob.soon("", "the room", func(a *answer) bool { return !a.joined(string(room.ID)).missing() })
			if !a.invited(string(room.ID)).missing() {
				t.Error("he is still invited")
			}
		})
	}
	t.Run("no state", func(t *testing.T) {
		r, room, robin := theirs(t, "10")
		bob := s.newUser(t)
		key := bob.id
		e := room.Build(robin, "m.room.member", &key, obj{"membership": "invite"})
		s.meet(r).Do("PUT", remote.Path("/_matrix/federation/v2/invite", string(room.ID), string(e.ID())), obj{
			"room_version": "10", "event": json.RawMessage(e.Bytes()), "invite_room_state": []any{},
		}).OK()
		bob.soon("", "the invitation", func(a *answer) bool { return !a.invited(string(room.ID)).missing() })
	})
}

// What is no invitation of a user of this server is not signed.
func TestB400WhatIsNotSigned(t *testing.T) {
	s := first(t)
	r, room, robin := theirs(t, "10")
	at := s.meet(r)
	bob := s.newUser(t)
	other := remote.New(t)
	send := func(e *event.Event, in id.Room, version string) *remote.Answer {
		return at.Do("PUT", remote.Path("/_matrix/federation/v2/invite", string(in), string(e.ID())), obj{
			"room_version": version, "event": json.RawMessage(e.Bytes()), "invite_room_state": []any{},
		})
	}
	build := func(by id.User, key, membership string) *event.Event {
		return room.Build(by, "m.room.member", &key, obj{"membership": membership})
	}
	for name, e := range map[string]*event.Event{
		"a leave":             build(robin, bob.id, "leave"),
		"a ban":               build(robin, bob.id, "ban"),
		"a join":              build(robin, bob.id, "join"),
		"somebody else's":     build(robin, string(r.User("rob")), "invite"),
		"a user of nobody's":  build(robin, "@x:elsewhere.invalid", "invite"),
		"no user":             build(robin, "bob", "invite"),
		"another type":        room.Build(robin, "m.room.topic", &bob.id, obj{"membership": "invite"}),
		"a foreign sender":    build(other.User("mallory"), bob.id, "invite"),
		"a sender of our own": build(id.User(s.newUser(t).id), bob.id, "invite"),
	} {
		if a := send(e, room.ID, "10"); a.Status != 400 || a.Code() != "M_INVALID_PARAM" {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
	good := build(robin, bob.id, "invite")
	send(good, "!other:"+id.Room(r.Name), "10").Want(400, "M_INVALID_PARAM")
	send(good, room.ID, "99").Want(400, "M_INCOMPATIBLE_ROOM_VERSION")
	send(build(robin, "@nobody-there:"+string(s.name), "invite"), room.ID, "10").Want(403, "M_FORBIDDEN")
	if a := bob.sync("", nil); !a.invited(string(room.ID)).missing() {
		t.Errorf("he is invited: %s", a)
	}
	bob.put(path("/v3/user", bob.id, "account_data", "m.invite_permission_config"), obj{"default_action": "block"}).ok()
	send(good, room.ID, "10").Want(403, "M_INVITE_BLOCKED")
	r12, room12, robin12 := theirs(t, "12")
	without := room12.Build(robin12, "m.room.member", &bob.id, obj{"membership": "invite"})
	s.meet(r12).Do("PUT", remote.Path("/_matrix/federation/v2/invite", string(room12.ID), string(without.ID())), obj{
		"room_version": "12", "event": json.RawMessage(without.Bytes()), "invite_room_state": []any{obj{}},
	}).Want(400, "M_INVALID_PARAM")
}

// B401: rejecting an invitation tells the room; three in a row work.
func TestB401Reject(t *testing.T) {
	s := first(t)
	r, room, robin := theirs(t, "11")
	bob := s.newUser(t)
	for range 3 {
		s.inviteFrom(r, room, robin, bob)
		bob.soon("", "the invitation", func(a *answer) bool { return !a.invited(string(room.ID)).missing() })
		since := bob.now()
		bob.leave(string(room.ID))
		if got := room.Membership(id.User(bob.id)); got != "leave" {
			t.Errorf("for R he is %q", got)
		}
		a := bob.sync(since, nil)
		if a.left(string(room.ID)).missing() {
			t.Errorf("he is not told that it is over: %s", a)
		}
		if a := bob.sync("", nil); !a.invited(string(room.ID)).missing() {
			t.Error("he is still invited")
		}
	}
}

// Who kicks herself while she is only invited turns the invitation down: the room hears of it.
func TestKickingOneselfIsARejection(t *testing.T) {
	s := first(t)
	r, room, robin := theirs(t, "11")
	bob := s.newUser(t)
	s.inviteFrom(r, room, robin, bob)
	bob.soon("", "the invitation", func(a *answer) bool { return !a.invited(string(room.ID)).missing() })
	bob.post(path("/v3/rooms", string(room.ID), "kick"), obj{"user_id": bob.id}).ok()
	if got := room.Membership(id.User(bob.id)); got != "leave" {
		t.Errorf("for R he is %q", got)
	}
	if a := bob.sync("", nil); !a.invited(string(room.ID)).missing() {
		t.Error("he is still invited")
	}
}

// B402: where no server takes the rejection, the invitation is gone all the same.
func TestB402RejectWithoutAnybody(t *testing.T) {
	s := first(t)
	r, room, robin := theirs(t, "2")
	bob := s.newUser(t)
	s.inviteFrom(r, room, robin, bob)
	r.Hook("GET /_matrix/federation/v1/make_leave/", remote.Fail(http.StatusForbidden, "M_FORBIDDEN"))
	bob.leave(string(room.ID))
	if a := bob.sync("", obj{"room": obj{"include_leave": true}}); a.left(string(room.ID)).missing() || !a.invited(string(room.ID)).missing() {
		t.Errorf("got %s", a)
	}
	s.inviteFrom(r, room, robin, bob) // and again
	bob.soon("", "the invitation", func(a *answer) bool { return !a.invited(string(room.ID)).missing() })
	r.Close()
	bob.leave(string(room.ID))
	bob.leave(string(room.ID))
}

// B404, B405: an invitation is taken back by who made it, and by nobody else.
func TestB404B405Rescinded(t *testing.T) {
	s := first(t)
	r, room, robin := theirs(t, "10")
	rita := r.User("rita")
	room.Member(rita, rita, "join")
	room.State(robin, "m.room.power_levels", "", obj{"users": obj{string(robin): 100, string(rita): 100}})
	bob, at := s.newUser(t), s.meet(r)
	in := string(room.ID)
	at.Invite(room, robin, id.User(bob.id))
	bob.soon("", "the invitation", func(a *answer) bool { return !a.invited(in).missing() })
	at.Transaction(nil, room.Member(rita, id.User(bob.id), "leave")).OK()
	other := r.NewRoom("10", robin)
	bob.joinVia(string(other.ID), r.Name).ok()
	other.Send(robin, "m.room.message", remote.Text("later"))
	bob.hears(other.ID, "later")
	if bob.sync("", nil).invited(in).missing() {
		t.Error("somebody else took the invitation back")
	}
	at.Invite(room, robin, id.User(bob.id))
	since := bob.now()
	at.Transaction(nil, room.Member(robin, id.User(bob.id), "leave")).OK()
	bob.soon(since, "the end of it", func(a *answer) bool { return !a.left(in).missing() })
	if !bob.sync("", nil).invited(in).missing() {
		t.Error("he is still invited")
	}
}

// B412, B413, B415, B416: a knock through another server.
func TestB412B413B415B416KnockThroughAnotherServer(t *testing.T) {
	s := first(t)
	for v, rule := range map[string]string{"7": "knock", "10": "knock_restricted"} {
		t.Run(rule, func(t *testing.T) {
			r, room, robin := theirs(t, v)
			at, carol := s.meet(r), s.newUser(t)
			in := string(room.ID)
			knock := func(body obj) *answer {
				return carol.do("POST", path("/v3/knock", in)+"?via="+url.QueryEscape(string(r.Name)), body)
			}
			knock(obj{}).fails(403, "M_FORBIDDEN") // it is public
			room.State(robin, "m.room.join_rules", "", obj{"join_rule": rule})
			carol.joinVia(in, r.Name).fails(403, "M_FORBIDDEN")
			knock(obj{}).ok()
			knock(obj{"reason": "let me in"}).ok()
			events := carol.sync("", nil).knocked(in).at("knock_state", "events")
			if got := events.find("m.room.member", carol.id); got.str("content", "membership") != "knock" || got.str("content", "reason") != "let me in" {
				t.Errorf("got %s", events)
			}
			if events.find("m.room.join_rules").str("content", "join_rule") != rule {
				t.Errorf("got %s", events)
			}
			since := carol.now()
			carol.leave(in)
			if carol.sync(since, nil).left(in).missing() || room.Membership(id.User(carol.id)) != "leave" {
				t.Errorf("the knock is not taken back: %q", room.Membership(id.User(carol.id)))
			}
			knock(obj{}).ok()
			since = carol.now()
			at.Transaction(nil, room.Member(robin, id.User(carol.id), "leave")).OK()
			carol.soon(since, "that nobody opens", func(a *answer) bool { return !a.left(in).missing() })
			knock(obj{}).ok()
			room.Member(robin, id.User(carol.id), "leave") // her server is not told
			knock(obj{}).ok()
			if got := room.Membership(id.User(carol.id)); got != "knock" {
				t.Errorf("the room does not hear her knock again: %q", got)
			}
			at.Invite(room, robin, id.User(carol.id))
			carol.soon("", "the invitation", func(a *answer) bool { return !a.invited(in).missing() })
			knock(obj{}).fails(403, "M_FORBIDDEN")
			carol.joinVia(in).ok()
			knock(obj{}).fails(403, "M_FORBIDDEN")
		})
	}
}
