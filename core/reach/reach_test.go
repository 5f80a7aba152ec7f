package reach

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"freehold.example/base/bus"
	"freehold.example/base/dial"
	"freehold.example/core/outbox"
	"freehold.example/core/peer"
	"freehold.example/matrix/id"
)

// outside is a door and some servers, as a test has them.
type outside struct {
	mu        sync.Mutex // guards the rest
	side      dial.Side
	cut       dial.Scope
	silent    map[id.Server]time.Time
	witnesses []id.Server
	asked     []id.Server
}

func (o *outside) Side() dial.Side                    { o.mu.Lock(); defer o.mu.Unlock(); return o.side }
func (o *outside) CutState() dial.Scope               { return o.cut }
func (o *outside) SilentNow() map[id.Server]time.Time { return o.silent }

func (o *outside) Witness(but map[id.Server]bool) id.Server {
	for _, server := range o.witnesses {
		if !but[server] {
			return server
		}
	}
	return ""
}

func (o *outside) FetchKeys(_ context.Context, server id.Server) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, server)
	if server == "alive.example" {
		o.side = dial.Side{Heard: o.side.Failing.Add(time.Second)}
	}
	return nil
}

func (o *outside) Contacts(_ context.Context, servers []id.Server) (all []peer.Contact, err error) {
	for _, server := range servers {
		all = append(all, peer.Contact{Server: server, Last: start, Silent: o.silent[server]})
	}
	return all, nil
}

var start = time.UnixMilli(1e12)

// TestOutside: one server that does not answer is not a cut, if another does; when none of those that were heard of last does, it is.
func TestOutside(t *testing.T) {
	now := start
	o := &outside{}
	r := New(Config{
		Door: o, Peers: o, Gaps: func() map[id.Server]int { return nil }, Bus: new(bus.Local), Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	})
	if err := r.Register(prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	look := func(seconds int) {
		for range seconds {
			r.look(t.Context())
			r.work.Wait()
			now = now.Add(time.Second)
		}
	}
	want := func(what string, state State, since time.Time) {
		t.Helper()
		if got := r.Outside(); got.State != state || !got.Since.Equal(since) {
			t.Errorf("%s: got %+v, want %s since %v", what, got, state, since)
		}
	}
	never := time.Time{}
	look(1)
	want("at the start", Unknown, never)
	o.side.Failing = now
	look(30)
	want("nobody was ever met", Unknown, never)
	o.side = dial.Side{Heard: now}
	look(1)
	want("somebody answers", Reached, never)

	o.side.Failing, o.silent, o.witnesses = now, map[id.Server]time.Time{"gone.example": now}, []id.Server{"alive.example"}
	look(2)
	want("one is gone and another answers", Reached, never)
	if len(o.asked) != 1 {
		t.Errorf("%v were asked", o.asked)
	}

	failing := now
	o.side.Failing, o.witnesses, o.asked = now, []id.Server{"a.example", "b.example", "c.example", "d.example"}, nil
	look(4)
	want("who knows", Reached, never)
	look(20)
	want("none answers", CutOff, failing)
	if len(o.asked) != witnesses {
		t.Errorf("%v were asked", o.asked)
	}
	look(60)
	want("still", CutOff, failing)
	o.side = dial.Side{Heard: now}
	look(1)
	want("healed", Reached, never)

	for _, scope := range []dial.Scope{dial.CutOutside, dial.CutPeers, dial.CutAll} {
		began := now
		o.cut = scope
		look(3)
		want("a rehearsal", CutOff, began)
		if !r.Outside().Rehearsal {
			t.Error("it is not said that it is one")
		}
		o.cut = dial.CutNothing
		look(1)
		want("after the rehearsal", Reached, never)
	}
}

// TestView: a user is told of the servers of his rooms, those first that need it, and waiting ones are woken when that changes.
func TestView(t *testing.T) {
	now := start
	o := &outside{silent: map[id.Server]time.Time{"silent.example": start.Add(time.Minute)}}
	gaps := map[id.Server]int{"healing.example": 4}
	b := new(bus.Local)
	r := New(Config{
		Door: o, Peers: o, Gaps: func() map[id.Server]int { return gaps }, Bus: b, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Shared: func(context.Context, id.User) ([]id.Server, error) {
			return []id.Server{"fine.example", "healing.example", "silent.example"}, nil
		},
		Queues: func(context.Context) ([]outbox.Destination, error) {
			return []outbox.Destination{
				{Server: "silent.example", Events: 3, Rooms: 1, Messages: 2}, {Server: "healing.example", Rooms: gaps["healing.example"]}, {Server: "other.example", Events: 1},
			}, nil
		},
	})
	sleeper := b.Sleep(Topic)
	defer sleeper.Close()
	woken := func() bool {
		r.look(t.Context())
		now = now.Add(progressIn)
		select {
		case <-sleeper.C():
			return true
		default:
			return false
		}
	}
	if !woken() || woken() {
		t.Error("woken for nothing, or not at all")
	}
	gaps = map[id.Server]int{"healing.example": 1}
	if !woken() {
		t.Error("not woken by progress")
	}
	v, err := r.Of(t.Context(), "@a:b")
	if err != nil {
		t.Fatal(err)
	}
	want := []Server{
		{Server: "silent.example", State: Silent, Last: start, Since: start.Add(time.Minute), Events: 3, Rooms: 1, Others: 2},
		{Server: "healing.example", State: Healing, Last: start, Rooms: 1, OfRooms: 4},
		{Server: "fine.example", State: Reached, Last: start},
	}
	if d := cmp.Diff(want, v.Servers); d != "" || v.More != 0 {
		t.Errorf("got %+v: %s", v, d)
	}
	gaps = nil
	o.silent = nil
	if !woken() {
		t.Error("not woken by the end")
	}
}
