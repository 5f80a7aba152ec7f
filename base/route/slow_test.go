package route_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/base/route"
)

// oneConn is a listener that accepts one connection, in memory.
type oneConn struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error   { close(l.done); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// connect serves the rows to one connection, in a bubble with its own clock.
func connect(t *testing.T, rows []route.Row[call], use func(t *testing.T, c net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		table, _ := newTable(t, rows)
		client, server := net.Pipe()
		l := &oneConn{conns: make(chan net.Conn, 1), done: make(chan struct{})}
		l.conns <- server
		s := &http.Server{Handler: table, ReadHeaderTimeout: time.Second}
		go func() { _ = s.Serve(l) }() // ends with Close
		defer time.Sleep(time.Second)  // net/http lingers half a second over connections that it closes
		defer s.Close()
		defer client.Close()
		use(t, client)
	})
}

// Who sends a body too slowly is told so after a minute; who waits for an answer to a body may wait for long.
func TestSlowBody(t *testing.T) {
	connect(t, apiRows(), func(t *testing.T, c net.Conn) {
		began := time.Now()
		go func() {
			_, _ = io.WriteString(c, "PUT /v3/send/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Length: 90\r\n\r\n{")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if took := time.Since(began); resp.StatusCode != http.StatusBadRequest || took < 50*time.Second || took > 70*time.Second {
			t.Errorf("got %d after %s", resp.StatusCode, took)
		}
	})
}

// A body that nobody asked for does not hold the answer up for longer either.
func TestSlowUnwantedBody(t *testing.T) {
	for _, target := range []string{"POST /nowhere", "POST /v3/send/1", "PUT /v3/send/1", "GET /v3/versions"} {
		connect(t, apiRows(), func(t *testing.T, c net.Conn) {
			began := time.Now()
			go func() { _, _ = io.WriteString(c, target+" HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n{") }()
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if took := time.Since(began); took > 70*time.Second {
				t.Errorf("%s: got %d after %s", target, resp.StatusCode, took)
			}
		})
	}
}

// An upload may take as long as it takes, when something comes every minute.
func TestSlowUpload(t *testing.T) {
	rows := []route.Row[call]{{Method: "POST", Path: "/up", Serve: route.Raw(func(w http.ResponseWriter, r *http.Request, _ *call, _ route.Params) error {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, strconv.FormatInt(n, 10))
		return err
	})}}
	connect(t, rows, func(t *testing.T, c net.Conn) {
		go func() {
			_, _ = io.WriteString(c, "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n")
			for range 20 {
				time.Sleep(30 * time.Second)
				_, _ = io.WriteString(c, "x")
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "20" {
			t.Errorf("got %d %s, %v", resp.StatusCode, body, err)
		}
	})
}

func TestLongPollAfterBody(t *testing.T) {
	type asked struct {
		Name string `json:"name"`
	}
	wait := route.JSON(func(ctx context.Context, _ *call, r *asked) (*asked, error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Hour):
			return r, nil
		}
	})
	connect(t, []route.Row[call]{{Method: "POST", Path: "/wait", Serve: wait}}, func(t *testing.T, c net.Conn) {
		go func() {
			_, _ = io.WriteString(c, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"name\":\"x\"}")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != `{"name":"x"}` {
			t.Errorf("got %d %s, %v", resp.StatusCode, body, err)
		}
	})
}

// Who stops reading loses the connection; who reads slowly does not.
func TestSlowReader(t *testing.T) {
	big := strings.Repeat("x", 8<<20)
	var ended bool // read after synctest.Wait only
	var failed error
	rows := []route.Row[call]{{Method: "GET", Path: "/big", Serve: route.Raw(func(w http.ResponseWriter, _ *http.Request, _ *call, _ route.Params) error {
		_, failed = io.Copy(w, strings.NewReader(big))
		ended = true
		return nil
	})}}
	t.Run("stopped", func(t *testing.T) {
		connect(t, rows, func(t *testing.T, c net.Conn) {
			ended = false
			_, _ = io.WriteString(c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, err := io.CopyN(io.Discard, c, 1000); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if !ended || failed == nil {
				t.Errorf("after two minutes: ended %v with %v", ended, failed)
			}
		})
	})
	t.Run("slow", func(t *testing.T) {
		connect(t, rows, func(t *testing.T, c net.Conn) {
			ended, failed = false, nil
			_, _ = io.WriteString(c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
			for got := int64(0); got < int64(len(big)); {
				n, err := io.CopyN(io.Discard, c, 256<<10)
				if got += n; err != nil {
					t.Fatalf("after %d bytes: %v", got, err)
				}
				time.Sleep(10 * time.Second)
			}
			go func() { _, _ = io.Copy(io.Discard, c) }() // what headers and chunks add; ends with the connection
			synctest.Wait()
			if !ended || failed != nil {
				t.Errorf("ended %v with %v", ended, failed)
			}
		})
	})
}

// A body that is too large is refused whether its length is told or not, and the caller learns it.
func TestTooLargeOnTheWire(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		connect(t, apiRows(), func(t *testing.T, c net.Conn) {
			head := "PUT /v3/send/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"
			body := `{"a":"` + strings.Repeat("x", 200) + `"}`
			if chunked {
				head += "Transfer-Encoding: chunked\r\n\r\nd0\r\n" + body + "\r\n0\r\n\r\n"
			} else {
				head += "Content-Length: 208\r\n\r\n" + body
			}
			go func() { _, _ = io.WriteString(c, head) }()
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("chunked %v: got %d", chunked, resp.StatusCode)
			}
		})
	}
}

// An answer that breaks off is seen to break off.
func TestBrokenAnswer(t *testing.T) {
	rows := []route.Row[call]{{Method: "GET", Path: "/half", Serve: route.Raw(func(w http.ResponseWriter, _ *http.Request, _ *call, _ route.Params) error {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		return io.ErrUnexpectedEOF
	})}}
	connect(t, rows, func(t *testing.T, c net.Conn) {
		go func() { _, _ = io.WriteString(c, "GET /half HTTP/1.1\r\nHost: x\r\n\r\n") }()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("got %q as if it were whole", body)
		}
	})
}
