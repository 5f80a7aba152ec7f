package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Side is what a door has seen of the outside: whether anything comes from there, and since when nothing does.
type Side struct {
	Heard   time.Time // when something last came from there; zero for not since the start
	Failing time.Time // when the first attempt to get there failed after that; zero when none has
}

// Side says which side of a cut the machine may be on. Attempts into a cut of the door's own (Cut) fail like others.
func (d *Door) Side() Side {
	d.side.mu.Lock()
	defer d.side.mu.Unlock()
	return d.side.Side
}

// side is a Side that is being kept.
type side struct {
	mu sync.Mutex
	Side
}

// heardApart is how exact the time is at which something last came.
const heardApart = time.Second

// heard is that something has come from the outside.
func (s *side) heard(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Failing.IsZero() || now.Sub(s.Heard) >= heardApart || now.Before(s.Heard) {
		s.Heard, s.Failing = now, time.Time{}
	}
}

// lost is that an attempt to get outside has failed.
func (s *side) lost(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Failing.IsZero() {
		s.Failing = now
	}
}

// missed notes that an attempt has failed, where it may have been one to get outside: to an address there, or to a name that could
// not be found.
func (w *Way) missed(ctx context.Context, place string, err error) {
	if w.reason.Reach == InsideOnly || w.reason.Reach == Itself || errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	if _, refused := errors.AsType[*Refused](err); refused {
		return
	}
	host, _, split := net.SplitHostPort(place)
	if split != nil {
		return
	}
	zone := Outside // where names usually are
	if a, bad := netip.ParseAddr(host); bad == nil {
		zone = w.door.config.Zone(a)
	} else if tried, is := errors.AsType[*unreached](err); is {
		zone = w.door.config.Zone(tried.addr)
	}
	if zone == Outside {
		w.door.side.lost(w.door.config.Now())
	}
}

// unreached is why an address was not reached.
type unreached struct {
	addr netip.Addr
	err  error
}

func (u *unreached) Error() string { return u.err.Error() }
func (u *unreached) Unwrap() error { return u.err }

// Read reads what has come, and takes note of that.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.zone == Outside {
		c.way.door.side.heard(c.way.door.config.Now())
	}
	return n, err
}
