package outbox_test

import (
	"crypto/ed25519"
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// TestUndone: a server that joined through this one is told of the ban that undid its join, though another server made it without
// knowing that anybody was there. One that joined through a third server, which is in the room, hears of it from there. One that had
// joined before, so that it may have been sent the ban earlier, is sent the event that follows both the ban and the join.
func TestUndone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create("b.test", "d.test")
		const bob = "@user:b.test"
		if _, err := w.rooms.SetState(t.Context(), as(alice), in, "m.room.power_levels", "", []byte(`{"users":{"`+bob+`":50}}`)); err != nil {
			t.Fatal(err)
		}
		signer := func(server id.Server) event.Signer {
			return event.Signer{Server: server, Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
		}
		state := map[string]id.Event{}
		var last *event.Event
		if err := w.db.Read(t.Context(), func(tx *sqldb.Tx) error {
			line, _, _, err := w.rooms.Stream(tx, 0, 100)
			for _, s := range line {
				if key, is := s.Event.StateKey(); is {
					state[s.Event.Type()+key] = s.Event.ID()
				}
				last = s.Event
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		fork := last
		take := func(sender, target, membership string, after *event.Event, by ...id.Server) *event.Event {
			t.Helper()
			auth := []id.Event{state["m.room.power_levels"], state["m.room.join_rules"]}
			if membership == "ban" {
				auth = []id.Event{state["m.room.power_levels"], state["m.room.member"+sender]}
			}
			e, err := event.Build(fork.Version(), event.Draft{
				Room: in, Type: "m.room.member", StateKey: &target, Sender: id.User(sender), Content: []byte(`{"membership":"` + membership + `"}`),
				Prev: []id.Event{after.ID()}, Auth: auth, Depth: after.Depth() + 1, Timestamp: 1,
			}, signer(id.User(sender).Server()))
			for _, server := range by {
				if err == nil {
					e, err = e.Sign(signer(server))
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			receipts, err := w.rooms.Receive(t.Context(), in, []room.Incoming{{Event: e}})
			if err != nil || receipts[0].Verdict != room.Accepted {
				t.Fatal(receipts, err)
			}
			return e
		}
		const here, elsewhere, before = "@user:e.test", "@user:f.test", "@user:g.test"
		after := take(here, here, "join", last, "a.test")
		take(elsewhere, elsewhere, "join", after, "d.test")
		joined := take(before, before, "join", after, "a.test")
		take(before, before, "join", joined, "a.test")
		banned := take(bob, here, "ban", fork)
		take(bob, elsewhere, "ban", banned)
		take(bob, before, "ban", joined)
		w.await("the ban", func() bool { return slices.Contains(w.far.bodies("e.test"), "ban") })
		w.sorted()
		w.say(in, alice, "two")
		w.await("the last message", func() bool { return slices.Contains(w.far.bodies("b.test"), "two") })
		if got := w.far.bodies("e.test"); slices.Contains(got, "two") {
			t.Errorf("who is out was told %v", got)
		}
		w.await("what brings both sides together", func() bool { return slices.Contains(w.far.bodies("g.test"), "two") })
		w.say(in, alice, "three")
		w.await("the message after it", func() bool { return slices.Contains(w.far.bodies("b.test"), "three") })
		if got := w.far.bodies("g.test"); slices.Contains(got, "three") {
			t.Errorf("who is out and knows it was told %v", got)
		}
		for _, server := range []id.Server{"d.test", "f.test"} {
			if got := w.far.bodies(server); slices.Contains(got, "ban") {
				t.Errorf("%s was told %v", server, got)
			}
		}
	})
}
