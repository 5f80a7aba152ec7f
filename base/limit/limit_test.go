package limit

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/matrix/fault"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Unix(1_800_000_000, 0)} }

func TestBurstThenSteady(t *testing.T) {
	c := newClock()
	l := New(Config{Rates: map[Name]Rate{Send: {Burst: 3, Every: time.Second}}}, c.now)
	for i := range 3 {
		if ok, _ := l.Take(Send, "@a"); !ok {
			t.Fatalf("use %d of the burst was refused", i)
		}
	}
	ok, after := l.Take(Send, "@a")
	if ok || after != time.Second {
		t.Fatalf("got %v, %s after the burst, want false, 1s", ok, after)
	}
	if ok, _ := l.Take(Send, "@b"); !ok {
		t.Error("another key was refused")
	}
	if ok, _ := l.Take(Join, "@a"); !ok {
		t.Error("another limit was refused")
	}
	c.t = c.t.Add(after)
	if ok, _ := l.Take(Send, "@a"); !ok {
		t.Error("refused after waiting as told")
	}
	if ok, _ := l.Take(Send, "@a"); ok {
		t.Error("two were given after waiting for one")
	}
	c.t = c.t.Add(time.Hour)
	n := 0
	for ; n < 100; n++ {
		if ok, _ := l.Take(Send, "@a"); !ok {
			break
		}
	}
	if n != 3 {
		t.Errorf("got %d after a long rest, want the burst of 3", n)
	}
}

func TestRefusedUsesAreNotCounted(t *testing.T) {
	c := newClock()
	l := New(Config{Rates: map[Name]Rate{Login: {Burst: 1, Every: time.Second}}}, c.now)
	l.Take(Login, "x")
	for range 100 {
		l.Take(Login, "x")
	}
	c.t = c.t.Add(time.Second)
	if ok, _ := l.Take(Login, "x"); !ok {
		t.Error("asking too early pushed the next use away")
	}
}

func TestClockSetBack(t *testing.T) {
	c := newClock()
	l := New(Config{Rates: map[Name]Rate{Send: {Burst: 2, Every: time.Second}}}, c.now)
	l.Take(Send, "x")
	c.t = c.t.Add(-24 * time.Hour)
	if _, after := l.Take(Send, "x"); after > time.Second {
		t.Errorf("got a wait of %s after the clock went back a day, want at most 1s", after)
	}
	c.t = c.t.Add(time.Second)
	if ok, _ := l.Take(Send, "x"); !ok {
		t.Error("refused a second after the clock went back")
	}
}

func TestOff(t *testing.T) {
	c := newClock()
	off := New(Config{Off: true}, c.now)
	on := New(Config{}, c.now)
	for range 10_000 {
		if ok, _ := off.Take(Login, "x"); !ok {
			t.Fatal("refused though limits are off")
		}
		if ok, _ := on.Take(None, "x"); !ok {
			t.Fatal("None was refused")
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := newClock()
	l := New(Config{Buckets: 100, Rates: map[Name]Rate{Send: {Burst: 1, Every: time.Hour}}}, c.now)
	for i := range 10_000 {
		l.Take(Send, fmt.Sprint(i))
		l.Take(Send, "busy") // used all the time, so never forgotten
	}
	if n := len(l.young) + len(l.old); n > 100 {
		t.Errorf("got %d buckets, want at most 100", n)
	}
	if ok, _ := l.Take(Send, "9999"); ok {
		t.Error("the newest bucket was forgotten")
	}
}

func TestConcurrentUseIsExact(t *testing.T) {
	c := newClock()
	l := New(Config{Rates: map[Name]Rate{Send: {Burst: 500, Every: time.Hour}}}, c.now)
	var wg sync.WaitGroup
	got := make([]int, 4)
	for i := range got {
		wg.Go(func() {
			for range 250 {
				if ok, _ := l.Take(Send, "x"); ok {
					got[i]++
				}
			}
		})
	}
	wg.Wait()
	if sum := got[0] + got[1] + got[2] + got[3]; sum != 500 {
		t.Errorf("got %d uses, want 500", sum)
	}
}

func TestNames(t *testing.T) {
	for _, n := range append(Names(), None) {
		text, _ := n.MarshalText()
		var back Name
		if err := back.UnmarshalText(text); err != nil || back != n {
			t.Errorf("%s: got %v, %v back", n, back, err)
		}
		if n != None {
			if r := (Config{}).Rate(n); r.Burst < 1 || r.Every <= 0 {
				t.Errorf("%s has no usable default: %+v", n, r)
			}
		}
	}
	var n Name
	if err := n.UnmarshalText([]byte("nonsense")); err == nil {
		t.Error("an unknown name was taken")
	}
	if err := n.UnmarshalText(nil); err == nil {
		t.Error("an empty name was taken")
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{}, ""},
		{Config{Rates: map[Name]Rate{Send: {Burst: 1}}}, ""},
		{Config{Buckets: -1}, "buckets"},
		{Config{Rates: map[Name]Rate{None: {}}}, "none"},
		{Config{Rates: map[Name]Rate{Send: {Burst: -1}}}, "rates.send.burst"},
		{Config{Rates: map[Name]Rate{Send: {Every: -1}}}, "rates.send.every"},
	} {
		err := tt.c.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.c, err, tt.want)
		}
	}
}

func TestAddr(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1",
		"::ffff:192.0.2.1":     "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"fe80::1%eth0":         "fe80::",
	} {
		if got := Addr(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	c := newClock()
	l := New(Config{}, c.now)
	for b.Loop() {
		c.t = c.t.Add(time.Millisecond)
		l.Take(Send, "@alice:example.org")
	}
}

// One device may use what the configuration says, all of an account together twice that; where a limit is not one of
// devices, a device has no share of its own.
func TestDevices(t *testing.T) {
	c := newClock()
	l := New(Config{Rates: map[Name]Rate{Send: {Burst: 3, Every: time.Second}, Create: {Burst: 3, Every: time.Second}}}, c.now)
	take := func(name Name, device string) (n int) {
		for ; n < 100; n++ {
			if ok, _ := l.Take(name, Device("@a", device)); !ok {
				return n
			}
		}
		return n
	}
	got := []int{take(Send, "ONE"), take(Send, "TWO"), take(Send, "THREE"), take(Create, "ONE"), take(Create, "TWO")}
	if want := []int{3, 3, 0, 3, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v of a device, another, a third, and twice of a limit by account; want %v", got, want)
	}
	c.t = c.t.Add(time.Second)
	got = []int{take(Send, "ONE"), take(Send, "TWO"), take(Send, "THREE")}
	if want := []int{1, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v a second later, want %v", got, want)
	}
}

func TestSpendAndGiveBack(t *testing.T) {
	c := newClock()
	l := New(Config{Rates: map[Name]Rate{Invite: {Burst: 10, Every: time.Second}, Password: {Burst: 2, Every: time.Minute}}}, c.now)
	if err := l.Spend(Invite, "@a", 7); err != nil {
		t.Error(err)
	}
	err := l.Spend(Invite, "@a", 5)
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Code != fault.LimitExceeded || f.RetryAfter != 2*time.Second {
		t.Errorf("got %v for five when three are left, want two seconds to wait", err)
	}
	if err := l.Spend(Invite, "@a", 3); err != nil {
		t.Errorf("what was refused was counted: %v", err)
	}
	if err := l.Spend(Invite, "@b", 1000); err != nil {
		t.Errorf("got %v for more than a burst from a full bucket", err)
	}
	for range 100 {
		if err := l.Spend(Password, "x", 1); err != nil {
			t.Fatalf("what was given back was counted: %v", err)
		}
		l.GiveBack(Password, "x")
	}
	l.GiveBack(Password, "never seen")
	var none *Limits
	if err := none.Spend(Login, "x", 1); err != nil {
		t.Error(err)
	}
	none.GiveBack(Login, "x")
}
