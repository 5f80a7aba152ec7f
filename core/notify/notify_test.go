package notify_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/ephemeral"
	"freehold.example/core/notify"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/core/thread"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

const (
	alice = id.User("@alice:a.test")
	bob   = id.User("@bob:a.test")
	carol = id.User("@carol:a.test")
)

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

// world is a room with alice and bob, whose unread counts are asked for.
type world struct {
	*testing.T
	rooms   *room.Rooms
	people  *person.People
	soon    *ephemeral.Ephemeral
	threads *thread.Threads
	notify  *notify.Notify
	in      id.Room
}

func newWorld(t *testing.T, db *sqldb.DB) *world {
	log, wakes := slog.New(slog.DiscardHandler), new(bus.Local)
	rooms, err := room.New(room.Config{
		DB: db, Bus: wakes, Profiles: noProfiles{}, Server: "a.test", Now: time.Now, Log: log,
		Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, rooms: rooms}
	w.people = person.New(person.Config{
		DB: db, Bus: wakes, Rooms: rooms, Server: "a.test", Log: log,
		Exists: func(*sqldb.Tx, id.User) (bool, error) { return true, nil },
	})
	w.soon = ephemeral.New(ephemeral.Config{DB: db, Bus: wakes, Rooms: rooms, Now: time.Now, Log: log})
	t.Cleanup(w.soon.Close)
	w.threads = thread.New(thread.Config{DB: db, Rooms: rooms, Wake: wakes.Wake})
	w.notify = w.fresh()
	if w.in, err = rooms.Create(t.Context(), room.Caller{User: alice}, room.CreateRequest{Preset: "public_chat"}); err != nil {
		t.Fatal(err)
	}
	w.ok(rooms.Join(t.Context(), room.Caller{User: bob}, w.in, "", nil))
	return w
}

func (w *world) fresh() *notify.Notify {
	return notify.New(notify.Config{Rooms: w.rooms, People: w.people, Ephemeral: w.soon, Threads: w.threads})
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) send(by id.User, body, relation string) id.Event {
	w.Helper()
	if relation != "" {
		relation = `,"m.relates_to":` + relation
	}
	content := fmt.Appendf(nil, `{"msgtype":"m.text","body":%q%s}`, body, relation)
	sent, err := w.rooms.Send(w.Context(), room.Caller{User: by}, w.in, room.Draft{Type: "m.room.message", Content: content}, "")
	w.ok(err)
	return sent
}

// want compares what bob has not read with what is wanted, also as one who remembers nothing counts it.
func (w *world) want(what string, ignored map[id.User]bool, want map[string]notify.Counts) {
	w.Helper()
	for _, n := range []*notify.Notify{w.notify, w.fresh()} {
		err := w.rooms.DB.Read(w.Context(), func(tx *sqldb.Tx) error {
			standings, err := w.rooms.Standings(tx, bob)
			if err != nil {
				return err
			}
			high, err := tx.High()
			if err != nil {
				return err
			}
			got, err := n.Unread(tx, bob, standings[0], ignored, high)
			if !maps.Equal(got, want) {
				w.Errorf("%s: got %v, want %v", what, got, want)
			}
			return err
		})
		w.ok(err)
	}
}

func TestUnread(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		type counts = map[string]notify.Counts
		w := newWorld(t, db)
		w.want("nothing", nil, counts{})
		root := w.send(alice, "root", "")
		w.want("one", nil, counts{"main": {Notifications: 1}})
		thread := `{"rel_type":"m.thread","event_id":"` + string(root) + `"}`
		w.send(alice, "for "+string(bob), thread)
		last := w.send(alice, "two", "")
		w.want("two threads", nil, counts{"main": {2, 0}, string(root): {1, 1}})
		w.want("from whom is ignored", map[id.User]bool{alice: true}, counts{})
		w.want("from whom is ignored no more", nil, counts{"main": {2, 0}, string(root): {1, 1}})

		_, err := w.rooms.Redact(t.Context(), room.Caller{User: alice}, w.in, last, []byte(`{}`), "")
		w.ok(err)
		w.want("redacted", nil, counts{"main": {1, 0}, string(root): {1, 1}})
		w.send(bob, "my own", "")
		w.want("answered", nil, counts{string(root): {1, 1}})
		three := w.send(alice, "three", "")
		w.ok(w.soon.SetReceipts(t.Context(), bob, w.in, ephemeral.Mark{Type: ephemeral.ReadPrivate, Event: three}))
		w.want("read", nil, counts{})
	})
}

// hears checks whether the newest event notifies bob, among others who have changed nothing.
func (w *world) hears(what string, want bool) {
	w.Helper()
	err := w.rooms.DB.Read(w.Context(), func(tx *sqldb.Tx) error {
		standings, err := w.rooms.Standings(tx, bob)
		if err != nil {
			return err
		}
		high, err := tx.High()
		if err != nil {
			return err
		}
		keep := func(*room.Stored) (room.Choice, error) { return room.Keep, nil }
		newest, err := w.rooms.Window(tx, standings[0].Room, 0, high, 1, keep)
		if err != nil {
			return err
		}
		heard, err := w.fresh().Listen(tx, standings[0].Room, []id.User{carol, bob, alice}).Hear(newest.Events[0])
		if got := slices.ContainsFunc(heard, func(h notify.Heard) bool { return h.User == bob }); got != want {
			w.Errorf("%s: bob is notified: %v, want %v", what, got, want)
		}
		return err
	})
	w.ok(err)
}

// With the rules of MSC4306 a thread counts once it is subscribed to.
func TestUnreadInThreads(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		type counts = map[string]notify.Counts
		w := newWorld(t, db)
		root := w.send(alice, "root", "")
		w.send(alice, "reply", `{"rel_type":"m.thread","event_id":"`+string(root)+`"}`)
		w.want("rules are off", nil, counts{"main": {1, 0}, string(root): {1, 0}})
		w.hears("rules are off", true)
		for _, rule := range []string{".io.element.msc4306.rule.unsubscribed_thread", ".io.element.msc4306.rule.subscribed_thread"} {
			w.ok(w.people.ChangePushRules(t.Context(), bob, func(s *pushrule.Ruleset) (*pushrule.Ruleset, error) {
				return s.SetEnabled(pushrule.PostContent, rule, true)
			}))
		}
		w.want("unsubscribed", nil, counts{"main": {1, 0}})
		w.hears("unsubscribed", false)
		w.ok(w.threads.Subscribe(t.Context(), bob, w.in, root, ""))
		w.want("subscribed", nil, counts{"main": {1, 0}, string(root): {1, 0}})
		w.hears("subscribed", true)
		w.ok(w.threads.Unsubscribe(t.Context(), bob, w.in, root))
		w.want("no more", nil, counts{"main": {1, 0}})
	})
}
