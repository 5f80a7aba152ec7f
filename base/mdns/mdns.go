// Package mdns lets homeservers on one local network find each other by multicast DNS (RFC 6762 and 6763), without any
// other name service: each says its name and port to the others, and hears theirs.
//
// What is heard is believed of nobody's identity: it is one more place to look for a server, whose certificate and keys are
// checked there as anywhere. Only the sender's own address counts, not what it says of others. Over IPv4 only, as what is local has
// that everywhere. Nothing is sent unless the operator has turned it on.
package mdns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Found is a server that was heard.
type Found struct {
	Name  string         // as it says, at most 255 bytes; anybody can say anything
	Place netip.AddrPort // where its words came from, and the port that it says
}

// Config is who is to be found, and who is told of others.
type Config struct {
	Name string // of this server
	Port uint16 // where other servers reach it; 0 says nothing, and only listens
	Now  func() time.Time
	Log  *slog.Logger

	Found func(Found)                      // is called by one goroutine at a time, and should not wait
	Open  func() ([]net.PacketConn, error) // one for each network; nil is the system's
}

var group = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

const (
	askEvery    = time.Minute // for who else is there; the networks of this machine are looked at anew then too
	maxPacket   = 9000        // bytes, RFC 6762 17
	perSecond   = 100         // packets that are looked at, of each network; the others are dropped
	answerPause = time.Second // between two answers in one network, RFC 6762 6
)

// Run asks, answers and listens until ctx ends. Networks that cannot be listened to are left out, and tried again later.
func Run(ctx context.Context, c Config) error {
	if c.Open == nil {
		c.Open = open
	}
	words, err := newWords(c.Name, c.Port)
	if err != nil {
		return fmt.Errorf("multicast DNS: %w", err)
	}
	for ctx.Err() == nil {
		if err := c.round(ctx, words); err != nil && ctx.Err() == nil {
			c.Log.InfoContext(ctx, "the local network cannot be listened to", "cause", err)
		}
		if !pause(ctx, 100*time.Millisecond, time.Second) {
			break
		}
	}
	return nil
}

// round listens to the networks that there are now, for as long as askEvery.
func (c *Config) round(ctx context.Context, w *words) error {
	conns, err := c.Open()
	if len(conns) == 0 {
		pause(ctx, askEvery, askEvery)
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var readers sync.WaitGroup
	var one sync.Mutex // for Found
	for _, conn := range conns {
		readers.Go(func() { c.listen(ctx, conn, w, &one) })
	}
	for _, ask := range []bool{true, false} { // some networks lose what comes first
		for _, conn := range conns {
			_, _ = conn.WriteTo(w.question, group) // a network that has just gone
			if c.Port != 0 {
				_, _ = conn.WriteTo(w.answer, group)
			}
		}
		if ask {
			pause(ctx, time.Second, 1200*time.Millisecond)
		}
	}
	pause(ctx, askEvery, askEvery)
	stop()
	for _, conn := range conns {
		_ = conn.Close() // ends its reader
	}
	readers.Wait()
	return nil
}

// listen reads what is said in one network, until its connection is closed.
func (c *Config) listen(ctx context.Context, conn net.PacketConn, w *words, one *sync.Mutex) {
	var answers sync.WaitGroup
	defer answers.Wait()
	answering := make(chan struct{}, 1)
	buf := make([]byte, maxPacket)
	var second time.Time
	n := 0
	for {
		size, from, err := conn.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
				return
			}
			if !pause(ctx, time.Second, time.Second) {
				return
			}
			continue
		}
		if now := c.Now(); now.Sub(second) >= time.Second || now.Before(second) {
			second, n = now, 0
		}
		if n++; n > perSecond {
			continue
		}
		udp, ok := from.(*net.UDPAddr)
		if !ok {
			continue
		}
		asked, said := read(buf[:size])
		if asked && c.Port != 0 {
			select {
			case answering <- struct{}{}:
				answers.Go(func() {
					if pause(ctx, 20*time.Millisecond, 120*time.Millisecond) {
						_, _ = conn.WriteTo(w.answer, group) // a network that has just gone
						pause(ctx, answerPause, answerPause)
					}
					<-answering
				})
			default: // it has just been answered, or is about to be
			}
		}
		addr := udp.AddrPort().Addr().Unmap()
		for _, s := range said {
			if s.name != c.Name && addr.Is4() && udp.Port == group.Port {
				one.Lock()
				c.Found(Found{Name: s.name, Place: netip.AddrPortFrom(addr, s.port)})
				one.Unlock()
			}
		}
	}
}

// open listens on every interface that is up and has multicast, but loopback.
func open() (conns []net.PacketConn, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	const want = net.FlagUp | net.FlagMulticast
	for _, i := range all {
		if i.Flags&want != want || i.Flags&net.FlagLoopback != 0 || len(conns) >= 32 {
			continue
		}
		conn, failed := net.ListenMulticastUDP("udp4", &i, group)
		if failed != nil {
			err = failed
			continue
		}
		conns = append(conns, conn)
	}
	return conns, err
}

// pause waits for a time between two.
func pause(ctx context.Context, least, most time.Duration) bool {
	if most > least {
		least += rand.N(most - least) //nolint:gosec // to spread, not to hide
	}
	t := time.NewTimer(least)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
