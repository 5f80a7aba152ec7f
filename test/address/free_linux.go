package address

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
)

// free leaves a socket behind that is bound to the address and does not listen. Who listens there by name may do so, as both reuse
// addresses (listeners of package net do); the system chooses the port neither for a listener nor for a connection.
func free() (string, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", os.NewSyscallError("socket", err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return "", os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return "", os.NewSyscallError("getsockname", err)
	}
	at, is := name.(*syscall.SockaddrInet4)
	if !is {
		return "", fmt.Errorf("the address of a socket is a %T", name)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String(), nil
}
