package conformance

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// partial is a room of R's with the members charlie and derek, which alice of S has joined without members, while R holds back
// the rest until open is called.
type partial struct {
	r              *remote.Server
	room           *remote.Room
	in             string
	at             *remote.Subject
	alice          *user
	charlie, derek id.User
	open           func()
}

func joinPartly(t *testing.T, s *house) *partial {
	t.Helper()
	return joinPartlyAfter(t, s, func(*partial) {})
}

// joinPartlyAfter is joinPartly after something that happens in the room before alice joins.
func joinPartlyAfter(t *testing.T, s *house, before func(*partial)) *partial {
	t.Helper()
	r, room, _ := theirs(t, "10")
	p := &partial{r: r, room: room, in: string(room.ID), at: s.meet(r), alice: s.newUser(t), charlie: r.User("charlie"), derek: r.User("derek")}
	room.Member(p.charlie, p.charlie, "join")
	room.Member(p.derek, p.derek, "join")
	hold := make(chan struct{})
	p.open = sync.OnceFunc(func() { close(hold) })
	t.Cleanup(p.open)
	for _, what := range []string{"state_ids", "state", "event"} {
		r.Hook("GET /_matrix/federation/v1/"+what+"/", remote.Hold(hold))
	}
	r.Hook("PUT /_matrix/federation/v2/send_join/", func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		if q.URL.Query().Get("omit_members") != "true" && strings.Contains(q.Header.Get("Authorization"), `origin="`+string(s.name)) {
			remote.Fail(500, "M_UNKNOWN")(w, q, next)
			return
		}
		next.ServeHTTP(w, q)
	})
	before(p)
	p.alice.joinVia(p.in, r.Name).ok()
	return p
}

// B455, B456, B457: the join is done at once, and the rest is fetched behind.
func TestB455B456B457PartialJoin(t *testing.T) {
	p := joinPartly(t, first(t))
	deadline := time.Now().Add(5 * time.Second)
	for p.r.Asked("GET /_matrix/federation/v1/state_ids/"+p.in)+p.r.Asked("GET /_matrix/federation/v1/state/"+p.in) == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("nobody asks for the state: %v", p.r.Calls())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// B458, B460, B461: who wants all members is told of the room when they are there.
func TestB458B460B461EagerSyncs(t *testing.T) {
	p := joinPartly(t, first(t))
	if a := p.alice.sync("", nil); !a.joined(p.in).missing() {
		t.Errorf("an eager sync has the room: %s", a.joined(p.in))
	}
	since := p.alice.now()
	p.alice.send(p.in, "hello")
	if a := p.alice.sync(since, nil); !a.joined(p.in).missing() {
		t.Errorf("an eager sync has the room: %s", a.joined(p.in))
	}
	began := time.Now()
	time.AfterFunc(2*time.Second, p.open)
	a := p.alice.sync(since, nil, "timeout=20000")
	for a.joined(p.in).missing() && time.Since(began) < 20*time.Second {
		a = p.alice.sync(a.str("next_batch"), nil, "timeout=10000")
	}
	if took := time.Since(began); took < 2*time.Second || took > 10*time.Second {
		t.Errorf("the room came after %s", took)
	}
	for _, got := range []*answer{a, p.alice.sync("", nil), p.alice.sync(since, nil)} {
		events := append(got.joined(p.in).list("state", "events"), got.timeline(p.in).list()...)
		for _, who := range []id.User{p.charlie, p.derek} {
			if !slices.ContainsFunc(events, func(e value) bool { return e.str("state_key") == string(who) }) {
				t.Errorf("%s is not in %s", who, got.joined(p.in))
			}
		}
	}
}

// B459, B464, B465: who loads members lazily is shown the room at once, with those who speak.
func TestB459B464LazySyncs(t *testing.T) {
	p := joinPartly(t, first(t))
	a := p.alice.sync("", lazy)
	if !a.membership(p.in, p.alice, "join") {
		t.Fatalf("got %s", a.joined(p.in))
	}
	since := a.str("next_batch")
	p.room.Send(p.charlie, "m.room.message", remote.Text("one"))
	a = p.alice.soonWith(since, lazy, "one", func(a *answer) bool {
		return slices.ContainsFunc(a.timeline(p.in).list(), func(e value) bool { return e.str("content", "body") == "one" })
	})
	if a.joined(p.in).at("state", "events").find("m.room.member", string(p.charlie)).missing() {
		t.Errorf("who speaks is not known: %s", a.joined(p.in))
	}
	p.open()
	p.alice.get(path("/v3/rooms", p.in, "members")).ok()
}

// B462, B463: the members are listed when they are all there.
func TestB462B463MembersWait(t *testing.T) {
	p := joinPartly(t, first(t))
	token := p.alice.sync("", lazy).joined(p.in).str("timeline", "prev_batch")
	began := time.Now()
	time.AfterFunc(1500*time.Millisecond, p.open)
	for _, suffix := range []string{"members", "joined_members", "members?at=" + token} {
		a := p.alice.get(path("/v3/rooms", p.in) + "/" + suffix).ok()
		var who []string
		for _, e := range a.list("chunk") {
			if e.str("content", "membership") == "join" {
				who = append(who, e.str("state_key"))
			}
		}
		who = append(who, a.keys("joined")...)
		for _, want := range []string{string(p.charlie), string(p.derek)} {
			if !slices.Contains(who, want) {
				t.Errorf("%s: %s is not among %v", suffix, want, who)
			}
		}
	}
	if took := time.Since(began); took < 1500*time.Millisecond || took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
}

// B467: a server that answers rubbish is passed over.
func TestB467AnotherServerIsAsked(t *testing.T) {
	s, s2 := first(t), second(t)
	r, room, _ := theirs(t, "10")
	s.meet(r)
	s2.meet(r) // so that it hears that alice is in the room
	bob, alice := s2.newUser(t), s.newUser(t)
	in := string(room.ID)
	bob.joinVia(in, r.Name).ok()
	bob.get(path("/v3/rooms", in, "members")).ok()
	for _, what := range []string{"state_ids", "state"} {
		r.Hook("GET /_matrix/federation/v1/"+what+"/", remote.Say(200, `{}`))
	}
	alice.joinVia(in, r.Name).ok()
	if a := alice.get(path("/v3/rooms", in, "members")).ok(); !strings.Contains(a.String(), bob.id) {
		t.Errorf("bob is not in %s", a)
	}
}

// B469, B470, B471: meanwhile the room is used like any other.
func TestB469B470B471UseMeanwhile(t *testing.T) {
	s := first(t)
	p := joinPartly(t, s)
	began := time.Now()
	sent := p.alice.send(p.in, "hello")
	p.r.WaitEvent(id.Event(sent))
	p.alice.put(path("/v3/profile", p.alice.id, "displayname"), obj{"displayname": "Alice A."}).ok()
	p.alice.soonWith("", lazy, "the name", func(a *answer) bool {
		return strings.Contains(a.joined(p.in).String(), "Alice A.")
	})
	bob := s.newUser(t)
	bob.joinVia(p.in, p.r.Name).ok()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	for _, u := range []*user{p.alice, bob} {
		u.soonWith("", lazy, "both", func(a *answer) bool {
			return a.membership(p.in, p.alice, "join") && a.membership(p.in, bob, "join")
		})
	}
	p.open()
	a := bob.get(path("/v3/rooms", p.in, "joined_members")).ok()
	if got := len(a.keys("joined")); got != 5 {
		t.Errorf("got %d members: %s", got, a)
	}
}
