// Package change applies bad changes of the configuration to real processes of the server, and looks whether the service is
// there again in time, with what was said before.
package change

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/test/harness"
)

// How long a change is on trial here, and how long until the service is there again after it: what the two switches take on a
// busy machine comes on top.
const (
	within = time.Second
	undone = within + 20*time.Second
)

// gullible is the program whose checker always says yes.
var gullible = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "freehold-gullible-")
	if err != nil {
		return "", err
	}
	built = dir
	binary := filepath.Join(dir, "gullible")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./gullible")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
})

var built string

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Clean()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// house is a server with its file, somebody who has an account, and something she has said.
type house struct {
	*harness.Server
	t           *testing.T
	good        string // the file
	token       string
	room, event string
}

func newHouse(t *testing.T, program string) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{Server: harness.On(t, filepath.Join(dir, "data"), "FREEHOLD_PASSWORD_HASHING=fast"), t: t}
	h.Program, h.File = program, filepath.Join(dir, "freehold.toml")
	h.good = fmt.Sprintf("server_name = \"house.example\"\ndata_dir = %q\nlisten_client = %q\nlisten_federation = \"\"\n"+
		"federation = \"allowlist\"\nfederation_allowed = [\"127.0.0.1:1\"]\nregistration = \"open\"\n", h.Dir, strings.TrimPrefix(h.URL, "http://"))
	if err := os.WriteFile(h.File, []byte(h.good), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Start()
	var made struct {
		Token string `json:"access_token"`
		Room  string `json:"room_id"`
		Event string `json:"event_id"`
	}
	must := func(method, path, body string) {
		t.Helper()
		if err := h.ask(method, path, body, &made); err != nil {
			t.Fatal(err)
		}
		h.token = made.Token
	}
	must("POST", "/_matrix/client/v3/register", `{"username":"alice","password":"sesame sesame","auth":{"type":"m.login.dummy"}}`)
	must("POST", "/_matrix/client/v3/createRoom", `{}`)
	must("PUT", "/_matrix/client/v3/rooms/"+url.PathEscape(made.Room)+"/send/m.room.message/1", `{"msgtype":"m.text","body":"still here"}`)
	h.room, h.event = made.Room, made.Event
	return h
}

func (h *house) ask(method, path, body string, into any) error {
	req, err := http.NewRequest(method, h.URL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, b)
	}
	return json.Unmarshal(b, into)
}

// readable says whether what was said can be read, where it always could.
func (h *house) readable() error {
	var e struct {
		Content struct{ Body string }
	}
	err := h.ask("GET", "/_matrix/client/v3/rooms/"+url.PathEscape(h.room)+"/event/"+url.PathEscape(h.event), "", &e)
	if err == nil && e.Content.Body != "still here" {
		err = fmt.Errorf("it says %q", e.Content.Body)
	}
	return err
}

// apply tries a configuration, and does not fail when it is refused.
func (h *house) apply(text string) *exec.Cmd {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "new.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	cmd, _ := h.Command("config", "apply", path, "--confirm-within", within.String())
	return cmd
}

// settled waits until no change is on trial and what was said can be read with the first configuration.
func (h *house) settled() {
	h.t.Helper()
	began := time.Now()
	for {
		err := h.readable()
		if err == nil {
			if cmd, out := h.Command("status"); cmd.Run() != nil || !strings.Contains(out.String(), "\nconfiguration 1, ") || strings.Contains(out.String(), "on trial") {
				err = fmt.Errorf("status: %s", out)
			}
		}
		if err == nil {
			return
		}
		if time.Since(began) > undone {
			h.t.Fatalf("not undone after %v: %v", time.Since(began), err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// groups runs fn with every seed, in several houses at once, in each of which one change follows the other.
func groups(t *testing.T, program string, fn func(t *testing.T, h *house, b seed)) {
	const houses = 6
	seeds := newSite(t).seeds()
	if len(seeds) < 30 {
		t.Errorf("only %d seeds", len(seeds))
	}
	for i := range houses {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, program)
			for j := i; j < len(seeds); j += houses {
				t.Run(strings.ReplaceAll(seeds[j].name, " ", "_"), func(t *testing.T) {
					h.t = t
					fn(t, h, seeds[j])
				})
				h.t = t
			}
			h.Stop()
		})
	}
}

// Each bad change is refused, or undone within its time.
func TestBadChanges(t *testing.T) {
	groups(t, "", func(_ *testing.T, h *house, b seed) {
		_ = h.apply(b.text(h.good)).Run() // refused, or on trial
		h.settled()
	})
}

// The same with a checker that says yes to everything.
func TestBadChangesNobodyChecks(t *testing.T) {
	program, err := gullible()
	if err != nil {
		t.Fatal(err)
	}
	groups(t, program, func(_ *testing.T, h *house, b seed) {
		_ = h.apply(b.text(h.good)).Run() // it could not be used, or is on trial
		h.settled()
	})
}

// The same with the server killed at any moment between the change and its end, and started again.
func TestBadChangesKilled(t *testing.T) {
	program, err := gullible()
	if err != nil {
		t.Fatal(err)
	}
	first := uint64(time.Now().UnixNano())
	if s := os.Getenv("FH_SEED"); s != "" {
		if first, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FH_SEED=%d", first)
	groups(t, program, func(t *testing.T, h *house, b seed) {
		name := []byte(b.name)
		dice := rand.New(rand.NewPCG(first, uint64(bytes.Count(name, []byte("e")))<<16+uint64(len(name))<<8+uint64(name[0])))
		cmd := h.apply(b.text(h.good))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(dice.Int64N(int64(within + within/2))))
		h.Kill()
		_ = cmd.Wait() // it may have lost whom it asked
		h.Start()
		h.settled()
	})
}
