package keys

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func TestUploadOneTimeKeys(t *testing.T) { // B250-B252
	each(t, func(t *testing.T, w *world) {
		steps := []struct {
			name string
			up   Upload
			want int
		}{
			{"device keys only", Upload{DeviceKeys: raw(deviceKeys(t, alice, "A1"))}, 0},
			{"three", Upload{OneTimeKeys: oneTime("a", "b", "c")}, 3},
			{"the same", Upload{OneTimeKeys: oneTime("a", "b", "c")}, 3},
			{"the same with device keys", Upload{OneTimeKeys: oneTime("a", "b", "c"), DeviceKeys: raw(deviceKeys(t, alice, "A1"))}, 3},
			{"overlapping", Upload{OneTimeKeys: oneTime("b", "c", "d")}, 4},
			{"signed anew", Upload{OneTimeKeys: map[string]json.RawMessage{
				"signed_curve25519:a": raw(obj{"key": "key a", "signatures": obj{string(alice): obj{"ed25519:A1": "x"}}}),
			}}, 4},
			{"nothing", Upload{}, 4},
		}
		for _, s := range steps {
			got := w.upload(t, alice, "A1", s.up).Counts
			if want := map[string]int{"signed_curve25519": s.want}; !maps.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", s.name, got, want)
			}
		}
		_, err := w.Upload(t.Context(), alice, "A1", Upload{OneTimeKeys: map[string]json.RawMessage{
			"signed_curve25519:new": raw(obj{"key": "new"}), "signed_curve25519:a": raw(obj{"key": "another"}),
		}})
		wantFault(t, err, fault.InvalidParam)
		if got := w.stock(t, alice, "A1").Counts["signed_curve25519"]; got != 4 {
			t.Errorf("a refused upload left something: got %d keys, want 4", got)
		}
		if got := w.stock(t, alice, "A2").Counts["signed_curve25519"]; got != 0 {
			t.Errorf("another device: got %d keys, want 0", got)
		}
	})
}

func TestUploadRefused(t *testing.T) { // B253, B254
	without := func(member string) json.RawMessage {
		o := deviceKeys(t, alice, "A1")
		delete(o, member)
		return raw(o)
	}
	many := make([]string, MaxOneTimeKeys+1)
	for i := range many {
		many[i] = "k" + strings.Repeat("x", i%7) + time.Duration(i).String()
	}
	keys := func(name string, v any) map[string]json.RawMessage { return map[string]json.RawMessage{name: raw(v)} }
	tests := []struct {
		name   string
		device id.Device
		up     Upload
		want   fault.Code
	}{
		{"no algorithms", "A1", Upload{DeviceKeys: without("algorithms")}, fault.BadJSON},
		{"no keys", "A1", Upload{DeviceKeys: without("keys")}, fault.BadJSON},
		{"no user", "A1", Upload{DeviceKeys: without("user_id")}, fault.BadJSON},
		{"no device", "A1", Upload{DeviceKeys: without("device_id")}, fault.BadJSON},
		{"not an object", "A1", Upload{DeviceKeys: raw([]int{1})}, fault.BadJSON},
		{"keys of wrong form", "A1", Upload{DeviceKeys: raw(obj{"user_id": 1})}, fault.BadJSON},
		{"another user's", "A1", Upload{DeviceKeys: raw(deviceKeys(t, bob, "A1"))}, fault.InvalidParam},
		{"another device's", "A1", Upload{DeviceKeys: raw(deviceKeys(t, alice, "A2"))}, fault.InvalidParam},
		{"large", "A1", Upload{DeviceKeys: raw(obj{"x": strings.Repeat("x", MaxDeviceKeys)})}, fault.TooLarge},
		{"name without algorithm", "A1", Upload{OneTimeKeys: keys("abc", "x")}, fault.BadJSON},
		{"name without id", "A1", Upload{OneTimeKeys: keys("curve25519:", "x")}, fault.BadJSON},
		{"a number", "A1", Upload{OneTimeKeys: keys("curve25519:a", 1)}, fault.BadJSON},
		{"large key", "A1", Upload{OneTimeKeys: keys("curve25519:a", strings.Repeat("x", MaxOneTimeKey))}, fault.TooLarge},
		{"too many", "A1", Upload{OneTimeKeys: oneTime(many...)}, fault.TooLarge},
		{"two fallback keys", "A1", Upload{FallbackKeys: oneTime("a", "b")}, fault.InvalidParam},
		{"no such device", "A9", Upload{OneTimeKeys: oneTime("a")}, fault.UnknownToken},
		{"no device at all", "", Upload{OneTimeKeys: oneTime("a")}, fault.InvalidParam},
	}
	each(t, func(t *testing.T, w *world) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				_, err := w.Upload(t.Context(), alice, tt.device, tt.up)
				wantFault(t, err, tt.want)
			})
		}
		w.upload(t, alice, "A1", Upload{OneTimeKeys: oneTime(many[:MaxOneTimeKeys-1]...)})
		_, err := w.Upload(t.Context(), alice, "A1", Upload{OneTimeKeys: oneTime("one", "two")})
		wantFault(t, err, fault.TooLarge)
		w.upload(t, alice, "A1", Upload{OneTimeKeys: oneTime("one")})
	})
}

func TestUploadAnnounces(t *testing.T) { // B273
	each(t, func(t *testing.T, w *world) {
		first := raw(deviceKeys(t, alice, "A1"))
		w.upload(t, alice, "A1", Upload{DeviceKeys: first})
		if got, want := w.takeWoken(), "keys u:@alice:here u:@bob:here"; got != want {
			t.Errorf("woken: got %q, want %q", got, want)
		}
		for watcher, want := range map[id.User]string{alice: "alice", bob: "alice", carol: ""} {
			if got := w.changed(t, watcher, 0); got != want {
				t.Errorf("%s sees %q changed, want %q", watcher, got, want)
			}
		}
		since := w.db.Committed()
		w.upload(t, alice, "A1", Upload{DeviceKeys: first, OneTimeKeys: oneTime("a")})
		if got := w.changed(t, bob, since); got != "" {
			t.Errorf("identical device keys again: bob sees %q changed, want nobody", got)
		}
		if got := w.takeWoken(); got != "" {
			t.Errorf("identical device keys again woke %q", got)
		}
		other := deviceKeys(t, alice, "A1")
		other["algorithms"] = []string{}
		w.upload(t, alice, "A1", Upload{DeviceKeys: raw(other)})
		if got, want := w.changed(t, bob, since), "alice"; got != want {
			t.Errorf("other device keys: bob sees %q changed, want %q", got, want)
		}
		since = w.db.Committed()
		w.meet() // B274
		w.upload(t, alice, "A1", Upload{DeviceKeys: first})
		if got := w.changed(t, bob, since); got != "" {
			t.Errorf("no common room: bob sees %q changed, want nobody", got)
		}
	})
}

func TestStock(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if diff := cmp.Diff(Stock{Counts: map[string]int{"signed_curve25519": 0}, UnusedFallback: []string{}}, w.stock(t, alice, "A1")); diff != "" {
			t.Errorf("nothing uploaded: %s", diff)
		}
		w.upload(t, alice, "A1", Upload{
			OneTimeKeys:  map[string]json.RawMessage{"signed_curve25519:a": raw("a"), "x:a": raw("a"), "x:b": raw("b")},
			FallbackKeys: map[string]json.RawMessage{"x:f": raw("f"), "signed_curve25519:f": raw("f")},
		})
		want := Stock{Counts: map[string]int{"signed_curve25519": 1, "x": 2}, UnusedFallback: []string{"signed_curve25519", "x"}}
		if diff := cmp.Diff(want, w.stock(t, alice, "A1")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDropDevice(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.upload(t, alice, "A1", Upload{DeviceKeys: raw(deviceKeys(t, alice, "A1")), OneTimeKeys: oneTime("a"), FallbackKeys: oneTime("f")})
		w.upload(t, alice, "A2", Upload{OneTimeKeys: oneTime("a")})
		since := w.db.Committed()
		w.takeWoken()
		drop := func(d id.Device) {
			t.Helper()
			if err := w.db.Write(t.Context(), func(tx *sqldb.Tx) error { return w.DropDevice(tx, alice, d) }); err != nil {
				t.Fatal(err)
			}
		}
		drop("A2")
		if got := w.changed(t, bob, since); got != "" {
			t.Errorf("a device without identity keys went: bob sees %q changed", got)
		}
		drop("A1")
		if got, want := w.changed(t, bob, since), "alice"; got != want {
			t.Errorf("a device went: bob sees %q changed, want %q", got, want)
		}
		woken := ""
		for range 10_000 {
			if woken = w.takeWoken(); woken != "" {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
		if want := "keys u:@alice:here u:@bob:here"; woken != want {
			t.Errorf("woken: got %q, want %q", woken, want)
		}
		for _, table := range []string{"device_key", "one_time_key", "one_time_count", "fallback_key"} {
			var n int
			err := w.db.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM ` + table).Scan(&n) })
			if err != nil || n != 0 {
				t.Errorf("%s: %d rows left, error %v", table, n, err)
			}
		}
	})
}

func TestDeviceChanged(t *testing.T) { // B262
	each(t, func(t *testing.T, w *world) {
		rename := func() {
			t.Helper()
			if err := w.db.Write(t.Context(), func(tx *sqldb.Tx) error { return w.DeviceChanged(tx, alice, "A1") }); err != nil {
				t.Fatal(err)
			}
		}
		rename()
		if got := w.changed(t, bob, 0); got != "" {
			t.Errorf("a device without keys was renamed: bob sees %q changed", got)
		}
		w.upload(t, alice, "A1", Upload{DeviceKeys: raw(deviceKeys(t, alice, "A1"))})
		since := w.db.Committed()
		rename()
		if got, want := w.changed(t, bob, since), "alice"; got != want {
			t.Errorf("a device was renamed: bob sees %q changed, want %q", got, want)
		}
	})
}
