package room_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

func receive(t *testing.T, x *replica, want room.Verdict, events ...*room.Stored) {
	t.Helper()
	var in []room.Incoming
	for _, s := range events {
		in = append(in, room.Incoming{Event: s.Event})
	}
	receipts, err := x.Receive(t.Context(), x.in, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range receipts {
		if r.Verdict != want {
			t.Errorf("%s finds %s %s, want %s: %v, missing %v", x.name, r.Event, r.Verdict, want, r.Cause, r.Missing)
		}
	}
}

// TestPartialJoin: a room can be used before its members are known, and is as everywhere once they are.
func TestPartialJoin(t *testing.T) {
	all := replicas(t, 3, "11")
	dice := rand.New(rand.NewPCG(1, 1))
	exchange(t, dice, all)
	a, c := all[0], all[2]
	b := &replica{Rooms: newReplica(t, "z.test"), name: "z.test", user: "@u:z.test", in: a.in, have: map[id.Event]bool{}}
	whole := answer(t, a, b)
	part := whole
	part.State = slices.DeleteFunc(slices.Clone(whole.State), func(x room.Incoming) bool { return x.Event.Type() == "m.room.member" })
	part.Partial = []id.Server{"a.test", "b.test", "c.test"}
	if err := b.Adopt(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	servers := func() (servers []id.Server, partial bool) {
		err := b.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			now, err := b.Current(tx, b.in)
			if err != nil {
				return err
			}
			servers, partial, err = b.Partial(tx, now[0].Room)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return servers, partial
	}
	if got, partial := servers(); !partial || !slices.Equal(got, part.Partial) {
		t.Errorf("after the join: %v %v", got, partial)
	}
	// What others do meanwhile is taken, though it is not known that they are in the room; and so is what is done here.
	said, err := c.Send(t.Context(), room.Caller{User: c.user}, c.in, text("hello"), "")
	if err != nil {
		t.Fatal(err)
	}
	receive(t, a, room.Accepted, c.stored(t, said)...)
	if _, err := a.SetState(t.Context(), room.Caller{User: a.user}, a.in, "m.room.name", "", []byte(`{"name":"new"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Send(t.Context(), room.Caller{User: b.user}, b.in, text("hello"), ""); err != nil {
		t.Fatal(err)
	}
	for _, s := range a.timeline(t)[len(a.timeline(t))-2:] {
		if receipts, err := b.Receive(t.Context(), b.in, []room.Incoming{{Event: s.Event}}); err != nil || receipts[0].Verdict == room.Rejected {
			t.Fatalf("meanwhile: %+v %v", receipts, err)
		}
	}
	var names []id.Event
	for _, x := range whole.State {
		names = append(names, x.Event.ID())
	}
	if err := b.Complete(t.Context(), b.in, names); err == nil {
		t.Error("it was completed by events that are not here")
	}
	if _, err := b.AddOutliers(t.Context(), b.in, slices.Concat(whole.Auth, whole.State)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Complete(t.Context(), b.in, names); err != nil {
			t.Fatal(err)
		}
	}
	if _, partial := servers(); partial {
		t.Error("it still lacks members")
	}
	all = []*replica{a, c, all[1], b}
	exchange(t, dice, all)
	agree(t, all)
	for _, x := range all {
		x.act(t, dice, all)
	}
	exchange(t, dice, all)
	agree(t, all)
}

func newReplica(t *testing.T, server id.Server) *room.Rooms {
	t.Helper()
	return newRoomsOf(t, openSQLite(t), server)
}

// TestPast: what happened before a server joined is found by paging back, and is no news.
func TestPast(t *testing.T) {
	all := replicas(t, 1, "12")
	a := all[0]
	var want []id.Event
	for range 5 {
		sent, err := a.Send(t.Context(), room.Caller{User: a.user}, a.in, text("early"), "")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, sent)
	}
	b := &replica{Rooms: newReplica(t, "b.test"), name: "b.test", user: "@u:b.test", in: a.in, have: map[id.Event]bool{}}
	join(t, a, b)
	news := len(b.timeline(t))
	var past []room.Incoming
	for i, s := range a.timeline(t) {
		if s.Event.IsState("m.room.member", string(b.user)) {
			break
		}
		in := room.Incoming{Event: s.Event}
		if i == 0 {
			in.Before = []id.Event{}
		}
		past = append(past, in)
	}
	for range 2 { // twice is once
		receipts, err := b.Backfilled(t.Context(), b.in, past)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range receipts {
			if r.Verdict != room.Accepted && r.Verdict != room.Known {
				t.Errorf("%s is %s: %v %v", r.Event, r.Verdict, r.Cause, r.Missing)
			}
		}
	}
	if n := len(b.timeline(t)); n != news {
		t.Errorf("the past came as news: %d events, were %d", n, news)
	}
	for _, forward := range []bool{false, true} {
		got, next := []id.Event(nil), (*room.Token)(nil)
		for range 20 {
			q := room.PageRequest{Room: b.in, User: b.user, Forward: forward, Limit: 3, From: next}
			err := b.Messages(t.Context(), q, func(_ *sqldb.Tx, _ *room.Viewer, page *room.Page) error {
				for _, s := range page.Events {
					if s.Event.Type() == "m.room.message" {
						got = append(got, s.Event.ID())
					}
				}
				next = page.End
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if next == nil {
				break
			}
			parsed, err := room.ParseToken(next.String())
			if err != nil {
				t.Fatal(err)
			}
			next = &parsed
		}
		if !forward {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("paging forward=%v gives %v, want %v", forward, got, want)
		}
	}
}

// TestSoftFailed: what somebody says who was banned, before she could know, is kept and not shown.
func TestSoftFailed(t *testing.T) {
	all := replicas(t, 3, "10")
	dice := rand.New(rand.NewPCG(2, 2))
	exchange(t, dice, all)
	a, b := all[0], all[1]
	if err := a.Ban(t.Context(), room.Caller{User: a.user}, a.in, b.user, ""); err != nil {
		t.Fatal(err)
	}
	var said []id.Event
	for range 2 {
		sent, err := b.Send(t.Context(), room.Caller{User: b.user}, b.in, text("but"), "")
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, sent)
	}
	receive(t, a, room.SoftFailed, b.stored(t, said...)...)
	receive(t, a, room.SoftFailed, b.stored(t, said...)...)
	if err := a.View(t.Context(), a.in, a.user, func(_ *sqldb.Tx, v *room.Viewer) error {
		_, err := v.Event(said[0])
		return err
	}); err == nil {
		t.Error("it is shown")
	}
	exchange(t, dice, all)
	agree(t, all)
}

// TestEarlyRedaction: a redaction has its effect whichever comes first, and only where its sender may.
func TestEarlyRedaction(t *testing.T) {
	all := replicas(t, 3, "11")
	dice := rand.New(rand.NewPCG(3, 3))
	exchange(t, dice, all)
	a, b, c := all[0], all[1], all[2]
	said, err := b.Send(t.Context(), room.Caller{User: b.user}, b.in, text("secret"), "")
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.Send(t.Context(), room.Caller{User: b.user}, b.in, text("stays"), "")
	if err != nil {
		t.Fatal(err)
	}
	receive(t, a, room.Accepted, b.stored(t, said, other)...)
	redaction, err := a.Redact(t.Context(), room.Caller{User: a.user}, a.in, said, []byte(`{}`), "")
	if err != nil {
		t.Fatal(err)
	}
	// c hears of the redaction by way of the state before it, and of its target afterwards.
	in := room.Incoming{Event: a.stored(t, redaction)[0].Event}
	for _, name := range a.state(t) {
		in.Before = append(in.Before, name)
	}
	if receipts, err := c.Receive(t.Context(), c.in, []room.Incoming{in}); err != nil || receipts[0].Verdict != room.Accepted {
		t.Fatalf("%+v %v", receipts, err)
	}
	receive(t, c, room.Accepted, b.stored(t, said, other)...)
	for _, x := range []*replica{a, c} {
		s := x.stored(t, said)[0]
		if s.RedactedBy == 0 || strings.Contains(string(s.Event.Bytes()), "secret") {
			t.Errorf("%s still has what was redacted: %s", x.name, s.Event.Bytes())
		}
		if s := x.stored(t, other)[0]; s.RedactedBy != 0 || !strings.Contains(string(s.Event.Bytes()), "stays") {
			t.Errorf("%s lost what nobody redacted", x.name)
		}
	}
}

// TestComeBack: a room that all users here had left is what it is elsewhere when one comes back.
func TestComeBack(t *testing.T) {
	all := replicas(t, 2, "12")
	dice := rand.New(rand.NewPCG(4, 4))
	a, b := all[0], all[1]
	exchange(t, dice, all)
	if err := b.Leave(t.Context(), room.Caller{User: b.user}, b.in, ""); err != nil {
		t.Fatal(err)
	}
	exchange(t, dice, all)
	for range 5 {
		a.act(t, dice, all[:1])
	}
	if _, err := a.SetState(t.Context(), room.Caller{User: a.user}, a.in, "m.room.join_rules", "", []byte(`{"join_rule":"public"}`)); err != nil {
		t.Fatal(err)
	}
	join(t, a, b)
	for _, s := range a.timeline(t) {
		b.have[s.Event.ID()] = true // or never will: that is a gap in its history
	}
	agree(t, all)
	if _, err := b.Send(t.Context(), room.Caller{User: b.user}, b.in, text("back"), ""); err != nil {
		t.Fatal(err)
	}
	exchange(t, dice, all)
	agree(t, all)
}

// TestManyEnds: a room that somebody has forked on and on costs no more than so much, and comes together again.
func TestManyEnds(t *testing.T) {
	all := replicas(t, 2, "11")
	a, b := all[0], all[1]
	dice := rand.New(rand.NewPCG(6, 6))
	exchange(t, dice, all)
	line := a.timeline(t)
	tip := line[len(line)-1].Event
	var auth []id.Event
	for _, s := range line {
		switch key, _ := s.Event.StateKey(); {
		case s.Event.Type() == "m.room.create", s.Event.Type() == "m.room.power_levels", s.Event.IsState("m.room.member", string(b.user)) && key != "":
			auth = append(auth, s.Event.ID())
		}
	}
	verdicts := map[room.Verdict]int{}
	for i := range 130 {
		e, err := event.Build(tip.Version(), event.Draft{
			Room: a.in, Type: "m.room.message", Sender: b.user, Content: fmt.Appendf(nil, `{"body":"%d"}`, i),
			Prev: []id.Event{tip.ID()}, Auth: auth, Depth: tip.Depth() + 1, Timestamp: 1,
		}, b.Signer)
		if err != nil {
			t.Fatal(err)
		}
		receipts, err := a.Receive(t.Context(), a.in, []room.Incoming{{Event: e}})
		if err != nil {
			t.Fatal(err)
		}
		verdicts[receipts[0].Verdict]++
	}
	if verdicts[room.Accepted] != 100 || verdicts[room.SoftFailed] != 30 {
		t.Errorf("got %v", verdicts)
	}
	for range 7 {
		if _, err := a.Send(t.Context(), room.Caller{User: a.user}, a.in, text("together"), ""); err != nil {
			t.Fatal(err)
		}
	}
	line = a.timeline(t)
	if n := len(line[len(line)-1].Event.Prev()); n > 20 {
		t.Errorf("an event names %d", n)
	}
	if _, err := a.SetState(t.Context(), room.Caller{User: a.user}, a.in, "m.room.name", "", []byte(`{"name":"one"}`)); err != nil {
		t.Fatal(err)
	}
	line = a.timeline(t)
	if n := len(line[len(line)-1].Event.Prev()); n != 1 {
		t.Errorf("the room still has %d ends", n)
	}
	a.consistent(t)
}
