package room_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// told runs fn with what another server may be told of the replica's room.
func (x *replica) told(t *testing.T, server id.Server, fn func(v *room.Resident) error) error {
	t.Helper()
	return x.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		v, err := x.Resident(tx, x.in, server)
		if err != nil {
			return err
		}
		return fn(v)
	})
}

func (x *replica) says(t *testing.T, body string) id.Event {
	t.Helper()
	sent, err := x.Send(t.Context(), room.Caller{User: x.user}, x.in, text(body), "")
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

func namesOf(events []*room.Stored) (out []id.Event) {
	for _, s := range events {
		out = append(out, s.Event.ID())
	}
	return out
}

// TestWalks: walks through a graph that forks give each event once, in order, and as many as they should.
func TestWalks(t *testing.T) {
	all := replicas(t, 2, "12")
	dice := rand.New(rand.NewPCG(9, 9))
	exchange(t, dice, all)
	a, b := all[0], all[1]
	base := a.says(t, "base")
	exchange(t, dice, all)
	var left, right []id.Event
	for range 3 {
		left, right = append(left, a.says(t, "left")), append(right, b.says(t, "right"))
	}
	exchange(t, dice, all)
	end := a.says(t, "end")
	if got := a.stored(t, end)[0].Event.Prev(); len(got) != 2 {
		t.Fatalf("the graph has not forked: %v", got)
	}
	fork := slices.Concat(left, right)
	slices.Sort(fork)
	err := a.told(t, b.name, func(v *room.Resident) error {
		got, err := v.Backfill([]id.Event{end, "$nothing", end}, 8)
		if err != nil {
			return err
		}
		names := namesOf(got)
		if len(names) != 8 || names[0] != end || names[7] != base || !slices.Equal(slices.Sorted(slices.Values(names[1:7])), fork) {
			t.Errorf("backfill: got %v", names)
		}
		if !slices.IsSortedFunc(got, func(x, y *room.Stored) int { return int(y.Depth - x.Depth) }) {
			t.Error("backfill: not by depth")
		}
		if got, err = v.Backfill([]id.Event{end}, 1); err != nil || len(got) != 1 {
			t.Errorf("backfill of one: %v, %v", namesOf(got), err)
		}
		if got, err = v.Backfill([]id.Event{end}, 1_000_000); err != nil || len(got) != len(a.timeline(t)) {
			t.Errorf("backfill of all: %d, %v", len(got), err)
		}
		if _, err = v.Backfill(make([]id.Event, 2000), 1); !fault.Is(err, fault.InvalidParam) {
			t.Errorf("backfill from thousands: %v", err)
		}
		got, err = v.Missing(room.Gap{Latest: []id.Event{end}, Earliest: []id.Event{base}})
		if names := namesOf(got); err != nil || !slices.Equal(slices.Sorted(slices.Values(names)), fork) ||
			!slices.IsSortedFunc(got, func(x, y *room.Stored) int { return int(x.Depth - y.Depth) }) {
			t.Errorf("missing: got %v, %v", names, err)
		}
		got, err = v.Missing(room.Gap{Latest: []id.Event{end}, Earliest: []id.Event{left[0], right[1]}})
		if names := namesOf(got); err != nil || len(names) != 3 || slices.Contains(names, right[0]) {
			t.Errorf("missing after what is there: got %v, %v", names, err)
		}
		got, err = v.Missing(room.Gap{Latest: []id.Event{end}, Limit: 3})
		if err != nil || len(got) != 3 {
			t.Errorf("three missing: got %v, %v", namesOf(got), err)
		}
		got, err = v.Missing(room.Gap{Latest: []id.Event{end}, MinDepth: a.stored(t, left[2])[0].Depth})
		if names := namesOf(got); err != nil || len(names) != 2 {
			t.Errorf("missing of a depth: got %v, %v", names, err)
		}
		if got, err = v.Missing(room.Gap{Latest: []id.Event{"$nothing", "$\x00"}}); err != nil || len(got) != 0 {
			t.Errorf("missing of nothing: got %v, %v", namesOf(got), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.told(t, "c.test", func(*room.Resident) error { return nil }); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a server that is not in the room: %v", err)
	}
}

// TestWhatIsAside: what was soft failed is told, as others may build on it; what was rejected is not.
func TestWhatIsAside(t *testing.T) {
	all := replicas(t, 3, "12")
	dice := rand.New(rand.NewPCG(4, 4))
	exchange(t, dice, all)
	a, b, c := all[0], all[1], all[2]
	levels := b.stored(t, b.state(t)["m.room.power_levels/"])[0].Event
	if err := a.Ban(t.Context(), room.Caller{User: a.user}, a.in, b.user, ""); err != nil {
		t.Fatal(err)
	}
	late := b.says(t, "late")
	key := ""
	bad, err := event.Build(levels.Version(), event.Draft{
		Room: b.in, Type: "m.room.power_levels", StateKey: &key, Sender: b.user, Content: []byte(`{"users":{}}`), Timestamp: 1,
		Prev: []id.Event{late}, Auth: []id.Event{levels.ID(), b.state(t)["m.room.member/"+string(b.user)]}, Depth: b.stored(t, late)[0].Depth + 1,
	}, b.Signer)
	if err != nil {
		t.Fatal(err)
	}
	receive(t, a, room.SoftFailed, b.stored(t, late)...)
	receipts, err := a.Receive(t.Context(), a.in, []room.Incoming{{Event: bad}})
	if err != nil || receipts[0].Verdict != room.Rejected {
		t.Fatalf("got %+v, %v", receipts, err)
	}
	err = a.told(t, c.name, func(v *room.Resident) error {
		if s, err := v.Event(late); err != nil || s.Event.ID() != late {
			t.Errorf("soft failed: %v", err)
		}
		if _, _, err := v.Before(late); err != nil {
			t.Errorf("the state before what was soft failed: %v", err)
		}
		if _, err := v.Event(bad.ID()); !fault.Is(err, fault.NotFound) {
			t.Errorf("rejected: %v", err)
		}
		got, err := v.Backfill([]id.Event{bad.ID()}, 2)
		if names := namesOf(got); err != nil || len(names) != 2 || names[0] != late {
			t.Errorf("backfill from what was rejected: %v, %v", names, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTemplate: a template follows the ends of the graph, and is refused where the event would be.
func TestTemplate(t *testing.T) {
	all := replicas(t, 2, "12")
	a := all[0]
	known := []string{"11", "12"}
	template, err := a.Template(t.Context(), a.in, "@new:c.test", authrule.Join, known)
	if err != nil || template.Version.ID != "12" {
		t.Fatalf("got %+v, %v", template, err)
	}
	for _, test := range []struct {
		user  id.User
		m     authrule.Membership
		in    id.Room
		known []string
		want  fault.Code
	}{
		{"@new:c.test", authrule.Leave, a.in, nil, fault.Forbidden},
		{"@new:c.test", authrule.Knock, a.in, known, fault.Forbidden},
		{"@new:c.test", authrule.Join, "!nowhere", known, fault.NotFound},
		{"@new:c.test", authrule.Join, a.in, []string{"1"}, fault.IncompatibleRoomVersion},
		{"@new:c.test", authrule.Ban, a.in, known, fault.Forbidden},
	} {
		if _, err := a.Template(t.Context(), test.in, test.user, test.m, test.known); !fault.Is(err, test.want) {
			t.Errorf("%s of %s in %s: got %v, want %s", test.m, test.user, test.in, err, test.want)
		}
	}
	// When nobody of this server is left in the room, it has nothing to offer.
	if err := a.Leave(t.Context(), room.Caller{User: a.user}, a.in, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Template(t.Context(), a.in, "@new:c.test", authrule.Join, known); !fault.Is(err, fault.NotFound) {
		t.Errorf("after the last has left: %v", err)
	}
	if err := a.told(t, "b.test", func(*room.Resident) error { return nil }); !fault.Is(err, fault.NotFound) {
		t.Errorf("after the last has left: %v", err)
	}
}

// TestLastWords: a server whose users have left a room may be asked for what was said there until then by those that were in it, as nobody else
// may have what its last event follows; it neither speaks for the room any more, nor to anybody else.
func TestLastWords(t *testing.T) {
	both := replicas(t, 2, "12")
	a, b := both[0], both[1]
	said := b.says(t, "so")
	if err := b.Leave(t.Context(), room.Caller{User: b.user, Exempt: true}, b.in, ""); err != nil {
		t.Fatal(err)
	}
	err := b.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		v, err := b.Former(tx, b.in, a.name)
		if err != nil {
			return err
		}
		if _, err := v.Event(said); err != nil {
			t.Errorf("what was said before it left: %v", err)
		}
		if _, err := b.Resident(tx, b.in, a.name); !fault.Is(err, fault.NotFound) {
			t.Errorf("it is still in the room: %v", err)
		}
		if _, err := b.Outsider(tx, b.in, a.name); !fault.Is(err, fault.NotFound) {
			t.Errorf("others may join through it: %v", err)
		}
		if _, err := b.Former(tx, b.in, "z.test"); !fault.Is(err, fault.NotFound) {
			t.Errorf("it tells who was not in the room: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
