package route

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"freehold.example/matrix/fault"
)

// statusGone is logged, never sent: the caller went away before there was an answer (nginx's 499).
const statusGone = 499

var errStopping = fault.New(fault.Unknown, "The server is stopping, please try again").
	WithStatus(http.StatusServiceUnavailable).After(2 * time.Second)

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
		allowAnyOrigin(out.Header())
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
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, rec))
		c = t.call(out, r, rec, &found)
	}
	took := time.Since(start)
	observe.observe(out.status, took)
	t.logRequest(r, out, rec, path, c, took)
	if out.broken {
		panic(http.ErrAbortHandler) // the answer is cut off; the connection must show it
	}
}

// call runs guard, limits and endpoint, and writes whatever error they return.
func (t *Table[C]) call(w *writer, r *http.Request, rec *record, s *search[C]) (c *C) {
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
	c, key, err := t.guard(r, row.Auth)
	if err == nil && t.limits != nil {
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
			err = row.Serve.serve(w, r, c, params)
		}
	}
	switch {
	case err == nil && !w.wrote:
		w.WriteHeader(http.StatusOK)
	case err != nil && r.Context().Err() != nil && errors.Is(err, context.Canceled):
		// Most likely nobody is there to read this; when the server is stopping, somebody is.
		t.fail(w, rec, errStopping.Because(err))
		w.status = statusGone
	case err != nil:
		t.fail(w, rec, err)
	}
	return c
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
func allowAnyOrigin(h http.Header) {
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Allow-Methods"] = allowMethods
	h["Access-Control-Allow-Headers"] = allowHeaders
	h["Access-Control-Expose-Headers"] = exposeHeaders
	h["Access-Control-Max-Age"] = maxAge
}

// The values of shared header slices must not be changed in place; net/http only reads them.
var (
	anyOrigin     = []string{"*"}
	allowMethods  = []string{"GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"}
	allowHeaders  = []string{"X-Requested-With, Content-Type, Authorization"}
	exposeHeaders = []string{"Retry-After, X-Request-Id"}
	maxAge        = []string{"86400"}
)

// logRequest writes the request's one record. Who asked is told only where something went wrong on our side: a log of
// successful requests by account would be a log of who reads what.
func (t *Table[C]) logRequest(r *http.Request, w *writer, rec *record, path string, c *C, took time.Duration) {
	level := slog.LevelInfo
	if w.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !t.log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("id", rec.id),
		slog.String("method", knownMethod(r.Method)),
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
	t.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// knownMethod keeps what a stranger sends as a method out of the log.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch, http.MethodOptions:
		return m
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
