package directory

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"slices"
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

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

// each runs a test with an empty directory on both databases.
func each(t *testing.T, fn func(t *testing.T, d *Directory)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		rooms, err := room.New(room.Config{
			DB: db, Bus: new(bus.Local), Profiles: noProfiles{}, Server: "s1", Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Signer: event.Signer{Server: "s1", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
		})
		if err != nil {
			t.Fatal(err)
		}
		fn(t, New(Config{DB: db, Rooms: rooms, Server: "s1", Now: time.Now}))
	})
}

const (
	alice = id.User("@alice:s1")
	bob   = id.User("@bob:s1")
	carol = id.User("@carol:s1")
)

func as(u id.User) Caller { return Caller{Caller: room.Caller{User: u, Device: "D"}} }

// makeRoom makes a room of alice's that anybody may join unless the request says otherwise.
func makeRoom(t *testing.T, d *Directory, q room.CreateRequest) id.Room {
	t.Helper()
	if q.Preset == "" {
		q.Preset = "public_chat"
	}
	made, err := d.Rooms.Create(t.Context(), as(alice).Caller, q)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func join(t *testing.T, d *Directory, in id.Room, u id.User) {
	t.Helper()
	if err := d.Rooms.Join(t.Context(), as(u).Caller, in, "", nil); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, d *Directory, u id.User, a id.Alias, in id.Room) {
	t.Helper()
	if err := d.Put(t.Context(), as(u), a, in); err != nil {
		t.Fatal(err)
	}
}

func wantFault(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if code == "" && err != nil || code != "" && !fault.Is(err, code) {
		t.Errorf("got error %v, want %q", err, code)
	}
}

func TestAliases(t *testing.T) {
	each(t, func(t *testing.T, d *Directory) {
		in, other := makeRoom(t, d, room.CreateRequest{}), makeRoom(t, d, room.CreateRequest{})
		join(t, d, in, bob)
		list := func(u id.User, want ...id.Alias) {
			t.Helper()
			got, err := d.Aliases(t.Context(), u, in)
			if err != nil || got == nil || !slices.Equal(got, want) {
				t.Errorf("%s: got %v (%v), want %v", u, got, err, want)
			}
		}
		list(alice) // B309
		put(t, d, alice, "#a:s1", in)
		put(t, d, bob, "#über/☃:s1", in) // B308, B313
		list(bob, "#a:s1", "#über/☃:s1")
		_, err := d.Aliases(t.Context(), carol, in)
		wantFault(t, err, fault.Forbidden)

		if got, err := d.Resolve(t.Context(), "#über/☃:s1"); got != in || err != nil { // B307
			t.Errorf("got %s (%v), want %s", got, err, in)
		}
		for _, a := range []id.Alias{"#none:s1", "#a:elsewhere"} {
			_, err = d.Resolve(t.Context(), a)
			wantFault(t, err, fault.NotFound)
		}
		err = d.Put(t.Context(), as(alice), "#a:s1", other)
		if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Status != 409 {
			t.Errorf("got %v, want 409", err)
		}
		wantFault(t, d.Put(t.Context(), as(carol), "#c:s1", in), fault.Forbidden)
		wantFault(t, d.Put(t.Context(), as(alice), "#c:s1", "!none:s1"), fault.Forbidden)
		wantFault(t, d.Put(t.Context(), as(alice), "#c:elsewhere", in), fault.InvalidParam)
		wantFault(t, d.Put(t.Context(), as(alice), "#:s1", in), fault.InvalidParam)

		for _, name := range []string{"", "a:b", "a\x00"} {
			_, err = d.NewAlias(t.Context(), name)
			wantFault(t, err, fault.InvalidParam)
		}
		_, err = d.NewAlias(t.Context(), "a")
		wantFault(t, err, fault.RoomInUse)
		if a, err := d.NewAlias(t.Context(), "new"); a != "#new:s1" || err != nil {
			t.Errorf("got %s (%v), want #new:s1", a, err)
		}

		wantFault(t, d.Delete(t.Context(), as(bob), "#a:s1"), fault.Forbidden) // B314
		wantFault(t, d.Delete(t.Context(), as(bob), "#none:s1"), fault.NotFound)
		wantFault(t, d.Delete(t.Context(), as(bob), "#über/☃:s1"), "") // B310
		wantFault(t, d.Delete(t.Context(), as(bob), "#über/☃:s1"), fault.NotFound)
		put(t, d, bob, "#b:s1", in)
		put(t, d, bob, "#c:s1", in)
		wantFault(t, d.Delete(t.Context(), as(alice), "#b:s1"), "") // B314
		admin := as(carol)
		admin.Admin = true
		wantFault(t, d.Delete(t.Context(), admin, "#c:s1"), "")
		list(alice, "#a:s1")
	})
}

func TestAliasIsMadeWithTheRoom(t *testing.T) {
	each(t, func(t *testing.T, d *Directory) {
		request := func() room.CreateRequest {
			q := room.CreateRequest{Preset: "public_chat", Alias: "#made:s1"}
			q.Also = func(tx *sqldb.Tx, made id.Room) error { return d.Add(tx, "#made:s1", made, alice) }
			return q
		}
		in := makeRoom(t, d, request())
		if got, err := d.Resolve(t.Context(), "#made:s1"); got != in || err != nil {
			t.Errorf("got %s (%v), want %s", got, err, in)
		}
		_, err := d.Rooms.Create(t.Context(), as(alice).Caller, request())
		wantFault(t, err, fault.RoomInUse)
		if rooms, err := d.Rooms.Joined(t.Context(), alice); len(rooms) != 1 || err != nil {
			t.Errorf("got %v (%v), want the first room alone", rooms, err)
		}
	})
}

func TestPublished(t *testing.T) {
	each(t, func(t *testing.T, d *Directory) {
		in := makeRoom(t, d, room.CreateRequest{})
		join(t, d, in, bob)
		admin := as(carol)
		admin.Admin = true
		for _, step := range []struct {
			who    Caller
			room   id.Room
			public bool
			want   fault.Code
			now    bool
		}{
			{as(bob), in, true, fault.Forbidden, false},
			{as(carol), in, true, fault.Forbidden, false},
			{as(alice), "!none:s1", true, fault.NotFound, false},
			{as(alice), in, true, "", true},
			{as(alice), in, true, "", true},
			{as(bob), in, false, fault.Forbidden, true},
			{admin, in, false, "", false}, // B368
		} {
			wantFault(t, d.SetPublished(t.Context(), step.who, step.room, step.public), step.want)
			if got, err := d.Published(t.Context(), in); got != step.now || err != nil {
				t.Errorf("%+v: got %v (%v), want %v", step.who, got, err, step.now)
			}
		}
		_, err := d.Published(t.Context(), "!none:s1")
		wantFault(t, err, fault.NotFound)
	})
}
