package cutoff

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"freehold.example/test/cutoff/wire"
	"freehold.example/test/harness"
)

var resolver = netip.MustParseAddr("45.53.0.53")

// spaces is servers in network namespaces. The people of each are in one more, which a bridge joins to it; all else that a server
// sends goes through the router.
type spaces struct {
	prefix string
	router *wire.Router
	people *wire.Space
	sites  []*site
	seen   map[wire.Flow]int
}

func newSpaces() (world, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("not root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return nil, err
	}
	w := &spaces{prefix: fmt.Sprintf("fh%d", os.Getpid()), seen: map[wire.Flow]int{}}
	var err error
	if w.people, err = wire.NewSpace(w.prefix + "p"); err != nil {
		return nil, err
	}
	w.router = wire.New(1, resolver)
	return w, nil
}

// room is what a site has of the network.
type room struct {
	space  *wire.Space
	people string // address for its people
	cmd    *exec.Cmd
	done   chan struct{}
}

func (w *spaces) begin(s *site) error {
	i := len(w.sites)
	r := &room{people: fmt.Sprintf("192.168.%d.2", 70+i)}
	var err error
	if r.space, err = wire.NewSpace(fmt.Sprintf("%s%d", w.prefix, i)); err != nil {
		return err
	}
	s.run = r
	w.sites = append(w.sites, s)
	n, veth, bridge := "-n "+w.people.Name, fmt.Sprintf("v%d", i), fmt.Sprintf("br%d", i)
	err = wire.IP(
		n+" link add "+bridge+" type bridge", n+" link add "+veth+" type veth peer name lan0 netns "+r.space.Name,
		n+" link set "+veth+" master "+bridge, n+" link set "+veth+" up", n+" link set "+bridge+" up",
		fmt.Sprintf("%s addr add 192.168.%d.1/24 dev %s", n, 70+i, bridge),
		"-n "+r.space.Name+" addr add "+r.people+"/24 dev lan0", "-n "+r.space.Name+" link set lan0 up",
	)
	if err != nil {
		return err
	}
	if err := r.space.Resolver(resolver.String()); err != nil {
		return err
	}
	dev, err := r.space.Tun(s.addr.String())
	if err != nil {
		return err
	}
	w.router.Attach(s.addr, dev)
	w.names(s)
	s.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return w.people.Dial(ctx, network, net.JoinHostPort(r.people, port))
	}}}
	return nil
}

// names makes it known where a site is.
func (w *spaces) names(s *site) {
	w.router.Name(s.name, wire.Record{A: s.addr})
	if s.srv {
		w.router.Name("_matrix-fed._tcp."+s.name, wire.Record{SRV: "matrix." + s.name + ":" + s.port})
		w.router.Name("matrix."+s.name, wire.Record{A: s.addr})
	}
}

func (w *spaces) start(s *site) error {
	r := s.run.(*room)
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := r.space.Command(s.binary, "serve")
	cmd.Env, cmd.Stdout, cmd.Stderr = s.environ(), out, out
	cmd.SysProcAttr = harness.DieWithParent()
	if err := cmd.Start(); err != nil {
		return err
	}
	r.cmd, r.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		_ = cmd.Wait() // ProcessState tells
		close(done)
	}(r.done)
	return nil
}

func (w *spaces) stop(s *site) error {
	r := s.run.(*room)
	if r.cmd == nil {
		return nil
	}
	cmd := r.cmd
	r.cmd = nil
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-r.done
		return fmt.Errorf("%s does not stop", s.name)
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("%s ended with %s:\n%s", s.name, cmd.ProcessState, tail(s.log, 3000))
	}
	return nil
}

func (w *spaces) kill(s *site) error {
	r := s.run.(*room)
	cmd := r.cmd
	r.cmd = nil
	_ = cmd.Process.Kill()
	<-r.done
	return nil
}

func (w *spaces) cut(c cut, told bool) {
	w.router.Lie(c != whole)
	for i, a := range w.sites {
		for j, b := range w.sites[:i] {
			w.router.Between(a.addr, b.addr, wire.Link{Cut: c.between(i, j), Say: told, Delay: time.Millisecond})
		}
	}
}

func (w *spaces) attempts(s *site) map[string]int {
	all := map[string]int{}
	for f, c := range w.router.Flows() {
		if f.From != s.addr {
			continue
		}
		n := c.Packets - w.seen[f]
		if w.seen[f] = c.Packets; n == 0 {
			continue
		}
		if f.Name != "" {
			all["? "+f.Name] += n
		} else {
			all[netip.AddrPortFrom(f.To, f.Port).String()] += n
		}
	}
	return all
}

func (w *spaces) end() {
	var wg sync.WaitGroup
	for _, s := range w.sites {
		if r := s.run.(*room); r.cmd != nil {
			wg.Go(func() { _ = w.kill(s) })
		}
		s.http.CloseIdleConnections()
	}
	wg.Wait()
	w.router.Close()
	for _, s := range w.sites {
		_ = s.run.(*room).space.Remove() // the next test makes others
	}
	_ = w.people.Remove()
}
