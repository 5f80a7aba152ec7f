package drill

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.example/base/dial"
	"freehold.example/base/durable"
	"freehold.example/core/budget"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// nobody is a cast that makes no accounts, which the tests here have no use for.
type nobody struct{ left int }

var errNobody = errors.New("nobody plays in this test")

func (*nobody) Enter(context.Context, string) (users [2]id.User, err error) { return users, errNobody }
func (n *nobody) Leave(context.Context, id.Room) error                      { n.left++; return nil }
func (*nobody) In(context.Context) (bool, error)                            { return false, nil }

// machine is a machine whose clocks a test turns.
type machine struct {
	boot string
	up   time.Duration
	wall time.Time
}

func config(t *testing.T, dir string, m *machine) Config {
	t.Helper()
	if err := durable.MkdirAll(inFolder(dir)); err != nil {
		t.Fatal(err)
	}
	pipe := func(context.Context, netip.AddrPort) (net.Conn, error) {
		a, _ := net.Pipe()
		return a, nil
	}
	return Config{
		Dir: dir, Door: dial.New(dial.Config{Now: time.Now, Connect: pipe}), Program: "test", Log: slog.New(slog.DiscardHandler),
		Signer:  event.Signer{Server: "here.example", Key: "ed25519:a", Private: ed25519.NewKeyFromSeed(make([]byte, 32))},
		Budget:  func(context.Context) (*budget.View, error) { return &budget.View{}, nil },
		Cast:    &nobody{},
		Base:    func() string { return "http://127.0.0.1:1" },
		Waiting: func(context.Context) (int, int, error) { return 0, 0, nil },
		People:  func() People { return People{} },
		Uptime:  func() (string, time.Duration) { return m.boot, m.up },
		Clock:   func() time.Time { return m.wall },
	}
}

// begun is a drill of ten minutes of which a killed process has left the file, two minutes into it.
func begun(t *testing.T, dir string, m *machine) *state {
	t.Helper()
	s := &state{
		Version: 1, ID: "2026-11-22T12-00-00Z", Scope: "outside", By: "a test", Phase: Cutting, Started: m.wall.Add(-2 * time.Minute).UnixMilli(),
		Length: (10 * time.Minute).Milliseconds(), Boot: "b1", Up: (time.Hour - 2*time.Minute).Milliseconds(), Elapsed: (2 * time.Minute).Milliseconds(), Tally: newTally(),
	}
	if err := errors.Join(durable.MkdirAll(inFolder(dir)), s.save(dir)); err != nil {
		t.Fatal(err)
	}
	return s
}

func newMachine() *machine {
	return &machine{boot: "b1", up: time.Hour, wall: time.Date(2026, 11, 22, 12, 2, 0, 0, time.UTC)}
}

// A process that finds a drill goes on with what is left of it, and never with more, whatever the clocks say.
func TestResume(t *testing.T) {
	for _, tt := range []struct {
		about string
		turn  func(*machine)
		left  time.Duration
	}{
		{"at once", func(*machine) {}, 8 * time.Minute},
		{"three minutes later", func(m *machine) { m.up += 3 * time.Minute; m.wall = m.wall.Add(3 * time.Minute) }, 5 * time.Minute},
		{"after the end", func(m *machine) { m.up += time.Hour; m.wall = m.wall.Add(time.Hour) }, 0},
		{"the clock was set back", func(m *machine) { m.up += 3 * time.Minute; m.wall = m.wall.Add(-100 * time.Hour) }, 5 * time.Minute},
		{"the clock was set ahead", func(m *machine) { m.up += 3 * time.Minute; m.wall = m.wall.Add(1000 * time.Hour) }, 5 * time.Minute},
		{"the machine was started anew", func(m *machine) { m.boot, m.up, m.wall = "b2", time.Minute, m.wall.Add(6*time.Minute) }, 2 * time.Minute},
		{"anew, and the clock is wrong", func(m *machine) { m.boot, m.up, m.wall = "b2", time.Minute, m.wall.Add(-1000*time.Hour) }, 8 * time.Minute},
		{"the uptime is another one's", func(m *machine) { m.up = time.Minute; m.wall = m.wall.Add(3 * time.Minute) }, 5 * time.Minute},
		{"the system tells nothing", func(m *machine) { m.boot, m.up, m.wall = "", 0, m.wall.Add(3*time.Minute) }, 5 * time.Minute},
	} {
		t.Run(tt.about, func(t *testing.T) {
			dir, m := t.TempDir(), newMachine()
			begun(t, dir, m)
			tt.turn(m)
			c := config(t, dir, m)
			d, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Door.CutState(); (got == dial.CutOutside) != (tt.left > 0) {
				t.Errorf("the door is cut for %d, with %s left", got, tt.left)
			}
			if got := time.Duration(d.Status().Left) * time.Millisecond; got != tt.left {
				t.Errorf("%s are left, want %s", got, tt.left)
			}
		})
	}
}

// A drill is stopped by a file alone, before the start too.
func TestStop(t *testing.T) {
	dir, m := t.TempDir(), newMachine()
	if was, err := Stop(dir); was || err != nil {
		t.Errorf("without a drill: got %v, %v", was, err)
	}
	begun(t, dir, m)
	if was, err := Stop(dir); !was || err != nil {
		t.Errorf("got %v, %v", was, err)
	}
	c := config(t, dir, m)
	if _, err := New(c); err != nil || c.Door.CutState() != dial.CutNothing {
		t.Errorf("it was stopped, and the next start is cut off: %v", err)
	}
	// A file that cannot be read cuts nobody off, and does not keep the server from starting.
	for _, broken := range []string{"", "{", `{"id":"../x","scope":"outside","length_ms":1000,"phase":"cut"}`, `{"id":"x","scope":"everything","length_ms":1000}`} {
		if err := os.WriteFile(inFolder(dir, runningName), []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		c := config(t, dir, m)
		if _, err := New(c); err != nil || c.Door.CutState() != dial.CutNothing {
			t.Errorf("%q: %v, cut %d", broken, err, c.Door.CutState())
		}
		if _, err := os.Stat(inFolder(dir, runningName)); err == nil {
			t.Errorf("%q is still there", broken)
		}
	}
}

// What somebody has stopped ends in Run, with its report, also when its accounts cannot be had.
func TestRunEndsIt(t *testing.T) {
	dir, m := t.TempDir(), newMachine()
	s := begun(t, dir, m)
	c := config(t, dir, m)
	cast := &nobody{}
	c.Cast = cast
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if c.Door.CutState() != dial.CutOutside {
		t.Fatal("it does not go on")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); d.Status().ID != "" && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if c.Door.CutState() != dial.CutNothing || cast.left != 1 {
		t.Errorf("cut %d, left %d times", c.Door.CutState(), cast.left)
	}
	b, err := Read(dir, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Verify(b, nil)
	if err != nil || !r.Stopped || r.Restarts != 1 || r.Cut < 120_000 || r.Cut > 130_000 {
		t.Errorf("got %v, %+v", err, r)
	}
	if len(r.Surprises) != 1 || r.Surprises[0].Kind != "journey" || !strings.Contains(r.Surprises[0].Text, errNobody.Error()) {
		t.Errorf("got the surprises %v", r.Surprises)
	}
}

// planted is a report of a drill with everything in it that should not have happened.
func planted(t *testing.T) (*Drills, *state) {
	t.Helper()
	dir, m := t.TempDir(), newMachine()
	s := begun(t, dir, m)
	d, err := New(config(t, dir, m))
	if err != nil {
		t.Fatal(err)
	}
	zero := int64(0)
	s.Budget = &budget.View{Lines: []budget.LineView{
		{Name: "federation", Kind: budget.Peers, What: "other servers", Used: true, When: budget.Now, SecondsLeft: &zero, Stops: "talk", Users: 3, Rooms: 2, Peers: 1, Peer: true},
		{Name: "push", Kind: budget.Push, What: "gateways", When: budget.Never, Stops: "phones"},
		{Name: "time", Kind: budget.Clock, What: "time", Used: true, When: budget.Never, Stops: "nothing"},
	}}
	for range 3 {
		s.Tally.attempt(dial.Attempt{Reason: "federation", To: "there.example:8448", Err: dial.ErrCut})
	}
	s.Tally.attempt(dial.Attempt{Reason: "push", To: "push.example:443", Err: errors.Join(dial.ErrCut)})
	s.Tally.attempt(dial.Attempt{Reason: "weather", To: "weather.example:443", Err: &net.DNSError{Name: "weather.example"}})
	s.Tally.stranger("192.0.2.7:443", "freehold.example/core/feed.phoneHome")
	s.Tally.step("sign in", 30*time.Millisecond, nil)
	s.Tally.step("search", 5*time.Second, errors.New("it was not found"))
	s.Tally.round(false)
	s.Tally.take(time.Minute, 4, 1, people{Answered: 20, Failed: 2})
	s.Tally.Healed, s.Tally.HealMS, s.Cut = true, 900, s.Length
	return d, s
}

// A hidden dependency is found and named, and so is all else that nobody had promised.
func TestSurprises(t *testing.T) {
	d, s := planted(t)
	r := d.report(s)
	want := map[string]string{ // name: kind
		"weather": "undeclared", "192.0.2.7:443": "undeclared", "push": "unforeseen", "search": "journey", "requests": "people",
	}
	for _, x := range r.Surprises {
		if want[x.Name] != x.Kind {
			t.Errorf("unexpected: %+v", x)
		}
		delete(want, x.Name)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	text := r.String()
	for _, part := range []string{"weather.example:443", "core/feed.phoneHome", "it was not found", "5 surprises", "federation: 3, of which the cut refused 3"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
	if len(r.Promised) != 1 || r.Promised[0].Refused != 3 || r.Promised[0].Users != 3 {
		t.Errorf("got the promises %+v", r.Promised)
	}
}

// The signature of a report verifies, and that of a changed one does not, whatever was changed.
func TestSignature(t *testing.T) {
	d, s := planted(t)
	if err := d.write(s); err != nil {
		t.Fatal(err)
	}
	b, err := Read(d.Dir, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	public := d.Signer.Private.Public().(ed25519.PublicKey)
	for _, known := range []ed25519.PublicKey{nil, public} {
		if r, err := Verify(b, known); err != nil || r.ID != s.ID {
			t.Errorf("got %v", err)
		}
	}
	other := ed25519.NewKeyFromSeed([]byte(strings.Repeat("x", 32))).Public().(ed25519.PublicKey)
	if _, err := Verify(b, other); err == nil {
		t.Error("the key of somebody else was taken")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	for name := range members {
		changed := map[string]json.RawMessage{}
		maps.Copy(changed, members)
		changed[name] = json.RawMessage(`"something else"`)
		forged, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(forged, nil); err == nil {
			t.Errorf("with another %s it verifies", name)
		}
	}
	if _, err := Verify([]byte(strings.Replace(string(b), `"failed_rounds":[1]`, `"failed_rounds":[0]`, 1)), nil); !errors.Is(err, ErrChanged) {
		t.Errorf("with a failure less: %v", err)
	}
	for _, no := range []string{"", "{}", "[]", `{"server_name":"x","public_key":"AAAA"}`} {
		if _, err := Verify([]byte(no), nil); err == nil {
			t.Errorf("%q verifies", no)
		}
	}
}

// A page needs nothing else, and says the same.
func TestHTML(t *testing.T) {
	d, s := planted(t)
	r := d.report(s)
	r.By = "<script>alert(1)</script>"
	page, err := r.HTML([]byte(`{"a":"</pre><script>"}`), []*Report{r})
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, part := range []string{"5 surprises", "weather.example:443", "<svg", "Earlier drills", "prefers-color-scheme: dark"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in the page", part)
		}
	}
	for _, part := range []string{"<script", "http:", "src=", "@import", "url("} {
		if strings.Contains(text, part) {
			t.Errorf("%q is in the page", part)
		}
	}
	// A drill without figures makes a page too.
	if _, err := (&Report{}).HTML(nil, nil); err != nil {
		t.Error(err)
	}
}

// However long it goes on, what is kept of it is bounded.
func TestBounded(t *testing.T) {
	tally := newTally()
	for i := range 20_000 {
		name := strings.Repeat("x", i%700)
		tally.step("step", time.Duration(i)*time.Millisecond, nil)
		tally.step("bad", 0, errors.New(name))
		tally.attempt(dial.Attempt{Reason: "federation", To: name, Err: errors.New(name)})
		tally.stranger(name, name)
		tally.take(time.Duration(i)*time.Second, 1, 1, people{Answered: 1})
	}
	dir := t.TempDir()
	s := &state{Version: 1, ID: "2026-11-22T12-00-00Z", Scope: "outside", Length: 1000, Tally: tally}
	if err := errors.Join(durable.MkdirAll(inFolder(dir)), s.save(dir)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(inFolder(dir, runningName))
	if err != nil || info.Size() > 256<<10 {
		t.Errorf("the state has %d bytes, %v", info.Size(), err)
	}
	if got := percentile(tally.Steps["step"].Took, 50); got < 8_000 || got > 12_000 {
		t.Errorf("the median of 0 to 20000 is said to be %d", got)
	}
	if tally.Requests.Answered != 20_000 || tally.Outside["federation"].Attempts != 20_000 || len(tally.Samples) != maxSamples {
		t.Errorf("got %+v", tally.Requests)
	}
}

func TestOnlySoManyReports(t *testing.T) {
	d, s := planted(t)
	for i := range maxReports + 3 {
		s.ID = time.Date(2020, 1, 1+i, 0, 0, 0, 0, time.UTC).Format("2006-01-02T15-04-05Z")
		if err := d.write(s); err != nil {
			t.Fatal(err)
		}
	}
	all, err := List(d.Dir)
	if err != nil || len(all) != maxReports || all[0] != s.ID || all[maxReports-1] != "2020-01-04T00-00-00Z" {
		t.Errorf("got %d reports, %v", len(all), err)
	}
	if last, err := lastTime(d.Dir); err != nil || !strings.HasPrefix(s.ID, last.Format(time.DateOnly)) {
		t.Errorf("got %v, %v", last, err)
	}
	for _, bad := range []string{"", "../signing", "a/b", `a\b`} {
		if _, err := Read(d.Dir, bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// The schedule begins a drill when the last one was long enough ago, and not before.
func TestSchedule(t *testing.T) {
	dir, m := t.TempDir(), newMachine()
	c := config(t, dir, m)
	c.Every, c.For, c.Scope = 30*24*time.Hour, 10*time.Minute, "outside,names"
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, folder, m.wall.Add(-29*24*time.Hour).Format("2006-01-02T15-04-05Z")+".json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.schedule(t.Context())
	if d.Status().ID != "" {
		t.Error("a drill was begun before its time")
	}
	m.wall = m.wall.Add(25 * time.Hour)
	d.schedule(t.Context())
	if st := d.Status(); st.Scope != "outside,names" || st.By != "the schedule" || st.Phase != Preparing {
		t.Errorf("got %+v", st)
	}
	if err := d.Start(Order{For: time.Minute, Scope: "outside"}); err == nil {
		t.Error("two drills at once")
	}
	for _, o := range []Order{{For: 0, Scope: "outside"}, {For: 30 * 24 * time.Hour, Scope: "outside"}, {For: time.Minute, Scope: "the moon"}, {For: time.Minute}} {
		if err := d.Start(o); err == nil {
			t.Errorf("%+v was begun", o)
		}
	}
	for _, bad := range []Config{
		{Every: time.Minute, For: time.Second, Scope: "outside"},
		{Every: 24 * time.Hour, For: 20 * time.Hour, Scope: "outside"},
		{Every: 24 * time.Hour, For: time.Hour, Scope: "everything"},
	} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}
