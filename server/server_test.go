package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
)

// output collects what a server writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *output) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *output) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a server until the test ends, and gives its address and how to stop it early.
func start(t *testing.T, change ...func(*Config)) (s *Server, base string, out *output, stop func()) {
	t.Helper()
	out = &output{}
	c := Defaults()
	c.DataDir, c.ListenClient, c.ListenFederation, c.PasswordHashing, c.Out = t.TempDir(), "127.0.0.1:0", "", "fast", out
	for _, f := range change {
		f(&c)
	}
	if c.DatabaseURL == "" {
		sqldbtest.Fill(t, schema.FS, c.DataDir)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := New(ctx, c)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s, "http://" + s.ClientAddr(), out, stop
}

func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServes(t *testing.T) {
	_, base, out, stop := start(t)
	if status, body := get(t, base+"/health"); status != 200 || body != `{"status":"ok"}` {
		t.Errorf("health: got %d %s", status, body)
	}
	if status, body := get(t, base+"/_matrix/client/versions"); status != 200 || !strings.Contains(body, `"versions"`) {
		t.Errorf("versions: got %d %s", status, body)
	}
	if status, body := get(t, base+"/_matrix/unknown"); status != 404 || !strings.Contains(body, "M_UNRECOGNIZED") {
		t.Errorf("unknown: got %d %s", status, body)
	}
	status, body := get(t, base+"/metrics")
	for _, want := range []string{"freehold_info{", `freehold_http_request_seconds_count{method="GET",route="/_matrix/client/versions",status="2xx"} 1`, "freehold_db_commit_seconds", "go_goroutines"} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("metrics: got %d without %s", status, want)
		}
	}
	for _, header := range passedOn {
		if status, _ := get(t, base+"/metrics", header, "203.0.113.1"); status != 404 {
			t.Errorf("metrics for a stranger behind a proxy that says %s: got %d, want 404", header, status)
		}
	}
	stop()
	for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
		if line != "" && line[0] == '{' && !json.Valid([]byte(line)) {
			t.Errorf("the log is not JSON: %s", line)
		}
	}
	if !strings.Contains(out.String(), `"msg":"stopped"`) {
		t.Errorf("the log does not say that it stopped: %s", out)
	}
}

// A request that only waits does not hold up the end: it is ended after two seconds, and not after six.
func TestStopsInTime(t *testing.T) {
	var took time.Duration
	for range 3 { // the machine may be busy
		if took = stopping(t); took < 5*time.Second {
			return
		}
	}
	t.Errorf("stopping took %s", took)
}

// stopping is how long it takes to stop a server of which a request waits.
func stopping(t *testing.T) time.Duration {
	t.Helper()
	s, _, _, stop := start(t)
	waiting := make(chan struct{})
	done := make(chan struct{})
	s.clients.http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(waiting)
		<-r.Context().Done()
	})
	go func() {
		defer close(done)
		resp, err := http.Get("http://" + s.ClientAddr())
		if err == nil {
			resp.Body.Close()
		}
	}()
	<-waiting
	began := time.Now()
	stop()
	took := time.Since(began)
	<-done
	return took
}

func TestDataDirBelongsToOneName(t *testing.T) {
	dir := t.TempDir()
	_, _, _, stop := start(t, func(c *Config) { c.DataDir = dir })
	stop()
	c := Defaults()
	c.DataDir, c.ListenClient, c.ListenFederation, c.ServerName, c.Out = dir, "127.0.0.1:0", "", "other.example", io.Discard
	s, err := New(t.Context(), c)
	if err == nil {
		s.Close()
		t.Fatal("another name took the directory")
	}
	if !strings.Contains(err.Error(), "server_name") || !strings.Contains(err.Error(), "localhost") {
		t.Errorf("got %v", err)
	}
}

// A signing key that is lost is not quietly replaced: other servers know this one by it.
func TestLostSigningKey(t *testing.T) {
	dir := t.TempDir()
	_, _, _, stop := start(t, func(c *Config) { c.DataDir = dir })
	stop()
	c := Defaults()
	c.DataDir, c.ListenClient, c.ListenFederation, c.Out = dir, "127.0.0.1:0", "", io.Discard
	if err := os.Remove(filepath.Join(dir, "signing.key")); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), c)
	if err == nil {
		s.Close()
		t.Fatal("a new key was made")
	}
	if !strings.Contains(err.Error(), "signing.key") || !strings.Contains(err.Error(), "backup") {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "server_name")); err != nil {
		t.Fatal(err)
	}
	if s, err = New(t.Context(), c); err != nil {
		t.Fatalf("as the message says: %v", err)
	}
	s.Close()
}

// A second server on the same data is refused, and the first one's socket survives the attempt.
func TestDataDirHasOneServer(t *testing.T) {
	dir := t.TempDir()
	start(t, func(c *Config) { c.DataDir = dir })
	c := Defaults()
	c.DataDir, c.ListenClient, c.ListenFederation, c.Out = dir, "127.0.0.1:0", "", io.Discard
	s, err := New(t.Context(), c)
	if err == nil {
		s.Close()
		t.Fatal("two servers share a directory")
	}
	conn, err := DialAdmin(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestAdminSocket(t *testing.T) {
	// Longer than a socket's address may be.
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	_, _, _, stop := start(t, func(c *Config) { c.DataDir = dir })
	info, err := os.Stat(AdminSocket(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got %v, %v, want a socket for its owner alone", info, err)
	}
	conn, err := DialAdmin(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	stop()
	if _, err := os.Stat(AdminSocket(dir)); err == nil {
		t.Error("the socket is still there")
	}
}

func TestClockOffset(t *testing.T) {
	s, _, _, _ := start(t, func(c *Config) { c.ClockOffset = 72 * time.Hour })
	if d := time.Until(s.config.Now()); d < 71*time.Hour || d > 73*time.Hour {
		t.Errorf("the clock is %s ahead, want 72h", d)
	}
}

// From nothing to a signed-in administrator, as a new user would.
func TestFirstAccount(t *testing.T) {
	_, base, out, stop := start(t)
	var link string
	for range 2000 {
		if link = regexp.MustCompile(`/setup\?token=\w+`).FindString(out.String()); link != "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if status, body := get(t, base+"/"); status != 200 || !strings.Contains(body, english) {
		t.Errorf("the root: got %d %s", status, body)
	}
	status, body := get(t, base+link)
	if link == "" || status != 200 || !strings.Contains(body, "<form") {
		t.Fatalf("the link %s: got %d %s", link, status, body)
	}
	form := url.Values{"token": {link[len("/setup?token="):]}, "name": {"alice"}, "password": {"correct horse"}, "again": {"correct horse"}}
	if status, body := send(t, base+"/setup", "application/x-www-form-urlencoded", form.Encode()); status != 200 {
		t.Fatalf("the form: got %d %s", status, body)
	}
	status, body = send(t, base+"/_matrix/client/v3/login", "application/json",
		`{"type":"m.login.password","identifier":{"type":"m.id.user","user":"alice"},"password":"correct horse"}`)
	if status != 200 || !strings.Contains(body, `"user_id":"@alice:localhost"`) {
		t.Errorf("login: got %d %s", status, body)
	}
	stop()
	if strings.Contains(out.String(), "correct horse") || strings.Count(out.String(), form.Get("token")) != 1 {
		t.Errorf("the output tells too much: %s", out)
	}
}

const english = "A Matrix homeserver lives here"

func send(t *testing.T, url, kind, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
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
