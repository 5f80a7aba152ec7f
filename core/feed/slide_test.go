package feed_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// slide asks once, without waiting.
func (w *world) slide(q feed.Slide) *csapi.SlidingResponse {
	w.t.Helper()
	out, err := slideAnswer(w.t.Context(), w.feed, q)
	w.ok(err)
	return out
}

func slideAnswer(ctx context.Context, f *feed.Feed, q feed.Slide) (*csapi.SlidingResponse, error) {
	var to whole
	if err := f.Slide(ctx, q, &to); err != nil {
		return nil, err
	}
	out := new(csapi.SlidingResponse)
	if err := json.Unmarshal(to.Bytes(), out); err != nil {
		return nil, fmt.Errorf("%w: %s", err, to.Bytes())
	}
	return out, nil
}

// top is a list of the first n rooms.
func top(n, timeline int, state ...feed.Pattern) map[string]*feed.List {
	return map[string]*feed.List{"a": {Wanted: feed.Wanted{Timeline: timeline, State: state, Heroes: true}, Ranges: [][2]int{{0, n - 1}}}}
}

var everyState = feed.Pattern{AnyType: true, AnyKey: true}

func roomsOf(out *csapi.SlidingResponse) []id.Room {
	var rooms []id.Room
	for in := range out.Rooms {
		rooms = append(rooms, in)
	}
	slices.Sort(rooms)
	return rooms
}

func sorted(rooms ...id.Room) []id.Room {
	rooms = slices.Clone(rooms)
	slices.Sort(rooms)
	return rooms
}

func bodies(t testing.TB, events []json.RawMessage) []string {
	t.Helper()
	var out []string
	for _, raw := range events {
		var e struct {
			Type    string `json:"type"`
			Content struct {
				Body string `json:"body"`
			} `json:"content"`
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		if e.Content.Body != "" {
			out = append(out, e.Content.Body)
		} else {
			out = append(out, e.Type)
		}
	}
	return out
}

// TestSlide goes through what a client does with one list.
func TestSlide(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var rooms []id.Room
		for i := range 5 {
			rooms = append(rooms, w.create(alice, room.CreateRequest{Preset: "private_chat", Name: fmt.Sprint("room ", i)}))
		}
		q := feed.Slide{Caller: as(alice), Lists: top(2, 1, feed.Pattern{Type: "m.room.create"})}
		out := w.slide(q)
		if d := cmp.Diff(sorted(rooms[3], rooms[4]), roomsOf(out)); d != "" {
			t.Fatal(d)
		}
		if got := out.Lists["a"].Count; got != 5 {
			t.Errorf("the list has %d rooms", got)
		}
		r := out.Rooms[rooms[4]]
		if !r.Initial || string(r.Name) != `"room 4"` || len(r.Timeline) != 1 || !r.Limited || r.PrevBatch == "" || *r.Joined != 1 || len(r.RequiredState) != 1 || r.Bump == 0 || r.Live != 0 {
			t.Errorf("got %+v", r)
		}

		// What moves into the window is told, with all that is new in it.
		q.Pos = out.Pos
		w.send(rooms[0], alice, "one")
		out = w.slide(q)
		if d := cmp.Diff(sorted(rooms[0]), roomsOf(out)); d != "" {
			t.Fatal(d)
		}
		if r := out.Rooms[rooms[0]]; !r.Initial || r.Live != 1 || cmp.Diff([]string{"one"}, bodies(t, r.Timeline)) != "" {
			t.Errorf("got %+v", r)
		}
		// Asked again it is told again, until the client goes on from there.
		again := w.slide(q)
		out.Pos = ""
		pos := again.Pos
		again.Pos = ""
		if d := cmp.Diff(plain(t, out), plain(t, again)); d != "" {
			t.Errorf("a repeated pos (-first +second):\n%s", d)
		}
		q.Pos = pos
		if out = w.slide(q); len(out.Rooms) != 0 {
			t.Errorf("told again: %+v", out.Rooms)
		}

		// A longer window, and more of the timeline.
		q.Pos, q.Lists = out.Pos, top(10, 3, feed.Pattern{Type: "m.room.create"}, feed.Pattern{Type: "m.room.name"})
		out = w.slide(q)
		if d := cmp.Diff(sorted(rooms...), roomsOf(out)); d != "" {
			t.Fatal(d)
		}
		r = out.Rooms[rooms[0]]
		if r.Initial || !r.UnstableExpanded || len(r.Timeline) != 3 || cmp.Diff([]string{"m.room.name"}, bodies(t, r.RequiredState)) != "" {
			t.Errorf("got %+v", r)
		}
		if r := out.Rooms[rooms[1]]; !r.Initial || r.UnstableExpanded {
			t.Errorf("got %+v", r)
		}
		q.Pos = out.Pos
		if out = w.slide(q); len(out.Rooms) != 0 {
			t.Errorf("told again: %+v", out.Rooms)
		}

		// A room that was out of sight is told what happened meanwhile.
		q.Pos, q.Lists = out.Pos, top(1, 3)
		q.Pos = w.slide(q).Pos
		q.Pos = w.slide(q).Pos
		w.send(rooms[1], bobIn(w, rooms[1]), "two")
		w.send(rooms[2], alice, "three")
		out = w.slide(q)
		if d := cmp.Diff(sorted(rooms[2]), roomsOf(out)); d != "" {
			t.Fatal(d)
		}
		q.Pos, q.Lists = out.Pos, top(5, 3)
		out = w.slide(q)
		r = out.Rooms[rooms[1]]
		if len(out.Rooms) != 1 || r == nil || r.Initial || cmp.Diff([]string{"m.room.member", "m.room.member", "two"}, bodies(t, r.Timeline)) != "" || *r.Joined != 2 || *r.Notifications != 1 {
			t.Errorf("got %+v", out.Rooms)
		}
	})
}

func plain(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, age.ReplaceAll(raw, nil), "", " "); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func bobIn(w *world, in id.Room) id.User {
	w.t.Helper()
	w.ok(w.rooms.Invite(w.t.Context(), as(alice), in, bob, ""))
	w.ok(w.rooms.Join(w.t.Context(), as(bob), in, "", nil))
	return bob
}

// TestSlidePos: a pos of another life, another connection or too long ago begins anew; one that never had rooms goes on.
func TestSlidePos(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create(alice, room.CreateRequest{Preset: "private_chat"})
		q := feed.Slide{Caller: as(alice), Lists: top(2, 1)}
		first := w.slide(q).Pos
		q.Pos = first
		second := w.slide(q).Pos
		q.Pos = second
		w.slide(q)
		unknown := func(q feed.Slide) {
			t.Helper()
			if _, err := slideAnswer(t.Context(), w.feed, q); !fault.Is(err, fault.UnknownPos) {
				t.Errorf("%q: got %v", q.Pos, err)
			}
		}
		q.Pos = first
		unknown(q) // the client had gone on from it
		for _, pos := range []string{"s9", "x", "s1_2_0_3_4", "s0_0_0_0_0", "s99999999999_0_0_0_0"} {
			q.Pos = pos
			unknown(q)
		}
		q.Pos, q.Connection = second, "other"
		unknown(q)
		q.Connection, q.Caller.Device = "", "OTHER"
		unknown(q)

		e := feed.Slide{Caller: as(alice), Connection: "enc", Extensions: feed.Extensions{E2EE: true, ToDevice: &feed.ToDevice{}}}
		e.Pos = w.slide(e).Pos
		q = feed.Slide{Caller: as(alice), Lists: top(2, 1)}
		q.Pos = w.slide(q).Pos
		w.open(limits{})
		unknown(q)
		w.slide(e)
		e.Lists = top(1, 1)
		if out := w.slide(e); out.Rooms[in] == nil || !out.Rooms[in].Initial {
			t.Errorf("got %+v", out.Rooms)
		}
	})
}

// TestSlideMemberships: invitations, knocks, and rooms that are left, or that the user is sent away from.
func TestSlideMemberships(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		in := w.create(alice, room.CreateRequest{Preset: "private_chat", Name: "tea"})
		q := feed.Slide{Caller: as(bob), Lists: top(9, 5, everyState)}
		next := func() *csapi.SlidingResponse {
			t.Helper()
			out := w.slide(q)
			q.Pos = out.Pos
			return out
		}
		if out := next(); len(out.Rooms) != 0 || out.Lists["a"].Count != 0 {
			t.Errorf("got %+v", out)
		}
		w.ok(w.rooms.Invite(ctx, as(alice), in, bob, ""))
		if r := next().Rooms[in]; r == nil || !r.Initial || len(r.InviteState) < 3 || len(r.Timeline)+len(r.RequiredState) != 0 || r.Name != nil || r.Bump == 0 {
			t.Errorf("an invitation: %+v", r)
		}
		w.ok(w.rooms.Join(ctx, as(bob), in, "", nil))
		if r := next().Rooms[in]; r == nil || !r.Initial || len(r.RequiredState) < 5 || len(r.Timeline) == 0 {
			t.Errorf("a join: %+v", r)
		}
		w.ok(w.rooms.Leave(ctx, as(bob), in, ""))
		w.send(in, alice, "secret")
		if r := next().Rooms[in]; r == nil || r.Initial || len(r.RequiredState) != 1 || cmp.Diff([]string{"m.room.member"}, bodies(t, r.Timeline)) != "" {
			t.Errorf("a room that was left: %s", plain(t, r))
		}
		if out := next(); len(out.Rooms) != 0 || out.Lists["a"].Count != 0 {
			t.Errorf("a room that was left, later: %s", plain(t, out))
		}
		w.ok(w.rooms.Invite(ctx, as(alice), in, bob, ""))
		w.ok(w.rooms.Join(ctx, as(bob), in, "", nil))
		if r := next().Rooms[in]; r == nil || !r.Initial {
			t.Errorf("another join: %+v", r)
		}
		w.ok(w.rooms.Ban(ctx, as(alice), in, bob, ""))
		if r := next().Rooms[in]; r == nil || r.Initial || cmp.Diff([]string{"m.room.member"}, bodies(t, r.Timeline)) != "" {
			t.Errorf("a ban: %s", plain(t, r))
		}
		if out := next(); len(out.Rooms) != 0 || out.Lists["a"].Count != 1 {
			t.Errorf("after a ban: %s", plain(t, out))
		}
		q.Pos = ""
		if r := next().Rooms[in]; r == nil || !r.Initial || cmp.Diff([]string{"m.room.member"}, bodies(t, r.Timeline[len(r.Timeline)-1:])) != "" {
			t.Errorf("a ban for who did not know: %s", plain(t, r))
		}
	})
}

// TestSlideWaits: who waits is woken by what is in view, and by the extensions.
func TestSlideWaits(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
		w.ok(w.rooms.Join(t.Context(), as(bob), in, "", nil))
		all := feed.Extensions{E2EE: true, ToDevice: &feed.ToDevice{}, AccountData: &feed.Scope{}, Receipts: &feed.Scope{}, Typing: &feed.Scope{}}
		q := feed.Slide{Caller: as(alice), Lists: top(9, 5, everyState), Extensions: all, Timeout: time.Minute}
		q.Pos = w.slide(q).Pos
		wait := func(do func()) *csapi.SlidingResponse {
			t.Helper()
			type result struct {
				out *csapi.SlidingResponse
				err error
			}
			done := make(chan result, 1)
			go func() {
				out, err := slideAnswer(t.Context(), w.feed, q)
				done <- result{out, err}
			}()
			time.Sleep(20 * time.Millisecond)
			do()
			r := <-done
			w.ok(r.err)
			q.Pos = r.out.Pos
			return r.out
		}
		var sent id.Event
		if out := wait(func() { sent = w.send(in, bob, "hi") }); len(out.Rooms[in].Timeline) != 1 || out.Rooms[in].Live != 1 || *out.Rooms[in].Notifications != 1 {
			t.Errorf("a message: %s", plain(t, out))
		}
		if out := wait(func() { w.ok(w.ephemeral.SetTyping(t.Context(), bob, in, true, nil)) }); len(out.Extensions.Typing.Rooms) != 1 {
			t.Errorf("typing: %s", plain(t, out))
		}
		read := func() {
			w.ok(w.ephemeral.SetReceipts(t.Context(), alice, in, ephemeral.Mark{Type: ephemeral.Read, Event: sent}))
		}
		if out := wait(read); len(out.Extensions.Receipts.Rooms) != 1 || *out.Rooms[in].Notifications != 0 {
			t.Errorf("a receipt: %s", plain(t, out))
		}
		if out := wait(func() { w.ok(w.people.SetData(t.Context(), alice, "", "org.test", json.RawMessage(`{"a":1}`))) }); len(out.Extensions.AccountData.Global) != 1 {
			t.Errorf("account data: %s", plain(t, out))
		}
		direct := json.RawMessage(fmt.Sprintf(`{%q:[%q]}`, bob, in))
		if out := wait(func() { w.ok(w.people.SetData(t.Context(), alice, "", "m.direct", direct)) }); out.Rooms[in].Direct == nil || !*out.Rooms[in].Direct {
			t.Errorf("a direct chat: %s", plain(t, out))
		}
		if out := wait(func() { w.ok(w.people.SetTag(t.Context(), alice, in, "u.x", json.RawMessage(`{}`))) }); len(out.Extensions.AccountData.Rooms[in]) != 1 {
			t.Errorf("a tag: %s", plain(t, out))
		}
		q.Timeout = 0
		if out := w.slide(q); len(out.Rooms) != 0 || out.Extensions.Typing != nil || out.Extensions.Receipts != nil || out.Extensions.AccountData != nil {
			t.Errorf("nothing: %s", plain(t, out))
		}
	})
}
