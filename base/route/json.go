package route

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"unicode/utf8"

	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Bytes is an answer that is JSON already and is written as it is.
type Bytes []byte

// Raw gives the bytes.
func (b Bytes) Raw() []byte { return b }

// JSON makes an endpoint of a function. Its request struct is filled from tagged fields:
//
//	path:"roomID"            a named segment; every name of the path needs a field and the other way round
//	query:"from"             a query parameter; query:"from,required" answers M_MISSING_PARAM without it
//	query:"*"                the whole query as it was sent (url.Values)
//	header:"If-Match"        a header
//	body:"raw"               the whole body, a JSON object as it was sent ([]byte or json.RawMessage); with
//	                         body:"raw,optional" nil when there is none
//	json:"name"              a member of the body, as in encoding/json; unknown members are ignored
//
// Path, query and header fields may be strings, integers, bools, types with UnmarshalText, pointers to these (nil when
// absent), and for queries slices of them. Fields of embedded structs count as the struct's own. No body is as good as
// {}, except for body:"raw". The body of a GET is not looked at.
//
// A pointer to an answer that has a method Raw() []byte is written as those bytes; one with Status() int chooses the
// status. A nil answer is {}.
func JSON[C, Req, Resp any](h func(ctx context.Context, c *C, r *Req) (*Resp, error)) Endpoint[C] {
	p, planErr := newPlan(reflect.TypeFor[Req]())
	return Endpoint[C]{
		kind:  kindJSON,
		takes: reflect.TypeFor[Req](),
		check: func(names []string) error {
			if planErr != nil {
				return planErr
			}
			return p.checkPath(names)
		},
		serve: func(w http.ResponseWriter, r *http.Request, c *C, params Params) error {
			req := new(Req)
			if err := p.fill(reflect.ValueOf(req), r, params); err != nil {
				return err
			}
			resp, err := h(r.Context(), c, req)
			if err != nil {
				return err
			}
			return answer(w, resp)
		},
	}
}

// Streamed is JSON for an endpoint that writes its answer itself, perhaps in parts while it is made. An error that it
// returns before the first part is answered as any other; after it the connection is cut off.
func Streamed[C, Req any](h func(ctx context.Context, c *C, r *Req, to *Parts) error) Endpoint[C] {
	e := JSON(func(context.Context, *C, *Req) (*struct{}, error) { return nil, nil })
	p, _ := newPlan(reflect.TypeFor[Req]()) // its error is found by check
	e.serve = func(w http.ResponseWriter, r *http.Request, c *C, params Params) error {
		req := new(Req)
		if err := p.fill(reflect.ValueOf(req), r, params); err != nil {
			return err
		}
		return h(r.Context(), c, req, &Parts{w: w})
	}
	return e
}

// Parts is where an answer in JSON goes.
type Parts struct {
	w     http.ResponseWriter
	begun bool
}

// Whole writes all of an answer.
func (p *Parts) Whole(answer []byte) error { return writeBytes(p.w, http.StatusOK, answer) }

// Write writes the next part. An error is that of a caller who has gone, or does not read.
func (p *Parts) Write(part []byte) (int, error) {
	if !p.begun {
		p.begun = true
		h := p.w.Header()
		h["Content-Type"] = contentTypeJSON
		h["X-Content-Type-Options"] = noSniff
		h["Cache-Control"] = noStore
	}
	n, err := p.w.Write(part)
	if err != nil {
		err = fault.New(fault.Unknown, "The answer was not read").WithStatus(statusGone).Because(err)
	}
	return n, err
}

func answer[Resp any](w http.ResponseWriter, resp *Resp) error {
	status := http.StatusOK
	if resp == nil {
		return writeBytes(w, status, []byte("{}"))
	}
	if s, ok := any(resp).(interface{ Status() int }); ok {
		status = s.Status()
	}
	if raw, ok := any(resp).(interface{ Raw() []byte }); ok {
		return writeBytes(w, status, raw.Raw())
	}
	return writeJSON(w, status, resp)
}

// buffers holds room for bodies and answers. What was large is left to the collector.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const keepBuffer = 64 << 10

func release(b *bytes.Buffer) {
	if b.Cap() <= keepBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false) // answers are not put into pages; nosniff keeps browsers from doing it
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return writeBytes(w, status, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// writeBytes writes a whole answer. An error of writing is the caller's broken connection: nobody is left to tell.
func writeBytes(w http.ResponseWriter, status int, body []byte) error {
	h := w.Header()
	h["Content-Type"] = contentTypeJSON
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

var (
	contentTypeJSON = []string{"application/json"}
	noSniff         = []string{"nosniff"}
	noStore         = []string{"no-store"}
)

// readBody reads the whole body into b.
func readBody(r *http.Request, b *bytes.Buffer) error {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil
	}
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength, keepBuffer)) + bytes.MinRead) // what is announced need not come
	}
	_, err := b.ReadFrom(r.Body)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errBodies):
		return errBodies
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.NotJSON, "The body ended early").Because(err)
	}
	if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(big.Limit)
	}
	return fault.New(fault.NotJSON, "The body did not come in time").Because(err)
}

// decode parses body into v.
func decode(body []byte, v any) error {
	if !utf8.Valid(body) {
		return fault.New(fault.NotJSON, "The body is not UTF-8")
	}
	if tooDeep(body) {
		return errTooDeep
	}
	return shape(json.Unmarshal(body, v))
}

// maxNesting is how deep objects and arrays of a body may stand in each other: as deep as in an event (matrix/canon).
const maxNesting = 512

var errTooDeep = fault.Newf(fault.BadJSON, "The body is nested more than %d deep", maxNesting)

// tooDeep says whether more than maxNesting brackets are open at once somewhere. Few bodies have so many at all.
func tooDeep(body []byte) bool {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= maxNesting {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxNesting {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// shape says what is wrong with a body without repeating any of it.
func shape(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		return f
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fault.Newf(fault.NotJSON, "The body is not JSON (at byte %d)", s.Offset)
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if t.Field == "" {
			return fault.New(fault.BadJSON, "The body must be a JSON object")
		}
		return fault.Newf(fault.BadJSON, "%s must be %s", t.Field, jsonKind(t.Type))
	}
	if errors.Is(err, id.ErrSyntax) {
		return fault.New(fault.InvalidParam, "The body has a malformed identifier")
	}
	return fault.New(fault.BadJSON, "The body does not have the right shape")
}

func jsonKind(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "an integer in range"
}

// checkObject refuses a body that is not a JSON object in UTF-8.
func checkObject(body []byte) error {
	switch {
	case len(body) == 0:
		return fault.New(fault.NotJSON, "The request needs a body")
	case !utf8.Valid(body):
		return fault.New(fault.NotJSON, "The body is not UTF-8")
	case tooDeep(body):
		return errTooDeep
	case !json.Valid(body):
		return fault.New(fault.NotJSON, "The body is not JSON")
	case body[0] != '{':
		return fault.New(fault.BadJSON, "The body must be a JSON object")
	}
	return nil
}
