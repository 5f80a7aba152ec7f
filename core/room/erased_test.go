package room_test

import (
	"encoding/json"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// Who joins after a user has been erased gets her events redacted; who could read them before still can.
func TestErased(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		const dora = id.User("@dora:a.test")
		var at sqldb.Pos
		rooms.Erased = func(u id.User) (sqldb.Pos, bool) { return at, u == bob && at != 0 }
		join := func(in id.Room, u id.User) {
			t.Helper()
			if err := rooms.Join(t.Context(), as(u), in, "", nil); err != nil {
				t.Fatal(err)
			}
		}
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat", Name: "before"})
		join(in, bob)
		sent := send(t, rooms, in, bob, "my secret", "1")
		mine := send(t, rooms, in, alice, "nothing", "2")
		join(in, carol) // between the message and the erasure
		if err := rooms.Leave(t.Context(), as(bob), in, ""); err != nil {
			t.Fatal(err)
		}
		err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) { at, err = tx.High(); return err })
		if err != nil {
			t.Fatal(err)
		}
		join(in, dora)
		if err := rooms.Leave(t.Context(), as(carol), in, ""); err != nil {
			t.Fatal(err)
		}
		join(in, carol) // again: she has read it before
		body := func(u id.User, event id.Event) string {
			t.Helper()
			var shown struct {
				Content struct{ Body string }
			}
			err := rooms.ReadEvent(t.Context(), u, in, event, func(tx *sqldb.Tx, v *room.Viewer, s *room.Stored) error {
				out, err := rooms.Render(tx, []*room.Stored{s}, room.Form{Caller: as(u), Viewer: v})
				if err != nil {
					return err
				}
				return json.Unmarshal(out[0], &shown)
			})
			if err != nil {
				t.Fatalf("%s: %v", u, err)
			}
			return shown.Content.Body
		}
		for u, want := range map[id.User]string{alice: "my secret", carol: "my secret", bob: "my secret", dora: ""} {
			if got := body(u, sent); got != want {
				t.Errorf("%s: got %q, want %q", u, got, want)
			}
			if got := body(u, mine); got != "nothing" && u != bob {
				t.Errorf("%s: got %q of another's message", u, got)
			}
		}
	})
}
