package thread

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	alice = id.User("@alice:a.test")
	bob   = id.User("@bob:a.test")
)

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

// world is a room of alice's.
type world struct {
	*testing.T
	*Threads
	in    id.Room
	woken []string
}

func newWorld(t *testing.T, db *sqldb.DB) *world {
	w := &world{T: t}
	rooms, err := room.New(room.Config{
		DB: db, Bus: new(bus.Local), Profiles: noProfiles{}, Server: "a.test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Threads = New(Config{DB: db, Rooms: rooms, Wake: func(topics ...string) { w.woken = append(w.woken, topics...) }})
	if w.in, err = rooms.Create(t.Context(), room.Caller{User: alice}, room.CreateRequest{Preset: "private_chat"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) send(thread id.Event) id.Event {
	w.Helper()
	content := `{"msgtype":"m.text","body":"x"}`
	if thread != "" {
		content = fmt.Sprintf(`{"msgtype":"m.text","body":"x","m.relates_to":{"rel_type":"m.thread","event_id":%q}}`, thread)
	}
	sent, err := w.Rooms.Send(w.Context(), room.Caller{User: alice}, w.in, room.Draft{Type: "m.room.message", Content: []byte(content)}, "")
	if err != nil {
		w.Fatal(err)
	}
	return sent
}

// changed is Changed in short: the places of the threads among roots, "-" before one that is unsubscribed, "a" after one
// that is automatic, "+" for more. pos is that of the last.
func (w *world) changed(since sqldb.Pos, limit int, roots ...id.Event) (list string, pos sqldb.Pos) {
	w.Helper()
	err := w.DB.Read(w.Context(), func(tx *sqldb.Tx) error {
		changes, more, err := w.Changed(tx, alice, since, tx.Pos(), limit)
		var b strings.Builder
		for _, s := range changes {
			for i, root := range roots {
				if s.Root != root || s.Room != w.in {
					continue
				}
				if !s.Subscribed {
					b.WriteByte('-')
				}
				fmt.Fprint(&b, i)
				if s.Automatic {
					b.WriteByte('a')
				}
			}
			pos = s.Pos
		}
		if more {
			b.WriteByte('+')
		}
		list = b.String()
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return list, pos
}

func TestSubscriptions(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		is := func(what string, err error, code fault.Code) {
			t.Helper()
			if code == "" && err != nil || code != "" && !fault.Is(err, code) {
				t.Errorf("%s: got %v, want %q", what, err, code)
			}
		}
		get := func(root id.Event) (bool, error) {
			s, err := w.Get(t.Context(), alice, w.in, root)
			return s.Automatic, err
		}
		put := func(root, cause id.Event) error { return w.Subscribe(t.Context(), alice, w.in, root, cause) }
		zero, one := w.send(""), w.send("")
		first := w.send(zero)

		_, err := get(zero)
		is("none", err, fault.NotFound)
		is("unsubscribe from nothing", w.Unsubscribe(t.Context(), alice, w.in, zero), "")
		is("the root as the cause", put(zero, zero), NotInThread)
		is("another thread's", put(one, first), NotInThread)
		is("an event that is not there", put(zero, "$none"), NotInThread)
		is("a thread that is not there", put("$none", ""), fault.NotFound)
		is("bob's", w.Subscribe(t.Context(), bob, w.in, zero, ""), fault.NotFound)
		is("bob's end", w.Unsubscribe(t.Context(), bob, w.in, zero), fault.NotFound)
		if got, _ := w.changed(0, 10, zero, one); got != "" || len(w.woken) > 0 {
			t.Errorf("got %q and %v, want nothing", got, w.woken)
		}

		is("automatic", put(zero, first), "")
		if auto, err := get(zero); err != nil || !auto {
			t.Errorf("got %v (%v), want an automatic one", auto, err)
		}
		is("her own", put(zero, ""), "")
		is("automatic again", put(zero, first), "")
		if auto, err := get(zero); err != nil || auto {
			t.Errorf("got %v (%v), want her own", auto, err)
		}
		is("the other", put(one, ""), "")
		if len(w.woken) != 3 || w.woken[0] != "u:"+string(alice) {
			t.Errorf("got %v, want three wakes", w.woken)
		}
		got, last := w.changed(0, 10, zero, one)
		if got != "10" {
			t.Errorf("got %q", got)
		}
		if got, _ := w.changed(0, 1, zero, one); got != "1+" {
			t.Errorf("one: got %q", got)
		}
		is("unsubscribe", w.Unsubscribe(t.Context(), alice, w.in, zero), "")
		_, err = get(zero)
		is("unsubscribed", err, fault.NotFound)
		is("for something old", put(zero, first), ConflictingUnsubscription)
		if got, _ := w.changed(0, 10, zero, one); got != "1" {
			t.Errorf("from the beginning: got %q", got)
		}
		if got, _ := w.changed(last, 10, zero, one); got != "-01" {
			t.Errorf("since: got %q", got)
		}
		is("for something new", put(zero, w.send(zero)), "")
		if got, _ := w.changed(0, 10, zero, one); got != "0a1" {
			t.Errorf("got %q", got)
		}
		is("forget", w.Forget(t.Context(), alice), "")
		if got, _ := w.changed(last, 10, zero, one); got != "" {
			t.Errorf("forgotten: got %q", got)
		}
	})
}

func TestSubscriptionsAreBounded(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	err := w.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
			INSERT INTO thread_subscription (user_id, room_id, root, subscribed, automatic, pos)
			SELECT $1, '!x', CAST(i AS TEXT), i > 1, FALSE, i FROM n`, alice, maxSubscriptions)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Subscribe(t.Context(), alice, w.in, w.send(""), ""); err != nil {
		t.Errorf("in place of an unsubscription: %v", err)
	}
	if err := w.Subscribe(t.Context(), alice, w.in, w.send(""), ""); !fault.Is(err, fault.ResourceLimitExceeded) {
		t.Errorf("past the bound: got %v", err)
	}
}
