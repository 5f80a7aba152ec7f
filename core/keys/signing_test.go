package keys

import (
	"errors"
	"testing"

	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// identity is a user's cross-signing key pairs.
type identity struct {
	owner              id.User
	master, self, user pair
}

func newIdentity(owner id.User, generation string) identity {
	return identity{owner, newPair(generation + "m" + string(owner)), newPair(generation + "s" + string(owner)), newPair(generation + "u" + string(owner))}
}

func (i identity) key(p pair, purpose string) obj {
	return obj{"user_id": i.owner, "usage": []string{purpose}, "keys": obj{"ed25519:" + p.public: p.public}}
}

func (i identity) masterKey() obj { return i.key(i.master, master) }

func (i identity) selfKey(t *testing.T) obj {
	return i.master.sign(t, i.key(i.self, selfSigning), i.owner, i.master.public)
}

func (i identity) userKey(t *testing.T) obj {
	return i.master.sign(t, i.key(i.user, userSigning), i.owner, i.master.public)
}

func (i identity) all(t *testing.T) Signing {
	return Signing{Master: raw(i.masterKey()), SelfSigning: raw(i.selfKey(t)), UserSigning: raw(i.userKey(t))}
}

// identity publishes a device's keys and a full set of cross-signing keys.
func (w *world) identity(t *testing.T, user id.User, device id.Device) identity {
	t.Helper()
	w.upload(t, user, device, Upload{DeviceKeys: raw(deviceKeys(t, user, device))})
	i := newIdentity(user, "")
	if err := w.UploadSigning(t.Context(), user, i.all(t), false); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestUploadSigning(t *testing.T) { // B263-B265
	each(t, func(t *testing.T, w *world) {
		i, other := newIdentity(alice, ""), newIdentity(alice, "2")
		onlyMaster := Signing{Master: raw(i.masterKey())}
		steps := []struct {
			name      string
			set       Signing
			confirmed bool
			want      error
		}{
			{"the first master key", onlyMaster, false, nil},
			{"the same again", onlyMaster, false, nil},
			{"another", Signing{Master: raw(other.masterKey())}, false, ErrAuthRequired},
			{"a self-signing key later", Signing{SelfSigning: raw(i.selfKey(t))}, false, ErrAuthRequired},
			{"confirmed", Signing{SelfSigning: raw(i.selfKey(t))}, true, nil},
			{"the same again", Signing{SelfSigning: raw(i.selfKey(t))}, false, nil},
			{"with the master key", Signing{Master: raw(i.masterKey()), SelfSigning: raw(i.selfKey(t))}, false, nil},
			{"with one new key", i.all(t), false, ErrAuthRequired},
			{"confirmed", i.all(t), true, nil},
			{"nothing", Signing{}, false, nil},
		}
		for _, s := range steps {
			if err := w.UploadSigning(t.Context(), alice, s.set, s.confirmed); !errors.Is(err, s.want) {
				t.Errorf("%s: got %v, want %v", s.name, err, s.want)
			}
		}
		got := w.query(t, alice, map[id.User][]id.Device{alice: nil})
		same(t, got.Master[alice], i.masterKey())
		same(t, got.SelfSigning[alice], i.selfKey(t))
		same(t, got.UserSigning[alice], i.userKey(t))
	})
}

func TestUploadSigningRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i, other := newIdentity(alice, ""), newIdentity(alice, "2")
		edit := func(change func(o obj)) Signing {
			o := i.masterKey()
			change(o)
			return Signing{Master: raw(o)}
		}
		clash := newPair("clash")
		w.devices[alice][id.Device(clash.public)] = ""
		tests := []struct {
			name string
			set  Signing
			want fault.Code
		}{
			{"no master key", Signing{SelfSigning: raw(i.selfKey(t))}, fault.MissingParam},
			{"nothing", Signing{}, fault.MissingParam},
			{"another user's", Signing{Master: raw(newIdentity(bob, "").masterKey())}, fault.InvalidParam},
			{"another purpose", edit(func(o obj) { o["usage"] = []string{selfSigning} }), fault.InvalidParam},
			{"no usage", edit(func(o obj) { delete(o, "usage") }), fault.BadJSON},
			{"two keys", edit(func(o obj) { o["keys"].(obj)["ed25519:x"] = "x" }), fault.InvalidParam},
			{"no key", edit(func(o obj) { o["keys"] = obj{} }), fault.InvalidParam},
			{"wrong name", edit(func(o obj) { o["keys"] = obj{"ed25519:x": i.master.public} }), fault.InvalidParam},
			{"not a key", edit(func(o obj) { o["keys"] = obj{"ed25519:abc": "abc"} }), fault.InvalidParam},
			{"signed by another", Signing{Master: raw(i.masterKey()), SelfSigning: raw(other.selfKey(t))}, fault.InvalidSignature},
			{"unsigned", Signing{Master: raw(i.masterKey()), SelfSigning: raw(i.key(i.self, selfSigning))}, fault.InvalidSignature},
			{"a device's id", Signing{Master: raw(i.key(clash, master))}, fault.Forbidden},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				wantFault(t, w.UploadSigning(t.Context(), alice, tt.set, true), tt.want)
			})
		}
		if got := w.query(t, alice, map[id.User][]id.Device{alice: nil}); len(got.Master) != 0 {
			t.Errorf("a refused key was stored: %s", got.Master[alice])
		}
	})
}

// A device may not take a name that is a cross-signing key.
func TestDeviceNamedAsKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.identity(t, alice, "A1")
		device := id.Device(i.master.public)
		w.devices[alice][device] = ""
		_, err := w.Upload(t.Context(), alice, device, Upload{DeviceKeys: raw(deviceKeys(t, alice, device))})
		wantFault(t, err, fault.Forbidden)
	})
}

func TestSigningAnnounces(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := newIdentity(alice, "")
		if err := w.UploadSigning(t.Context(), alice, Signing{Master: raw(i.masterKey())}, false); err != nil {
			t.Fatal(err)
		}
		if got, want := w.changed(t, bob, 0), "alice"; got != want {
			t.Errorf("master key: bob sees %q changed, want %q", got, want)
		}
		if got, want := w.takeWoken(), "keys u:@alice:here u:@bob:here"; got != want {
			t.Errorf("woken: got %q, want %q", got, want)
		}
		since := w.db.Committed()
		if err := w.UploadSigning(t.Context(), alice, Signing{UserSigning: raw(i.userKey(t))}, true); err != nil {
			t.Fatal(err)
		}
		if got := w.changed(t, bob, since); got != "" {
			t.Errorf("user-signing key: bob sees %q changed, want nobody", got)
		}
		if got, want := w.changed(t, alice, since), "alice"; got != want {
			t.Errorf("user-signing key: alice sees %q changed, want %q", got, want)
		}
	})
}

// A new master key takes the old keys and their signatures along.
func TestReplaceMaster(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i, b := w.identity(t, alice, "A1"), w.identity(t, bob, "B1")
		w.signed(t, alice, alice, "A1", i.self.sign(t, deviceKeys(t, alice, "A1"), alice, i.self.public))
		w.signed(t, bob, alice, i.master.public, b.user.sign(t, i.masterKey(), bob, b.user.public))
		next := newIdentity(alice, "2")
		if err := w.UploadSigning(t.Context(), alice, Signing{Master: raw(next.masterKey())}, true); err != nil {
			t.Fatal(err)
		}
		got := w.query(t, alice, map[id.User][]id.Device{alice: nil})
		same(t, got.Master[alice], next.masterKey())
		if len(got.SelfSigning)+len(got.UserSigning) != 0 {
			t.Errorf("keys of the old master key stayed: %v %v", got.SelfSigning, got.UserSigning)
		}
		device := deviceKeys(t, alice, "A1")
		device["unsigned"] = obj{"device_display_name": "Alice's phone"}
		same(t, got.Devices[alice]["A1"], device)
		if err := w.UploadSigning(t.Context(), alice, i.all(t), true); err != nil {
			t.Fatal(err)
		}
		same(t, w.query(t, bob, map[id.User][]id.Device{alice: nil}).Master[alice], i.masterKey())
	})
}

func TestForget(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.identity(t, alice, "A1"), w.identity(t, bob, "B1")
		w.signed(t, alice, bob, b.master.public, a.user.sign(t, b.masterKey(), alice, a.user.public))
		since := w.db.Committed()
		for range 2 {
			if err := w.Forget(t.Context(), alice); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.query(t, alice, map[id.User][]id.Device{alice: nil, bob: nil}); got.Master[alice] != nil || len(got.UserSigning) != 0 {
			t.Errorf("left: %s %v", got.Master[alice], got.UserSigning)
		} else {
			same(t, got.Master[bob], b.masterKey())
		}
		if got, want := w.changed(t, bob, since), "alice"; got != want {
			t.Errorf("bob sees %q changed, want %q", got, want)
		}
	})
}
