package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	far "freehold.example/test/remote"
)

// usual are the auth events of a message of mallory's.
func (x *siege) usual(more ...*event.Event) far.Change {
	x.Helper()
	return far.Auth(append([]*event.Event{
		x.room.Now("m.room.create", ""), x.room.Now("m.room.power_levels", ""), x.room.Now("m.room.member", string(x.mallory)),
	}, more...)...)
}

// refused sends events of which none is to be shown.
func (x *siege) refused(what string, events ...*event.Event) {
	x.Helper()
	last := x.room.Make(x.mallory, "m.room.message", far.Text(what))
	x.sut.Transaction(nil, append(events, last)...).OK()
	x.eventually(what+": the good one after them is shown", func() bool { return x.sees(x.room.ID, last.ID()) })
	x.eventually(what+": all are judged", func() bool { return x.s.arrivals.Stats().Waiting == 0 })
	for _, e := range events {
		if x.sees(x.room.ID, e.ID()) {
			x.Errorf("%s: %s is shown", what, e.Bytes())
		}
	}
	x.holds(what)
}

// TestSiegeAuth: events that say they may happen by events that do not allow it.
func TestSiegeAuth(t *testing.T) {
	x := newSiege(t, "11")
	elsewhere := x.sut.Join(x.hostel.room("11"), x.mallory)
	message := x.room.Make(x.mallory, "m.room.message", far.Text("no state"))
	x.sut.Transaction(nil, message).OK()
	create, power, member := x.room.Now("m.room.create", ""), x.room.Now("m.room.power_levels", ""), x.room.Now("m.room.member", string(x.mallory))
	rejected := x.room.Build(x.mallory, "m.room.power_levels", new(""), fields{"users": fields{string(x.mallory): 100}})
	build := func(change ...far.Change) *event.Event {
		return x.room.Build(x.mallory, "m.room.message", nil, far.Text("bad"), change...)
	}
	state := func(typ, key string, content any) *event.Event {
		return x.room.Build(x.mallory, typ, &key, content)
	}
	x.refused("auth events", rejected,
		build(far.Auth(create, rejected, member)), build(far.Auth(create, power, member, message)), build(far.Auth(create, power, power, member)),
		build(far.Auth(create, power, member, elsewhere.Now("m.room.join_rules", ""))), build(far.Auth(power, member)), build(far.Auth()),
		build(far.Auth(elsewhere.Now("m.room.create", ""), power, member)), build(far.Auth(create, power, x.room.Now("m.room.member", string(x.alice)))),
	)
	x.refused("state without the right", state("m.room.name", "", fields{"name": "mine"}), state("m.room.create", "", fields{"room_version": "11"}),
		state("m.room.join_rules", "", fields{"join_rule": "invite"}), state("m.room.member", string(x.alice), fields{"membership": "ban"}),
		state("m.room.member", string(x.alice), fields{"membership": "leave"}), state("m.room.member", string(x.r.User("other")), fields{"membership": "join"}),
		state("m.room.server_acl", "", fields{"allow": []string{"*"}, "deny": []string{"*"}}), state("m.room.tombstone", "", fields{"replacement_room": "!x:y"}),
	)
}

// TestSiegeEvasion: who was put out goes on from before that. His events are nobody's to see and none that others follow.
func TestSiegeEvasion(t *testing.T) {
	x := newSiege(t, "11")
	old := x.room.Make(x.mallory, "m.room.message", far.Text("still in"))
	x.sut.Transaction(nil, old).OK()
	x.eventually("the last good one is shown", func() bool { return x.sees(x.room.ID, old.ID()) })
	x.do("POST", "/rooms/"+url.PathEscape(string(x.room.ID))+"/ban", fields{"user_id": x.mallory})
	x.eventually("mallory is banned", func() bool { return x.membership(x.room.ID, x.mallory) == "ban" })
	x.state = x.stateNow()
	evading := x.room.Build(x.mallory, "m.room.message", nil, far.Text("evading"), far.After(old))
	again := x.room.Build(x.mallory, "m.room.member", new(string(x.mallory)), fields{"membership": "join", "displayname": "back"}, far.After(old))
	x.sut.Transaction(nil, evading, again).OK()
	x.eventually("all are judged", func() bool { return x.s.arrivals.Stats().Waiting == 0 && x.s.arrivals.Stats().SoftFailed >= 2 })
	if x.sees(x.room.ID, evading.ID()) || x.sees(x.room.ID, again.ID()) || x.membership(x.room.ID, x.mallory) != "ban" {
		t.Error("the ban was evaded")
	}
	next := x.say(x.room.ID, "next")
	sent := x.friend.WaitEvent(next)
	for _, prev := range sent.Prev() {
		if prev == evading.ID() || prev == again.ID() {
			t.Error("the server's next event follows it")
		}
	}
	if now := x.stateNow(); now != x.state {
		t.Errorf("the state was\n%s\nand is\n%s", x.state, now)
	}
}

// TestSiegeRestricted: that somebody vouches for a join is signed by the server of who does.
func TestSiegeRestricted(t *testing.T) {
	x := newSiege(t, "10")
	inside := x.hostel.room("10")
	in := x.hostel.room("10", fields{"initial_state": []fields{{"type": "m.room.join_rules", "content": fields{
		"join_rule": "restricted", "allow": []fields{{"type": "m.room_membership", "room_id": inside}},
	}}}})
	x.do("POST", "/rooms/"+url.PathEscape(string(in))+"/invite", fields{"user_id": x.mallory})
	room := x.sut.Join(in, x.mallory)
	intruder := x.r.User("intruder")
	join := room.Build(intruder, "m.room.member", new(string(intruder)), fields{"membership": "join", "join_authorised_via_users_server": x.alice},
		far.Auth(room.Now("m.room.create", ""), room.Now("m.room.power_levels", ""), room.Now("m.room.join_rules", ""), room.Now("m.room.member", string(x.alice))))
	bare := room.Build(intruder, "m.room.member", new(string(intruder)), fields{"membership": "join"},
		far.Auth(room.Now("m.room.create", ""), room.Now("m.room.power_levels", ""), room.Now("m.room.join_rules", "")))
	good := room.Make(x.mallory, "m.room.message", far.Text("good"))
	x.sut.Transaction(nil, join, bare, good).OK()
	x.eventually("the good one is shown", func() bool { return x.sees(in, good.ID()) })
	if m := x.membership(in, intruder); m != "" {
		t.Errorf("the intruder is %q", m)
	}
}

// TestSiegeForks: thousands of events that all follow one are taken, and no event of this server follows more than it may.
func TestSiegeForks(t *testing.T) {
	x := newSiege(t, "11")
	end, auth := x.room.Event(x.room.Ends()[0]), x.usual()
	const n = 2000
	began := time.Now()
	for i := 0; i < n; i += 50 {
		var some []*event.Event
		for k := range 50 {
			some = append(some, x.room.Build(x.mallory, "m.room.message", nil, far.Text(fmt.Sprint("fork", i+k)), far.After(end), auth))
		}
		x.sut.Transaction(nil, some...).OK()
	}
	x.eventually("all are judged", func() bool { return x.s.arrivals.Stats().Waiting == 0 })
	t.Logf("%d forks in %v", n, time.Since(began))
	e := x.friend.WaitEvent(x.say(x.room.ID, "after the forks"))
	if len(e.Prev()) > event.MaxPrev {
		t.Errorf("the server's event follows %d", len(e.Prev()))
	}
	x.holds("forks")
}

// TestSiegeChain: a long chain of auth events costs what it costs, once, and no more than there is.
func TestSiegeChain(t *testing.T) {
	x := newSiege(t, "11")
	const n = 3000
	member := x.room.Now("m.room.member", string(x.mallory))
	create, power, rules := x.room.Now("m.room.create", ""), x.room.Now("m.room.power_levels", ""), x.room.Now("m.room.join_rules", "")
	end := x.room.Event(x.room.Ends()[0])
	chain := []*event.Event{create, power, rules, member}
	for i := range n {
		member = x.room.Build(x.mallory, "m.room.member", new(string(x.mallory)), fields{"membership": "join", "displayname": fmt.Sprint(i)},
			far.After(end), far.Auth(create, power, rules, member))
		chain = append(chain, member)
	}
	x.r.Hook("GET /_matrix/federation/v1/event_auth/", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		var raws []json.RawMessage
		for _, e := range chain {
			raws = append(raws, e.Bytes())
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(fields{"auth_chain": raws})
	})
	began := time.Now()
	bomb := x.room.Build(x.mallory, "m.room.message", nil, far.Text("bomb"), far.After(end), far.Auth(create, power, member))
	x.sut.Transaction(nil, bomb).OK()
	x.holds("while the chain is fetched")
	x.eventually("the chain is dealt with", func() bool { s := x.s.arrivals.Stats(); return s.Parked == 0 })
	t.Logf("a chain of %d in %v", n, time.Since(began))
	x.holds("a long chain")
}

// TestSiegeLoops: who answers questions with ever more questions is asked a bounded number of times.
func TestSiegeLoops(t *testing.T) {
	x := newSiege(t, "11")
	var asked, made atomic.Int64
	auth := x.usual()
	ghost := func(n int64) *event.Event { // it follows what is not there
		return x.room.Build(x.mallory, "m.room.message", nil, far.Text(fmt.Sprint("ghost", n)), auth, func(d *event.Draft) {
			d.Prev, d.Depth = []id.Event{id.Event(fmt.Sprintf("$%043d", n))}, n
		})
	}
	var mu sync.Mutex
	last := ghost(0)
	endless := func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
		asked.Add(1)
		mu.Lock()
		defer mu.Unlock()
		var raws []json.RawMessage
		for range 20 {
			raws = append(raws, ghost(made.Add(1)).Bytes())
		}
		raws = append(raws, last.Bytes())
		field := "pdus"
		if strings.Contains(q.URL.Path, "missing") {
			field = "events"
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(fields{field: raws, "auth_chain": raws, "pdu_ids": []string{fmt.Sprintf("$%043d", made.Load()+7)}, "auth_chain_ids": []string{}})
	}
	x.r.Hook("/_matrix/federation/v1/", endless)
	pushed := x.room.Build(x.mallory, "m.room.message", nil, far.Text("pushed"), auth, far.After(last))
	x.sut.Transaction(nil, pushed).OK()
	x.eventually("it gave up", func() bool { return x.s.arrivals.Stats().Unfilled > 0 })
	if n := asked.Load(); n > 300 {
		t.Errorf("asked %d times", n)
	}
	status, _ := askRaw(t, x.base+"/_matrix/client/v3/rooms/"+url.PathEscape(string(x.room.ID))+"/messages?dir=b&limit=50", x.token)
	if status != http.StatusOK {
		t.Errorf("/messages is %d", status)
	}
	x.holds("loops")
}

// TestSiegeReplay: a transaction that comes again, later and at the same time, is done once.
func TestSiegeReplay(t *testing.T) {
	x := newSiege(t, "11")
	e := x.room.Make(x.mallory, "m.room.message", far.Text("once"))
	var first []byte
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a, err := x.sut.TryDo("PUT", "/_matrix/federation/v1/send/replayed", fields{"pdus": []json.RawMessage{e.Bytes()}})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil || a.Status != http.StatusOK:
				t.Errorf("got %+v, %v", a, err)
			case first == nil:
				first = a.Body
			case string(a.Body) != string(first):
				t.Errorf("got %s and %s", a.Body, first)
			}
		})
	}
	wg.Wait()
	x.eventually("it is shown", func() bool { return x.sees(x.room.ID, e.ID()) })
	x.sut.Raw("another name", nil, e.Bytes(), e.Bytes()).OK()
	x.holds("replay")
	n := 0
	for _, raw := range x.messages(x.room.ID) {
		if strings.Contains(string(raw), string(e.ID())) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("it is shown %d times", n)
	}
}

// TestSiegeSlowKeys: events of a server whose keys do not come hold nobody up.
func TestSiegeSlowKeys(t *testing.T) {
	x := newSiege(t, "11")
	slow := far.New(t)
	open := make(chan struct{})
	defer close(open)
	slow.Hook("/_matrix/key/", far.Hold(open))
	ghost := slow.User("ghost")
	var events []*event.Event
	for i := range 20 {
		x.room.SignedBy(slow.Signer())
		events = append(events, x.room.Build(ghost, "m.room.message", nil, far.Text(fmt.Sprint(i)), x.usual()))
	}
	began := time.Now()
	x.sut.Transaction(nil, events...).OK()
	if took := time.Since(began); took > 9*time.Second { // keys are waited for ten
		t.Errorf("the answer took %v", took)
	}
	carols := x.friends.Make(x.carol, "m.room.message", far.Text("meanwhile"))
	began = time.Now()
	x.at.Transaction(nil, carols).OK()
	x.eventually("others are heard meanwhile", func() bool { return x.sees(x.room.ID, carols.ID()) })
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("others were heard after %v", took)
	}
}

// TestSiegeKeys: what a server says of its keys may be long, false and endless.
func TestSiegeKeys(t *testing.T) {
	x := newSiege(t, "11")
	for name, hook := range map[string]far.Hook{
		"endless": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = w.Write([]byte(`{"verify_keys":{`))
			for i := range 1 << 16 {
				if _, err := fmt.Fprintf(w, `"ed25519:%d":{"key":%q},`, i, strings.Repeat("A", 1000)); err != nil {
					return
				}
			}
		},
		"nonsense": far.Say(200, `{"server_name":7,"verify_keys":[],"old_verify_keys":{"x":{"key":7,"expired_ts":"x"}},"valid_until_ts":"x"}`),
		"another's": func(w http.ResponseWriter, q *http.Request, next http.Handler) {
			fmt.Fprintf(w, `{"server_name":%q,"valid_until_ts":99999999999999,"verify_keys":{},"old_verify_keys":{},"signatures":{}}`, x.friend.Name)
		},
		"nested":  far.Say(200, strings.Repeat(`{"a":`, 50_000)+"1"+strings.Repeat("}", 50_000)),
		"nothing": far.Drop(),
	} {
		bad := far.New(t)
		bad.Hook("/_matrix/key/", hook)
		ghost := bad.User("ghost")
		x.room.SignedBy(bad.Signer())
		e := x.room.Build(ghost, "m.room.message", nil, far.Text("by nobody"), x.usual())
		x.sut.Transaction(nil, e).OK()
		x.holds("keys: " + name)
		if x.sees(x.room.ID, e.ID()) {
			t.Errorf("%s: it is shown", name)
		}
	}
}
