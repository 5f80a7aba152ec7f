package address_test

import (
	"net"
	"testing"

	"freehold.example/test/address"
)

// TestFree: who was given an address listens there, as often as it likes, and nobody else is given it meanwhile.
func TestFree(t *testing.T) {
	at := address.For(t)
	listen := func(at string) net.Listener {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	if c, err := net.Dial("tcp", at); err == nil {
		c.Close()
		t.Error("somebody listens there")
	}
	for range 3 {
		l := listen(at)
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		l.Close()
		for range 500 {
			if other := listen("127.0.0.1:0"); other.Addr().String() == at {
				t.Fatal("the address was given to somebody else")
			}
		}
	}
}
