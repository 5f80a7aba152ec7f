package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Exchange is a request and its answer.
type Exchange struct {
	Method  string
	Path    string // escaped, as it was sent
	Query   url.Values
	Request []byte // the body; nil if there was none, or it is not known
	// Malformed says that the request is not as specified on purpose.
	Malformed bool
	// Ours says that the server made the request, to an application service or a push gateway. It has to be as specified
	// however it is answered, and what is in it are the server's words; the answer is the test's.
	Ours bool

	Status int
	Header http.Header // of the answer
	Body   []byte      // of the answer, without encoding; nil if it is not known
}

// Deviation is something that is not as specified.
type Deviation struct {
	Operation string // "GET /_matrix/client/v3/sync", with the names of the path's segments; "event m.room.name" of a content
	Side      string // "request", or the status of the answer
	At        string // JSON pointer of the value; names and numbers of a single run are *
	What      string
}

func (d Deviation) String() string {
	return fmt.Sprintf("%s | %s | %s | %s", d.Operation, d.Side, d.At, d.What)
}

// check collects the deviations of one exchange.
type check struct {
	spec  *Spec
	x     *Exchange
	name  string // of the operation
	meant func(content any) bool
	found []Deviation
}

func (c *check) report(side, at, what string) {
	c.found = append(c.found, Deviation{c.name, side, at, what})
}

// Check holds an exchange against the specification. meant says of an event's content that a client sent it so. An error
// is a fault of the specification's files or of this package.
func (s *Spec) Check(x *Exchange, meant func(content any) bool) ([]Deviation, error) {
	ops := s.find(x.Method, x.Path)
	if ops == nil {
		c := &check{spec: s, x: x, name: x.Method + " " + general(x.Path), meant: meant}
		err := c.outside()
		return c.found, err
	}
	var best []Deviation
	for i, op := range ops {
		c := &check{spec: s, x: x, name: op.name(), meant: meant}
		if !x.Ours {
			if err := c.answer(op.operation); err != nil {
				return nil, err
			}
		}
		if x.Ours || x.Status/100 == 2 && !x.Malformed {
			if err := c.request(op); err != nil {
				return nil, err
			}
		}
		if i == 0 || len(c.found) < len(best) {
			best = c.found
		}
	}
	return best, nil
}

// outside is an exchange about what the specification does not have: that is a standard error, or is listed.
func (c *check) outside() error {
	if c.x.Ours {
		c.report("request", "", "not in the specification")
		return nil
	}
	if c.x.Method == http.MethodOptions || c.x.Method == http.MethodHead {
		return nil
	}
	if c.x.Status >= 400 {
		return c.standardError()
	}
	side := fmt.Sprint(c.x.Status)
	c.report(side, "", "not in the specification")
	if body, ok := c.json(side); ok {
		return c.events(side, body)
	}
	return nil
}

// request checks parameters and body.
func (c *check) request(op found) error {
	for _, p := range op.params {
		name, _ := p.value["name"].(string)
		given := c.x.Query[name]
		switch p.value["in"] {
		case "path":
			given = []string{op.values[name]}
		case "query":
		default:
			continue
		}
		if len(given) == 0 {
			if p.value["required"] == true {
				c.report("request", "?"+name, "missing")
			}
			continue
		}
		schema, err := c.spec.child(p, "schema")
		if err != nil {
			return err
		}
		if schema.value == nil {
			continue
		}
		if err := c.validate("request", schema, "?"+name, parameter(schema, given)); err != nil {
			return err
		}
	}
	if c.x.Request == nil {
		return nil
	}
	schema, err := c.spec.child(op.node, "requestBody", "content", "application/json", "schema")
	if err != nil || schema.value == nil {
		return err
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(c.x.Request))
	if err != nil {
		c.report("request", "", "no JSON")
		return nil
	}
	if c.x.Ours && strings.HasPrefix(c.x.Path, "/_matrix/app/") { // what a gateway is told of an event is no event
		if err := c.events("request", body); err != nil {
			return err
		}
	}
	return c.validate("request", schema, "", body)
}

// parameter is the value of a parameter as its schema would have it: a number, a truth value, a list, or else a string.
func parameter(schema node, given []string) any {
	switch schema.value["type"] {
	case "integer", "number":
		if n := json.Number(given[0]); isNumber(n) {
			return n
		}
	case "boolean":
		switch given[0] {
		case "true":
			return true
		case "false":
			return false
		}
	case "array":
		list := make([]any, len(given))
		for i, g := range given {
			list[i] = g
		}
		return list
	}
	return given[0]
}

func isNumber(n json.Number) bool { _, err := n.Float64(); return err == nil }

// answer checks status, content type and body.
func (c *check) answer(op *operation) error {
	side := fmt.Sprint(c.x.Status)
	media, documented := op.content[side]
	if !documented {
		if c.x.Status < 400 {
			c.report(side, "", "this status is not documented")
			return nil
		}
		return c.standardError()
	}
	if err := c.headers(op, side); err != nil {
		return err
	}
	switch {
	case c.x.Method == http.MethodHead:
		return nil
	case len(media) == 0 && c.x.Status >= 400: // nothing is said of it, and so it is an error as any other
		if body, ok := c.json(side); ok {
			c.errorBody(side, body)
		}
		return nil
	case len(media) == 0:
		return nil
	}
	if !slices.Contains(media, "application/json") {
		c.contentType(side, media)
		return nil
	}
	body, ok := c.json(side)
	if !ok {
		return nil
	}
	if c.x.Status >= 400 {
		c.errorBody(side, body)
	}
	if m, _ := body.(map[string]any); c.x.Status == http.StatusUnauthorized && m["flows"] == nil {
		return nil // the schema is of user-interactive authentication, which is another answer
	}
	schema, err := c.spec.child(op.node, "responses", side, "content", "application/json", "schema")
	if err != nil {
		return err
	}
	if schema.value != nil {
		if err := c.validate(side, schema, "", body); err != nil {
			return err
		}
		if c.x.Status/100 == 2 {
			if err := c.keys(side, "", []node{schema}, body); err != nil {
				return err
			}
		}
	}
	return c.events(side, body)
}

// headers checks those that are documented.
func (c *check) headers(op *operation, side string) error {
	all, err := c.spec.child(op.node, "responses", side, "headers")
	if err != nil {
		return err
	}
	for name := range all.value {
		header, err := c.spec.child(all, name)
		if err != nil {
			return err
		}
		given := c.x.Header.Values(name)
		if len(given) == 0 {
			if header.value["required"] == true {
				c.report(side, "header "+name, "missing")
			}
			continue
		}
		schema, err := c.spec.child(header, "schema")
		if err != nil || schema.value == nil {
			return err
		}
		if err := c.validate(side, schema, "header "+name, parameter(schema, given)); err != nil {
			return err
		}
	}
	return nil
}

// contentType checks it against the documented ones; bytes of any kind are documented as octet-stream.
func (c *check) contentType(side string, media []string) {
	got, _, err := mime.ParseMediaType(c.x.Header.Get("Content-Type"))
	if err != nil {
		c.report(side, "header Content-Type", "no media type")
	} else if !slices.Contains(media, got) && !slices.Contains(media, "application/octet-stream") && !strings.HasPrefix(got, "image/") {
		c.report(side, "", "the content type "+got)
	}
}

// json is the body, if it is known and is what it has to be.
func (c *check) json(side string) (any, bool) {
	if got, _, _ := mime.ParseMediaType(c.x.Header.Get("Content-Type")); got != "application/json" {
		c.report(side, "", fmt.Sprintf("the content type %q for JSON", got))
		return nil, false
	}
	if c.x.Body == nil {
		return nil, false
	}
	if !utf8.Valid(c.x.Body) {
		c.report(side, "", "not UTF-8")
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(c.x.Body))
	if err != nil {
		c.report(side, "", "no JSON")
		return nil, false
	}
	return v, true
}
