package id

import (
	"net/netip"
	"strconv"
	"strings"
)

// ParseServer checks a server name: a DNS name, an IPv4 address or an IPv6 address in brackets, and perhaps a port
// (Appendices, "Server Name").
func ParseServer(s string) (Server, error) {
	host, port, ok := splitPort(s)
	if !ok || len(s) > MaxLength-2 {
		return "", bad("server name", s, "is malformed")
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || len(port) > 5 {
			return "", bad("server name", s, "has a malformed port")
		}
	}
	if strings.HasPrefix(host, "[") {
		if addr, err := netip.ParseAddr(host[1 : len(host)-1]); err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", bad("server name", s, "has a malformed IPv6 address")
		}
		return Server(s), nil
	}
	if host == "" {
		return "", bad("server name", s, "has no host")
	}
	for i := range len(host) {
		if c := host[i]; !alphanumeric(c) && c != '-' && c != '.' {
			return "", bad("server name", s, "has a character that is not allowed")
		}
	}
	return Server(s), nil
}

// Host is the server name without its port; an IPv6 address keeps its brackets.
func (s Server) Host() string {
	host, _, _ := splitPort(string(s))
	return host
}

// Port is the port named in the server name, or "".
func (s Server) Port() string {
	_, port, _ := splitPort(string(s))
	return port
}

// splitPort cuts a trailing :port off. ok is false for a bracket that never closes, or an empty port.
func splitPort(s string) (host, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", false
		}
		host, s = s[:end+1], s[end+1:]
		if s == "" {
			return host, "", true
		}
		if s[0] != ':' || len(s) == 1 {
			return "", "", false
		}
		return host, s[1:], true
	}
	host, port, has := strings.Cut(s, ":")
	return host, port, !has || port != ""
}
