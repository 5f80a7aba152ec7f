package dial

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// limit: open files with which a drill looks for undeclared connections | %d | with more, it does not look
const maxFiles = 20_000

// sockets lists the connections and listeners of this process over TCP.
func sockets() ([]inode, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil || len(entries) > maxFiles {
		return nil, ErrUnknown
	}
	mine := map[string]bool{}
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if number, ok := strings.CutPrefix(to, "socket:["); err == nil && ok {
			mine[strings.TrimSuffix(number, "]")] = true
		}
	}
	var all []inode
	for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue // without IPv6
		}
		const local, remote, state, number = 1, 2, 3, 9
		for s := bufio.NewScanner(f); s.Scan(); {
			fields := strings.Fields(s.Text())
			if len(fields) <= number || !mine[fields[number]] {
				continue
			}
			const established, connecting, listening = "01", "02", "0A"
			if st := fields[state]; st != established && st != connecting && st != listening {
				continue
			}
			from, ok1 := kernelAddr(fields[local])
			to, ok2 := kernelAddr(fields[remote])
			if ok1 && ok2 {
				all = append(all, inode{from, to, fields[state] == listening})
			}
		}
		_ = f.Close() // it was only read
	}
	return all, nil
}

// kernelAddr reads an address as the kernel prints it: words of four bytes in the order of the machine, and the port.
func kernelAddr(s string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(s, ":")
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	b, err := hex.DecodeString(address)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b)
	return plain(netip.AddrPortFrom(a, uint16(p))), true
}
