package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/test/harness"
	"freehold.example/test/remote"
)

// 37 Partial state: what arrives while members are missing, and what becomes of it when they are there.

// joinHeld is joinPartly where R holds back only the state before the join, and answers everything else. first may change the
// room before.
func joinHeld(t *testing.T, s *house, first func(*partial)) *partial {
	t.Helper()
	r, room, _ := theirs(t, "10")
	p := &partial{r: r, room: room, in: string(room.ID), at: s.meet(r), alice: s.newUser(t), charlie: r.User("charlie"), derek: r.User("derek")}
	room.Member(p.charlie, p.charlie, "join")
	room.Member(p.derek, p.derek, "join")
	if first != nil {
		first(p)
	}
	before := string(room.Ends()[0])
	hold := make(chan struct{})
	p.open = sync.OnceFunc(func() { close(hold) })
	t.Cleanup(p.open)
	for _, what := range []string{"state_ids", "state"} {
		r.Hook("GET /_matrix/federation/v1/"+what+"/", func(w http.ResponseWriter, q *http.Request, next http.Handler) {
			if q.URL.Query().Get("event_id") == before {
				remote.Hold(hold)(w, q, next)
				return
			}
			next.ServeHTTP(w, q)
		})
	}
	p.alice.joinVia(p.in, r.Name).ok()
	return p
}

// heard writes down the bodies of what R is asked below a path.
func (p *partial) heard(pattern string) func() []string {
	var mu sync.Mutex
	var all []string
	p.r.Hook(pattern, func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		b, _ := io.ReadAll(q.Body)
		q.Body = io.NopCloser(strings.NewReader(string(b)))
		mu.Lock()
		all = append(all, q.URL.RequestURI()+" "+string(b))
		mu.Unlock()
		next.ServeHTTP(w, q)
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// askedFor waits until a question has a text.
func (p *partial) askedFor(questions func() []string, text string) {
	p.alice.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		if slices.ContainsFunc(questions(), func(q string) bool { return strings.Contains(q, text) }) {
			return
		}
		if time.Now().After(end) {
			p.alice.t.Fatalf("R was asked %v, and not for %s", questions(), text)
		}
	}
}

// lazily waits until an event is in alice's lazy sync.
func (p *partial) lazily(events ...*event.Event) {
	p.alice.t.Helper()
	hundred := obj{"room": obj{"state": obj{"lazy_load_members": true}, "timeline": obj{"limit": 100}}}
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		a := p.alice.sync("", hundred)
		seen := a.timeline(p.in).all("event_id")
		missing := slices.DeleteFunc(slices.Clone(events), func(e *event.Event) bool { return slices.Contains(seen, string(e.ID())) })
		if len(missing) == 0 {
			return
		}
		if time.Now().After(end) {
			p.alice.t.Fatalf("%s did not come; the room is %s", missing[0].Bytes(), a.joined(p.in))
		}
	}
}

// event is an event as alice is given it.
func (p *partial) event(e *event.Event) *answer {
	p.alice.t.Helper()
	return p.alice.get(path("/v3/rooms", p.in, "event", string(e.ID())))
}

// shown waits until there is an event.
func (p *partial) shown(e *event.Event) {
	p.alice.t.Helper()
	for end := time.Now().Add(within); p.event(e).status != http.StatusOK; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.alice.t.Fatalf("%s %s did not come", e.Type(), e.Content())
		}
	}
}

// absent checks that there is no such event.
func (p *partial) absent(e *event.Event, when string) {
	p.alice.t.Helper()
	a := p.event(e)
	if a.status != http.StatusNotFound || a.str("errcode") != "M_NOT_FOUND" {
		p.alice.t.Errorf("%s: %s %s: got %d %s", when, e.Type(), e.Content(), a.status, a.raw)
	}
}

// by has an event authorised by the present create event and power levels, and these.
func (p *partial) by(events ...*event.Event) remote.Change {
	return remote.Auth(append([]*event.Event{p.room.Now("m.room.create", ""), p.room.Now("m.room.power_levels", "")}, events...)...)
}

// member is a user's present member event.
func (p *partial) member(who id.User) *event.Event { return p.room.Now("m.room.member", string(who)) }

// B465: after the end, who speaks is introduced to a client that was there before it.
func TestB465LazyAfterwards(t *testing.T) {
	p := joinPartly(t, first(t))
	since := p.alice.sync("", lazy).str("next_batch")
	one := p.room.Make(p.charlie, "m.room.message", remote.Text("one"))
	two := p.room.Make(p.derek, "m.room.message", remote.Text("two"))
	p.room.Share(one, two)
	p.lazily(one, two)
	p.filled()
	a := p.alice.sync(since, obj{"room": obj{"state": obj{"lazy_load_members": true}, "timeline": obj{"limit": 1, "lazy_load_members": true}}})
	if got := a.timeline(p.in).all("event_id"); !slices.Equal(got, []string{string(two.ID())}) {
		t.Errorf("the timeline is %v, want %s", got, two.ID())
	}
	if a.joined(p.in).at("state", "events").find("m.room.member", string(p.derek)).missing() {
		t.Errorf("who speaks is not known: %s", a.joined(p.in))
	}
}

// B466: after a restart the room is filled on.
func TestB466Restart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server of its own")
	}
	dir := t.TempDir()
	name, env, err := harness.Federated(dir)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{name: name, client: http.DefaultClient, server: harness.On(t, t.TempDir(), append(env, "FREEHOLD_REGISTRATION_SHARED_SECRET="+sharedSecret)...)}
	h.server.Start()
	h.url = h.server.URL
	p := joinPartly(t, h)
	since := p.alice.now()
	h.server.Stop()
	h.server.Start()
	h.url = h.server.URL
	for _, from := range []string{"", since} {
		if a := p.alice.sync(from, nil); !a.joined(p.in).missing() {
			t.Errorf("an eager sync from %q has the room: %s", from, a.joined(p.in))
		}
	}
	p.open()
	p.alice.soonWith(since, nil, "the room", func(a *answer) bool { return !a.joined(p.in).missing() })
}

// B468: the state is filled although much of it has come in by other ways and in another order.
func TestB468Outliers(t *testing.T) {
	p := joinHeld(t, first(t), nil)
	robin := p.r.User("robin")
	ends := p.room.Ends()
	apart := p.room.State(robin, "m.room.name", "", obj{"name": "apart"}, remote.After(p.room.Event(ends[0])))
	var states []*event.Event
	for i := range 100 {
		states = append(states, p.room.State(robin, "m.test", fmt.Sprint(i), obj{"n": i}))
	}
	last := p.room.Make(p.derek, "m.room.message", remote.Text("last"))
	p.gives(states[99], last) // nothing before that: the state is asked for, and the others are in it
	p.at.Transaction(nil, last).OK()
	p.lazily(last)
	p.at.Transaction(nil, states[0]).OK() // before its parent
	p.at.Transaction(nil, append([]*event.Event{apart}, states[1:50]...)...).OK()
	p.at.Transaction(nil, states[50:]...).OK()
	for _, e := range []*event.Event{states[1], states[50], states[98]} {
		p.shown(e)
	}
	p.open()
	p.alice.soonWith("", nil, "the room", func(a *answer) bool { return !a.joined(p.in).missing() })
}

// B474: presence of R's users is taken.
func TestB474Presence(t *testing.T) {
	p := joinPartly(t, first(t))
	since := p.alice.sync("", lazy).str("next_batch")
	p.at.Transaction([]remote.EDU{remote.MakeEDU("m.presence", obj{"push": list{obj{
		"user_id": p.charlie, "presence": "online", "last_active_ago": 100, "status_msg": "here",
	}}})}).OK()
	p.alice.soonWith(since, lazy, "the presence", func(a *answer) bool {
		return slices.ContainsFunc(a.list("presence", "events"), func(e value) bool { return e.str("sender") == string(p.charlie) })
	})
}

// B475: what an event is authorised by is asked for.
func TestB475AuthChain(t *testing.T) {
	p := joinHeld(t, first(t), nil)
	chains := p.heard("GET /_matrix/federation/v1/event_auth/")
	said := p.room.Make(p.derek, "m.room.message", remote.Text("from derek"))
	p.at.Transaction(nil, said).OK()
	p.askedFor(chains, url.PathEscape(string(said.ID())))
	p.lazily(said)
}

// B476, B477, B478, B479: gaps are filled (B476, B477), and the state at an event is told (B479) when it is known (B478).
func TestB476B477B478B479Gaps(t *testing.T) {
	for _, test := range []struct {
		name  string
		known bool // the event that is pushed follows the join, too
		deep  bool // the one that is missing follows the join and another, which nobody gives
	}{
		{"one unknown parent", false, false},
		{"one known parent and one unknown", true, false},
		{"the same again before it", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := joinHeld(t, first(t), nil)
			join := p.member(id.User(p.alice.id))
			far := join
			if test.deep {
				far = p.room.Make(p.charlie, "m.room.message", remote.Text("far"), remote.After(p.room.Event(join.Prev()[0])))
			}
			missing := p.room.Make(p.charlie, "m.room.message", remote.Text("missing"), remote.After(join, far))
			prev := []*event.Event{missing}
			if test.known {
				prev = append(prev, join)
			}
			pushed := p.room.Make(p.derek, "m.room.message", remote.Text("pushed"), remote.After(prev...))
			p.gives(missing, pushed)
			gaps, states := p.heard("POST /_matrix/federation/v1/get_missing_events/"), p.heard("GET /_matrix/federation/v1/state_ids/")
			p.at.Transaction(nil, pushed).OK()
			p.askedFor(gaps, fmt.Sprintf(`"latest_events":[%q]`, pushed.ID()))
			if test.deep {
				p.askedFor(states, url.QueryEscape(string(far.ID())))
			}
			p.lazily(missing, pushed)
			at := "/_matrix/federation/v1/state_ids/" + url.PathEscape(p.in) + "?event_id=" + url.QueryEscape(string(pushed.ID()))
			p.at.Do("GET", at, nil).Want(403, "M_FORBIDDEN")
			p.filled()
			var told struct {
				State []id.Event `json:"pdu_ids"`
			}
			p.at.Do("GET", at, nil).OK().Decode(&told)
			var want []id.Event
			for _, typ := range []string{"create", "power_levels", "join_rules", "history_visibility"} {
				want = append(want, p.room.Now("m.room."+typ, "").ID())
			}
			for _, who := range []id.User{p.r.User("robin"), p.charlie, p.derek, id.User(p.alice.id)} {
				want = append(want, p.member(who).ID())
			}
			slices.Sort(want)
			slices.Sort(told.State)
			if !slices.Equal(told.State, want) {
				t.Errorf("the state is %v, want %v", told.State, want)
			}
		})
	}
}

// gives has R tell of a gap before an event this one event, and nothing of what is before that.
func (p *partial) gives(missing, before *event.Event) {
	p.r.Hook("POST /_matrix/federation/v1/get_missing_events/", func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
		b, _ := io.ReadAll(q.Body)
		given := list{}
		if strings.Contains(string(b), fmt.Sprintf(`"latest_events":[%q]`, before.ID())) {
			given = append(given, json.RawMessage(missing.Bytes()))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(obj{"events": given})
	})
}

// B480: whether somebody is in the room is told when it is known.
func TestB480MemberWaits(t *testing.T) {
	p := joinPartly(t, first(t))
	began := time.Now()
	time.AfterFunc(1500*time.Millisecond, p.open)
	p.alice.state(p.in, "m.room.member", string(p.r.User("nobody"))).fails(404, "M_NOT_FOUND")
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	if a := p.alice.state(p.in, "m.room.member", string(p.derek)).ok(); a.str("membership") != "join" {
		t.Errorf("derek is %s", a)
	}
}

// B484: nobody is let in by a server that does not know who is.
func TestB484Closed(t *testing.T) {
	p := joinPartly(t, first(t))
	in, elsie := id.Room(p.in), p.r.User("elsie")
	for _, kind := range []string{"join", "knock"} {
		p.at.MakeMember(kind, in, elsie).Want(404, "M_NOT_FOUND")
		key := string(elsie)
		p.at.SendMember(kind, p.room.Build(elsie, "m.room.member", &key, obj{"membership": kind})).Want(404, "M_NOT_FOUND")
	}
}
