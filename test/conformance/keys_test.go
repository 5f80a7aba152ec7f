package conformance

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
)

// 19 Device keys, one-time keys, cross-signing

func unpadded(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// signer is a key pair made from a name.
type signer struct {
	private ed25519.PrivateKey
	public  string
}

func newSigner(name string) signer {
	seed := sha256.Sum256([]byte(name))
	k := ed25519.NewKeyFromSeed(seed[:])
	return signer{k, unpadded(k.Public().(ed25519.PublicKey))}
}

// sign adds a signature to an object of ASCII, whose form as encoding/json writes it is canonical.
func (s signer) sign(o obj, user, key string) obj {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // test data of our own
	}
	o["signatures"] = obj{user: obj{"ed25519:" + key: unpadded(ed25519.Sign(s.private, text))}}
	return o
}

// deviceKeys are the identity keys of the user's device; version makes other ones.
func (u *user) deviceKeys(version string) obj {
	s := newSigner(u.id + u.device)
	return s.sign(obj{
		"user_id": u.id, "device_id": u.device, "algorithms": list{"m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"},
		"keys": obj{"ed25519:" + u.device: s.public, "curve25519:" + u.device: newSigner("curve" + version + u.device).public},
	}, u.id, u.device)
}

// uploadDevice publishes the device's keys.
func (u *user) uploadDevice() obj {
	u.t.Helper()
	keys := u.deviceKeys("")
	u.post("/v3/keys/upload", obj{"device_keys": keys}).ok()
	return keys
}

// oneTime are one-time keys with these ids.
func (u *user) oneTime(ids ...string) obj {
	s, keys := newSigner(u.id+u.device), obj{}
	for _, id := range ids {
		keys["signed_curve25519:"+id] = s.sign(obj{"key": newSigner(u.device + id).public}, u.id, u.device)
	}
	return keys
}

func (u *user) upload(body obj) value {
	u.t.Helper()
	return u.post("/v3/keys/upload", body).ok().at("one_time_key_counts")
}

func (u *user) query(of *user, devices ...any) *answer {
	u.t.Helper()
	return u.post("/v3/keys/query", obj{"device_keys": obj{of.id: append(list{}, devices...)}}).ok()
}

func (u *user) claim(of *user) value {
	u.t.Helper()
	return u.post("/v3/keys/claim", obj{"one_time_keys": obj{of.id: obj{of.device: "signed_curve25519"}}}).ok().at("one_time_keys")
}

func TestB250(t *testing.T) { // and B251
	alice := newUser(t)
	counts := func(keys obj, devices bool, want float64) {
		t.Helper()
		body := obj{"one_time_keys": keys}
		if devices {
			body["device_keys"] = alice.deviceKeys("")
		}
		if got := alice.upload(body); got.num("signed_curve25519") != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	counts(alice.oneTime("A", "B", "C"), true, 3)
	counts(alice.oneTime("A", "B", "C"), true, 3)
	counts(alice.oneTime("A", "B", "C"), false, 3)
	counts(alice.oneTime("B", "C", "D"), false, 4)
}

func TestB252(t *testing.T) {
	alice := newUser(t)
	got := alice.upload(obj{"device_keys": alice.deviceKeys("")})
	if got.missing() {
		t.Error("no one_time_key_counts")
	}
	for _, k := range got.keys() {
		if got.num(k) != 0 {
			t.Errorf("got %v", got)
		}
	}
}

func TestB253(t *testing.T) {
	alice := newUser(t)
	for _, k := range []string{"algorithms", "keys"} {
		keys := alice.deviceKeys("")
		delete(keys, k)
		alice.post("/v3/keys/upload", obj{"device_keys": keys}).fails(400, "M_BAD_JSON")
	}
}

// Beyond the lines: keys that nobody has signed are shown as what they are, and others decide what they are worth.
func TestUnsignedDeviceKeys(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	keys := alice.deviceKeys("")
	delete(keys, "signatures")
	alice.upload(obj{"device_keys": keys})
	got := bob.query(alice).at("device_keys", alice.id, alice.device)
	if !got.at("signatures").equals(obj{}) || !got.at("keys").equals(keys["keys"]) {
		t.Errorf("got %v, want the keys %v without signatures", got, keys["keys"])
	}
	alice.upload(obj{"device_keys": alice.deviceKeys("")})
	if got := bob.query(alice).at("device_keys", alice.id, alice.device, "signatures"); len(got.keys(alice.id)) != 1 {
		t.Errorf("signed later: got the signatures %v", got)
	}
}

func TestB254(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	for k, v := range map[string]string{"user_id": bob.id, "device_id": "OTHER"} {
		keys := alice.deviceKeys("")
		keys[k] = v
		alice.post("/v3/keys/upload", obj{"device_keys": keys}).fails(400)
	}
}

func TestB255(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	second := alice.login("")
	alice.uploadDevice()
	second.uploadDevice()
	if got := bob.query(alice).keys("device_keys", alice.id); len(got) != 2 {
		t.Errorf("got %v, want two devices", got)
	}
	if got := bob.query(alice, alice.device).keys("device_keys", alice.id); len(got) != 1 || got[0] != alice.device {
		t.Errorf("got %v, want %s", got, alice.device)
	}
}

func TestB256(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	alice.put(path("/v3/devices", alice.device), obj{"display_name": "Lamp"}).ok()
	want := alice.uploadDevice()
	got := bob.query(alice).at("device_keys", alice.id, alice.device)
	for _, k := range []string{"algorithms", "device_id", "user_id", "keys", "signatures"} {
		if !got.at(k).equals(want[k]) {
			t.Errorf("%s: got %v, want %v", k, got.at(k), want[k])
		}
	}
	if name := got.str("unsigned", "device_display_name"); name != "Lamp" {
		t.Errorf("got name %q, want Lamp", name)
	}
}

func TestB257(t *testing.T) {
	alice := newUser(t)
	if a := newUser(t).query(alice); !a.at("device_keys", alice.id).equals(obj{}) {
		t.Errorf("got %s", a.raw)
	}
}

func TestB258(t *testing.T) {
	alice := newUser(t)
	alice.post("/v3/keys/query", obj{"device_keys": obj{alice.id: obj{"device": true}}}).fails(400, "M_BAD_JSON")
}

func TestB259(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	keys := alice.oneTime("A", "B")
	alice.upload(obj{"device_keys": alice.deviceKeys(""), "one_time_keys": keys})
	seen := map[string]bool{}
	for range 2 {
		got := bob.claim(alice).at(alice.id, alice.device)
		if n := got.keys(); len(n) != 1 || seen[n[0]] || !got.at(n[0]).equals(keys[n[0]]) {
			t.Fatalf("got %v", got)
		}
		seen[got.keys()[0]] = true
	}
	t.Run("B260", func(t *testing.T) {
		if got := bob.claim(alice); got.has(alice.id) {
			t.Errorf("got %v", got)
		}
	})
}

func TestB261(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	alice.upload(obj{"device_keys": alice.deviceKeys(""), "one_time_keys": alice.oneTime("1")})
	alice.upload(obj{"one_time_keys": alice.oneTime("0")})
	for _, want := range []string{"1", "0"} {
		if got := bob.claim(alice).keys(alice.id, alice.device); fmt.Sprint(got) != "[signed_curve25519:"+want+"]" {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestCrossSigning(t *testing.T) {
	alice := newUser(t)
	master, self := newSigner("master"+alice.id), newSigner("self"+alice.id)
	key := func(s signer, usage string) obj {
		return obj{"user_id": alice.id, "usage": list{usage}, "keys": obj{"ed25519:" + s.public: s.public}}
	}
	upload := func(body obj) *answer { return alice.post("/v3/keys/device_signing/upload", body) }
	t.Run("B263", func(t *testing.T) { upload(obj{"master_key": key(master, "master")}).ok() })
	t.Run("B264", func(t *testing.T) {
		upload(obj{"master_key": key(master, "master")}).ok()
		if a := upload(obj{"master_key": key(newSigner("other"+alice.id), "master")}); a.status != 401 || !a.isList("flows") {
			t.Errorf("got %d %s", a.status, a.raw)
		}
	})
	t.Run("B265", func(t *testing.T) {
		signed := master.sign(key(self, "self_signing"), alice.id, master.public)
		a := upload(obj{"self_signing_key": signed})
		if a.status != 401 || !a.isList("flows") || !a.isString("session") {
			t.Errorf("got %d %s", a.status, a.raw)
		}
		upload(obj{"self_signing_key": signed, "auth": alice.byPassword(a.str("session"), alice.password)}).ok()
		upload(obj{"self_signing_key": signed}).ok()
	})
}

func TestKeyBackup(t *testing.T) {
	alice := newUser(t)
	version := alice.post("/v3/room_keys/version", obj{"algorithm": "m.megolm_backup.v1", "auth_data": obj{"foo": "bar"}}).ok()
	if !version.isString("version") {
		t.Errorf("B266: got %s", version.raw)
	}
	if room := "!nowhere:" + alice.server(); alice.state(room, "m.room.create", "").status == 200 {
		t.Fatal("B270: the room is there")
	}
	at := path("/v3/room_keys/keys", "!nowhere:"+alice.server(), "session") + "?version=" + version.str("version")
	key := func(first, forwarded int, verified bool, data string) obj {
		return obj{
			"first_message_index": first, "forwarded_count": forwarded, "is_verified": verified,
			"session_data": obj{"data": data},
		}
	}
	for _, c := range []struct {
		line   string
		key    obj
		stored bool
	}{
		{"B267", key(10, 5, false, "a"), true},
		{"B268", key(11, 5, false, "b"), false},
		{"B268", key(10, 6, false, "c"), false},
		{"B268", key(10, 4, false, "d"), true},
		{"B268", key(9, 9, false, "e"), true},
		{"B269", key(50, 50, true, "f"), true},
		{"B269", key(0, 0, false, "g"), false},
		{"B269", key(51, 50, true, "h"), false},
		{"B269", key(50, 51, true, "i"), false},
		{"B269", key(50, 49, true, "j"), true},
	} {
		t.Run(c.line, func(t *testing.T) {
			before := alice.get(at)
			alice.put(at, c.key).ok()
			got := alice.get(at).ok()
			if c.stored && !got.equals(c.key) || !c.stored && got.String() != before.String() {
				t.Errorf("%v, stored %v: got %s", c.key, c.stored, got.raw)
			}
		})
	}
}
