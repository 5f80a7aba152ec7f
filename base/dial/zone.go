package dial

import (
	"fmt"
	"net/netip"
	"slices"
)

// Zone is where an address is.
type Zone uint8

// The zones.
const (
	Nowhere Zone = iota // never contacted
	Inside              // loopback, and the networks the operator named
	Outside             // the public Internet
)

// String is for messages.
func (z Zone) String() string {
	switch z {
	case Inside:
		return "inside"
	case Outside:
		return "outside"
	default:
		return "nowhere"
	}
}

// never cannot be made inside by any setting: these are no single machine's address, or the one from which cloud
// machines read their own secrets.
var never = prefixes(
	"0.0.0.0/8",          // this host; Linux connects to loopback
	"169.254.169.254/32", // instance metadata
	"224.0.0.0/4",        // multicast
	"240.0.0.0/4",        // reserved, broadcast
	"::/128",             // unspecified; Linux connects to loopback
	"ff00::/8",           // multicast
	"fd00:ec2::254/128",  // instance metadata
)

// special are not part of the public Internet: they are inside when the operator names them, else nowhere. IANA IPv4
// and IPv6 Special-Purpose Address Registries.
var special = prefixes(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // private, RFC 1918
	"100.64.0.0/10",                                     // carrier-grade NAT, RFC 6598
	"127.0.0.0/8",                                       // loopback
	"169.254.0.0/16",                                    // link-local
	"192.0.0.0/24",                                      // protocol assignments
	"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", // documentation
	"192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24", // AS112, AMT
	"192.88.99.0/24", // 6to4 relays
	"198.18.0.0/15",  // benchmarks
	"2001::/23",      // protocol assignments: Teredo, ORCHID and others
	"2001:db8::/32",  // documentation
	"3fff::/20",      // documentation
)

// public is what IPv6 has given out; all else there is special (unique local, link-local, site-local, discard ...).
var public = netip.MustParsePrefix("2000::/3")

// Tunnels and translators carry an IPv4 address that the packet ends up at.
var (
	sixToFour = netip.MustParsePrefix("2002::/16")    // in bytes 2 to 5, RFC 3056
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // in the last 4 bytes, RFC 6052
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Zone says where an address is, given the networks that are inside.
//
// An IPv4 address written as IPv6 is that IPv4 address. One wrapped for a tunnel or a translator (6to4, NAT64) has to be
// outside, or the whole is nowhere. A translator with a prefix of its own cannot be told from an ordinary network; who
// runs one must keep it from translating to private addresses, as RFC 6052 asks.
func (c Config) Zone(a netip.Addr) Zone {
	a = a.Unmap().WithZone("")
	inside := func(p netip.Prefix) bool { return p.Contains(a) }
	v4, isWrapped := wrapped(a)
	switch {
	case !a.IsValid() || slices.ContainsFunc(never, inside):
		return Nowhere
	case a.IsLoopback():
		return Inside
	case isWrapped:
		if c.Zone(v4) != Outside {
			return Nowhere
		}
		return Outside
	case slices.ContainsFunc(c.Inside, inside):
		return Inside
	case slices.ContainsFunc(special, inside), a.Is6() && !public.Contains(a):
		return Nowhere
	default:
		return Outside
	}
}

// wrapped is the IPv4 address inside an IPv6 address.
func wrapped(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	return netip.Addr{}, false
}

// Refused says that an address may not be contacted for this reason.
type Refused struct {
	Reason string // the reason's name
	Host   string // what was asked for
	Addr   netip.Addr
	Zone   Zone
}

// Error is for logs: it tells what a name resolves to, which is not everybody's to know.
func (e *Refused) Error() string {
	return fmt.Sprintf("dial: %s may not connect to %s: %s is %s", e.Reason, e.Host, e.Addr, e.Zone)
}
