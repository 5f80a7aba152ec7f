// Package limit says how often something may be done: one bucket for each limit and each account, device, address or room.
//
// The arithmetic is GCRA, the generic cell rate algorithm: a bucket is one instant, the time at which it will be full
// again, so that it costs a few bytes, needs no background goroutine and is exact. A bucket that is full carries no
// information and may be forgotten at any time.
package limit

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"time"

	"freehold.example/matrix/fault"
)

// Rate is a limit's size: Burst at once, and one more after each Every.
type Rate struct {
	Burst int           `toml:"burst"` // how many may come at once; 0 in a Config takes the default
	Every time.Duration `toml:"every"` // after how long one more may come
}

// span is the time a bucket takes from empty to full.
func (r Rate) span() time.Duration { return time.Duration(r.Burst) * r.Every }

// Config is how limits are set. The zero value limits, with the numbers of name.go.
type Config struct {
	Off     bool          // no limits at all: for tests and for measuring
	Buckets int           // how many buckets to keep in memory; 0 is 100,000, some 8 MB
	Rates   map[Name]Rate // numbers that differ from the defaults
}

// limit: buckets of rate limits | %d of some 80 bytes | the half that was not used of late is forgotten: full again
const defaultBuckets = 100_000

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
	r := limits[n].rate
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

// Limits counts. It is safe for use by many goroutines. A nil *Limits limits nothing.
type Limits struct {
	off   bool
	rates [count]Rate
	half  int
	now   func() time.Time
	seed  maphash.Seed

	mu sync.Mutex
	// When each bucket will be full again, in nanoseconds since 1970; bounded by Config.Buckets. What stands for a bucket is a hash of its limit and its
	// key: the table has a fixed size whatever the keys are, and does not say who has been here. There are two generations,
	// each at most half of Config.Buckets: when the young one is full it becomes the old one and the old one is forgotten. So
	// what is forgotten has not been used while many others were. Forgetting a bucket grants its owner one fresh burst, no
	// more than another address would have given him.
	young, old map[uint64]int64
	own        map[string]Rate // how fast some accounts may send: bounded by the administrators, who set each by hand
}

// New makes limits that are all full. now is the server's clock.
func New(c Config, now func() time.Time) *Limits {
	l := &Limits{off: c.Off, now: now, half: c.Buckets / 2, seed: maphash.MakeSeed(), young: map[uint64]int64{}}
	if c.Buckets == 0 {
		l.half = defaultBuckets / 2
	}
	l.half = max(l.half, 2)
	for n := range count {
		l.rates[n] = c.Rate(n)
	}
	return l
}

// together is how many times a device's share all the devices of an account may use.
const together = 2

// Own sets how fast an account may send (Send), whatever the configuration says; a Burst of 0 is without a limit.
func (l *Limits) Own(account string, r Rate) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own == nil {
		l.own = map[string]Rate{}
	}
	l.own[account] = r
}

// Forget takes back what Own has set.
func (l *Limits) Forget(account string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.own, account)
}

// Take counts one use of name by key. When there is none left it is not counted, ok is false and retryAfter says when
// the next one will be there. None is never limited.
//
// A key made by Device is counted twice where the limit is one of devices: for the device, and for its account, whose
// bucket is twice as large and fills twice as fast, so that one device that runs wild leaves something to the others.
func (l *Limits) Take(name Name, key string) (ok bool, retryAfter time.Duration) {
	return l.take(name, key, 1)
}

// Spend is Take of n uses at once, as a fault: M_LIMIT_EXCEEDED with the time to wait. More than a whole burst is counted
// as a burst.
func (l *Limits) Spend(name Name, key string, n int) error {
	if n <= 0 {
		return nil
	}
	if ok, wait := l.take(name, key, n); !ok {
		return fault.New(fault.LimitExceeded, "Too many requests").After(wait)
	}
	return nil
}

// GiveBack undoes one use that turned out to be none of those that are limited, such as a login with the right password.
func (l *Limits) GiveBack(name Name, key string) {
	if l == nil || l.off || name == None || name >= count {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all, n := l.buckets(name, key)
	for _, b := range all[:n] {
		full, known := l.young[b.id]
		if !known {
			full = l.old[b.id]
		}
		if full != 0 {
			l.put(b.id, full-int64(b.rate.Every))
		}
	}
}

// bucket is one of those that a use is counted in.
type bucket struct {
	id   uint64
	rate Rate
}

// buckets are one, or two for a device; none for an account that is not limited. Callers hold mu.
func (l *Limits) buckets(name Name, key string) (all [2]bucket, n int) {
	owner, _, device := strings.Cut(key, "\x00")
	r := l.rates[name]
	if own, ok := l.own[owner]; ok && name == Send {
		if own.Burst == 0 {
			return all, 0
		}
		r = own
	}
	if !device || !limits[name].devices {
		return [2]bucket{{l.id(name, owner), r}}, 1
	}
	return [2]bucket{{l.id(name, key), r}, {l.id(name, owner), Rate{Burst: r.Burst * together, Every: r.Every / together}}}, 2
}

func (l *Limits) id(name Name, key string) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	_ = h.WriteByte(byte(name)) // never fails
	_, _ = h.WriteString(key)
	return h.Sum64()
}

func (l *Limits) take(name Name, key string, n int) (ok bool, retryAfter time.Duration) {
	if l == nil || l.off || name == None || name >= count {
		return true, 0
	}
	now := l.now().UnixNano()
	l.mu.Lock()
	defer l.mu.Unlock()
	all, counted := l.buckets(name, key)
	var next [2]int64
	for i, b := range all[:counted] {
		full, known := l.young[b.id]
		if !known {
			full = l.old[b.id] // 0 when unknown: long full
		}
		empty := now + int64(b.rate.span())
		if full > empty {
			// The clock was set back. What the bucket held nobody knows: there is one use in it, and more come at its pace.
			full = empty - int64(b.rate.Every)
		}
		next[i] = max(full, now) + int64(b.rate.Every)*int64(min(n, b.rate.Burst))
		if wait := next[i] - empty; wait > 0 {
			return false, time.Duration(wait)
		}
	}
	for i, b := range all[:counted] {
		l.put(b.id, next[i])
	}
	return true, 0
}

// put remembers when a bucket will be full. Callers hold mu.
func (l *Limits) put(b uint64, full int64) {
	if _, known := l.young[b]; !known && len(l.young) >= l.half {
		l.old, l.young = l.young, make(map[uint64]int64, len(l.young))
	}
	l.young[b] = full
}

// Network stands for everything that one subscriber has: the address itself, or for IPv6 its /64.
func Network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// Addr is the key for an address.
func Addr(a netip.Addr) string { return Network(a).String() }

// Exempt is the key of who is not limited at all.
const Exempt = "\x00"

// Device is the key for a device of an account.
func Device(account, device string) string { return account + "\x00" + device }
