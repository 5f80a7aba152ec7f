package dial

import (
	"errors"
	"net"
)

// ErrCut says that the door is cut for the zone that was asked for.
var ErrCut = errors.New("dial: the way out is cut")

// Scope is how much of the way out is cut.
type Scope uint8

// The scopes.
const (
	CutNothing Scope = iota // the usual state
	CutOutside              // inside only: what a split of the network leaves
	CutAll                  // nothing is contacted, not even on loopback
)

// Cut closes the door for a scope, and opens it for the rest. Connections into what is cut, busy ones too, are closed
// before it returns, and no new ones are made.
func (d *Door) Cut(s Scope) {
	d.mu.Lock()
	d.cut = s
	var closing []*conn
	for c := range d.open {
		if s.covers(c.zone) {
			closing = append(closing, c)
		}
	}
	d.mu.Unlock()
	for _, c := range closing {
		_ = c.Close() // whoever uses it hears of it
	}
}

// CutState is what Cut was last told.
func (d *Door) CutState() Scope {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cut
}

func (s Scope) covers(z Zone) bool { return s == CutAll || s == CutOutside && z == Outside }

func (d *Door) isCut(z Zone) bool { return d.CutState().covers(z) }

// conn is a connection that a cut can find.
type conn struct {
	net.Conn
	door *Door
	zone Zone
}

// enter puts a new connection among those that a cut can find. The door may have been cut since it was asked for.
func (d *Door) enter(c net.Conn, z Zone) (*conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut.covers(z) {
		_ = c.Close() // nothing was sent on it
		return nil, ErrCut
	}
	entered := &conn{Conn: c, door: d, zone: z}
	d.open[entered] = struct{}{}
	return entered, nil
}

// Close closes the connection and forgets it.
func (c *conn) Close() error {
	c.door.mu.Lock()
	delete(c.door.open, c)
	c.door.mu.Unlock()
	return c.Conn.Close()
}
