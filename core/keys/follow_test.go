package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// there is another server, as far as it tells of its users' devices.
type there struct {
	mu      sync.Mutex
	lists   map[id.User]*Told
	asked   int           // for whole lists
	queried int           // for keys
	down    error         // what it answers instead
	during  func(id.User) // called before it answers
}

func (s *there) Ask(_ context.Context, q peer.Question, out any) error {
	s.mu.Lock()
	down, during := s.down, s.during
	s.mu.Unlock()
	if down != nil {
		return down
	}
	if user, ok := strings.CutPrefix(q.Path, devicesPath); ok && q.Method == http.MethodGet {
		user, _ := url.PathUnescape(user)
		s.mu.Lock()
		s.asked++
		told, err := json.Marshal(s.lists[id.User(user)])
		s.mu.Unlock()
		if during != nil {
			during(id.User(user))
		}
		if string(told) == "null" {
			return &peer.AnswerError{Server: q.Server, Status: http.StatusNotFound, Code: fault.NotFound}
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(told, out)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queried++
	devices := map[id.User]map[id.Device]json.RawMessage{}
	for user, l := range s.lists {
		devices[user] = map[id.Device]json.RawMessage{}
		for _, d := range l.Devices {
			devices[user][d.Device] = d.Keys
		}
	}
	text, err := json.Marshal(map[string]any{"device_keys": devices})
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

func theirKeys(user id.User, device id.Device, version int) json.RawMessage {
	return fmt.Appendf(nil, `{"algorithms":["a"],"device_id":%q,"keys":{"ed25519:x":"%d"},"user_id":%q}`, device, version, user)
}

// set publishes a device there, or removes it with version 0, and gives the update that tells of it.
func (s *there) set(user id.User, device id.Device, version int) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lists == nil {
		s.lists = map[id.User]*Told{}
	}
	l := s.lists[user]
	if l == nil {
		l = &Told{User: user, Devices: []ToldDevice{}}
		s.lists[user] = l
	}
	l.Devices = slices.DeleteFunc(l.Devices, func(d ToldDevice) bool { return d.Device == device })
	u := update{User: user, Device: device, Stream: l.Stream + 1, Prev: []int64{}, Deleted: version == 0}
	if l.Stream > 0 {
		u.Prev = append(u.Prev, l.Stream)
	}
	if version > 0 {
		u.Keys, u.Name = theirKeys(user, device, version), fmt.Sprint("name ", version)
		l.Devices = append(l.Devices, ToldDevice{device, u.Name, u.Keys})
	}
	l.Stream++
	text, err := json.Marshal(u)
	if err != nil {
		panic(err)
	}
	return text
}

// shown is what a query there would give.
func (s *there) shown(user id.User) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	devices := map[id.Device]string{}
	for _, d := range s.lists[user].Devices {
		devices[d.Device] = strings.TrimSuffix(string(d.Keys), "}") + fmt.Sprintf(`,"unsigned":{"device_display_name":%q}}`, d.Name)
	}
	return inOrder(devices)
}

func inOrder[V ~string | ~[]byte](m map[id.Device]V) string {
	var out []string
	for _, d := range slices.Sorted(maps.Keys(m)) {
		out = append(out, string(d)+string(m[d]))
	}
	return strings.Join(out, " ")
}

func (w *world) receive(t *testing.T, edu json.RawMessage) {
	t.Helper()
	if err := w.ReceiveDeviceList(t.Context(), "there", edu); err != nil {
		t.Fatal(err)
	}
}

// queried is what alice is told of a user's devices; "unreachable" when the server did not answer.
func (w *world) queried(t *testing.T, user id.User) string {
	t.Helper()
	want := map[id.User][]id.Device{user: nil}
	a, err := w.Query(t.Context(), alice, want)
	if err == nil {
		err = w.QueryRemote(t.Context(), alice, want, 0, a)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Unreachable) > 0 {
		return "unreachable"
	}
	return inOrder(a.Devices[user])
}

// changes says whether alice is told that the user changed after a position, and where that ends.
func (w *world) changes(t *testing.T, since sqldb.Pos, user id.User) (changed bool, at sqldb.Pos) {
	t.Helper()
	err := w.db.Read(t.Context(), func(tx *sqldb.Tx) error {
		all, err := w.Changed(tx, alice, since, tx.Pos())
		changed, at = slices.Contains(all, user), tx.Pos()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return changed, at
}

func TestFollowed(t *testing.T) { // B273, B274, B500
	each(t, func(t *testing.T, w *world) {
		s := new(there)
		w.Peers = s
		s.set(away, "Z1", 1)
		ask := func(asked int, step string) {
			t.Helper()
			if got, want := w.queried(t, away), s.shown(away); got != want {
				t.Errorf("%s: got %s, want %s", step, got, want)
			}
			if s.asked != asked {
				t.Errorf("%s: asked %d times, want %d", step, s.asked, asked)
			}
		}
		var changed bool
		var at sqldb.Pos
		hear := func(edu json.RawMessage, want bool, step string) {
			t.Helper()
			w.takeWoken()
			w.receive(t, edu)
			if changed, at = w.changes(t, at, away); changed != want {
				t.Errorf("%s: changed: %t", step, changed)
			}
			if woken := w.takeWoken(); (woken == "keys u:@alice:here u:@bob:here u:@zoe:there") != want {
				t.Errorf("%s: woke %q", step, woken)
			}
		}
		ask(1, "first")
		ask(1, "again")
		second := s.set(away, "Z2", 1)
		hear(second, true, "a new device")
		ask(1, "a new device")
		hear(second, false, "twice")
		hear(s.set(away, "Z1", 2), true, "other keys")
		ask(1, "other keys")
		hear(s.set(away, "Z1", 0), true, "a device that goes")
		ask(1, "a device that goes")
		s.set(away, "Z3", 1)
		hear(s.set(away, "Z4", 1), true, "a gap")
		ask(2, "a gap")
		ask(2, "after the gap")
		hear(s.set(away, "Z4", 2), true, "after the gap")
		ask(2, "after the gap")
		if err := w.ReceiveSigningKeys(t.Context(), "there", fmt.Appendf(nil, `{"user_id":%q}`, away)); err != nil {
			t.Fatal(err)
		}
		if changed, at = w.changes(t, at, away); !changed {
			t.Error("cross-signing keys changed, and nobody hears of it")
		}
		ask(3, "cross-signing keys")
		w.now = w.now.Add(freshFor + time.Millisecond)
		s.down = errors.New("down")
		ask(3, "the next day, in vain")
		s.down = nil
		ask(4, "the next day")
		// Keys that are not of the device make the list be asked for.
		odd := s.set(away, "Z5", 1)
		hear([]byte(strings.Replace(string(odd), `"device_id":"Z5","keys"`, `"device_id":"Z6","keys"`, 1)), true, "odd keys")
		ask(5, "odd keys")
		// Who shares no room is asked for each time, and not followed.
		w.meet([]id.User{alice, bob})
		hear(s.set(away, "Z7", 1), false, "apart")
		for range 2 {
			if got := w.queried(t, away); !strings.Contains(got, "Z7") {
				t.Errorf("got %s", got)
			}
		}
		if s.queried != 2 || s.asked != 5 {
			t.Errorf("queried %d times and asked %d times", s.queried, s.asked)
		}
		// A server that cannot be reached is asked when it can be.
		w.meet([]id.User{alice, bob, away})
		s.down = errors.New("down")
		hear(s.set(away, "Z7", 2), true, "down")
		if got := w.queried(t, away); got != "unreachable" {
			t.Errorf("got %s", got)
		}
		w.now = w.now.Add(calm)
		for _, more := range []struct {
			down error
			want bool
		}{{s.down, true}, {nil, true}, {nil, false}} {
			s.down = more.down
			if _, err := w.refreshSome(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !more.want {
				ask(6, "up again")
			}
			w.now = w.now.Add(tryAgain)
		}
	})
}

// News that comes while a list is asked for is not lost.
func TestNewsWhileAsking(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := new(there)
		w.Peers = s
		s.set(away, "Z1", 1)
		once := true
		s.during = func(id.User) {
			if once {
				once = false
				w.receive(t, s.set(away, "Z2", 1))
			}
		}
		w.queried(t, away)
		if got, want := w.queried(t, away), s.shown(away); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestReceiveRefuses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			content string
			code    fault.Code
		}{
			{`[]`, fault.BadJSON},
			{`{}`, fault.BadJSON},
			{`{"user_id":"@zoe:there","device_id":"","stream_id":1}`, fault.BadJSON},
			{`{"user_id":"@zoe:elsewhere","device_id":"A","stream_id":1}`, fault.Forbidden},
			{`{"user_id":"@alice:here","device_id":"A","stream_id":1}`, fault.Forbidden},
			{`{"user_id":"@zoe:there","device_id":"A\u0000","stream_id":1}`, fault.BadJSON},
			{`{"user_id":"@zoe:there","device_id":"A","stream_id":"1"}`, fault.BadJSON},
			{`{"user_id":"@zoe:there","device_id":"A","stream_id":1,"prev_id":[0` + strings.Repeat(",0", maxPrev) + `]}`, fault.InvalidParam},
		} {
			if err := w.ReceiveDeviceList(t.Context(), "there", []byte(c.content)); !fault.Is(err, c.code) {
				t.Errorf("%.100s: got %v, want %s", c.content, err, c.code)
			}
		}
		for content, code := range map[string]fault.Code{`7`: fault.BadJSON, `{}`: fault.BadJSON, `{"user_id":"@alice:here"}`: fault.Forbidden} {
			if err := w.ReceiveSigningKeys(t.Context(), "there", []byte(content)); !fault.Is(err, code) {
				t.Errorf("%s: got %v, want %s", content, err, code)
			}
		}
		if changed, _ := w.changes(t, 0, away); changed {
			t.Error("something was taken")
		}
	})
}

// Whatever is lost, comes twice or in another order: what alice is told is what is true there, as soon as the newest update
// has come.
func TestUpdatesInAnyOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for seed := range uint64(12) {
			r := rand.New(rand.NewPCG(seed, 1))
			s := new(there)
			w.Peers = s
			user := id.User(fmt.Sprintf("@u%d:there", seed))
			w.meet([]id.User{alice, user})
			s.set(user, "D0", 1)
			var waiting []json.RawMessage
			for step := range 30 {
				switch r.IntN(6) {
				case 0, 1:
					waiting = append(waiting, s.set(user, id.Device(fmt.Sprint("D", r.IntN(4))), r.IntN(4)))
				case 2:
					if len(waiting) > 0 {
						i := r.IntN(len(waiting))
						w.receive(t, waiting[i])
						if r.IntN(3) > 0 {
							waiting = slices.Delete(waiting, i, i+1)
						}
					}
				case 3:
					if len(waiting) > 0 && r.IntN(3) == 0 {
						waiting = waiting[1:]
					}
				case 4:
					w.queried(t, user)
				case 5:
					last := s.set(user, "D9", step+1)
					for _, i := range r.Perm(len(waiting)) {
						w.receive(t, waiting[i])
					}
					w.receive(t, last)
					waiting = nil
					if got, want := w.queried(t, user), s.shown(user); got != want {
						t.Fatalf("seed %d, step %d: got %s, want %s", seed, step, got, want)
					}
				}
			}
		}
	})
}

// tape is what is queued for other servers.
type tape struct {
	mu  sync.Mutex
	log []queued
}

type queued struct {
	servers   []id.Server
	kind, key string
	content   update
}

func (x *tape) queue(tx *sqldb.Tx, servers []id.Server, kind, key string, content []byte) error {
	var u update
	if err := json.Unmarshal(content, &u); err != nil {
		return err
	}
	tx.Then(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.log = append(x.log, queued{slices.Clone(servers), kind, key, u})
	})
	return nil
}

func (x *tape) take() []queued {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() { x.log = nil }()
	return x.log
}

func (w *world) told(t *testing.T, x *tape) string {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = w.follow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var out []string
	for _, q := range x.take() {
		if q.kind == signingEDU {
			out = append(out, fmt.Sprint(q.servers, " signing ", q.content.User))
			continue
		}
		what := "keyless"
		switch {
		case q.content.Deleted:
			what = "deleted"
		case q.content.Keys != nil:
			what = "keys"
		}
		out = append(out, fmt.Sprint(q.servers, " ", q.content.User, " ", q.content.Device, " ", what))
	}
	return strings.Join(out, ", ")
}

func TestTellOthers(t *testing.T) { // B283, B284, B492
	each(t, func(t *testing.T, w *world) {
		x := new(tape)
		w.Queue = x.queue
		want := func(want, step string) {
			t.Helper()
			if got := w.told(t, x); got != want {
				t.Errorf("%s:\n told %s\n want %s", step, got, want)
			}
		}
		want("", "nothing")
		w.identity(t, alice, "A1")
		want("[there] @alice:here A1 keys, [there] signing @alice:here", "keys")
		w.upload(t, carol, "C1", Upload{DeviceKeys: raw(deviceKeys(t, carol, "C1"))})
		want("", "of who shares no room")
		rename := func(user id.User, device id.Device) {
			t.Helper()
			if err := w.db.Write(t.Context(), func(tx *sqldb.Tx) error { return w.DeviceChanged(tx, user, device) }); err != nil {
				t.Fatal(err)
			}
		}
		rename(alice, "A1")
		want("[there] @alice:here A1 keys", "a new name")
		rename(alice, "A2")
		want("[there] @alice:here A2 keyless", "a new name of a device without keys")
		if changed, _ := w.changes(t, 0, carol); changed {
			t.Error("alice hears of carol")
		}
		delete(w.devices[alice], "A1")
		if err := w.db.Write(t.Context(), func(tx *sqldb.Tx) error { return w.DropDevice(tx, alice, "A1") }); err != nil {
			t.Fatal(err)
		}
		want("[there] @alice:here A1 deleted", "a device that goes")

		join := func(in room.NID, user id.User, joined bool) {
			t.Helper()
			err := w.db.Write(t.Context(), func(tx *sqldb.Tx) error {
				w.moves = append(slices.DeleteFunc(slices.Clone(w.moves), func(m room.Move) bool { return m.User == user && m.Room == in }),
					room.Move{Pos: tx.Pos(), Room: in, User: user, Joined: joined})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.meet(w.members()[0], []id.User{alice, carol, "@x:far", away})
		join(1, carol, true)
		want("[far there] @carol:here C1 keys", "a join")
		join(1, carol, true)
		want("", "a new picture")
		join(1, alice, true)
		want("[far] @alice:here A2 keyless", "a join where one server knows her")
		w.meet(w.members()[0], []id.User{alice, "@x:far"})
		join(1, carol, false)
		want("", "a leave")
		w.meet(w.members()[0], []id.User{alice, carol, "@x:far"})
		join(1, carol, true)
		want("[far] @carol:here C1 keys", "a return")

		// While not all members of a room are known only changes are told, and afterwards what was missed.
		w.meet(append(w.members(), []id.User{bob, "@y:near"})...)
		w.partial = "near"
		join(2, bob, true)
		want("", "a join of a room that is not whole")
		rename(bob, "B1")
		want("[near there] @bob:here B1 keyless", "a new name meanwhile")
		w.meet(w.members()[0], w.members()[1], []id.User{bob, "@y:near", "@z:late"})
		w.partial = ""
		for range 2 {
			if err := w.Settled(t.Context(), "!2:here"); err != nil {
				t.Fatal(err)
			}
		}
		want("[late] @bob:here B1 keyless", "what was missed")

		w.meet([]id.User{alice, bob})
		join(0, alice, true)
		want("", "a join where nobody is of another server")
		w.meet([]id.User{alice, bob, "@y:near"})
		join(0, alice, true)
		want("[near] @alice:here A2 keyless", "a new picture, once somebody is")
		join(0, alice, true)
		want("", "another picture")
	})
}

// Each update names the one before it, whatever happens in one write.
func TestChain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		x := new(tape)
		w.Queue = x.queue
		for n := range 3 {
			err := w.db.Write(t.Context(), func(tx *sqldb.Tx) error {
				return errors.Join(w.DeviceChanged(tx, alice, "A1"), w.DeviceChanged(tx, alice, "A2"), w.DeviceChanged(tx, bob, "B1"))
			})
			if err != nil {
				t.Fatal(err)
			}
			if n == 1 {
				w.upto = 0 // as after a start
			}
			for more := true; more; {
				if more, err = w.follow(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		last := map[id.User]int64{}
		n := 0
		for _, q := range x.take() {
			u := q.content
			prev := []int64{}
			if last[u.User] > 0 {
				prev = append(prev, last[u.User])
			}
			if !slices.Equal(u.Prev, prev) || u.Stream <= last[u.User] {
				t.Errorf("%s: %d after %v, want after %v", u.User, u.Stream, u.Prev, prev)
			}
			last[u.User] = u.Stream
			n++
		}
		if n != 9 {
			t.Errorf("%d updates, want 9", n)
		}
		told, shares, err := w.Tell(t.Context(), "there", alice)
		if err != nil || !shares || told.Stream != last[alice] {
			t.Errorf("told %+v, %t, %v", told, shares, err)
		}
		if _, shares, err := w.Tell(t.Context(), "elsewhere", alice); err != nil || shares {
			t.Errorf("a server that shares no room: %t, %v", shares, err)
		}
	})
}
