package dial

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// phoneHome is a dependency that nobody has declared.
func phoneHome(url string, done chan<- error) {
	resp, err := http.Get(url)
	if err == nil {
		err = resp.Body.Close()
	}
	done <- err
}

// A connection that the door has not made is found, with the code that made it; those of the door, and those that somebody has
// made to this process, are not.
func TestStrangers(t *testing.T) {
	silent := listener(t) // takes connections and says nothing
	to := netip.MustParseAddrPort(silent.Addr().String())
	d := New(Config{Now: time.Now})
	if _, err := d.Strangers(); errors.Is(err, ErrUnknown) {
		t.Skip("this system does not tell which connections there are")
	}
	known, err := way(t, d, Everywhere).DialContext(t.Context(), "tcp", silent.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = known.Close() }()
	find := func() (found []Stranger) {
		all, err := d.Strangers()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			if s.Remote == to {
				found = append(found, s)
			}
		}
		return found
	}
	if found := find(); len(found) != 0 {
		t.Errorf("the door's own connection, or its other end, is taken for a stranger: %v", found)
	}

	done := make(chan error, 1)
	go phoneHome("http://"+silent.Addr().String(), done)
	var found []Stranger
	for deadline := time.Now().Add(5 * time.Second); len(found) == 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		found = find()
	}
	if len(found) != 1 || found[0].Local == netip.MustParseAddrPort(known.LocalAddr().String()) {
		t.Fatalf("got %v, want the one that was planted", found)
	}
	if who := Whose(); !strings.HasSuffix(who, ".phoneHome") {
		t.Errorf("it is said to be made by %q", who)
	}
}

func TestWhose(t *testing.T) {
	for _, tt := range []struct {
		about string
		stack []string
		want  string
	}{
		{"a hidden call", []string{"net/http.(*Client).do(0xc1)", "net/http.Get(...)", "freehold.example/core/feed.phoneHome(0xc000)"}, "freehold.example/core/feed.phoneHome"},
		{"a library", []string{"net.(*Dialer).DialContext(0xc1)", "github.com/some/metrics.(*Pusher).run(0xc1)", "created by github.com/some/metrics.New in goroutine 7"}, "github.com/some/metrics.(*Pusher).run"},
		{"by the door", []string{"net.(*Dialer).DialContext(0xc1)", "freehold.example/base/dial.(*Door).connect(0xc1)", "freehold.example/base/dial.(*Way).race.func1()"}, ""},
		{"a client of the door's", []string{"net/http.(*Client).do(0xc1)", "freehold.example/base/dial.(*transport).RoundTrip(0xc1)"}, ""},
		{"who asks this server", []string{"net.(*conn).Read(0xc1)", "net/http.(*connReader).Read(0xc1)", "net/http.(*conn).serve(0xc1)"}, ""},
		{"somebody who waits for something else", []string{"sync.(*Cond).Wait(0xc1)", "freehold.example/core/room.x()"}, ""},
	} {
		lines := []string{"goroutine 1 [select]:"}
		for _, line := range tt.stack {
			lines = append(lines, line, "\t/src/x.go:1 +0x1")
		}
		if got := whose([]byte(strings.Join(lines, "\n"))); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.about, got, tt.want)
		}
	}
}

func TestConnectionsThatAreBeingMadeAreKnown(t *testing.T) {
	d := New(Config{Now: time.Now})
	to := netip.MustParseAddrPort("127.0.0.1:1")
	done, again := d.connecting(to), d.connecting(to)
	done()
	if d.pending[to] != 1 {
		t.Errorf("got %d", d.pending[to])
	}
	again()
	if len(d.pending) != 0 {
		t.Errorf("got %v", d.pending)
	}
}
