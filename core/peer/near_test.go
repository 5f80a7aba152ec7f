package peer

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// TestNear: a server that is not where it should be is found where it says that it is, when it can prove who it is.
func TestNear(t *testing.T) {
	c := clockAt(time.UnixMilli(1_900_000_000_000))
	p, o := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords), newOwn(t, c.Now())
	at := netip.MustParseAddrPort(o.Listener.Addr().String())
	o.name = "127.0.0.1:1"
	ask := func() error {
		return p.Ask(t.Context(), Question{Server: o.name, Method: "GET", Path: "/_matrix/x"}, nil)
	}
	if err := ask(); err == nil {
		t.Fatal("it is there")
	}
	if p.Near("here.test", at) || !p.Near(o.name, at) || p.Near(o.name, at) {
		t.Error("what is news is none, or the other way round")
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
	c.pass(2 * nearLife)
	p.disprove(o.name)
	if err := ask(); err == nil {
		t.Error("what it said is believed for ever")
	}
	if !p.Near(o.name, at) {
		t.Error("it is back, and that is no news")
	}
	// Somebody else, who says that he is that server.
	liar := newOwn(t, c.Now())
	liar.name, liar.key = o.name, private(7)
	p.Near(o.name, netip.MustParseAddrPort(liar.Listener.Addr().String()))
	if err := ask(); err == nil {
		t.Error("a liar is believed")
	}
	for i := range 2 * maxNear {
		p.Near(id.Server(fmt.Sprintf("n%d.local", i)), at)
	}
	if n := len(p.near); n > maxNear {
		t.Errorf("%d are remembered", n)
	}
	c.pass(time.Hour)
}
