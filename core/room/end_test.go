package room_test

import (
	"slices"
	"testing"

	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// ends are those of the room's graph, sorted.
func (x *replica) ends(t *testing.T) (ends []id.Event) {
	t.Helper()
	found, err := x.Extremities(t.Context(), x.in)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		ends = append(ends, e.Event)
	}
	slices.Sort(ends)
	return ends
}

// spoken is a message of the replica's user.
func (x *replica) spoken(t *testing.T) *room.Stored {
	t.Helper()
	return x.stored(t, x.says(t, "so"))[0]
}

// TestLateEventsAreNoEnds: what comes after something that follows it, be that the join of this server or an event beyond a
// gap, does not bring back a state that is long past, whether it comes at once or one by one.
func TestLateEventsAreNoEnds(t *testing.T) {
	for _, atOnce := range []bool{true, false} {
		all := replicas(t, 2, "12")
		a, c := all[0], all[1]
		set := func(x, y *replica, typ, content string) {
			if _, err := x.SetState(t.Context(), room.Caller{User: x.user, Exempt: true}, x.in, typ, "", []byte(content)); err != nil {
				t.Fatal(err)
			}
			line := x.timeline(t)
			receive(t, y, room.Accepted, line[len(line)-1])
		}
		set(a, c, "m.room.power_levels", `{"users":{"`+string(c.user)+`":100}}`)
		set(c, a, "m.room.join_rules", `{"join_rule":"public"}`)
		set(a, c, "m.room.power_levels", `{"users":{}}`) // who made the rules may not make them any more
		past := a.timeline(t)
		b := &replica{Rooms: newReplica(t, "z.test"), name: "z.test", user: "@u:z.test", in: a.in, have: map[id.Event]bool{}}
		join(t, a, b)
		missed := []*room.Stored{a.spoken(t), a.spoken(t)}
		last := room.Incoming{Event: a.spoken(t).Event}
		for _, name := range a.state(t) {
			last.Before = append(last.Before, name)
		}
		if receipts, err := b.Receive(t.Context(), b.in, []room.Incoming{last}); err != nil || receipts[0].Verdict != room.Accepted {
			t.Fatalf("%+v %v", receipts, err)
		}
		size := 1
		if atOnce {
			size = 100
		}
		for _, late := range [][]*room.Stored{past, missed} {
			for some := range slices.Chunk(late, size) {
				var in []room.Incoming
				for _, s := range some {
					in = append(in, room.Incoming{Event: s.Event})
				}
				receipts, err := b.Receive(t.Context(), b.in, in)
				if err != nil || slices.ContainsFunc(receipts, func(r room.Receipt) bool { return r.Verdict != room.Accepted && r.Verdict != room.SoftFailed }) {
					t.Fatalf("%+v %v", receipts, err)
				}
			}
		}
		if got := b.ends(t); !slices.Equal(got, []id.Event{last.Event.ID()}) {
			t.Errorf("at once %v: the ends are %v, want %v", atOnce, got, last.Event.ID())
		}
		got, want := b.state(t), a.state(t)
		for key := range want {
			if got[key] != want[key] {
				t.Errorf("at once %v: %s is %s, want %s", atOnce, key, got[key], want[key])
			}
		}
	}
}

// TestSoftFailedEventsLead: an event that others follow by way of a soft-failed one is no end.
func TestSoftFailedEventsLead(t *testing.T) {
	all := replicas(t, 3, "11")
	a, b, c := all[0], all[1], all[2]
	line := a.timeline(t)
	receive(t, b, room.Accepted, line[len(line)-1]) // c's join
	first := c.spoken(t)
	receive(t, b, room.Accepted, first)
	second := b.spoken(t)
	receive(t, c, room.Accepted, second)
	third := c.spoken(t)
	if err := a.Kick(t.Context(), room.Caller{User: a.user, Exempt: true}, a.in, b.user, ""); err != nil {
		t.Fatal(err)
	}
	want := append(a.ends(t), third.Event.ID())
	receive(t, a, room.Accepted, first)
	receive(t, a, room.SoftFailed, second)
	receive(t, a, room.Accepted, third)
	slices.Sort(want)
	if got := a.ends(t); !slices.Equal(got, want) {
		t.Errorf("the ends are %v, want %v", got, want)
	}
}
