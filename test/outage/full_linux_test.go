package outage

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/test/crash"
	"freehold.example/test/harness"
)

// wantFull checks the one answer to whoever wants something kept that there is no room for.
func wantFull(t *testing.T, what string, a *answer) {
	t.Helper()
	if a.status != http.StatusServiceUnavailable || a.str("errcode") != "M_UNKNOWN" || !strings.Contains(a.str("error"), "disk is full") || a.header.Get("Retry-After") == "" {
		t.Errorf("%s on a full disk: got %s, Retry-After %q", what, a, a.header.Get("Retry-After"))
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 200, 100))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The disk fills up under a running server, and is emptied again. Writes are refused in words, reading goes on, nothing
// acknowledged is lost, nothing refused comes back, and no restart is needed.
func TestDiskFull(t *testing.T) {
	d := smallDisk(t)
	s := harness.On(t, filepath.Join(d.dir, "data"))
	s.Start()
	alice, bob := register(t, s.URL, "alice"), register(t, s.URL, "bob")
	room := alice.room()
	bob.ok("POST", client+"/join/"+url.PathEscape(room), nil)
	file := noise(10_000)
	kept := strings.TrimPrefix(alice.ok("POST", "/_matrix/media/v3/upload", file).str("content_uri"), "mxc://")
	seen := strings.TrimPrefix(alice.ok("POST", "/_matrix/media/v3/upload", picture(t)).str("content_uri"), "mxc://")
	var acknowledged []string
	say := func(text string) *answer {
		a := alice.send(room, text, text)
		if a.status == http.StatusOK {
			acknowledged = append(acknowledged, text)
		}
		return a
	}
	if a := say("before"); a.status != http.StatusOK {
		t.Fatal(a)
	}
	since := bob.ok("GET", client+"/sync", nil).str("next_batch")
	for round := range 3 {
		d.fill()
		// What SQLite's log has room for already can still be written.
		var a *answer
		for n := range 20_000 {
			if a = say(fmt.Sprint("full-", round, "-", n)); a.status != http.StatusOK {
				break
			}
		}
		wantFull(t, "a message", a)
		waiting := make(chan *answer, 1)
		next := bob.ok("GET", client+"/sync?since="+since, nil).str("next_batch")
		go func() { waiting <- bob.do("GET", client+"/sync?timeout=30000&since="+next, nil) }()
		for range 3 {
			wantFull(t, "a message", say("refused"))
			wantFull(t, "an upload", alice.do("POST", "/_matrix/media/v3/upload", noise(50_000)))
			wantFull(t, "a room", alice.do("POST", client+"/createRoom", obj{}))
			wantFull(t, "account data", alice.do("PUT", client+"/user/"+alice.id+"/account_data/x.y", obj{"v": strings.Repeat("x", 5000)}))
			wantFull(t, "a login", alice.do("POST", client+"/login", obj{"type": "m.login.password", "identifier": obj{"type": "m.id.user", "user": "alice"}, "password": "alicealice"}))
		}
		if got := bob.texts(room); !slices.Equal(got, acknowledged) {
			t.Errorf("read on a full disk: got %d messages, want %d", len(got), len(acknowledged))
		}
		bob.ok("GET", client+"/sync", nil)
		bob.ok("GET", client+"/account/whoami", nil)
		if got := bob.ok("GET", "/_matrix/client/v1/media/download/"+kept, nil); !bytes.Equal(got.raw, file) {
			t.Errorf("download on a full disk: got %d bytes", len(got.raw))
		}
		small := bob.ok("GET", "/_matrix/client/v1/media/thumbnail/"+seen+"?width=32&height=32", nil)
		if _, err := png.Decode(bytes.NewReader(small.raw)); err != nil {
			t.Errorf("thumbnail on a full disk: %v", err)
		}
		health := bob.ok("GET", "/health", nil)
		if got := health.str("status"); got != "degraded" || !strings.Contains(health.str("detail"), "disk is full") {
			t.Errorf("health on a full disk: got %s", health)
		}

		d.free()
		after := fmt.Sprint("after-", round)
		if a := say(after); a.status != http.StatusOK {
			t.Fatalf("with room again: got %s", a)
		}
		if a := <-waiting; !strings.Contains(string(a.raw), after) {
			t.Errorf("who waited all the time got %s", a)
		}
		if health := bob.ok("GET", "/health", nil); health.str("status") != "ok" {
			t.Errorf("health with room again: got %s", health)
		}
		alice.ok("POST", "/_matrix/media/v3/upload", noise(50_000))
		alice.room()
		since = bob.ok("GET", client+"/sync", nil).str("next_batch")
	}
	s.Stop()
	left, err := os.ReadDir(filepath.Join(s.Dir, "media", "incoming"))
	if err != nil || len(left) != 0 {
		t.Errorf("refused uploads have left %v, %v", left, err)
	}
	check(t, s.Dir)
	log := s.Log(1 << 30)
	full, again := strings.Count(log, "the disk is full: writes"), strings.Count(log, "there is room on the disk again")
	if full != 3 || again != 3 || strings.Contains(log, "a batch of writes was lost") {
		t.Errorf("the log says %d times that the disk is full, and %d times that there is room again; want 3", full, again)
	}
	s.Start()
	if got := bob.texts(room); !slices.Equal(got, acknowledged) {
		t.Errorf("after a restart: got %d messages, want %d", len(got), len(acknowledged))
	}
	s.Stop()
}

func check(t *testing.T, dir string) {
	t.Helper()
	db, err := sqldb.Open(context.Background(), sqldb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	problems, err := crash.Check(context.Background(), db)
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
}

// A server that is started on a full disk says what is wrong and where, and starts when there is room.
func TestStartOnAFullDisk(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("first=%v", first), func(t *testing.T) {
			d := smallDisk(t)
			s := harness.On(t, filepath.Join(d.dir, "data"))
			if !first {
				s.Start()
				alice := register(t, s.URL, "alice")
				alice.send(alice.room(), "t", "before")
				s.Stop()
			}
			d.fill()
			began := time.Now()
			err := s.TryStart()
			if err == nil {
				t.Fatal("it has started")
			}
			if text := err.Error(); !strings.Contains(text, "data_dir: the disk is full") || !strings.Contains(text, s.Dir) || strings.Contains(text, "goroutine") {
				t.Errorf("got %v, want it to say that the disk is full, and which", err)
			}
			t.Log(err)
			if took := time.Since(began); took > 50*time.Second { // less than what the harness waits
				t.Errorf("it took %v", took)
			}
			d.free()
			s.Start()
			if health := (&user{t: t, base: s.URL}).ok("GET", "/health", nil); health.str("status") != "ok" {
				t.Errorf("got %s", health)
			}
			s.Stop()
		})
	}
}

// After a power cut on a full disk everything that SQLite needs is there already: the server starts, and what is there can
// be read.
func TestStartAfterACrashOnAFullDisk(t *testing.T) {
	d := smallDisk(t)
	s := harness.On(t, filepath.Join(d.dir, "data"))
	s.Start()
	alice := register(t, s.URL, "alice")
	room := alice.room()
	alice.send(room, "t", "before")
	d.fill()
	for n := 0; alice.send(room, fmt.Sprint("full", n), "full").status == http.StatusOK; n++ {
		continue
	}
	before := alice.texts(room)
	s.Kill()
	d.fill()
	s.Start()
	if got := alice.texts(room); !slices.Equal(got, before) {
		t.Errorf("got %d messages, want %d", len(got), len(before))
	}
	alice.ok("GET", client+"/sync", nil)
	d.free()
	if a := alice.send(room, "after", "after"); a.status != http.StatusOK {
		t.Errorf("with room again: got %s", a)
	}
	s.Stop()
	check(t, s.Dir)
}

// However little room there is at the first start, the server says so or runs, and comes up when there is more: nothing that
// it has made by half is in its way.
func TestStartOnANearlyFullDisk(t *testing.T) {
	d := smallDisk(t)
	started := 0
	for kilobytes := int64(4); kilobytes <= 4096; kilobytes *= 2 {
		d.leave(kilobytes << 10)
		s := harness.On(t, filepath.Join(d.dir, fmt.Sprint("data", kilobytes)))
		if err := s.TryStart(); err == nil {
			started++
			alice := &user{t: t, base: s.URL}
			if a := alice.do("POST", client+"/register", obj{"username": "alice", "password": "alicealice", "auth": obj{"type": "m.login.dummy"}}); a.status != http.StatusOK {
				wantFull(t, "an account", a)
			}
			s.Stop()
		} else if !strings.Contains(err.Error(), "data_dir: the disk is full") {
			t.Errorf("with %d kB: got %v", kilobytes, err)
		}
		d.free()
		if err := s.TryStart(); err != nil {
			t.Fatalf("after a first start with %d kB: %v", kilobytes, err)
		}
		register(t, s.URL, "bob")
		s.Stop()
		check(t, s.Dir)
		if err := os.RemoveAll(s.Dir); err != nil {
			t.Fatal(err)
		}
	}
	if started == 0 {
		t.Error("it has never started")
	}
}
