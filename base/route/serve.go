package route

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"freehold.example/base/limit"
	"freehold.example/base/park"
	"freehold.example/matrix/fault"
)

// statusGone is logged, never sent: the caller went away before there was an answer (nginx's 499).
const statusGone = 499

var errStopping = fault.New(fault.Unknown, "The server is stopping, please try again").
	WithStatus(http.StatusServiceUnavailable).After(2 * time.Second)

// limit: bodies of requests under way, but for uploads, which are not kept in memory | %b | 503 with Retry-After
const maxBodies = 256 << 20

var errBodies = fault.New(fault.LimitExceeded, "The server has too much to read, please try again in a moment").
	WithStatus(http.StatusServiceUnavailable).After(2 * time.Second)

// held counts the bytes of a body until its request is over.
type held struct {
	io.ReadCloser
	all  *atomic.Int64
	most int64
	n    int64
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.n += int64(n)
	if h.all.Add(int64(n)) > h.most {
		return n, errBodies
	}
	return n, err
}

func (h *held) release() { h.all.Add(-h.n) }

// record is what the one log line of a request is made of.
type record struct {
	id    string
	cause error
	code  fault.Code
	stack []byte
}

// ServeHTTP answers one request.
func (t *Table[C]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &record{id: t.ids.next()}
	out := &writer{ResponseWriter: w}
	in := timeBody(w, r)
	if t.cors {
		allowAnyOrigin(out.Header(), r.Method)
	}
	if len(r.TransferEncoding) > 0 {
		// It may have had a Content-Length as well, which net/http drops without a word; a proxy that went by that one would
		// see other requests after it than we do (RFC 9112, 6.1).
		out.Header()["Connection"] = connectionClose
	}
	found, known := t.root.match(r.Method, r.URL.EscapedPath())
	if known && r.Method == http.MethodOptions {
		out.WriteHeader(http.StatusNoContent)
		return
	}
	observe, path := t.unknown, ""
	var c *C
	if found.found == nil {
		t.fail(out, rec, notFound(&found, known, out.Header()))
	} else {
		in.portions = found.found.row.Serve.kind == kindRaw
		observe, path = found.found.observe, found.found.row.Path
		if found.found.row.Waits {
			if out.waits, r = park.Enter(r); out.waits != nil {
				start, rec.id = out.waits.As(start, rec.id)
			}
		}
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, rec))
		var parked bool
		if c, parked = t.call(out, r, rec, &found); parked {
			t.park(out, r, rec, &found, start)
			return
		}
		out.waits.Done()
	}
	took := time.Since(start)
	observe.observe(out.status, took)
	t.logRequest(r.Context(), r.Method, out, rec, path, c, took)
	if out.broken {
		panic(http.ErrAbortHandler) // the answer is cut off; the connection must show it
	}
}

// park leaves a request where it costs less to wait. It comes back as a request like any other; if its client goes away
// before that, there is nothing but its record.
func (t *Table[C]) park(w *writer, r *http.Request, rec *record, s *search[C], start time.Time) {
	e, method := s.found, knownMethod(r.Method) // which is no part of the request's line, as that would be kept
	gone := func() {
		took := time.Since(start)
		rec.code, rec.cause = errStopping.Code, context.Canceled
		e.observe.observe(statusGone, took)
		t.logRequest(context.Background(), method, &writer{status: statusGone}, rec, e.row.Path, nil, took)
	}
	if err := w.waits.Park(w, gone); err != nil {
		gone()
		panic(http.ErrAbortHandler)
	}
}

// call runs guard, limits and endpoint, and writes whatever error they return. It says whether the request is to be parked.
func (t *Table[C]) call(w *writer, r *http.Request, rec *record, s *search[C]) (c *C, parked bool) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		rec.stack = debug.Stack()
		t.fail(w, rec, fmt.Errorf("panic: %v", p))
	}()
	row := &s.found.row
	r.Pattern = s.found.name // what the guard may go by: no two spellings of a path differ in it
	c, key, err := t.guard(r, row.Auth)
	if err == nil && t.limits != nil && !w.waits.Again() {
		if ok, wait := t.limits.Take(row.Limit, key); !ok {
			err = fault.New(fault.LimitExceeded, "Too many requests").After(wait)
		}
	}
	params := Params{names: s.found.names, values: s.values[:s.n]}
	if err == nil {
		err = params.check()
	}
	if err == nil {
		if r.ContentLength > row.Body {
			err = tooLarge(row.Body)
			w.Header().Set("Connection", "close") // what is sent after all would be taken for the next request
		} else {
			r.Body = http.MaxBytesReader(w.ResponseWriter, r.Body, row.Body)
			if (row.Serve.kind == kindJSON || row.Auth == Server) && r.ContentLength != 0 {
				in := &held{ReadCloser: r.Body, all: &t.bodies, most: t.maxBodies}
				defer in.release()
				r.Body = in
			}
			if row.Auth == Server {
				err = t.checkSigned(r, row.Limit, c)
			}
			if err == nil {
				err = row.Serve.serve(w, r, c, params)
			}
		}
	}
	switch {
	case w.waits.Parked(err):
		return c, true
	case err == nil && !w.wrote:
		w.WriteHeader(http.StatusOK)
	case err != nil && r.Context().Err() != nil && errors.Is(err, context.Canceled):
		// Most likely nobody is there to read this; when the server is stopping, somebody is.
		t.fail(w, rec, errStopping.Because(err))
		w.status = statusGone
	case err != nil:
		t.fail(w, rec, err)
	}
	return c, false
}

// checkSigned reads the body, has the signature looked at, and counts the request for its server.
func (t *Table[C]) checkSigned(r *http.Request, of limit.Name, c *C) error {
	var body bytes.Buffer
	if err := readBody(r, &body); err != nil {
		return err
	}
	key, err := t.signed(r, c, body.Bytes())
	if err != nil {
		return err
	}
	if t.limits != nil {
		if ok, wait := t.limits.Take(of, key); !ok {
			return fault.New(fault.LimitExceeded, "Too many requests of this server").After(wait)
		}
	}
	r.Body = io.NopCloser(&body)
	return nil
}

// check refuses segments that no identifier and no name may have. It runs after the guard, as everything else does.
func (p Params) check() error {
	for i, v := range p.values {
		if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
			return fault.Newf(fault.InvalidParam, "The path's %s is not clean UTF-8", p.names[i])
		}
	}
	return nil
}

func notFound[C any](s *search[C], known bool, h http.Header) error {
	if !known {
		return fault.New(fault.Unrecognized, "There is no such endpoint")
	}
	h.Set("Allow", s.other.allowed())
	return fault.New(fault.Unrecognized, "This endpoint is not used with this method").WithStatus(http.StatusMethodNotAllowed)
}

func tooLarge(limit int64) error {
	return fault.Newf(fault.TooLarge, "The body is larger than %d bytes", limit)
}

// fail writes err as a Matrix error body ("Standard error response"). What is not a fault is a 500 whose text stays here.
func (t *Table[C]) fail(w *writer, rec *record, err error) {
	f, ok := errors.AsType[*fault.Fault](err)
	if big, is := errors.AsType[*http.MaxBytesError](err); is && !ok {
		f, ok = fault.Newf(fault.TooLarge, "The body is larger than %d bytes", big.Limit), true
	}
	if ok {
		rec.code, rec.cause = f.Code, f.Cause
	} else {
		f = fault.New(fault.Unknown, "Internal server error").WithStatus(http.StatusInternalServerError)
		rec.code, rec.cause = f.Code, err
	}
	if w.wrote {
		w.broken = true
		w.status = f.Status
		return
	}
	if f.Status >= http.StatusInternalServerError {
		w.Header().Set("X-Request-Id", rec.id) // for the person who reports it; it is in the log
	}
	body := make(map[string]any, len(f.Extra)+3)
	maps.Copy(body, f.Extra)
	if f.Code != "" { // the first answer of user-interactive authentication has no errcode
		body["errcode"] = f.Code
	}
	if f.Text != "" {
		body["error"] = f.Text
	}
	if f.RetryAfter > 0 {
		body["retry_after_ms"] = (f.RetryAfter + time.Millisecond - 1).Milliseconds()
		w.Header().Set("Retry-After", strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if err := writeJSON(w, f.Status, body); err != nil {
		rec.cause = errors.Join(rec.cause, err)
	}
}

// allowAnyOrigin sets what the Client-Server API recommends in "Web Browser Clients".
func allowAnyOrigin(h http.Header, method string) {
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Allow-Methods"] = allowMethods
	h["Access-Control-Allow-Headers"] = allowHeaders
	h["Access-Control-Expose-Headers"] = exposeHeaders
	if method == http.MethodOptions {
		h["Access-Control-Max-Age"] = maxAge
	}
}

// The values of shared header slices must not be changed in place; net/http only reads them.
var (
	anyOrigin     = []string{"*"}
	allowMethods  = []string{"GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"}
	allowHeaders  = []string{"X-Requested-With, Content-Type, Authorization"}
	exposeHeaders = []string{"Retry-After, X-Request-Id"}
	maxAge        = []string{"86400"}

	connectionClose = []string{"close"}
)

// logRequest writes the request's one record. Who asked is told only where something went wrong on our side: a log of
// successful requests by account would be a log of who reads what.
func (t *Table[C]) logRequest(ctx context.Context, method string, w *writer, rec *record, path string, c *C, took time.Duration) {
	level := slog.LevelInfo
	if w.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !t.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("id", rec.id),
		slog.String("method", knownMethod(method)),
		slog.String("route", path),
		slog.Int("status", w.status),
		slog.Int64("bytes", w.bytes),
		slog.Float64("ms", float64(took.Microseconds())/1000),
	)
	if rec.code != "" {
		attrs = append(attrs, slog.String("errcode", string(rec.code)))
	}
	if rec.cause != nil {
		attrs = append(attrs, slog.String("cause", rec.cause.Error()))
	}
	if w.status >= http.StatusInternalServerError {
		if v, ok := any(c).(slog.LogValuer); ok && c != nil {
			attrs = append(attrs, slog.Any("caller", v))
		}
	}
	if rec.stack != nil {
		attrs = append(attrs, slog.String("stack", string(rec.stack)))
	}
	t.log.LogAttrs(ctx, level, "request", attrs...)
}

var methods = [...]string{
	http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch, http.MethodOptions,
}

// knownMethod keeps what a stranger sends as a method out of the log.
func knownMethod(m string) string {
	for _, known := range methods {
		if m == known {
			return known
		}
	}
	return "other"
}

// ids gives requests their ids: a random start for each table, then a count.
type ids struct {
	prefix string
	n      atomic.Uint64
}

func (i *ids) start() {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	i.prefix = hex.EncodeToString(b[:]) + "-"
}

func (i *ids) next() string { return i.prefix + strconv.FormatUint(i.n.Add(1), 36) }
