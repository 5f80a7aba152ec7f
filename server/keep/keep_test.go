package keep

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/server"
	"freehold.example/server/guard"
)

// kept is a server that is kept by this process.
type kept struct {
	t            *testing.T
	dir, url     string
	admin, guest string // tokens
}

const good = "registration = \"open\"\nregistration_shared_secret = \"that nobody else knows\"\nlogin_tokens = \"on\"\n"

func newKept(t *testing.T) *kept {
	t.Helper()
	k := &kept{t: t, dir: filepath.Join(t.TempDir(), "data")}
	file := filepath.Join(t.TempDir(), "freehold.toml")
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Out: io.Discard, Args: []string{
			"--config", file, "--data-dir", k.dir, "--listen-client", "127.0.0.1:0", "--listen-federation", "", "--federation", "off",
			"--server-name", "house.example", "--password-hashing", "fast",
		}})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for k.url == "" {
		time.Sleep(5 * time.Millisecond)
		var s struct {
			Listen string `json:"listen_client"`
		}
		if code, _ := k.door("GET", "/status", "", &s); code == 200 && s.Listen != "" {
			k.url = "http://" + s.Listen
		}
	}
	for _, name := range []string{"alice", "bob"} {
		body := fmt.Sprintf(`{"localpart":%q,"password":"sesame sesame","admin":%v}`, name, name == "alice")
		if code, b := k.door("POST", "/users", body, nil); code != 200 {
			t.Fatal(b)
		}
		var in struct {
			Token string `json:"access_token"`
		}
		k.ask("", "POST", "/_matrix/client/v3/login", fmt.Sprintf(`{"type":"m.login.password","identifier":{"type":"m.id.user","user":%q},"password":"sesame sesame"}`, name), 200, &in)
		if name == "alice" {
			k.admin = in.Token
		} else {
			k.guest = in.Token
		}
	}
	return k
}

func (k *kept) do(c *http.Client, token, method, url, body string, into any) (int, string) {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	if into != nil && resp.StatusCode == 200 {
		if err := json.Unmarshal(b, into); err != nil {
			k.t.Fatal(err)
		}
	}
	return resp.StatusCode, string(b)
}

// door asks over the admin socket.
func (k *kept) door(method, path, body string, into any) (int, string) {
	k.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return server.DialAdmin(ctx, k.dir)
	}}
	return k.do(&http.Client{Transport: transport}, "", method, "http://freehold"+path, body, into)
}

// ask asks where clients do, again while the server is between two configurations.
func (k *kept) ask(token, method, path, body string, want int, into any) string {
	k.t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		code, text := k.do(c, token, method, k.url+path, body, into)
		if code == want {
			return text
		}
		if time.Since(began) > 20*time.Second || code != 0 && code != 404 {
			k.t.Fatalf("%s %s: got %d %s, want %d", method, path, code, text, want)
		}
	}
}

const api = "/_freehold/admin/v1/config"

func (k *kept) state() (s struct {
	Current, Trial int
	Entries        []struct{ By, Why, Outcome string }
},
) {
	k.t.Helper()
	k.ask(k.admin, "GET", api, "", 200, &s)
	return s
}

func text(set string) string {
	b, _ := json.Marshal(map[string]any{"text": set, "why": "a test", "confirm_within_ms": 60_000})
	return string(b)
}

// What an administrator changes over HTTP goes the way of the operator's changes.
func TestChangesOverHTTP(t *testing.T) {
	k := newKept(t)
	k.ask(k.guest, "POST", api+"/apply", text(good), 403, nil)
	k.ask(k.guest, "GET", "/_matrix/client/v3/account/whoami", "", 200, nil)
	var plan struct {
		Refused []string
		Changes []struct{ Key, From, To string }
		Touches []struct {
			What  string
			Count int
		}
	}
	k.ask(k.admin, "POST", api+"/check", text("registration = \"closed\"\npresence = \"off\"\n"), 200, &plan)
	if got := fmt.Sprint(plan); got != "{[] [{registration open closed} {presence on off}] [{invitations 0} {users 2}]}" {
		t.Errorf("got %s", got)
	}
	k.ask(k.admin, "POST", api+"/apply", text("regis = 1"), 400, nil)
	if out := k.ask(k.admin, "POST", api+"/apply", text(good+"tls_ca = \"/etc/hosts\"\n"), 403, nil); !strings.Contains(out, "tls_ca can only be changed at the machine") {
		t.Errorf("got %s", out)
	}
	k.ask(k.admin, "POST", api+"/confirm", "", 404, nil)

	k.ask(k.admin, "POST", api+"/apply", text("registration = \"closed\"\n"), 200, nil)
	k.ask(k.guest, "POST", api+"/confirm", "", 403, nil)
	k.ask(k.admin, "POST", api+"/confirm", "", 200, nil)
	if s := k.state(); s.Current != 2 || s.Entries[0].By != "@alice:house.example" || s.Entries[0].Why != "a test" || s.Entries[0].Outcome != "confirmed" {
		t.Errorf("got %+v", s)
	}
	k.ask("", "POST", "/_matrix/client/v3/register", `{"username":"carol","password":"sesame sesame","auth":{"type":"m.login.dummy"}}`, 403, nil)
	k.ask("", "GET", "/_synapse/admin/v1/register", "", 200, nil) // the secret is the machine's: it is there as before

	k.ask(k.admin, "POST", api+"/rollback", `{"number":1}`, 200, nil)
	for s := k.state(); s.Current != 3; s = k.state() {
		time.Sleep(10 * time.Millisecond)
	}
	k.ask("", "POST", "/_matrix/client/v3/register", `{"username":"carol","password":"sesame sesame","auth":{"type":"m.login.dummy"}}`, 200, nil)

	var audit struct{ Entries []struct{ Action string } }
	k.ask(k.admin, "GET", "/_freehold/admin/v1/audit?action=POST+"+api+"/apply", "", 200, &audit)
	if len(audit.Entries) == 0 {
		t.Error("nothing of it is in the audit")
	}
}

// A trial can be ended at once; and a word is good once, for the trial that it was given for.
func TestWord(t *testing.T) {
	k := newKept(t)
	var word struct{ Word, At string }
	begin := func() {
		t.Helper()
		if code, b := k.door("POST", "/config/apply", text("registration = \"closed\"\n"), nil); code != 200 {
			t.Fatal(b)
		}
		if code, b := k.door("POST", "/config/word", "", &word); code != 200 || word.At != k.url {
			t.Fatalf("got %s", b)
		}
	}
	hand := func(want int) {
		t.Helper()
		k.ask("", "POST", "/_freehold/config/confirm", fmt.Sprintf(`{"word":%q}`, word.Word), want, nil)
	}
	begin()
	first := word
	var health struct{ Detail string }
	if k.ask("", "GET", "/health", "", 200, &health); !strings.Contains(health.Detail, "configuration 2 is on trial") {
		t.Errorf("got %+v", health)
	}
	if out := k.ask("", "GET", "/metrics", "", 200, nil); !strings.Contains(out, "\nfreehold_configuration 1\n") || !strings.Contains(out, "\nfreehold_configuration_on_trial 2\n") {
		t.Error("the metrics do not say what is on trial")
	}
	if code, b := k.door("POST", "/config/rollback", "{}", nil); code != 200 {
		t.Fatal(b)
	}
	for s := k.state(); s.Trial != 0 || s.Current != 1; s = k.state() {
		time.Sleep(10 * time.Millisecond)
	}
	begin()
	second := word
	word = first
	hand(403)
	word = second
	hand(200)
	hand(403)
	if s := k.state(); s.Current != 3 || s.Entries[0].Outcome != "confirmed" || !strings.HasPrefix(s.Entries[1].Outcome, "undone: rolled back") {
		t.Errorf("got %+v", s)
	}
}

func TestRing(t *testing.T) {
	var out bytes.Buffer
	r := newRing(&out)
	line := strings.Repeat("x", 999) + "\n"
	for range 3000 {
		_, _ = r.Write([]byte(line))
	}
	b, next, more := r.read(0)
	if len(b) > ringBytes || len(b) < ringBytes*3/4 || next != 3_000_000 || out.Len() != 3_000_000 {
		t.Errorf("kept %d up to %d, passed on %d", len(b), next, out.Len())
	}
	_, _ = r.Write([]byte("the last"))
	<-more
	if b, _, _ := r.read(next); string(b) != "the last" {
		t.Errorf("got %q", b)
	}
}

// A generation that does not end holds what the next one needs: the process starts anew, and its files say with what.
func TestStuck(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		g, err := guard.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Adopt([]byte("a"), "operator", ""); err != nil {
			t.Fatal(err)
		}
		number, err := g.Begin([]byte("b"), "alice", "")
		if err != nil {
			t.Fatal(err)
		}
		again := 0
		k := &keeper{Config: Config{Again: func() error { again++; return nil }}, guard: g}
		k.logger.Store(slog.New(slog.DiscardHandler))
		stuck := &generation{number: number, cancel: func() {}, ended: make(chan error, 1)}
		k.now = stuck
		if err := k.end(stuck); err == nil || again != 1 {
			t.Errorf("got %v, anew %d times", err, again)
		}
		next, err := guard.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if trial, _ := next.Trial(); trial != 0 || next.Current() != 1 {
			t.Errorf("the next process would have %d on trial and start with %d", trial, next.Current())
		}
	})
}

// The door ends a drill, and says when there is none.
func TestStopDrill(t *testing.T) {
	k := newKept(t)
	const drills = "/_freehold/admin/v1/drill"
	var now struct {
		Phase      string
		Drill      string `json:"drill_id"`
		LastReport string `json:"last_report"`
	}
	phase := func(want string) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			now.Phase, now.Drill, now.LastReport = "", "", ""
			if k.ask(k.admin, "GET", drills, "", 200, &now); now.Phase == want {
				return
			}
			if time.Since(began) > time.Minute {
				t.Fatalf("the drill is at %+v, want %q", now, want)
			}
		}
	}
	none := func() {
		t.Helper()
		if code, b := k.door("POST", "/drill/stop", "", nil); code != 404 || !strings.Contains(b, "There is no drill") {
			t.Errorf("got %d %s", code, b)
		}
	}
	stop := func() {
		t.Helper()
		if code, b := k.door("POST", "/drill/stop", "", nil); code != 200 {
			t.Errorf("got %d %s", code, b)
		}
		phase("")
	}
	none()
	k.ask(k.admin, "POST", drills, `{"seconds":3600,"scope":"outside"}`, 200, nil)
	stop()                  // nothing is cut yet
	time.Sleep(time.Second) // a drill is known by the second in which it was begun
	k.ask(k.admin, "POST", drills, `{"seconds":3600,"scope":"outside"}`, 200, nil)
	phase("cut")
	drill := now.Drill
	stop()
	var report struct {
		Stopped bool  `json:"stopped"`
		Cut     int64 `json:"cut_ms"`
	}
	if now.LastReport != drill {
		t.Fatalf("the last report is of %q, want %q", now.LastReport, drill)
	}
	if k.ask(k.admin, "GET", drills+"/reports/"+drill, "", 200, &report); !report.Stopped || report.Cut > 60_000 {
		t.Errorf("the report says %+v", report)
	}
	none()
}
