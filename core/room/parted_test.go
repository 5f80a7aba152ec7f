package room_test

import (
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// TestParted: a server that has the event which took its user out, and does not follow it, needs the one that brings both sides
// together, and may ask for what is before that. Who was banned while somebody talked needs nothing of what was said after the ban.
func TestParted(t *testing.T) {
	parted := func(t *testing.T, x *replica, e id.Event) []id.Event {
		t.Helper()
		return x.joinsBy(t, e, x.Parted)
	}
	// tells says whether an engine tells a server that is out of the room what is before an event.
	tells := func(t *testing.T, x *replica, server id.Server, e id.Event) (is bool) {
		t.Helper()
		if err := x.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			v, err := x.Former(tx, x.in, server)
			if err != nil {
				return err
			}
			_, err = v.Event(e)
			if is = err == nil; err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
			before, err := v.Missing(room.Gap{Latest: []id.Event{e}, Limit: 1})
			if is != (len(before) > 0) {
				t.Errorf("the event is told: %v; and before it are %d", is, len(before))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return is
	}
	// partsJoin has somebody of a server speak twice, and looks at what becomes of the one who is out by its view: what brings the
	// sides together parts the join and is told to the other's server, what follows it is not. It is what brings them together.
	partsJoin := func(t *testing.T, x, out *replica, join id.Event) (both id.Event) {
		t.Helper()
		both = x.says(t, "both")
		if got := parted(t, x, both); !slices.Equal(got, []id.Event{join}) {
			t.Errorf("what brings the sides together parts %v, want the join %s", got, join)
		}
		later := x.says(t, "later")
		if got := parted(t, x, later); got != nil {
			t.Errorf("what follows it parts %v", got)
		}
		if !tells(t, x, out.name, both) || tells(t, x, out.name, later) {
			t.Error("who is out is not told just what is before the event that says so")
		}
		return both
	}
	last := func(t *testing.T, x *replica) *room.Stored {
		t.Helper()
		all := x.timeline(t)
		return all[len(all)-1]
	}
	levels := func(t *testing.T, x, of *replica, level string) *room.Stored {
		t.Helper()
		if _, err := x.SetState(t.Context(), room.Caller{User: x.user, Exempt: true}, x.in, "m.room.power_levels", "",
			[]byte(`{"users":{"`+string(x.user)+`":100,"`+string(of.user)+`":`+level+`}}`)); err != nil {
			t.Fatal(err)
		}
		return last(t, x)
	}
	three := func(t *testing.T) (a, b, c *replica) {
		t.Helper()
		all := replicas(t, 3, "11")
		receive(t, all[1], room.Accepted, last(t, all[0])) // c's join
		return all[0], all[1], all[2]
	}

	t.Run("a ban that stands again", func(t *testing.T) {
		a, b, c := three(t)
		up := levels(t, a, b, "50")
		receive(t, b, room.Accepted, up)
		receive(t, c, room.Accepted, up)
		down := levels(t, a, b, "0")
		if err := b.Ban(t.Context(), room.Caller{User: b.user, Exempt: true}, b.in, c.user, ""); err != nil {
			t.Fatal(err)
		}
		ban := last(t, b)
		receive(t, b, room.Accepted, down)
		receive(t, c, room.Accepted, down)
		receive(t, c, room.SoftFailed, ban)
		if !b.joined(t, c.user) {
			t.Fatal("the ban was not undone")
		}
		up = levels(t, a, b, "50")
		receive(t, b, room.Accepted, up)
		receive(t, c, room.Accepted, up)
		if b.joined(t, c.user) || !c.joined(t, c.user) {
			t.Fatal("they do not disagree")
		}
		join := c.state(t)["m.room.member/"+string(c.user)]
		both := partsJoin(t, b, c, join)
		receive(t, c, room.Accepted, b.stored(t, both)[0])
		if c.joined(t, c.user) {
			t.Error("who is out still believes to be in")
		}
	})

	t.Run("a join by way of a server that did not know of the leave", func(t *testing.T) {
		a, b, c := three(t)
		if _, err := a.SetState(t.Context(), room.Caller{User: a.user, Exempt: true}, a.in, "m.room.join_rules", "", []byte(`{"join_rule":"invite"}`)); err != nil {
			t.Fatal(err)
		}
		receive(t, b, room.Accepted, last(t, a))
		receive(t, c, room.Accepted, last(t, a))
		if err := c.Leave(t.Context(), room.Caller{User: c.user, Exempt: true}, c.in, ""); err != nil {
			t.Fatal(err)
		}
		leave := last(t, c)
		receive(t, b, room.Accepted, leave)
		meanwhile := b.stored(t, b.says(t, "meanwhile"))[0]
		a.says(t, "that c does not have")
		join(t, a, c)
		joined := last(t, c).Event.ID()
		receive(t, a, room.Accepted, leave, meanwhile)
		both := a.says(t, "both")
		if got := parted(t, a, both); !slices.Equal(got, []id.Event{joined}) {
			t.Errorf("what brings the sides together parts %v, want the join %s", got, joined)
		}
		later := a.says(t, "later")
		if !tells(t, a, c.name, both) || tells(t, a, c.name, later) {
			t.Error("who is out is not told just what is before the event that says so")
		}
		receive(t, c, room.Accepted, meanwhile)
		if c.joined(t, c.user) {
			t.Error("who is out still believes to be in")
		}
	})

	t.Run("a kick that is undone together with the join, as the room was closed after it", func(t *testing.T) {
		a, b, c := three(t)
		power := func(x *replica, users string) *room.Stored {
			if _, err := x.SetState(t.Context(), room.Caller{User: x.user, Exempt: true}, x.in, "m.room.power_levels", "", []byte(`{"users":{`+users+`}}`)); err != nil {
				t.Fatal(err)
			}
			return last(t, x)
		}
		all := power(a, `"`+string(a.user)+`":100,"`+string(b.user)+`":100`)
		receive(t, b, room.Accepted, all)
		receive(t, c, room.Accepted, all)
		if err := a.Kick(t.Context(), room.Caller{User: a.user, Exempt: true}, a.in, c.user, ""); err != nil {
			t.Fatal(err)
		}
		kick := last(t, a)
		if _, err := a.SetState(t.Context(), room.Caller{User: a.user, Exempt: true}, a.in, "m.room.join_rules", "", []byte(`{"join_rule":"invite"}`)); err != nil {
			t.Fatal(err)
		}
		closed := last(t, a)
		up := power(b, `"`+string(a.user)+`":100,"`+string(c.user)+`":100`)
		receive(t, c, room.Accepted, up)
		receive(t, c, room.SoftFailed, kick)
		receive(t, a, room.Accepted, up)
		join := c.state(t)["m.room.member/"+string(c.user)]
		if now := a.state(t)["m.room.member/"+string(c.user)]; now != "" || !c.joined(t, c.user) {
			t.Fatalf("they do not disagree: %q, %q", now, join)
		}
		partsJoin(t, a, c, join)
		receive(t, c, room.Accepted, closed)
		if c.joined(t, c.user) {
			t.Error("who is out still believes to be in")
		}
	})

	t.Run("a ban while somebody talks", func(t *testing.T) {
		a, b, c := three(t)
		said := b.stored(t, b.says(t, "at the same time"))[0]
		if err := a.Ban(t.Context(), room.Caller{User: a.user, Exempt: true}, a.in, c.user, ""); err != nil {
			t.Fatal(err)
		}
		receive(t, a, room.Accepted, said)
		both := a.says(t, "both")
		if prev := a.stored(t, both)[0].Event.Prev(); len(prev) != 2 {
			t.Fatalf("it follows %v", prev)
		}
		if got := parted(t, a, both); got != nil {
			t.Errorf("it parts %v", got)
		}
		if tells(t, a, c.name, both) {
			t.Error("who was banned is told what was said after it")
		}
	})
}
