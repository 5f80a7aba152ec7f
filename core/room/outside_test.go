package room_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

const (
	stranger  = id.User("@stranger:b.test")
	elsewhere = id.Room("!elsewhere:b.test")
)

// outside makes a member event as another server does.
func outside(t *testing.T, v string, by, of id.User, membership string, prev ...id.Event) *event.Event {
	t.Helper()
	ver, ok := version.Lookup(v)
	if !ok {
		t.Fatalf("no room version %s", v)
	}
	key := string(of)
	e, err := event.Build(ver, event.Draft{
		Room: elsewhere, Type: "m.room.member", StateKey: &key, Sender: by, Content: []byte(`{"membership":"` + membership + `"}`),
		Prev: prev, Auth: prev, Depth: 1 << 40, Timestamp: 1,
	}, event.Signer{Server: by.Server(), Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestOutside: an invitation into a room that is not here is shown with what came with it, is there once, and ends.
func TestOutside(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		ctx := t.Context()
		invite := outside(t, "10", stranger, bob, "invite")
		name := json.RawMessage(`{"content":{"name":"<Elsewhere>"},"sender":"@stranger:b.test","state_key":"","type":"m.room.name"}`)
		o := room.Outside{Event: invite, Shown: []json.RawMessage{name}}
		for range 2 {
			if err := rooms.PutOutside(ctx, o); err != nil {
				t.Fatal(err)
			}
		}
		other := outside(t, "10", stranger, carol, "invite")
		if err := rooms.PutOutside(ctx, room.Outside{Event: other}); err != nil {
			t.Fatal(err)
		}
		see := func(u id.User, want string) (shown string) {
			t.Helper()
			err := rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
				all, err := rooms.Standings(tx, u)
				if err != nil {
					return err
				}
				if len(all) != 1 || all[0].Membership != want || all[0].RoomID != elsewhere {
					t.Fatalf("got %d rooms for %s, want one: %s", len(all), u, want)
				}
				state, err := rooms.Stripped(tx, all[0], u)
				for _, s := range state {
					shown += string(s)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return shown
		}
		if shown := see(bob, "invite"); !strings.Contains(shown, string(name)) || strings.Count(shown, `"membership":"invite"`) != 1 {
			t.Errorf("bob is shown %s", shown)
		}
		if shown := see(carol, "invite"); strings.Contains(shown, "Elsewhere") || !strings.Contains(shown, `"membership":"invite"`) {
			t.Errorf("carol is shown %s", shown)
		}
		err := rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
			names := []id.Event{invite.ID(), other.ID(), "$nowhere"}
			placed, err := rooms.Unplaced(tx, names)
			if err != nil {
				return err
			}
			unfounded, err := rooms.Unfounded(tx, names)
			if len(placed) != 1 || len(unfounded) != 3 {
				t.Errorf("unplaced are %v and unfounded %v, want the last and all three", placed, unfounded)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if here, err := rooms.Here(ctx, elsewhere); here || err != nil {
			t.Errorf("here: got %v, %v", here, err)
		}
		if _, err := rooms.Send(ctx, as(bob), elsewhere, text("hello?"), ""); err == nil {
			t.Error("who is invited could send into a room that is not here")
		}
		if err := rooms.Join(ctx, as(bob), elsewhere, "", nil); err == nil {
			t.Error("who is invited could join a room that is not here by herself")
		}
		if err := rooms.PutOutside(ctx, room.Outside{Event: outside(t, "10", stranger, bob, "leave", invite.ID())}); err != nil {
			t.Fatal(err)
		}
		see(bob, "leave")
		again := newRooms(t, rooms.DB)
		if err := again.PutOutside(ctx, room.Outside{Event: outside(t, "10", stranger, bob, "invite", other.ID())}); err != nil {
			t.Fatal(err)
		}
		see(bob, "invite")
		if _, err := rooms.Remove(ctx, elsewhere, func(*sqldb.Tx, room.Removal) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
}

// TestOutsideOfARoomThatIsHere: where the server is, the room itself tells.
func TestOutsideOfARoomThatIsHere(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Version: "10"})
		key := string(bob)
		v, _ := version.Lookup("10")
		e, err := event.Build(v, event.Draft{
			Room: in, Type: "m.room.member", StateKey: &key, Sender: stranger, Content: []byte(`{"membership":"invite"}`), Depth: 5, Timestamp: 1,
		}, event.Signer{Server: "b.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))})
		if err != nil {
			t.Fatal(err)
		}
		if err := rooms.PutOutside(t.Context(), room.Outside{Event: e}); !errors.Is(err, room.ErrInside) {
			t.Errorf("got %v, want ErrInside", err)
		}
		if here, err := rooms.Here(t.Context(), in); !here || err != nil {
			t.Errorf("here: got %v, %v", here, err)
		}
	})
}
