package spec

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// validate holds a value against the schema at a node. at is put before the places of deviations.
func (c *check) validate(side string, schema node, at string, v any) error {
	compiled, err := c.spec.schema(schema)
	if err != nil {
		return err
	}
	for _, l := range leaves(compiled.Validate(v)) {
		c.report(side, at+l.at, l.what)
	}
	return nil
}

// leaf is one thing that is wrong with a value.
type leaf struct{ at, what string }

// leaves are what a validation found, without doubles.
func leaves(err error) []leaf {
	var failed *jsonschema.ValidationError
	if !errors.As(err, &failed) {
		return nil
	}
	all := appendLeaves(nil, failed)
	slices.SortFunc(all, func(a, b leaf) int { return strings.Compare(a.at+a.what, b.at+b.what) })
	return slices.Compact(all)
}

func appendLeaves(all []leaf, e *jsonschema.ValidationError) []leaf {
	switch k := e.ErrorKind.(type) {
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return append(all, leaf{pointer(e.InstanceLocation), "fits more than one"})
		}
		return append(all, none(e))
	case *kind.AnyOf:
		return append(all, none(e))
	}
	if len(e.Causes) == 0 {
		return append(all, leaf{pointer(e.InstanceLocation), words(e)})
	}
	for _, cause := range e.Causes {
		all = appendLeaves(all, cause)
	}
	return all
}

// none is a value that fits none of several schemas.
func none(e *jsonschema.ValidationError) leaf {
	var whys []string
	for _, cause := range e.Causes {
		for _, l := range appendLeaves(nil, cause) {
			whys = append(whys, l.what)
		}
	}
	return leaf{pointer(e.InstanceLocation), "fits none: " + strings.Join(whys, "; ")}
}

// words say what is wrong without the value, which is another each time.
func words(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Format:
		return "no " + k.Want
	case *kind.Pattern:
		return "does not match " + k.Want
	case *kind.Enum:
		return fmt.Sprintf("none of %v", k.Want)
	default:
		return e.DetailedOutput().Error.String()
	}
}

// ofOneRun are the keys and places that are other ones in each run: identifiers, numbers in a list.
var ofOneRun = regexp.MustCompile(`^(?:[!@#$].*|[0-9]+)$`)

// general is an escaped path with * for what is of one run.
func general(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if text, err := url.PathUnescape(p); err == nil && ofOneRun.MatchString(text) {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// pointer is a JSON pointer with * for what is of one run.
func pointer(keys []string) string {
	var b strings.Builder
	for _, k := range keys {
		if ofOneRun.MatchString(k) {
			k = "*"
		}
		b.WriteString("/" + escape(k))
	}
	return b.String()
}
