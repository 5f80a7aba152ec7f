package wake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/base/link"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// world is everybody that a Wake has to do with.
type world struct {
	mu     sync.Mutex // guards all below
	asked  []string   // in order
	poked  map[id.Server][]edu
	due    []id.Server // silent servers
	down   map[id.Server]bool
	woken  []id.Server
	all    int // times that all were woken
	retry  int
	have   map[id.Event]bool
	taken  []string
	ways   link.Ways
	shared []room.Shared

	silent   int // it is set before a Wake is made
	calledOf []id.Server
}

func (w *world) Ask(_ context.Context, q peer.Question, out any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down[q.Server] {
		return errors.New("down")
	}
	w.asked = append(w.asked, string(q.Server)+" "+q.Method+" "+path.Dir(q.Path))
	if e, is := strings.CutPrefix(q.Path, "/_matrix/federation/v1/event/"); is {
		if strings.HasPrefix(e, "$no") {
			return &peer.AnswerError{Server: q.Server, Status: 404, Code: fault.NotFound}
		}
		return json.Unmarshal(fmt.Appendf(nil, `{"pdus":[%q]}`, e), out)
	}
	var sent struct {
		EDUs []edu `json:"edus"`
		PDUs []any `json:"pdus"`
	}
	b, err := json.Marshal(q.Content)
	if err != nil || json.Unmarshal(b, &sent) != nil || sent.PDUs == nil {
		return errors.New("no transaction")
	}
	w.poked[q.Server] = append(w.poked[q.Server], sent.EDUs...)
	return json.Unmarshal([]byte(`{"pdus":{},"org.freehold.wakeup":true}`), out)
}

func (w *world) Met(context.Context, int) ([]id.Server, error) {
	return []id.Server{"b", "c", "d"}, nil
}

func (w *world) ToCall(n int) []id.Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	some := w.due[:max(min(n, len(w.due)), 0)]
	w.due = w.due[len(some):]
	return some
}

func (w *world) ToCallOf(servers []id.Server) []id.Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calledOf = append(w.calledOf, servers...)
	return nil
}

func (w *world) CallAll()    {}
func (w *world) Silent() int { return w.silent }
func (w *world) Retry() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retry++
}

func (w *world) Wake(server id.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken = append(w.woken, server)
}

func (w *world) WakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all++
}

func (w *world) EachShared(_ context.Context, fn func(room.Shared) error) error {
	for _, s := range w.shared {
		if err := fn(s); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) Gate(_ *sqldb.Tx, in id.Room, from id.Server) (room.Gate, bool, error) {
	i := slices.IndexFunc(w.shared, func(s room.Shared) bool { return s.Room == in })
	return room.Gate{Room: room.NID(i), Denied: from == "denied"}, i >= 0, nil
}

func (w *world) Servers(_ *sqldb.Tx, nid room.NID) ([]id.Server, error) {
	return slices.Sorted(slices.Values(append([]id.Server{"a", "denied"}, w.shared[nid].Servers...))), nil
}

func (w *world) Have(_ *sqldb.Tx, events []id.Event) (map[id.Event]bool, error) {
	out := maps.Clone(w.have)
	maps.DeleteFunc(out, func(e id.Event, _ bool) bool { return !slices.Contains(events, e) })
	return out, nil
}

func (w *world) take(_ context.Context, from id.Server, raws []json.RawMessage) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, raw := range raws {
		w.taken = append(w.taken, fmt.Sprintf("%s %s", from, raw))
	}
	return nil
}

func (w *world) look() (link.Ways, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.ways), nil
}

func newWorld() *world {
	return &world{
		poked: map[id.Server][]edu{}, down: map[id.Server]bool{}, have: map[id.Event]bool{}, ways: link.Ways{"a cable": {}},
		shared: []room.Shared{
			{Room: "!one:a", Servers: []id.Server{"b", "c"}, Heads: []id.Event{"$1", "$2"}},
			{Room: "!two:a", Servers: []id.Server{"c"}, Heads: []id.Event{"$3"}},
		},
	}
}

func (w *world) open(db *sqldb.DB) *Wake {
	return New(Config{
		DB: db, Peers: w, Rooms: w, Outbox: w, Server: "a", Take: w.take, Link: link.Watch{Look: w.look}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
}

// TestReturns: at the start, when a way appears and when the machine was asleep, everybody with whom rooms are shared is poked,
// and nobody else; not more often than all fifteen seconds.
func TestReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.open(nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		time.Sleep(5 * time.Second)
		rounds := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.retry != w.all || len(w.asked) != 2+2*w.all || len(w.poked["d"]) > 0 {
				t.Errorf("%d times all waits ended, %d times all were woken; asked %v", w.retry, w.all, w.asked)
			}
			return w.all
		}
		if n := rounds(); n != 1 {
			t.Errorf("%d rounds at the start", n)
		}
		for range 6 { // a loose contact
			time.Sleep(2 * time.Second)
			w.mu.Lock()
			w.ways = link.Ways{}
			w.mu.Unlock()
			time.Sleep(2 * time.Second)
			w.mu.Lock()
			w.ways = link.Ways{"a cable": {}}
			w.mu.Unlock()
		}
		time.Sleep(20 * time.Second)
		if n := rounds(); n < 2 || n > 4 {
			t.Errorf("%d rounds for a loose contact of 24 seconds", n)
		}
		w.mu.Lock()
		c := w.poked["c"][0]
		if c.Type != EDU || len(c.Content.Rooms) != 2 || !slices.Equal(c.Content.Rooms["!one:a"], []id.Event{"$1", "$2"}) {
			t.Errorf("told %+v", c)
		}
		w.mu.Unlock()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		k.Close()
	})
}

// TestCalls: silent servers are called, a few in a second, and who is back is sent to and told.
func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.open(nil)
		go func() { _ = k.Run(t.Context()) }()
		time.Sleep(20*time.Second + tick/2) // between two ticks
		w.mu.Lock()
		w.asked, w.woken = nil, nil
		for i := range 100 {
			w.due = append(w.due, id.Server(fmt.Sprint("s", i)))
		}
		w.down["c"] = true
		w.mu.Unlock()
		time.Sleep(10 * time.Second)
		asked := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.asked)
		}
		if n := asked(); n != 20 {
			t.Errorf("%d were called in ten seconds, want two in each", n)
		}
		k.Back("b")
		time.Sleep(3 * time.Second)
		w.mu.Lock()
		if !slices.Equal(w.woken, []id.Server{"b"}) || len(w.due) != 0 || !slices.Contains(w.asked, "b PUT /_matrix/federation/v1/send") {
			t.Errorf("woken %v; %d are still to be called; asked %v", w.woken, len(w.due), w.asked)
		}
		w.mu.Unlock()
	})
}

// TestPull: who is poked asks for what it lacks, in rooms that it is in itself, however often it is poked.
func TestPull(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld()
		k := w.open(db)
		w.have["$1"] = true
		said := `{"rooms":{"!one:a":["$1","$2","$no","$4"],"!two:a":["$9"],"!unknown:a":["$8"]}}`
		for _, from := range []id.Server{"b", "denied"} {
			for range 100 {
				if err := k.Poked(t.Context(), from, []byte(said)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := k.Poked(t.Context(), "caller", []byte(`{}`)); err != nil || k.pulls["caller"] != nil {
			t.Errorf("a call keeps the poke after it waiting (%v)", err)
		}
		if err := k.Poked(t.Context(), "b", []byte(`{"rooms":[]}`)); !fault.Is(err, fault.BadJSON) {
			t.Errorf("rubbish: %v", err)
		}
		until := func(what string, is func() bool) {
			t.Helper()
			for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
				w.mu.Lock()
				ok := is()
				w.mu.Unlock()
				if ok {
					return
				}
				if time.Now().After(end) {
					t.Fatalf("%s: it does not happen; %v", what, w.asked)
				}
			}
		}
		until("three events", func() bool { return len(w.taken) == 3 && len(w.woken) == 2 })
		k.Close()
		if want := []string{`b "$2"`, `b "$4"`, `b "$9"`}; !slices.Equal(slices.Sorted(slices.Values(w.taken)), want) {
			t.Errorf("got %v, want %v", w.taken, want)
		}
		if n := len(w.asked); n != 4 {
			t.Errorf("asked %d times: %v", n, w.asked)
		}
	})
}

// TestLooked: what is missing in a room that somebody looks at is fetched first, and the room's silent servers are called.
func TestLooked(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld()
		w.silent = 1
		k := w.open(db)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		defer func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			k.Close()
		}()
		for range 3 {
			k.Looked("!two:a")
		}
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			w.mu.Lock()
			of := slices.Clone(w.calledOf)
			w.mu.Unlock()
			if len(of) > 0 {
				if !slices.Equal(of, []id.Server{"a", "c", "denied"}) {
					t.Errorf("called %v", of)
				}
				break
			}
			if time.Now().After(end) {
				t.Fatal("the room's servers are not called")
			}
		}
		var order []id.Room
		for i := range 3 * perFetch {
			order = append(order, id.Room(fmt.Sprint("!", i, ":a")))
		}
		order = append(order, "!two:a")
		some, rest := k.first(order)
		if !slices.Equal(some, []id.Room{"!two:a"}) || len(rest) != 3*perFetch {
			t.Errorf("first %v, then %v", some, rest)
		}
		if some, rest = k.first(rest); len(some) != perFetch || len(rest) != 2*perFetch {
			t.Errorf("then %v, and %v", some, rest)
		}
		for i := range 2 * maxLooked {
			k.Looked(id.Room(fmt.Sprint("!", i)))
		}
		if n := len(k.looked.at); n > maxLooked {
			t.Errorf("%d rooms are remembered", n)
		}
	})
}
