package ephemeral

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	alice, bob, carol = id.User("@alice:s1"), id.User("@bob:s1"), id.User("@carol:s1")
	room1, room2      = id.Room("!1:s1"), id.Room("!2:s1")
)

// fewRooms is what the room engine would say: who is in which room, and which events it has.
type fewRooms struct {
	members map[id.Room][]id.User
	events  map[id.Event]sqldb.Pos
}

func (r fewRooms) IsMember(_ context.Context, room id.Room, user id.User) (bool, error) {
	return slices.Contains(r.members[room], user), nil
}

func (r fewRooms) LocalMembers(_ context.Context, room id.Room) ([]id.User, error) {
	return r.members[room], nil
}

func (r fewRooms) EventPos(_ *sqldb.Tx, _ id.Room, event id.Event) (sqldb.Pos, error) {
	return r.events[event], nil
}

func (r fewRooms) SharesRoom(_ *sqldb.Tx, a, b id.User) (bool, error) {
	for _, m := range r.members {
		if slices.Contains(m, a) && slices.Contains(m, b) {
			return true, nil
		}
	}
	return false, nil
}

func (r fewRooms) SharedUsers(tx *sqldb.Tx, user id.User) ([]id.User, error) {
	return r.SharedWith(tx, []id.User{user})
}

func (r fewRooms) SharedWith(_ *sqldb.Tx, users []id.User) (all []id.User, _ error) {
	for _, m := range r.members {
		if slices.ContainsFunc(m, func(u id.User) bool { return slices.Contains(users, u) }) {
			all = append(all, m...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (r fewRooms) Admits(_ context.Context, room id.Room, user id.User) (bool, error) {
	return slices.Contains(r.members[room], user), nil
}

func (r fewRooms) OtherServers(_ context.Context, room id.Room) ([]id.Server, error) {
	return others(r.members[room]), nil
}

func (r fewRooms) SharedServers(tx *sqldb.Tx, user id.User) ([]id.Server, error) {
	shared, err := r.SharedUsers(tx, user)
	return others(shared), err
}

func (fewRooms) SharedServersBy(_ *sqldb.Tx, _ id.User, shared []id.User) ([]id.Server, error) {
	return others(shared), nil
}

func (fewRooms) MayShare(*sqldb.Tx, id.Server) ([]id.User, error) { return nil, nil }

func (r fewRooms) Meets(tx *sqldb.Tx, user id.User) (bool, error) {
	shared, err := r.SharedUsers(tx, user)
	return slices.ContainsFunc(shared, func(u id.User) bool { return u.Server() == "s1" }), err
}

func others(users []id.User) (servers []id.Server) {
	for _, u := range users {
		if u.Server() != "s1" {
			servers = append(servers, u.Server())
		}
	}
	slices.Sort(servers)
	return slices.Compact(servers)
}

func newEphemeral(t testing.TB, db *sqldb.DB) *Ephemeral {
	t.Helper()
	e := New(Config{
		DB: db, Bus: new(bus.Local), Server: "s1", Presence: true, PresenceAbroad: true, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Rooms: fewRooms{
			members: map[id.Room][]id.User{room1: {alice, bob}, room2: {bob, carol}},
			events:  map[id.Event]sqldb.Pos{"$a": 1, "$b": 2, "$c": 3, "$d": 4},
		},
	})
	t.Cleanup(e.Close)
	return e
}

// When too many are remembered one of those who are not here goes, and her changes are passed over.
func TestPeopleAreBounded(t *testing.T) {
	e := newEphemeral(t, sqldbtest.SQLite(t, schema.FS))
	for i := range maxPeople + 100 {
		u := id.User(fmt.Sprint("@p", i, ":s1"))
		e.change(u, func(s *somebody, _ time.Time) { s.status = "x"; s.serial = e.next() })
	}
	if n := len(e.presence.people); n > maxPeople {
		t.Errorf("%d are remembered", n)
	}
	for s := e.presence.lost; s < e.presence.lost+10; s++ {
		e.changedSince(s)
	}
}

func each(t *testing.T, fn func(t *testing.T, e *Ephemeral)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) { fn(t, newEphemeral(t, db)) })
}

func wantFault(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if code == "" && err != nil || code != "" && !fault.Is(err, code) {
		t.Errorf("got error %v, want %q", err, code)
	}
}

func woken(s *bus.Sleeper) bool {
	select {
	case <-s.C():
		return true
	default:
		return false
	}
}

func set(t testing.TB, e *Ephemeral, user id.User, typ, thread string, event id.Event) {
	t.Helper()
	m := Mark{Type: typ, Event: event}
	if thread != "" {
		m.Thread = &thread
	}
	if err := e.SetReceipts(t.Context(), user, room1, m); err != nil {
		t.Fatal(err)
	}
}

// content is the m.receipt content that reader gets after since.
func content(t testing.TB, e *Ephemeral, reader id.User, since sqldb.Pos) map[id.Event]map[string]map[id.User]any {
	t.Helper()
	var out map[id.Event]map[string]map[id.User]any
	err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		r, err := e.Receipts(tx, room1, since, tx.Pos(), reader)
		if all := Contents(r); len(all) > 0 {
			out = all[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, types := range out {
		for _, users := range types {
			for u, d := range users {
				users[u] = d.(receiptData).Thread // the time is not compared
			}
		}
	}
	return out
}

type receipts = map[id.Event]map[string]map[id.User]any

func TestReceipts(t *testing.T) {
	each(t, func(t *testing.T, e *Ephemeral) {
		asleep := e.Bus.Sleep("u:@bob:s1")
		defer asleep.Close()
		set(t, e, alice, Read, "", "$b")
		if !woken(asleep) {
			t.Error("bob was not woken")
		}
		want := receipts{"$b": {Read: {alice: ""}}}
		for _, reader := range []id.User{alice, bob} {
			if d := cmp.Diff(want, content(t, e, reader, 0)); d != "" {
				t.Errorf("%s (-want +got):\n%s", reader, d)
			}
		}
		before := e.DB.Committed()
		set(t, e, alice, Read, "", "$a") // back
		set(t, e, alice, Read, "", "$b") // again
		if got := content(t, e, bob, before); len(got) != 0 || woken(asleep) {
			t.Errorf("a receipt moved back: %v", got)
		}
		set(t, e, alice, Read, "", "$c")
		if d := cmp.Diff(receipts{"$c": {Read: {alice: ""}}}, content(t, e, bob, before)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

func TestPrivateReceipts(t *testing.T) {
	each(t, func(t *testing.T, e *Ephemeral) {
		others, own := e.Bus.Sleep("u:@bob:s1"), e.Bus.Sleep("u:@alice:s1")
		defer others.Close()
		defer own.Close()
		set(t, e, alice, ReadPrivate, "", "$b")
		if woken(others) || !woken(own) {
			t.Error("a private receipt woke others, or not its owner")
		}
		if got := content(t, e, bob, 0); len(got) != 0 {
			t.Errorf("bob sees %v", got)
		}
		if d := cmp.Diff(receipts{"$b": {ReadPrivate: {alice: ""}}}, content(t, e, alice, 0)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

func TestThreadedReceipts(t *testing.T) {
	each(t, func(t *testing.T, e *Ephemeral) {
		set(t, e, alice, Read, "", "$b")
		set(t, e, alice, Read, MainThread, "$b")
		set(t, e, alice, Read, "$a", "$c")
		want := receipts{"$b": {Read: {alice: ""}}, "$c": {Read: {alice: "$a"}}}
		if d := cmp.Diff(want, content(t, e, bob, 0)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		var own []Receipt
		err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			var err error
			own, err = e.Own(tx, alice, room1)
			return err
		})
		if err != nil || len(own) != 3 || own[0].EventPos != 2 {
			t.Errorf("got %v, %v, want three receipts", own, err)
		}
	})
}

func TestReceiptRefused(t *testing.T) {
	e := newEphemeral(t, sqldbtest.SQLite(t, schema.FS))
	for _, tt := range []struct {
		name   string
		user   id.User
		mark   Mark
		code   fault.Code
		thread string
	}{
		{"type", alice, Mark{Type: "m.seen", Event: "$a"}, fault.InvalidParam, ""},
		{"outsider", carol, Mark{Type: Read, Event: "$a"}, fault.Forbidden, ""},
		{"unknown event", alice, Mark{Type: Read, Event: "$x"}, fault.NotFound, ""},
		{"thread that is none", alice, Mark{Type: Read, Event: "$a"}, fault.InvalidParam, "other"},
		{"thread with NUL", alice, Mark{Type: Read, Event: "$a"}, fault.InvalidParam, "$a\x00"},
		{"unknown thread", alice, Mark{Type: Read, Event: "$a"}, fault.InvalidParam, "$x"},
		{"fine", alice, Mark{Type: Read, Event: "$a"}, "", "$b"},
	} {
		if tt.thread != "" {
			tt.mark.Thread = &tt.thread
		}
		wantFault(t, e.SetReceipts(t.Context(), tt.user, room1, tt.mark), tt.code)
	}
	empty := ""
	wantFault(t, e.SetReceipts(t.Context(), alice, room1, Mark{Type: Read, Event: "$a", Thread: &empty}), fault.InvalidParam)
	wantFault(t, e.Known(t.Context(), alice, room1, "$a"), "")
	wantFault(t, e.Known(t.Context(), alice, room1, "$x"), fault.NotFound)
	wantFault(t, e.Known(t.Context(), carol, room1, "$a"), fault.Forbidden)
}

func TestReceiptRooms(t *testing.T) {
	each(t, func(t *testing.T, e *Ephemeral) {
		before := e.DB.Committed()
		set(t, e, alice, Read, "", "$a")
		err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			rooms, all, err := e.ReceiptRooms(tx, before, tx.Pos(), 1)
			if !all || !rooms[room1] || len(rooms) != 1 {
				t.Errorf("got %v, %v", rooms, all)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestContentIsJSON(t *testing.T) {
	b, err := json.Marshal(Contents([]Receipt{
		{User: alice, Type: Read, Event: "$a", Thread: "main", TS: 5},
		{User: bob, Type: Read, Event: "$a", Thread: "main", TS: 6},
		{User: alice, Type: Read, Event: "$a", TS: 7},
		{User: alice, Type: Read, Event: "$a", Thread: "$t", TS: 8},
		{User: alice, Type: Read, Event: "$a", Thread: "$u", TS: 9},
	}))
	if want := `[{"$a":{"m.read":{"@alice:s1":{"ts":7},"@bob:s1":{"ts":6,"thread_id":"main"}}}},` +
		`{"$a":{"m.read":{"@alice:s1":{"ts":5,"thread_id":"main"}}}},{"$a":{"m.read":{"@alice:s1":{"ts":8,"thread_id":"$t"}}}}]`; err != nil || string(b) != want {
		t.Errorf("got %s, %v, want %s", b, err, want)
	}
}

func ms(n int) *time.Duration { d := time.Duration(n) * time.Millisecond; return &d }

func TestTyping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEphemeral(t, nil)
		ctx := t.Context()
		asleep := e.Bus.Sleep("u:@bob:s1")
		defer asleep.Close()
		start := e.Serial()
		wantFault(t, e.SetTyping(ctx, carol, room1, true, nil), fault.Forbidden)
		if _, changed := e.TypingSince(room1, start); changed {
			t.Error("nobody types, but it changed")
		}
		wantFault(t, e.SetTyping(ctx, alice, room1, true, ms(10_000)), "")
		wantTypists(t, e, start, alice)
		if !woken(asleep) {
			t.Error("bob was not woken")
		}
		first := e.Serial()
		wantFault(t, e.SetTyping(ctx, alice, room1, true, ms(20_000)), "")
		if e.Serial() != first {
			t.Error("typing on is news")
		}
		wantFault(t, e.SetTyping(ctx, bob, room1, true, nil), "")
		wantTypists(t, e, first, alice, bob)
		second := e.Serial()

		time.Sleep(21 * time.Second) // alice's time is over, bob's is not
		wantTypists(t, e, second, bob)
		if !woken(asleep) {
			t.Error("bob was not woken by the end")
		}
		third := e.Serial()
		wantFault(t, e.SetTyping(ctx, bob, room1, false, nil), "")
		wantTypists(t, e, third)
		if _, changed := e.TypingSince(room1, 0); changed {
			t.Error("a first sync is told that nobody types")
		}
		fourth := e.Serial()
		wantFault(t, e.SetTyping(ctx, bob, room1, true, ms(0)), "")
		wantTypists(t, e, fourth)
		wantFault(t, e.SetTyping(ctx, bob, room1, true, ms(3_600_000)), "")
		time.Sleep(longestTyper + time.Second)
		wantTypists(t, e, fourth)
	})
}

func wantTypists(t testing.TB, e *Ephemeral, since Serial, want ...id.User) {
	t.Helper()
	got, changed := e.TypingSince(room1, since)
	if !changed || !slices.Equal(got, want) {
		t.Errorf("got %v, changed %v, want %v", got, changed, want)
	}
}

// presenceSince is who changed, and to what, as reader sees it.
func presenceSince(t testing.TB, e *Ephemeral, reader id.User, since Serial) map[id.User]string {
	t.Helper()
	got, err := e.PresenceSince(nil, reader, since)
	if err != nil {
		t.Fatal(err)
	}
	out := map[id.User]string{}
	for _, p := range got {
		out[p.User] = p.State + " " + p.StatusMsg
	}
	return out
}

func TestPresence(t *testing.T) {
	db := sqldbtest.SQLite(t, schema.FS)
	e := newEphemeral(t, db)
	now := time.Date(2026, 7, 8, 12, 0, 0, 0, time.UTC)
	e.Now = func() time.Time { return now }
	ctx := t.Context()
	wantPresence := func(since Serial, want map[id.User]string) {
		t.Helper()
		if d := cmp.Diff(want, presenceSince(t, e, bob, since)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	if p, err := e.Presence(ctx, alice, alice); err != nil || p.State != Offline {
		t.Errorf("got %v, %v, want offline", p, err)
	}
	_, err := e.Presence(ctx, alice, carol)
	wantFault(t, err, fault.Forbidden)

	asleep := e.Bus.Sleep("u:@bob:s1")
	defer asleep.Close()
	start, here := e.Serial(), "here"
	wantFault(t, e.SetPresence(ctx, alice, "A", Online, &here), "")
	if !woken(asleep) {
		t.Error("bob was not woken")
	}
	wantPresence(start, map[id.User]string{alice: "online here"})
	wantPresence(0, map[id.User]string{alice: "online here"})
	if got := presenceSince(t, e, carol, start); len(got) != 0 {
		t.Errorf("carol sees %v", got)
	}
	first := e.Serial()
	wantFault(t, e.SetPresence(ctx, alice, "A", Unavailable, nil), "")
	wantPresence(first, map[id.User]string{alice: "unavailable here"})

	second := e.Serial()
	e.Seen(ctx, alice, "B", Online, time.Second) // the more present of two devices
	wantPresence(second, map[id.User]string{alice: "online here"})
	third := e.Serial()
	e.Seen(ctx, alice, "B", Online, time.Second)
	e.Active(ctx, alice)
	wantPresence(third, map[id.User]string{})

	now = now.Add(idleAfter - time.Second)
	e.Seen(ctx, alice, "B", Online, time.Second)
	now = now.Add(2 * time.Second)
	e.sweepPresence()
	wantPresence(third, map[id.User]string{alice: "unavailable here"})
	now = now.Add(time.Hour)
	e.sweepPresence()
	wantPresence(third, map[id.User]string{alice: "offline here"})
	wantPresence(0, map[id.User]string{})
	if got := e.PresenceOf([]id.User{alice, bob}); len(got) != 1 || got[0].LastActive.IsZero() {
		t.Errorf("got %v, want alice alone", got)
	}
	wantFault(t, e.SetPresence(ctx, alice, "A", "busy", nil), fault.InvalidParam)
}

// A client that hangs up is gone half a minute later, not when the poll would have ended; but not one that polls again.
func TestPresenceHungUp(t *testing.T) {
	e := newEphemeral(t, sqldbtest.SQLite(t, schema.FS))
	now := time.Date(2026, 7, 8, 12, 0, 0, 0, time.UTC)
	e.Now = func() time.Time { return now }
	state := func(want string) {
		t.Helper()
		e.sweepPresence()
		if p, err := e.Presence(t.Context(), alice, alice); err != nil || p.State != want {
			t.Errorf("got %v, %v, want %s", p, err, want)
		}
	}
	first := e.Seen(t.Context(), alice, "A", Online, time.Minute)
	now = now.Add(time.Second)
	second := e.Seen(t.Context(), alice, "A", Online, time.Minute)
	first()
	now = now.Add(goneAfter + time.Second)
	state(Online)
	second()
	now = now.Add(goneAfter - time.Second)
	state(Online)
	now = now.Add(time.Second)
	state(Offline)
}

func TestPresenceOff(t *testing.T) {
	e := New(Config{Now: time.Now, Bus: new(bus.Local), Rooms: fewRooms{}})
	defer e.Close()
	e.Seen(t.Context(), alice, "A", Online, 0)
	wantFault(t, e.SetPresence(t.Context(), alice, "A", Online, nil), "")
	if got := presenceSince(t, e, alice, 0); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	if p, err := e.Presence(t.Context(), alice, alice); err != nil || p.State != Offline {
		t.Errorf("got %v, %v", p, err)
	}
}

// A sync that is far behind the log of changes still gets them all, each user once.
func TestPresenceFarBehind(t *testing.T) {
	e := New(Config{Now: time.Now, Bus: new(bus.Local), Rooms: fewRooms{}, Presence: true})
	defer e.Close()
	start := e.Serial()
	var middle Serial
	for i := range 5 * maxLog {
		if i == 4*maxLog {
			middle = e.Serial()
		}
		state := []string{Online, Unavailable}[i/10%2]
		user := id.User([]byte{'@', byte('a' + i%10)})
		e.change(user, func(s *somebody, now time.Time) {
			s.devices["A"] = presentAt{state, now.Add(time.Hour)}
			s.active = now
		})
	}
	if len(e.presence.log) > 2*maxLog || e.presence.lost == 0 {
		t.Fatalf("the log has %d changes", len(e.presence.log))
	}
	for _, since := range []Serial{0, start, middle} {
		if got, many := e.changedSince(since); len(got) != 10 || many {
			t.Errorf("since %d: got %d users, want 10", since, len(got))
		}
	}
	if got, many := e.changedSince(e.Serial()); len(got) != 0 || many {
		t.Errorf("got %v since now", got)
	}
}

// Everything at once, for the race detector: timers, typists, devices and readers.
func TestConcurrently(t *testing.T) {
	e := newEphemeral(t, sqldbtest.SQLite(t, schema.FS))
	var wg sync.WaitGroup
	for n := range 8 {
		user := []id.User{alice, bob}[n%2]
		wg.Go(func() {
			for i := range 50 {
				if err := e.SetTyping(t.Context(), user, room1, i%3 > 0, ms(i%5)); err != nil {
					t.Error(err)
				}
				e.Seen(t.Context(), user, "A", []string{Online, Unavailable}[i%2], 0)
				e.TypingSince(room1, 0)
				presenceSince(t, e, bob, e.Serial()-5)
				if i%10 == 0 {
					e.sweepPresence()
					err := e.SetReceipts(t.Context(), user, room1, Mark{Type: Read, Event: []id.Event{"$a", "$b"}[i%2]})
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}
