package delayed_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/delayed"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const alice = id.User("@alice:a.test")

var from = room.Caller{User: alice, Device: "DEV"}

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

// clock is time that the test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

type world struct {
	t       *testing.T
	clock   clock
	rooms   *room.Rooms
	delayed *delayed.Delayed
	in      id.Room
	config  delayed.Config
}

func newWorld(t *testing.T, db *sqldb.DB) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	w.rooms, err = room.New(room.Config{
		DB: db, Bus: new(bus.Local), Profiles: noProfiles{}, Server: "a.test", Now: w.clock.now, Log: slog.New(slog.DiscardHandler),
		Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.config = delayed.Config{DB: db, Rooms: w.rooms, Now: w.clock.now, Log: slog.New(slog.DiscardHandler)}
	w.delayed = delayed.New(w.config)
	if w.in, err = w.rooms.Create(t.Context(), from, room.CreateRequest{Preset: "private_chat"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) add(key string, delay time.Duration) string {
	w.t.Helper()
	made, err := w.delayed.Add(w.t.Context(), delayed.Request{
		Caller: from, Room: w.in, Type: "org.test", StateKey: &key, Content: []byte(`{}`), Delay: delay,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// sent says whether the state is there.
func (w *world) sent(key string) (there bool) {
	w.t.Helper()
	err := w.rooms.View(w.t.Context(), w.in, alice, func(tx *sqldb.Tx, v *room.Viewer) error {
		root, err := v.State()
		if err != nil {
			return err
		}
		e, err := w.rooms.StateEvent(tx, root, "org.test", key)
		there = e != nil
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return there
}

// run runs the queue until the test or the returned function ends it.
func (w *world) run(d *delayed.Delayed) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) eventually(what string, seen func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); !seen(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: did not come", what)
		}
	}
}

// What fell due while the server was down is sent promptly after the start, the rest at its time (B557); what was being
// sent when it stopped is sent too.
func TestRestart(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		w.add("due", time.Hour)
		w.add("later", 3*time.Hour)
		marked := w.add("marked", 5*time.Hour)
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`UPDATE delayed_event SET sending = TRUE WHERE delay_id = $1`, marked)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.clock.ahead.Store(int64(2 * time.Hour))
		defer w.run(delayed.New(w.config))()
		w.eventually("what fell due meanwhile", func() bool { return w.sent("due") })
		w.eventually("what was being sent", func() bool { return w.sent("marked") })
		if w.sent("later") {
			t.Error("what is not due was sent")
		}
		for _, err := range []error{w.delayed.Cancel(t.Context(), marked), w.delayed.Send(t.Context(), marked)} {
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("got %v, want M_NOT_FOUND", err)
			}
		}
	})
}

// A user's events are bounded, and so that what is given up makes room again.
func TestBound(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	var last string
	for i := range delayed.MaxEvents {
		last = w.add(fmt.Sprint(i), time.Hour)
	}
	key := "more"
	more := delayed.Request{Caller: from, Room: w.in, Type: "org.test", StateKey: &key, Content: []byte(`{}`), Delay: time.Hour}
	if _, err := w.delayed.Add(t.Context(), more); !fault.Is(err, fault.Unknown) {
		t.Errorf("got %v, want M_UNKNOWN", err)
	}
	if err := w.delayed.Cancel(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if _, err := w.delayed.Add(t.Context(), more); err != nil {
		t.Error(err)
	}
}

// Of cancelling and sending at the same time one wins, and what is answered is what happened.
func TestRace(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	for i := range 50 {
		key := fmt.Sprint(i)
		made := w.add(key, time.Hour)
		cancelled := make(chan error, 1)
		go func() { cancelled <- w.delayed.Cancel(t.Context(), made) }()
		sent := w.delayed.Send(t.Context(), made)
		if gone := <-cancelled; (gone == nil) == (sent == nil) || w.sent(key) != (sent == nil) {
			t.Errorf("cancelled: %v, sent: %v, there: %v", gone, sent, w.sent(key))
		}
	}
}

// What the room refuses is given up.
func TestRefused(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	made := w.add("k", time.Hour)
	if err := w.rooms.Leave(t.Context(), from, w.in, ""); err != nil {
		t.Fatal(err)
	}
	if err := w.delayed.Send(t.Context(), made); !fault.Is(err, fault.Forbidden) {
		t.Errorf("got %v, want M_FORBIDDEN", err)
	}
	if err := w.delayed.Send(t.Context(), made); !fault.Is(err, fault.NotFound) || errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want M_NOT_FOUND", err)
	}
}
