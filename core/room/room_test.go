package room_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
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
	"freehold.example/matrix/version"
)

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

func newRooms(t testing.TB, db *sqldb.DB) *room.Rooms {
	t.Helper()
	return newRoomsOf(t, db, "a.test")
}

// newRoomsOf makes the engine of a server.
func newRoomsOf(t testing.TB, db *sqldb.DB, server id.Server) *room.Rooms {
	t.Helper()
	return newRoomsAt(t, db, server, time.Now)
}

// newRoomsAt is newRoomsOf with a clock.
func newRoomsAt(t testing.TB, db *sqldb.DB, server id.Server, now func() time.Time) *room.Rooms {
	t.Helper()
	rooms, err := room.New(room.Config{
		DB:       db,
		Bus:      new(bus.Local),
		Profiles: noProfiles{},
		Server:   server,
		Signer: event.Signer{
			Server: server, Key: "ed25519:1",
			Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
		},
		Now: now,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return rooms
}

// each runs a test with a fresh engine on both databases.
func each(t *testing.T, fn func(t *testing.T, rooms *room.Rooms)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) { fn(t, newRooms(t, db)) })
}

const (
	alice = id.User("@alice:a.test")
	bob   = id.User("@bob:a.test")
	carol = id.User("@carol:a.test")
)

func as(u id.User) room.Caller { return room.Caller{User: u, Device: "DEV"} }

func text(body string) room.Draft {
	return room.Draft{Type: "m.room.message", Content: fmt.Appendf(nil, `{"msgtype":"m.text","body":%q}`, body)}
}

func create(t *testing.T, rooms *room.Rooms, q room.CreateRequest) id.Room {
	t.Helper()
	made, err := rooms.Create(t.Context(), as(alice), q)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	return made
}

func send(t *testing.T, rooms *room.Rooms, in id.Room, u id.User, body, txn string) id.Event {
	t.Helper()
	sent, err := rooms.Send(t.Context(), as(u), in, text(body), txn)
	if err != nil {
		t.Fatalf("send %q: %v", body, err)
	}
	return sent
}

// history pages backwards to the start and gives the bodies of messages, oldest first.
func history(t *testing.T, rooms *room.Rooms, in id.Room, u id.User, limit int) []string {
	t.Helper()
	var bodies []string
	var from *room.Token
	for range 100 {
		var page *room.Page
		err := rooms.Messages(t.Context(), room.PageRequest{Room: in, User: u, From: from, Limit: limit},
			func(_ *sqldb.Tx, _ *room.Viewer, p *room.Page) error { page = p; return nil })
		if err != nil {
			t.Fatalf("messages: %v", err)
		}
		for _, s := range page.Events {
			var c struct{ Body string }
			if err := json.Unmarshal(s.Event.Content(), &c); err != nil {
				t.Fatal(err)
			}
			if s.Event.Type() == "m.room.message" {
				bodies = append([]string{c.Body}, bodies...)
			}
		}
		if page.End == nil {
			return bodies
		}
		again, err := room.ParseToken(page.End.String())
		if err != nil {
			t.Fatal(err)
		}
		from = &again
	}
	t.Fatal("paging does not come to an end")
	return nil
}

func TestTalkInEveryRoomVersion(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		for _, v := range version.All() {
			t.Run(v.ID, func(t *testing.T) {
				in := create(t, rooms, room.CreateRequest{Version: v.ID, Preset: "private_chat", Invite: []id.User{bob}})
				if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
					t.Fatalf("join: %v", err)
				}
				for i := range 7 {
					send(t, rooms, in, []id.User{alice, bob}[i%2], fmt.Sprint(i), "")
				}
				if got, want := fmt.Sprint(history(t, rooms, in, bob, 3)), "[0 1 2 3 4 5 6]"; got != want {
					t.Errorf("history: got %s, want %s", got, want)
				}
				if err := rooms.Join(t.Context(), as(carol), in, "", nil); !fault.Is(err, fault.Forbidden) {
					t.Errorf("join uninvited: got %v, want M_FORBIDDEN", err)
				}
			})
		}
	})
}

func TestTransactionIDMakesOneEvent(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "private_chat"})
		type result struct {
			event id.Event
			err   error
		}
		results := make(chan result)
		const n = 16
		for range n {
			go func() {
				e, err := rooms.Send(context.WithoutCancel(t.Context()), as(alice), in, text("once"), "txn1")
				results <- result{e, err}
			}()
		}
		first := <-results
		for range n - 1 {
			if r := <-results; r != first || r.err != nil {
				t.Errorf("got %s, %v; want %s", r.event, r.err, first.event)
			}
		}
		if got := send(t, rooms, in, alice, "other", "txn1"); got != first.event {
			t.Errorf("after: got %s, want %s", got, first.event)
		}
		restarted := newRooms(t, rooms.DB)
		if got := send(t, restarted, in, alice, "once", "txn1"); got != first.event {
			t.Errorf("after a restart: got %s, want %s", got, first.event)
		}
		if got := fmt.Sprint(history(t, restarted, in, alice, 10)); got != "[once]" {
			t.Errorf("history: got %s, want [once]", got)
		}
	})
}

func TestManySendersInOneRoom(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		const senders, each = 16, 20
		done := make(chan error)
		for i := range senders {
			u := id.User(fmt.Sprintf("@u%d:a.test", i))
			go func() {
				ctx := context.WithoutCancel(t.Context())
				err := rooms.Join(ctx, as(u), in, "", nil)
				for n := range each {
					if err == nil {
						_, err = rooms.Send(ctx, as(u), in, text(fmt.Sprintf("%s/%d", u, n)), fmt.Sprint(n))
					}
				}
				done <- err
			}()
		}
		for range senders {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		bodies := history(t, rooms, in, alice, 50)
		if len(bodies) != senders*each {
			t.Errorf("messages: got %d, want %d", len(bodies), senders*each)
		}
		next := map[string]int{}
		for _, b := range bodies {
			u, number, _ := strings.Cut(b, "/")
			if number != strconv.Itoa(next[u]) {
				t.Fatalf("%s: got number %s, want %d: a sender's messages changed places", u, number, next[u])
			}
			next[u]++
		}
	})
}

func TestMembershipRules(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		ctx := t.Context()
		in := create(t, rooms, room.CreateRequest{Preset: "private_chat"})
		refused := func(what string, err error) {
			t.Helper()
			if !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s: got %v, want M_FORBIDDEN", what, err)
			}
		}
		allowed := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("join uninvited", rooms.Join(ctx, as(bob), in, "", nil))
		refused("kick a stranger", rooms.Kick(ctx, as(alice), in, bob, ""))
		refused("invite oneself", rooms.Invite(ctx, as(alice), in, alice, ""))
		refused("invite someone of another server", rooms.Invite(ctx, as(alice), in, "@x:b.test", ""))
		allowed("invite", rooms.Invite(ctx, as(alice), in, bob, ""))
		allowed("join", rooms.Join(ctx, as(bob), in, "", nil))
		allowed("join again", rooms.Join(ctx, as(bob), in, "", nil))
		refused("invite a member", rooms.Invite(ctx, as(alice), in, bob, ""))
		refused("ban without the level", rooms.Ban(ctx, as(bob), in, alice, ""))
		if err := rooms.Forget(ctx, bob, in); !fault.Is(err, fault.Unknown) {
			t.Errorf("forget while joined: got %v, want M_UNKNOWN", err)
		}
		send(t, rooms, in, alice, "before", "")
		allowed("kick", rooms.Kick(ctx, as(alice), in, bob, "go"))
		send(t, rooms, in, alice, "after", "")
		if got := fmt.Sprint(history(t, rooms, in, bob, 10)); got != "[before]" {
			t.Errorf("what the kicked user sees: got %s, want [before]", got)
		}
		refused("kick again", rooms.Kick(ctx, as(alice), in, bob, ""))
		allowed("forget", rooms.Forget(ctx, bob, in))
		err := rooms.View(ctx, in, bob, func(*sqldb.Tx, *room.Viewer) error { return nil })
		refused("look into a forgotten room", err)
		allowed("ban", rooms.Ban(ctx, as(alice), in, bob, ""))
		refused("join when banned", rooms.Join(ctx, as(bob), in, "", nil))
		allowed("unban", rooms.Unban(ctx, as(alice), in, bob, ""))
		refused("unban twice", rooms.Unban(ctx, as(alice), in, bob, ""))
		allowed("invite again", rooms.Invite(ctx, as(alice), in, bob, ""))
		allowed("join again", rooms.Join(ctx, as(bob), in, "", nil))
		if got := fmt.Sprint(history(t, rooms, in, bob, 10)); got != "[before after]" {
			t.Errorf("what she sees once she is back: got %s, want [before after]", got)
		}
	})
}

func TestRedaction(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		ctx := t.Context()
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		if err := rooms.Join(ctx, as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		mine := send(t, rooms, in, alice, "secret", "")
		if _, err := rooms.Redact(ctx, as(bob), in, mine, []byte(`{}`), "r1"); !fault.Is(err, fault.Forbidden) {
			t.Errorf("redact another's: got %v, want M_FORBIDDEN", err)
		}
		redaction, err := rooms.Redact(ctx, as(alice), in, mine, []byte(`{"reason":"x"}`), "r1")
		if err != nil {
			t.Fatal(err)
		}
		err = rooms.ReadEvent(ctx, bob, in, mine, func(tx *sqldb.Tx, v *room.Viewer, s *room.Stored) error {
			shown, err := rooms.Render(tx, []*room.Stored{s}, room.Form{Caller: as(bob), Viewer: v})
			if err != nil {
				return err
			}
			var e struct {
				Content  map[string]any
				Unsigned struct {
					RedactedBecause struct {
						EventID id.Event `json:"event_id"`
						Redacts id.Event
					} `json:"redacted_because"`
				}
			}
			if err := json.Unmarshal(shown[0], &e); err != nil {
				return err
			}
			if len(e.Content) != 0 || e.Unsigned.RedactedBecause.EventID != redaction || e.Unsigned.RedactedBecause.Redacts != mine {
				t.Errorf("got %s, want no content and the redaction %s", shown[0], redaction)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// What a redaction takes away of the state that authorises is gone at once.
		levels, err := rooms.SetState(ctx, as(alice), in, "m.room.topic", "", []byte(`{"topic":"t"}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rooms.Redact(ctx, as(alice), in, levels, []byte(`{}`), "r2"); err != nil {
			t.Fatal(err)
		}
		send(t, rooms, in, bob, "still works", "")
	})
}

func TestStateIsSetOnce(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "private_chat"})
		set := func(content string) id.Event {
			t.Helper()
			e, err := rooms.SetState(t.Context(), as(alice), in, "m.room.name", "", []byte(content))
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		a := set(`{"name":"A"}`)
		if again := set(`{ "name" : "A" }`); again != a {
			t.Errorf("equal content: got %s, want %s", again, a)
		}
		if b := set(`{"name":"B"}`); b == a {
			t.Error("other content: got the same event")
		}
		if _, err := rooms.SetState(t.Context(), as(alice), in, "m.room.create", "", []byte(`{}`)); err == nil {
			t.Error("replacing the create event: got no error")
		}
	})
}

func TestRefusedContent(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "private_chat"})
		big := fmt.Appendf(nil, `{"body":"%070000d"}`, 0)
		for _, test := range []struct {
			content string
			want    fault.Code
		}{
			{`{"a":1.5}`, fault.BadJSON},
			{`{"a":9007199254740993}`, fault.BadJSON},
			{`[]`, fault.BadJSON},
			{`{"a":`, fault.BadJSON},
			{string(big), fault.TooLarge},
		} {
			_, err := rooms.Send(t.Context(), as(alice), in, room.Draft{Type: "m.room.message", Content: []byte(test.content)}, "")
			if !fault.Is(err, test.want) {
				t.Errorf("%.30s: got %v, want %s", test.content, err, test.want)
			}
		}
		send(t, rooms, in, alice, "fine", "")
	})
}
