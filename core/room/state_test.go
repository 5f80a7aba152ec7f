package room_test

import (
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
)

// TestReplaces: what a state event replaces is what stood under its own key before, and nothing else.
func TestReplaces(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat", Name: "first"})
		if _, err := rooms.SetState(t.Context(), as(alice), in, "m.room.name", "", []byte(`{"name":"second"}`)); err != nil {
			t.Fatal(err)
		}
		err := rooms.View(t.Context(), in, alice, func(tx *sqldb.Tx, v *room.Viewer) error {
			root, err := v.State()
			if err != nil {
				return err
			}
			events, err := rooms.StateEvents(tx, root)
			for _, s := range events {
				if renamed := s.Event.IsState("m.room.name", ""); renamed != (s.Replaces != 0) {
					t.Errorf("%s replaces event %d", s.Event.Type(), s.Replaces)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
