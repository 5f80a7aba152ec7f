package conformance

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"freehold.example/test/harness"
)

// Endpoints whose answers no other test here sees: everything that is served is held against the specification once at
// least, which spec_test.go demands.

func TestBackupAnswers(t *testing.T) {
	alice := newUser(t)
	const versions, keys = "/v3/room_keys/version", "/v3/room_keys/keys"
	auth := obj{"public_key": "abcdefg", "signatures": obj{}}
	version := alice.post(versions, obj{"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": auth}).ok().str("version")
	at := "?version=" + url.QueryEscape(version)
	session := obj{
		"first_message_index": 1, "forwarded_count": 0, "is_verified": true,
		"session_data": obj{"ephemeral": "YWJj", "ciphertext": "YWJj", "mac": "YWJj"},
	}
	one, other := "!one:"+alice.server(), "!other:"+alice.server()
	alice.put(keys+at, obj{"rooms": obj{one: obj{"sessions": obj{"a": session, "b": session}}}}).ok()
	alice.put(path(keys, other)+at, obj{"sessions": obj{"c": session}}).ok()
	if got := alice.get(keys + at).ok(); len(got.at("rooms", one, "sessions").keys()) != 2 || len(got.at("rooms", other, "sessions").keys()) != 1 {
		t.Errorf("all: got %s", got.raw)
	}
	if got := alice.get(path(keys, one) + at).ok(); len(got.at("sessions").keys()) != 2 {
		t.Errorf("a room: got %s", got.raw)
	}
	before := alice.get(versions).ok()
	if before.num("count") != 3 || before.str("version") != version {
		t.Errorf("the newest: got %s", before.raw)
	}
	auth["public_key"] = "hijklmn"
	alice.put(path(versions, version), obj{"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": auth, "version": version}).ok()
	if got := alice.get(path(versions, version)).ok(); got.str("auth_data", "public_key") != "hijklmn" {
		t.Errorf("it was changed: got %s", got.raw)
	}
	for _, left := range []struct {
		of    string
		count float64
	}{{path(keys, one, "a"), 2}, {path(keys, one), 1}, {keys, 0}} {
		if got := alice.do("DELETE", left.of+at, nil).ok(); got.num("count") != left.count || got.str("etag") == before.str("etag") {
			t.Errorf("DELETE %s: got %s, want %v left", left.of, got.raw, left.count)
		}
	}
	alice.do("DELETE", path(versions, version), nil).ok()
	alice.get(versions).fails(404, "M_NOT_FOUND")
}

func TestPushRuleAnswers(t *testing.T) {
	alice := newUser(t)
	rule := path("/v3/pushrules/global", "room", "!a:"+alice.server())
	alice.put(rule, obj{"actions": list{}}).ok()
	alice.put(rule+"/actions", obj{"actions": list{"notify"}}).ok()
	if got := alice.get(rule + "/actions").ok(); !got.at("actions").equals(list{"notify"}) {
		t.Errorf("got %s", got.raw)
	}
	alice.put(rule+"/enabled", obj{"enabled": false}).ok()
	if got := alice.get(rule + "/enabled").ok(); !got.has("enabled") || got.flag("enabled") {
		t.Errorf("got %s", got.raw)
	}
	alice.do("DELETE", rule, nil).ok()
	alice.get(rule).fails(404, "M_NOT_FOUND")
}

func TestProfileFieldAnswers(t *testing.T) {
	alice := newUser(t)
	field := path("/v3/profile", alice.id, "displayname")
	alice.put(field, obj{"displayname": "Alice"}).ok()
	alice.do("DELETE", field, nil).ok()
	if got := alice.get(path("/v3/profile", alice.id)).ok(); got.has("displayname") {
		t.Errorf("got %s", got.raw)
	}
}

func TestServicePing(t *testing.T) {
	bot := theBridge.as(t, "")
	theBridge.answers("/ping", func() string { return "{}" })
	if got := bot.post("/v1/appservice/bridge/ping", obj{"transaction_id": "t1"}).ok(); !got.isNumber("duration_ms") {
		t.Errorf("got %s", got.raw)
	}
}

func TestOldMediaAnswers(t *testing.T) {
	alice := newUser(t)
	at := alice.uploadMedia("x.txt", "text/plain", []byte("x"))
	if got := alice.get("/_matrix/media/v3/download/" + at + "/y.txt").ok(); string(got.raw) != "x" {
		t.Errorf("got %q", got.raw)
	}
}

// A server that has been told where it is, whom to ask, and of TURN servers.
func TestDiscoveryAnswers(t *testing.T) {
	if os.Getenv("FREEHOLD_CONFORMANCE_URL") != "" {
		t.Skip("a server elsewhere has settings of its own")
	}
	told := harness.Start(
		t, harness.SQLite, "FREEHOLD_PUBLIC_URL=https://matrix.house.example", "FREEHOLD_SUPPORT_CONTACTS=admin=@alice:house.example",
		"FREEHOLD_POLICY_SERVER_KEY=6yhHGKhCiXTSEN2ksjV7kX_N6rBQZ3Xb-M7LlC6NS-s", "FREEHOLD_TURN_URIS=turn:turn.house.example?transport=udp",
		"FREEHOLD_TURN_SECRET=secret",
	)
	client := http.Client{Transport: http.DefaultTransport}
	if watch != nil {
		client.Transport = watch.Transport(http.DefaultTransport, told.URL)
	}
	ask := func(method, path, token, body string) value {
		t.Helper()
		req, err := http.NewRequestWithContext(nobody(t).context(), method, told.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var v any
		if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: got %s %v, %v", path, resp.Status, v, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body) // to its end, where it is checked
		return value{v}
	}
	alice := ask("POST", "/_matrix/client/v3/register", "", `{"username":"alice","password":"correct horse","auth":{"type":"m.login.dummy"}}`)
	for path, has := range map[string]string{
		"/.well-known/matrix/client": "m.homeserver", "/.well-known/matrix/support": "contacts",
		"/.well-known/matrix/policy_server": "public_keys", "/_matrix/client/v3/voip/turnServer": "uris",
	} {
		if got := ask("GET", path, alice.str("access_token"), ""); !got.has(has) {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
