package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/xmatrix"
)

// Question is a request to another server.
type Question struct {
	Server  id.Server
	Method  string
	Path    string // and query, escaped, beginning with /_matrix
	Content any    // the body, marshalled to JSON; nil for none
	Now     bool   // ask even if the server did not answer a moment ago: somebody waits for it
	Brief   bool   // do not wait long for one that is known not to be reached: who waits is told then (brief.go)
	Large   bool   // the answer is the state of a room: it may be larger, and take longer, than others

	// Read is given the answer as it comes, where it is 200, in the place of what Ask decodes into.
	Read func(io.Reader) error
}

// WaitError says that a server did not answer and is not asked again yet.
type WaitError struct {
	Server id.Server
	Until  time.Time
	Cause  error // why the last attempt failed
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("%s is asked again at %s; the last attempt: %v", e.Server, e.Until.UTC().Format(time.RFC3339), e.Cause)
}

func (e *WaitError) Unwrap() error { return e.Cause }

// AnswerError is an answer other than 200: the server is there, and refuses.
type AnswerError struct {
	Server id.Server
	Status int
	Code   fault.Code // what the body says; M_UNKNOWN where that is not a Matrix error
	Text   string     // the same, at most 500 bytes; nothing that is shown without saying whose words it is
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s answers %d %s: %s", e.Server, e.Status, e.Code, e.Text)
}

// refusal reads the body of an answer that is not 200.
func refusal(server id.Server, status int, body []byte) *AnswerError {
	var said struct {
		Code string `json:"errcode"`
		Text string `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil || said.Code == "" {
		said.Code, said.Text = string(fault.Unknown), http.StatusText(status)
	}
	return &AnswerError{Server: server, Status: status, Code: fault.Code(cut(said.Code, 100)), Text: cut(said.Text, 500)}
}

func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// Ask sends a signed request and decodes the answer into out; nil leaves it unread. Errors: *WaitError, *AnswerError,
// fault.Forbidden for a server that there is to be no traffic with, or what kept the server from being reached.
func (p *Peers) Ask(ctx context.Context, q Question, out any) error {
	body, err := p.ask(ctx, q)
	if err != nil || out == nil || q.Read != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("the answer of %s: %w", q.Server, err)
	}
	return nil
}

func (p *Peers) ask(ctx context.Context, q Question) ([]byte, error) {
	if !q.Now {
		if err := p.waiting(q.Server); err != nil {
			return nil, err
		}
	}
	if q.Brief {
		if err := p.there(ctx, q.Server); err != nil {
			return nil, err
		}
	}
	client := p.requests
	if q.Large {
		client = p.states
	}
	status, body, err := p.sendBy(ctx, client, q.Server, q.Read, func(route Route) (*http.Request, error) { return p.request(ctx, q, route) })
	if err != nil {
		return nil, err
	}
	if status == http.StatusOK {
		p.report(ctx, q.Server, nil)
		return body, nil
	}
	no := refusal(q.Server, status, body)
	if status >= 500 || status == http.StatusTooManyRequests {
		return nil, p.failed(ctx, q.Server, no) // it does not get to its work
	}
	p.report(ctx, q.Server, nil)
	return nil, no
}

// send sends a server the request that request makes for the way there, and reads the answer. That the server was not reached is
// noted; what an answer means is for the caller to report.
func (p *Peers) send(ctx context.Context, server id.Server, request func(Route) (*http.Request, error)) (status int, body []byte, err error) {
	return p.sendBy(ctx, p.requests, server, nil, request)
}

func (p *Peers) sendBy(ctx context.Context, client *http.Client, server id.Server, read func(io.Reader) error, request func(Route) (*http.Request, error)) (status int, body []byte, err error) {
	route, err := p.Route(ctx, server)
	if err != nil {
		return 0, nil, p.failed(ctx, server, err)
	}
	resp, err := p.do(ctx, client, server, route, request)
	if err != nil {
		return 0, nil, p.failed(ctx, server, err)
	}
	defer resp.Body.Close()
	from := &line{Reader: resp.Body}
	if read != nil && resp.StatusCode == http.StatusOK {
		err = read(from)
	} else {
		body, err = io.ReadAll(from)
	}
	switch {
	case from.err != nil:
		return 0, nil, p.failed(ctx, server, from.err)
	case err != nil:
		return 0, nil, fmt.Errorf("the answer of %s: %w", server, err)
	}
	return resp.StatusCode, body, nil
}

// line reads an answer and remembers why it broke off, if it did.
type line struct {
	io.Reader
	err error
}

func (l *line) Read(b []byte) (int, error) {
	n, err := l.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}

// request makes the signed request.
func (p *Peers) request(ctx context.Context, q Question, route Route) (*http.Request, error) {
	signed := xmatrix.Request{Method: q.Method, URI: q.Path, Destination: q.Server}
	var body io.Reader
	if q.Content != nil {
		content, err := json.Marshal(q.Content)
		if err != nil {
			return nil, err
		}
		signed.Content = content
		body = bytes.NewReader(content)
	}
	header, err := signed.Sign(p.Signer)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(route.reach(ctx), q.Method, route.url(q.Path), body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", header)
	r.Header.Set("User-Agent", "Freehold")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// failed notes that a server was not reached, unless it is the caller who gave up.
func (p *Peers) failed(ctx context.Context, server id.Server, err error) error {
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) || fault.Is(err, fault.Forbidden) {
		return err
	}
	p.report(ctx, server, err)
	return err
}
