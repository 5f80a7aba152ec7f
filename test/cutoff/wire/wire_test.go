package wire

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// machine hangs on a router: what it sends goes into out, what it gets comes out of in.
type machine struct {
	out, in chan []byte
}

func newMachine() *machine { return &machine{out: make(chan []byte, 100), in: make(chan []byte, 100)} }

func (m *machine) Read(b []byte) (int, error) {
	p, ok := <-m.out
	if !ok {
		return 0, io.EOF
	}
	return copy(b, p), nil
}

func (m *machine) Write(b []byte) (int, error) { m.in <- b; return len(b), nil }
func (m *machine) Close() error                { close(m.out); return nil }

// got waits for a packet, and gives what is in it; "" where none comes.
func (m *machine) got(wait time.Duration) string {
	select {
	case b := <-m.in:
		return string(b[28:])
	case <-time.After(wait):
		return ""
	}
}

var (
	one, two = netip.MustParseAddr("45.0.0.1"), netip.MustParseAddr("45.0.0.2")
	dns      = netip.MustParseAddr("10.53.0.53")
)

const soon = 10 * time.Second // far more than it takes

func pair(t *testing.T) (*Router, *machine, *machine) {
	t.Helper()
	r, a, b := New(1, dns), newMachine(), newMachine()
	r.Attach(one, a)
	r.Attach(two, b)
	t.Cleanup(r.Close)
	return r, a, b
}

func packet(port uint16, text string) []byte {
	return udp(netip.AddrPortFrom(one, 40000), netip.AddrPortFrom(two, port), []byte(text))
}

func TestChecksum(t *testing.T) {
	if b := packet(9, "x"); checksum(b[:20]) != 0 {
		t.Errorf("the header is %x", b[:20])
	}
	if b := unreachable(dns, one, packet(9, "x")); checksum(b[:20]) != 0 || checksum(b[20:]) != 0 || b[9] != protoICMP {
		t.Errorf("got %x", b)
	}
}

// Who sends into a cut is told, where that is wanted.
func TestUnreachable(t *testing.T) {
	r, a, _ := pair(t)
	r.Between(one, two, Link{Cut: true, Say: true})
	sent := packet(9, "x")
	a.out <- sent
	if got := a.got(soon); got != string(sent[:28]) {
		t.Errorf("got %x", got)
	}
}

// Packets arrive in their order, and are written down; what is cut or dropped is written down too.
func TestLinks(t *testing.T) {
	r, a, b := pair(t)
	r.Between(one, two, Link{Delay: time.Millisecond, Jitter: 20 * time.Millisecond, Rate: 1 << 20})
	for _, text := range []string{"1", "2", "3"} {
		a.out <- packet(9, text)
	}
	for _, want := range []string{"1", "2", "3"} {
		if got := b.got(soon); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	r.Set(one, two, Link{Cut: true})
	a.out <- packet(10, "cut")
	a.out <- []byte("nonsense")
	r.Drop(two, true)
	waitFor(t, func() bool { return r.Flows()[Flow{one, two, "udp", 10, ""}].Packets == 1 })
	r.Set(one, two, Link{})
	a.out <- packet(11, "dropped")
	waitFor(t, func() bool { return r.Flows()[Flow{one, two, "udp", 11, ""}].Packets == 1 })
	r.Drop(two, false)
	r.Set(one, two, Link{Loss: 1})
	a.out <- packet(12, "lost")
	waitFor(t, func() bool { return r.Flows()[Flow{one, two, "udp", 12, ""}].Packets == 1 })
	r.Set(one, two, Link{})
	a.out <- packet(13, "through")
	if got := b.got(soon); got != "through" {
		t.Errorf("got %q", got)
	}
	b.out <- udp(netip.AddrPortFrom(two, 13), netip.AddrPortFrom(one, 40000), []byte("answer"))
	if got := a.got(soon); got != "answer" {
		t.Errorf("got %q", got)
	}
	all := r.Flows()
	for port, want := range map[uint16]Count{9: {Packets: 3, Passed: 3}, 10: {Packets: 1}, 11: {Packets: 1}, 12: {Packets: 1}, 13: {Packets: 1, Passed: 1}} {
		got := all[Flow{one, two, "udp", port, ""}]
		if got.Packets != want.Packets || got.Passed != want.Passed || got.First.IsZero() {
			t.Errorf("port %d: got %+v, want %+v", port, got, want)
		}
	}
	if len(all) != 5 { // an answer is nobody's attempt
		t.Errorf("got %v", all)
	}
	if r.Forget(); len(r.Flows()) != 0 {
		t.Error("the log was not begun anew")
	}
}

func waitFor(t *testing.T, fn func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !fn(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

func TestNames(t *testing.T) {
	r, a, _ := pair(t)
	r.Name("House.example", Record{A: two, SRV: "there.house.example:8449"})
	ask := func(name string, kind dnsmessage.Type) (m dnsmessage.Message, ok bool) {
		q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET,
		}}}
		b, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		a.out <- udp(netip.AddrPortFrom(one, 40001), netip.AddrPortFrom(dns, 53), b)
		said := a.got(300 * time.Millisecond)
		return m, said != "" && m.Unpack([]byte(said)) == nil && m.ID == 7
	}
	m, ok := ask("house.example.", dnsmessage.TypeA)
	if !ok || len(m.Answers) != 1 || m.Answers[0].Body.(*dnsmessage.AResource).A != two.As4() {
		t.Errorf("got %v %+v", ok, m)
	}
	m, ok = ask("house.example.", dnsmessage.TypeSRV)
	if !ok || len(m.Answers) != 1 || m.Answers[0].Body.(*dnsmessage.SRVResource).Port != 8449 {
		t.Errorf("got %v %+v", ok, m)
	}
	if m, ok = ask("house.example.", dnsmessage.TypeAAAA); !ok || len(m.Answers) != 0 || m.RCode != dnsmessage.RCodeSuccess {
		t.Errorf("got %v %+v", ok, m)
	}
	if m, ok = ask("other.example.", dnsmessage.TypeA); !ok || m.RCode != dnsmessage.RCodeNameError {
		t.Errorf("got %v %+v", ok, m)
	}
	r.Lie(true)
	if m, ok = ask("house.example.", dnsmessage.TypeA); !ok || m.RCode != dnsmessage.RCodeNameError {
		t.Errorf("a lie: got %v %+v", ok, m)
	}
	r.Lie(false)
	r.DropName("house.example", true)
	if _, ok = ask("house.example.", dnsmessage.TypeA); ok {
		t.Error("an answer came")
	}
	if c := r.Flows()[Flow{one, dns, "udp", 53, "house.example."}]; c.Packets != 5 || c.Passed != 3 {
		t.Errorf("got %+v", c)
	}
}
