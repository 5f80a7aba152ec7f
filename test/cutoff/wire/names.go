package wire

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const dnsPort = 53

// Record is what there is of a name.
type Record struct {
	A   netip.Addr
	SRV string // "host:port"; "" for none
}

// Name makes a name known to the DNS.
func (r *Router) Name(name string, is Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names[dotted(name)] = is
}

// Lie has the DNS say of every name that there is no such name, or tell the truth again.
func (r *Router) Lie(lie bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lie = lie
}

// DropName has the DNS not answer to questions for a name, or answer again.
func (r *Router) DropName(name string, drop bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent[dotted(name)] = drop
}

func dotted(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) + "." }

// question answers a question to the DNS.
func (r *Router) question(h header) {
	var m dnsmessage.Message
	if m.Unpack(h.payload) != nil || len(m.Questions) != 1 {
		return
	}
	q := m.Questions[0]
	name := dotted(q.Name.String())
	f := h.flow()
	f.Name = name
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent[name] || r.links[[2]netip.Addr{h.from, r.dns}].Cut {
		r.countLocked(f, false)
		return
	}
	is, known := r.names[name]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionDesired: m.RecursionDesired, RecursionAvailable: true},
		Questions: m.Questions,
	}
	about := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}
	switch {
	case r.lie || !known:
		answer.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA && is.A.IsValid():
		answer.Answers = []dnsmessage.Resource{{Header: about, Body: &dnsmessage.AResource{A: is.A.As4()}}}
	case q.Type == dnsmessage.TypeSRV && is.SRV != "":
		host, port, _ := strings.Cut(is.SRV, ":")
		n, err := strconv.ParseUint(port, 10, 16)
		target, bad := dnsmessage.NewName(dotted(host))
		if err != nil || bad != nil {
			return
		}
		answer.Answers = []dnsmessage.Resource{{Header: about, Body: &dnsmessage.SRVResource{Target: target, Port: uint16(n)}}}
	}
	r.countLocked(f, !r.lie)
	b, err := answer.Pack()
	if err != nil {
		return
	}
	r.sendLocked(r.dns, h.from, udp(netip.AddrPortFrom(r.dns, dnsPort), netip.AddrPortFrom(h.from, h.sport), b))
}

// udp makes a packet. Its checksum is left out, which IPv4 allows.
func udp(from, to netip.AddrPort, payload []byte) []byte {
	const own = 8
	b := make([]byte, own, own+len(payload))
	binary.BigEndian.PutUint16(b, from.Port())
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint16(b[4:], uint16(own+len(payload))) // #nosec G115 -- an answer of the DNS over UDP is short
	return ip(protoUDP, from.Addr(), to.Addr(), append(b, payload...))
}

// unreachable tells who sent a packet that its network is not reached.
func unreachable(from, to netip.Addr, lost []byte) []byte {
	b := append([]byte{3, 0, 0, 0, 0, 0, 0, 0}, lost[:min(len(lost), 28)]...)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return ip(protoICMP, from, to, b)
}

// ip makes a packet of IPv4.
func ip(proto byte, from, to netip.Addr, payload []byte) []byte {
	const own = 20
	b := make([]byte, own, own+len(payload))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(own+len(payload))) // #nosec G115 -- what is made here is short
	src, dst := from.As4(), to.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, payload...)
}

// checksum is that of IPv4 and ICMP.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum) // #nosec G115 -- folded
}
