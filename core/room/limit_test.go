package room_test

import (
	"testing"
	"time"

	"freehold.example/base/limit"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
)

// All members of a room together may send so much into it; who is not in it cannot use that up.
func TestRoomIsLimited(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		now := time.Date(2026, 7, 8, 12, 0, 0, 0, time.UTC)
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		other := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		rooms.Limits = limit.New(limit.Config{Rates: map[limit.Name]limit.Rate{limit.Room: {Burst: 3, Every: time.Second}}},
			func() time.Time { return now })
		for range 10 {
			if _, err := rooms.Send(t.Context(), as(carol), in, text("let me in"), ""); !fault.Is(err, fault.Forbidden) {
				t.Errorf("got %v, want M_FORBIDDEN", err)
			}
		}
		first := send(t, rooms, in, alice, "one", "1")
		send(t, rooms, in, bob, "two", "2")
		if _, err := rooms.SetState(t.Context(), as(alice), in, "m.room.topic", "", []byte(`{"topic":"three"}`)); err != nil {
			t.Error(err)
		}
		if _, err := rooms.Send(t.Context(), as(bob), in, text("four"), "4"); !fault.Is(err, fault.LimitExceeded) {
			t.Errorf("got %v, want M_LIMIT_EXCEEDED", err)
		}
		if _, err := rooms.Redact(t.Context(), as(alice), in, first, []byte(`{}`), "r"); !fault.Is(err, fault.LimitExceeded) {
			t.Errorf("got %v, want M_LIMIT_EXCEEDED", err)
		}
		send(t, rooms, in, alice, "one", "1") // what was sent before is no new event
		send(t, rooms, other, alice, "elsewhere", "5")
		now = now.Add(time.Second)
		send(t, rooms, in, bob, "four", "4")
	})
}
