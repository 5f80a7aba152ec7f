package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// Space is a network namespace of Linux, which `ip netns` knows by its name.
type Space struct{ Name string }

// IP runs commands of `ip` one after the other, each as it would be typed after that word.
func IP(commands ...string) error {
	for _, c := range commands {
		cmd := exec.Command("ip", strings.Fields(c)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", c, err, out)
		}
	}
	return nil
}

// NewSpace makes a namespace without any IPv6. Errors: there is no right to, or no `ip`.
func NewSpace(name string) (*Space, error) {
	if err := IP("netns add "+name, "-n "+name+" link set lo up"); err != nil {
		return nil, err
	}
	s := &Space{name}
	return s, s.do(func() error { return os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0o600) })
}

// Remove ends it.
func (s *Space) Remove() error {
	return errors.Join(IP("netns del "+s.Name), os.RemoveAll("/etc/netns/"+s.Name))
}

// Resolver says where programs of the namespace ask for names.
func (s *Space) Resolver(dns string) error {
	dir := "/etc/netns/" + s.Name // `ip netns exec` puts what is in there over /etc
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(dir+"/resolv.conf", []byte("nameserver "+dns+"\noptions timeout:1 attempts:1\n"), 0o644)
}

// Command is a program that runs in there.
func (s *Space) Command(program string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", s.Name, program}, args...)...)
}

// Dial connects from in there. Only addresses are understood.
func (s *Space) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = s.do(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// do calls fn on a thread that is in the namespace. What fn opens stays there.
func (s *Space) do(fn func() error) error {
	runtime.LockOSThread()
	before, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer before.Close()
	there, err := os.Open("/run/netns/" + s.Name)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer there.Close()
	if err := setns(there); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = fn()
	if back := setns(before); back != nil { // the thread is lost, and ends with its goroutine
		return errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return err
}

func setns(f *os.File) error {
	number := map[string]uintptr{"amd64": 308, "arm64": 268}[runtime.GOARCH]
	if number == 0 {
		return errors.ErrUnsupported
	}
	if _, _, no := syscall.RawSyscall(number, f.Fd(), syscall.CLONE_NEWNET, 0); no != 0 {
		return no
	}
	return nil
}

// Tun makes a device in the namespace by which everything goes that is to no other network: what is read from the file is a
// packet that leaves, what is written to it one that comes.
func (s *Space) Tun(addr string) (f *os.File, err error) {
	const name = "out0"
	err = s.do(func() error {
		fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", err)
		}
		const (
			tunSetIff   = 0x400454ca
			tunWithoutL = 0x0001 | 0x1000 // IFF_TUN | IFF_NO_PI: packets as they are
		)
		var request struct {
			name  [16]byte
			flags uint16
			_     [22]byte
		}
		copy(request.name[:], name)
		request.flags = tunWithoutL
		if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), tunSetIff, uintptr(unsafe.Pointer(&request))); no != 0 {
			_ = syscall.Close(fd)
			return fmt.Errorf("make a TUN device: %w", no)
		}
		f = os.NewFile(uintptr(fd), "/dev/net/tun")
		return nil
	})
	if err != nil {
		return nil, err
	}
	n := "-n " + s.Name
	err = IP(n+" addr add "+addr+"/32 dev "+name, n+" link set "+name+" up", n+" route add default dev "+name+" src "+addr)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
