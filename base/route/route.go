// Package route is HTTP from a table: a row says what a path is, who may call it, how often, and how large its body may
// be; an endpoint is a function from a typed request to a typed answer.
//
// Everything that every endpoint needs is done here once and in this order: find the row, answer OPTIONS, know the
// caller (Guard), count the request (limit), read and decode the body, call the endpoint, write the answer or the error,
// measure, and log one record. Nothing of a request's body, query or token is ever logged, and no path with identifiers
// in it: the record names the row.
package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sync/atomic"

	"freehold.example/base/limit"
)

// Auth is who may call an endpoint. What it takes to be that is for the Guard to say.
type Auth int

// The kinds of callers.
const (
	None     Auth = iota // anybody; a token is not looked at
	Optional             // anybody; a token that is sent must be good
	User                 // a signed-in user
	Admin                // a signed-in administrator of this server
	Server               // another homeserver, whose signature covers the body: see Config.Signed
)

// String is the word used in the list of routes.
func (a Auth) String() string {
	switch a {
	case None:
		return "none"
	case Optional:
		return "optional"
	case User:
		return "user"
	case Admin:
		return "admin"
	case Server:
		return "server"
	}
	return fmt.Sprintf("Auth(%d)", int(a))
}

// Row is one endpoint of a table.
type Row[C any] struct {
	Method string     // GET also serves HEAD
	Path   string     // "/_matrix/client/v3/rooms/{roomID}/state/{type}/{stateKey?}"; see below
	Auth   Auth       //
	Limit  limit.Name // which of the caller's buckets a request is counted in
	Body   int64      // largest body in bytes; 0 is DefaultBody
	Waits  bool       // it may wait for long, by package park
	Serve  Endpoint[C]
}

// A path begins with "/"; a segment in braces takes any one segment, decoded, under that name. A last segment {name?}
// may also be empty or missing together with its slash. A literal segment wins over a name.

// DefaultBody is the largest body, in bytes, where a row does not say: room for any event (64 KiB) in any escaping.
const DefaultBody = 256 << 10

// Endpoint is what a row serves; JSON and Raw make one.
type Endpoint[C any] struct {
	serve func(w http.ResponseWriter, r *http.Request, c *C, p Params) error
	check func(names []string) error // refuses a path that does not fit the request struct; may be nil
	kind  string                     // "json" or "raw", for the list of routes
	takes reflect.Type               // the request struct; nil for raw
}

// Raw makes an endpoint that writes its own answer: media, redirects, pages. An error that it returns before it has
// written anything is answered as any other. r.Body is capped at the row's size.
func Raw[C any](h func(w http.ResponseWriter, r *http.Request, c *C, p Params) error) Endpoint[C] {
	return Endpoint[C]{serve: h, kind: kindRaw}
}

const (
	kindRaw  = "raw"
	kindJSON = "json"
)

// Params are the named segments of a path, percent-decoded once.
type Params struct{ names, values []string }

// Get gives the segment of this name, or "".
func (p Params) Get(name string) string {
	for i, n := range p.names {
		if n == name && i < len(p.values) {
			return p.values[i]
		}
	}
	return ""
}

// Guard says who makes a request, or returns the fault to answer. key is whose bucket the request is counted in: an
// account for signed-in callers, an address for others. It runs before anything else about the request is looked at;
// r.Pattern is the row's method and path.
type Guard[C any] func(r *http.Request, auth Auth) (c *C, key string, err error)

// Config is what a table is made of.
type Config[C any] struct {
	Rows   []Row[C]
	Guard  Guard[C]
	Limits *limit.Limits // nil: nothing is limited

	// Signed finishes what Guard has begun for rows of Server, once the whole body has been read: it says whether the caller
	// signed the request, and in whose bucket it is counted then. Guard's key is the address: who claims to be somebody else
	// uses up nothing of theirs.
	Signed func(r *http.Request, c *C, body []byte) (key string, err error)

	Metrics *Metrics          // nil: nothing is measured
	Log     *slog.Logger      // nil: nothing is logged
	Aliases map[string]string // further path prefix -> prefix of rows it stands for: "/_matrix/client/r0": "/_matrix/client/v3"
	Bodies  int64             // bytes of all bodies in memory, but for those of Raw; 256 MiB when 0
	CORS    bool              // answer any origin, as the Client-Server API asks ("Web Browser Clients")
}

// Table is an http.Handler that serves rows.
type Table[C any] struct {
	root    node[C]
	rows    []Row[C]
	guard   Guard[C]
	signed  func(r *http.Request, c *C, body []byte) (string, error)
	limits  *limit.Limits
	metrics *Metrics
	log     *slog.Logger
	cors    bool
	ids     ids
	unknown observer
	bodies  atomic.Int64 // bytes of the bodies that are in memory

	maxBodies int64
}

// New checks the rows and builds the table. It refuses rows that contradict each other or their request structs.
func New[C any](c Config[C]) (*Table[C], error) {
	if c.Guard == nil {
		return nil, errors.New("route: no guard")
	}
	t := &Table[C]{rows: c.Rows, guard: c.Guard, signed: c.Signed, limits: c.Limits, metrics: c.Metrics, log: c.Log, cors: c.CORS}
	t.ids.start()
	t.maxBodies = cmp.Or(c.Bodies, maxBodies)
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.unknown = t.metrics.row("", "unknown")
	var errs []error
	for _, row := range c.Rows {
		errs = append(errs, t.add(row, c.Aliases))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Table[C]) add(row Row[C], aliases map[string]string) error {
	fail := func(err error) error { return fmt.Errorf("route: %s %s: %w", row.Method, row.Path, err) }
	if row.Serve.serve == nil {
		return fail(errors.New("serves nothing"))
	}
	switch row.Method {
	case http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch:
	default:
		return fail(errors.New("is not a method that can be served"))
	}
	if row.Auth == Server && t.signed == nil {
		return fail(errors.New("is for servers, and nobody looks at signatures"))
	}
	if row.Body == 0 {
		row.Body = DefaultBody
	}
	p, err := parsePattern(row.Path)
	if err != nil {
		return fail(err)
	}
	if row.Serve.check != nil {
		if err := row.Serve.check(p.names); err != nil {
			return fail(err)
		}
	}
	e := &entry[C]{row: row, name: row.Method + " " + row.Path, names: p.names, observe: t.metrics.row(row.Method, row.Path)}
	if err := t.root.insert(p, e); err != nil {
		return fail(err)
	}
	for alias, prefix := range aliases {
		rest, ok := cutPrefixSegments(row.Path, prefix)
		if !ok {
			continue
		}
		p, err := parsePattern(alias + rest)
		if err != nil {
			return fail(err)
		}
		if err := t.root.insert(p, e); err != nil {
			return fail(fmt.Errorf("as %s: %w", alias, err))
		}
	}
	return nil
}

// Info describes a row for documentation.
type Info struct {
	Method, Path string
	Auth         Auth
	Limit        limit.Name
	Body         int64
	Kind         string // "json" or "raw"

	Request reflect.Type // the request struct, see JSON; nil for raw
}

// Rows lists the table in the order it was given.
func (t *Table[C]) Rows() []Info {
	out := make([]Info, len(t.rows))
	for i, r := range t.rows {
		if r.Body == 0 {
			r.Body = DefaultBody
		}
		out[i] = Info{Method: r.Method, Path: r.Path, Auth: r.Auth, Limit: r.Limit, Body: r.Body, Kind: r.Serve.kind, Request: r.Serve.takes}
	}
	return out
}

// Knows says whether the path, escaped as in URL.EscapedPath, is that of a row of any method. It is how one listener
// holds several tables.
func (t *Table[C]) Knows(escapedPath string) bool {
	_, known := t.root.match("", escapedPath)
	return known
}

type contextKey struct{}

// ID is the id of the request that ctx belongs to, as in its log record, or "" outside of one.
func ID(ctx context.Context) string {
	if rec, ok := ctx.Value(contextKey{}).(*record); ok {
		return rec.id
	}
	return ""
}
