package change

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.example/base/durable"
	"freehold.example/test/address"
)

// foolish are seeds that a server can run with: who writes them into the file by hand, and starts it, has what he wanted.
var foolish = map[string]bool{
	"the listener moved": true, "nobody allowed": true, "federation off": true, "the clock a year ahead": true, "the clock a year behind": true,
	"hardly any media": true, "nobody may read": true, "a dead bridge": true, "an expired certificate": true, "a port of other servers taken": false,
}

// The file edited by hand, and the server started: it runs with what was confirmed, and says so; with the next good file it is
// as before.
func TestBadFiles(t *testing.T) {
	groups(t, "", func(t *testing.T, h *house, b seed) {
		if foolish[b.name] {
			t.Skip("that is a way to run a server")
		}
		h.Stop()
		if err := os.WriteFile(h.File, []byte(b.text(h.good)), 0o600); err != nil {
			t.Fatal(err)
		}
		h.Start()
		if err := h.readable(); err != nil {
			t.Error(err)
		}
		if out := h.run("status"); !strings.Contains(out, "\n! "+h.File+" ") && b.name != "a file far too long" {
			t.Errorf("nothing is said of the file: %s", out)
		}
		resp, err := http.Get(h.URL + "/health")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := os.WriteFile(h.File, []byte(h.good), 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

// run is a command that may fail.
func (h *house) run(args ...string) string {
	cmd, out := h.Command(args...)
	_ = cmd.Run() // what it says is looked at
	return out.String()
}

// While another process has the database, nobody is served, but for the operator: and when it is free again, everybody.
func TestDoorWithoutDatabase(t *testing.T) {
	h := newHouse(t, "")
	h.Stop()
	unlock, err := durable.Lock(filepath.Join(h.Dir, "freehold.db.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Launch(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); !strings.Contains(h.run("status"), "NOT SERVING"); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > undone {
			t.Fatalf("the door does not open: %s", h.run("status"))
		}
	}
	for command, want := range map[string]string{
		"status": "another process uses this data directory", "logs": "trying on", "config history": "* 1 ", "user list": "not serving", "drill stop": "",
	} {
		if out := h.run(strings.Fields(command)...); !strings.Contains(out, want) {
			t.Errorf("%s: %s", command, out)
		}
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	h.settled()
	h.Stop()
}

// A log that cannot be written, as to a full disk, keeps nobody from anything, and is there for who asks.
func TestFullLog(t *testing.T) {
	h := newHouse(t, "")
	h.Stop()
	h.Errors = "/dev/full"
	h.Start()
	_ = h.apply(h.good + "log_level = \"debug\"\n").Run() // on trial
	h.settled()
	if out := h.run("logs"); !strings.Contains(out, "serving") {
		t.Errorf("got %s", out)
	}
	h.Stop()
}

// A change that moves the listener is in use until it is undone: only a confirmation that comes by the new address keeps it.
func TestConfirmedByTheNewAddress(t *testing.T) {
	h := newHouse(t, "")
	old, next := h.URL, address.For(t)
	text := strings.ReplaceAll(h.good, strings.TrimPrefix(old, "http://"), next)
	if err := h.apply(text).Run(); err != nil {
		t.Fatal(err)
	}
	if h.URL = "http://" + next; h.readable() != nil {
		t.Errorf("not served at the new address: %v", h.readable())
	}
	if out := h.run("config", "confirm", "--at", "http://"+address.For(t)); !strings.Contains(out, "nothing is confirmed") {
		t.Errorf("confirmed by an address that nobody is at: %s", out)
	}
	h.URL = old
	h.settled()
	if out := h.run("config", "confirm"); !strings.Contains(out, "No configuration waits") {
		t.Errorf("confirmed too late: %s", out)
	}

	if err := h.apply(text).Run(); err != nil {
		t.Fatal(err)
	}
	if out := h.run("config", "confirm"); !strings.Contains(out, "is confirmed") {
		t.Fatal(out)
	}
	h.URL = "http://" + next
	time.Sleep(within + 200*time.Millisecond)
	if err := h.readable(); err != nil {
		t.Errorf("what was confirmed was undone: %v", err)
	}
	if b, err := os.ReadFile(h.File); err != nil || string(b) != text {
		t.Errorf("the file has (%v) %s", err, b)
	}
	h.Kill()
	h.Start()
	if err := h.readable(); err != nil {
		t.Errorf("what was confirmed is gone after a kill: %v", err)
	}
	h.Stop()
}

// A process that puts itself in its own place, as it does when a generation does not end, serves as before.
func TestAnew(t *testing.T) {
	program, err := gullible()
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, program)
	process := func() string {
		_, after, _ := strings.Cut(h.run("status"), "process ")
		number, since, _ := strings.Cut(after, " since ")
		since, _, _ = strings.Cut(since, "\n")
		return number + " " + since
	}
	before := process()
	time.Sleep(time.Second)                                                  // status says when to the second
	_ = h.apply(h.good + "support_page = \"https://anew.example/\"\n").Run() // whom it asks is gone
	h.settled()
	after := process()
	if number, _, _ := strings.Cut(before, " "); before == after || !strings.HasPrefix(after, number+" ") {
		t.Errorf("got process %s, after %s", after, before)
	}
	h.Stop()
}
