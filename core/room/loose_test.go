package room_test

import (
	"maps"
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// TestReturnByAnInvitation: who comes back on an invitation that came from outside has missed what happened meanwhile, though the
// event that the join follows is here: the room is to be adopted. Without anything in between it need not be.
func TestReturnByAnInvitation(t *testing.T) {
	for name, missed := range map[string]bool{"what was missed": true, "nothing was": false} {
		t.Run(name, func(t *testing.T) {
			both := replicas(t, 2, "10")
			a, b := both[0], both[1]
			me := room.Caller{User: a.user, Exempt: true}
			b.leaves(t, a)
			if missed {
				if _, err := a.SetState(t.Context(), me, a.in, "m.room.topic", "", []byte(`{"topic":"news"}`)); err != nil {
					t.Fatal(err)
				}
			}
			invite := a.invites(t, b)
			if err := b.PutOutside(t.Context(), room.Outside{Event: invite}); err != nil {
				t.Fatal(err)
			}
			adoption := answer(t, a, b)
			r, err := b.Return(t.Context(), adoption.Join)
			want := room.Accepted
			if missed {
				want = room.Lacking
			}
			if err != nil || r.Verdict != want {
				t.Fatalf("the join is %+v, %v; want %s", r, err, want)
			}
			if missed {
				if err := b.Adopt(t.Context(), adoption); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := b.state(t)["m.room.topic/"], a.state(t)["m.room.topic/"]; got != want {
				t.Errorf("the topic is %q, want %q", got, want)
			}
			if got, want := b.ends(t), []id.Event{adoption.Join.Event.ID()}; !slices.Equal(got, want) {
				t.Errorf("the room ends in %v, want %v", got, want)
			}
		})
	}
}

// TestReturnAfterARefusal: who turned an invitation down by way of another server has missed what that one had heard before, though her own
// event, which is here, follows it.
func TestReturnAfterARefusal(t *testing.T) {
	both := replicas(t, 2, "10")
	a, b := both[0], both[1]
	me := room.Caller{User: a.user, Exempt: true}
	b.leaves(t, a)
	put := func(e *event.Event) {
		t.Helper()
		if err := b.PutOutside(t.Context(), room.Outside{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	put(a.invites(t, b))
	if _, err := a.SetState(t.Context(), me, a.in, "m.room.topic", "", []byte(`{"topic":"news"}`)); err != nil {
		t.Fatal(err)
	}
	put(a.moves(t, b, b, "leave"))
	adoption := answer(t, a, b)
	if r, err := b.Return(t.Context(), adoption.Join); err != nil || r.Verdict != room.Lacking {
		t.Fatalf("the join is %+v, %v", r, err)
	}
	if err := b.Adopt(t.Context(), adoption); err != nil {
		t.Fatal(err)
	}
	if got, want := b.state(t)["m.room.topic/"], a.state(t)["m.room.topic/"]; got != want {
		t.Errorf("the topic is %q, want %q", got, want)
	}
}

// TestSaidAfterAnInvitation: what is said between an invitation and the join is judged by the room's state, and not by the invitation,
// which was all that was known of the room when it came from outside.
func TestSaidAfterAnInvitation(t *testing.T) {
	for name, past := range map[string]bool{"in the past": true, "arriving": false} {
		t.Run(name, func(t *testing.T) {
			a := replicas(t, 1, "10")[0]
			b := &replica{Rooms: newReplica(t, "b.test"), name: "b.test", user: "@u:b.test", in: a.in, have: map[id.Event]bool{}}
			invite := a.invites(t, b)
			if err := b.PutOutside(t.Context(), room.Outside{Event: invite}); err != nil {
				t.Fatal(err)
			}
			var said []id.Event
			for range 2 {
				e, err := a.Send(t.Context(), room.Caller{User: a.user}, a.in, text("are you there?"), "")
				if err != nil {
					t.Fatal(err)
				}
				said = append(said, e)
			}
			join(t, a, b)
			unfounded := func() (names []id.Event) {
				t.Helper()
				err := b.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
					names, err = b.Unfounded(tx, []id.Event{invite.ID()})
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				return names
			}
			if got := unfounded(); !slices.Equal(got, []id.Event{invite.ID()}) {
				t.Errorf("unfounded are %v, want the invitation", got)
			}
			verdicts := func(receipts []room.Receipt, err error) (out []room.Verdict) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range receipts {
					out = append(out, r.Verdict)
				}
				return out
			}
			if past {
				in := []room.Incoming{}
				for _, s := range a.timeline(t) {
					if s.Event.IsState("m.room.member", string(b.user)) && s.Membership() == "join" {
						break
					}
					in = append(in, room.Incoming{Event: s.Event})
				}
				for _, want := range []room.Verdict{room.Accepted, room.Known} {
					for i, got := range verdicts(b.Backfilled(t.Context(), b.in, in)) {
						if got != want {
							t.Errorf("%s is %s, want %s", in[i].Event.Type(), got, want)
						}
					}
				}
				if got := unfounded(); len(got) > 0 {
					t.Errorf("%v has no place in the graph", got)
				}
			} else {
				first := a.stored(t, said[0])[0].Event
				in := room.Incoming{Event: first}
				if got := verdicts(b.Receive(t.Context(), b.in, []room.Incoming{in})); got[0] != room.Lacking {
					t.Errorf("what follows the invitation is %s", got[0])
				}
				for _, s := range a.timeline(t) {
					if s.Event.ID() == first.ID() {
						break
					}
					if _, is := s.Event.StateKey(); is {
						in.Before = append(in.Before, s.Event.ID())
					}
				}
				if got := verdicts(b.Receive(t.Context(), b.in, []room.Incoming{in})); got[0] != room.Accepted {
					t.Errorf("what follows the invitation is %s where the state is told", got[0])
				}
				said = said[:1]
			}
			for _, s := range b.stored(t, said...) {
				if s.Aside != "" {
					t.Errorf("what was said is %s", s.Aside)
				}
			}
			if got, want := b.state(t), a.state(t); !maps.Equal(got, want) {
				t.Errorf("the state is %v, want %v", got, want)
			}
			for _, s := range b.timeline(t) {
				if s.Event.ID() == invite.ID() && s.Pos <= 0 {
					t.Error("the invitation has left the timeline")
				}
			}
		})
	}
}

// leaves takes the replica's user out of the room, of which another hears.
func (x *replica) leaves(t *testing.T, y *replica) {
	t.Helper()
	if err := x.Leave(t.Context(), room.Caller{User: x.user, Exempt: true}, x.in, ""); err != nil {
		t.Fatal(err)
	}
	left := x.timeline(t)
	y.take(t, left[len(left)-1].Event)
}

// invites is the event by which a invites b's user.
func (x *replica) invites(t *testing.T, y *replica) *event.Event { return x.moves(t, x, y, "invite") }

// moves is the event by which a user makes another's membership something else, with what the replica knows; it takes it.
func (x *replica) moves(t *testing.T, by, of *replica, membership string) *event.Event {
	t.Helper()
	before := x.timeline(t)
	tip := before[len(before)-1].Event
	key := string(of.user)
	draft := event.Draft{
		Room: x.in, Type: "m.room.member", StateKey: &key, Sender: by.user, Content: []byte(`{"membership":"` + membership + `"}`),
		Prev: []id.Event{tip.ID()}, Depth: tip.Depth() + 1, Timestamp: 1,
	}
	state := x.state(t)
	for _, k := range []string{"m.room.create/", "m.room.power_levels/", "m.room.join_rules/", "m.room.member/" + string(by.user), "m.room.member/" + key} {
		if e := state[k]; e != "" && !slices.Contains(draft.Auth, e) && (k != "m.room.join_rules/" || membership == "invite") {
			draft.Auth = append(draft.Auth, e)
		}
	}
	e, err := event.Build(tip.Version(), draft, by.Signer)
	if err != nil {
		t.Fatal(err)
	}
	x.take(t, e)
	return e
}
