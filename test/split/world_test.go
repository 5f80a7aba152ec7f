// Histories are not about how keys are agreed on, and the half of that which is proof against quantum computers costs the most.

//go:debug tlsmlkem=0

// Package split holds the model test of federation: several whole servers in one process, on a network in memory that is cut
// and healed, with fake time. TestHistories says what is asked of them.
package split

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/base/link"
	"freehold.example/base/memnet"
	"freehold.example/core/account"
	"freehold.example/matrix/id"
	"freehold.example/server"
	"freehold.example/test/remote"
)

const most = 5 // servers of one history

func addr(i int) string { return fmt.Sprintf("10.0.0.%d", i+1) }

func nameOf(i int) id.Server { return id.Server(addr(i) + ":8448") }

func userOf(i int) id.User { return id.User("@u:" + string(nameOf(i))) }

// world is some servers on one network.
type world struct {
	t    testing.TB
	net  *memnet.Network
	all  []*node
	http *http.Client
}

// node is one server, with one user who has one device.
type node struct {
	w     *world
	i     int
	name  id.Server
	user  id.User
	token string
	dir   string

	log   *output
	end   context.CancelFunc // nil while it does not run
	ended chan error
}

// newWorld makes servers whose data is in dir. None runs yet.
func newWorld(t testing.TB, dir string, n int, seed uint64) *world {
	w := &world{t: t, net: memnet.New(seed)}
	client := w.net.Host("10.1.0.1") // in no part of any split
	w.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, DialContext: func(ctx context.Context, _, to string) (net.Conn, error) {
		return client.Connect(ctx, netip.MustParseAddrPort(to))
	}}}
	for i := range n {
		w.all = append(w.all, &node{
			w: w, i: i, name: nameOf(i), user: userOf(i), token: tokens[i], dir: filepath.Join(dir, fmt.Sprint(i)), log: new(output),
		})
	}
	return w
}

// output is what a server says. Its log and its greeting are written by different goroutines.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs a server on what is in its folder.
func (x *node) start() {
	if x.end != nil {
		return
	}
	c := server.Defaults()
	c.ServerName, c.DataDir = x.name, x.dir
	c.ListenClient, c.ListenFederation = addr(x.i)+":80", string(x.name)
	c.TLSCert, c.TLSKey, c.TLSCA = filepath.Join(x.dir, "cert.pem"), filepath.Join(x.dir, "key.pem"), filepath.Join(x.dir, "ca.pem")
	c.Federation, c.Registration, c.PasswordHashing, c.RateLimits = "on", account.Open, "fast", false
	c.InsideNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	c.LogFormat, c.Out = "text", x.log
	if os.Getenv("FH_LOGS") != "" {
		c.LogLevel = slog.LevelDebug
	}
	host := x.w.net.Host(addr(x.i))
	c.Listen, c.Connect, c.Ways = host.Listen, host.Connect, func() (link.Ways, error) { return link.Ways{}, nil }
	ctx, end := context.WithCancel(context.Background())
	s, err := server.New(ctx, c)
	if err != nil {
		end()
		x.w.t.Fatalf("%s does not start: %v", x.name, err)
	}
	x.end, x.ended = end, make(chan error, 1)
	go func() { x.ended <- s.Run(ctx) }()
}

// stop ends a server as an operator does.
func (x *node) stop() {
	if x.end == nil {
		return
	}
	x.ends(nil)
}

// ends has a server end, which it does without an error, or with one.
func (x *node) ends(with error) {
	x.end()
	x.end = nil
	if err := <-x.ended; err != nil && (with == nil || !errors.Is(err, with)) {
		x.w.t.Errorf("%s ends: %v", x.name, err)
	}
}

// kill ends a server as a power cut does: what it goes on with is what its folder held at that moment.
func (x *node) kill() {
	if x.end == nil {
		return
	}
	synctest.Wait() // nothing is half written
	copied := x.dir + "k"
	if err := copyDir(copied, x.dir); err != nil {
		x.w.t.Fatal(err)
	}
	x.w.net.Host(addr(x.i)).Crash()
	x.ends(net.ErrClosed) // it may see that nobody can connect before it sees that it is to end
	if err := os.RemoveAll(x.dir); err != nil {
		x.w.t.Fatal(err)
	}
	x.dir = copied
}

// copyDir copies the files of a server, but for what SQLite makes anew.
func copyDir(to, from string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(to, "freehold.db-shm")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// troubles are lines of the server's log that no history may cause.
func (x *node) troubles() (lines []string) {
	for line := range strings.Lines(x.log.String()) {
		if strings.Contains(line, "level=ERROR") && !strings.Contains(line, "status=502") { // another server was not reached
			lines = append(lines, line)
		}
	}
	return lines
}

// answer is what a server said.
type answer struct {
	status int
	body   []byte
}

// decode reads the answer; what does not fit is left out.
func (a answer) decode(v any) { _ = json.Unmarshal(a.body, v) }

func (a answer) str(key string) string {
	var fields map[string]any
	a.decode(&fields)
	s, _ := fields[key].(string)
	return s
}

// do is a request of the server's user. An error is a server that is not there.
func (x *node) do(ctx context.Context, method, path string, body any) (answer, error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		in = bytes.NewReader(text)
	}
	q, err := http.NewRequestWithContext(ctx, method, "http://"+addr(x.i)+":80/_matrix/client/v3"+path, in)
	if err != nil {
		return answer{}, err
	}
	q.Header.Set("Authorization", "Bearer "+x.token)
	resp, err := x.w.http.Do(q)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, b}, err
}

// template is the folder with servers that have a user each and nothing else; tokens are the users'.
var (
	template string
	tokens   [most]string
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(-1) // histories are short, and there is memory
	debug.SetMemoryLimit(1 << 30)
	var err error
	if template, err = os.MkdirTemp(scratch(), "freehold-split-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(template) // in the temporary directory
	os.Exit(code)
}

// makeTemplate registers a user on each server, unless an earlier run of the test has (-count).
func makeTemplate(t *testing.T) {
	if tokens[most-1] != "" {
		return
	}
	for i := range most {
		dir := filepath.Join(template, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := remote.Certificate(dir, addr(i)); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, template, most, 0)
		defer w.http.CloseIdleConnections()
		for _, x := range w.all {
			x.start()
			a, err := x.do(t.Context(), "POST", "/register", map[string]any{
				"username": "u", "password": "secret of u", "device_id": "D", "auth": map[string]string{"type": "m.login.dummy"},
			})
			if err != nil || a.str("access_token") == "" {
				t.Fatalf("register: %v %s", err, a.body)
			}
			tokens[x.i] = a.str("access_token")
			x.stop()
		}
	})
}

// beginning is servers whose users are in a room: what histories of so many servers with rooms of one version have in common.
type beginning struct {
	n       int
	version string
}

var (
	began      sync.Mutex // guards beginnings, and is held while one is made
	beginnings = map[beginning]begun{}
)

type begun struct {
	dir  string
	room id.Room
}

// made gives a beginning, and has it happen where it has not yet.
func (b beginning) made(t *testing.T) begun {
	began.Lock()
	defer began.Unlock()
	is, has := beginnings[b]
	if has {
		return is
	}
	is.dir = filepath.Join(template, fmt.Sprint(b.n, "-", b.version))
	if err := copyServers(is.dir, template, b.n); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, is.dir, b.n, 0)
		defer w.http.CloseIdleConnections()
		time.Sleep(aside) // the servers were made at the same time
		is.room = w.begin(t, b.version)
		for _, x := range w.all {
			x.stop()
		}
	})
	beginnings[b] = is
	return is
}

// aside is how long after what is made before it anything begins: all fake clocks begin at the same time.
const aside = time.Hour

// fresh copies the data of n servers into a folder that the caller removes.
func fresh(from string, n int) (dir string, err error) {
	dir, err = os.MkdirTemp(filepath.Dir(template), "freehold-history-")
	if err != nil {
		return "", err
	}
	return dir, copyServers(dir, from, n)
}

func copyServers(to, from string, n int) error {
	for i := range n {
		if err := copyDir(filepath.Join(to, fmt.Sprint(i)), filepath.Join(from, fmt.Sprint(i))); err != nil {
			return err
		}
	}
	return nil
}
