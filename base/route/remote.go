package route

import (
	"net/http"
	"net/netip"
	"strings"
)

// Peer is the address at the other end of the connection, without a zone; the zero Addr for a Unix socket, or in a test.
func Peer(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

// Remote is the caller's address. Behind a reverse proxy on this machine it is the one that the proxy names last; nobody
// else is believed.
func Remote(r *http.Request) netip.Addr {
	addr := Peer(r)
	if !addr.IsLoopback() {
		return addr
	}
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) == 0 {
		return addr
	}
	last := forwarded[len(forwarded)-1]
	last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	if named, err := netip.ParseAddr(last); err == nil {
		return named.Unmap().WithZone("")
	}
	return addr
}
