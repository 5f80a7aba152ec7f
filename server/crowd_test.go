package server

import (
	"errors"
	"net"
	"testing"
)

// caller is a connection from an address.
type caller struct {
	net.Conn
	from   string
	closed bool
}

func (c *caller) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", c.from)
	if err != nil {
		panic(err) // an address of our own
	}
	return a
}

func (c *caller) Close() error { c.closed = true; return nil }

// queue is a listener of those who wait.
type queue struct {
	net.Listener
	waiting []*caller
}

var errNobody = errors.New("nobody waits")

func (q *queue) Accept() (net.Conn, error) {
	if len(q.waiting) == 0 {
		return nil, errNobody
	}
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	return next, nil
}

func TestCrowd(t *testing.T) {
	q := &queue{}
	c := newCrowd(q, 6, 2)
	come := func(from string) (net.Conn, bool) {
		t.Helper()
		who := &caller{from: from}
		q.waiting = append(q.waiting, who)
		conn, err := c.Accept()
		if who.closed != (err != nil) {
			t.Errorf("%s: closed %v, %v", from, who.closed, err)
		}
		return conn, err == nil
	}
	first, _ := come("192.0.2.1:1")
	for _, tt := range []struct {
		from string
		in   bool
	}{
		{"192.0.2.1:2", true},
		{"192.0.2.1:3", false}, // two are there from this address
		{"[::ffff:192.0.2.1]:4", false},
		{"127.0.0.1:1", true},
		{"127.0.0.1:2", true},
		{"127.0.0.1:3", true}, // of this machine, any number
		{"[2001:db8::1]:1", true},
		{"192.0.2.2:1", false}, // six are there
	} {
		if _, in := come(tt.from); in != tt.in {
			t.Errorf("%s: got %v, want %v", tt.from, in, tt.in)
		}
	}
	first.Close()
	first.Close() // counts once
	if _, in := come("192.0.2.1:5"); !in {
		t.Error("nobody comes in after one has left")
	}
	if _, in := come("192.0.2.3:5"); in {
		t.Error("a seventh came in")
	}
	if len(c.of) != 2 || c.all != 6 {
		t.Errorf("got %d of %v", c.all, c.of)
	}
}
