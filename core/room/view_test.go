package room_test

import (
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// seenState is the topic in the state that a user may read, or the error.
func seenState(t *testing.T, rooms *room.Rooms, in id.Room, u id.User) (topic string, err error) {
	t.Helper()
	err = rooms.View(t.Context(), in, u, func(tx *sqldb.Tx, v *room.Viewer) error {
		root, err := v.State()
		if err != nil {
			return err
		}
		e, err := rooms.StateEvent(tx, root, "m.room.topic", "")
		if err == nil && e != nil {
			topic = string(e.Event.Content())
		}
		return err
	})
	return topic, err
}

// TestStateOfTheGone: who is out sees the state of when she left, whatever is done to her membership afterwards, and who
// never was in sees none.
func TestStateOfTheGone(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		ctx := t.Context()
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat", Invite: []id.User{carol}})
		topic := func(content string) {
			t.Helper()
			if _, err := rooms.SetState(ctx, as(alice), in, "m.room.topic", "", []byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		before, after := `{"topic":"before"}`, `{"topic":"after"}`
		topic(before)
		ok(rooms.Join(ctx, as(bob), in, "", nil))
		ok(rooms.Leave(ctx, as(bob), in, ""))
		topic(after)
		ok(rooms.Leave(ctx, as(carol), in, ""))
		sees := func(what string) {
			t.Helper()
			if got, err := seenState(t, rooms, in, bob); got != before || err != nil {
				t.Errorf("%s: got %s, %v, want %s", what, got, err, before)
			}
		}
		sees("left")
		ok(rooms.Invite(ctx, as(alice), in, bob, ""))
		sees("invited again")
		ok(rooms.Leave(ctx, as(bob), in, ""))
		sees("turned it down")
		ok(rooms.Ban(ctx, as(alice), in, bob, ""))
		sees("banned")
		if got, err := seenState(t, rooms, in, carol); !fault.Is(err, fault.Forbidden) {
			t.Errorf("never in: got %s, %v, want M_FORBIDDEN", got, err)
		}
	})
}
