// Package cutoff has some servers meet, takes away everything outside - every route, every name, the time - and has people live
// with what is left: today, and after 8, 30 and 100 days. Every step of theirs has to succeed as before, and every packet that
// leaves is written down and has to be explained.
//
// The servers are processes of their own in network namespaces, with a router of the test's own between them (package wire). That
// takes root on Linux, /dev/net/tun and `ip`. The same stories run on a network in memory (base/memnet) too, with the servers in the
// process of the test; where namespaces cannot be had, or FH_CUTOFF=memory, that is all.
package cutoff

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.example/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const day = 24 * time.Hour

// A world is a network with servers on it.
type world interface {
	// begin puts a server on the network; start, stop and kill run it, on what is in its folder and by its clock.
	begin(s *site) error
	start(s *site) error
	stop(s *site) error
	kill(s *site) error
	// cut says what is left of the network. Packets that get nowhere are lost, or their sender is told so.
	cut(c cut, told bool)
	// attempts are the places that a server has tried to reach since the last call, "address:port" or "? name" for a question
	// to the DNS, and how often.
	attempts(s *site) map[string]int
	end()
}

// cut is what is left.
type cut int

const (
	whole  cut = iota // nothing is cut
	island            // house and farm reach each other; nobody else is there, and the DNS knows no name
	chain             // house and farm reach each other, and so do farm and city; the DNS knows no name
	alone             // nobody reaches anybody, and the DNS knows no name
)

// between says whether two sites are cut off from each other: 0 is the house, 1 the farm, 2 the city.
func (c cut) between(i, j int) bool {
	switch c {
	case whole:
		return false
	case alone:
		return true
	case island:
		return i == 2 || j == 2
	default:
		return i != 1 && j != 1
	}
}

// site is a server and its place.
type site struct {
	w      world
	name   string     // of the server
	addr   netip.Addr // at which others reach it
	port   string     // of the federation listener
	srv    bool       // the port stands in an SRV record
	dir    string
	binary string
	offset time.Duration // of its clock
	env    []string
	http   *http.Client
	log    string // file
	run    any    // what the world keeps of it

	ends     func(t testing.TB)                   // is called before it is stopped or killed; nil for nothing
	answered func(method, path string, a *answer) // is called with each answer to somebody of its own; nil for nothing
}

// clients is where its own people reach it.
func (s *site) clients() string { return "127.0.0.1:8008" }

// environ is its whole environment.
func (s *site) environ() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + os.TempDir(),
		"FREEHOLD_SERVER_NAME=" + s.name,
		"FREEHOLD_DATA_DIR=" + s.dir,
		"FREEHOLD_LISTEN_CLIENT=0.0.0.0:8008",
		"FREEHOLD_LISTEN_FEDERATION=0.0.0.0:" + s.port,
		"FREEHOLD_REGISTRATION=token",
		"FREEHOLD_RATE_LIMITS=off", // the steps come faster than people do
		"FREEHOLD_PASSWORD_HASHING=fast",
		"FREEHOLD_LOG_FORMAT=text",
		"FREEHOLD_CLOCK_OFFSET=" + s.offset.String(),
	}, s.env...)
}

// command runs a command of the program for this server, and gives what it prints.
func (s *site) command(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.binary, args...)
	cmd.Env = s.environ()
	cmd.SysProcAttr = harness.DieWithParent()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("freehold %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *site) start(t testing.TB) {
	t.Helper()
	if err := s.w.start(s); err != nil {
		t.Fatal(err)
	}
	nobody := &person{at: s}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		a, err := nobody.try(t.Context(), "GET", "/health", nil)
		if err == nil && a.status == http.StatusOK {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not answer: %v %v", s.name, a, err)
		}
	}
}

func (s *site) stop(t testing.TB) {
	t.Helper()
	s.ending(t)
	if err := s.w.stop(s); err != nil {
		t.Fatal(err)
	}
}

func (s *site) ending(t testing.TB) {
	t.Helper()
	if s.ends != nil {
		s.ends(t)
	}
	s.http.CloseIdleConnections()
}

func (s *site) kill(t testing.TB) {
	t.Helper()
	s.ending(t)
	if err := s.w.kill(s); err != nil {
		t.Fatal(err)
	}
}

// person makes an account, by an invitation.
func (s *site) person(t testing.TB, name string) *person {
	t.Helper()
	p := &person{at: s, password: "secret of " + name}
	token := s.command(t, "user", "invite")
	body := obj{"username": name, "password": p.password, "refresh_token": true}
	a := p.do(t, "POST", v3+"/register", body)
	if a.status != http.StatusUnauthorized {
		t.Fatalf("register: got %s", a)
	}
	body["auth"] = obj{"type": "m.login.registration_token", "token": token, "session": a.str("session")}
	if a = p.ok(t, "POST", v3+"/register", body); a.str("access_token") == "" {
		body["auth"] = obj{"type": "m.login.dummy", "session": a.str("session")}
		a = p.ok(t, "POST", v3+"/register", body)
	}
	p.id, p.token, p.device, p.refresh = a.str("user_id"), a.str("access_token"), a.str("device_id"), a.str("refresh_token")
	return p
}

// administrator makes an account as an operator does.
func (s *site) administrator(t testing.TB, name string) *person {
	t.Helper()
	p := &person{at: s, id: "@" + name + ":" + s.name, password: "secret of " + name}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(p.password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.command(t, "user", "add", name, "--admin", "--password-file", file)
	p.signIn(t)
	return p
}

// authority certifies servers for ninety days, as those of the Internet do.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority"},
		NotBefore: time.Now().Add(-day), NotAfter: time.Now().Add(3650 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	a.certificate, err = x509.ParseCertificate(der)
	return a, err
}

// certify writes a certificate for a host into a folder, and gives the settings that name it.
func (a *authority) certify(dir, host string) ([]string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * day),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	cert, secret := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	return []string{"FREEHOLD_TLS_CERT=" + cert, "FREEHOLD_TLS_KEY=" + secret},
		os.WriteFile(secret, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}

// tail is the end of a file.
func tail(file string, n int) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-n):])
}

func show(attempts map[string]int) string { return strings.TrimPrefix(fmt.Sprint(attempts), "map") }
