package room_test

import (
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// TestUndone: a join by way of one server is undone by the ban that another made without knowing of it, and by nothing that
// follows it. Who was in the room is told of it up to the event that took her out, and nobody else is told anything.
func TestUndone(t *testing.T) {
	both := replicas(t, 2, "11")
	a, b := both[0], both[1]
	c := &replica{Rooms: newReplica(t, "c.test"), name: "c.test", user: "@u:c.test", in: a.in, have: map[id.Event]bool{}}
	join(t, b, c)
	me := room.Caller{User: a.user, Exempt: true}
	before := len(a.timeline(t))
	for _, err := range []error{a.Ban(t.Context(), me, a.in, c.user, ""), a.Kick(t.Context(), me, a.in, b.user, "")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	made := a.timeline(t)[before:]
	b.take(t, made[0].Event)
	joined := c.timeline(t)[len(c.timeline(t))-1].Event.ID()

	undone := func(x *replica, e id.Event) []id.Event {
		t.Helper()
		return x.joinsBy(t, e, x.Undone)
	}
	if got := undone(b, made[0].Event.ID()); !slices.Equal(got, []id.Event{joined}) {
		t.Errorf("the ban undid %v, want the join %s", got, joined)
	}
	for _, e := range made {
		if got := undone(a, e.Event.ID()); got != nil {
			t.Errorf("where nothing forked, %s undid %v", e.Event.ID(), got)
		}
	}

	last, err := a.Send(t.Context(), me, a.in, text("among us"), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		of     *replica
		server id.Server
		sees   []id.Event
		not    []id.Event
	}{
		{b, c.name, []id.Event{joined, made[0].Event.ID()}, nil},
		{a, b.name, []id.Event{made[0].Event.ID(), made[1].Event.ID()}, []id.Event{last}},
		{a, "z.test", nil, nil},
		{a, c.name, nil, nil}, // it never knew that one to be there
	} {
		err := x.of.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			if _, err := x.of.Resident(tx, a.in, x.server); !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s is in the room of %s: %v", x.server, x.of.name, err)
			}
			v, err := x.of.Former(tx, a.in, x.server)
			if x.sees == nil {
				if !fault.Is(err, fault.Forbidden) {
					t.Errorf("%s tells %s, which was never there: %v", x.of.name, x.server, err)
				}
				return nil
			}
			if err != nil {
				return err
			}
			for _, e := range x.sees {
				if _, err := v.Event(e); err != nil {
					t.Errorf("%s does not tell %s of %s: %v", x.of.name, x.server, e, err)
				}
			}
			for _, e := range x.not {
				if _, err := v.Event(e); !fault.Is(err, fault.NotFound) {
					t.Errorf("%s tells %s of %s: %v", x.of.name, x.server, e, err)
				}
				if all, err := v.Missing(room.Gap{Latest: []id.Event{e}, Limit: 20}); err != nil || len(all) > 0 {
					t.Errorf("%s tells %s what is before %s: %d events, %v", x.of.name, x.server, e, len(all), err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// take gives an engine an event that it accepts.
func (x *replica) take(t *testing.T, e *event.Event) {
	t.Helper()
	receipts, err := x.Receive(t.Context(), x.in, []room.Incoming{{Event: e}})
	if err != nil || receipts[0].Verdict != room.Accepted {
		t.Fatalf("%s does not take %s: %+v %v", x.name, e.ID(), receipts, err)
	}
}

// joinsBy names the joins that Undone or Parted lists for an event.
func (x *replica) joinsBy(t *testing.T, e id.Event, list func(*sqldb.Tx, *room.Stored) ([]*room.Stored, error)) (names []id.Event) {
	t.Helper()
	s := x.stored(t, e)[0]
	err := x.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		joins, err := list(tx, s)
		for _, j := range joins {
			names = append(names, j.Event.ID())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
