package client

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/account"
	"freehold.example/core/backup"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/schema"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// alone is a server on which nobody shares a room with anybody.
type alone struct{ keys.Rooms }

func (alone) SharesRoom(*sqldb.Tx, id.User, id.User) (bool, error) { return false, nil }
func (alone) SharedUsers(*sqldb.Tx, id.User) ([]id.User, error)    { return nil, nil }
func (alone) Meets(*sqldb.Tx, id.User) (bool, error)               { return false, nil }
func (alone) wake(...string)                                       {}
func (alone) DeviceLists(_ context.Context, _ id.User, from, to string) (changed, left []id.User, err error) {
	return []id.User{id.User("@" + from + "-" + to + ":s1")}, nil, nil
}

type cryptoSite struct {
	*site
	db    *sqldb.DB
	inbox *inbox.Inbox
}

// newCryptoSite is a site with the chapters of end-to-end encryption.
func newCryptoSite(t *testing.T) *cryptoSite {
	t.Helper()
	s := &cryptoSite{db: sqldbtest.SQLite(t, schema.FS)}
	var accounts *account.Accounts
	names := func(tx *sqldb.Tx, user id.User) (map[id.Device]string, error) { return accounts.DeviceNames(tx, user) }
	k := keys.New(keys.Config{
		DB: s.db, Wake: alone{}.wake, Rooms: alone{}, Server: "s1", Now: time.Now, Log: slog.New(slog.DiscardHandler), Devices: names,
	})
	s.inbox = inbox.New(inbox.Config{DB: s.db, Wake: alone{}.wake, Server: "s1", Now: time.Now, Devices: names})
	accounts, err := account.New(account.Config{
		DB: s.db, Now: time.Now, ServerName: "s1", Registration: account.Open, FastHashing: true,
		DropDevice:    []account.DeviceHook{k.DropDevice, s.inbox.DropDevice},
		DeviceChanged: []account.DeviceHook{k.DeviceChanged},
	})
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{Accounts: accounts, Keys: k, Inbox: s.inbox, Backups: backup.New(s.db), DeviceLists: alone{}, Now: time.Now})
	table, err := route.New(route.Config[Call]{
		Rows: slices.Concat(a.loginRows(), a.registerRows(), a.deviceRows(), a.keyRows(), a.signingRows(), a.toDeviceRows(), a.backupRows()), Guard: a.Guard,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.site = &site{t, table, accounts, a}
	return s
}

// deviceKeys is what a client uploads; nobody but other clients looks at the signature.
func deviceKeys(user, device string) map[string]any {
	return map[string]any{
		"user_id": user, "device_id": device, "algorithms": []string{"m.olm.v1.curve25519-aes-sha2"},
		"keys":       map[string]any{"ed25519:" + device: "abc", "curve25519:" + device: "def"},
		"signatures": map[string]any{user: map[string]any{"ed25519:" + device: "sig"}},
	}
}

// at walks into an answer.
func (a answer) at(path ...string) any {
	var v any = map[string]any(a)
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// wantAt compares a part of an answer, as JSON.
func (s *site) wantAt(a answer, want string, path ...string) {
	s.t.Helper()
	got, err := json.Marshal(a.at(path...))
	if err != nil {
		s.t.Fatal(err)
	}
	if string(got) != want {
		s.t.Errorf("%s: got %s, want %s", strings.Join(path, "."), got, want)
	}
}

func TestKeysHTTP(t *testing.T) {
	s := newCryptoSite(t)
	alice, bob := s.register("alice"), s.register("bob")
	token, other, device := alice.str("access_token"), bob.str("access_token"), alice.str("device_id")
	mine := deviceKeys("@alice:s1", device)

	got := s.call("POST", "/v3/keys/upload", token, map[string]any{"device_keys": mine}, 200, "") // B252
	s.wantAt(got, `{"signed_curve25519":0}`, "one_time_key_counts")
	upload := map[string]any{"one_time_keys": map[string]any{"signed_curve25519:1": map[string]any{"key": "x<y"}}}
	got = s.call("POST", "/v3/keys/upload", token, upload, 200, "") // B250
	s.wantAt(got, `{"signed_curve25519":1}`, "one_time_key_counts")
	got = s.call("POST", "/v3/keys/upload", token, upload, 200, "") // B251
	s.wantAt(got, `{"signed_curve25519":1}`, "one_time_key_counts")
	s.call("POST", "/v3/keys/upload", token, `{"one_time_keys":{"signed_curve25519:1":{"key":"z"}}}`, 400, "M_INVALID_PARAM")
	s.call("POST", "/v3/keys/upload", token, nil, 200, "")
	for _, member := range []string{"algorithms", "keys"} { // B253
		broken := deviceKeys("@alice:s1", device)
		delete(broken, member)
		s.call("POST", "/v3/keys/upload", token, map[string]any{"device_keys": broken}, 400, "M_BAD_JSON")
	}
	s.call("POST", "/v3/keys/upload", token, map[string]any{"device_keys": deviceKeys("@bob:s1", device)}, 400, "M_INVALID_PARAM") // B254
	s.call("POST", "/v3/keys/upload", token, map[string]any{"device_keys": deviceKeys("@alice:s1", "X")}, 400, "M_INVALID_PARAM")
	s.call("POST", "/v3/keys/upload", "", "{}", 401, "M_MISSING_TOKEN")

	s.call("PUT", "/v3/devices/"+device, token, `{"display_name":"phone"}`, 200, "")
	got = s.call("POST", "/v3/keys/query", other, `{"device_keys":{"@alice:s1":[],"@bob:s1":[],"@zoe:s2":[]}}`, 200, "") // B255-B257
	want := deviceKeys("@alice:s1", device)
	want["unsigned"] = map[string]any{"device_display_name": "phone"}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	s.wantAt(got, string(text), "device_keys", "@alice:s1", device)
	s.wantAt(got, `{}`, "device_keys", "@bob:s1")
	if got.at("failures", "s2") == nil || got.at("device_keys", "@zoe:s2") != nil {
		t.Errorf("a remote user: got %v, want a failure of s2", got)
	}
	for _, body := range []string{`{"device_keys":{"@alice:s1":{}}}`, `{}`, `{"device_keys":[]}`} { // B258
		s.call("POST", "/v3/keys/query", other, body, 400, "M_BAD_JSON")
	}
	s.call("POST", "/v3/keys/query", other, `{"device_keys":{"alice":[]}}`, 400, "M_INVALID_PARAM")

	claim := map[string]any{"one_time_keys": map[string]any{"@alice:s1": map[string]any{device: "signed_curve25519"}}}
	got = s.call("POST", "/v3/keys/claim", other, claim, 200, "") // B259
	s.wantAt(got, `{"signed_curve25519:1":{"key":"x\u003cy"}}`, "one_time_keys", "@alice:s1", device)
	got = s.call("POST", "/v3/keys/claim", other, claim, 200, "") // B260
	s.wantAt(got, `{}`, "one_time_keys")
	s.call("POST", "/v3/keys/claim", other, `{}`, 400, "M_BAD_JSON")
	s.call("POST", "/v3/keys/claim", other, `{"one_time_keys":{"@alice:s1":[]}}`, 400, "M_BAD_JSON")

	got = s.call("GET", "/v3/keys/changes?from=a&to=b", other, nil, 200, "")
	s.wantAt(got, `["@a-b:s1"]`, "changed")
	s.wantAt(got, `[]`, "left")
	s.call("GET", "/v3/keys/changes?from=a", other, nil, 400, "M_MISSING_PARAM")

	s.call("POST", "/v3/logout", token, nil, 200, "")
	got = s.call("POST", "/v3/keys/query", other, `{"device_keys":{"@alice:s1":[]}}`, 200, "")
	s.wantAt(got, `{}`, "device_keys", "@alice:s1")
}

// crossKey is a cross-signing key of alice's, signed by the key of signer unless that is "".
func crossKey(t *testing.T, name, purpose, signer string) map[string]any {
	t.Helper()
	pair := func(name string) (string, ed25519.PrivateKey) {
		private := ed25519.NewKeyFromSeed([]byte((name + strings.Repeat(".", ed25519.SeedSize))[:ed25519.SeedSize]))
		return base64.RawStdEncoding.EncodeToString(private.Public().(ed25519.PublicKey)), private
	}
	public, _ := pair(name)
	key := map[string]any{"user_id": "@alice:s1", "usage": []string{purpose}, "keys": map[string]any{"ed25519:" + public: public}}
	if signer == "" {
		return key
	}
	body, err := canon.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	by, private := pair(signer)
	sig := base64.RawStdEncoding.EncodeToString(ed25519.Sign(private, body))
	key["signatures"] = map[string]any{"@alice:s1": map[string]any{"ed25519:" + by: sig}}
	return key
}

func TestCrossSigningHTTP(t *testing.T) { // B263-B265
	const path = "/v3/keys/device_signing/upload"
	s := newCryptoSite(t)
	token := s.register("alice").str("access_token")
	first := map[string]any{"master_key": crossKey(t, "m", "master", "")}
	s.call("POST", path, token, map[string]any{"self_signing_key": crossKey(t, "s", "self_signing", "m")}, 400, "M_MISSING_PARAM")
	s.call("POST", path, token, first, 200, "")
	s.call("POST", path, token, first, 200, "")
	another := map[string]any{"master_key": crossKey(t, "other", "master", "")}
	wantChallenge(t, s.call("POST", path, token, another, 401, ""), "m.login.password")

	self := map[string]any{"self_signing_key": crossKey(t, "s", "self_signing", "m")}
	c := s.call("POST", path, token, self, 401, "")
	wantChallenge(t, c, "m.login.password")
	wrong := map[string]any{"self_signing_key": self["self_signing_key"], "auth": password("alice", "wrong", c.str("session"))["auth"]}
	s.call("POST", path, token, wrong, 401, "M_FORBIDDEN")
	confirmed := map[string]any{"self_signing_key": self["self_signing_key"], "auth": password("alice", "secret alice", c.str("session"))["auth"]}
	s.call("POST", path, token, confirmed, 200, "")
	s.call("POST", path, token, self, 200, "")
	s.call("POST", path, token, confirmed, 200, "")
	unsigned := map[string]any{"user_signing_key": crossKey(t, "u", "user_signing", "x")}
	s.call("POST", path, token, unsigned, 400, "M_INVALID_SIGNATURE")

	got := s.call("POST", "/v3/keys/query", token, `{"device_keys":{"@alice:s1":[]}}`, 200, "")
	if got.at("master_keys", "@alice:s1", "user_id") != "@alice:s1" || got.at("self_signing_keys", "@alice:s1", "signatures", "@alice:s1") == nil {
		t.Errorf("got %v, want a master and a self-signing key", got)
	}

	got = s.call("POST", "/v3/keys/signatures/upload", token, `{"@alice:s1":{"NONE":{"user_id":"@alice:s1"}}}`, 200, "")
	s.wantAt(got, `"M_NOT_FOUND"`, "failures", "@alice:s1", "NONE", "errcode")
	got = s.call("POST", "/v3/keys/signatures/upload", token, `{}`, 200, "")
	s.wantAt(got, `{}`, "failures")
	s.call("POST", "/v3/keys/signatures/upload", token, `{"@alice:s1":"x"}`, 400, "M_BAD_JSON")
	s.call("POST", "/v3/keys/signatures/upload", token, `[]`, 400, "M_BAD_JSON")
}

func TestToDeviceHTTP(t *testing.T) { // B245
	s := newCryptoSite(t)
	alice, bob := s.register("alice"), s.register("bob")
	token, device := alice.str("access_token"), bob.str("device_id")
	body := map[string]any{"messages": map[string]any{"@bob:s1": map[string]any{device: map[string]any{"a": 1}, "NONE": map[string]any{}}}}
	for range 2 {
		s.call("PUT", "/v3/sendToDevice/m.test/1", token, body, 200, "")
	}
	var got []inbox.Message
	err := s.db.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
		got, _, err = s.inbox.Since(tx, "@bob:s1", id.Device(device), 0, tx.Pos(), 10)
		return err
	})
	if want := `{"content":{"a":1},"sender":"@alice:s1","type":"m.test"}`; err != nil || len(got) != 1 || string(got[0].Event) != want {
		t.Errorf("got %v, error %v, want one message %s", got, err, want)
	}
	for body, code := range map[string]string{
		`{}`:                                     "M_BAD_JSON",
		`{"messages":[]}`:                        "M_BAD_JSON",
		`{"messages":{"@bob:s1":{"*":"x"}}}`:     "M_BAD_JSON",
		`{"messages":{"@bob:s1":{"*":null}}}`:    "M_BAD_JSON",
		`{"messages":{"bob":{"*":{}}}}`:          "M_INVALID_PARAM",
		`{"messages":{"@bob:s1":{"*":{"a":"\x81`: "M_NOT_JSON",
	} {
		s.call("PUT", "/v3/sendToDevice/m.test/2", token, body, 400, code)
	}
	large := map[string]any{"messages": map[string]any{"@bob:s1": map[string]any{"*": map[string]any{"x": strings.Repeat("x", inbox.MaxContent)}}}}
	s.call("PUT", "/v3/sendToDevice/m.test/2", token, large, 413, "M_TOO_LARGE")
}

func TestBackupHTTP(t *testing.T) { // B266-B270
	s := newCryptoSite(t)
	token := s.register("alice").str("access_token")
	const version = "/v3/room_keys/version"
	s.call("GET", version, token, nil, 404, "M_NOT_FOUND")
	s.call("GET", version+"/1", token, nil, 404, "M_NOT_FOUND")
	s.call("PUT", "/v3/room_keys/keys?version=1", token, `{"rooms":{}}`, 404, "M_NOT_FOUND")
	s.call("POST", version, token, `{"algorithm":"m.megolm_backup.v1"}`, 400, "M_BAD_JSON")
	v := s.call("POST", version, token, `{"algorithm":"m.megolm_backup.v1","auth_data":{"foo":"bar"}}`, 200, "").str("version")
	for _, path := range []string{version, version + "/" + v} {
		got := s.call("GET", path, token, nil, 200, "")
		s.wantAt(got, `{"algorithm":"m.megolm_backup.v1","auth_data":{"foo":"bar"},"count":0,"etag":"0","version":"`+v+`"}`)
	}
	s.call("PUT", version+"/"+v, token, `{"algorithm":"m.megolm_backup.v1","auth_data":{},"version":"`+v+`"}`, 200, "")
	s.call("PUT", version+"/"+v, token, `{"algorithm":"m.megolm_backup.v1","auth_data":{},"version":"x"}`, 400, "M_INVALID_PARAM")
	s.call("PUT", version+"/"+v, token, `{"algorithm":"other","auth_data":{}}`, 400, "M_INVALID_PARAM")

	at := func(rest string) string { return "/v3/room_keys/keys" + rest + "?version=" + v }
	const data = `{"first_message_index":5,"forwarded_count":5,"is_verified":false,"session_data":{"a":"<>"}}`
	const shown = `{"first_message_index":5,"forwarded_count":5,"is_verified":false,"session_data":{"a":"\u003c\u003e"}}`
	for _, path := range []string{"/%21r%2Fx:s1/s%2F1", "/!r:s1/2", "/!q/1"} {
		s.call("PUT", at(path), token, data, 200, "")
		got := s.call("GET", at(path), token, nil, 200, "")
		s.wantAt(got, shown)
	}
	got := s.call("PUT", at("/!r:s1"), token, `{"sessions":{"2":`+data+`,"3":`+data+`}}`, 200, "")
	s.wantAt(got, `{"count":4,"etag":"4"}`)
	got = s.call("PUT", at(""), token, `{"rooms":{"!q":{"sessions":{"1":`+data+`}}}}`, 200, "")
	s.wantAt(got, `{"count":4,"etag":"4"}`)
	got = s.call("GET", at(""), token, nil, 200, "")
	s.wantAt(got, `{"rooms":{"!q":{"sessions":{"1":`+shown+`}},"!r/x:s1":{"sessions":{"s/1":`+shown+`}},`+
		`"!r:s1":{"sessions":{"2":`+shown+`,"3":`+shown+`}}}}`)
	got = s.call("GET", at("/!r:s1"), token, nil, 200, "")
	s.wantAt(got, `{"sessions":{"2":`+shown+`,"3":`+shown+`}}`)
	got = s.call("GET", at("/!none:s1"), token, nil, 200, "")
	s.wantAt(got, `{"sessions":{}}`)
	s.call("GET", at("/!r:s1/9"), token, nil, 404, "M_NOT_FOUND")

	for _, body := range []string{`{}`, `{"first_message_index":"x"}`, `{"first_message_index":1.5,"forwarded_count":5,"is_verified":false,"session_data":{}}`} {
		s.call("PUT", at("/!r:s1/4"), token, body, 400, "M_BAD_JSON")
	}
	s.call("PUT", at("/!r:s1"), token, `{}`, 400, "M_BAD_JSON")
	s.call("PUT", at(""), token, `{}`, 400, "M_BAD_JSON")
	s.call("PUT", at(""), token, `{"rooms":{"r":{"sessions":{}}}}`, 400, "M_INVALID_PARAM")
	s.call("PUT", "/v3/room_keys/keys/!r:s1/4", token, data, 400, "M_MISSING_PARAM")
	for _, path := range []string{"", "/!r:s1", "/!r:s1/2"} {
		s.call("GET", "/v3/room_keys/keys"+path, token, nil, 400, "M_MISSING_PARAM")
		s.call("GET", "/v3/room_keys/keys"+path+"?version=99", token, nil, 404, "M_NOT_FOUND")
		s.call("DELETE", "/v3/room_keys/keys"+path+"?version=99", token, nil, 404, "M_NOT_FOUND")
	}
	got = s.call("PUT", "/v3/room_keys/keys?version=99", token, `{"rooms":{}}`, 403, "M_WRONG_ROOM_KEYS_VERSION")
	s.wantAt(got, `"`+v+`"`, "current_version")

	for _, d := range []struct{ path, want string }{
		{"/!r:s1/2", `{"count":3,"etag":"5"}`}, {"/!r:s1", `{"count":2,"etag":"6"}`}, {"", `{"count":0,"etag":"7"}`},
	} {
		s.wantAt(s.call("DELETE", at(d.path), token, nil, 200, ""), d.want)
	}
	got = s.call("GET", at(""), token, nil, 200, "")
	s.wantAt(got, `{"rooms":{}}`)
	for range 2 {
		s.call("DELETE", version+"/"+v, token, nil, 200, "")
	}
	s.call("GET", version, token, nil, 404, "M_NOT_FOUND")
	s.call("DELETE", version+"/99", token, nil, 404, "M_NOT_FOUND")
}
