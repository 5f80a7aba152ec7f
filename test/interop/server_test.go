package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"freehold.example/test/address"
	"freehold.example/test/harness"
)

const (
	// The hosts in the servers' names: two, as access control lists of rooms do not look at ports.
	ourHost, theirHost = "127.0.0.1", "127.0.0.2"

	// secret is what makes accounts on both servers.
	secret = "a secret between the stories and the servers"
	// startWithin is how long a server may take until it answers: far more than it needs, as the machine may be busy.
	startWithin = 2 * time.Minute
	// stopWithin is how long a server may take to end after SIGTERM.
	stopWithin = 30 * time.Second
)

// server is one homeserver, started by a launcher.
type server struct {
	Kind string // of the launcher: "freehold", "synapse"
	Name string // what stands after the colon in @user:name
	URL  string // of the client listener, without a slash at the end
	Host string // of the name, without the port
	Line *line  // through which other servers reach it

	launcher string
	env      []string // what the launcher is told
	log      string   // file of standard output and error of all starts
	cmd      *exec.Cmd
	done     chan struct{} // closed when the process has ended
}

// launch starts a homeserver on an empty folder below dir and waits until it answers clients.
func launch(launcher, dir, host string, papers papers) (*server, error) {
	kind := strings.TrimSuffix(filepath.Base(launcher), filepath.Ext(launcher))
	client, err := address.Free()
	if err != nil {
		return nil, err
	}
	federation, err := address.Free()
	if err != nil {
		return nil, err
	}
	l, err := lay(host, federation)
	if err != nil {
		return nil, err
	}
	s := &server{
		Kind: kind, Name: l.Address(), Host: host, URL: "http://" + client, Line: l,
		launcher: launcher, log: filepath.Join(dir, kind+".log"),
	}
	s.env = []string{
		"INTEROP_NAME=" + s.Name,
		"INTEROP_CLIENT=" + client,
		"INTEROP_FEDERATION=" + federation,
		"INTEROP_CERT=" + papers.cert,
		"INTEROP_KEY=" + papers.key,
		"INTEROP_CA=" + papers.ca,
		"INTEROP_SECRET=" + secret,
		"INTEROP_DATA=" + filepath.Join(dir, kind),
	}
	if err := os.MkdirAll(filepath.Join(dir, kind), 0o700); err != nil {
		return nil, err
	}
	return s, s.start()
}

// start starts the process and waits until it answers clients.
func (s *server) start() error {
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(s.launcher)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = harness.DieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Kind, err)
	}
	s.cmd, s.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		_ = cmd.Wait() // ProcessState tells
		close(done)
	}(s.done)
	return s.answers()
}

// answers waits until clients are answered.
func (s *server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/_matrix/client/versions", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s ended (%s) before it answered:\n%s", s.Kind, s.cmd.ProcessState, s.tail(4000))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer:\n%s", s.Kind, s.tail(4000))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the process as an operator does.
func (s *server) stop() error {
	select {
	case <-s.done:
		return fmt.Errorf("%s had ended by itself: %s\n%s", s.Kind, s.cmd.ProcessState, s.tail(4000))
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", s.Kind, err)
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(stopWithin):
		_ = s.cmd.Process.Kill() // it may end just now
		<-s.done
		return fmt.Errorf("%s does not stop", s.Kind)
	}
}

// tail is the last n bytes that the server wrote.
func (s *server) tail(n int) string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-n):])
}

// both are the servers that the stories are told on.
var both *pair

// pair is two servers that can reach each other.
type pair struct {
	ours, theirs *server
}

// launchPair starts both servers at once.
func launchPair() (*pair, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	papers, err := issue(folder)
	if err != nil {
		return nil, err
	}
	p := new(pair)
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { p.ours, errs[0] = launch(ours(), filepath.Join(folder, "ours"), ourHost, papers) })
	wg.Go(func() { p.theirs, errs[1] = launch(theirs(), filepath.Join(folder, "theirs"), theirHost, papers) })
	wg.Wait()
	return p, errors.Join(errs[:]...)
}

// directions are both: Freehold "here" and the other server "there", and the other way round.
func (p *pair) directions() []direction { return []direction{{p.ours, p.theirs}, {p.theirs, p.ours}} }

type direction struct{ here, there *server }

func (d direction) String() string { return d.here.Kind + "-to-" + d.there.Kind }

// story tells fn in both directions, at the same time as others: each has people and rooms of its own.
func story(t *testing.T, fn func(t *testing.T, here, there *server)) {
	t.Helper()
	t.Parallel()
	for _, d := range both.directions() {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			fn(t, d.here, d.there)
		})
	}
}

// storm is a story that cuts lines or stops servers: no other is told meanwhile.
func storm(t *testing.T, fn func(t *testing.T, here, there *server)) {
	t.Helper()
	for _, d := range both.directions() {
		t.Run(d.String(), func(t *testing.T) { fn(t, d.here, d.there) })
	}
}
