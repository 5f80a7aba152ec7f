package keys

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"freehold.example/matrix/id"
)

func (w *world) query(t *testing.T, asker id.User, want map[id.User][]id.Device) *Answer {
	t.Helper()
	a, err := w.Query(t.Context(), asker, want)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestQuery(t *testing.T) { // B255-B257
	each(t, func(t *testing.T, w *world) {
		one, two := deviceKeys(t, alice, "A1"), deviceKeys(t, alice, "A2")
		one["extra"] = obj{"kept": []int{1}}
		w.upload(t, alice, "A1", Upload{DeviceKeys: raw(one)})
		w.upload(t, alice, "A2", Upload{DeviceKeys: raw(two)})

		a := w.query(t, bob, map[id.User][]id.Device{alice: {}, carol: nil, "@nobody:here": {}, away: {}, "@yan:there": {}})
		one["unsigned"], two["unsigned"] = obj{"device_display_name": "Alice's phone"}, obj{}
		same(t, a.Devices[alice]["A1"], one)
		same(t, a.Devices[alice]["A2"], two)
		if got := slices.Sorted(maps.Keys(a.Devices)); !slices.Equal(got, []id.User{alice, carol, "@nobody:here"}) {
			t.Errorf("users: got %v, want every local one that was asked for", got)
		}
		if a.Devices[carol] == nil || len(a.Devices[carol]) != 0 {
			t.Errorf("a user without keys: got %v, want {}", a.Devices[carol])
		}
		if !slices.Equal(a.Unreachable, []id.Server{"there"}) {
			t.Errorf("unreachable: got %v, want [there]", a.Unreachable)
		}

		a = w.query(t, bob, map[id.User][]id.Device{alice: {"A2", "A7"}})
		if len(a.Devices[alice]) != 1 || a.Devices[alice]["A2"] == nil {
			t.Errorf("one device: got %v", a.Devices[alice])
		}
	})
}

// Who sees which signature ("Key and signature security").
func TestQuerySignatures(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.identity(t, alice, "A1"), w.identity(t, bob, "B1")
		w.meet([]id.User{alice, bob, carol})
		w.signed(t, alice, alice, "A1", a.self.sign(t, deviceKeys(t, alice, "A1"), alice, a.self.public))
		w.signed(t, alice, alice, a.master.public, newPair("A1").sign(t, a.masterKey(), alice, "A1"))
		w.signed(t, alice, bob, b.master.public, a.user.sign(t, b.masterKey(), alice, a.user.public))

		has := func(key json.RawMessage, signer id.User, name string) bool {
			var o struct{ Signatures signatures }
			if err := json.Unmarshal(key, &o); err != nil {
				t.Fatal(err)
			}
			_, ok := o.Signatures[string(signer)]["ed25519:"+name]
			return ok
		}
		everyone := map[id.User][]id.Device{alice: nil, bob: nil}
		for _, asker := range []id.User{alice, bob, carol, ""} {
			got := w.query(t, asker, everyone)
			for _, tt := range []struct {
				what string
				got  bool
				want bool
			}{
				{"alice's device by itself", has(got.Devices[alice]["A1"], alice, "A1"), true},
				{"alice's device by her self-signing key", has(got.Devices[alice]["A1"], alice, a.self.public), true},
				{"alice's master key by her device", has(got.Master[alice], alice, "A1"), true},
				{"bob's self-signing key by his master key", has(got.SelfSigning[bob], bob, b.master.public), true},
				{"bob's master key by alice", has(got.Master[bob], alice, a.user.public), asker == alice},
				{"alice's user-signing key", got.UserSigning[alice] != nil, asker == alice},
				{"bob's user-signing key", got.UserSigning[bob] != nil, asker == bob},
			} {
				if tt.got != tt.want {
					t.Errorf("%q sees %s: got %v, want %v", asker, tt.what, tt.got, tt.want)
				}
			}
		}
	})
}
