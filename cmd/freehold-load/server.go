package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// server is the process under load.
type server struct {
	address string
	cmd     *exec.Cmd
	dir     string
	took    time.Duration // from its start until /versions was answered
	said    *log
}

const secret = "freehold-load"

// start starts the server on the lab's data directory and waits until it answers.
func (l *lab) start(ctx context.Context) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	s := &server{address: address, dir: l.dir}
	s.cmd = exec.CommandContext(ctx, l.program, "serve") // #nosec G204 -- the program to measure
	s.cmd.Env = append(os.Environ(),
		"FREEHOLD_DATA_DIR="+l.dir, "FREEHOLD_LISTEN_CLIENT="+address, "FREEHOLD_LISTEN_FEDERATION=",
		"FREEHOLD_REGISTRATION_SHARED_SECRET="+secret, "FREEHOLD_RATE_LIMITS=off", "FREEHOLD_PASSWORD_HASHING=fast",
		"FREEHOLD_DATABASE_URL="+l.database, "FREEHOLD_LOG_LEVEL=warn", "FREEHOLD_LOG_FORMAT=text")
	s.cmd.Env = append(s.cmd.Env, l.env...)
	s.cmd.Stdout = io.Discard
	s.said = &log{to: os.Stderr}
	s.cmd.Stderr = s.said
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	l.server = s
	l.pid.Store(int64(s.cmd.Process.Pid))
	for time.Since(began) < 30*time.Second && ctx.Err() == nil {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			conn := newConn(c, address)
			_, err := conn.do("GET", "/_matrix/client/versions", "", nil)
			conn.close()
			if err == nil {
				s.took = time.Since(began)
				return nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	l.stop()
	return errors.New("the server does not begin to serve")
}

// log passes on what the server says, but for the greeting of an empty server, and counts it.
type log struct {
	to       io.Writer
	warnings atomic.Int64
}

func (l *log) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("Welcome to Freehold")) {
		return len(b), nil
	}
	l.warnings.Add(1)
	return l.to.Write(b)
}

// freeAddress is an address nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	n, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer n.Close()
	return n.Addr().String(), nil
}

func (l *lab) stop() {
	if l.server == nil {
		return
	}
	_ = l.server.cmd.Process.Signal(syscall.SIGTERM)
	_ = l.server.cmd.Wait()
	l.server = nil
}

// restart starts the server anew, with nothing in its memory.
func (l *lab) restart(ctx context.Context) error {
	l.stop()
	return l.start(ctx)
}

// cpu is the processor time the server has used so far, in nanoseconds: the sum of its threads, which the Go runtime
// does not end.
func (s *server) cpu() (time.Duration, error) {
	threads, err := filepath.Glob(s.proc("task/*/schedstat"))
	if err != nil || len(threads) == 0 {
		return 0, errors.New("cannot read the server's processor time; is this Linux?")
	}
	var sum time.Duration
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		ran, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

func (s *server) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), name)
}

// memory is how much is resident, and the most that was since forgetPeak; in bytes.
func (s *server) memory() (now, peak float64, err error) {
	b, err := os.ReadFile(s.proc("status"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "VmRSS:":
			now = n * 1024
		case "VmHWM:":
			peak = n * 1024
		}
	}
	return now, peak, nil
}

// forgetPeak makes the peak begin anew from what is resident now.
func (s *server) forgetPeak() error {
	return os.WriteFile(s.proc("clear_refs"), []byte("5"), 0)
}

// work measures fn: the processor time the server uses meanwhile. With -profiles, it is profiled too.
func (l *lab) work(ctx context.Context, name string, fn func() error) (time.Duration, error) {
	profiled, err := l.profile(ctx, name)
	if err != nil {
		return 0, err
	}
	before, err := l.server.cpu()
	if err != nil {
		return 0, err
	}
	if err := fn(); err != nil {
		return 0, err
	}
	after, err := l.server.cpu()
	profiled()
	return after - before, err
}

// profile takes a CPU profile of the server, over its admin socket, until the returned function is called; then one of
// its memory.
func (l *lab) profile(ctx context.Context, name string) (end func(), err error) {
	if l.profiles == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(l.profiles, 0o755); err != nil { // #nosec G301 -- nothing secret
		return nil, err
	}
	if _, err := l.debug(ctx, "POST", "cpu"); err != nil {
		return nil, err
	}
	return func() {
		for _, kind := range []string{"cpu", "heap"} {
			raw, err := l.debug(ctx, "GET", kind)
			if err == nil {
				err = os.WriteFile(filepath.Join(l.profiles, name+"."+kind), raw, 0o644) // #nosec G306 -- nothing secret
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "no profile:", err)
			}
		}
	}, nil
}

// debug asks the server's admin socket about the program.
func (l *lab) debug(ctx context.Context, method, what string) ([]byte, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(l.dir, "admin.sock"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return newConn(c, "freehold").do(method, "/debug/"+what, "", nil)
}
