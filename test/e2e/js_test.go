package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// answerWithin is how long a step in the browser may take: its own patience, and what it does before and after.
const answerWithin = 3 * patience

// browser is the process that runs matrix-js-sdk for the people of one story; js/main.mjs is the other end.
type browser struct {
	t      *testing.T
	in     io.WriteCloser
	stderr lockedBuffer

	mu      sync.Mutex // guards what follows
	last    int
	waiting map[int]chan reply // closed when the process has ended
	ended   bool
}

type reply struct {
	ID    int             `json:"id"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
}

// opensBrowser starts the process, and ends it with the story.
func opensBrowser(t *testing.T) *browser {
	t.Helper()
	node, err := node()
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, waiting: map[int]chan reply{}}
	cmd := exec.Command(node, "--no-warnings", "main.mjs")
	cmd.Dir, cmd.Stderr = "js", &b.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.in = in
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(out)
	}()
	t.Cleanup(func() {
		in.Close() // it ends by itself then
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("the browser ended: %v", err)
		}
		if warned := b.stderr.String(); t.Failed() && warned != "" {
			t.Logf("the browser warned:\n%s", tail(warned, 12_000))
		}
	})
	return b
}

// node finds the node that runs the browser: the one that package-lock.json names, or on a machine for which there is none
// the installed one, which has to be as new as matrix-js-sdk wants.
func node() (string, error) {
	if _, err := os.Stat("js/node_modules/.installed"); err != nil {
		return "", fmt.Errorf("matrix-js-sdk is not installed; run: test/e2e/js/install.sh (%w)", err)
	}
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	own, err := filepath.Abs(filepath.Join("js/node_modules", "node-"+runtime.GOOS+"-"+arch, "bin/node"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(own); err == nil {
		return own, nil
	}
	return exec.LookPath("node")
}

// read gives each answer to who waits for it.
func (b *browser) read(out io.Reader) {
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var r reply
		if err := json.Unmarshal(line, &r); err != nil {
			b.t.Errorf("the browser says %q: %v", line, err)
			continue
		}
		b.mu.Lock()
		asked := b.waiting[r.ID]
		delete(b.waiting, r.ID)
		b.mu.Unlock()
		if asked == nil {
			b.t.Errorf("the browser answers what nobody asked: %s", line)
			continue
		}
		asked <- r
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for _, asked := range b.waiting {
		close(asked)
	}
}

// ask has a device do something, and puts what comes back into result unless that is nil.
func (b *browser) ask(device, verb string, args, result any) error {
	answer := make(chan reply, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	line, err := json.Marshal(map[string]any{"id": id, "device": device, "verb": verb, "args": args})
	if err != nil || b.ended {
		b.mu.Unlock()
		return fmt.Errorf("the browser has ended (%w)", err)
	}
	b.waiting[id] = answer
	_, err = b.in.Write(append(line, '\n'))
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("ask the browser: %w", err)
	}
	select {
	case r, ok := <-answer:
		switch {
		case !ok:
			return fmt.Errorf("the browser ended:\n%s", tail(b.stderr.String(), 4000))
		case r.Error != "":
			return fmt.Errorf("%s", r.Error)
		case result == nil:
			return nil
		}
		return json.Unmarshal(r.Value, result)
	case <-time.After(answerWithin):
		return fmt.Errorf("no answer in %v", answerWithin)
	}
}

// lockedBuffer takes what a process writes while others look at it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
