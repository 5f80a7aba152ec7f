package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/base/route"
)

// Attacks on the listener, byte by byte, and on what the server says of its users.

// A token in the query is no token: queries end up in logs. Every row that needs one says so.
func TestTokenInQuery(t *testing.T) {
	h := newHouse(t)
	for _, row := range h.rows {
		if row.Auth < route.User {
			continue
		}
		for _, body := range []string{`{}`, `access_token=` + h.token} {
			w := h.do(t.Context(), row.Method, h.path(row.Path)+"?access_token="+h.token, "", []byte(body))
			if w.Code != http.StatusUnauthorized || h.errcode(w) != "M_MISSING_TOKEN" {
				t.Errorf("%s %s: got %d %s", row.Method, row.Path, w.Code, w.Body)
			}
		}
	}
}

// Neither the log, at its most talkative, nor the metrics have tokens, passwords, or anything people said.
func TestSecretsAreNotLogged(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.LogLevel, c.RegistrationSharedSecret = slog.LevelDebug, "shared-secret" })
	secrets := []string{"shared-secret", "pass-word-1", "pass-word-2", "pass-word-3", h.token, "sesame"}
	call := func(method, path, token, body string) map[string]any {
		t.Helper()
		w := h.do(t.Context(), method, path, token, []byte(body))
		if w.Code >= 500 {
			t.Errorf("%s %s: got %d %s", method, path, w.Code, w.Body)
		}
		var answer map[string]any
		_ = json.Unmarshal(w.Body.Bytes(), &answer) // pages have none
		for _, key := range []string{"access_token", "refresh_token", "login_token", "session", "nonce"} {
			if s, _ := answer[key].(string); s != "" {
				secrets = append(secrets, s)
			}
		}
		return answer
	}
	const v3 = "/_matrix/client/v3"
	alice := call("POST", v3+"/register", "", `{"username":"alice","password":"pass-word-1","refresh_token":true,"auth":{"type":"m.login.dummy"}}`)
	if alice["refresh_token"] == nil {
		t.Fatalf("got %v", alice)
	}
	again := call("POST", v3+"/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, alice["refresh_token"]))
	token := again["access_token"].(string)
	room := call("POST", v3+"/createRoom", token, `{"name":"words-in-a-name"}`)["room_id"].(string)
	call("PUT", v3+"/rooms/"+room+"/send/m.room.message/t", token, `{"body":"words-of-a-message"}`)
	call("PUT", v3+"/rooms/"+room+"/send/m.room.message/u", token, `{"body":"words-of-a-message", broken`)
	call("POST", v3+"/login", "", `{"type":"m.login.password","identifier":{"type":"m.id.user","user":"alice"},"password":"pass-word-2"}`)
	call("POST", v3+"/login", "", `{"type":"m.login.password","identifier":{"type":"m.id.user","user":"alice"},"password":{"pass-word-3":1}}`)
	call("GET", v3+"/sync?filter=words-of-a-filter", token, "")
	call("POST", v3+"/user_directory/search", token, `{"search_term":"words-of-a-search"}`)
	call("POST", v3+"/search?next_batch=words-of-a-search", token, `{"search_categories":{"room_events":{"search_term":"words-of-a-search"}}}`)
	call("GET", v3+"/account/whoami?access_token="+token, "wrong-token-of-somebody", "")
	call("GET", "/_matrix/client/v3/words-of-a-path/"+token, token, "")
	call("GET", "/_synapse/admin/v1/register", "", "")
	call("POST", v3+"/account/password", token, `{"new_password":"pass-word-2"}`)
	call("POST", v3+"/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, alice["refresh_token"])) // once more: the session ends
	call("POST", v3+"/logout", token, "")
	secrets = append(secrets, "wrong-token-of-somebody", "words-in-a-name", "words-of-a-message", "words-of-a-filter", "words-of-a-search", "words-of-a-path")
	r := httptest.NewRequest("GET", "/metrics", http.NoBody)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	metrics, log := w.Body.String(), h.log.String()
	if !strings.Contains(metrics, "freehold_http_request_seconds") {
		t.Fatalf("got %d %s", w.Code, metrics)
	}
	if !strings.Contains(log, `"route":"/_matrix/client/v3/login"`) {
		t.Fatalf("the log has no requests: %s", log)
	}
	for _, s := range secrets {
		for name, text := range map[string]string{"log": log, "metrics": metrics} {
			if i := strings.Index(text, s); i >= 0 {
				t.Errorf("the %s has %q: ...%.300s", name, s, text[max(i-200, 0):])
			}
		}
	}
}

// exchange sends bytes to the listener and gives what comes back until it closes the connection or falls silent.
func exchange(t *testing.T, s *Server, request string) string {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", s.ClientAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	go func() { _, _ = io.WriteString(c, request) }() // the server may close before it has read all
	var all bytes.Buffer
	_, _ = io.Copy(&all, c)
	return all.String()
}

// Requests of which two readers could see different ends are refused, and end the connection.
func TestSmuggling(t *testing.T) {
	s, _, _, _ := start(t)
	const next = "GET /_matrix/client/v3/smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for name, head := range map[string]string{
		"length and chunks":     "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"two lengths":           "Content-Length: 5\r\nContent-Length: 6\r\n",
		"lengths in a list":     "Content-Length: 5, 6\r\n",
		"a signed length":       "Content-Length: +5\r\n",
		"a length in hex":       "Content-Length: 0x5\r\n",
		"a negative length":     "Content-Length: -5\r\n",
		"a huge length":         "Content-Length: 99999999999999999999\r\n",
		"another coding":        "Transfer-Encoding: xchunked\r\n",
		"two codings":           "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
		"a space before colon":  "Content-Length : 5\r\n",
		"a line feed in a name": "X\nContent-Length: 5\r\n",
		"a NUL":                 "X: a\x00b\r\n",
		"a folded line":         "X: a\r\n\x0bTransfer-Encoding: chunked\r\n",
	} {
		got := exchange(t, s, "POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\n"+head+"\r\n0\r\n\r\n"+next)
		if n := strings.Count(got, "HTTP/1."); n > 1 || strings.Contains(got, "smuggled") || n == 1 && !strings.Contains(got, " 400 ") && !strings.Contains(got, " 501 ") && !strings.Contains(got, " 413 ") {
			t.Errorf("%s: got %q", name, got)
		}
	}
	for name, request := range map[string]string{
		"no host":   "GET /_matrix/client/versions HTTP/1.1\r\n\r\n",
		"two hosts": "GET /_matrix/client/versions HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"no HTTP":   "hello\r\n\r\n",
		"HTTP/9":    "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
	} {
		if got := exchange(t, s, request); !strings.HasPrefix(got, "HTTP/1.1 4") && !strings.HasPrefix(got, "HTTP/1.1 5") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// Many requests in one packet are answered in their order, each by itself.
func TestPipelining(t *testing.T) {
	s, _, _, _ := start(t)
	var all strings.Builder
	const n = 200
	for i := range n {
		connection := ""
		if i == n-1 {
			connection = "Connection: close\r\n"
		}
		path := "/_matrix/client/versions"
		if i%2 == 1 {
			path = "/_matrix/unknown"
		}
		fmt.Fprintf(&all, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, connection)
	}
	r := bufio.NewReader(strings.NewReader(exchange(t, s, all.String())))
	for i := range n {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if want := []int{200, 404}[i%2]; resp.StatusCode != want {
			t.Errorf("answer %d: got %d, want %d", i, resp.StatusCode, want)
		}
	}
}

// A header that does not end, in bytes or in time, ends the connection; a connection that says nothing does too.
func TestHeaderBombs(t *testing.T) {
	s, _, _, _ := start(t)
	for name, head := range map[string]string{
		"one long field":  "X: " + strings.Repeat("a", 200<<10) + "\r\n",
		"many fields":     strings.Repeat("X-Y: z\r\n", 20_000),
		"a long address":  "", // below
		"many of one key": strings.Repeat("Cookie: a=b\r\n", 20_000),
	} {
		path := "/_matrix/client/versions"
		if head == "" {
			path += "?" + strings.Repeat("a", 200<<10)
		}
		if got := exchange(t, s, "GET "+path+" HTTP/1.1\r\nHost: x\r\n"+head+"\r\n"); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
			t.Errorf("%s: got %.200q", name, got)
		}
	}
}

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { close(l.done); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func TestSlowloris(t *testing.T) {
	for name, pace := range map[string]func(c net.Conn){
		"says nothing":             func(net.Conn) {},
		"a byte a second":          func(c net.Conn) { drip(c, "GET /_matrix/client/versions HTTP/1.1\r\nX: "+strings.Repeat("a", 1000)) },
		"half a header":            func(c net.Conn) { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n") },
		"a request, then no other": func(c net.Conn) { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{conns: make(chan net.Conn, 1), done: make(chan struct{})}
				s := &Server{config: Config{Log: newLogger(io.Discard, "json", 0)}}
				served := s.newListener("test", l, http.NotFoundHandler())
				go func() { _ = served.http.Serve(served.Listener) }() // ends with Close
				client, server := net.Pipe()
				began := time.Now()
				l.conns <- server
				go pace(client) // ends when the server closes
				_, _ = io.Copy(io.Discard, client)
				if took := time.Since(began); took > idleTime+headerTime {
					t.Errorf("it was held for %v", took)
				}
				_ = served.http.Close()
				served.end()
				client.Close()
				time.Sleep(time.Second) // net/http lingers over connections that it closes
			})
		})
	}
}

func drip(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// A compressed body is not taken apart: it is no JSON.
func TestGzipBomb(t *testing.T) {
	h := newHouse(t)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(bytes.Repeat([]byte(`{"a":"                  "},`), 1<<18)) // into memory
	z.Close()
	for _, coding := range []string{"gzip", "deflate", "br", "gzip, gzip"} {
		r := httptest.NewRequest("POST", "/_matrix/client/v3/createRoom", bytes.NewReader(b.Bytes()))
		r.Header.Set("Content-Encoding", coding)
		r.Header.Set("Authorization", "Bearer "+h.token)
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || h.errcode(w) != "M_NOT_JSON" {
			t.Errorf("%s: got %d %s", coding, w.Code, w.Body)
		}
	}
}

// Web clients can read errors too.
func TestCORSOnErrors(t *testing.T) {
	h := newHouse(t)
	for want, request := range map[int][2]string{
		404: {"GET", "/_matrix/unknown"}, 405: {"PUT", "/v3/login"}, 401: {"GET", "/v3/account/whoami"}, 400: {"POST", "/v3/login"},
	} {
		w := h.do(context.Background(), request[0], request[1], "", []byte("{"))
		if w.Code != want || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v: got %d %v", request, w.Code, w.Header())
		}
	}
}
