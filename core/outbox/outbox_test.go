package outbox_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/outbox"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const alice = id.User("@alice:a.test")

func as(u id.User) room.Caller { return room.Caller{User: u, Device: "DEV"} }

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

// heard is a transaction as the far side has it.
type heard struct {
	ID   string
	PDUs []json.RawMessage `json:"pdus"`
	EDUs []struct {
		Type    string          `json:"edu_type"`
		Content json.RawMessage `json:"content"`
	} `json:"edus"`
	Origin id.Server `json:"origin"`
}

// bodies are what the messages among the events say, and of others their type.
func (h heard) bodies() []string {
	var out []string
	for _, pdu := range h.PDUs {
		var e struct {
			Type    string
			Content struct{ Body, Membership string }
		}
		_ = json.Unmarshal(pdu, &e)
		switch {
		case e.Content.Body != "":
			out = append(out, e.Content.Body)
		case e.Content.Membership != "":
			out = append(out, e.Content.Membership)
		default:
			out = append(out, e.Type)
		}
	}
	return out
}

// far is the other servers, in memory.
type far struct {
	mu   sync.Mutex
	down map[id.Server]error // these fail
	slow map[id.Server]chan struct{}
	next map[id.Server]time.Time
	got  map[id.Server][]heard
	lost map[id.Server]bool // the answers of these are lost, once
	open int
	most int // at once
}

func newFar() *far {
	return &far{
		down: map[id.Server]error{}, slow: map[id.Server]chan struct{}{}, next: map[id.Server]time.Time{}, got: map[id.Server][]heard{},
		lost: map[id.Server]bool{},
	}
}

func (f *far) Next(server id.Server) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next[server]
}

func (f *far) Ask(ctx context.Context, q peer.Question, _ any) error {
	f.mu.Lock()
	f.open++
	f.most = max(f.most, f.open)
	slow := f.slow[q.Server]
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.open--
	}()
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	body, err := json.Marshal(q.Content)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.down[q.Server]; err != nil {
		return err
	}
	h := heard{ID: strings.TrimPrefix(q.Path, "/_matrix/federation/v1/send/")}
	if err := json.Unmarshal(body, &h); err != nil {
		return err
	}
	f.got[q.Server] = append(f.got[q.Server], h)
	if f.lost[q.Server] {
		delete(f.lost, q.Server)
		return errors.New("the answer was lost")
	}
	return nil
}

func (f *far) set(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

// transactions are those that a server has taken.
func (f *far) transactions(server id.Server) []heard {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got[server])
}

// bodies are all messages that a server has heard, in their order.
func (f *far) bodies(server id.Server) []string {
	var out []string
	for _, h := range f.transactions(server) {
		out = append(out, h.bodies()...)
	}
	return out
}

// world is a server with rooms, an outbox, and others in memory.
type world struct {
	t     testing.TB
	db    *sqldb.DB
	rooms *room.Rooms
	out   *outbox.Outbox
	far   *far
	line  outbox.Line // what is used in its place; nil for none
	stop  func()

	entered chan id.Server // that have come into a room which has forked
}

func newWorld(t testing.TB, db *sqldb.DB) *world {
	t.Helper()
	signer := event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	rooms, err := room.New(room.Config{
		DB: db, Bus: new(bus.Local), Profiles: noProfiles{}, Server: "a.test", Signer: signer, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, rooms: rooms, far: newFar(), entered: make(chan id.Server, 10)}
	w.restart()
	return w
}

// restart is a new process on the same database: what was in memory is gone.
func (w *world) restart() {
	w.t.Helper()
	w.start()
	w.t.Cleanup(func() { w.stop() })
}

func (w *world) start() {
	line := w.line
	if line == nil {
		line = w.far
	}
	w.out = outbox.New(outbox.Config{
		DB: w.db, Bus: w.rooms.Bus, Rooms: w.rooms, Line: line, Server: "a.test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Entered: func(server id.Server) { w.entered <- server },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	out := w.out
	go func() { done <- out.Run(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Error(err)
			}
		})
	}
	for w.state("") == nil { // until it runs
		time.Sleep(time.Millisecond)
	}
}

// kill ends the process: what is on disk stays as it is.
func (w *world) kill() {
	w.t.Helper()
	var cursor int64
	type gap struct {
		server string
		room   int64
		after  int64
	}
	var gaps []gap
	err := w.db.Read(context.Background(), func(tx *sqldb.Tx) (err error) {
		if err := tx.Row(`SELECT pos FROM outbox_cursor`).Scan(&cursor); err != nil {
			return err
		}
		gaps, err = sqldb.All(tx, func(row sqldb.Scanner) (g gap, err error) { return g, row.Scan(&g.server, &g.room, &g.after) },
			`SELECT server, room, after_pos FROM outbox_gap`)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.stop()
	err = w.db.Write(context.Background(), func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(`UPDATE outbox_cursor SET pos = $1`, cursor); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM outbox_gap`); err != nil {
			return err
		}
		for _, g := range gaps {
			if _, err := tx.Exec(`INSERT INTO outbox_gap (server, room, after_pos) VALUES ($1, $2, $3)`, g.server, g.room, g.after); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// state is what is reported of a server; of "" something once it runs.
func (w *world) state(server id.Server) *outbox.Destination {
	w.t.Helper()
	if server == "" && w.out.Running() {
		return &outbox.Destination{}
	}
	var all []outbox.Destination
	err := w.db.Read(context.Background(), func(tx *sqldb.Tx) (err error) {
		all, err = w.out.Report(tx)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range all {
		if d.Server == server {
			return &d
		}
	}
	return nil
}

func (w *world) await(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("in vain: %s", what)
		}
	}
}

// create makes a public room with a user of each of the servers in it.
func (w *world) create(servers ...id.Server) id.Room {
	w.t.Helper()
	in, err := w.rooms.Create(context.Background(), as(alice), room.CreateRequest{Preset: "public_chat"})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range servers {
		w.join(in, id.User("@user:"+string(s)))
	}
	w.say(in, alice, "hello")
	for _, s := range servers {
		w.await("the beginning", func() bool {
			return slices.ContainsFunc(w.far.transactions(s), func(h heard) bool {
				return slices.ContainsFunc(h.PDUs, func(b json.RawMessage) bool {
					return strings.Contains(string(b), "hello") && strings.Contains(string(b), string(in))
				})
			})
		})
		w.await("that it is idle", func() bool { return w.quiet(s) })
	}
	return in
}

func (w *world) join(in id.Room, u id.User) {
	w.t.Helper()
	if err := w.rooms.Join(context.Background(), as(u), in, "", nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) say(in id.Room, u id.User, body string) {
	w.t.Helper()
	d := room.Draft{Type: "m.room.message", Content: fmt.Appendf(nil, `{"msgtype":"m.text","body":%q}`, body)}
	if _, err := w.rooms.Send(context.Background(), as(u), in, d, ""); err != nil {
		w.t.Fatal(err)
	}
}

// sorted waits until all events have been looked at. Writes of other things may come after them, for which nobody is woken.
func (w *world) sorted() {
	w.t.Helper()
	var last sqldb.Pos
	err := w.db.Read(context.Background(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT max(pos) FROM event`).Scan(&last) })
	if err != nil {
		w.t.Fatal(err)
	}
	w.await("that all is sorted", func() bool { return w.out.Sorted() >= last })
}

func (w *world) queue(servers []id.Server, kind, key, content string) {
	w.t.Helper()
	err := w.db.Write(context.Background(), func(tx *sqldb.Tx) error {
		return w.out.Queue(tx, servers, kind, key, []byte(content))
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) { fn(t, newWorld(t, db)) })
}

func numbers(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint("m", i))
	}
	return out
}

// TestWhoHears: the servers in the room hear of what this server's users do, one that is thrown out hears of that, and
// nobody hears from this server what others' users do.
func TestWhoHears(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create("b.test", "c.test")
		w.say(in, alice, "one")
		w.say(in, "@user:b.test", "not ours to tell")
		if err := w.rooms.Kick(t.Context(), as(alice), in, "@user:c.test", ""); err != nil {
			t.Fatal(err)
		}
		w.say(in, alice, "two")
		w.join(in, "@user:d.test")
		w.say(in, alice, "three")
		w.await("the last message", func() bool {
			return slices.Contains(w.far.bodies("d.test"), "three") && slices.Contains(w.far.bodies("b.test"), "three")
		})
		for server, want := range map[id.Server][]string{
			"b.test": {"hello", "one", "leave", "two", "three"}, "c.test": {"hello", "one", "leave"}, "d.test": {"three"}, "a.test": nil,
		} {
			// The room engine of this test signs what users of other servers do, as if it came through this server. What
			// they say is no membership, and stays with them.
			got := slices.DeleteFunc(w.far.bodies(server), func(s string) bool { return s == "join" })
			want = slices.DeleteFunc(want, func(s string) bool { return s == "join" })
			if !slices.Equal(want, got) {
				t.Errorf("%s: got %v, want %v", server, got, want)
			}
		}
		for _, h := range w.far.transactions("b.test") {
			if h.Origin != "a.test" || len(h.PDUs) > 50 || h.ID == "" {
				t.Errorf("got origin %q, %d events, id %q", h.Origin, len(h.PDUs), h.ID)
			}
		}
	})
}

// TestLatestFirst: a server that was away is sent the newest of each room first, then the rest, and nothing is missing.
func TestLatestFirst(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 180
		one, two := w.create("b.test"), w.create("b.test")
		w.far.set(func() {
			w.far.down["b.test"], w.far.next["b.test"], w.far.got["b.test"] = errors.New("no route"), time.Now().Add(time.Hour), nil
		})
		w.say(one, alice, "first") // it is found to be away
		w.await("the failure", func() bool { d := w.state("b.test"); return d != nil && d.State == outbox.Waiting })
		for i := range n {
			w.say(one, alice, fmt.Sprint("m", i))
			w.say(two, alice, fmt.Sprint("k", i))
		}
		w.sorted()
		w.out.Ground("b.test") // as if a minute had gone by
		w.far.set(func() { delete(w.far.down, "b.test"); delete(w.far.next, "b.test") })
		w.out.Wake("b.test")
		w.await("everything", func() bool { return w.quiet("b.test") })
		all := w.far.transactions("b.test")
		first := all[0].bodies()
		if !slices.Contains(first, fmt.Sprint("m", n-1)) || !slices.Contains(first, fmt.Sprint("k", n-1)) || len(first) != 50 {
			t.Errorf("the first transaction has %v, want the last of each room", first)
		}
		times := map[string]int{}
		var order []string
		for _, b := range w.far.bodies("b.test") {
			times[b]++
			order = append(order, b)
		}
		for i := range n {
			for _, b := range []string{fmt.Sprint("m", i), fmt.Sprint("k", i)} {
				if times[b] != 1 {
					t.Errorf("%s came %d times", b, times[b])
				}
			}
		}
		rest := slices.DeleteFunc(slices.Clone(order[50:]), func(s string) bool { return s[0] != 'm' })
		if diff := cmp.Diff(numbers(0, n-25), rest); diff != "" {
			t.Errorf("the rest is not in order: %s", diff)
		}
		if times["first"] != 1 {
			t.Errorf("what was in flight came %d times", times["first"])
		}
	})
}

// TestHeldBack: while a server that is back asks for what it lacks, it is sent the newest events and what is new, and the rest
// when it does not ask any more.
func TestHeldBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 120
		in := w.create("b.test")
		w.far.set(func() {
			w.far.down["b.test"], w.far.next["b.test"], w.far.got["b.test"] = errors.New("no route"), time.Now().Add(time.Hour), nil
		})
		w.say(in, alice, "first")
		w.await("the failure", func() bool { d := w.state("b.test"); return d != nil && d.State == outbox.Waiting })
		for i := range n {
			w.say(in, alice, fmt.Sprint("m", i))
		}
		w.sorted()
		w.out.Ground("b.test") // as if a minute had gone by
		ctx, stop := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		asking.Go(func() {
			for ctx.Err() == nil {
				w.out.Asked("b.test")
				time.Sleep(time.Millisecond)
			}
		})
		w.out.Asked("b.test")
		w.far.set(func() { delete(w.far.down, "b.test"); delete(w.far.next, "b.test") })
		w.out.Wake("b.test")
		w.await("the newest", func() bool { return slices.Contains(w.far.bodies("b.test"), fmt.Sprint("m", n-1)) })
		w.say(in, alice, "new")
		w.await("what is new", func() bool { return slices.Contains(w.far.bodies("b.test"), "new") })
		if got := w.far.bodies("b.test"); len(got) > 60 {
			t.Errorf("it has been sent %d events", len(got))
		}
		stop()
		asking.Wait()
		w.await("everything", func() bool { return w.quiet("b.test") })
		got := w.far.bodies("b.test")
		for _, b := range numbers(0, n) {
			if !slices.Contains(got, b) {
				t.Errorf("%s has not come", b)
			}
		}
	})
}

// quiet says whether there is nothing left to tell a server.
func (w *world) quiet(server id.Server) bool {
	d := w.state(server)
	return d != nil && d.State == outbox.Idle && d.Events == 0 && d.Rooms == 0
}

// TestKilled: what was not told before the process ended is told by the next, whatever was written down.
func TestKilled(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create("b.test", "c.test")
		w.far.set(func() { w.far.down["b.test"], w.far.got["b.test"] = errors.New("no route"), nil })
		for i := range 20 {
			w.say(in, alice, fmt.Sprint("m", i))
		}
		w.queue([]id.Server{"b.test"}, "m.direct_to_device", "", `{"message_id":"1"}`)
		w.await("the other server", func() bool { return slices.Contains(w.far.bodies("c.test"), "m19") })
		w.kill()
		for i := range 20 {
			w.say(in, alice, fmt.Sprint("m", 20+i))
		}
		w.far.set(func() { delete(w.far.down, "b.test") })
		w.restart()
		w.await("everything", func() bool {
			got := w.far.bodies("b.test")
			return !slices.ContainsFunc(numbers(0, 40), func(s string) bool { return !slices.Contains(got, s) })
		})
		w.await("the message to a device", func() bool {
			return slices.ContainsFunc(w.far.transactions("b.test"), func(h heard) bool { return len(h.EDUs) == 1 })
		})
	})
}

// TestEarlierThanKnown: a process was killed while one event was in flight and a later one written down as missed. The next finds the
// first when it sorts the stream, while the later is in flight: its arrival is not that of all.
func TestEarlierThanKnown(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create("b.test")
		waits := func() bool { d := w.state("b.test"); return d != nil && d.State == outbox.Waiting }
		w.far.set(func() { w.far.down["b.test"], w.far.got["b.test"] = errors.New("no route"), nil })
		w.say(in, alice, "first")
		w.await("a failure", waits)
		w.say(in, alice, "second")
		w.await("what is missed to be on disk", func() bool {
			var n int
			err := w.db.Read(context.Background(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM outbox_gap`).Scan(&n) })
			return err == nil && n == 1
		})
		said := w.out.Sorted()
		w.kill()
		w.restart()
		w.await("another failure", func() bool { return waits() && w.out.Sorted() >= said })
		w.far.set(func() { delete(w.far.down, "b.test") })
		w.out.Wake("b.test")
		w.await("both", func() bool {
			got := w.far.bodies("b.test")
			return slices.Contains(got, "first") && slices.Contains(got, "second")
		})
	})
}

// TestMessages: what is queued arrives in order, in as few transactions as may be, and once; a later one with the same key
// replaces the one before; what passes is told as it is.
func TestMessages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.far.set(func() { w.far.down["b.test"], w.far.next["b.test"] = errors.New("no route"), time.Now().Add(time.Hour) })
		to := []id.Server{"b.test", "a.test", "b.test"}
		w.queue(to, "m.direct_to_device", "", `{"n":0}`)
		w.await("the failure", func() bool { d := w.state("b.test"); return d != nil && d.State == outbox.Waiting })
		for i := range 250 {
			w.queue(to, "m.direct_to_device", "", fmt.Sprintf(`{"n":%d}`, i+1))
		}
		for i := range 10 {
			w.queue(to, "m.device_list_update", "@alice:a.test", fmt.Sprintf(`{"stream_id":%d}`, i))
			w.out.Tell(to, "m.typing", "room", fmt.Appendf(nil, `{"typing":%d}`, i))
		}
		w.far.set(func() { delete(w.far.down, "b.test"); delete(w.far.next, "b.test") })
		w.out.Ground("b.test")
		w.out.WakeAll()
		w.await("everything", func() bool { return w.quiet("b.test") })
		var direct, others []string
		for _, h := range w.far.transactions("b.test") {
			if len(h.EDUs) > 100 {
				t.Errorf("a transaction has %d EDUs", len(h.EDUs))
			}
			for _, e := range h.EDUs {
				if e.Type == "m.direct_to_device" {
					direct = append(direct, string(e.Content))
				} else {
					others = append(others, e.Type+string(e.Content))
				}
			}
		}
		var want []string
		for i := range 251 {
			want = append(want, fmt.Sprintf(`{"n":%d}`, i))
		}
		if diff := cmp.Diff(want, direct); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{`m.device_list_update{"stream_id":9}`, `m.typing{"typing":9}`}, others); diff != "" {
			t.Error(diff)
		}
		if n := len(w.far.transactions("b.test")); n != 3 {
			t.Errorf("got %d transactions, want 3", n)
		}
		w.await("an empty queue", func() bool { return w.state("b.test").Messages == 0 })
	})
}

// TestLostAnswer: a transaction whose answer was lost is sent again under its id, as it was.
func TestLostAnswer(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	in := w.create("b.test")
	w.far.set(func() { w.far.lost["b.test"], w.far.got["b.test"] = true, nil })
	w.say(in, alice, "one")
	w.await("the failure", func() bool { return w.state("b.test").State == outbox.Waiting })
	w.say(in, alice, "two")
	w.out.Wake("b.test")
	w.await("the second", func() bool { return slices.Contains(w.far.bodies("b.test"), "two") })
	got := w.far.transactions("b.test")
	if len(got) != 3 || got[0].ID != got[1].ID || !slices.Equal(got[0].bodies(), got[1].bodies()) || !slices.Equal(got[2].bodies(), []string{"two"}) {
		t.Errorf("got %d transactions: %v", len(got), w.far.bodies("b.test"))
	}
}

// TestRefused: one event that a server refuses as malformed does not keep back the others.
func TestRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for half a minute")
	}
	t.Parallel()
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	in := w.create("b.test")
	w.far.set(func() {
		w.far.down["b.test"] = &peer.AnswerError{Server: "b.test", Status: 400, Code: fault.BadJSON}
	})
	w.say(in, alice, "bad")
	for range 3 {
		w.await("a refusal", func() bool { return w.state("b.test").State == outbox.Waiting })
		w.out.Wake("b.test")
	}
	w.await("that it is left out", func() bool { d := w.state("b.test"); return d.Events == 0 && d.Rooms == 0 })
	w.far.set(func() { delete(w.far.down, "b.test"); w.far.got["b.test"] = nil })
	w.say(in, alice, "good")
	w.out.Wake("b.test")
	w.await("the other", func() bool { return slices.Contains(w.far.bodies("b.test"), "good") })
	if slices.Contains(w.far.bodies("b.test"), "bad") {
		t.Error("it was sent again")
	}
}

// TestSlowServersCostNothing: hundreds of servers that do not answer keep nobody waiting.
func TestSlowServersCostNothing(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	hang := make(chan struct{})
	defer close(hang)
	servers := []id.Server{"b.test"}
	for i := range 300 {
		s := id.Server(fmt.Sprintf("dead%d.test", i))
		servers = append(servers, s)
		w.far.set(func() { w.far.slow[s] = hang })
	}
	slices.Reverse(servers)
	w.queue(servers, "m.direct_to_device", "", `{"message_id":"1"}`)
	began := time.Now()
	w.await("the one that answers", func() bool { return len(w.far.transactions("b.test")) == 1 })
	if took := time.Since(began); took > 30*time.Second { // the dead ones hang for good
		t.Errorf("it took %s", took)
	}
	in := w.create("b.test")
	began = time.Now()
	w.say(in, alice, "one")
	w.await("a message", func() bool { return slices.Contains(w.far.bodies("b.test"), "one") })
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("a message took %s", took)
	}
}

// TestBusyRoom: what this server's users said in a room in which others say much more is found for who was away, and who was
// thrown out meanwhile hears that and nothing that came after.
func TestBusyRoom(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create("b.test", "c.test")
		w.far.set(func() {
			for _, s := range []id.Server{"b.test", "c.test"} {
				w.far.down[s], w.far.next[s], w.far.got[s] = errors.New("no route"), time.Now().Add(time.Hour), nil
			}
		})
		w.say(in, alice, "m0")
		w.await("the failures", func() bool {
			return w.state("b.test").State == outbox.Waiting && w.state("c.test").State == outbox.Waiting
		})
		for i := 1; i < 4; i++ {
			w.say(in, alice, fmt.Sprint("m", i))
			for range 250 {
				w.say(in, "@user:c.test", "chatter")
			}
		}
		if err := w.rooms.Kick(t.Context(), as(alice), in, "@user:b.test", ""); err != nil {
			t.Fatal(err)
		}
		w.say(in, alice, "m4")
		w.sorted()
		w.far.set(func() { clear(w.far.down); clear(w.far.next) })
		w.out.WakeAll()
		w.await("everything", func() bool { return w.quiet("b.test") && w.quiet("c.test") })
		for server, want := range map[id.Server][]string{"b.test": {"leave", "m0", "m1", "m2", "m3"}, "c.test": {"leave", "m0", "m1", "m2", "m3", "m4"}} {
			got := w.far.bodies(server)
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", server, got, want)
			}
		}
	})
}
