package route

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"freehold.example/matrix/fault"
)

// plan says how a request struct is filled; it is made once for each endpoint.
type plan struct {
	fields  []field
	raw     []int // index of the body:"raw" field
	mayLack bool  // the raw body may be missing
	body    bool  // some field comes from the JSON body

	// decoded is the struct as encoding/json may see it: without the fields that come from elsewhere. It is made for the first
	// body: making it takes longer than all the rest.
	decoded func() reflect.Type
}

type source string

const (
	fromPath   source = "path"
	fromQuery  source = "query"
	fromHeader source = "header"
)

type field struct {
	from     source
	name     string
	index    []int
	required bool
	set      setter
	list     bool
	all      bool // the whole query
}

// setter parses s into v.
type setter func(v reflect.Value, s string) error

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

func newPlan(t reflect.Type) (*plan, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("request type %s is not a struct", t)
	}
	p := &plan{decoded: func() reflect.Type { return t }}
	if err := p.collect(t, nil); err != nil {
		return nil, fmt.Errorf("request type %s: %w", t, err)
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[interface{ UnmarshalJSON([]byte) error }]()) {
		p.body = true
	} else if p.body {
		p.decoded = sync.OnceValue(func() reflect.Type { return hideTagged(t) })
	}
	return p, nil
}

func (p *plan) collect(t reflect.Type, at []int) error {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(slices.Clone(at), i)
		if sf.Anonymous && sf.Type.Kind() == reflect.Struct && sf.Tag.Get("json") == "" {
			if err := p.collect(sf.Type, index); err != nil {
				return err
			}
			continue
		}
		if tag, ok := sf.Tag.Lookup("body"); ok {
			tag, option, _ := strings.Cut(tag, ",")
			p.mayLack = option == "optional"
			if tag != "raw" || option != "" && !p.mayLack || sf.Type.Kind() != reflect.Slice || sf.Type.Elem().Kind() != reflect.Uint8 || p.raw != nil {
				return fmt.Errorf("field %s: one []byte field may be body:\"raw\"", sf.Name)
			}
			p.raw = index
			continue
		}
		from, tag := tagged(sf)
		if from == "" {
			p.body = p.body || sf.IsExported() && sf.Tag.Get("json") != "-"
			continue
		}
		f := field{from: from, index: index}
		var option string
		f.name, option, _ = strings.Cut(tag, ",")
		f.required = option == "required"
		if f.name == "" || !sf.IsExported() || option != "" && !f.required {
			return fmt.Errorf("field %s: bad %s tag", sf.Name, from)
		}
		if _, ok := sf.Tag.Lookup("json"); ok && sf.Tag.Get("json") != "-" {
			return fmt.Errorf("field %s comes from the %s and from the body", sf.Name, from)
		}
		elem := sf.Type
		if from == fromQuery && f.name == "*" && elem == reflect.TypeFor[url.Values]() {
			f.all = true
			p.fields = append(p.fields, f)
			continue
		}
		if from == fromQuery && elem.Kind() == reflect.Slice && !reflect.PointerTo(elem).Implements(textUnmarshaler) {
			f.list, elem = true, elem.Elem()
		}
		if f.set = setterFor(elem); f.set == nil {
			return fmt.Errorf("field %s: %s cannot be filled from the %s", sf.Name, sf.Type, from)
		}
		p.fields = append(p.fields, f)
	}
	return nil
}

func tagged(sf reflect.StructField) (source, string) {
	for _, s := range []source{fromPath, fromQuery, fromHeader} {
		if tag, ok := sf.Tag.Lookup(string(s)); ok {
			return s, tag
		}
	}
	return "", ""
}

// hideTagged makes a struct type that differs from t in tags only, so that a pointer to one converts to a pointer to the
// other: the fields that do not come from the body are json:"-" in it, and no body can set them or be refused for them.
func hideTagged(t reflect.Type) reflect.Type {
	fields := make([]reflect.StructField, t.NumField())
	for i := range fields {
		sf := t.Field(i)
		if !sf.IsExported() || sf.Anonymous {
			return t // reflect cannot make such a type; fill overwrites what the body set
		}
		from, _ := tagged(sf)
		if _, raw := sf.Tag.Lookup("body"); raw || from != "" {
			sf.Tag = `json:"-"`
		}
		fields[i] = reflect.StructField{Name: sf.Name, Type: sf.Type, Tag: sf.Tag}
	}
	return reflect.StructOf(fields)
}

// checkPath refuses a path whose names are not the struct's.
func (p *plan) checkPath(names []string) error {
	for _, f := range p.fields {
		if f.from == fromPath && !slices.Contains(names, f.name) {
			return fmt.Errorf("the path has no {%s}, which the request struct wants", f.name)
		}
	}
	for _, n := range names {
		if !slices.ContainsFunc(p.fields, func(f field) bool { return f.from == fromPath && f.name == n }) {
			return fmt.Errorf("the request struct has no field for {%s}", n)
		}
	}
	return nil
}

// fill reads the request into v, a pointer to the request struct: first the body, then the rest over it.
func (p *plan) fill(v reflect.Value, r *http.Request, params Params) error {
	if (p.body || p.raw != nil) && r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := p.fillBody(v, r); err != nil {
			return err
		}
	}
	var query url.Values
	s := v.Elem()
	for i := range p.fields {
		f := &p.fields[i]
		dst := s.FieldByIndex(f.index)
		dst.SetZero()
		var err error
		switch f.from {
		case fromPath:
			err = f.set(dst, params.Get(f.name))
		case fromQuery:
			if query == nil {
				query = r.URL.Query()
			}
			if f.all {
				dst.Set(reflect.ValueOf(query))
				continue
			}
			err = f.fill(dst, query[f.name])
		case fromHeader:
			err = f.fill(dst, r.Header.Values(f.name))
		}
		if err != nil {
			return f.refuse(err)
		}
	}
	return nil
}

func (p *plan) fillBody(v reflect.Value, r *http.Request) error {
	b := new(bytes.Buffer)
	if p.raw == nil {
		b = buffers.Get().(*bytes.Buffer) // encoding/json keeps nothing of what it is given
		defer release(b)
	}
	if err := readBody(r, b); err != nil {
		return err
	}
	body := bytes.TrimSpace(b.Bytes())
	if p.raw != nil && (len(body) > 0 || !p.mayLack) {
		if err := checkObject(body); err != nil {
			return err
		}
		v.Elem().FieldByIndex(p.raw).SetBytes(body)
	}
	if !p.body || len(body) == 0 {
		return nil
	}
	into := v
	if t := reflect.PointerTo(p.decoded()); t != v.Type() {
		into = v.Convert(t)
	}
	if body[0] != '{' {
		return checkObject(body)
	}
	return decode(body, into.Interface())
}

var errMissing = errors.New("missing")

// fill sets a query or header field from its values; an absent or empty one of anything but a string stays as it is.
func (f *field) fill(dst reflect.Value, values []string) error {
	if len(values) == 0 || values[0] == "" && (f.required || dst.Kind() != reflect.String) {
		if f.required {
			return errMissing
		}
		return nil
	}
	if !f.list {
		values = values[:1]
	}
	for i, s := range values {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return errors.New("not clean UTF-8")
		}
		to := dst
		if f.list {
			dst.Set(reflect.Append(dst, reflect.Zero(dst.Type().Elem())))
			to = dst.Index(i)
		}
		if err := f.set(to, s); err != nil {
			return err
		}
	}
	return nil
}

// refuse says which parameter is wrong, and nothing of what it was.
func (f *field) refuse(err error) error {
	if errors.Is(err, errMissing) {
		return fault.Newf(fault.MissingParam, "The %s parameter %s is missing", f.from, f.name)
	}
	if own, ok := errors.AsType[*fault.Fault](err); ok {
		return own
	}
	return fault.Newf(fault.InvalidParam, "The %s parameter %s has a value it cannot have", f.from, f.name)
}

// setterFor gives the parser for a type, or nil where there is none.
func setterFor(t reflect.Type) setter {
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		return func(v reflect.Value, s string) error {
			return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
		}
	}
	switch t.Kind() {
	case reflect.Pointer:
		set := setterFor(t.Elem())
		if set == nil {
			return nil
		}
		return func(v reflect.Value, s string) error {
			v.Set(reflect.New(t.Elem()))
			return set(v.Elem(), s)
		}
	case reflect.String:
		return func(v reflect.Value, s string) error { v.SetString(s); return nil }
	case reflect.Bool:
		return func(v reflect.Value, s string) error {
			b, err := strconv.ParseBool(s)
			v.SetBool(b)
			return err
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(v reflect.Value, s string) error {
			n, err := strconv.ParseInt(s, 10, t.Bits())
			v.SetInt(n)
			return err
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(v reflect.Value, s string) error {
			n, err := strconv.ParseUint(s, 10, t.Bits())
			v.SetUint(n)
			return err
		}
	}
	return nil
}
