package memnet_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/base/memnet"
)

// ends is a connection between two hosts, both of its ends.
func ends(t *testing.T, n *memnet.Network) (a, b net.Conn) {
	t.Helper()
	l, err := n.Host("10.0.0.2").Listen(t.Context(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = n.Host("10.0.0.1").Connect(t.Context(), netip.MustParseAddrPort(l.Addr().String())); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// TestHTTP: servers and clients of net/http work over it, in fake time.
func TestHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(1)
		n.Delay(10*time.Millisecond, 30*time.Millisecond)
		l, err := n.Host("10.0.0.2").Listen(t.Context(), "tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		content := make([]byte, 1<<20)
		_, _ = rand.Read(content)
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })}
		done := make(chan error)
		go func() { done <- s.Serve(l) }()
		transport := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return n.Host("10.0.0.1").Connect(ctx, netip.MustParseAddrPort(addr))
		}}
		began := time.Now()
		resp, err := (&http.Client{Transport: transport}).Get("http://10.0.0.2:80/")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || len(got) != len(content) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		if took := time.Since(began); took < 20*time.Millisecond || took > time.Second {
			t.Errorf("it took %s", took)
		}
		resp.Body.Close()
		transport.CloseIdleConnections()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-done
	})
}

// TestSplit: what is written into a cut arrives when it has healed; who connects waits.
func TestSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(1)
		a, b := ends(t, n)
		l, err := n.Host("10.0.0.2").Listen(t.Context(), "tcp", ":443")
		if err != nil {
			t.Fatal(err)
		}
		n.Split([]string{"10.0.0.1"}, []string{"10.0.0.2", "10.0.0.3"})
		if _, err := a.Write([]byte("late")); err != nil {
			t.Error(err)
		}
		began, buf := time.Now(), make([]byte, 10)
		_ = b.SetReadDeadline(began.Add(time.Minute))
		if _, err := b.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		to := netip.MustParseAddrPort(l.Addr().String())
		if _, err := n.Host("10.0.0.1").Connect(short, to); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("connected over a cut: %v", err)
		}
		if c, err := n.Host("10.0.0.3").Connect(t.Context(), to); err != nil {
			t.Errorf("within a part: %v", err)
		} else {
			c.Close()
		}
		time.AfterFunc(time.Hour, n.Heal)
		_ = b.SetReadDeadline(time.Time{})
		if got, err := b.Read(buf); err != nil || string(buf[:got]) != "late" {
			t.Errorf("after the cut: %q, %v", buf[:got], err)
		}
		a.Close()
		if _, err := b.Read(buf); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
		if _, err := b.Write(buf); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("to nobody: %v", err)
		}
		b.Close()
	})
}

// TestBreak: connections over a cut that breaks them, and a host that crashes.
func TestBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(1)
		a, b := ends(t, n)
		buf := make([]byte, 10)
		time.AfterFunc(time.Second, func() { n.Break([]string{"10.0.0.1"}, []string{"10.0.0.2"}) })
		for _, c := range []net.Conn{a, b} {
			if _, err := c.Read(buf); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %v", err)
			}
		}
		if _, err := n.Host("10.0.0.1").Connect(t.Context(), netip.MustParseAddrPort("10.0.0.2:1")); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("over the cut: %v", err)
		}
		n.Heal()
		if _, err := n.Host("10.0.0.1").Connect(t.Context(), netip.MustParseAddrPort("10.0.0.2:1")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("where nobody listens: %v", err)
		}
		a, b = ends(t, n)
		l, err := n.Host("10.0.0.2").Listen(t.Context(), "unix", "/tmp/socket")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, n.Host("10.0.0.2").Crash)
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accepted: %v", err)
		}
		if _, err := a.Read(buf); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("from a host that crashed: %v", err)
		}
		_ = b
		if parts := n.Parts([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}); len(parts[0]) == 0 || len(parts[1]) == 0 {
			t.Errorf("parts: %v", parts)
		}
	})
}

// TestWindow: who writes faster than is read waits, and gives up in time.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := ends(t, memnet.New(1))
		_ = a.SetWriteDeadline(time.Now().Add(time.Second))
		var err error
		sent := 0
		for err == nil {
			n, failed := a.Write(make([]byte, 1000))
			sent, err = sent+n, failed
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || sent < 100_000 {
			t.Errorf("sent %d: %v", sent, err)
		}
		a.Close()
		if got, err := io.ReadAll(b); err != nil || len(got) != sent {
			t.Errorf("read %d of %d: %v", len(got), sent, err)
		}
		b.Close()
	})
}
