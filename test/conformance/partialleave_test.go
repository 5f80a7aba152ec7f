package conformance

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// 37 Partial state: leaving meanwhile, and the directories.

// soonLeft waits until a user who loads members lazily is told that she is no longer in the room.
func (p *partial) soonLeft(u *user, since, membership string) (next string) {
	u.t.Helper()
	return u.soonWith(since, lazy, "the end of the room", func(a *answer) bool {
		for _, e := range slices.Concat(a.left(p.in).list("timeline", "events"), a.left(p.in).list("state", "events")) {
			if e.str("state_key") == u.id && e.str("content", "membership") == membership {
				return true
			}
		}
		return false
	}).str("next_batch")
}

// hearsOf waits until R was sent a membership of a user.
func (p *partial) hearsOf(u *user, membership string) *event.Event {
	u.t.Helper()
	return p.r.WaitPDU(func(e *event.Event) bool {
		return e.IsState("m.room.member", u.id) && strings.Contains(string(e.Content()), `"membership":"`+membership+`"`)
	})
}

// quick fails the test when something took longer than a leave may that waits for nobody, on a machine that does other things.
func quick(t *testing.T, began time.Time, what string) {
	t.Helper()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%s took %s", what, took)
	}
}

// B485, B486: a leave waits for nobody, and is told.
func TestB485B486(t *testing.T) {
	p := joinPartly(t, first(t))
	since := p.alice.sync("", lazy).str("next_batch")
	began := time.Now()
	p.alice.leave(p.in)
	p.soonLeft(p.alice, since, "leave")
	p.hearsOf(p.alice, "leave")
	quick(t, began, "the leave")
	t.Run("B486", func(t *testing.T) {
		p := joinPartly(t, first(t))
		since := p.alice.sync("", lazy).str("next_batch")
		left := make(chan struct{})
		go func() {
			defer close(left)
			p.alice.post(path("/v3/rooms", p.in, "leave"), nil) // what came of it is seen below
		}()
		p.open()
		began := time.Now()
		<-left
		p.hearsOf(p.alice, "leave")
		quick(t, began, "the leave")
		p.soonLeft(p.alice, since, "leave")
	})
}

// B487: who was first in the room can leave it once a second is there.
func TestB487(t *testing.T) {
	s := first(t)
	p := joinPartly(t, s)
	bob := s.newUser(t)
	bob.joinVia(p.in, p.r.Name).ok()
	since := p.alice.sync("", lazy).str("next_batch")
	p.alice.leave(p.in)
	p.soonLeft(p.alice, since, "leave")
	bob.soonWith("", lazy, "alice's leave", func(a *answer) bool { return a.membership(p.in, p.alice, "leave") })
	p.hearsOf(p.alice, "leave")
	if !bob.sync("", lazy).membership(p.in, bob, "join") {
		t.Error("bob does not see himself")
	}
}

// B488: she leaves and comes again.
func TestB488(t *testing.T) {
	p := joinPartly(t, first(t))
	since := p.alice.sync("", lazy).str("next_batch")
	p.alice.leave(p.in)
	since = p.soonLeft(p.alice, since, "leave")
	p.hearsOf(p.alice, "leave")
	topic := p.room.State(p.room.Events()[0].Sender(), "m.room.topic", "", obj{"topic": "while nobody of S was there"})
	p.alice.joinVia(p.in, p.r.Name).ok()
	p.alice.soonWith(since, lazy, "the join", func(a *answer) bool { return a.membership(p.in, p.alice, "join") })
	if got := p.room.Membership(id.User(p.alice.id)); got != "join" {
		t.Errorf("for R she is %q", got)
	}
	p.filled()
	if got := p.alice.state(p.in, "m.room.topic", "").str("topic"); got != "while nobody of S was there" {
		t.Errorf("the topic is %q, want that of %s", got, topic.ID())
	}
	a := p.alice.get(path("/v3/rooms", p.in, "joined_members")).ok()
	if got := len(a.keys("joined")); got != 4 {
		t.Errorf("got %d members: %s", got, a)
	}
	p.room.Send(p.charlie, "m.room.message", remote.Text("B488"))
	p.alice.hearsLazily(p.in, "B488")
}

// B489: she leaves and another comes.
func TestB489(t *testing.T) {
	s := first(t)
	p := joinPartly(t, s)
	since := p.alice.sync("", lazy).str("next_batch")
	p.alice.leave(p.in)
	p.soonLeft(p.alice, since, "leave")
	p.hearsOf(p.alice, "leave")
	bob := s.newUser(t)
	bob.joinVia(p.in, p.r.Name).ok()
	more := obj{"room": obj{"timeline": obj{"limit": 10}, "state": obj{"lazy_load_members": true}}}
	bob.soonWith("", more, "the joins", func(a *answer) bool {
		return a.membership(p.in, p.alice, "join") && a.membership(p.in, bob, "join")
	})
	p.open()
	a := bob.get(path("/v3/rooms", p.in, "joined_members")).ok()
	if got := len(a.keys("joined")); got != 4 {
		t.Errorf("got %d members: %s", got, a)
	}
}

// B490: she is put out, and kept out.
func TestB490(t *testing.T) {
	p := joinPartly(t, first(t))
	robin := p.room.Events()[0].Sender()
	since := p.alice.sync("", lazy).str("next_batch")
	p.room.Share(p.room.Member(robin, id.User(p.alice.id), "leave"))
	p.soonLeft(p.alice, since, "leave")
	for _, way := range []string{"through R", "as she comes", "through R, which lets her"} {
		t.Run(way, func(t *testing.T) {
			p := joinPartly(t, first(t))
			since := p.alice.sync("", lazy).str("next_batch")
			p.room.Share(p.room.Member(p.r.User("robin"), id.User(p.alice.id), "ban"))
			p.soonLeft(p.alice, since, "ban")
			switch way {
			case "through R, which lets her":
				p.letsIn(p.alice)
				fallthrough
			case "through R":
				p.alice.joinVia(p.in, p.r.Name).fails(403, "M_FORBIDDEN")
			default:
				p.alice.post(path("/v3/rooms", p.in, "join"), obj{}).fails(403, "M_FORBIDDEN")
			}
			if a := p.alice.sync("", lazy); !a.joined(p.in).missing() {
				t.Errorf("she is in the room: %s", a.joined(p.in))
			}
		})
	}
}

// letsIn has R take a join that the room does not allow.
func (p *partial) letsIn(u *user) {
	answer := func(w http.ResponseWriter, body any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body) // to a server that may be gone
	}
	key := u.id
	join := p.room.Build(id.User(key), "m.room.member", &key, obj{"membership": "join"})
	p.r.Hook("GET /_matrix/federation/v1/make_join/", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer(w, obj{"room_version": "10", "event": json.RawMessage(join.Bytes())})
	})
	p.r.Hook("PUT /_matrix/federation/v2/send_join/", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		var state, auth list
		for _, e := range p.room.Events() {
			auth = append(auth, json.RawMessage(e.Bytes()))
			if _, is := e.StateKey(); is && e.Type() != "m.room.member" {
				state = append(state, json.RawMessage(e.Bytes()))
			}
		}
		answer(w, obj{"state": state, "auth_chain": auth, "members_omitted": true, "servers_in_room": list{p.r.Name}})
	})
}

// B491: a purged room is gone, whatever comes of what was asked for it.
func TestB491(t *testing.T) {
	s := first(t)
	p := joinPartly(t, s)
	admin := newAdminOf(t, s)
	admin.do("DELETE", "/_synapse/admin/v1/rooms/"+p.in, obj{}).ok()
	for _, when := range []string{"before", "after"} {
		for _, filter := range []any{lazy, nil} {
			p.alice.soonWith("", filter, "the end of the room "+when, func(a *answer) bool {
				return a.joined(p.in).missing()
			})
		}
		p.open()
		time.Sleep(300 * time.Millisecond) // the late answer comes in
	}
	p.alice.joinVia(p.in, p.r.Name).ok() // it can be had again
	p.filled()
}

// B505: a room of which members are missing has aliases like any other.
func TestB505(t *testing.T) {
	p := joinPartly(t, first(t))
	alias := p.alice.newAlias("partial")
	p.alice.putAlias(alias, p.in).ok()
	got := words(p.alice.resolve(alias).ok().at("servers"))
	want := []string{string(first(t).name), string(p.r.Name)}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("servers: got %v, want %v", got, want)
	}
	p.alice.dropAlias(alias).ok()
	p.alice.resolve(alias).fails(http.StatusNotFound, "M_NOT_FOUND")
}

// B506: the list of published rooms counts those who are known.
func TestB506(t *testing.T) {
	s := first(t)
	p := joinPartly(t, s)
	admin := newAdminOf(t, s)
	admin.put(path("/v3/directory/list/room", p.in), obj{"visibility": "public"}).ok()
	counted := func() float64 { return p.alice.listed(p.in, "").num("num_joined_members") }
	if got := counted(); got != 1 {
		t.Errorf("got %v members", got)
	}
	p.open()
	for end := time.Now().Add(within); counted() != 4; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("got %v members, want 4", counted())
		}
	}
}

// B507: the user directory finds those who are known to be there.
func TestB507(t *testing.T) {
	var elsie id.User // a name that nobody else has
	p := joinPartlyAfter(t, first(t), func(p *partial) {
		elsie = p.r.User(word("elsie"))
		p.room.Member(elsie, elsie, "join")
	})
	find := func(who string) bool {
		return slices.Contains(p.alice.users(strings.Split(who[1:], ":")[0]).all("user_id"), who)
	}
	p.alice.put(path("/v3/profile", p.alice.id, "displayname"), obj{"displayname": p.alice.local()}).ok()
	for end := time.Now().Add(within); !find(p.alice.id); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("alice is not found")
		}
	}
	if find(string(elsie)) {
		t.Error("elsie is found")
	}
	p.open()
	for end := time.Now().Add(within); !find(string(elsie)); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("elsie is not found")
		}
	}
}

// TestLeftUnfilled: a room that everybody has left before its members were known is not asked for for ever, and can be joined
// again.
func TestLeftUnfilled(t *testing.T) {
	var again []func()
	p := joinPartlyAfter(t, first(t), func(p *partial) {
		for _, what := range []string{"state_ids", "state", "event"} {
			again = append(again, p.r.Hook("GET /_matrix/federation/v1/"+what+"/", remote.Fail(403, "M_FORBIDDEN")))
		}
	})
	since := p.alice.sync("", lazy).str("next_batch")
	p.alice.leave(p.in)
	p.soonLeft(p.alice, since, "leave")
	p.hearsOf(p.alice, "leave")
	asked := func() int { return p.r.Asked("GET /_matrix/federation/v1/state_ids/" + p.in) }
	before := asked()
	time.Sleep(5 * time.Second) // it would try twice, or more often
	if n := asked() - before; n > 1 {
		t.Errorf("R was asked %d times", n)
	}
	for _, remove := range again {
		remove()
	}
	p.open()
	p.alice.joinVia(p.in, p.r.Name).ok()
	p.filled()
	if a := p.alice.get(path("/v3/rooms", p.in, "joined_members")).ok(); len(a.keys("joined")) != 4 {
		t.Errorf("got %s", a)
	}
}
