package dial

import (
	"net/netip"
	"strings"
	"testing"
)

func TestZone(t *testing.T) {
	c := Config{Inside: prefixes("10.1.0.0/16", "192.168.7.0/24", "fd12::/16", "9.9.9.0/24", "169.254.0.0/16", "fe80::/10",
		"0.0.0.0/8", "224.0.0.0/4", "2002:a01::/32", "100.64.0.0/10")}
	for _, tt := range []struct {
		addr string
		want Zone
	}{
		// The Internet.
		{"8.8.8.8", Outside},
		{"::ffff:8.8.8.8", Outside},
		{"2a00:1450:4001:81b::200e", Outside},
		{"64:ff9b::808:808", Outside}, // NAT64 of 8.8.8.8
		{"2002:808:808::1", Outside},  // 6to4 of 8.8.8.8

		// Loopback, whatever the settings.
		{"127.0.0.1", Inside},
		{"127.9.9.9", Inside},
		{"::1", Inside},
		{"::ffff:127.0.0.1", Inside},

		// Named.
		{"10.1.255.255", Inside},
		{"::ffff:10.1.0.1", Inside},
		{"fd12::1", Inside},
		{"9.9.9.9", Inside}, // public, but named
		{"169.254.1.1", Inside},
		{"fe80::1%eth0", Inside},
		{"100.64.0.1", Inside},

		// Not named, and not public.
		{"10.2.0.1", Nowhere},
		{"::ffff:10.2.0.1", Nowhere},
		{"172.16.0.1", Nowhere},
		{"172.31.255.255", Nowhere},
		{"192.168.8.1", Nowhere},
		{"fd13::1", Nowhere},
		{"fc00::1", Nowhere},
		{"fec0::1", Nowhere},
		{"100::1", Nowhere},
		{"192.0.0.1", Nowhere},
		{"192.0.2.1", Nowhere},
		{"198.18.0.1", Nowhere},
		{"198.51.100.1", Nowhere},
		{"203.0.113.1", Nowhere},
		{"192.88.99.1", Nowhere},
		{"2001:db8::1", Nowhere},
		{"3fff::1", Nowhere},
		{"2001::1", Nowhere},      // Teredo
		{"2001:20::1", Nowhere},   // ORCHID
		{"4000::1", Nowhere},      // not given out
		{"64:ff9b:1::1", Nowhere}, // local NAT64

		// Wrapped ones that lead where nothing may go, or inside by a back way.
		{"64:ff9b::a00:1", Nowhere},     // 10.0.0.1
		{"64:ff9b::7f00:1", Nowhere},    // 127.0.0.1
		{"64:ff9b::a01:1", Nowhere},     // 10.1.0.1
		{"64:ff9b::a9fe:a9fe", Nowhere}, // 169.254.169.254
		{"2002:7f00:1::", Nowhere},
		{"2002:a00:1::1", Nowhere},
		{"2002:a01:1::1", Nowhere},
		{"2002:c0a8:101::1", Nowhere},
		{"::127.0.0.1", Nowhere}, // IPv4-compatible
		{"::8.8.8.8", Nowhere},
		{"::ffff:0:127.0.0.1", Nowhere}, // IPv4-translated

		// Never, even when named.
		{"0.0.0.0", Nowhere},
		{"0.1.2.3", Nowhere},
		{"::", Nowhere},
		{"::ffff:0.0.0.0", Nowhere},
		{"169.254.169.254", Nowhere},
		{"::ffff:169.254.169.254", Nowhere},
		{"fd00:ec2::254", Nowhere},
		{"224.0.0.1", Nowhere},
		{"239.255.255.250", Nowhere},
		{"255.255.255.255", Nowhere},
		{"240.0.0.1", Nowhere},
		{"ff02::1", Nowhere},
		{"ff0e::1", Nowhere},
	} {
		if got := c.Zone(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.addr, got, tt.want)
		}
	}
	if got := c.Zone(netip.Addr{}); got != Nowhere {
		t.Errorf("no address: got %s, want nowhere", got)
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ network, want string }{
		{"10.0.0.0/8", ""},
		{"fd00::/8", ""},
		{"10.0.0.1/8", "10.0.0.0/8 is meant"},
		{"0.0.0.0/0", "whole Internet"},
		{"::/0", "whole Internet"},
		{"::ffff:10.0.0.0/104", "written as IPv6"},
	} {
		err := Config{Inside: []netip.Prefix{netip.MustParsePrefix(tt.network)}}.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.network, err, tt.want)
		}
	}
	if err := (Config{Inside: make([]netip.Prefix, 1)}).Check(); err == nil {
		t.Error("a prefix that is none was taken")
	}
}
