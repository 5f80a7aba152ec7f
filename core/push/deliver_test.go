package push_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/dial"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/ephemeral"
	"freehold.example/core/notify"
	"freehold.example/core/person"
	"freehold.example/core/push"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/core/thread"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

const (
	alice = id.User("@alice:a.test")
	bob   = id.User("@bob:a.test")
)

type noProfiles struct{}

func (noProfiles) MemberProfile(_ context.Context, u id.User) (string, string, error) {
	return strings.ToUpper(u.Localpart()), "", nil
}

// world is a server with push.
type world struct {
	t     testing.TB
	rooms *room.Rooms
	soon  *ephemeral.Ephemeral
	push  *push.Push
	again func() *push.Push // another program on the same database
}

func newWorld(t testing.TB, db *sqldb.DB) *world {
	t.Helper()
	log, wakes := slog.New(slog.DiscardHandler), new(bus.Local)
	rooms, err := room.New(room.Config{
		DB: db, Bus: wakes, Profiles: noProfiles{}, Server: "a.test", Now: time.Now, Log: log,
		Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	people := person.New(person.Config{
		DB: db, Bus: wakes, Rooms: rooms, Server: "a.test", Log: log,
		Exists: func(*sqldb.Tx, id.User) (bool, error) { return true, nil },
	})
	w := &world{t: t, rooms: rooms, soon: ephemeral.New(ephemeral.Config{DB: db, Bus: wakes, Rooms: rooms, Now: time.Now, Log: log})}
	t.Cleanup(w.soon.Close)
	w.again = func() *push.Push {
		p, err := push.New(push.Config{
			DB: db, Rooms: rooms, Notify: notify.New(notify.Config{
				Rooms: rooms, People: people, Ephemeral: w.soon, Threads: thread.New(thread.Config{DB: db, Rooms: rooms, Wake: wakes.Wake}),
			}),
			Door: dial.New(dial.Config{Now: time.Now}), Now: time.Now, Log: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	w.push = w.again()
	return w
}

// run runs a push until the function it gives is called.
func (w *world) run(p *push.Push) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

func (w *world) room(others ...id.User) id.Room {
	w.t.Helper()
	in, err := w.rooms.Create(w.t.Context(), room.Caller{User: alice}, room.CreateRequest{Preset: "public_chat", Name: "The room"})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, u := range others {
		if err := w.rooms.Join(w.t.Context(), room.Caller{User: u}, in, "", nil); err != nil {
			w.t.Fatal(err)
		}
	}
	return in
}

func (w *world) say(in id.Room, body string) id.Event {
	w.t.Helper()
	sent, err := w.rooms.Send(w.t.Context(), room.Caller{User: alice}, in, room.Draft{
		Type: "m.room.message", Content: fmt.Appendf(nil, `{"msgtype":"m.text","body":%q}`, body),
	}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return sent
}

// told is what a gateway was told.
type told struct {
	Event    id.Event `json:"event_id"`
	Room     id.Room  `json:"room_id"`
	Type     string
	Sender   id.User
	Name     string `json:"sender_display_name"`
	RoomName string `json:"room_name"`
	Target   bool   `json:"user_is_target"`
	Prio     string
	Content  struct{ Body string }
	Counts   struct{ Unread *int }
	Devices  []struct {
		AppID  string `json:"app_id"`
		Key    string `json:"pushkey"`
		Since  int64  `json:"pushkey_ts"`
		Data   map[string]any
		Tweaks map[string]any
	}
}

// unread is the count that the gateway was told; -1: none.
func unread(n told) int {
	if n.Counts.Unread == nil {
		return -1
	}
	return *n.Counts.Unread
}

// gateway is one that answers as it is told to.
type gateway struct {
	*httptest.Server
	t    testing.TB
	told chan told

	mu     sync.Mutex
	status int
	answer string
}

func newGateway(t testing.TB) *gateway {
	g := &gateway{t: t, told: make(chan told, 100)}
	g.says(200, `{"rejected":[]}`)
	g.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body struct{ Notification told }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.URL.Path != "/_matrix/push/v1/notify" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		rw.WriteHeader(g.status)
		_, _ = rw.Write([]byte(g.answer))
		g.told <- body.Notification
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) says(status int, answer string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status, g.answer = status, answer
}

// next is the next thing the gateway is told.
func (g *gateway) next() told {
	g.t.Helper()
	select {
	case n := <-g.told:
		return n
	case <-time.After(time.Minute):
		g.t.Fatal("the gateway was told nothing")
		return told{}
	}
}

func (g *gateway) pusher(key, data string) push.Pusher {
	x := phone(key)
	x.URL, x.Data = g.URL+"/_matrix/push/v1/notify", json.RawMessage(data)
	return x
}

func TestAGatewayIsTold(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w, g := newWorld(t, db), newGateway(t)
		in := w.room(bob)
		w.say(in, "before the pusher")
		set(t, w.push, bob, "B", g.pusher("full", `{"brand":"x"}`), false)
		w.run(w.push)
		sent := w.say(in, "hello")
		got := g.next()
		if got.Event != sent || got.Room != in || got.Sender != alice || got.Name != "ALICE" || got.Content.Body != "hello" ||
			got.RoomName != "The room" || got.Type != "m.room.message" || unread(got) < 1 {
			t.Errorf("got %+v", got)
		}
		d := got.Devices[0]
		if d.AppID != "app" || d.Key != "full" || d.Data["brand"] != "x" || d.Data["url"] != nil || d.Since == 0 {
			t.Errorf("device: %+v", d)
		}
		set(t, w.push, bob, "B", g.pusher("full", `{"format":"event_id_only"}`), false)
		sent = w.say(in, "hello again")
		if got := g.next(); got.Event != sent || got.Content.Body != "" || got.Sender != "" || len(got.Devices) != 1 {
			t.Errorf("event_id_only: got %+v", got)
		}
	})
}

func TestInvitationIsTold(t *testing.T) {
	w, g := newWorld(t, sqldbtest.SQLite(t, schema.FS)), newGateway(t)
	in := w.room()
	set(t, w.push, bob, "B", g.pusher("k", `{}`), false)
	w.run(w.push)
	if err := w.rooms.Invite(t.Context(), room.Caller{User: alice}, in, bob, ""); err != nil {
		t.Fatal(err)
	}
	if got := g.next(); !got.Target || got.Type != "m.room.member" || got.Prio != "high" {
		t.Errorf("got %+v", got)
	}
}

// What could not be delivered is delivered later, in order, also by a program that is started again.
func TestAGatewayThatFails(t *testing.T) {
	w, g := newWorld(t, sqldbtest.SQLite(t, schema.FS)), newGateway(t)
	good := newGateway(t)
	in := w.room(bob)
	set(t, w.push, bob, "B", g.pusher("bad", `{}`), false)
	set(t, w.push, bob, "B", good.pusher("good", `{}`), false)
	stop := w.run(w.push)
	g.says(503, "")
	var sent []id.Event
	for i := range 3 {
		sent = append(sent, w.say(in, fmt.Sprint(i)))
	}
	g.next()
	for _, e := range sent {
		if got := good.next(); got.Event != e {
			t.Errorf("the gateway that works is told of %s, want %s", got.Event, e)
		}
	}
	stop()
	for len(g.told) > 0 {
		<-g.told
	}
	g.says(200, `{"rejected":[]}`)
	w.run(w.again())
	var got []id.Event
	for range sent {
		got = append(got, g.next().Event)
	}
	if !slices.Equal(got, sent) {
		t.Errorf("got %v, want %v", got, sent)
	}
	time.Sleep(500 * time.Millisecond)
	if len(g.told)+len(good.told) > 0 {
		t.Error("something was told twice")
	}
}

func TestARejectedKey(t *testing.T) {
	w, g := newWorld(t, sqldbtest.SQLite(t, schema.FS)), newGateway(t)
	in := w.room(bob)
	set(t, w.push, bob, "B", g.pusher("old", `{}`), false)
	w.run(w.push)
	g.says(200, `{"rejected":["old"]}`)
	w.say(in, "hello")
	g.next()
	for end := time.Now().Add(time.Minute); len(keys(t, w.push, bob)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the pusher is still there")
		}
	}
	w.say(in, "hello again")
	time.Sleep(700 * time.Millisecond)
	if len(g.told) > 0 {
		t.Errorf("a rejected key is told %+v", <-g.told)
	}
}
