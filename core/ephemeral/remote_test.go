package ephemeral

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const zoe = id.User("@zoe:s2")

// tape notes what other servers are told.
type tape struct {
	mu   sync.Mutex
	told []string
}

func (x *tape) tell(servers []id.Server, kind, key string, content []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.told = append(x.told, fmt.Sprint(servers, " ", kind, " ", string(content)))
}

func (x *tape) take() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() { x.told = nil }()
	return strings.Join(x.told, "\n")
}

// abroad has zoe of another server in a room with alice, and listens to what that server is told.
func abroad(e *Ephemeral) *tape {
	r := e.Rooms.(fewRooms)
	r.members[room1] = []id.User{alice, bob, zoe}
	x := new(tape)
	e.Tell = x.tell
	return x
}

func TestReceiveTyping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEphemeral(t, nil)
		abroad(e)
		typing := func(room id.Room, user id.User, on bool) json.RawMessage {
			return fmt.Appendf(nil, `{"room_id":%q,"user_id":%q,"typing":%t}`, room, user, on)
		}
		since := e.Serial()
		for _, c := range []struct {
			content json.RawMessage
			code    fault.Code
		}{
			{[]byte(`7`), fault.BadJSON},
			{typing(room1, alice, true), fault.Forbidden},
			{typing(room1, "@zoe:s3", true), fault.Forbidden},
			{typing(room2, zoe, true), ""},         // she is not in it
			{typing("!3:s1", zoe, true), ""},       // nobody is
			{typing(room1, "@other:s2", true), ""}, // nor is she
		} {
			wantFault(t, e.ReceiveTyping(t.Context(), "s2", c.content), c.code)
		}
		if rooms := e.TypingRooms(since); len(rooms) > 0 {
			t.Errorf("somebody types in %v", rooms)
		}
		if err := e.ReceiveTyping(t.Context(), "s2", typing(room1, zoe, true)); err != nil {
			t.Fatal(err)
		}
		if users, changed := e.TypingSince(room1, since); !slices.Equal(users, []id.User{zoe}) || !changed {
			t.Errorf("%v type, changed: %t", users, changed)
		}
		since = e.Serial()
		time.Sleep(remoteTyping + time.Second)
		if users, changed := e.TypingSince(room1, since); len(users) > 0 || !changed {
			t.Errorf("%v type, changed: %t", users, changed)
		}
	})
}

// Who types here is told to the others of the room, again while it lasts, and its end.
func TestTellTyping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEphemeral(t, nil)
		e.PresenceAbroad, e.presence = false, nil
		x := abroad(e)
		long := 30 * time.Second
		set := func(room id.Room, on bool) {
			if err := e.SetTyping(t.Context(), bob, room, on, &long); err != nil {
				t.Fatal(err)
			}
		}
		told := func(on bool) string {
			return fmt.Sprintf(`[s2] m.typing {"room_id":"!1:s1","user_id":"@bob:s1","typing":%t}`, on)
		}
		want := func(want string) {
			t.Helper()
			if got := x.take(); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
		set(room2, true)
		want("") // there nobody is of another server
		set(room1, true)
		want(told(true))
		set(room1, true)
		want("")
		time.Sleep(repeatTyping)
		set(room1, true)
		want(told(true))
		set(room1, false)
		want(told(false))
		set(room1, true)
		time.Sleep(long + time.Second)
		synctest.Wait()
		want(told(true) + "\n" + told(false))
	})
}

func TestReceiveReceipts(t *testing.T) {
	each(t, func(t *testing.T, e *Ephemeral) {
		abroad(e)
		receive := func(room id.Room, typ string, user id.User, event id.Event, ts int, thread string) {
			t.Helper()
			if thread != "" {
				thread = fmt.Sprintf(`,"thread_id":%q`, thread)
			}
			content := fmt.Appendf(nil, `{%q:{%q:{%q:{"event_ids":[%q],"data":{"ts":%d%s}}}}}`, room, typ, user, event, ts, thread)
			if err := e.ReceiveReceipts(t.Context(), "s2", content); err != nil {
				t.Fatal(err)
			}
		}
		stand := func() string {
			t.Helper()
			var all []string
			err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
				all = nil
				for _, room := range []id.Room{room1, room2} {
					found, err := e.Receipts(tx, room, 0, tx.Pos(), zoe)
					if err != nil {
						return err
					}
					for _, r := range found {
						all = append(all, fmt.Sprintf("%s %s%s %s %d", r.User, r.Event, r.Thread, r.Type, r.TS))
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(all)
			return strings.Join(all, ", ")
		}
		receive(room1, Read, zoe, "$b", 10, "")
		receive(room1, Read, zoe, "$a", 20, "") // it does not move back
		receive(room1, Read, zoe, "$d", 30, MainThread)
		receive(room1, Read, zoe, "$c", 30, "$a")
		receive(room1, Read, zoe, "$c", 30, "$unknown")
		receive(room1, ReadPrivate, zoe, "$c", 30, "")
		receive(room1, Read, alice, "$c", 30, "")
		receive(room2, Read, zoe, "$c", 30, "")
		want := "@zoe:s2 $b m.read 10, @zoe:s2 $c$a m.read 30, @zoe:s2 $dmain m.read 30"
		if got := stand(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		// One for an event that is not here is kept, and goes by its time.
		receive(room1, Read, zoe, "$later", 40, "")
		receive(room1, Read, zoe, "$later2", 39, "")
		if got := stand(); !strings.HasPrefix(got, "@zoe:s2 $c$a m.read 30, @zoe:s2 $dmain m.read 30, @zoe:s2 $later m.read 40") {
			t.Errorf("got %s", got)
		}
		receive(room1, Read, zoe, "$c", 50, "")
		if got := stand(); !strings.HasPrefix(got, "@zoe:s2 $c m.read 50, ") {
			t.Errorf("got %s", got)
		}
		for _, odd := range []string{
			`{"!1:s1":{}}`, `{"!1:s1":{"m.read":[]}}`, `{"!1:s1":{"m.read":{"@zoe:s2":7}}}`, `{"!1:s1":{"m.read":{"@zoe:s2":{"event_ids":[]}}}}`,
			`{"!1:s1":{"m.read":{"@zoe:s2":{"event_ids":["$a","$d"]}}}}`, `{}`,
		} {
			if err := e.ReceiveReceipts(t.Context(), "s2", []byte(odd)); err != nil {
				t.Errorf("%s: %v", odd, err)
			}
		}
		wantFault(t, e.ReceiveReceipts(t.Context(), "s2", []byte(`[]`)), fault.BadJSON)
		if got := stand(); !strings.HasPrefix(got, "@zoe:s2 $c m.read 50, ") {
			t.Errorf("got %s", got)
		}
	})
}

// Public receipts are told to the other servers of the room, each by itself; private ones to nobody.
func TestTellReceipts(t *testing.T) { // B233
	each(t, func(t *testing.T, e *Ephemeral) {
		x := abroad(e)
		main := MainThread
		err := e.SetReceipts(t.Context(), bob, room1, Mark{Type: Read, Event: "$b"}, Mark{Type: Read, Thread: &main, Event: "$b"},
			Mark{Type: ReadPrivate, Event: "$c"})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.SetReceipts(t.Context(), bob, room2, Mark{Type: Read, Event: "$b"}); err != nil {
			t.Fatal(err)
		}
		got := x.take()
		if strings.Count(got, "m.receipt") != 2 || !strings.Contains(got, `"thread_id":"main"`) || strings.Contains(got, "$c") ||
			!strings.HasPrefix(got, `[s2] m.receipt {"!1:s1":{"m.read":{"@bob:s1":{"event_ids":["$b"],"data":{"ts":`) {
			t.Errorf("told %s", got)
		}
	})
}

func TestPresenceAbroad(t *testing.T) {
	db := sqldbtest.SQLite(t, schema.FS)
	e := newEphemeral(t, db)
	now := time.UnixMilli(1_700_000_000_000)
	e.Now = func() time.Time { return now }
	x := abroad(e)
	receive := func(text string) {
		t.Helper()
		if err := e.ReceivePresence(t.Context(), "s2", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	receive(`{"push":[{"user_id":"@zoe:s2","presence":"online","last_active_ago":600000,"status_msg":"x"},
		{"user_id":"@alice:s1","presence":"online"},{"user_id":"@other:s2","presence":"online"},{"user_id":"@zoe:s2","presence":"asleep"}]}`)
	want := Presence{User: zoe, State: Online, StatusMsg: "x", LastActive: now.Add(-10 * time.Minute)}
	if got := e.PresenceOf([]id.User{zoe, alice, "@other:s2"}); len(got) != 1 || got[0] != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := x.take(); got != "" {
		t.Errorf("told %s", got)
	}
	now = now.Add(remoteLasts)
	e.sweepPresence()
	if got := e.PresenceOf([]id.User{zoe}); len(got) != 1 || got[0].State != Offline {
		t.Errorf("nothing was heard of her for long, and she is %v", got)
	}
	e.Seen(t.Context(), bob, "B", Online, time.Hour)
	if got := x.take(); got != `[s2] m.presence {"push":[{"user_id":"@bob:s1","presence":"online","last_active_ago":0,"currently_active":true}]}` {
		t.Errorf("told %s", got)
	}
	e.Seen(t.Context(), carol, "C", Online, time.Hour)
	if got := x.take(); got != "" {
		t.Errorf("told %s of who shares no room", got)
	}
	e.Active(t.Context(), bob)
	e.sweepPresence()
	if got := x.take(); got != "" {
		t.Errorf("told again: %s", got)
	}
	now = now.Add(repeatPresent)
	e.Active(t.Context(), bob)
	x.take()
	now = now.Add(repeatPresent)
	e.Active(t.Context(), bob)
	e.sweepPresence()
	if got := x.take(); !strings.Contains(got, `"presence":"online"`) {
		t.Errorf("not told again: %q", got)
	}
	e.PresenceAbroad = false
	e.Seen(t.Context(), bob, "B", Unavailable, time.Hour)
	receive(`{"push":[{"user_id":"@zoe:s2","presence":"online"}]}`)
	if got := x.take(); got != "" || e.PresenceOf([]id.User{zoe})[0].State != Offline {
		t.Errorf("told %s", got)
	}
}
