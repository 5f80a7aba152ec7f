package backoff

import (
	"math"
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	plain := Policy{First: time.Second, Cap: time.Minute, Jitter: -1}
	for _, tt := range []struct {
		name     string
		p        Policy
		failures int
		u        float64
		want     time.Duration
	}{
		{"none", plain, 0, 0.5, 0},
		{"negative", plain, -3, 0.5, 0},
		{"first", plain, 1, 0.5, time.Second},
		{"second", plain, 2, 0.5, 2 * time.Second},
		{"sixth", plain, 6, 0.5, 32 * time.Second},
		{"cap", plain, 7, 0.5, time.Minute},
		{"far", plain, math.MaxInt, 0.5, time.Minute},
		{"no jitter ignores chance", plain, 3, 0.99, 4 * time.Second},
		{"factor", Policy{First: time.Second, Factor: 3, Jitter: -1}, 3, 0, 9 * time.Second},
		{"steady", Policy{First: time.Second, Factor: 1, Jitter: -1}, 9, 0, time.Second},
		{"low", Policy{First: 10 * time.Second, Jitter: 0.5}, 1, 0, 5 * time.Second},
		{"middle", Policy{First: 10 * time.Second, Jitter: 0.5}, 1, 0.5, 10 * time.Second},
		{"high", Policy{First: 10 * time.Second, Jitter: 0.5}, 1, 1, 15 * time.Second},
		{"high at cap", Policy{First: time.Second, Cap: time.Minute, Jitter: 0.5}, 99, 1, time.Minute},
		{"low at cap", Policy{First: time.Second, Cap: time.Minute, Jitter: 0.5}, 99, 0, 20 * time.Second},
		{"zero policy", Policy{}, 2, 0.5, 2 * time.Second},
		{"nonsense", Policy{Factor: math.NaN(), Jitter: math.NaN()}, 2, 0.5, 2 * time.Second},
	} {
		if got := tt.p.Wait(tt.failures, tt.u); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestCapHolds(t *testing.T) {
	for n := range 200 {
		for _, u := range []float64{0, 0.3, 0.999999} {
			if got := (Policy{}).Wait(n, u); got < 0 || got > 5*time.Minute {
				t.Fatalf("got %s after %d failures, want at most 5m", got, n)
			}
		}
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{Rand: func() float64 { return 0.5 }}
	for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if got := b.Next(); got != want || b.Failures() != i+1 {
			t.Errorf("got %s after %d failures, want %s after %d", got, b.Failures(), want, i+1)
		}
	}
	b.Reset()
	if got := b.Next(); got != time.Second {
		t.Errorf("got %s after a success, want 1s", got)
	}
	var spread Backoff
	if a, b := spread.Next(), spread.Next(); a == b || a < 800*time.Millisecond || a > 1200*time.Millisecond {
		t.Errorf("got %s and %s, want about 1s and 2s", a, b)
	}
}
