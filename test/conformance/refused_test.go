package conformance

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// What this server has not, answered as the specification says of such a server.

func TestNoOAuth(t *testing.T) {
	for _, p := range []string{
		"/v1/auth_metadata", "/unstable/org.matrix.msc2965/auth_metadata", "/unstable/org.matrix.msc2965/auth_issuer",
	} {
		nobody(t).get(p).fails(404, "M_UNRECOGNIZED")
	}
	for _, flow := range nobody(t).get("/v3/login").ok().list("flows") {
		if typ := flow.str("type"); strings.HasPrefix(typ, "m.login.sso") || flow.has("oauth_aware_preferred") {
			t.Errorf("there is no %s", typ)
		}
	}
	// QR login needs an authorisation server (MSC4108).
	for _, p := range []string{"/unstable/org.matrix.msc4108/rendezvous", "/unstable/io.element.msc4388/rendezvous", "/v1/rendezvous"} {
		nobody(t).post(p, obj{}).fails(404, "M_UNRECOGNIZED")
	}
	if nobody(t).get("/versions").ok().flag("unstable_features", "org.matrix.msc4108") {
		t.Error("there is no QR login")
	}
}

// A browser that a client has sent here is shown a page, a program an error, and neither is sent on.
func TestNoSSO(t *testing.T) {
	for _, p := range []string{"/v3/login/sso/redirect", "/v3/login/sso/redirect/github", "/r0/login/sso/redirect"} {
		p += "?redirectUrl=https%3A%2F%2Fevil.example"
		nobody(t).get(p).fails(404, "M_UNRECOGNIZED")
		req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/_matrix/client"+p, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != 404 || resp.Header.Get("Location") != "" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") ||
			!strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") || strings.Contains(string(page), "evil") {
			t.Errorf("%s: %d %v %s %v", p, resp.StatusCode, resp.Header, page, err)
		}
	}
}

// Nothing is published that nobody has written down; calls go without help.
func TestNothingConfigured(t *testing.T) {
	alice := newUser(t)
	for _, name := range []string{"support", "policy_server", "server"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/.well-known/matrix/"+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 404 || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
	}
	if a := alice.get("/v3/voip/turnServer").ok(); string(a.raw) != "{}" {
		t.Errorf("TURN: %s", a.raw)
	}
	for _, p := range []string{"/unstable/org.matrix.msc4143/rtc/transports", "/v1/rtc/transports"} {
		if a := alice.get(p).ok(); !a.isList("rtc_transports") || !a.isList("transports") || len(a.list("rtc_transports")) != 0 {
			t.Errorf("transports: %s", a.raw)
		}
		nobody(t).get(p).fails(401, "M_MISSING_TOKEN")
	}
}
