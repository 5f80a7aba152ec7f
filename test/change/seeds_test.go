package change

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.example/test/address"
)

// A seed is one bad change: which settings it has otherwise than the good file, or a whole file of its own.
type seed struct {
	name string
	set  map[string]string // key and value in TOML; "" takes it out
	more string            // at the end of the file
	file func(good string) string
}

// site is what the seeds are made of.
type site struct {
	t     *testing.T
	dir   string
	taken string // an address that another program listens on
	free  string
}

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir(), free: address.For(t)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s.taken = l.Addr().String()
	return s
}

func (s *site) write(name, text string) string {
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// pair writes a certificate and its key.
func (s *site) pair(name string, until time.Time) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "house.example"}, DNSNames: []string{"house.example"},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.write(name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		s.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// seeds are the bad changes.
func (s *site) seeds() []seed {
	q := func(text string) string { return fmt.Sprintf("%q", text) }
	one := func(name, key, value string) seed { return seed{name: name, set: map[string]string{key: value}} }
	goodCert, goodKey := s.pair("good", time.Now().Add(24*time.Hour))
	oldCert, oldKey := s.pair("old", time.Now().Add(-24*time.Hour))
	garbage := s.write("garbage", "this is no PEM")
	aFile := s.write("file", "")
	s.write("broken/bridge.yaml", "id: [")
	s.write("dead/bridge.yaml", "id: dead\nurl: http://127.0.0.1:1\nas_token: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nhs_token: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"+
		"sender_localpart: dead\nrate_limited: false\nnamespaces: {users: [{exclusive: true, regex: '@dead_.*'}], rooms: [], aliases: []}\n")
	return []seed{
		one("the listener moved", "listen_client", q(s.free)),
		one("a port taken", "listen_client", q(s.taken)),
		one("an address of another machine", "listen_client", q("192.0.2.1:8008")),
		one("no address", "listen_client", q("nonsense")),
		one("the listener closed", "listen_client", q("")),
		one("a port of other servers taken", "listen_federation", q(s.taken)),
		{name: "one port twice", file: func(good string) string {
			return strings.ReplaceAll(good, "listen_federation = \"\"", "listen_federation = "+value(good, "listen_client"))
		}},
		{name: "a wrong certificate", set: map[string]string{"listen_federation": q(s.free), "tls_cert": q(garbage), "tls_key": q(goodKey)}},
		{name: "a wrong key", set: map[string]string{"listen_federation": q(s.free), "tls_cert": q(goodCert), "tls_key": q(oldKey)}},
		{name: "an expired certificate", set: map[string]string{"listen_federation": q(s.free), "tls_cert": q(oldCert), "tls_key": q(oldKey)}},
		{name: "no certificate", set: map[string]string{"tls_cert": q(filepath.Join(s.dir, "nothing")), "tls_key": q(goodKey)}},
		one("a certificate without a key", "tls_cert", q(goodCert)),
		one("wrong authorities", "tls_ca", q(garbage)),
		one("nobody allowed", "federation_allowed", "[]"),
		one("federation off", "federation", q("off")),
		one("no such federation", "federation", q("yes")),
		one("the clock a year ahead", "clock_offset", q("8760h")),
		one("the clock a year behind", "clock_offset", q("-8760h")),
		one("a dead database", "database_url", q("postgres://freehold@127.0.0.1:1/freehold?connect_timeout=1")),
		one("a database that says nothing", "database_url", q("postgres://freehold@"+s.taken+"/freehold")),
		one("no database", "database_url", q("mysql://localhost/freehold")),
		one("the data elsewhere", "data_dir", q(filepath.Join(s.dir, "elsewhere"))),
		one("the data where nothing can be written", "data_dir", q("/proc/freehold")),
		one("the data in a file", "data_dir", q(aFile)),
		one("another name", "server_name", q("other.example")),
		one("no name", "server_name", q("")),
		one("no media", "media_max_file", q("0")),
		one("hardly any media", "media_max_total", q("1")),
		{name: "a rate below zero", more: "[limits.login]\nburst = -1\n"},
		{name: "nobody may read", more: "[limits.read]\nburst = 1\nevery = \"24h\"\n[limits.sync]\nburst = 1\nevery = \"24h\"\n[limits.token]\nburst = 1\nevery = \"24h\"\n"},
		one("no such registration", "registration", q("perhaps")),
		one("a broken bridge", "appservices_dir", q(filepath.Join(s.dir, "broken"))),
		one("a dead bridge", "appservices_dir", q(filepath.Join(s.dir, "dead"))),
		one("no networks", "inside_networks", "[\"everywhere\"]"),
		one("a room version of nobody", "default_room_version", q("99")),
		{name: "an unknown key", more: "registratio = \"closed\"\n"},
		{name: "a syntax error", file: func(good string) string { return strings.Replace(good, "\"", "", 1) }},
		{name: "an empty file", file: func(string) string { return "" }},
		{name: "no text", file: func(string) string { return "\x00\xff\xfe\x01" }},
		{name: "a file far too long", file: func(good string) string { return good + strings.Repeat("# nothing\n", 150_000) }},
	}
}

func value(file, key string) string {
	_, rest, _ := strings.Cut(file, key+" = ")
	v, _, _ := strings.Cut(rest, "\n")
	return v
}

// text makes the bad file of a good one.
func (b *seed) text(good string) string {
	if b.file != nil {
		return b.file(good)
	}
	var lines []string
	for line := range strings.Lines(good) {
		if key, _, _ := strings.Cut(line, " = "); b.set[key] == "" {
			lines = append(lines, line)
		}
	}
	for key, v := range b.set {
		lines = append(lines, key+" = "+v+"\n")
	}
	return strings.Join(lines, "") + b.more
}
