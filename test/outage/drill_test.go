package outage

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/core/drill"
	"freehold.example/test/harness"
)

// together are two servers as processes of their own, with a room that alice of one and bob of the other are in.
type together struct {
	t           *testing.T
	here, there *harness.Server
	alice, bob  *user
	room        string
}

func newTogether(t *testing.T) *together {
	t.Helper()
	start := func() *harness.Server {
		_, env, err := harness.Federated(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return harness.Start(t, harness.SQLite, append(env, "FREEHOLD_REGISTRATION=open", "FREEHOLD_RATE_LIMITS=off", "FREEHOLD_PASSWORD_HASHING=fast")...)
	}
	w := &together{t: t, here: start(), there: start()}
	w.alice, w.bob = register(t, w.here.URL, "alice"), register(t, w.there.URL, "bob")
	w.room = w.alice.room()
	_, hereName, _ := strings.Cut(w.alice.id, ":")
	w.bob.ok("POST", client+"/join/"+url.PathEscape(w.room)+"?via="+url.QueryEscape(hereName), obj{})
	w.say("before")
	w.arrives("before", 30*time.Second)
	return w
}

func (w *together) say(text string) {
	w.t.Helper()
	if a := w.alice.send(w.room, text, text); a.status != 200 {
		w.t.Errorf("say %q: %s", text, a)
	}
}

func (w *together) arrived(text string) bool {
	w.t.Helper()
	return slices.Contains(w.bob.texts(w.room), text)
}

func (w *together) arrives(text string, within time.Duration) {
	w.t.Helper()
	for deadline := time.Now().Add(within); !w.arrived(text); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%q has not arrived within %s", text, within)
		}
	}
}

// status asks how it goes with the drill.
func (w *together) status() (s drill.Status) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.here.Run("drill", "status", "--json")), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *together) until(phase drill.Phase, within time.Duration) drill.Status {
	w.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		s := w.status()
		if s.Phase == phase {
			return s
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("after %s the drill is at %+v, want %q\n%s", within, s, phase, w.here.Log(4000))
		}
	}
}

// A drill is killed in the middle: the command first, then the server, both with SIGKILL. The server is cut off again as soon as
// it is back, and the way out is open at the stated end.
func TestDrillIsKilled(t *testing.T) {
	const length = 20 * time.Second
	w := newTogether(t)
	command, said := w.here.Command("drill", "--for", length.String(), "--scope", "all-peers")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	begun := w.until(drill.Cutting, 30*time.Second)
	end := time.UnixMilli(begun.Ends)
	if left := time.Until(end); left < length-5*time.Second || left > length {
		t.Errorf("it is to end in %s, want %s; the command said %s", left, length, said)
	}
	if err := command.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = command.Wait() // it was killed
	w.say("during")
	time.Sleep(time.Second + rand.N(4*time.Second))
	if s := w.status(); s.Phase != drill.Cutting || w.arrived("during") {
		t.Errorf("the command was killed: the drill is at %+v", s)
	}
	w.here.Kill()
	time.Sleep(rand.N(3 * time.Second))
	w.here.Start()
	again := w.status()
	if again.Phase != drill.Cutting || again.ID != begun.ID || time.UnixMilli(again.Ends).Sub(end).Abs() > time.Second {
		t.Errorf("after the server was killed: %+v, want it to go on until %s", again, end)
	}
	w.say("during, after the start")
	for time.Until(end) > time.Second {
		if w.arrived("during") || w.arrived("during, after the start") {
			t.Fatalf("it is %s before the end, and the way out is open", time.Until(end))
		}
		time.Sleep(300 * time.Millisecond)
	}
	time.Sleep(time.Until(end.Add(700 * time.Millisecond)))
	if s := w.status(); s.Phase == drill.Cutting {
		t.Errorf("past its end it is at %+v", s)
	}
	w.arrives("during", 30*time.Second)
	w.arrives("during, after the start", 30*time.Second)
	w.until(drill.Idle, 60*time.Second)

	// Its report is signed, and says what happened.
	var r drill.Report
	if err := json.Unmarshal([]byte(w.here.Run("drill", "report", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if r.Restarts != 1 || r.Stopped || r.Cut > length.Milliseconds() || r.Cut < (length-time.Second).Milliseconds() || r.Journeys.Rounds == 0 || !r.Healing.Healed {
		t.Errorf("got %s", r.String())
	}
	if len(r.Surprises) != 0 {
		t.Errorf("surprises: %v", r.Surprises)
	}
	file := filepath.Join(w.here.Dir, "drills", r.ID+".json")
	if out := w.here.Run("drill", "verify", file); !strings.Contains(out, "That is the key of the server here") {
		t.Errorf("verify: %s", out)
	}
	signed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(signed, []byte(`"restarts":1`), []byte(`"restarts":0`), 1)
	forged := filepath.Join(t.TempDir(), "forged.json")
	if err := os.WriteFile(forged, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(signed, changed) {
		t.Fatal("nothing was changed")
	}
	verify, out := w.here.Command("drill", "verify", forged)
	if err := verify.Run(); err == nil || !strings.Contains(out.String(), "does not verify") {
		t.Errorf("a changed report verifies: %s", out)
	}
}

// Where the server is away at the stated end, the way out is open when it is back; where somebody has stopped the drill
// meanwhile, too.
func TestDrillEndsWhileTheServerIsAway(t *testing.T) {
	for _, how := range []string{"the end", "stop"} {
		t.Run(how, func(t *testing.T) {
			w := newTogether(t)
			length := "4s"
			if how == "stop" {
				length = "1h"
			}
			w.here.Run("drill", "--detach", "--for", length, "--scope", "all-peers,outside")
			begun := w.until(drill.Cutting, 30*time.Second)
			w.say("during")
			w.here.Kill()
			if how == "stop" {
				w.here.Run("drill", "stop")
			} else {
				time.Sleep(time.Until(time.UnixMilli(begun.Ends)) + 200*time.Millisecond)
			}
			w.here.Start()
			if s := w.status(); s.Phase == drill.Cutting && s.Left > 0 {
				t.Errorf("it is cut off: %+v", s)
			}
			w.arrives("during", 20*time.Second)
			w.until(drill.Idle, 60*time.Second)
		})
	}
}
