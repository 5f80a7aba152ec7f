package server

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
	"freehold.example/matrix/version"
	"freehold.example/matrix/xmatrix"
)

// A policy server of the domain's own stands where other servers find the domain: each event is sent there, signed, and comes
// into the room with its signature, or not at all.
func TestPolicyServer(t *testing.T) {
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat("p", ed25519.SeedSize)))
	v, _ := version.Lookup("12")
	var asked atomic.Int64
	var name id.Server
	guard := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		origin, bad := xmatrix.Parse(r.Header.Get("Authorization"))
		if r.URL.Path != "/_matrix/policy/v1/sign" || err != nil || bad != nil || origin.Origin != name {
			t.Errorf("%s %v %v", r.URL, err, bad)
		}
		asked.Add(1)
		e, err := event.Parse(v, body)
		if err != nil || strings.Contains(string(body), "spam") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"errcode":"M_FORBIDDEN","error":"The message appears to contain possible spam"}`))
			return
		}
		signed, err := e.Sign(event.Signer{Server: name, Key: policy.Key, Private: private})
		if err != nil {
			t.Error(err)
			return
		}
		var all struct {
			Signatures map[id.Server]map[id.Key]string
		}
		if err := json.Unmarshal(signed.Bytes(), &all); err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(map[id.Server]map[id.Key]string{name: {policy.Key: all.Signatures[name][policy.Key]}})
	}))
	t.Cleanup(guard.Close)
	name = id.Server(guard.Listener.Addr().String())
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: guard.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(c *Config) { c.ServerName, c.TLSCA, c.Federation = name, ca, "on" })
	room := url.PathEscape(h.names["roomID"])
	key := base64.RawStdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	named := fmt.Sprintf(`{"via":%q,"public_keys":{"ed25519":%q}}`, name, key)
	h.ok("PUT", "/v3/rooms/"+room+"/state/m.room.policy/", named)
	if n := asked.Load(); n != 0 {
		t.Errorf("it was asked %d times about what is not its business", n)
	}
	say := func(txn, body string) (int, string) {
		w := h.do(context.Background(), "PUT", "/v3/rooms/"+room+"/send/m.room.message/"+txn, h.token, fmt.Appendf(nil, `{"msgtype":"m.text","body":%q}`, body))
		return w.Code, w.Body.String()
	}
	if status, answer := say("1", "hello"); status != 200 || asked.Load() != 1 {
		t.Errorf("got %d %s, asked %d times", status, answer, asked.Load())
	}
	if status, answer := say("2", "spam"); status != 400 || !strings.Contains(answer, `"The message appears to contain possible spam"`) || !strings.Contains(answer, "M_FORBIDDEN") {
		t.Errorf("refused: got %d %s", status, answer)
	}
	h.ok("PUT", "/v3/rooms/"+room+"/state/m.room.policy/", `{}`)
	if status, answer := say("4", "free"); status != 200 {
		t.Errorf("without it: got %d %s", status, answer)
	}
}
