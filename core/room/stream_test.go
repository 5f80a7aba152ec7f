package room_test

import (
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// What was written a moment ago is read without the database, and only up to where it was asked.
func TestStreamOfLate(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		a := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		b := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		before := rooms.DB.Committed()
		for _, in := range []room.NID{0, 1, 0} {
			if _, err := rooms.Send(t.Context(), as(alice), []id.Room{a, b}[in], text("so"), ""); err != nil {
				t.Fatal(err)
			}
		}
		err := rooms.DB.Peek(t.Context(), func(tx *sqldb.Tx) error {
			events, upto, more, err := rooms.Stream(tx, before, 10)
			if err != nil {
				return err
			}
			if len(events) != 3 || upto != rooms.DB.Committed() || more {
				t.Errorf("got %d events up to %d, more: %t", len(events), upto, more)
			}
			for i, want := range []id.Room{a, b, a} {
				if got := events[i].Event.Room(); got != want {
					t.Errorf("event %d is in %s, want %s", i, got, want)
				}
			}
			some, upto, more, err := rooms.Stream(tx, before, 2)
			if len(some) != 2 || upto != events[1].Pos || !more {
				t.Errorf("got %d events of two up to %d, more: %t", len(some), upto, more)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
