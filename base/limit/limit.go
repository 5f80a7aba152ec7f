// Package limit says how often something may be done: one bucket for each limit and each account or address.
//
// The arithmetic is GCRA, the generic cell rate algorithm: a bucket is one instant, the time at which it will be full
// again, so that it costs a few bytes, needs no background goroutine and is exact. A bucket that is full carries no
// information and may be forgotten at any time.
package limit

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Rate is a limit's size: Burst at once, and one more after each Every.
type Rate struct {
	Burst int           `toml:"burst"` // how many may come at once; 0 in a Config takes the default
	Every time.Duration `toml:"every"` // after how long one more may come
}

// span is the time a bucket takes from empty to full.
func (r Rate) span() time.Duration { return time.Duration(r.Burst) * r.Every }

// Config is how limits are set. The zero value limits, with the numbers below.
type Config struct {
	Off     bool          // no limits at all: for tests and for measuring
	Buckets int           // how many buckets to keep in memory; 0 is 100,000, about 15 MB
	Rates   map[Name]Rate // numbers that differ from the defaults
}

const defaultBuckets = 100_000

// defaults are meant to be out of the way of every person and of well-behaved bots, and to make guessing, flooding and
// mass registration slow.
var defaults = [count]Rate{
	Login:     {Burst: 10, Every: 6 * time.Second},         // 10 guesses, then 10 a minute
	Register:  {Burst: 30, Every: 10 * time.Second},        // ten accounts at some three requests each; then 2 a minute
	Refresh:   {Burst: 30, Every: 10 * time.Second},        // tokens live for minutes, devices are many
	Sync:      {Burst: 60, Every: 100 * time.Millisecond},  // busy rooms answer at once, again and again
	Read:      {Burst: 300, Every: 20 * time.Millisecond},  // a client that opens a large account
	Search:    {Burst: 30, Every: 500 * time.Millisecond},  // typing into a search field
	Write:     {Burst: 100, Every: 200 * time.Millisecond}, // account data, profile, push rules, tags
	Send:      {Burst: 50, Every: 100 * time.Millisecond},  // 10 a second for as long as one likes
	Join:      {Burst: 30, Every: 2 * time.Second},         // entering a space with its rooms
	Invite:    {Burst: 50, Every: 5 * time.Second},         // a new group of fifty, then 12 a minute
	Create:    {Burst: 10, Every: 30 * time.Second},        // a community with its rooms
	Keys:      {Burst: 200, Every: 50 * time.Millisecond},  // a key backup written one key at a time
	ToDevice:  {Burst: 200, Every: 50 * time.Millisecond},  // a room key for a large room, in portions
	Ephemeral: {Burst: 100, Every: 100 * time.Millisecond}, // scrolling through unread rooms
	Upload:    {Burst: 30, Every: 1 * time.Second},         // an album
	Download:  {Burst: 500, Every: 10 * time.Millisecond},  // a room full of pictures
	Report:    {Burst: 10, Every: 30 * time.Second},        // a person, not a script
	Admin:     {Burst: 100, Every: 50 * time.Millisecond},  // scripts are expected
}

// Check names the first setting that cannot be used.
func (c Config) Check() error {
	if c.Buckets < 0 {
		return fmt.Errorf("buckets: %d is negative", c.Buckets)
	}
	for n, r := range c.Rates {
		switch {
		case n == None || n >= count:
			return fmt.Errorf("rates: %s cannot be set", n)
		case r.Burst < 0 || r.Burst > 1_000_000:
			return fmt.Errorf("rates.%s.burst: %d is not between 0 and 1,000,000", n, r.Burst)
		case r.Every < 0 || r.Every > 24*time.Hour:
			return fmt.Errorf("rates.%s.every: %s is not between 0 and a day", n, r.Every)
		}
	}
	return nil
}

// Rate is what the configuration allows for n, defaults filled in.
func (c Config) Rate(n Name) Rate {
	if n >= count {
		return Rate{}
	}
	r := defaults[n]
	if own, ok := c.Rates[n]; ok {
		if own.Burst != 0 {
			r.Burst = own.Burst
		}
		if own.Every != 0 {
			r.Every = own.Every
		}
	}
	return r
}

// bucket is whose requests are counted together.
type bucket struct {
	name Name
	key  string
}

// Limits counts. It is safe for use by many goroutines.
type Limits struct {
	off   bool
	rates [count]Rate
	half  int
	now   func() time.Time

	mu sync.Mutex
	// Two generations of buckets, each at most half of Config.Buckets: when the young one is full it becomes the old
	// one and the old one is forgotten. So what is forgotten has not been used while many others were. Forgetting a
	// bucket grants its owner one fresh burst, no more than another address would have given him.
	young, old map[bucket]time.Time // when the bucket will be full again
}

// New makes limits that are all full. now is the server's clock.
func New(c Config, now func() time.Time) *Limits {
	l := &Limits{off: c.Off, now: now, half: c.Buckets / 2, young: map[bucket]time.Time{}}
	if c.Buckets == 0 {
		l.half = defaultBuckets / 2
	}
	l.half = max(l.half, 1)
	for n := range count {
		l.rates[n] = c.Rate(n)
	}
	return l
}

// Take counts one use of name by key. When there is none left it is not counted, ok is false and retryAfter says when
// the next one will be there. None is never limited.
func (l *Limits) Take(name Name, key string) (ok bool, retryAfter time.Duration) {
	if l.off || name == None || name >= count {
		return true, 0
	}
	r := l.rates[name]
	now := l.now()
	b := bucket{name, key}

	l.mu.Lock()
	defer l.mu.Unlock()
	full, known := l.young[b]
	if !known {
		full = l.old[b] // the zero time when unknown: long full
	}
	if full.Before(now) {
		full = now
	}
	empty := now.Add(r.span())
	next := full.Add(r.Every)
	if full.After(empty) {
		// The clock was set back. Nobody is locked out for longer than an empty bucket would do it.
		l.put(b, known, empty)
		return false, r.Every
	}
	if wait := next.Sub(empty); wait > 0 {
		return false, wait
	}
	l.put(b, known, next)
	return true, 0
}

// put remembers when b will be full. Callers hold mu; known says that b is in the young generation.
func (l *Limits) put(b bucket, known bool, full time.Time) {
	if !known && len(l.young) >= l.half {
		l.old, l.young = l.young, make(map[bucket]time.Time, len(l.young))
	}
	l.young[b] = full
}

// Addr is the key for an address: the address itself, or for IPv6 its /64, because that is what one subscriber has.
func Addr(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.Addr().String()
		}
	}
	return a.String()
}
