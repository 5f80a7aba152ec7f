package room_test

import (
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// TestEntrance: who reads a room that was joined through another server is told its state as it was before the join, also
// where that became known later only.
func TestEntrance(t *testing.T) {
	a := replicas(t, 2, "11")[0]
	b := &replica{Rooms: newReplica(t, "z.test"), name: "z.test", user: "@u:z.test", in: a.in, have: map[id.Event]bool{}}
	whole := answer(t, a, b)
	part := whole
	part.State = slices.DeleteFunc(slices.Clone(whole.State), func(x room.Incoming) bool { return x.Event.Type() == "m.room.member" })
	part.Partial = []id.Server{"a.test"}
	if err := b.Adopt(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	shown := func() (n int) {
		err := b.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			now, err := b.Current(tx, b.in)
			if err != nil {
				return err
			}
			high, err := tx.High()
			if err != nil {
				return err
			}
			w, err := b.Window(tx, now[0].Room, 0, high, 10, func(*room.Stored) (room.Choice, error) { return room.Keep, nil })
			if err != nil {
				return err
			}
			if len(w.Events) != 1 || !w.HasState || !w.Limited {
				t.Errorf("got %d events, state known: %v, limited: %v", len(w.Events), w.HasState, w.Limited)
			}
			state, err := b.StateEvents(tx, w.State)
			n = len(state)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := shown(); got != len(part.State) {
		t.Errorf("got a state of %d, want %d", got, len(part.State))
	}
	var names []id.Event
	for _, x := range whole.State {
		names = append(names, x.Event.ID())
	}
	if _, err := b.AddOutliers(t.Context(), b.in, slices.Concat(whole.Auth, whole.State)); err != nil {
		t.Fatal(err)
	}
	if err := b.Complete(t.Context(), b.in, names); err != nil {
		t.Fatal(err)
	}
	if got := shown(); got != len(whole.State) {
		t.Errorf("got a state of %d, want %d", got, len(whole.State))
	}
}
