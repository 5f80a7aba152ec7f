package room_test

import (
	"testing"

	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func TestNearest(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat", InitialState: []room.StateEntry{
			{Type: "m.room.history_visibility", Content: []byte(`{"history_visibility":"joined"}`)},
		}})
		const later = int64(1) << 50 // after the room's making, whenever that is
		at := func(ts int64) id.Event {
			d := text("hello")
			d.Timestamp = ts
			sent, err := rooms.Send(t.Context(), as(alice), in, d, "")
			if err != nil {
				t.Fatal(err)
			}
			return sent
		}
		a, b, c, old := at(later), at(later+10), at(later+10), at(1)
		for _, tt := range []struct {
			ts      int64
			forward bool
			want    id.Event // "" for none
		}{
			{later, true, a},
			{later, false, a},
			{later + 1, true, b},
			{later + 10, true, b}, // of two the first in the room
			{later + 10, false, c},
			{later + 9, false, a},
			{later + 11, true, ""},
			{0, true, old}, // though it came last
			{0, false, ""},
			{1, false, old},
		} {
			s, err := rooms.Nearest(t.Context(), alice, in, tt.ts, tt.forward)
			switch {
			case tt.want == "" && !fault.Is(err, fault.NotFound):
				t.Errorf("%d, forward %v: got error %v, want %s", tt.ts, tt.forward, err, fault.NotFound)
			case tt.want != "" && err != nil:
				t.Errorf("%d, forward %v: %v", tt.ts, tt.forward, err)
			case tt.want != "" && s.Event.ID() != tt.want:
				t.Errorf("%d, forward %v: got %s, want %s", tt.ts, tt.forward, s.Event.ID(), tt.want)
			}
		}
		if _, err := rooms.Nearest(t.Context(), bob, in, later, true); !fault.Is(err, fault.Forbidden) {
			t.Errorf("not in the room: got error %v", err)
		}
		if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := rooms.Nearest(t.Context(), bob, in, later, true); !fault.Is(err, fault.NotFound) {
			t.Errorf("of before the join: got error %v", err)
		}
	})
}
