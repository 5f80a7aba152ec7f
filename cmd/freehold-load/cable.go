package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// cables are the links between servers on this machine: each is reached through an address of its own, whose connections are
// let through or not by whose they are.
type cables struct {
	last int    // port
	labs []*lab // all are there before the first server runs

	mu    sync.Mutex // guards what follows
	side  []int      // where each server stands in a split; all are 0 when there is none
	open  map[net.Conn][2]int
	ports []net.Listener
}

func newCables(n int) *cables { return &cables{side: make([]int, n), open: map[net.Conn][2]int{}} }

// lay gives every server an address at which the others find it: its name. Its own listener is at behind.
func (c *cables) lay(ctx context.Context, i int, behind string) (name string, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	c.ports = append(c.ports, l)
	go c.serve(ctx, l, i, behind)
	return l.Addr().String(), nil
}

// keepable is an address that nobody listens on, and whose port the system does not give to those who connect, so that it is
// there for a server that comes back.
func (c *cables) keepable(ctx context.Context) (string, error) {
	if c.last == 0 {
		c.last = 20_000 + os.Getpid()%8000
	}
	for c.last++; c.last < 32_000; c.last++ {
		address := fmt.Sprintf("127.0.0.1:%d", c.last)
		if l, err := new(net.ListenConfig).Listen(ctx, "tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no port is free below 32000")
}

// close ends the servers and their links.
func (c *cables) close() {
	for _, x := range c.labs {
		x.close()
	}
	for _, l := range c.ports {
		_ = l.Close()
	}
}

// split cuts the links between servers that stand on different sides; nil links all.
func (c *cables) split(side []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if side == nil {
		side = make([]int, len(c.side))
	}
	c.side = side
	for conn, ends := range c.open {
		if side[ends[0]] != side[ends[1]] {
			_ = conn.Close()
		}
	}
}

func (c *cables) serve(ctx context.Context, l net.Listener, to int, behind string) {
	for {
		near, err := l.Accept()
		if err != nil {
			return // it was closed
		}
		go c.carry(ctx, near, to, behind)
	}
}

// carry passes on what the two ends of a connection say, if their servers are linked.
func (c *cables) carry(ctx context.Context, near net.Conn, to int, behind string) {
	defer func() { _ = near.Close() }()
	from, err := c.whose(near)
	if err != nil {
		return // it has gone already
	}
	c.mu.Lock()
	linked := c.side[from] == c.side[to]
	if linked {
		c.open[near] = [2]int{from, to}
	}
	c.mu.Unlock()
	if !linked {
		return
	}
	defer func() {
		c.mu.Lock()
		delete(c.open, near)
		c.mu.Unlock()
	}()
	far, err := new(net.Dialer).DialContext(ctx, "tcp", behind)
	if err != nil {
		return // that server does not run
	}
	defer func() { _ = far.Close() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, near) // either end may go
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-done
}

// whose is the server that made a connection.
func (c *cables) whose(near net.Conn) (int, error) {
	_, port, err := net.SplitHostPort(near.RemoteAddr().String())
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0, err
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	want := fmt.Sprintf("0100007F:%04X", n)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[1] != want || f[9] == "0" {
			continue
		}
		for i, l := range c.labs {
			if hasOpen(l.pid.Load(), "socket:["+f[9]+"]") {
				return i, nil
			}
		}
	}
	return 0, os.ErrNotExist
}

// hasOpen says whether a process has a file open.
func hasOpen(pid int64, file string) bool {
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return false
	}
	for _, fd := range all {
		if to, err := os.Readlink(fd); err == nil && to == file {
			return true
		}
	}
	return false
}
