package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// HTTP is how requests are made for one reason. The zero value is fit for small JSON answers.
type HTTP struct {
	Total     time.Duration // from the request to the end of the answer's body; 0 is 60 s
	Stall     time.Duration // the longest silence, before the answer or within it; 0 is 30 s
	MaxBody   int64         // bytes of an answer's body, after decompression; 0 is 1 MiB
	Redirects int           // how many are followed; 0 hands the redirect itself to the caller
	PerHost   int           // connections to one host at once; 0 is 8
	TLS       *tls.Config   // nil is a plain one; the door's Roots and clock are filled in where it names none
}

const (
	defaultTotal   = 60 * time.Second
	defaultStall   = 30 * time.Second
	defaultMaxBody = 1 << 20
	defaultPerHost = 8
	maxHeader      = 64 << 10 // bytes of an answer's header

	// All requests to a host share one connection of HTTP/2: a silent one is asked whether it is still there, or a cut would
	// hold up what comes after it for as long as the kernel believes in the connection.
	pingAfter = 10 * time.Second
	pingTime  = 10 * time.Second
)

// ErrTooLarge says that an answer is larger than HTTP.MaxBody.
var ErrTooLarge = errors.New("dial: the answer is too large")

// ErrStalled says that the other side was silent for longer than HTTP.Stall.
var ErrStalled = errors.New("dial: the other side went silent")

// ErrDowngrade says that a redirect led from https to http.
var ErrDowngrade = errors.New("dial: redirected from https to http")

// Client makes an http.Client that goes through this way. Each keeps connections of its own, so one is made for each
// use and kept. Environment variables for proxies are not looked at: a proxy would choose the address.
func (w *Way) Client(h HTTP) *http.Client {
	return &http.Client{
		Transport: w.Transport(h),
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case h.Redirects == 0:
				return http.ErrUseLastResponse
			case len(via) > h.Redirects:
				return fmt.Errorf("dial: more than %d redirects", h.Redirects)
			case via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https":
				return ErrDowngrade
			}
			return nil
		},
	}
}

// Transport makes a RoundTripper that goes through this way. Redirects are not its business.
func (w *Way) Transport(h HTTP) http.RoundTripper {
	t := &transport{total: h.Total, stall: h.Stall, maxBody: h.MaxBody}
	if t.total == 0 {
		t.total = defaultTotal
	}
	if t.stall == 0 {
		t.stall = defaultStall
	}
	if t.maxBody == 0 {
		t.maxBody = defaultMaxBody
	}
	perHost := h.PerHost
	if perHost == 0 {
		perHost = defaultPerHost
	}
	config := &tls.Config{}
	if h.TLS != nil {
		config = h.TLS.Clone()
	}
	if config.RootCAs == nil {
		config.RootCAs = w.door.config.Roots
	}
	if config.Time == nil {
		config.Time = w.door.config.Now
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	t.next = &http.Transport{
		DialContext:            w.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    perHost,
		MaxConnsPerHost:        perHost,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTime},
	}
	return t
}

// transport bounds each request in time and each answer in size.
type transport struct {
	next         *http.Transport
	total, stall time.Duration
	maxBody      int64
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *transport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// RoundTrip implements http.RoundTripper. The timers run until the body is closed or read to its end.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && r.URL.Scheme != "http" {
		closeBody(r)
		return nil, fmt.Errorf("dial: %q is not http or https", r.URL.Scheme)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	b := &body{left: t.maxBody, stall: t.stall, ctx: ctx, cancel: cancel}
	b.deadline = time.AfterFunc(t.total, func() { cancel(context.DeadlineExceeded) })
	b.silence = time.AfterFunc(t.stall, func() { cancel(ErrStalled) })

	sent := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		sent.Body = &progress{r.Body, b} // a long upload is not silence
	}
	resp, err := t.next.RoundTrip(sent)
	if err != nil {
		err = b.explain(err)
		b.stop()
		return nil, err
	}
	if resp.ContentLength > t.maxBody && r.Method != http.MethodHead {
		_ = resp.Body.Close() // unread on purpose
		b.stop()
		return nil, ErrTooLarge
	}
	b.next = resp.Body
	resp.Body = b
	return resp, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // the contract of RoundTripper; there is no other error to tell
	}
}

// body is an answer's body with its bounds.
type body struct {
	next     io.ReadCloser
	left     int64 // bytes that may still come
	stall    time.Duration
	ctx      context.Context
	cancel   context.CancelCauseFunc
	deadline *time.Timer
	silence  *time.Timer
	err      error // of the Read that ended it: who reads on is told the same, and not that stop has cancelled the request
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.left { // one more tells too large from just large enough
		p = p[:b.left+1]
	}
	n, err := b.next.Read(p)
	b.silence.Reset(b.stall)
	if int64(n) > b.left {
		n = int(b.left)
		b.err = ErrTooLarge
	} else {
		b.left -= int64(n)
		b.err = b.explain(err)
	}
	if b.err != nil {
		b.stop()
	}
	return n, b.err
}

func (b *body) Close() error {
	b.stop()
	return b.next.Close()
}

func (b *body) stop() {
	b.deadline.Stop()
	b.silence.Stop()
	b.cancel(context.Canceled)
}

// explain says which bound ended the request, if one did.
func (b *body) explain(err error) error {
	if err == nil || errors.Is(err, io.EOF) || b.ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(b.ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// progress is a request's body whose sending counts as a sign of life.
type progress struct {
	io.ReadCloser
	body *body
}

func (p *progress) Read(b []byte) (int, error) {
	p.body.silence.Reset(p.body.stall)
	return p.ReadCloser.Read(b)
}
