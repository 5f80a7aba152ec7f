package dial

import (
	"bufio"
	"bytes"
	"errors"
	"net/netip"
	"runtime"
	"strings"
)

// Stranger is a connection of this process that the door has not made.
type Stranger struct{ Local, Remote netip.AddrPort }

// ErrUnknown says that the system does not tell which connections there are.
var ErrUnknown = errors.New("dial: the connections of this process are not known here")

// Strangers lists the connections over TCP that this process has opened or is opening by itself: the door has not made them,
// and nobody has made them to one of its listeners. One that the door is just making may be among them for a moment.
func (d *Door) Strangers() ([]Stranger, error) {
	all, err := sockets()
	if err != nil {
		return nil, err
	}
	listens := map[uint16]bool{}
	for _, s := range all {
		if s.listens {
			listens[s.local.Port()] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ours := map[netip.AddrPort]bool{}
	for c := range d.open {
		if at, err := netip.ParseAddrPort(c.LocalAddr().String()); err == nil {
			ours[plain(at)] = true
		}
	}
	var out []Stranger
	for _, s := range all {
		if s.listens || listens[s.local.Port()] || ours[s.local] || d.pending[s.remote] > 0 {
			continue
		}
		out = append(out, Stranger{s.local, s.remote})
	}
	return out, nil
}

// inode is a socket of the system.
type inode struct {
	local, remote netip.AddrPort
	listens       bool
}

func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// Whose names the code that goes out without the door just now, as far as that can be told: the function of this program, or
// of a library, that waits for a connection. It is "" where nothing can be seen.
func Whose() string {
	const most = 8 << 20
	b := make([]byte, 1<<20)
	n := runtime.Stack(b, true)
	for n == len(b) && len(b) < most {
		b = make([]byte, 2*len(b))
		n = runtime.Stack(b, true)
	}
	for stack := range bytes.SplitSeq(b[:n], []byte("\n\n")) {
		if who := whose(stack); who != "" {
			return who
		}
	}
	return ""
}

// whose is Whose for one goroutine.
func whose(stack []byte) string {
	out := false
	for s := bufio.NewScanner(bytes.NewReader(stack)); s.Scan(); {
		line := s.Text()
		if strings.HasPrefix(line, "\t") {
			continue
		}
		line, _ = strings.CutPrefix(line, "created by ")
		switch {
		case strings.HasPrefix(line, "net.(*Dialer)"), strings.HasPrefix(line, "net/http.(*Client)."), strings.HasPrefix(line, "net/http.(*Transport)."),
			strings.HasPrefix(line, "net.(*Resolver)"), strings.HasPrefix(line, "net.(*conn)."), strings.HasPrefix(line, "net.(*TCPConn)."):
			out = true
		case strings.Contains(line, "/base/dial.(*"), strings.HasPrefix(line, "net/http.(*conn)."), strings.HasPrefix(line, "net/http.(*Server)"),
			strings.HasPrefix(line, "net/http.(*connReader)"), strings.HasPrefix(line, "net/http.(*persistConn).readLoop"), strings.HasPrefix(line, "net/http.(*persistConn).writeLoop"):
			return "" // by the door, somebody who asks this server, or a connection that nobody waits for
		case out && strings.Contains(line, "."):
			first, _, _ := strings.Cut(line, "/")
			if strings.Contains(first, ".") && strings.Contains(line, "/") || strings.HasPrefix(line, "main.") {
				who, _, _ := strings.Cut(line, " in goroutine")
				if strings.HasSuffix(who, ")") { // its arguments
					who = who[:strings.LastIndexByte(who, '(')]
				}
				return who
			}
		}
	}
	return ""
}
