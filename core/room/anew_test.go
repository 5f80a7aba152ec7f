package room_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// TestJudgedAgain: a server that joined without members thinks of a room what it would think had it known them from the beginning,
// once it does, whatever happened meanwhile.
func TestJudgedAgain(t *testing.T) {
	histories, changed := 30, 0
	if testing.Short() {
		histories = 5
	}
	for seed := range histories {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(uint64(seed), 7))
			all := replicas(t, 4, []string{"6", "10", "11", "12"}[seed%4])
			levels := fmt.Appendf(nil, `{"users":{%q:50,%q:60,%q:60}}`, all[1].user, all[2].user, all[3].user)
			if all[0].stored(t, all[0].timeline(t)[0].Event.ID())[0].Event.Version().ID != "12" {
				levels = fmt.Appendf(nil, `{"users":{%q:100,%q:50,%q:60,%q:60}}`, all[0].user, all[1].user, all[2].user, all[3].user)
			}
			if _, err := all[0].SetState(t.Context(), room.Caller{User: all[0].user}, all[0].in, "m.room.power_levels", "", levels); err != nil {
				t.Fatal(err)
			}
			exchange(t, dice, all)
			liar := all[3]
			in := liar.stored(t, liar.state(t)["m.room.member/"+string(liar.user)])
			apart := func() { // each acts on what it knows, but for the first, who lets everybody join, and the liar
				for _, x := range all[1:3] {
					for range dice.IntN(5) {
						x.act(t, dice, all[1:])
					}
				}
			}
			apart()
			if err := liar.Leave(t.Context(), room.Caller{User: liar.user}, liar.in, ""); err != nil {
				t.Fatal(err)
			}
			exchange(t, dice, all)
			if _, err := all[0].SetState(t.Context(), room.Caller{User: all[0].user}, all[0].in, "m.room.join_rules", "", []byte(`{"join_rule":"public"}`)); err != nil {
				t.Fatal(err)
			}
			late := &replica{Rooms: newReplica(t, "z.test"), name: "z.test", user: "@u:z.test", in: all[0].in}
			twin := &replica{Rooms: newReplica(t, "z.test"), name: "z.test", user: "@u:z.test", in: all[0].in}
			before := all[0].timeline(t)
			whole := answer(t, all[0], late)
			part := whole
			part.State = slices.DeleteFunc(slices.Clone(whole.State), func(x room.Incoming) bool { return x.Event.Type() == "m.room.member" })
			part.Partial = []id.Server{"a.test"}
			for x, a := range map[*replica]room.Adoption{late: part, twin: whole} {
				if err := x.Adopt(t.Context(), a); err != nil {
					t.Fatal(err)
				}
			}
			if seed%3 > 0 { // what happens follows the join
				exchange(t, dice, all)
			}
			for range 2 {
				apart()
				exchange(t, dice, all)
			}
			news := []*room.Stored{{Event: whole.Join.Event}}
			for _, x := range all {
				for _, s := range x.timeline(t) {
					has := func(o *room.Stored) bool { return o.Event.ID() == s.Event.ID() }
					if s.Event.Sender().Server() == x.name && !slices.ContainsFunc(before, has) {
						news = append(news, s)
					}
				}
			}
			slices.SortStableFunc(news[1:], func(a, b *room.Stored) int {
				return cmp.Or(cmp.Compare(a.Event.Depth(), b.Event.Depth()), cmpID(a.Event.ID(), b.Event.ID()))
			})
			lies := []*event.Event{}
			for i, s := range news {
				if i > 0 {
					give(t, all, late, s.Event)
					give(t, all, twin, s.Event)
				}
				for range dice.IntN(3) {
					after := append(slices.Clone(lies), news[i].Event)[dice.IntN(len(lies)+1)]
					lies = append(lies, lie(t, dice, liar, in[0].Event, all[1+dice.IntN(2)].user, after))
					give(t, all, late, lies[len(lies)-1])
					give(t, all, twin, lies[len(lies)-1])
				}
			}
			if _, err := late.AddOutliers(t.Context(), late.in, slices.Concat(whole.Auth, whole.State)); err != nil {
				t.Fatal(err)
			}
			was := shown(t, late)
			var names []id.Event
			for _, x := range whole.State {
				names = append(names, x.Event.ID())
			}
			if err := late.Complete(t.Context(), late.in, names); err != nil {
				t.Fatal(err)
			}
			late.consistent(t)
			got, want := shown(t, late), shown(t, twin)
			if !slices.Equal(was, got) {
				changed++
			}
			if !slices.Equal(got, want) {
				t.Errorf("the timeline has %d events, and %d where all was known:\n%v\n%v", len(got), len(want), got, want)
			}
			mine, its := late.state(t), twin.state(t)
			for key := range its {
				if mine[key] != its[key] {
					t.Errorf("%s is %q, and %q where all was known", key, mine[key], its[key])
				}
			}
			if len(mine) != len(its) {
				t.Errorf("the state has %d events, and %d where all was known", len(mine), len(its))
			}
			for _, x := range []*replica{late, twin} { // and it goes on
				if _, err := x.Send(t.Context(), room.Caller{User: x.user}, x.in, text("on"), ""); err != nil && !fault.Is(err, fault.Forbidden) {
					t.Fatal(err)
				}
			}
		})
	}
	t.Logf("in %d of %d histories something was taken back or let in", changed, histories)
	if changed == 0 && !testing.Short() {
		t.Error("nothing was ever taken back or let in")
	}
}

// shown are the events of a timeline, in the order of their names.
func shown(t *testing.T, x *replica) (names []id.Event) {
	t.Helper()
	for _, s := range x.timeline(t) {
		names = append(names, s.Event.ID())
	}
	slices.Sort(names)
	return names
}

// lie makes an event of somebody who has left the room, authorised by his being in.
func lie(t *testing.T, dice *rand.Rand, x *replica, in *event.Event, about id.User, after *event.Event) *event.Event {
	t.Helper()
	now := x.state(t)
	d := event.Draft{
		Room: x.in, Type: "m.room.message", Sender: x.user, Content: []byte(`{"body":"lie"}`), Prev: []id.Event{after.ID()},
		Depth: after.Depth() + 1, Timestamp: dice.Int64N(1 << 30), Auth: []id.Event{in.ID()},
	}
	key := ""
	keys := []string{"m.room.power_levels/"}
	if !after.Version().RoomIDIsCreateHash {
		keys = append(keys, "m.room.create/")
	}
	switch dice.IntN(4) {
	case 0:
		d.Type, d.StateKey, d.Content = "m.room.topic", &key, []byte(`{"topic":"lie"}`)
	case 1:
		key = string(about)
		d.Type, d.StateKey, d.Content = "m.room.member", &key, []byte(`{"membership":"leave"}`)
		if now["m.room.member/"+key] != "" {
			keys = append(keys, "m.room.member/"+key)
		}
	case 2:
		key = string(x.user)
		d.Type, d.StateKey, d.Content = "m.room.member", &key, []byte(`{"membership":"join","displayname":"Liar"}`)
		keys = append(keys, "m.room.join_rules/")
	}
	for _, k := range keys {
		d.Auth = append(d.Auth, now[k])
	}
	e, err := event.Build(after.Version(), d, x.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// give has an engine judge an event, with what it lacks as others have it.
func give(t *testing.T, all []*replica, x *replica, e *event.Event) {
	t.Helper()
	from := all[slices.IndexFunc(all, func(o *replica) bool { return o.name == e.Sender().Server() })]
	in := room.Incoming{Event: e}
	for try := range 3 {
		receipts, err := x.Receive(t.Context(), x.in, []room.Incoming{in})
		if fault.Is(err, fault.NotFound) {
			t.Skip("its user was put out, and it is told nothing more")
		}
		if err != nil {
			t.Fatal(err)
		}
		if receipts[0].Verdict != room.Lacking {
			return
		}
		s := &room.Stored{Event: e}
		var state, chain []*room.Stored
		err = from.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			state, chain = nil, nil
			if try > 0 {
				here, err := from.ByID(tx, e.ID())
				if err != nil {
					return err
				}
				root, err := from.StateBefore(tx, here)
				if err != nil {
					return err
				}
				if state, err = from.StateEvents(tx, root); err != nil {
					return err
				}
			}
			seen := map[id.Event]bool{}
			for open := append([]*room.Stored{s}, state...); len(open) > 0; open = open[1:] {
				for _, name := range open[0].Event.Auth() {
					if a, err := from.ByID(tx, name); err != nil {
						return err
					} else if !seen[name] {
						seen[name] = true
						chain, open = append(chain, a), append(open, a)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var told []room.Incoming
		for _, o := range append(chain, state...) {
			told = append(told, room.Incoming{Event: o.Event})
		}
		if _, err := x.AddOutliers(t.Context(), x.in, told); err != nil {
			t.Fatal(err)
		}
		for _, o := range state {
			in.Before = append(in.Before, o.Event.ID())
		}
	}
	t.Fatalf("%s still lacks something for %s", x.name, e.Bytes())
}
