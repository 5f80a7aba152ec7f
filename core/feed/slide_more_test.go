package feed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/feed"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// TestSlideParts: a long answer goes out in parts and says what it says room by room; who hangs up is told it all again.
func TestSlideParts(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	rooms := w.many(40, 30)
	q := feed.Slide{Caller: as(alice), Lists: top(100, 30, everyState)}
	q.Extensions.AccountData = &feed.Scope{}
	gone := errors.New("gone")
	to := &slow{t: t, look: func() error { return gone }}
	if err := w.feed.Slide(t.Context(), q, to); !errors.Is(err, gone) {
		t.Errorf("who hangs up: %v", err)
	}
	to = &slow{t: t, look: func() error {
		w.send(rooms[0], alice, "meanwhile")
		return nil
	}}
	w.ok(w.feed.Slide(t.Context(), q, to))
	if to.parts < 5 {
		t.Fatalf("%d bytes in %d parts", to.Len(), to.parts)
	}
	var out csapi.SlidingResponse
	if err := json.Unmarshal(to.Bytes(), &out); err != nil {
		t.Fatalf("%v: %s", err, to.Bytes())
	}
	if d := cmp.Diff(sorted(rooms...), roomsOf(&out)); d != "" {
		t.Fatal(d)
	}
	seen := strings.Count(plain(t, &out), `"meanwhile"`)
	q.Pos = out.Pos
	seen += strings.Count(plain(t, w.slide(q)), `"meanwhile"`)
	if seen != to.parts {
		t.Errorf("%d of %d messages that were sent meanwhile are told", seen, to.parts)
	}
	alone := feed.Slide{Caller: as(alice), Connection: "alone", Rooms: map[id.Room]*feed.Wanted{rooms[7]: &q.Lists["a"].Wanted}}
	if d := cmp.Diff(plain(t, w.slide(alone).Rooms[rooms[7]]), plain(t, out.Rooms[rooms[7]])); d != "" {
		t.Errorf("alone and among others (-alone +among others):\n%s", d)
	}
}

// TestSlideDataAgain: who did not ask for account data in between is told what was deleted meanwhile.
func TestSlideDataAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.create(alice, room.CreateRequest{Preset: "private_chat"})
		set := func(content string) {
			w.ok(w.people.SetData(t.Context(), alice, "", "org.test", json.RawMessage(content)))
		}
		set(`{"a":1}`)
		q := feed.Slide{Caller: as(alice), Lists: top(9, 2)}
		q.Extensions.AccountData = &feed.Scope{}
		told := func() string { return plain(t, w.slide(q).Extensions.AccountData) }
		if first := told(); !strings.Contains(first, "org.test") {
			t.Fatalf("told %s", first)
		}
		q.Pos, q.Extensions.AccountData = w.slide(q).Pos, nil
		set(`{}`)
		q.Pos = w.slide(q).Pos
		q.Extensions.AccountData = &feed.Scope{}
		if again := told(); !strings.Contains(again, "org.test") || !strings.Contains(again, "m.push_rules") {
			t.Errorf("it was deleted, and she is told %s", again)
		}
	})
}

// TestSlideFails: a room that cannot be shown keeps nobody from the others, and nothing of it is passed over.
func TestSlideFails(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create(alice, room.CreateRequest{Preset: "private_chat"})
		other := w.create(alice, room.CreateRequest{Preset: "private_chat"})
		q := feed.Slide{Caller: as(alice), Lists: top(9, 2)}
		q.Pos = w.slide(q).Pos
		sent := w.send(in, alice, "lost and found")
		var body []byte
		set := func(to []byte) {
			t.Helper()
			w.ok(w.db.Write(t.Context(), func(tx *sqldb.Tx) error {
				if err := tx.Row(`SELECT json FROM event WHERE event_id = $1`, sent).Scan(&body); err != nil {
					return err
				}
				_, err := tx.Exec(`UPDATE event SET json = $1 WHERE event_id = $2`, to, sent)
				return err
			}))
		}
		set([]byte("no event"))
		whole := body
		w.open(limits{}) // nothing is in memory
		q.Pos = ""
		out := w.slide(q)
		if d := cmp.Diff([]id.Room{other}, roomsOf(out)); d != "" || out.Lists["a"].Count != 2 {
			t.Fatal(d)
		}
		for range 2 { // who goes on is not told it, and gets all the same what is new elsewhere
			w.send(other, alice, "well")
			q.Pos = out.Pos
			out = w.slide(q)
			if d := cmp.Diff([]id.Room{other}, roomsOf(out)); d != "" {
				t.Fatal(d)
			}
		}
		set(whole)
		q.Pos = out.Pos
		out = w.slide(q)
		if r := out.Rooms[in]; len(out.Rooms) != 1 || !r.Initial || !slices.Contains(bodies(t, r.Timeline), "lost and found") {
			t.Errorf("got %s", plain(t, out))
		}
	})
}

// TestSlideOvertaken: of two requests on one connection the later one has it.
func TestSlideOvertaken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create(alice, room.CreateRequest{Preset: "private_chat"})
		q := feed.Slide{Caller: as(alice), Lists: top(9, 2)}
		q.Pos = w.slide(q).Pos
		waits := q
		waits.Timeout = time.Minute
		done := make(chan error, 1)
		go func() {
			_, err := slideAnswer(t.Context(), w.feed, waits)
			done <- err
		}()
		for !w.bus.Has("u:" + string(alice)) {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		out := w.slide(q)
		w.send(in, alice, "hi")
		if err := <-done; !fault.Is(err, fault.UnknownPos) {
			t.Errorf("who was overtaken: %v", err)
		}
		q.Pos = out.Pos
		if out := w.slide(q); len(out.Rooms[in].Timeline) != 1 {
			t.Errorf("got %s", plain(t, out))
		}
	})
}

// TestSlideBounds: a device has so many connections, and the one used longest ago goes.
func TestSlideBounds(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	w.create(alice, room.CreateRequest{Preset: "private_chat"})
	ask := func(device id.Device, name, pos string) (string, error) {
		q := feed.Slide{Caller: room.Caller{User: alice, Device: device}, Connection: name, Pos: pos, Lists: top(9, 1)}
		out, err := slideAnswer(t.Context(), w.feed, q)
		if err != nil {
			return "", err
		}
		return out.Pos, nil
	}
	other, err := ask("OTHER", "0", "")
	w.ok(err)
	pos := make([]string, 11)
	for i := range 10 {
		pos[i], err = ask("DEV", fmt.Sprint(i), "")
		w.ok(err)
	}
	pos[0], err = ask("DEV", "0", pos[0])
	w.ok(err)
	pos[10], err = ask("DEV", "10", "")
	w.ok(err)
	for i := range pos {
		_, err := ask("DEV", fmt.Sprint(i), pos[i])
		if gone := fault.Is(err, fault.UnknownPos); gone != (i == 1) {
			t.Errorf("connection %d: %v", i, err)
		}
	}
	if _, err := ask("OTHER", "0", other); err != nil {
		t.Error(err)
	}
	for i := range 40 { // and it may ask for so many different things
		q := feed.Slide{Caller: as(alice), Connection: "0", Pos: pos[0], Lists: top(9, 1, feed.Pattern{Type: fmt.Sprint(i)})}
		out, err := slideAnswer(t.Context(), w.feed, q)
		if err != nil {
			if !fault.Is(err, fault.UnknownPos) || i < 20 {
				t.Errorf("after %d: %v", i, err)
			}
			return
		}
		pos[0] = out.Pos
	}
	t.Error("a connection remembers any number of configurations")
}

// TestSlideStorm: readers who wait while all write are told each event once and in the order of the log.
func TestSlideStorm(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const rooms, readers, senders, messages = 4, 6, 4, 25
		var all []id.Room
		var users []id.User
		for i := range readers {
			users = append(users, id.User(fmt.Sprintf("@r%d:a.test", i)))
		}
		for range rooms {
			in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
			for _, u := range users {
				w.ok(w.rooms.Join(t.Context(), as(u), in, "", nil))
			}
			all = append(all, in)
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
		defer stop()
		before := w.log(all)
		told := make([]map[id.Room][]id.Event, readers)
		var writers, listeners sync.WaitGroup
		var done atomic.Bool
		for i, u := range users {
			told[i] = map[id.Room][]id.Event{}
			q := feed.Slide{Caller: as(u), Lists: top(1+i, 100, everyState)}
			q.Pos = w.slide(q).Pos
			listeners.Go(func() {
				for last := false; !last; {
					last = done.Load()
					if q.Timeout = 200 * time.Millisecond; last {
						q.Timeout, q.Lists = 0, top(rooms, 100, everyState)
					}
					out, err := slideAnswer(ctx, w.feed, q)
					if err != nil {
						t.Error(err)
						return
					}
					q.Pos = out.Pos
					for in, r := range out.Rooms {
						if r.Initial {
							told[i][in] = nil
						}
						for _, raw := range r.Timeline {
							var e shown
							if err := json.Unmarshal(raw, &e); err != nil {
								t.Error(err)
							}
							told[i][in] = append(told[i][in], e.ID)
						}
					}
				}
			})
		}
		for i := range senders {
			writers.Go(func() {
				for n := range messages {
					content := fmt.Appendf(nil, `{"body":"%d %d"}`, i, n)
					if _, err := w.rooms.Send(ctx, as(users[i]), all[(i+n)%rooms], room.Draft{Type: "m.room.message", Content: content}, ""); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		writers.Wait()
		done.Store(true)
		listeners.Wait()
		for in, log := range w.log(all) {
			want := log[len(before[in]):]
			for i := range users {
				got := told[i][in]
				if got = got[max(0, len(got)-len(want)):]; !slices.Equal(got, want) {
					t.Errorf("%s: %s was told\n %v, want\n %v", in, users[i], got, want)
				}
			}
		}
	})
}

// TestSlideExpands: a longer timeline is shown to who does not have it all, and to nobody else.
func TestSlideExpands(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create(alice, room.CreateRequest{Preset: "private_chat"})
		q := feed.Slide{Caller: as(alice), Lists: top(1, 20)}
		next := func(timeline int) *csapi.SlidingRoom {
			t.Helper()
			q.Lists = top(1, timeline)
			out := w.slide(q)
			q.Pos = out.Pos
			return out.Rooms[in]
		}
		if r := next(20); r.Limited || len(r.Timeline) < 5 {
			t.Fatalf("got %s", plain(t, r))
		}
		for _, timeline := range []int{1, 3, 20, 100} {
			if r := next(timeline); r != nil {
				t.Errorf("with %d: %s", timeline, plain(t, r))
			}
		}
		for i := range 5 {
			w.send(in, alice, fmt.Sprint(i))
		}
		if r := next(1); !r.Limited || len(r.Timeline) != 1 || r.UnstableExpanded {
			t.Errorf("a gap: %s", plain(t, r))
		}
		if r := next(3); r == nil || !r.UnstableExpanded || !r.Limited || cmp.Diff([]string{"2", "3", "4"}, bodies(t, r.Timeline)) != "" || r.Live != 0 {
			t.Errorf("after it: %s", plain(t, r))
		}
		next(1)
		if r := next(3); r != nil {
			t.Errorf("again: %s", plain(t, r))
		}
	})
}
