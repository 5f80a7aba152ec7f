package appservice

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
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
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	alice = id.User("@alice:a.test")
	ghost = id.User("@_irc_ghost:a.test")
)

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

// bridge is an application service that writes down what it is told.
type bridge struct {
	t      *testing.T
	server *httptest.Server

	mu     sync.Mutex
	status int                 // what it answers
	body   string              // and with what
	told   map[string][]string // event ids by transaction
	bodies []transaction       // of those that were taken, in order, each once
	taken  map[string]bool     // by transaction
	order  []string            // transactions, each time they came
}

func newBridge(t *testing.T) *bridge {
	b := &bridge{t: t, status: http.StatusOK, told: map[string][]string{}, taken: map[string]bool{}}
	b.server = httptest.NewServer(b)
	t.Cleanup(b.server.Close)
	return b
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer hs-secret" {
		b.t.Errorf("%s %s: without this server's token", r.Method, r.URL)
	}
	if strings.HasSuffix(r.URL.Path, "/ping") {
		w.WriteHeader(b.status)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	var txn struct {
		Events []struct {
			ID string `json:"event_id"`
		}
	}
	if err := json.Unmarshal(body, &txn); err != nil {
		b.t.Errorf("%s: %v", body, err)
	}
	ids := []string{}
	for _, e := range txn.Events {
		ids = append(ids, e.ID)
	}
	name := path.Base(r.URL.Path)
	if before, again := b.told[name]; again && strings.Join(before, " ") != strings.Join(ids, " ") {
		b.t.Errorf("transaction %s is another one when it is sent again", name)
	}
	b.told[name] = ids
	b.order = append(b.order, name)
	if b.status == http.StatusOK && !b.taken[name] {
		b.taken[name] = true
		var t transaction
		if err := json.Unmarshal(body, &t); err != nil {
			b.t.Error(err)
		}
		b.bodies = append(b.bodies, t)
	}
	w.WriteHeader(b.status)
	_, _ = io.WriteString(w, b.body)
}

// events are the ids of what the bridge was told, each transaction once.
func (b *bridge) events() (all []string, tries int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := map[string]bool{}
	for _, txn := range b.order {
		if !seen[txn] {
			seen[txn] = true
			all = append(all, b.told[txn]...)
		}
	}
	return all, len(b.order)
}

func (b *bridge) answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

type world struct {
	t       *testing.T
	rooms   *room.Rooms
	bridge  *bridge
	service *Service
	config  QueueConfig
	devices map[id.User]map[id.Device]string
}

func newWorld(t *testing.T, db *sqldb.DB) *world {
	t.Helper()
	w := &world{t: t, bridge: newBridge(t), devices: map[id.User]map[id.Device]string{alice: {"A": ""}, ghost: {"G": ""}}}
	wakes := new(bus.Local)
	log := slog.New(slog.DiscardHandler)
	var err error
	w.rooms, err = room.New(room.Config{
		DB: db, Bus: wakes, Profiles: noProfiles{}, Server: "a.test", Now: time.Now, Log: log,
		Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := Load(folder(t, map[string]string{"irc.yaml": strings.Replace(irc, "http://127.0.0.1:1234", w.bridge.server.URL, 1)}), "a.test")
	if err != nil {
		t.Fatal(err)
	}
	w.service = all.All()[0]
	line, err := NewLine(dial.New(dial.Config{Now: time.Now}), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	devices := func(_ *sqldb.Tx, user id.User) (map[id.Device]string, error) { return w.devices[user], nil }
	passing := ephemeral.New(ephemeral.Config{DB: db, Bus: wakes, Rooms: w.rooms, Presence: true, Now: time.Now, Log: log})
	t.Cleanup(passing.Close)
	w.config = QueueConfig{
		DB: db, Bus: wakes, Rooms: w.rooms, Line: line, Now: time.Now, Log: log, Ephemeral: passing,
		Inbox:   inbox.New(inbox.Config{DB: db, Wake: wakes.Wake, Server: "a.test", Now: time.Now, Devices: devices, Service: all.Messages}),
		Keys:    keys.New(keys.Config{DB: db, Wake: wakes.Wake, Rooms: w.rooms, Server: "a.test", Log: log, Devices: devices}),
		Aliases: func(*sqldb.Tx, id.Room) ([]id.Alias, error) { return nil, nil },
	}
	return w
}

// run delivers until stop is called. What is said after it has come back is told: a queue that is new begins with what comes.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- NewQueue(w.config, w.service).Run(ctx) }()
	for begun := 0; begun == 0; {
		if err := w.config.DB.Read(ctx, func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM appservice_queue`).Scan(&begun) }); err != nil {
			w.t.Fatal(err)
		}
	}
	return func() {
		w.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

func as(u id.User) room.Caller { return room.Caller{User: u} }

func (w *world) room(by id.User) id.Room {
	w.t.Helper()
	made, err := w.rooms.Create(w.t.Context(), as(by), room.CreateRequest{Preset: "public_chat"})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

func (w *world) say(in id.Room, by id.User, body string) string {
	w.t.Helper()
	sent, err := w.rooms.Send(w.t.Context(), as(by), in, room.Draft{Type: "m.room.message", Content: fmt.Appendf(nil, `{"body":%q}`, body)}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return string(sent)
}

// until waits for the bridge to have heard of an event, and gives all it has heard.
func (w *world) until(event string) []string {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		all, _ := w.bridge.events()
		if len(all) > 0 && all[len(all)-1] == event {
			return all
		}
		if time.Now().After(end) {
			w.t.Fatalf("the bridge was not told of %s; it has %v", event, all)
		}
	}
}

// tried waits for one more transaction to be sent.
func (w *world) tried() {
	w.t.Helper()
	_, before := w.bridge.events()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, tries := w.bridge.events(); tries > before {
			return
		}
		if time.Now().After(end) {
			w.t.Fatal("nothing is sent")
		}
	}
}

// A service hears of what its users do and of everything in the rooms they are in, in order, and of nothing else.
func TestWhatIsTold(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		private, shared := w.room(alice), w.room(alice)
		w.say(shared, alice, "before the service was there")
		stop := w.run()
		defer func() { stop() }()
		for !w.config.Bus.Has(room.Log) {
			time.Sleep(time.Millisecond)
		}
		begun := w.say(shared, ghostJoins(w, shared), "a ghost speaks")
		w.until(begun)
		w.say(private, alice, "nobody's business")
		want := []string{begun}
		for i := range 250 {
			want = append(want, w.say(shared, alice, fmt.Sprint(i)))
		}
		got := w.until(want[len(want)-1])
		got = got[len(got)-len(want):]
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %v, want %v", got, want)
		}
		if err := w.rooms.Leave(t.Context(), as(ghost), shared, ""); err != nil {
			t.Fatal(err)
		}
		w.until(w.say(w.room(ghost), ghost, "elsewhere"))
		alone := w.say(shared, alice, "the ghost is gone")
		w.until(w.say(w.room(ghost), ghost, "elsewhere"))
		back := w.say(shared, ghostJoins(w, shared), "and back")
		w.until(back)
		all := w.until(w.say(shared, alice, "welcome"))
		if slices.Contains(all, alone) {
			t.Error("told of what was said without its users")
		}
	})
}

// Who is in a room when something is said there decides, and not who is when the service hears of it.
func TestToldOfThen(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		stop := w.run()
		shared := w.room(alice)
		w.until(w.say(w.room(ghost), ghost, "it is there"))
		stop()
		before := w.say(shared, alice, "before the ghost comes")
		during := w.say(shared, ghostJoins(w, shared), "the ghost is here")
		if err := w.rooms.SetMemberProfile(t.Context(), ghost, "Ghost", ""); err != nil {
			t.Fatal(err)
		}
		still := w.say(shared, alice, "still here")
		if err := w.rooms.Leave(t.Context(), as(ghost), shared, ""); err != nil {
			t.Fatal(err)
		}
		after := w.say(shared, alice, "after the ghost has gone")
		stop = w.run()
		defer func() { stop() }()
		all := w.until(w.say(w.room(ghost), ghost, "it is back"))
		for e, want := range map[string]bool{before: false, during: true, still: true, after: false} {
			if got := slices.Contains(all, e); got != want {
				t.Errorf("told of %s: %t, want %t", e, got, want)
			}
		}
	})
}

func ghostJoins(w *world, in id.Room) id.User {
	w.t.Helper()
	if err := w.rooms.Join(w.t.Context(), as(ghost), in, "", nil); err != nil {
		w.t.Fatal(err)
	}
	return ghost
}

// A service that refuses, or is down over a restart of this server, is told the same under the same id until it takes it.
func TestToldAgain(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		stop := w.run()
		in := w.room(ghost)
		first := w.say(in, ghost, "first")
		w.until(first)
		w.bridge.answer(http.StatusInternalServerError)
		second := w.say(in, aliceJoins(w, in), "second")
		w.tried()
		stop()
		third := w.say(in, ghost, "third")
		stop = w.run()
		w.tried()
		w.bridge.answer(http.StatusOK)
		all := w.until(third)
		stop()
		seen := map[string]int{}
		for _, e := range all {
			seen[e]++
		}
		for _, e := range []string{first, second, third} {
			if seen[e] != 1 {
				t.Errorf("told %d times of %s", seen[e], e)
			}
		}
	})
}

func aliceJoins(w *world, in id.Room) id.User {
	w.t.Helper()
	if err := w.rooms.Join(w.t.Context(), as(alice), in, "", nil); err != nil {
		w.t.Fatal(err)
	}
	return alice
}

func TestPing(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	if _, err := w.config.Line.Ping(t.Context(), w.service, "txn"); err != nil {
		t.Error(err)
	}
	w.bridge.answer(http.StatusForbidden)
	if _, err := w.config.Line.Ping(t.Context(), w.service, ""); !fault.Is(err, fault.BadStatus) {
		t.Errorf("got %v, want M_BAD_STATUS", err)
	}
	w.bridge.server.Close()
	if _, err := w.config.Line.Ping(t.Context(), w.service, ""); !fault.Is(err, fault.ConnectionFailed) {
		t.Errorf("got %v, want M_CONNECTION_FAILED", err)
	}
	w.service.URL = nil
	if _, err := w.config.Line.Ping(t.Context(), w.service, ""); !fault.Is(err, fault.URLNotSet) {
		t.Errorf("got %v, want M_URL_NOT_SET", err)
	}
}
