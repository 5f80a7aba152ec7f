package keys

import (
	"encoding/json"
	"testing"

	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func (w *world) sign(t *testing.T, signer, owner id.User, name string, o obj) Failures {
	t.Helper()
	f, err := w.UploadSignatures(t.Context(), signer, map[id.User]map[string]json.RawMessage{owner: {name: raw(o)}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// signed is sign that must succeed.
func (w *world) signed(t *testing.T, signer, owner id.User, name string, o obj) {
	t.Helper()
	if f := w.sign(t, signer, owner, name, o); len(f) != 0 {
		t.Fatalf("signature of %s on %s of %s refused: %v", signer, name, owner, f[owner][name])
	}
}

func TestSignaturesRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.identity(t, alice, "A1"), w.identity(t, bob, "B1")
		w.upload(t, alice, "A2", Upload{DeviceKeys: raw(deviceKeys(t, alice, "A2"))})
		stranger := newPair("stranger")
		altered := deviceKeys(t, alice, "A1")
		altered["algorithms"] = []string{"another"}
		tests := []struct {
			name  string
			owner id.User
			key   string
			o     obj
			want  fault.Code
		}{
			{"own device by a stranger", alice, "A1", stranger.sign(t, deviceKeys(t, alice, "A1"), alice, a.self.public), fault.InvalidSignature},
			{"own device by the master key", alice, "A1", a.master.sign(t, deviceKeys(t, alice, "A1"), alice, a.master.public), fault.InvalidSignature},
			{"own device, altered", alice, "A1", a.self.sign(t, altered, alice, a.self.public), fault.InvalidParam},
			{"under another device", alice, "A2", a.self.sign(t, deviceKeys(t, alice, "A1"), alice, a.self.public), fault.InvalidParam},
			{"no such device", alice, "A7", a.self.sign(t, deviceKeys(t, alice, "A7"), alice, a.self.public), fault.NotFound},
			{"own master key by a stranger as a device", alice, a.master.public, stranger.sign(t, a.masterKey(), alice, "A1"), fault.InvalidSignature},
			{"own master key by nobody", alice, a.master.public, a.masterKey(), fault.InvalidSignature},
			{"own self-signing key", alice, a.self.public, a.user.sign(t, a.selfKey(t), alice, a.user.public), fault.NotFound},
			{"another's device", bob, "B1", a.user.sign(t, deviceKeys(t, bob, "B1"), alice, a.user.public), fault.NotFound},
			{"another's master key by the self-signing key", bob, b.master.public, a.self.sign(t, b.masterKey(), alice, a.self.public), fault.InvalidSignature},
			{"another's master key under another's name", bob, b.master.public, b.user.sign(t, b.masterKey(), bob, b.user.public), fault.InvalidSignature},
			{"a user without keys", carol, "C1", a.user.sign(t, deviceKeys(t, carol, "C1"), alice, a.user.public), fault.NotFound},
			{"not signed objects", bob, b.master.public, obj{"signatures": "x"}, fault.BadJSON},
		}
		since := w.db.Committed()
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				f := w.sign(t, alice, tt.owner, tt.key, tt.o)[tt.owner][tt.key]
				if f == nil || f.Code != tt.want {
					t.Errorf("got %v, want %s", f, tt.want)
				}
			})
		}
		if got := w.changed(t, bob, since); got != "" {
			t.Errorf("refused signatures changed %q", got)
		}
	})
}

// One bad signature does not keep a good one out.
func TestSignaturesOneByOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.identity(t, alice, "A1")
		since := w.db.Committed()
		w.takeWoken()
		f, err := w.UploadSignatures(t.Context(), alice, map[id.User]map[string]json.RawMessage{
			alice: {"A1": raw(a.self.sign(t, deviceKeys(t, alice, "A1"), alice, a.self.public)), "A7": raw(obj{})},
			bob:   {"x": raw("x")},
		})
		if err != nil {
			t.Fatal(err)
		}
		if f[alice]["A1"] != nil || f[alice]["A7"] == nil || f[bob]["x"] == nil {
			t.Errorf("got %v, want failures of A7 and x", f)
		}
		if got, want := w.changed(t, bob, since), "alice"; got != want {
			t.Errorf("bob sees %q changed, want %q", got, want)
		}
		if got, want := w.takeWoken(), "keys u:@alice:here u:@bob:here"; got != want {
			t.Errorf("woken: got %q, want %q", got, want)
		}
		since = w.db.Committed()
		w.signed(t, alice, alice, "A1", a.self.sign(t, deviceKeys(t, alice, "A1"), alice, a.self.public))
		if got := w.changed(t, bob, since); got != "" {
			t.Errorf("the same signature again: bob sees %q changed", got)
		}
	})
}

// Whom alice verified is news for her own devices only.
func TestSignatureOnAnother(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.identity(t, alice, "A1"), w.identity(t, bob, "B1")
		w.meet()
		since := w.db.Committed()
		w.takeWoken()
		w.signed(t, alice, bob, b.master.public, a.user.sign(t, b.masterKey(), alice, a.user.public))
		for watcher, want := range map[id.User]string{alice: "bob", bob: "", carol: ""} {
			if got := w.changed(t, watcher, since); got != want {
				t.Errorf("%s sees %q changed, want %q", watcher, got, want)
			}
		}
		if got, want := w.takeWoken(), "u:@alice:here"; got != want {
			t.Errorf("woken: got %q, want %q", got, want)
		}
	})
}
