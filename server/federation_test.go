package server

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/core/peer"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// askPeer is a GET on the federation listener, by somebody who does not ask for a known certificate.
func askPeer(t *testing.T, s *Server, path string) (int, []byte, *tls.ConnectionState) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.FederationAddr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body, resp.TLS
}

func federated(c *Config) { c.ListenFederation, c.ServerName = "127.0.0.1:0", "a.example" }

// What is published is signed by the key it publishes, in canonical form, and says nothing but that (B373 to B375).
func TestPublishedKeys(t *testing.T) {
	s, base, _, _ := start(t, federated)
	for _, path := range []string{"/_matrix/key/v2/server", "/_matrix/key/v2/server/", "/_matrix/key/v2/server/ed25519:any"} {
		status, body, _ := askPeer(t, s, path)
		if status != http.StatusOK {
			t.Fatalf("%s: got %d: %s", path, status, body)
		}
		var keys struct {
			ServerName id.Server                    `json:"server_name"`
			ValidUntil int64                        `json:"valid_until_ts"`
			Verify     map[id.Key]map[string]string `json:"verify_keys"`
			Old        map[id.Key]any               `json:"old_verify_keys"`
			Signatures map[id.Server]map[id.Key]any `json:"signatures"`
		}
		if err := json.Unmarshal(body, &keys); err != nil {
			t.Fatal(err)
		}
		if keys.ServerName != "a.example" || keys.ValidUntil <= time.Now().UnixMilli() || keys.Old == nil || len(keys.Old) != 0 ||
			len(keys.Verify) != 1 || len(keys.Signatures) != 1 || len(keys.Signatures["a.example"]) != 1 {
			t.Errorf("%s: got %s", path, body)
		}
		for key, value := range keys.Verify {
			public, err := base64.RawStdEncoding.DecodeString(value["key"])
			if err != nil || len(public) != ed25519.PublicKeySize {
				t.Fatalf("got key %s", value)
			}
			if err := event.VerifyJSON(body, "a.example", key, public); err != nil {
				t.Error(err)
			}
		}
		if canonical, err := canon.Canonical(body, canon.Strict); err != nil || !bytes.Equal(canonical, body) {
			t.Errorf("%s: not canonical: %s", path, body)
		}
	}
	if status, body, _ := askPeer(t, s, "/_matrix/key/v2/query/a.example"); status != 200 || !strings.Contains(string(body), `"verify_keys"`) {
		t.Errorf("own keys by query: %d %s", status, body)
	}
	if status, body, _ := askPeer(t, s, "/_matrix/key/v2/query/b.example"); status != 200 || string(body) != `{"server_keys":[]}` {
		t.Errorf("unknown keys by query: %d %s", status, body)
	}
	if status, body, _ := askPeer(t, s, "/_matrix/client/versions"); status != http.StatusNotFound || !strings.Contains(string(body), "M_UNRECOGNIZED") {
		t.Errorf("a client's path: %d %s", status, body)
	}
	if status, body := get(t, base+"/_matrix/federation/v1/version"); status != 200 || !strings.Contains(body, "Freehold") {
		t.Errorf("version: %d %s", status, body)
	}
}

// The certificate that a server makes for itself is kept, made anew when it is unusable, and read again when replaced.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	serial := func() string {
		s, _, _, stop := start(t, federated, func(c *Config) { c.DataDir = dir })
		defer stop()
		_, _, state := askPeer(t, s, "/_matrix/key/v2/server")
		cert := state.PeerCertificates[0]
		if err := cert.VerifyHostname("a.example"); err != nil {
			t.Error(err)
		}
		return cert.SerialNumber.String()
	}
	first := serial()
	if again := serial(); again != first {
		t.Error("a restart made another certificate")
	}
	if err := os.WriteFile(filepath.Join(dir, "federation.key"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if serial() == first {
		t.Error("a certificate without its key was kept")
	}
}

func TestCertificateRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Defaults()
		c.DataDir, c.ServerName, c.Out = t.TempDir(), "[::1]:8448", io.Discard
		c.fill()
		cert, err := newCertificate(&c)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := cert.get(nil)
		time.Sleep(10*365*24*time.Hour - 24*time.Hour) // in its last month it is replaced, here as by another program
		if err := ensureSelfSigned(cert.certFile, cert.keyFile, c.ServerName, c.Now()); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(cert.certFile, c.Now(), c.Now()); err != nil {
			t.Fatal(err)
		}
		second, _ := cert.get(nil)
		if second == first {
			t.Error("the new certificate is not shown")
		}
		if peer.Pin(second.Leaf) != peer.Pin(first.Leaf) {
			t.Error("who knew the old certificate by its key does not know the new one")
		}
		if err := os.Remove(cert.keyFile); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * lookAgain)
		if third, err := cert.get(nil); third != second || err != nil {
			t.Error("a certificate was lost with its file")
		}
	})
}
