package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestSide: what comes from outside and what does not get there is seen, and nothing of what goes on inside.
func TestSide(t *testing.T) {
	now, broken := time.UnixMilli(1e12), false
	tick := func() time.Time { now = now.Add(time.Minute); return now }
	d := New(Config{Inside: prefixes("10.0.0.0/8"), Now: func() time.Time { return now }, Lookup: names(map[string][]string{
		"out": {"8.8.8.8"}, "in": {"10.0.0.1"},
	}), Connect: func(context.Context, netip.AddrPort) (net.Conn, error) {
		if broken {
			return nil, errors.New("broken")
		}
		a, b := net.Pipe()
		go func() {
			_, _ = b.Write([]byte("x"))
			_ = b.Close()
		}()
		return a, nil
	}})
	w := way(t, d, Everywhere)
	talk := func(to string) {
		t.Helper()
		if c, err := w.DialContext(t.Context(), "tcp", to+":1"); err == nil {
			_, _ = c.Read(make([]byte, 1))
			_ = c.Close()
		}
	}
	want := func(what string, heard, failing time.Time) {
		t.Helper()
		if got := d.Side(); !got.Heard.Equal(heard) || !got.Failing.Equal(failing) {
			t.Errorf("%s: got %+v, want %v, %v", what, got, heard, failing)
		}
	}
	talk("in")
	want("inside", time.Time{}, time.Time{})
	heard := tick()
	talk("out")
	want("outside", heard, time.Time{})
	broken = true
	tick()
	talk("in")
	talk("10.0.0.1")
	want("not reached inside", heard, time.Time{})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = w.DialContext(canceled, "tcp", "out:1")
	want("given up", heard, time.Time{})
	for _, to := range []string{"out", "nowhere", "8.8.8.8"} {
		heard, broken = tick(), false
		talk("out")
		failing := tick()
		broken = true
		talk(to)
		tick()
		talk("out")
		want("failing to "+to, heard, failing)
	}
	heard, broken = tick(), false
	talk("out")
	d.Cut(CutOutside)
	failing := tick()
	talk("out")
	want("a rehearsal", heard, failing)
}
