package feed_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/notify"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/core/thread"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/event"
	"freehold.example/matrix/filter"
	"freehold.example/matrix/id"
)

const (
	alice = id.User("@alice:a.test")
	bob   = id.User("@bob:a.test")
	carol = id.User("@carol:a.test")
	dave  = id.User("@dave:a.test")
)

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

// world is the parts a feed reads from, on one database.
type world struct {
	t         testing.TB
	db        *sqldb.DB
	bus       *bus.Local
	rooms     *room.Rooms
	keys      *keys.Keys
	inbox     *inbox.Inbox
	ephemeral *ephemeral.Ephemeral
	people    *person.People
	threads   *thread.Threads
	feed      *feed.Feed
}

// limits are those of what the parts remember; 0 for the usual ones.
type limits struct {
	tailBytes, rows int
}

func newWorld(t testing.TB, db *sqldb.DB) *world {
	t.Helper()
	w := &world{t: t, db: db}
	w.open(limits{})
	t.Cleanup(w.ephemeral.Close)
	return w
}

// open makes the parts.
func (w *world) open(l limits) {
	t, db := w.t, w.db
	t.Helper()
	w.bus = new(bus.Local)
	log := slog.New(slog.DiscardHandler)
	var err error
	w.rooms, err = room.New(room.Config{
		DB: db, Bus: w.bus, Profiles: noProfiles{}, Server: "a.test", Now: time.Now, Log: log,
		TailBytes: l.tailBytes, OwnRows: l.rows,
		Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	devices := func(*sqldb.Tx, id.User) (map[id.Device]string, error) {
		all := map[id.Device]string{"DEV": ""}
		for i := range 9 {
			all[id.Device(fmt.Sprint(i))] = ""
		}
		return all, nil
	}
	w.keys = keys.New(keys.Config{DB: db, Wake: w.bus.Wake, Rooms: w.rooms, Server: "a.test", Log: log, Devices: devices, Recall: l.rows})
	w.inbox = inbox.New(inbox.Config{DB: db, Wake: w.bus.Wake, Server: "a.test", Now: time.Now, Devices: devices, Recall: l.rows})
	w.ephemeral = ephemeral.New(ephemeral.Config{DB: db, Bus: w.bus, Rooms: w.rooms, Presence: true, Now: time.Now, Log: log, Recall: l.rows})
	w.people = person.New(person.Config{
		DB: db, Bus: w.bus, Rooms: w.rooms, Server: "a.test", Log: log,
		Exists: func(*sqldb.Tx, id.User) (bool, error) { return true, nil }, Recall: l.rows,
	})
	w.threads = thread.New(thread.Config{DB: db, Rooms: w.rooms, Wake: w.bus.Wake, Recall: l.rows})
	w.feed = feed.New(feed.Config{
		DB: db, Bus: w.bus, Rooms: w.rooms, Keys: w.keys, Inbox: w.inbox, Ephemeral: w.ephemeral, People: w.people, Threads: w.threads,
		Notify: notify.New(notify.Config{Rooms: w.rooms, People: w.people, Ephemeral: w.ephemeral, Threads: w.threads}),
		Now:    time.Now, Log: log,
	})
}

// each runs a test in a fresh world on both databases.
func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) { fn(t, newWorld(t, db)) })
}

// eachSmall is each for a world that remembers next to nothing.
func eachSmall(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := &world{t: t, db: db}
		w.open(limits{tailBytes: 6000, rows: 12})
		t.Cleanup(w.ephemeral.Close)
		fn(t, w)
	})
}

func as(u id.User) room.Caller { return room.Caller{User: u, Device: "DEV"} }

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(by id.User, q room.CreateRequest) id.Room {
	w.t.Helper()
	made, err := w.rooms.Create(w.t.Context(), as(by), q)
	w.ok(err)
	return made
}

func (w *world) send(in id.Room, by id.User, body string) id.Event {
	w.t.Helper()
	content := fmt.Appendf(nil, `{"msgtype":"m.text","body":%q}`, body)
	sent, err := w.rooms.Send(w.t.Context(), as(by), in, room.Draft{Type: "m.room.message", Content: content}, "")
	w.ok(err)
	return sent
}

func (w *world) setState(in id.Room, by id.User, typ, key, content string) id.Event {
	w.t.Helper()
	sent, err := w.rooms.SetState(w.t.Context(), as(by), in, typ, key, []byte(content))
	w.ok(err)
	return sent
}

// sync asks once, without waiting.
func (w *world) sync(user id.User, since, filterJSON string) *csapi.SyncResponse {
	w.t.Helper()
	return w.ask(feed.Request{Caller: as(user), Since: since, Filter: w.filter(filterJSON)})
}

func (w *world) ask(q feed.Request) *csapi.SyncResponse {
	w.t.Helper()
	out, err := answer(w.t.Context(), w.feed, q)
	w.ok(err)
	if out.Rooms == nil {
		out.Rooms = new(csapi.SyncRooms)
	}
	return out
}

// answer is that to one sync.
func answer(ctx context.Context, f *feed.Feed, q feed.Request) (*csapi.SyncResponse, error) {
	var to whole
	if err := f.Sync(ctx, q, &to); err != nil {
		return nil, err
	}
	out := new(csapi.SyncResponse)
	return out, json.Unmarshal(to.Bytes(), out)
}

// whole is a Sink that keeps everything.
type whole struct{ bytes.Buffer }

func (w *whole) Whole(answer []byte) error {
	_, err := w.Write(answer)
	return err
}

func (w *world) filter(s string) *filter.Filter {
	w.t.Helper()
	if s == "" {
		return nil
	}
	f, err := filter.Parse([]byte(s))
	w.ok(err)
	return f
}
