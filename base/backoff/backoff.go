// Package backoff is the arithmetic of trying again: waits that double up to a cap, spread by chance so that many who
// lost the same thing at once do not all come back at once.
//
// Nothing here keeps time or sleeps, and nothing ever gives up: silence is not death (design D10).
package backoff

import (
	"math"
	"math/rand/v2"
	"time"
)

// Policy says how long to wait after how many failures. The zero value waits 1 s, 2 s, 4 s and so on up to 5 min, each
// spread by a fifth either way.
type Policy struct {
	First  time.Duration // the wait after the first failure; 0 is 1 s
	Cap    time.Duration // the longest wait, spread included; 0 is 5 min
	Factor float64       // how much longer each wait is than the one before; below 1 is 2
	Jitter float64       // how far chance moves a wait, as a part of it, 0 to 1; 0 is 0.2, negative is none
}

// Wait is the wait after that many failures in a row (0 is none: no wait). u in [0, 1) is the throw of the dice.
func (p Policy) Wait(failures int, u float64) time.Duration {
	if failures <= 0 {
		return 0
	}
	first, longest, factor, jitter := p.First, p.Cap, p.Factor, p.Jitter
	if first <= 0 {
		first = time.Second
	}
	if longest <= 0 {
		longest = 5 * time.Minute
	}
	if !(factor >= 1) { // also NaN
		factor = 2
	}
	switch {
	case jitter == 0:
		jitter = 0.2
	case !(jitter > 0):
		jitter = 0
	case jitter > 1:
		jitter = 1
	}
	// At the cap the spread goes down only, so that the cap is a promise and the spread is not lost.
	w := math.Min(float64(first)*math.Pow(factor, float64(failures-1)), float64(longest)/(1+jitter))
	w *= 1 - jitter + 2*jitter*u
	return time.Duration(math.Min(math.Max(w, 0), float64(longest)))
}

// Backoff counts the failures of one thing. The zero value is ready, with the zero Policy and Go's random source. It is
// not safe for use by several goroutines at once.
type Backoff struct {
	Policy   Policy
	Rand     func() float64 // in [0, 1); nil is math/rand/v2
	failures int
}

// Next counts a failure and says how long to wait before the next attempt.
func (b *Backoff) Next() time.Duration {
	if b.failures < math.MaxInt32 {
		b.failures++
	}
	random := b.Rand
	if random == nil {
		random = rand.Float64
	}
	return b.Policy.Wait(b.failures, random())
}

// Reset forgets all failures: call it after a success and at any other sign of life.
func (b *Backoff) Reset() { b.failures = 0 }

// Failures is how many there were in a row.
func (b *Backoff) Failures() int { return b.failures }
