package server

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// document is what a path answers with, without a token.
func (h *house) document(path, token string) (status int, body any) {
	h.t.Helper()
	w := h.do(h.t.Context(), "GET", path, token, nil)
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		h.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	if w.Header().Get("Access-Control-Allow-Origin") != "*" {
		h.t.Errorf("%s: a page of another origin cannot read it", path)
	}
	return w.Code, body
}

const policyKey = "6yhHGKhCiXTSEN2ksjV7kX_N6rBQZ3Xb-M7LlC6NS-s"

func TestWhatIsPublished(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		c.PublicURL, c.WellKnownServer, c.SupportPage, c.PolicyServerKey = "https://m.example.org", "m.example.org:443", "https://example.org/help", policyKey
		c.RTCLiveKitURLs = []string{"https://rtc.example.org/jwt", "https://rtc2.example.org"}
		for _, s := range []string{"admin=@alice:localhost", "security=help@example.org", "org.example.cook=cook@example.org"} {
			var who Contact
			if err := who.UnmarshalText([]byte(s)); err != nil {
				t.Fatal(err)
			}
			c.SupportContacts = append(c.SupportContacts, who)
		}
	})
	foci := []any{
		map[string]any{"type": "livekit", "livekit_service_url": "https://rtc.example.org/jwt"},
		map[string]any{"type": "livekit", "livekit_service_url": "https://rtc2.example.org"},
	}
	for path, want := range map[string]any{
		"/.well-known/matrix/client": map[string]any{
			"m.homeserver": map[string]any{"base_url": "https://m.example.org"}, "org.matrix.msc4143.rtc_foci": foci,
		},
		"/.well-known/matrix/server": map[string]any{"m.server": "m.example.org:443"},
		"/.well-known/matrix/support": map[string]any{"support_page": "https://example.org/help", "contacts": []any{
			map[string]any{"role": "m.role.admin", "matrix_id": "@alice:localhost"},
			map[string]any{"role": "m.role.security", "email_address": "help@example.org"},
			map[string]any{"role": "org.example.cook", "email_address": "cook@example.org"},
		}},
		"/.well-known/matrix/policy_server":           map[string]any{"public_keys": map[string]any{"ed25519": policyKey}},
		"/v1/rtc/transports":                          map[string]any{"transports": foci, "rtc_transports": foci},
		"/unstable/org.matrix.msc4143/rtc/transports": map[string]any{"transports": foci, "rtc_transports": foci},
	} {
		status, got := h.document(path, h.token)
		if diff := cmp.Diff(want, got); status != 200 || diff != "" {
			t.Errorf("%s: %d %s", path, status, diff)
		}
	}
	_, versions := h.document("/versions", "")
	if features := versions.(map[string]any)["unstable_features"].(map[string]any); features["org.matrix.msc4143"] != true {
		t.Errorf("there are transports, and it is not said: %v", features)
	}
}

func TestTURN(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		c.TURNURIs, c.TURNSecret, c.TURNLifetime = []string{"turn:turn.example.org:3478?transport=udp"}, "north", time.Hour
	})
	_, got := h.document("/v3/voip/turnServer", h.token)
	a := got.(map[string]any)
	expiry, user, _ := strings.Cut(a["username"].(string), ":")
	at, err := strconv.ParseInt(expiry, 10, 64)
	left := time.Until(time.Unix(at, 0))
	if err != nil || user != h.user || left < 59*time.Minute || left > 61*time.Minute || a["ttl"] != 3600.0 || len(a["password"].(string)) != 28 ||
		!cmp.Equal(a["uris"], []any{"turn:turn.example.org:3478?transport=udp"}) {
		t.Errorf("got %v", a)
	}
}
