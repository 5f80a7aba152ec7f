package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// conn is one connection to the server. It speaks as much HTTP as is needed to put load on a server that shares the
// machine: net/http's client costs several times what a small answer costs the server.
type conn struct {
	net  net.Conn
	host string
	in   *bufio.Reader
	out  []byte
	body []byte
}

func newConn(c net.Conn, host string) *conn {
	return &conn{net: c, host: host, in: bufio.NewReaderSize(c, 2048)}
}

func (l *lab) dial(ctx context.Context) (*conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", l.server.address)
	if err != nil {
		return nil, err
	}
	return newConn(c, l.server.address), nil
}

func (c *conn) close() { _ = c.net.Close() }

// patience is how long an answer may take, waiting for news included.
const patience = 90 * time.Second

// refusal is an answer other than 200.
type refusal struct {
	status       int
	method, path string
	body         string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s %s: %d %s", r.method, r.path, r.status, r.body)
}

// do makes one request and reads the answer, which is good until the next one. Any answer but 200 is an error.
func (c *conn) do(method, path, token string, body []byte) ([]byte, error) {
	if err := c.send(method, path, token, body); err != nil {
		return nil, err
	}
	status, answer, err := c.receive()
	if err == nil && status != 200 {
		err = &refusal{status: status, method: method, path: path, body: string(answer)}
	}
	return answer, err
}

func (c *conn) send(method, path, token string, body []byte) error {
	b := c.out[:0]
	b = append(append(append(append(b, method...), ' '), path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, c.host...), "\r\n"...)
	if token != "" {
		b = append(append(append(b, "Authorization: Bearer "...), token...), "\r\n"...)
	}
	if body != nil || method != "GET" {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	}
	b = append(append(b, "\r\n"...), body...)
	c.out = b
	if err := c.net.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.net.Write(b)
	return err
}

func (c *conn) receive() (status int, body []byte, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, errors.New("not HTTP: " + string(line))
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, chunked := 0, false
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, nil, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	c.body = c.body[:0]
	if !chunked {
		err := c.read(length)
		return status, c.body, err
	}
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return 0, nil, err
		}
		if err := c.read(int(n)); err != nil {
			return 0, nil, err
		}
		if _, err := c.in.Discard(2); err != nil {
			return 0, nil, err
		}
		if n == 0 {
			return status, c.body, nil
		}
	}
}

// read appends n bytes to the body.
func (c *conn) read(n int) error {
	at := len(c.body)
	if cap(c.body) < at+n {
		grown := make([]byte, at, max(2*cap(c.body), at+n))
		copy(grown, c.body)
		c.body = grown
	}
	c.body = c.body[:at+n]
	_, err := io.ReadFull(c.in, c.body[at:])
	return err
}

// text finds the value of a key in an answer, the first there is, where the value is a string without escapes.
func text(answer []byte, key string) string {
	_, rest, _ := bytes.Cut(answer, []byte(`"`+key+`":"`))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(value)
}
