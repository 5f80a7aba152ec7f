package feed_test

import (
	"encoding/json"
	"testing"
	"time"

	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/core/inbox"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

// TestWakes: whatever is news for a user ends her waiting, and is in the answer; also when it came after her last answer
// and before she waits for the next.
func TestWakes(t *testing.T) {
	t.Run("asleep", func(t *testing.T) { wakes(t, true) })
	t.Run("away", func(t *testing.T) { wakes(t, false) })
}

func wakes(t *testing.T, asleep bool) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
		w.ok(w.rooms.Join(ctx, as(bob), in, "", nil))
		first := w.send(in, alice, "first")
		on := true
		joined := func(out *csapi.SyncResponse) bool { return out.Rooms.Join[in] != nil }
		var other id.Room
		for _, c := range []struct {
			what string
			do   func() error
			seen func(*csapi.SyncResponse) bool
		}{
			{"message", func() error { w.send(in, alice, "x"); return nil }, joined},
			{"state", func() error { w.setState(in, alice, "m.room.topic", "", `{"topic":"x"}`); return nil }, joined},
			{"receipt", func() error {
				return w.ephemeral.SetReceipts(ctx, alice, in, ephemeral.Mark{Type: "m.read", Event: first})
			}, joined},
			{"private receipt", func() error {
				return w.ephemeral.SetReceipts(ctx, bob, in, ephemeral.Mark{Type: "m.read.private", Event: first})
			}, joined},
			{"typing", func() error { return w.ephemeral.SetTyping(ctx, alice, in, on, nil) }, joined},
			{"end of typing", func() error { return w.ephemeral.SetTyping(ctx, alice, in, !on, nil) }, joined},
			{
				"account data", func() error { return w.people.SetData(ctx, bob, "", "org.test", json.RawMessage(`{"a":1}`)) },
				func(out *csapi.SyncResponse) bool { return out.AccountData != nil },
			},
			{"room account data", func() error { return w.people.SetData(ctx, bob, in, "org.test", json.RawMessage(`{"a":1}`)) }, joined},
			{"push rule", func() error {
				return w.people.ChangePushRules(ctx, bob, func(r *pushrule.Ruleset) (*pushrule.Ruleset, error) { return r, nil })
			}, func(out *csapi.SyncResponse) bool { return out.AccountData != nil }},
			{"to-device", func() error {
				return w.inbox.Send(ctx, inbox.Sender{User: alice, Device: "DEV", Txn: "1"}, "org.test",
					map[id.User]map[id.Device]json.RawMessage{bob: {"DEV": json.RawMessage(`{}`)}})
			}, func(out *csapi.SyncResponse) bool { return out.ToDevice != nil }},
			{
				"presence", func() error { return w.ephemeral.SetPresence(ctx, alice, "DEV", "unavailable", nil) },
				func(out *csapi.SyncResponse) bool { return out.Presence != nil },
			},
			{
				"another's join", func() error { return w.rooms.Join(ctx, as(carol), in, "", nil) },
				func(out *csapi.SyncResponse) bool { return joined(out) && out.DeviceLists != nil },
			},
			{"invitation", func() error {
				other = w.create(alice, room.CreateRequest{Preset: "private_chat", Invite: []id.User{bob}})
				return nil
			}, func(out *csapi.SyncResponse) bool { return out.Rooms.Invite[other] != nil }},
			{
				"invitation taken back", func() error { return w.rooms.Kick(ctx, as(alice), other, bob, "") },
				func(out *csapi.SyncResponse) bool { return out.Rooms.Leave[other] != nil },
			},
			{
				"kick", func() error { return w.rooms.Kick(ctx, as(alice), in, bob, "") },
				func(out *csapi.SyncResponse) bool { return out.Rooms.Leave[in] != nil },
			},
		} {
			since := w.sync(bob, w.sync(bob, "", "").NextBatch, "").NextBatch
			answers := make(chan *csapi.SyncResponse, 1)
			if !asleep {
				w.ok(c.do())
			}
			go func() {
				out, err := answer(ctx, w.feed, feed.Request{Caller: as(bob), Since: since, Timeout: 2 * time.Minute})
				if err != nil {
					t.Error(err)
				}
				answers <- out
			}()
			if asleep {
				time.Sleep(20 * time.Millisecond)
				w.ok(c.do())
			}
			select {
			case out := <-answers:
				if out.Rooms == nil {
					out.Rooms = new(csapi.SyncRooms)
				}
				if !c.seen(out) {
					t.Errorf("%s: not in the answer", c.what)
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s: slept on", c.what)
			}
		}
	})
}

// TestComesBack: who was told everything and comes back begins to wait without a look; who comes with another token does not.
func TestComesBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
		looks := func(since string) int64 {
			peeked, read := w.feed.Looks()
			before := peeked + read
			if _, err := answer(t.Context(), w.feed, feed.Request{Caller: as(alice), Since: since, Timeout: 50 * time.Millisecond}); err != nil {
				t.Fatal(err)
			}
			peeked, read = w.feed.Looks()
			return peeked + read - before
		}
		first := w.sync(alice, "", "").NextBatch
		if n := looks(first); n != 1 {
			t.Errorf("%d looks of who comes back, want the last alone", n)
		}
		if n := looks(first); n != 1 {
			t.Errorf("%d looks of who comes back once more, want the last alone", n)
		}
		w.send(in, alice, "x")
		second := w.sync(alice, first, "").NextBatch
		if n := looks(first); n != 1 {
			t.Errorf("%d looks of who comes with the token before, want the one that finds the news", n)
		}
		for range 2 {
			w.sync(alice, second, "")
			w.sync(alice, first, "")
		}
		if out := w.sync(alice, first, ""); len(out.Rooms.Join[in].Timeline.Events) != 1 {
			t.Errorf("got %+v, want the event once more", out.Rooms)
		}
	})
}

// TestOtherLives: to tokens of a future that did not come to pass, or that were made up, everything is told anew, with a gap
// before it: what the client believes may never have happened.
func TestOtherLives(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
		now := w.sync(alice, "", "").NextBatch
		for _, since := range []string{"s999999", "s999999_1", "s999999_9223372036854775807_999999"} {
			out := w.sync(alice, since, "")
			if got := out.Rooms.Join[in]; got == nil || !got.Timeline.Limited || len(got.State.Events)+len(got.Timeline.Events) < 5 {
				t.Errorf("%s: want all of the room after a gap, got %+v", since, out.Rooms.Join)
			}
			w.send(in, alice, "x")
			if out = w.sync(alice, out.NextBatch, ""); len(out.Rooms.Join) != 1 {
				t.Errorf("%s: an event after it is not shown", since)
			}
		}
		for _, since := range []string{"x", "s", "s-1", "s1_x", "t1_2", "s1_2_3_4_5_999999999999999999999999"} {
			if _, err := answer(t.Context(), w.feed, feed.Request{Caller: as(alice), Since: since}); err == nil {
				t.Errorf("%s: got no error", since)
			}
		}
		if out := w.sync(alice, now, ""); len(out.Rooms.Join[in].Timeline.Events) != 3 {
			t.Errorf("got %d events, want 3", len(out.Rooms.Join[in].Timeline.Events))
		}
	})
}
