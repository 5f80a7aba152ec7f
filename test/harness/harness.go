// Package harness runs the built server as a process of its own, as an operator would: for the tests in test/, which see
// of it what a client sees.
package harness

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/test/address"
)

const (
	// startWithin is how long a server may take until it answers: far more than it needs, as the machine may be busy.
	startWithin = 60 * time.Second
	// stopWithin is the promise of the documentation: SIGTERM drains and stops within 10 s. Some is added for the machine.
	stopWithin = 20 * time.Second
)

// Engines runs fn once on each database, as subtests "sqlite" and "postgres".
func Engines(t *testing.T, fn func(t *testing.T, e Engine)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite) })
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres) })
}

// Engine is the kind of database under a server.
type Engine int

const (
	SQLite Engine = iota
	Postgres
)

// Server is one server: its data directory, its database, its address, and while it runs its process. It is not for
// concurrent use, except that requests may be made to URL at any time.
type Server struct {
	URL         string   // of the client listener, without a slash at the end; the same after every start
	Dir         string   // FREEHOLD_DATA_DIR
	DatabaseURL string   // empty: SQLite in Dir
	File        string   // FREEHOLD_CONFIG: the settings come from it and not from the environment; "" for none
	Program     string   // another program than the one that is built
	Flags       []string // of the server's own command
	Errors      string   // file of what it writes, "" for one of the test's own

	t    testing.TB
	env  []string
	log  string // file of standard output and error of all starts
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and cmd tells how
}

// Start makes a new server on a new, empty database and starts it. env are further settings, "FREEHOLD_X=y". The server is
// killed when the test ends; if the test has failed, the end of its log is shown.
func Start(t testing.TB, e Engine, env ...string) *Server {
	t.Helper()
	database := ""
	if e == Postgres {
		database = sqldbtest.Postgres(t)
	}
	s := On(t, t.TempDir(), env...) // after the database: it has to end before that goes
	s.DatabaseURL = database
	s.Start()
	return s
}

// On is a server on an existing data directory, with SQLite. It is not started yet.
func On(t testing.TB, dir string, env ...string) *Server {
	t.Helper()
	s := &Server{Dir: dir, t: t, env: env, log: filepath.Join(t.TempDir(), "log"), URL: "http://" + address.For(t)}
	t.Cleanup(func() {
		if s.cmd != nil {
			s.Kill()
		}
		if t.Failed() {
			t.Logf("the end of the server's log:\n%s", s.Log(12_000))
		}
	})
	return s
}

// environ is the server's whole environment.
func (s *Server) environ() []string {
	if s.File != "" {
		return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "TMPDIR=" + os.TempDir(), "FREEHOLD_CONFIG=" + s.File}, s.env...)
	}
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "TMPDIR=" + os.TempDir(),
		"FREEHOLD_SERVER_NAME=house.example",
		"FREEHOLD_DATA_DIR=" + s.Dir,
		"FREEHOLD_LISTEN_CLIENT=" + strings.TrimPrefix(s.URL, "http://"),
		"FREEHOLD_LISTEN_FEDERATION=",
		"FREEHOLD_FEDERATION=off", // no test is to look for servers outside
		"FREEHOLD_DATABASE_URL=" + s.DatabaseURL,
		"FREEHOLD_REGISTRATION=open",
		"FREEHOLD_RATE_LIMITS=off",
		"FREEHOLD_PASSWORD_HASHING=fast",
	}, s.env...)
}

// Start starts the process and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.TryStart(); err != nil {
		s.t.Fatal(err)
	}
}

// TryStart is Start for a server that may have reasons not to.
func (s *Server) TryStart() error {
	if err := s.Launch(); err != nil {
		return err
	}
	return s.answers()
}

// Launch starts the process and does not wait for anything.
func (s *Server) Launch() error {
	if s.cmd != nil {
		return errors.New("the server runs already")
	}
	binary, err := build()
	if err != nil {
		return err
	}
	if s.Program != "" {
		binary = s.Program
	}
	out, err := os.OpenFile(cmp.Or(s.Errors, s.log), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(binary, append([]string{"serve"}, s.Flags...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.environ(), out, out
	if s.File != "" {
		cmd.Dir = filepath.Dir(s.File)
	}
	cmd.SysProcAttr = DieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	s.cmd, s.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		_ = cmd.Wait() // ProcessState tells
		close(done)
	}(s.done)
	return nil
}

// answers waits for /health.
func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/health", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.done:
			state := s.cmd.ProcessState
			s.cmd = nil
			return fmt.Errorf("the server ended (%s) before it answered:\n%s", state, s.Log(4000))
		case <-ctx.Done():
			s.Kill()
			return fmt.Errorf("the server does not answer:\n%s", s.Log(4000))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Kill ends the process at once, with SIGKILL: what a power cut leaves of a program. It is an error of the test if the
// process has ended by itself before.
func (s *Server) Kill() {
	s.t.Helper()
	select {
	case <-s.done:
		s.t.Errorf("the server had ended by itself: %s", s.cmd.ProcessState)
	default:
		_ = s.cmd.Process.Kill() // it may end just now; Wait tells
		<-s.done
	}
	s.cmd = nil
}

// Stop ends the process as an operator does, and checks that it ends well and in time.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Errorf("stop the server: %v", err)
	}
	select {
	case <-s.done:
		if !s.cmd.ProcessState.Success() {
			s.t.Errorf("the server ended with %s", s.cmd.ProcessState)
		}
		s.cmd = nil
	case <-time.After(stopWithin):
		s.t.Errorf("the server does not stop")
		s.Kill()
	}
}

// Set changes a setting, "FREEHOLD_X=y", from the next start on.
func (s *Server) Set(env string) { s.env = append(s.env, env) } // the last one counts

// With changes a setting as Set does, until it is undone.
func (s *Server) With(env string) (undo func()) {
	was := s.env
	s.env = append(slices.Clone(was), env)
	return func() { s.env = was }
}

// Run runs another command of the program, such as "user", "invite", for this server, and returns what it prints.
func (s *Server) Run(args ...string) string {
	s.t.Helper()
	binary, err := build()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = s.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("freehold %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Log is the last n bytes that the server wrote.
func (s *Server) Log(n int) string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	if len(b) > n {
		b = b[len(b)-n:]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return string(b)
}

// binaries is where build puts the program; Main removes it.
var binaries string

// build builds the program once for each test process. FH_TEST_BINARY names one that is built already.
var build = sync.OnceValues(func() (string, error) {
	if b := os.Getenv("FH_TEST_BINARY"); b != "" {
		return b, nil
	}
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "freehold.example").Output()
	if err != nil {
		return "", fmt.Errorf("find the root of the module: %w", err)
	}
	if binaries, err = os.MkdirTemp("", "freehold-test-"); err != nil {
		return "", err
	}
	binary := filepath.Join(binaries, "freehold")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./cmd/freehold")
	cmd.Dir = strings.TrimSpace(string(root)) // of its own module, with the versions of its go.mod
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return binary, nil
})

// Main is for TestMain: it runs the tests and removes what they built.
func Main(m *testing.M) {
	code := m.Run()
	Clean()
	os.Exit(code)
}

// Clean removes the built program, for a TestMain of its own.
func Clean() {
	if binaries != "" {
		_ = os.RemoveAll(binaries) // in the temporary directory
	}
}
