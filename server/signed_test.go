package server

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"freehold.example/core/account"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/xmatrix"
)

// remote is another homeserver: it publishes keys, and signs requests.
type remote struct {
	signer event.Signer
	ca     string // PEM file with its certificate
	asked  atomic.Int64

	answers map[string]string // path -> what is answered; REMOTE stands for its name
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	r := new(remote)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if body, ok := r.answers[q.URL.Path]; ok {
			if _, err := xmatrix.Parse(q.Header.Get("Authorization")); err != nil {
				t.Errorf("%s is not signed: %v", q.URL.Path, err)
			}
			_, _ = io.WriteString(w, strings.ReplaceAll(body, "REMOTE", string(r.signer.Server)))
			return
		}
		if q.URL.Path != "/_matrix/key/v2/server" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errcode":"M_NOT_FOUND","error":"Not here"}`)
			return
		}
		r.asked.Add(1)
		public := base64.RawStdEncoding.EncodeToString(r.signer.Private.Public().(ed25519.PublicKey))
		object := fmt.Appendf(nil, `{"server_name":%q,"valid_until_ts":9007199254740991,"verify_keys":{%q:{"key":%q}},"old_verify_keys":{}}`,
			r.signer.Server, r.signer.Key, public)
		signed, err := event.SignJSON(object, string(r.signer.Server), r.signer.Key, r.signer.Private)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(signed)
	}))
	t.Cleanup(s.Close)
	r.signer = event.Signer{
		Server: id.Server(s.Listener.Addr().String()), Key: "ed25519:r", Private: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)),
	}
	r.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(r.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// ask sends a request that change may spoil once it has been signed.
func (r *remote) ask(t *testing.T, s *Server, method, path, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	signed := xmatrix.Request{Method: method, URI: path, Destination: "a.example"}
	if body != "" {
		signed.Content = []byte(body)
	}
	header, err := signed.Sign(r.signer)
	if err != nil {
		t.Fatal(err)
	}
	q, err := http.NewRequestWithContext(t.Context(), method, "https://"+s.FederationAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", header)
	if change != nil {
		change(q)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// TestSignedRequests: who asks is told by a signature over all of the request, made with a key that the server publishes.
func TestSignedRequests(t *testing.T) {
	r := newRemote(t)
	s, _, _, _ := start(t, federated, func(c *Config) { c.TLSCA = r.ca })
	const profile = "/_matrix/federation/v1/query/profile?user_id=%40nobody:a.example"
	want := func(name string, status int, text, method, path, body string, change func(*http.Request)) {
		t.Helper()
		if got, answer := r.ask(t, s, method, path, body, change); got != status || !strings.Contains(answer, text) {
			t.Errorf("%s: got %d %s, want %d and %s", name, got, answer, status, text)
		}
	}
	const query, keys = "/_matrix/federation/v1/user/keys/query", `{"device_keys":{"@nobody:a.example":[],"@other:b.example":[]}}`
	want("a profile", 404, "M_NOT_FOUND", "GET", profile, "", nil)
	want("keys", 200, `"device_keys":{`, "POST", query, keys, nil)
	want("claim", 200, `{"one_time_keys":{}}`, "POST", "/_matrix/federation/v1/user/keys/claim", `{"one_time_keys":{}}`, nil)
	want("alias", 404, "M_NOT_FOUND", "GET", "/_matrix/federation/v1/query/directory?room_alias=%23none:a.example", "", nil)
	want("another's alias", 400, "M_INVALID_PARAM", "GET", "/_matrix/federation/v1/query/directory?room_alias=%23none:b.example", "", nil)
	want("another's user", 400, "M_INVALID_PARAM", "GET", "/_matrix/federation/v1/query/profile?user_id=%40nobody:b.example", "", nil)
	if n := r.asked.Load(); n != 1 {
		t.Errorf("it was asked for its keys %d times", n)
	}

	header := func(old, new string) func(*http.Request) {
		return func(q *http.Request) {
			q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), old, new, 1))
		}
	}
	want("without a header", 401, "M_FORBIDDEN", "GET", profile, "", func(q *http.Request) { q.Header.Del("Authorization") })
	want("a client's token", 401, "M_FORBIDDEN", "GET", profile, "", func(q *http.Request) { q.Header.Set("Authorization", "Bearer x") })
	want("half a header", 401, "M_FORBIDDEN", "GET", profile, "", func(q *http.Request) { q.Header.Set("Authorization", `X-Matrix origin="`) })
	want("for another server", 401, "M_FORBIDDEN", "GET", profile, "", header("a.example", "b.example"))
	want("as this server", 401, "M_FORBIDDEN", "GET", profile, "", header(string(r.signer.Server), "a.example"))
	want("as a server that is not there", 401, "M_FORBIDDEN", "GET", profile, "", header(string(r.signer.Server), "127.0.0.1:1"))
	want("a key that is not there", 401, "M_FORBIDDEN", "GET", profile, "", header("ed25519:r", "ed25519:s"))
	want("another signature", 401, "M_FORBIDDEN", "GET", profile, "", header(`sig="`, `sig="AAAA`))
	want("another path", 401, "M_FORBIDDEN", "GET", profile, "", func(q *http.Request) { q.URL.RawQuery += "x" })
	want("another method", 401, "M_FORBIDDEN", "POST", query, keys, func(q *http.Request) {
		q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), "sig=", "x=1,sig=", 1))
		q.Body = io.NopCloser(strings.NewReader(strings.Replace(keys, "nobody", "somebo", 1)))
	})
	want("not JSON", 400, "M_NOT_JSON", "POST", query, keys, func(q *http.Request) {
		q.Body, q.ContentLength = io.NopCloser(strings.NewReader("{")), 1
	})
	want("a token that nobody has", 401, "M_UNKNOWN_TOKEN", "GET", "/_matrix/federation/v1/openid/userinfo?access_token=x", "", func(q *http.Request) { q.Header.Del("Authorization") })

	// What it has seen of the remote's keys it says to others, with its own signature beside.
	status, body, _ := askPeer(t, s, "/_matrix/key/v2/query/"+string(r.signer.Server))
	if status != 200 || !strings.Contains(string(body), `"ed25519:r":{"key"`) || strings.Count(string(body), `"a.example":{`) != 1 {
		t.Errorf("the remote's keys: %d %s", status, body)
	}
}

// TestFederationAllowed: a server that is to speak with some only.
func TestFederationAllowed(t *testing.T) {
	r := newRemote(t)
	for _, test := range []struct {
		mode    string
		allowed []id.Server
		want    int
	}{
		{"allowlist", []id.Server{"b.example"}, 403},
		{"allowlist", []id.Server{"b.example", r.signer.Server}, 404},
	} {
		s, _, _, stop := start(t, federated, func(c *Config) { c.TLSCA, c.Federation, c.FederationAllowed = r.ca, test.mode, test.allowed })
		if got, answer := r.ask(t, s, "GET", "/_matrix/federation/v1/query/profile?user_id=%40nobody:a.example", "", nil); got != test.want {
			t.Errorf("%s %v: got %d %s", test.mode, test.allowed, got, answer)
		}
		stop()
	}
}

// TestQuestions: what a user wants to know of another server's users and rooms is asked of it, and only what fits is believed.
func TestQuestions(t *testing.T) {
	r := newRemote(t)
	r.answers = map[string]string{
		"/_matrix/federation/v1/query/profile":   `{"displayname":"Robin","avatar_url":7}`,
		"/_matrix/federation/v1/query/directory": `{"room_id":"!r:REMOTE","servers":["REMOTE","b.example","REMOTE"]}`,
		"/_matrix/federation/v1/user/keys/query": `{"device_keys":{"@robin:REMOTE":{"D":{"user_id":"@robin:REMOTE","device_id":"D"},"E":{"user_id":"@robin:REMOTE","device_id":"F"}},
			"@eve:REMOTE":{"D":{"user_id":"@eve:REMOTE","device_id":"D"}}},"master_keys":{"@robin:REMOTE":{"user_id":"@robin:REMOTE"}}}`,
		"/_matrix/federation/v1/user/keys/claim": `{"one_time_keys":{"@robin:REMOTE":{"D":{"signed_curve25519:A":{"key":"x"}},"X":{"signed_curve25519:B":{"key":"y"}}}}}`,
	}
	_, base, _, _ := start(t, federated, func(c *Config) { c.TLSCA, c.Registration = r.ca, account.Open })
	_, made := ask(t, "POST", base+"/_matrix/client/v3/register", "", map[string]any{
		"username": "alice", "password": "secret alice", "auth": map[string]any{"type": "m.login.dummy"},
	})
	token, _ := made["access_token"].(string)
	name := string(r.signer.Server)
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/profile/@robin:REMOTE", "", 200, `{"displayname":"Robin"}`},
		{"GET", "/profile/@robin:REMOTE/displayname", "", 200, `{"displayname":"Robin"}`},
		{"GET", "/profile/@robin:REMOTE/avatar_url", "", 404, "M_NOT_FOUND"},
		{"GET", "/directory/room/%23r:REMOTE", "", 200, `{"room_id":"!r:REMOTE","servers":["REMOTE","b.example"]}`},
		{
			"POST", "/keys/query", `{"device_keys":{"@robin:REMOTE":[],"@x:127.0.0.1:1":[]}}`, 200,
			`{"device_keys":{"@robin:REMOTE":{"D":{"device_id":"D","user_id":"@robin:REMOTE"}}},"failures":{"127.0.0.1:1":{"errcode":"M_CONNECTION_FAILED","error":"The server cannot be reached"}},"master_keys":{"@robin:REMOTE":{"user_id":"@robin:REMOTE"}}}`,
		},
		{
			"POST", "/keys/claim", `{"one_time_keys":{"@robin:REMOTE":{"D":"signed_curve25519"}}}`, 200,
			`{"failures":{},"one_time_keys":{"@robin:REMOTE":{"D":{"signed_curve25519:A":{"key":"x"}}}}}`,
		},
		{"GET", "/profile/@robin:127.0.0.1:1", "", 502, "M_UNKNOWN"},
	} {
		var body any
		if test.body != "" {
			body = json.RawMessage(strings.ReplaceAll(test.body, "REMOTE", name))
		}
		status, answer := ask(t, test.method, base+"/_matrix/client/v3"+strings.ReplaceAll(test.path, "REMOTE", name), token, body)
		got, err := json.Marshal(answer) // in the order of the keys
		if want := strings.ReplaceAll(test.want, "REMOTE", name); err != nil || status != test.status || !strings.Contains(string(got), want) {
			t.Errorf("%s %s: got %d %s, want %s", test.method, test.path, status, got, want)
		}
	}
	// Profiles are for everybody. Otherwise, who is not signed in has nobody knock at other servers' doors.
	if status, _ := get(t, base+"/_matrix/client/v3/profile/@robin:"+name); status != 200 {
		t.Errorf("a profile without a token: %d", status)
	}
	if status, _ := get(t, base+"/_matrix/client/v3/directory/room/%23r:"+name); status != 404 {
		t.Errorf("without a token: %d", status)
	}
}

// TestMediaForServers: a file is sent to a server that asks, in two parts, and not to anybody.
func TestMediaForServers(t *testing.T) {
	r := newRemote(t)
	s, base, _, _ := start(t, federated, func(c *Config) { c.TLSCA, c.Registration = r.ca, account.Open })
	_, made := ask(t, "POST", base+"/_matrix/client/v3/register", "", map[string]any{
		"username": "alice", "password": "secret alice", "auth": map[string]any{"type": "m.login.dummy"},
	})
	q, err := http.NewRequestWithContext(t.Context(), "POST", base+"/_matrix/media/v3/upload?filename=n.txt", strings.NewReader("a note"))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", fmt.Sprint("Bearer ", made["access_token"]))
	q.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var up struct {
		URI string `json:"content_uri"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&up); err != nil {
		t.Fatal(err)
	}
	path := "/_matrix/federation/v1/media/download/" + strings.TrimPrefix(up.URI, "mxc://a.example/")
	status, body := r.ask(t, s, "GET", path, "", nil)
	boundary, _, _ := strings.Cut(body, "\r\n")
	want := boundary + "\r\nContent-Type: application/json\r\n\r\n{}\r\n" + boundary +
		"\r\nContent-Disposition: inline; filename=n.txt\r\nContent-Type: text/plain\r\n\r\na note\r\n" + boundary + "--\r\n"
	if status != 200 || body != want {
		t.Errorf("got %d %q, want %q", status, body, want)
	}
	for path, want := range map[string]int{"/_matrix/federation/v1/media/download/none": 404, strings.Replace(path, "download", "thumbnail", 1) + "?width=8&height=8": 400} {
		if status, body := r.ask(t, s, "GET", path, "", nil); status != want {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	if status, body := r.ask(t, s, "GET", path, "", func(q *http.Request) { q.Header.Del("Authorization") }); status != 401 {
		t.Errorf("to anybody: %d %s", status, body)
	}
}
