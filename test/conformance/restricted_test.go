package conformance

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// restrict has the room let in the members of another one.
func (u *user) restrict(room, allowed string) {
	u.t.Helper()
	u.setState(room, "m.room.join_rules", "", obj{"join_rule": "restricted", "allow": list{obj{"type": "m.room_membership", "room_id": allowed}}})
}

// memberEvent is the user's member event as another one sees it.
func (u *user) memberEvent(room string, of *user) value {
	u.t.Helper()
	for end := time.Now().Add(within); ; {
		a := u.get(path("/v3/rooms", room, "state", "m.room.member", of.id))
		if a.status == 200 && a.str("membership") == "join" || time.Now().After(end) {
			return a.value
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// B420, B422, B429: a restricted room of another server.
func TestB420B421B422B429RestrictedJoinThroughAnotherServer(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	allowed := alice.publicRoom()
	room := alice.createRoom(obj{"preset": "private_chat", "room_version": "10"})
	alice.restrict(room, allowed)
	bob.joinVia(room, s.name).fails(403, "M_FORBIDDEN")
	bob.joinVia(allowed, s.name).ok()
	bob.joinVia(room, s.name).ok()
	if got := alice.memberEvent(room, bob); got.str("join_authorised_via_users_server") != alice.id {
		t.Errorf("got %s", got)
	}
	bob.setState(room, "m.room.member", bob.id, obj{"membership": "join", "displayname": "Bobby", "join_authorised_via_users_server": "unused"})
	bob.leave(room)
	bob.leave(allowed)
	for _, in := range []string{room, allowed} {
		alice.soon("", "that bob has left", func(a *answer) bool {
			return a.membership(in, bob, "leave") || alice.state(in, "m.room.member", bob.id).str("membership") == "leave"
		})
	}
	bob.joinVia(room, s.name).fails(403)
	alice.invite(room, bob)
	bob.soon("", "the invitation", func(a *answer) bool { return !a.invited(room).missing() })
	bob.joinVia(room, s.name).ok()
}

// B424: where the server is in the room and nobody of it may invite, a join goes through a server that can authorise it.
func TestB424B425B428AuthorisedByAnotherServer(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob, charlie := s.newUser(t), s2.newUser(t), s2.newUser(t)
	allowed := alice.publicRoom()
	room := alice.createRoom(obj{"preset": "private_chat", "room_version": "10", "power_level_content_override": obj{"invite": 50}})
	alice.restrict(room, allowed)
	for _, u := range []*user{bob, charlie} {
		u.joinVia(allowed, s.name).ok()
		alice.memberEvent(allowed, u) // the second joins on her own server, and the first hears of it
	}
	bob.joinVia(room, s.name).ok()
	charlie.joinVia(room, s2.name).ok() // though it names its own server, which cannot
	for _, u := range []*user{alice, bob} {
		if got := u.memberEvent(room, charlie); got.str("join_authorised_via_users_server") != alice.id {
			t.Errorf("got %s", got)
		}
	}
	alice.setState(room, "m.room.power_levels", "", obj{"invite": 0, "users": obj{alice.id: 100}})
	sent := alice.send(room, "now others may")
	bob.soon("", sent, func(a *answer) bool { return strings.Contains(a.timeline(room).String(), sent) })
	charlie.leave(room)
	charlie.joinVia(room, s2.name).ok()
	if got := charlie.memberEvent(room, charlie); !strings.HasSuffix(got.str("join_authorised_via_users_server"), string(s2.name)) {
		t.Errorf("it is authorised by %s, though one of her own server may", got) // B425, B428
	}
}

// B398, B399, B403: an invitation of another server's user is answered when her server has taken it.
func TestB398B399B403B406InviteToAnotherServer(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob, carol := s.newUser(t), s2.newUser(t), s2.newUser(t)
	for _, v := range []string{"1", "10", "12"} {
		room := alice.createRoom(obj{"preset": "private_chat", "name": "Ours", "room_version": v})
		alice.invite(room, bob)
		events := bob.sync("", nil).invited(room).at("invite_state", "events")
		if events.find("m.room.name").str("content", "name") != "Ours" || events.find("m.room.join_rules").str("content", "join_rule") != "invite" {
			t.Errorf("%s: got %s", v, events)
		}
		bob.joinVia(room).ok()
		alice.soon("", "bob", func(a *answer) bool { return a.membership(room, bob, "join") })
		alice.invite(room, carol) // her server is in the room
		carol.soon("", "the invitation", func(a *answer) bool { return !a.invited(room).missing() })
		carol.leave(room)
		alice.soon("", "that carol rejects", func(a *answer) bool { return a.membership(room, carol, "leave") })
		alice.invite(room, carol)
		carol.soon("", "the invitation", func(a *answer) bool { return !a.invited(room).missing() })
		carol.join(room)
		alice.soon("", "carol", func(a *answer) bool { return a.membership(room, carol, "join") })
	}
	room := alice.createRoom(obj{"preset": "trusted_private_chat", "invite": list{bob.id}, "is_direct": true})
	if bob.sync("", nil).invited(room).missing() {
		t.Error("who is invited with createRoom is not told")
	}
	bob.joinVia(room).ok()
	own := bob.soon("", "the room", func(a *answer) bool { return !a.joined(room).missing() }).timeline(room).find("m.room.member", bob.id)
	if !own.flag("unsigned", "prev_content", "is_direct") || own.str("unsigned", "prev_content", "membership") != "invite" {
		t.Errorf("got %s", own) // B406
	}
}

// B407: what becomes of an invitation is told to the other servers of the room, by the one that it went out from.
func TestB407OthersHearOfInvitations(t *testing.T) {
	s, s2, r := first(t), second(t), remote.New(t)
	alice, charlie, robin := s.newUser(t), s2.newUser(t), r.User("robin")
	room := alice.publicRoom()
	there := s.meet(r).Join(id.Room(room), robin)
	alice.invite(room, charlie)
	r.WaitPDU(isMember(charlie.id, "invite"))
	charlie.soon("", "the invitation", func(a *answer) bool { return !a.invited(room).missing() })
	charlie.leave(room)
	r.WaitPDU(isMember(charlie.id, "leave"))
	if got := there.Membership(id.User(charlie.id)); got != "leave" {
		t.Errorf("for R she is %q", got)
	}
}

// An invitation that the other server refuses, or cannot be asked about, is not in the room.
func TestB399RefusedInvitations(t *testing.T) {
	s, r := first(t), remote.New(t)
	alice := s.newUser(t)
	room := alice.createRoom(obj{"preset": "private_chat"})
	s.meet(r)
	robin := &user{id: string(r.User("robin"))}
	for _, tt := range []struct {
		answer remote.Hook
		want   int
		code   string
	}{
		{remote.Fail(403, "M_FORBIDDEN"), 403, "M_FORBIDDEN"},
		{remote.Fail(403, "M_INVITE_BLOCKED"), 403, "M_INVITE_BLOCKED"},
		{remote.Fail(400, "M_MISSING_PARAM"), 502, "M_UNKNOWN"},
		{remote.Fail(500, "M_UNKNOWN"), 502, "M_UNKNOWN"},
		{remote.Say(200, `{}`), 502, "M_UNKNOWN"},
		{remote.Say(200, `{"event":{"signatures":{"`+string(r.Name)+`":{"`+string(r.Signer().Key)+`":"AAAA"}}}}`), 502, "M_UNKNOWN"},
		{func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { remote.Say(200, "[]")(w, nil, nil) }, 502, "M_UNKNOWN"},
	} {
		remove := r.Hook("PUT /_matrix/federation/", tt.answer)
		alice.about("invite", room, robin).fails(tt.want, tt.code)
		remove()
	}
	alice.state(room, "m.room.member", robin.id).fails(404)
	alice.about("invite", room, robin).ok()
	alice.about("invite", room, &user{id: "@x:127.0.0.1:1"}).fails(502)
}

// isMember says of an event whether it makes somebody that.
func isMember(of, membership string) func(*event.Event) bool {
	return func(e *event.Event) bool {
		return e.IsState("m.room.member", of) && strings.Contains(string(e.Content()), `"membership":"`+membership+`"`)
	}
}

// B426, B427: a server that cannot let somebody in says so, and another can.
func TestB426B427ServersThatCannotAuthorise(t *testing.T) {
	s, s2, r := first(t), second(t), remote.New(t)
	alice, bob, charlie := s.newUser(t), s2.newUser(t), r.User("charlie")
	at, at2 := s.meet(r), s2.meet(r)
	allowed := alice.publicRoom()
	room := alice.createRoom(obj{"preset": "private_chat", "room_version": "10", "power_level_content_override": obj{"invite": 50}})
	alice.restrict(room, allowed)
	bob.joinVia(allowed, s.name).ok()
	bob.joinVia(room, s.name).ok()
	at.Join(id.Room(allowed), charlie)
	bob.soon("", "charlie", func(a *answer) bool { return strings.Contains(a.joined(allowed).String(), string(charlie)) })
	at2.MakeMember("join", id.Room(room), charlie).Want(400, "M_UNABLE_TO_GRANT_JOIN")
	alice.setState(room, "m.room.power_levels", "", obj{"invite": 0, "users": obj{alice.id: 100}})
	bob.leave(allowed)
	bob.soon("", "the levels", func(a *answer) bool {
		return bob.state(room, "m.room.power_levels", "").num("invite") == 0
	})
	at2.MakeMember("join", id.Room(room), charlie).Want(400, "M_UNABLE_TO_AUTHORISE_JOIN")
	at.Join(id.Room(room), charlie)
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		got := bob.state(room, "m.room.member", string(charlie))
		if by := got.str("join_authorised_via_users_server"); by == alice.id {
			break
		} else if time.Now().After(end) {
			t.Fatalf("it is authorised by %q: %s", by, got)
		}
	}
}

// TestJoinsThroughNamedServers: where a server that the client names cannot let somebody in, another that it names is asked, but
// none that it does not name, though the room's id does; that one is asked where those named know nothing.
func TestJoinsThroughNamedServers(t *testing.T) {
	s, named := first(t), remote.New(t)
	for _, code := range []string{"M_UNABLE_TO_GRANT_JOIN", "M_UNABLE_TO_AUTHORISE_JOIN"} {
		t.Run(code, func(t *testing.T) {
			r, room, _ := theirs(t, "10")
			s.meet(r)
			s.meet(named)
			defer named.Hook("GET /_matrix/federation/v1/make_join/", remote.Fail(400, code))()
			alice := s.newUser(t)
			alice.joinVia(string(room.ID), named.Name).fails(400, code)
			alice.joinVia(string(room.ID), named.Name, r.Name).ok()
		})
	}
	r, room, _ := theirs(t, "10")
	s.meet(r)
	defer named.Hook("GET /_matrix/federation/v1/make_join/", remote.Fail(404, "M_NOT_FOUND"))()
	s.newUser(t).joinVia(string(room.ID), named.Name).ok()
}
