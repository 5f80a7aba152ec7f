// Package link notices that a way out of this machine has appeared: a cable that was plugged in, a wireless network that was
// joined, a tunnel that came up. Nobody outside is asked, and nothing is believed of it but that trying again is worth it.
package link

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Ways are the ways out of this machine, as words that differ when the ways do.
type Ways map[string]struct{}

// Gained is one of the ways that were not there before, in words; "" when there is none.
func (w Ways) Gained(before Ways) string {
	gained := ""
	for way := range w {
		if _, had := before[way]; !had && (gained == "" || way < gained) {
			gained = way
		}
	}
	return gained
}

// Look lists the addresses of the interfaces that are up, without loopback, and on Linux the gateways.
func Look() (Ways, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	ways := Ways{}
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, a := range addrs {
			ways["the address "+a.String()+" on "+i.Name] = struct{}{}
		}
	}
	gateways(ways)
	return ways, nil
}

// gateways adds the routes that lead through another machine. Where the system has no such files there are none to add.
func gateways(ways Ways) {
	const (
		iface, to, via, mask = 0, 1, 2, 7 // of /proc/net/route
		to6, via6, iface6    = 0, 4, 9    // of /proc/net/ipv6_route
	)
	lines("/proc/net/route", func(f []string) {
		if len(f) > mask && strings.Trim(f[via], "0") != "" && f[iface] != "Iface" {
			ways["the route "+f[to]+"/"+f[mask]+" by "+f[via]+" on "+f[iface]] = struct{}{}
		}
	})
	lines("/proc/net/ipv6_route", func(f []string) {
		if len(f) > iface6 && strings.Trim(f[via6], "0") != "" {
			ways["the route "+f[to6]+"/"+f[to6+1]+" by "+f[via6]+" on "+f[iface6]] = struct{}{}
		}
	})
}

// maxRoutes is how much of a table of routes is looked at: who has a whole table of the Internet does not wait for a cable.
const maxRoutes = 1 << 20 // bytes

func lines(file string, each func(fields []string)) {
	b, err := os.ReadFile(file)
	if err != nil || len(b) > maxRoutes {
		return
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		each(strings.Fields(s.Text()))
	}
}

// Watch looks again and again.
type Watch struct {
	Every time.Duration        // 0 is 2 s
	Look  func() (Ways, error) // nil is Look
}

// Run calls gained whenever a way has appeared, until ctx ends. Ways that are there from the beginning are none, and neither
// is one that cannot be seen for want of rights.
func (w Watch) Run(ctx context.Context, gained func(way string)) error {
	if w.Every == 0 {
		w.Every = 2 * time.Second
	}
	if w.Look == nil {
		w.Look = Look
	}
	before, err := w.Look()
	for known := err == nil; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.Every):
		}
		now, err := w.Look()
		if err != nil {
			continue
		}
		if way := now.Gained(before); way != "" && known {
			gained(way)
		}
		before, known = now, true
	}
}
