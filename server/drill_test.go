package server

import (
	"encoding/json"
	"errors"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/base/dial"
	"freehold.example/core/account"
	"freehold.example/core/drill"
	"freehold.example/matrix/id"
	"freehold.example/test/address"
)

// pair is two servers with a room that alice of one and bob of the other are in.
type pair struct {
	here, there         *Server
	hereURL, thereURL   string
	alice, bob          string // tokens
	room                string
	hereName, thereName id.Server
}

func newPair(t *testing.T, change ...func(*Config)) *pair {
	t.Helper()
	open := func(c *Config) {
		at := address.For(t)
		c.ServerName, c.ListenFederation, c.Registration = id.Server(at), at, account.Open
	}
	p := &pair{}
	p.here, p.hereURL, _, _ = start(t, append([]func(*Config){open}, change...)...)
	p.there, p.thereURL, _, _ = start(t, open)
	p.hereName, p.thereName = p.here.config.ServerName, p.there.config.ServerName
	sign := func(base, name string) string {
		_, made := ask(t, "POST", base+"/_matrix/client/v3/register", "", map[string]any{
			"username": name, "password": "secret " + name, "auth": map[string]any{"type": "m.login.dummy"},
		})
		token, _ := made["access_token"].(string)
		return token
	}
	p.alice, p.bob = sign(p.hereURL, "alice"), sign(p.thereURL, "bob")
	_, made := ask(t, "POST", p.hereURL+"/_matrix/client/v3/createRoom", p.alice, map[string]any{"preset": "public_chat"})
	p.room, _ = made["room_id"].(string)
	query := "?via=" + url.QueryEscape(string(p.hereName))
	if status, out := ask(t, "POST", p.thereURL+"/_matrix/client/v3/join/"+url.PathEscape(p.room)+query, p.bob, map[string]any{}); status != 200 {
		t.Fatalf("join: %d %v", status, out)
	}
	p.say(t, "before") // the way is known, in both directions
	p.wait(t, 20*time.Second, "before")
	if err := p.here.accounts.SetAdmin(t.Context(), id.NewUser("alice", p.hereName), true); err != nil {
		t.Fatal(err)
	}
	return p
}

// say has alice say something.
func (p *pair) say(t *testing.T, text string) {
	t.Helper()
	status, out := ask(t, "PUT", p.hereURL+"/_matrix/client/v3/rooms/"+url.PathEscape(p.room)+"/send/m.room.message/"+url.PathEscape(text), p.alice,
		map[string]any{"msgtype": "m.text", "body": text})
	if status != 200 {
		t.Fatalf("send: %d %v", status, out)
	}
}

// heard says whether bob has it.
func (p *pair) heard(t *testing.T, text string) bool {
	t.Helper()
	_, out := ask(t, "GET", p.thereURL+"/_matrix/client/v3/rooms/"+url.PathEscape(p.room)+"/messages?dir=b&limit=50", p.bob, nil)
	b, _ := json.Marshal(out)
	return strings.Contains(string(b), `"body":"`+text+`"`)
}

func (p *pair) wait(t *testing.T, most time.Duration, text string) {
	t.Helper()
	for deadline := time.Now().Add(most); !p.heard(t, text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q has not arrived within %s", text, most)
		}
	}
}

// admin makes a request of an administrator.
func (p *pair) admin(t *testing.T, method, path string, body any) (int, map[string]any) {
	t.Helper()
	return ask(t, method, p.hereURL+"/_freehold/admin/v1"+path, p.alice, body)
}

// until waits for a phase of the drill.
func until(t *testing.T, s *Server, most time.Duration, phase drill.Phase) drill.Status {
	t.Helper()
	deadline := time.Now().Add(most)
	for {
		st := s.drills.Status()
		if st.Phase == phase {
			return st
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s the drill is at %+v, want %q", most, st, phase)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func reportOf(t *testing.T, s *Server, drillID string) *drill.Report {
	t.Helper()
	b, err := s.drills.Report(drillID)
	if err != nil {
		t.Fatal(err)
	}
	r, err := drill.Verify(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A drill of another server's absence: people here go on, what they say waits and arrives when it is over; what goes out
// without being in the budget is named; the accounts of the drill are seen by nobody, and leave nothing behind.
func TestDrill(t *testing.T) {
	p := newPair(t)
	if status, out := p.admin(t, "POST", "/drill", map[string]any{"seconds": 4, "scope": "all-peers"}); status != 200 || out["phase"] != "preparing" {
		t.Fatalf("got %d %v", status, out)
	}
	st := until(t, p.here, 30*time.Second, drill.Cutting)
	if status, _ := p.admin(t, "POST", "/drill", map[string]any{"seconds": 4}); status != 409 {
		t.Errorf("a second drill: got %d, want 409", status)
	}
	p.say(t, "during")
	hidden, err := p.here.door.Declare(dial.Reason{Name: "weather", Target: "a weather station", Stops: "the forecast", Reach: dial.Everywhere, Peers: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hidden.DialContext(t.Context(), "tcp", "192.0.2.1:443"); !errors.Is(err, dial.ErrCut) {
		t.Errorf("what was planted: got %v, want cut", err)
	}
	for _, term := range []string{"drill", "_freehold"} {
		_, out := ask(t, "POST", p.hereURL+"/_matrix/client/v3/user_directory/search", p.alice, map[string]any{"search_term": term})
		if found, _ := out["results"].([]any); len(found) != 0 {
			t.Errorf("the accounts of the drill are found: %v", found)
		}
	}
	_, out := ask(t, "GET", p.hereURL+"/_matrix/client/v3/publicRooms", p.alice, nil)
	if rooms, _ := out["chunk"].([]any); slices.ContainsFunc(rooms, func(r any) bool { return r.(map[string]any)["name"] == "A drill" }) {
		t.Errorf("the room of the drill is found: %v", rooms)
	}
	for time.Now().UnixMilli() < st.Ends-500 {
		if p.heard(t, "during") {
			t.Fatal("what was said during the cut has arrived during the cut")
		}
		time.Sleep(200 * time.Millisecond)
	}
	p.wait(t, 30*time.Second, "during")
	until(t, p.here, 60*time.Second, drill.Idle)
	if p.here.door.CutState() != dial.CutNothing {
		t.Error("the door is cut")
	}

	r := reportOf(t, p.here, st.ID)
	text := r.String()
	if r.Cut < 3900 || r.Cut > 4500 || r.Stopped || r.Journeys.Rounds < 3 || r.Journeys.Failed != 0 || !r.Healing.Healed || r.Healing.QueuePeak == 0 {
		t.Errorf("got %s", text)
	}
	if len(r.Surprises) != 1 || r.Surprises[0].Name != "weather" || r.Surprises[0].Kind != "undeclared" || !strings.Contains(r.Surprises[0].Text, "192.0.2.1:443") {
		t.Errorf("want one surprise, the weather:\n%s", text)
	}
	i := slices.IndexFunc(r.Promised, func(x drill.Promise) bool { return x.Name == "federation" })
	if i < 0 || r.Promised[i].Refused == 0 || r.Promised[i].Users != 1 || r.Promised[i].Servers != 1 || r.Promised[i].When != "now" {
		t.Errorf("the budget promised %+v", r.Promised)
	}
	if r.People.Requests < 4 || r.People.Requests > 6 || r.People.Failed != 0 { // one message, two searches, one list of rooms
		t.Errorf("other people: %+v", r.People)
	}
	if status, out := p.admin(t, "GET", "/drill/reports/"+st.ID, nil); status != 200 || out["drill_id"] != st.ID {
		t.Errorf("the report: %d %v", status, out)
	}
	if status, _ := p.admin(t, "GET", "/drill/reports/none", nil); status != 404 {
		t.Errorf("no report: %d", status)
	}

	// Nothing is left behind.
	rooms, err := p.here.rooms.Overviews(t.Context())
	if err != nil || len(rooms) != 1 {
		t.Errorf("there are %d rooms, %v; want the one of before", len(rooms), err)
	}
	for _, name := range drillNames {
		user := id.NewUser(name, p.hereName)
		a, err := p.here.accounts.Find(t.Context(), user)
		if err != nil || a.Deactivated.IsZero() {
			t.Errorf("%s is open: %v", user, err)
		}
		if files, _, err := p.here.media.ItemsOf(t.Context(), user, "", false, 0, 1); err != nil || len(files) != 0 {
			t.Errorf("%s has files: %v", user, err)
		}
		if status, _ := ask(t, "POST", p.hereURL+"/_matrix/client/v3/register", "", map[string]any{
			"username": name, "password": "secret", "auth": map[string]any{"type": "m.login.dummy"},
		}); status == 200 {
			t.Errorf("%s can be registered", name)
		}
	}
}

// Another drill uses the accounts of the first; what is stopped ends at once, and the clock is given back.
func TestDrillAgain(t *testing.T) {
	p := newPair(t)
	for i, scope := range []string{"outside", "names,time"} {
		if err := p.here.drills.Start(drill.Order{For: time.Hour, Scope: scope, By: "a test"}); err != nil {
			t.Fatal(err)
		}
		st := until(t, p.here, 30*time.Second, drill.Cutting)
		time.Sleep(700 * time.Millisecond)
		if held := p.here.clock.held.Load() != nil; held != (i == 1) {
			t.Errorf("%s: the clock is held: %v", scope, held)
		}
		if off := time.Until(p.here.config.Now()).Abs(); off > time.Second {
			t.Errorf("%s: the clock is off by %s", scope, off)
		}
		began := time.Now()
		if was, err := drill.Stop(p.here.config.DataDir); !was || err != nil {
			t.Fatalf("stop: %v, %v", was, err)
		}
		for p.here.door.CutState() != dial.CutNothing {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: it took %s to stop", scope, took)
		}
		until(t, p.here, 60*time.Second, drill.Idle)
		if r := reportOf(t, p.here, st.ID); !r.Stopped || len(r.Surprises) > 0 || r.Journeys.Rounds == 0 {
			t.Errorf("%s: got %s", scope, r.String())
		}
		if p.here.clock.held.Load() != nil {
			t.Error("the clock is held")
		}
	}
	all, err := p.here.accounts.Count(t.Context())
	if err != nil || all != 3 { // alice, and the two of the drills
		t.Errorf("there are %d accounts, %v", all, err)
	}
}

// Accounts of a drill that was killed before its cut are closed at the next start.
func TestLeftoverCastLeaves(t *testing.T) {
	dir := t.TempDir()
	s, base, _, stop := start(t, func(c *Config) { c.DataDir, c.Registration = dir, account.Open })
	ask(t, "POST", base+"/_matrix/client/v3/register", "", map[string]any{"username": "alice", "password": "secret alice", "auth": map[string]any{"type": "m.login.dummy"}})
	if _, err := (cast{s}).Enter(t.Context(), "secret"); err != nil {
		t.Fatal(err)
	}
	stop()
	if found, err := filepath.Glob(filepath.Join(dir, "drills", "cast.json")); err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	s, _, _, _ = start(t, func(c *Config) { c.DataDir = dir })
	user := id.NewUser(drillNames[1], s.config.ServerName)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		a, err := s.accounts.Find(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		if !a.Deactivated.IsZero() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the account is still open")
		}
	}
}
