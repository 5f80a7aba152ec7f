package dial

import (
	"errors"
	"net"
	"time"
)

// ErrCut says that the door is cut for the zone that was asked for.
var ErrCut = errors.New("dial: the way out is cut")

// Scope is how much of the way out is cut: one or several of the scopes below.
type Scope uint8

// The scopes.
const (
	CutOutside Scope = 1 << iota // inside only: what a split of the network leaves
	CutPeers                     // other homeservers, wherever they are
	CutNames                     // name servers; what this machine itself knows is found
	CutTime                      // nobody sets the clock: nothing for a door to close
	CutAll                       // nothing is contacted, not even on loopback

	CutNothing Scope = 0 // the usual state
)

// Cut closes the door for a scope, and opens it for the rest, until it is told otherwise. Connections into what is cut, busy
// ones too, are closed before it returns, and no new ones are made.
func (d *Door) Cut(s Scope) { d.cutUntil(s, time.Time{}) }

// CutFor is Cut for so long: then the door opens by itself, whatever has become of who closed it.
func (d *Door) CutFor(s Scope, length time.Duration) {
	if length <= 0 {
		s = CutNothing
	}
	d.cutUntil(s, time.Now().Add(length)) // by the monotonic clock, which nobody sets
}

func (d *Door) cutUntil(s Scope, end time.Time) {
	d.mu.Lock()
	d.cut, d.mended = s, end
	var closing []*conn
	for c := range d.open {
		if s.covers(c.zone, &c.way.reason) {
			closing = append(closing, c)
		}
	}
	d.mu.Unlock()
	for _, c := range closing {
		_ = c.Close() // whoever uses it hears of it
	}
}

// CutState is what Cut was last told, or that it is over.
func (d *Door) CutState() Scope {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cutNow()
}

// cutNow is the cut; d.mu is held.
func (d *Door) cutNow() Scope {
	if d.cut != CutNothing && !d.mended.IsZero() && !time.Now().Before(d.mended) {
		d.cut = CutNothing
	}
	return d.cut
}

// covers says whether the scope keeps a reason from a zone.
func (s Scope) covers(z Zone, r *Reason) bool {
	return r.Reach != Itself && (s&CutAll != 0 || s&CutOutside != 0 && z == Outside || s&CutPeers != 0 && r.Peers)
}

func (w *Way) isCut(z Zone) bool { return w.door.CutState().covers(z, &w.reason) }

// conn is a connection that a cut can find.
type conn struct {
	net.Conn
	way  *Way
	zone Zone
}

// enter puts a new connection among those that a cut can find. The door may have been cut since it was asked for.
func (w *Way) enter(c net.Conn, z Zone) (*conn, error) {
	d := w.door
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cutNow().covers(z, &w.reason) {
		_ = c.Close() // nothing was sent on it
		return nil, ErrCut
	}
	entered := &conn{Conn: c, way: w, zone: z}
	d.open[entered] = struct{}{}
	return entered, nil
}

// Close closes the connection and forgets it.
func (c *conn) Close() error {
	d := c.way.door
	d.mu.Lock()
	delete(d.open, c)
	d.mu.Unlock()
	return c.Conn.Close()
}
