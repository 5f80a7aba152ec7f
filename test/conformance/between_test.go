package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// Lines of other chapters where the one side is on another server: 6 profiles, 7 presence, 9 membership, 22 the directory,
// 27 upgrades, 29 application services, 38 room version 12.

// TestB71: an invitation from R without any state of the room shows the member event that says it is direct.
func TestB71(t *testing.T) {
	for _, version := range []string{"1", "10", "12"} {
		s, r := first(t), remote.New(t)
		alice, at, robin := s.newUser(t), s.meet(r), r.User("robin")
		room := r.NewRoom(version, robin)
		since := alice.now()
		e := room.Build(robin, "m.room.member", &alice.id, obj{"membership": "invite", "is_direct": true})
		state := list{}
		if version == "12" { // which a server may refuse without its create event
			state = append(state, json.RawMessage(room.Now("m.room.create", "").Bytes()))
		}
		at.Do("PUT", remote.Path("/_matrix/federation/v2/invite", string(room.ID), string(e.ID())), obj{
			"room_version": version, "event": json.RawMessage(e.Bytes()), "invite_room_state": state,
		}).OK()
		alice.soon(since, "the invitation", func(a *answer) bool {
			own := a.invited(string(room.ID)).at("invite_state", "events").find("m.room.member", alice.id)
			return own.str("content", "membership") == "invite" && own.flag("content", "is_direct")
		})
	}
}

// TestB76: a profile of R's, for a caller without a token, of a server that was never heard of.
func TestB76(t *testing.T) {
	s, r := first(t), remote.New(t)
	robin := r.User("robin")
	r.Hook("GET /_matrix/federation/v1/query/profile", func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		if q.URL.Query().Get("user_id") != string(robin) {
			t.Errorf("asked for %s", q.URL)
		}
		remote.Say(200, `{"displayname":"Robin","avatar_url":""}`)(w, q, next)
	})
	nobody := &user{t: t, house: s}
	if got := nobody.get(path("/v3/profile", string(robin), "displayname")).ok().str("displayname"); got != "Robin" {
		t.Errorf("got %q", got)
	}
	nobody.get(path("/v3/profile", string(robin))).ok()
}

// TestB88: presence goes to another server, and its changes.
func TestB88(t *testing.T) {
	alice, bob, _ := met(t, first(t), second(t))
	since := bob.now()
	alice.presence("online", "back")
	since = bob.soon(since, "online", func(a *answer) bool {
		p, _ := a.presenceOf(alice)
		return p.str("content", "presence") == "online" && p.str("content", "status_msg") == "back"
	}).str("next_batch")
	alice.presence("unavailable", "")
	bob.soon(since, "unavailable", func(a *answer) bool {
		p, _ := a.presenceOf(alice)
		return p.str("content", "presence") == "unavailable"
	})
}

// TestB121: who was banned from another server's room learns of it, is invited again and comes back.
func TestB121(t *testing.T) {
	s, s2 := first(t), second(t)
	bob, alice, room := met(t, s2, s) // bob's room
	since := alice.now()
	bob.about("ban", room, alice).ok()
	since = alice.soon(since, "the ban", func(a *answer) bool {
		return a.left(room).at("timeline", "events").find("m.room.member", alice.id).str("content", "membership") == "ban"
	}).str("next_batch")
	bob.about("unban", room, alice).ok()
	bob.invite(room, alice)
	alice.soon(since, "the invitation", func(a *answer) bool {
		return a.invited(room).at("invite_state", "events").find("m.room.member", alice.id).str("content", "membership") == "invite"
	})
	alice.joinVia(room, s2.name).ok()
	since = bob.now()
	alice.send(room, "back")
	bob.soon(since, "alice's message", func(a *answer) bool {
		return slices.Contains(bodiesOf(a.timeline(room)), "back")
	})
}

func bodiesOf(events value) (all []string) {
	for _, e := range events.list() {
		all = append(all, e.str("content", "body"))
	}
	return all
}

// TestB308BetweenServers: aliases of any letters are found from another server.
func TestB308BetweenServers(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	room := alice.publicRoom()
	for _, name := range []string{"ÜBER/☃", "a b", "日本語", "🏠%2F?x=#1"} {
		alias := alice.newAlias(name)
		alice.putAlias(alias, room).ok()
		if a := bob.resolve(alias).ok(); a.str("room_id") != room || !a.at("servers").equals(list{string(s.name)}) {
			t.Errorf("%s: got %s, want %s", alias, a.raw, room)
		}
	}
}

// TestB360: push rules of a room are carried over where the upgrade was done elsewhere.
func TestB360(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob, carol := s.newUser(t), s2.newUser(t), s2.newUser(t)
	room := alice.createRoom(obj{"preset": "public_chat", "room_version": "10"})
	bob.joinVia(room, s.name).ok()
	carol.join(room)
	for _, u := range []*user{bob, carol} {
		u.put(path("/v3/pushrules/global/room", room), obj{"actions": list{"dont_notify"}}).ok()
	}
	since := bob.now()
	made := alice.upgraded(room, "11")
	bob.soon(since, "the tombstone", func(a *answer) bool { return !a.timeline(room).find("m.room.tombstone", "").missing() })
	for i, u := range []*user{bob, carol} {
		since := u.now()
		if i == 0 {
			u.joinVia(made, s.name).ok()
		} else {
			u.join(made)
		}
		u.soon(since, "the push rules", func(a *answer) bool {
			for _, r := range a.at("account_data", "events").find("m.push_rules").list("content", "global", "room") {
				if r.str("rule_id") == made {
					return r.at("actions").equals(list{"dont_notify"})
				}
			}
			return false
		})
		if got := u.get(path("/v3/pushrules/global/room", room)).ok().at("actions"); !got.equals(list{"dont_notify"}) {
			t.Errorf("the rule of the old room is %v", got)
		}
	}
}

// TestB371: the user of an application service, who has no profile, joins a room of another server.
func TestB371(t *testing.T) {
	s, s2 := first(t), second(t)
	bob, bot := s2.newUser(t), s.service(t, nil)
	room := bob.publicRoom()
	since := bob.now()
	bot.post(path("/v3/join", room)+"?server_name="+url.QueryEscape(string(s2.name)), nil).ok()
	bob.soon(since, "the service", func(a *answer) bool { return a.membership(room, bot, "join") })
}

// TestB511: a room of version 12 is joined by its id, and what is said there comes.
func TestB511(t *testing.T) {
	s := first(t)
	r, room, robin := theirs(t, "12")
	alice := s.newUser(t)
	s.meet(r)
	alice.joinVia(string(room.ID), r.Name).ok()
	if got := room.Membership(id.User(alice.id)); got != "join" {
		t.Errorf("for R she is %q", got)
	}
	room.Send(robin, "m.room.message", remote.Text("hello"))
	alice.hears(room.ID, "hello")
	said := alice.send(string(room.ID), "hello too")
	r.WaitEvent(id.Event(said))
}
