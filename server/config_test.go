package server

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"freehold.example/base/limit"
)

var rewrite = flag.Bool("rewrite", false, "write the generated documents instead of comparing them")

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "freehold.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadPrecedence(t *testing.T) {
	path := writeFile(t, `
		server_name = "file.example"
		data_dir = "file"
		listen_client = ":1"
		listen_federation = ""
		rate_limits = "off"
		clock_offset = "1h"
		inside_networks = ["10.0.0.0/8"]
		log_level = "warn"
		[limits.login]
		burst = 3
		every = "1m"
	`)
	got, err := Load(
		[]string{"--server-name", "flag.example", "-clock-offset=-5m"},
		[]string{"FREEHOLD_CONFIG=" + path, "FREEHOLD_SERVER_NAME=env.example", "FREEHOLD_DATA_DIR=env", "FREEHOLD_INSIDE_NETWORKS=192.168.0.0/16, fd00::/8"},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.ServerName, want.DataDir, want.ListenClient, want.ListenFederation = "flag.example", "env", ":1", ""
	want.RateLimits, want.ClockOffset, want.LogLevel = false, -5*time.Minute, 4
	want.InsideNetworks = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	want.Limits = map[string]limit.Rate{"login": {Burst: 3, Every: time.Minute}}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.IgnoreFields(Config{}, "Log", "Out", "Now")); diff != "" {
		t.Error(diff)
	}
}

func TestLoadDefaults(t *testing.T) {
	c, err := Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.ServerName != "localhost" || c.ListenClient != "127.0.0.1:8008" || c.DefaultRoomVersion != "12" || c.Registration != "token" {
		t.Errorf("got %+v", c)
	}
}

// Each mistake is answered with the name of the setting, as the one who made it knows it.
func TestLoadNamesTheMistake(t *testing.T) {
	tests := []struct {
		name string
		file string
		args []string
		env  []string
		want string
	}{
		{name: "unknown key", file: `server_nam = "x"`, want: "no setting server_nam"},
		{name: "unknown table", file: "[limit.login]\nburst = 1", want: "no setting limit"},
		{name: "unknown key of a limit", file: "[limits.login]\nbrust = 1", want: "no setting limits.login.brust"},
		{name: "unknown limit", file: "[limits.logni]\nburst = 1", want: "limits: logni"},
		{name: "not TOML", file: `server_name = `, want: "freehold.toml"},
		{name: "wrong kind", file: `data_dir = 7`, want: "data_dir"},
		{name: "no file", env: []string{"FREEHOLD_CONFIG=/nowhere/x.toml"}, want: "/nowhere/x.toml"},
		{name: "unknown flag", args: []string{"--sever-name", "x"}, want: "sever-name"},
		{name: "an argument", args: []string{"x"}, want: `"x"`},
		{name: "server name", env: []string{"FREEHOLD_SERVER_NAME=a b"}, want: "FREEHOLD_SERVER_NAME"},
		{name: "empty server name", env: []string{"FREEHOLD_SERVER_NAME="}, want: "SERVER_NAME"},
		{name: "address", env: []string{"FREEHOLD_LISTEN_CLIENT=8008"}, want: "listen_client"},
		{name: "registration", args: []string{"--registration", "some"}, want: "registration"},
		{name: "switch", args: []string{"--rate-limits", "yes"}, want: "--rate-limits"},
		{name: "duration", env: []string{"FREEHOLD_CLOCK_OFFSET=3 days"}, want: "FREEHOLD_CLOCK_OFFSET"},
		{name: "network", env: []string{"FREEHOLD_INSIDE_NETWORKS=10.0.0.0"}, want: "FREEHOLD_INSIDE_NETWORKS"},
		{name: "room version", args: []string{"--default-room-version", "99"}, want: "default_room_version"},
		{name: "database", args: []string{"--database-url", "mysql://x"}, want: "database_url"},
		{name: "certificate alone", args: []string{"--tls-cert", "config.go"}, want: "tls_cert"},
		{name: "no such file", args: []string{"--tls-ca", "/nowhere/ca.pem"}, want: "tls_ca"},
		{name: "address for people", args: []string{"--public-url", "matrix.example.org"}, want: "public_url"},
		{name: "where servers find it", args: []string{"--well-known-server", "https://m.example.org"}, want: "well_known_server"},
		{name: "a contact without a role", args: []string{"--support-contacts", "@alice:example.org"}, want: "--support-contacts"},
		{name: "a contact whom nobody can reach", args: []string{"--support-contacts", "admin=alice"}, want: "--support-contacts"},
		{name: "a contact that is no user", args: []string{"--support-contacts", "admin=@alice"}, want: "--support-contacts"},
		{name: "a contact in the file", file: `support_contacts = ["cook=a@example.org"]`, want: "support_contacts"},
		{name: "page of help", args: []string{"--support-page", "help"}, want: "support_page"},
		{name: "key of a policy server", args: []string{"--policy-server-key", "AAAA"}, want: "policy_server_key"},
		{name: "TURN without a secret", args: []string{"--turn-uris", "turn:example.org"}, want: "turn_secret"},
		{name: "LiveKit", args: []string{"--rtc-livekit-urls", "rtc.example.org"}, want: "rtc_livekit_urls"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := tt.env
			if tt.file != "" {
				env = append(env, "FREEHOLD_CONFIG="+writeFile(t, tt.file))
			}
			_, err := Load(tt.args, env)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestUnknownEnv(t *testing.T) {
	got := UnknownEnv([]string{"FREEHOLD_CONFIG=x", "FREEHOLD_DATA_DIR=x", "FREEHOLD_DATADIR=x", "HOME=/"})
	if diff := cmp.Diff([]string{"FREEHOLD_DATADIR"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEverySettingIsExplained(t *testing.T) {
	for _, s := range Settings() {
		if s.Doc == "" {
			t.Errorf("%s has no comment", s.Key)
		}
	}
}

func TestDocsConfig(t *testing.T) {
	const path = "../docs/config.md"
	want := Reference()
	if *rewrite {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("run make gen: %s", diff)
	}
}

func FuzzSigningKey(f *testing.F) {
	f.Add("ed25519 a_abcdef MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE\n")
	f.Add("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n")
	f.Add("ed25519 a:b x")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSigningKey(text)
		if err == nil && len(s.Private) != 64 {
			t.Errorf("got a key of %d bytes", len(s.Private))
		}
		if err != nil && len(text) > 40 && strings.Contains(err.Error(), text) {
			t.Error("the error tells the key")
		}
	})
}

func TestSigningKeyIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.key")
	first, err := signingKey(path, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	second, err := signingKey(path, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	if !first.Private.Equal(second.Private) || first.Key != second.Key || !strings.HasPrefix(string(first.Key), "ed25519:a_") {
		t.Errorf("got keys %s and %s", first.Key, second.Key)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file for its owner alone", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := signingKey(path, "a.example"); err == nil {
		t.Error("a broken key was replaced or taken")
	}
}
