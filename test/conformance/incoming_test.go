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
	"freehold.example/test/remote"
)

// visit is a room of alice's on S in which robin of R is.
type visit struct {
	*testing.T
	s     *house
	alice *user
	r     *remote.Server
	at    *remote.Subject
	room  *remote.Room
	robin id.User
	since string // alice's position when robin had joined
}

func newVisit(t *testing.T, version string) *visit {
	t.Helper()
	v := &visit{T: t, s: first(t), r: remote.New(t)}
	v.alice, v.at, v.robin = v.s.newUser(t), v.s.meet(v.r), v.r.User("robin")
	room := v.alice.createRoom(obj{"preset": "public_chat", "room_version": version})
	v.room = v.at.Join(id.Room(room), v.robin)
	v.since = v.alice.now()
	return v
}

func (v *visit) id() string { return string(v.room.ID) }

// shows waits until alice can read the event.
func (v *visit) shows(events ...*event.Event) {
	v.Helper()
	for _, e := range events {
		for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
			a := v.event(e)
			if a.status == http.StatusOK {
				break
			}
			if time.Now().After(end) {
				v.Fatalf("%s %s did not come: %s", e.Type(), e.Content(), a.raw)
			}
		}
	}
}

func (v *visit) event(e *event.Event) *answer {
	v.Helper()
	return v.alice.get(path("/v3/rooms", v.id(), "event", string(e.ID())))
}

// hides checks that alice cannot read the event. Whatever is judged after it was sent has to be shown first.
func (v *visit) hides(events ...*event.Event) {
	v.Helper()
	for _, e := range events {
		if a := v.event(e); a.status != http.StatusNotFound {
			v.Errorf("%s %s is shown: %d %s", e.Type(), e.Content(), a.status, a.raw)
		}
	}
}

// timeline is what alice has been told since robin joined, in order: event ids.
func (v *visit) timeline() (all []string) {
	v.Helper()
	a := v.alice.sync(v.since, obj{"room": obj{"timeline": obj{"limit": 200}}})
	return a.at("rooms", "join", v.id(), "timeline", "events").all("event_id")
}

// say makes a message of robin's; it is not sent.
func (v *visit) say(text string, change ...remote.Change) *event.Event {
	v.Helper()
	return v.room.Make(v.robin, "m.room.message", remote.Text(text), change...)
}

// loose makes a message that is in nobody's graph, and may follow such.
func (v *visit) loose(text string, change ...remote.Change) *event.Event {
	v.Helper()
	return v.room.Build(v.robin, "m.room.message", nil, remote.Text(text), append(change, v.auth())...)
}

// auth are the auth events of a message of robin's now.
func (v *visit) auth() remote.Change {
	v.Helper()
	return remote.Auth(v.room.Now("m.room.create", ""), v.room.Now("m.room.power_levels", ""), v.room.Now("m.room.member", string(v.robin)))
}

// pdus is what a transaction was answered, by event.
func pdus(a *remote.Answer) map[id.Event]struct{ Error string } {
	var said struct {
		PDUs map[id.Event]struct{ Error string } `json:"pdus"`
	}
	a.OK().Decode(&said)
	return said.PDUs
}

// question is a request that a remote was asked.
type question struct {
	Method, Path string
	Query        url.Values
	Body         map[string]any
	signed       bool
}

// asked writes down what R is asked below a path, and answers with say, or as R does when that is nil.
func (v *visit) asked(pattern string, say func(q question) (status int, body any)) func() []question {
	v.Helper()
	var mu sync.Mutex
	var all []question
	v.r.Hook(pattern, func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		b, _ := io.ReadAll(q.Body)
		q.Body = io.NopCloser(strings.NewReader(string(b)))
		x := question{Method: q.Method, Path: q.URL.Path, Query: q.URL.Query(), signed: q.Header.Get("Authorization") != ""}
		_ = json.Unmarshal(b, &x.Body)
		mu.Lock()
		all = append(all, x)
		mu.Unlock()
		if say != nil {
			if status, body := say(x); status != 0 {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_ = json.NewEncoder(w).Encode(body)
				return
			}
		}
		next.ServeHTTP(w, q)
	})
	return func() []question {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// after waits until there are n questions.
func (v *visit) after(n int, questions func() []question) []question {
	v.Helper()
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		if all := questions(); len(all) >= n {
			return all
		}
		if time.Now().After(end) {
			v.Fatalf("R was asked %d times, want %d", len(questions()), n)
		}
	}
}

const (
	missingPath = "POST /_matrix/federation/v1/get_missing_events/"
	eventPath   = "GET /_matrix/federation/v1/event/"
	statePath   = "GET /_matrix/federation/v1/state/"
	stateIDPath = "GET /_matrix/federation/v1/state_ids/"
)

func texts(ids []id.Event) (all []any) {
	for _, e := range ids {
		all = append(all, string(e))
	}
	return all
}

func sameSet(a any, b ...id.Event) bool {
	l, _ := a.([]any)
	if len(l) != len(b) {
		return false
	}
	for _, x := range b {
		if !slices.Contains(l, any(string(x))) {
			return false
		}
	}
	return true
}

func rawsOf(events ...*event.Event) []json.RawMessage {
	all := []json.RawMessage{}
	for _, e := range events {
		all = append(all, e.Bytes())
	}
	return all
}

// TestB382: every event of a transaction is answered for, rejected ones like good ones.
func TestB382(t *testing.T) {
	v := newVisit(t, "11")
	good, power := v.say("good"), v.room.Build(v.robin, "m.room.power_levels", new(""), obj{"users": obj{string(v.robin): 100}})
	last := v.say("last")
	began := time.Now()
	results := pdus(v.at.Transaction(nil, good, power, last))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, e := range []*event.Event{good, power, last} {
		if got, ok := results[e.ID()]; !ok || got.Error != "" {
			t.Errorf("%s: got %+v, %v", e.Type(), got, ok)
		}
	}
	v.shows(good, last)
	v.hides(power)
}

// TestB383: parts of a transaction may be empty or missing.
func TestB383(t *testing.T) {
	v := newVisit(t, "11")
	e := v.say("hello")
	for i, body := range []obj{
		{},
		{"pdus": list{}},
		{"edus": list{}},
		{"pdus": list{}, "edus": list{}, "origin_server_ts": 0},
		{"pdus": nil, "edus": nil},
		{"pdus": list{json.RawMessage(e.Bytes())}},
	} {
		v.at.Do("PUT", remote.Path("/_matrix/federation/v1/send", fmt.Sprint("b383-", i)), body).OK()
	}
	v.shows(e)
}

// TestB432B435: who has no power changes none (B432, B435).
func TestB432B435(t *testing.T) {
	v := newVisit(t, "11")
	bad := v.room.Build(v.robin, "m.room.power_levels", new(""), obj{"users": obj{string(v.robin): 100}})
	good := v.say("good")
	results := pdus(v.at.Transaction(nil, bad, good))
	if results[bad.ID()].Error != "" || results[good.ID()].Error != "" {
		t.Errorf("got %+v", results)
	}
	v.shows(good)
	v.hides(bad)
	if slices.Contains(v.timeline(), string(bad.ID())) {
		t.Error("it is in sync")
	}
	if got := v.alice.state(v.id(), "m.room.power_levels", "").num("users", string(v.robin)); got != 0 {
		t.Errorf("robin has level %v", got)
	}
}

// TestB433B434: an event that names a rejected one among its auth events is rejected, whether that was sent or fetched (B433,
// B434).
func TestB433B434(t *testing.T) {
	for name, fetched := range map[string]string{"sent": "", "by event_auth": "auth", "by event": "event"} {
		t.Run(name, func(t *testing.T) {
			v := newVisit(t, "11")
			rejected := v.room.Build(v.robin, "m.room.power_levels", new(""), obj{"users": obj{string(v.robin): 100}})
			state := v.room.Now
			child := v.room.Build(v.robin, "m.room.message", nil, remote.Text("child"),
				remote.Auth(state("m.room.create", ""), state("m.room.member", string(v.robin)), rejected))
			switch fetched {
			case "":
				v.at.Transaction(nil, rejected).OK()
			case "auth":
				v.asked("GET /_matrix/federation/v1/event_auth/", func(question) (int, any) {
					return 200, obj{"auth_chain": rawsOf(append(chainOf(v.room, rejected), rejected)...)}
				})
			case "event":
				v.r.Hook("GET /_matrix/federation/v1/event_auth/", remote.Fail(404, "M_NOT_FOUND"))
				v.asked(eventPath, func(q question) (int, any) {
					if strings.HasSuffix(q.Path, string(rejected.ID())) {
						return 200, obj{"pdus": rawsOf(rejected), "origin": v.r.Name, "origin_server_ts": 0}
					}
					return 0, nil
				})
			}
			good := v.say("good")
			v.at.Transaction(nil, child, good).OK()
			v.shows(good)
			again := v.room.Build(v.robin, "m.room.message", nil, remote.Text("again"),
				remote.Auth(state("m.room.create", ""), state("m.room.member", string(v.robin)), rejected)) // B434
			last := v.say("last")
			v.at.Transaction(nil, again, last).OK()
			v.shows(last)
			time.Sleep(500 * time.Millisecond)
			v.hides(rejected, child, again)
		})
	}
}

// chainOf is the auth chain of an event as R has it.
func chainOf(room *remote.Room, e *event.Event) (all []*event.Event) {
	for _, a := range e.Auth() {
		if x := room.Event(a); x != nil && !slices.Contains(all, x) {
			all = append(append(all, x), chainOf(room, x)...)
		}
	}
	return all
}

// TestB436: an event whose parent cannot be had comes in once the parent has come.
func TestB436(t *testing.T) {
	v := newVisit(t, "11")
	v.r.Hook("/_matrix/federation/v1/", remote.Fail(404, "M_NOT_FOUND"))
	a := v.loose("a")
	b := v.loose("b", remote.After(a))
	v.at.Transaction(nil, b).OK()
	time.Sleep(300 * time.Millisecond)
	v.hides(b)
	v.at.Transaction(nil, a).OK()
	v.shows(a)
	v.at.Transaction(nil, b).OK()
	v.shows(b)
	line := v.timeline()
	if i, j := slices.Index(line, string(a.ID())), slices.Index(line, string(b.ID())); i < 0 || j < i {
		t.Errorf("the timeline has them at %d and %d", i, j)
	}
}

// TestB437: a redaction of an event that nobody knows does no harm.
func TestB437(t *testing.T) {
	for _, version := range []string{"10", "11"} {
		v := newVisit(t, version)
		content := obj{}
		if version == "11" {
			content["redacts"] = "$unknown"
		}
		e := v.room.Make(v.robin, "m.room.redaction", content, remote.Redacts("$unknown"))
		last := v.say("last")
		v.at.Transaction(nil, e, last).OK()
		v.shows(last)
		if !slices.Contains(v.timeline(), string(last.ID())) {
			t.Error("sync does not go on")
		}
	}
}

// TestB438B439: what an event follows and is missing is asked for (B438), and when it comes nothing else is (B439).
func TestB438B439(t *testing.T) {
	for _, version := range []string{"1", "11", "12"} {
		v := newVisit(t, version)
		v.say("known")
		v.room.Share(v.room.Event(v.room.Ends()[0]))
		ends := v.room.Ends()
		missing := v.asked(missingPath, nil)
		states := v.asked("GET /_matrix/federation/v1/", nil)
		v.shows(v.room.Event(ends[0]))
		v.since = v.alice.now()
		var chain []*event.Event
		for i := range 5 {
			chain = append(chain, v.say(fmt.Sprint("m", i)))
		}
		v.at.Transaction(nil, chain[4]).OK()
		v.shows(chain...)
		all := missing()
		if len(all) != 1 || !all[0].signed || !sameSet(all[0].Body["earliest_events"], ends...) ||
			!sameSet(all[0].Body["latest_events"], chain[4].ID()) {
			t.Errorf("version %s: asked %+v, want earliest %v, latest %s", version, all, ends, chain[4].ID())
		}
		var want []string
		for _, e := range chain {
			want = append(want, string(e.ID()))
		}
		if got := v.timeline(); !slices.Equal(got, want) {
			t.Errorf("version %s: the timeline is %v, want %v", version, got, want)
		}
		if got := states(); len(got) != 0 {
			t.Errorf("version %s: R was asked for more: %+v", version, got)
		}
	}
}

// TestB440B441B442: a missing event that is invalid is no reason to ask on (B440, B441), nor an extremity (B442).
func TestB440B441B442(t *testing.T) {
	v := newVisit(t, "11")
	ends := v.room.Ends()
	broken := v.loose("broken")
	raw := strings.Replace(string(broken.Bytes()), `"body":"broken"`, `"body":"broken","n":1.5`, 1)
	pushed := v.loose("pushed", remote.After(broken))
	others := v.asked("GET /_matrix/federation/v1/", nil)
	empty := false
	missing := v.asked(missingPath, func(question) (int, any) {
		if empty {
			return 200, obj{}
		}
		return 200, obj{"events": list{json.RawMessage(raw)}}
	})
	if got := pdus(v.at.Transaction(nil, pushed)); len(got) != 1 {
		t.Errorf("the answer has %d events: %v", len(got), got)
	} else if _, ok := got[pushed.ID()]; !ok {
		t.Errorf("got %v", got)
	}
	v.after(1, missing)
	time.Sleep(300 * time.Millisecond)
	v.hides(pushed)
	empty = true
	next := v.loose("next", remote.After(pushed))
	v.at.Transaction(nil, next).OK()
	all := v.after(2, missing)
	for i, e := range []*event.Event{pushed, next} {
		if !sameSet(all[i].Body["earliest_events"], ends...) || !sameSet(all[i].Body["latest_events"], e.ID()) {
			t.Errorf("question %d was %v, want %v to %s", i, all[i].Body, texts(ends), e.ID())
		}
	}
	good := v.say("good", remote.After(v.room.Event(ends[0])))
	v.at.Transaction(nil, good).OK()
	v.shows(good)
	v.hides(pushed, next)
	if got := others(); len(got) != 0 {
		t.Errorf("R was asked for more: %+v", got)
	}
}

// TestB444: what a fetched event follows is replaced by the state there.
func TestB444(t *testing.T) {
	v := newVisit(t, "11")
	var chain []*event.Event
	for i := range 8 {
		chain = append(chain, v.say(fmt.Sprint("m", i)))
	}
	pushed := chain[7]
	v.asked(missingPath, func(q question) (int, any) {
		if sameSet(q.Body["latest_events"], pushed.ID()) {
			return 200, obj{"events": rawsOf(chain[5:7]...)}
		}
		return 200, obj{"events": list{}}
	})
	ids := v.asked(stateIDPath, nil)
	v.at.Transaction(nil, pushed).OK()
	v.shows(chain[5], chain[6], pushed)
	if all := ids(); len(all) == 0 || all[0].Query.Get("event_id") != string(chain[4].ID()) {
		t.Errorf("asked %+v, want the state before %s", all, chain[4].ID())
	}
	last := v.say("last")
	v.at.Transaction(nil, last).OK()
	v.shows(last)
}

// TestB449: rounds of ten are asked for only so often, and then the state.
func TestB449(t *testing.T) {
	v := newVisit(t, "11")
	var chain []*event.Event
	for i := range 400 {
		chain = append(chain, v.say(fmt.Sprint("m", i)))
	}
	at := map[id.Event]int{}
	for i, e := range chain {
		at[e.ID()] = i
	}
	missing := v.asked(missingPath, func(q question) (int, any) {
		latest, _ := q.Body["latest_events"].([]any)
		i := len(chain)
		for _, l := range latest {
			i = min(i, at[id.Event(l.(string))])
		}
		return 200, obj{"events": rawsOf(chain[max(0, i-10):i]...)}
	})
	states := v.asked(stateIDPath, nil)
	began := time.Now()
	v.at.Transaction(nil, chain[399]).OK()
	v.shows(chain[399])
	if took := time.Since(began); took > within {
		t.Errorf("it took %v", took)
	}
	if n := len(missing()); n >= 25 {
		t.Errorf("asked %d times", n)
	}
	if len(states()) == 0 {
		t.Error("no state was asked for")
	}
}

// TestB445B446: what follows an event that cannot be had is not accepted, and is no state (B445); what does not follow it is
// (B446).
func TestB445B446(t *testing.T) {
	v := newVisit(t, "11")
	member := v.room.Now("m.room.member", string(v.robin))
	known := v.room.Event(v.room.Ends()[0])
	create, power, rules := v.room.Now("m.room.create", ""), v.room.Now("m.room.power_levels", ""), v.room.Now("m.room.join_rules", "")
	auth, prev := member, known
	var chain []*event.Event
	for i := range 5 {
		auth = v.room.State(v.robin, "m.room.member", string(v.robin), obj{"membership": "join", "displayname": fmt.Sprint("robin ", i)},
			remote.After(prev), remote.Auth(create, power, rules, auth))
		prev = auth
		chain = append(chain, auth)
	}
	lost := chain[1]
	v.asked(missingPath, func(question) (int, any) { return 200, obj{"events": rawsOf(chain[2:4]...)} })
	single := v.asked(eventPath, func(q question) (int, any) {
		if strings.HasSuffix(q.Path, string(lost.ID())) {
			return 404, obj{"errcode": "M_NOT_FOUND", "error": "No"}
		}
		return 0, nil
	})
	v.asked("GET /_matrix/federation/v1/event_auth/", func(question) (int, any) {
		return 200, obj{"auth_chain": rawsOf(create, power, rules, member, chain[0], chain[2], chain[3])}
	})
	v.at.Transaction(nil, chain[4]).OK()
	v.after(1, single)
	time.Sleep(500 * time.Millisecond)
	v.hides(chain[1:]...)
	later := v.room.Build(v.robin, "m.room.message", nil, remote.Text("later"), remote.After(chain[4]), remote.Auth(create, power, chain[4]))
	good := v.room.Build(v.robin, "m.room.message", nil, remote.Text("good"), remote.After(known), remote.Auth(create, power, member))
	v.at.Transaction(nil, later, good).OK()
	v.shows(good)
	time.Sleep(500 * time.Millisecond)
	v.hides(append(chain[1:], later)...)
	if got := v.alice.state(v.id(), "m.room.member", string(v.robin)).ok().str("displayname"); strings.HasPrefix(got, "robin ") {
		t.Errorf("robin is %q", got)
	}
}

// TestB443: up to version 10 a state key is measured in code points.
func TestB443(t *testing.T) {
	v := newVisit(t, "10")
	key := strings.Repeat("💩", 70) // 280 bytes
	v.alice.setState(v.id(), "m.room.power_levels", "", obj{"users": obj{v.alice.id: 100, string(v.robin): 50}})
	level := v.r.WaitPDU(func(e *event.Event) bool {
		return e.Type() == "m.room.power_levels" && e.Sender() == id.User(v.alice.id)
	})
	state := v.room.State(v.robin, "m.test", key, obj{"a": 1})
	after := v.say("after")
	missing := v.asked(missingPath, nil)
	v.at.Transaction(nil, after).OK()
	v.shows(state, after)
	v.after(1, missing)
	if level == nil || !slices.Contains(v.timeline(), string(state.ID())) {
		t.Error("the state is not in the timeline")
	}
}
