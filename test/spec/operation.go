package spec

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// operation is one method of one path.
type operation struct {
	method  string
	path    string // with the names of its segments: "/_matrix/client/v3/rooms/{roomId}/state"
	parts   []string
	node    node
	params  []node
	content map[string][]string // by status as text: the media types of the answer; none says nothing of the body
}

// name is how deviations call the operation.
func (o *operation) name() string { return o.method + " " + o.path }

// methods are what OpenAPI calls the methods.
var methods = []string{"get", "put", "post", "delete"}

// addOperations reads the operations of an OpenAPI file.
func (s *Spec) addOperations(file string) error {
	d, err := s.doc(file)
	if err != nil {
		return err
	}
	root := node{file: file, value: d}
	base, err := basePath(root)
	if err != nil {
		return err
	}
	paths, err := s.child(root, "paths")
	if err != nil {
		return err
	}
	for path := range paths.value {
		for _, method := range methods {
			n, err := s.child(paths, path, method)
			if err != nil {
				return err
			}
			if n.value == nil {
				continue
			}
			o := &operation{method: strings.ToUpper(method), path: base + strings.TrimSpace(path), node: n}
			o.parts = strings.Split(o.path, "/")
			if err := s.addParameters(o); err != nil {
				return err
			}
			if err := s.addResponses(o); err != nil {
				return err
			}
			s.ops = append(s.ops, o)
		}
	}
	return nil
}

// basePath is what the paths of a file are below.
func basePath(root node) (string, error) {
	servers, _ := root.value["servers"].([]any)
	if len(servers) == 0 {
		return "", errors.New("no servers")
	}
	server, _ := servers[0].(map[string]any)
	vars, _ := server["variables"].(map[string]any)
	base, _ := vars["basePath"].(map[string]any)
	path, _ := base["default"].(string)
	return strings.TrimSuffix(path, "/"), nil
}

func (s *Spec) addParameters(o *operation) error {
	list, _ := o.node.value["parameters"].([]any)
	for i, p := range list {
		v, _ := p.(map[string]any)
		n, err := s.follow(node{o.node.file, fmt.Sprintf("%s/parameters/%d", o.node.pointer, i), v})
		if err != nil {
			return err
		}
		o.params = append(o.params, n)
	}
	return nil
}

func (s *Spec) addResponses(o *operation) error {
	responses, err := s.child(o.node, "responses")
	if err != nil {
		return err
	}
	o.content = map[string][]string{}
	for status := range responses.value {
		content, err := s.child(responses, status, "content")
		if err != nil {
			return err
		}
		o.content[status] = nil
		for media := range content.value {
			o.content[status] = append(o.content[status], media)
		}
	}
	return nil
}

// found is an operation that a request may be of, with the values of its path's parameters.
type found struct {
	*operation
	values map[string]string
}

// find are the operations of a request: of those that fit its path the ones with most fixed segments, which are two where
// the specification describes two forms of the body apart. path is escaped.
func (s *Spec) find(method, path string) (ops []found) {
	for _, api := range []string{"/_matrix/client/", "/_matrix/media/"} {
		if rest, old := strings.CutPrefix(path, api+"r0/"); old {
			path = api + "v3/" + rest
		}
	}
	parts := strings.Split(path, "/")
	best, known := -1, false
	for _, o := range s.ops {
		values, fixed := o.match(parts)
		if values == nil {
			continue
		}
		known = true
		if o.method != method || fixed < best {
			continue
		}
		if fixed > best {
			ops, best = nil, fixed
		}
		ops = append(ops, found{o, values})
	}
	if ops == nil && !known && strings.Contains(path, "/state/") && !strings.HasSuffix(path, "/") {
		return s.find(method, path+"/") // without a state key the last slash is optional
	}
	return ops
}

// fileName is what a type must be like to be looked up as a file.
var fileName = regexp.MustCompile(`^m\.[A-Za-z0-9_.$-]+$`)

var segmentName = regexp.MustCompile(`^\{(.*)\}$`)

// match is nil if the path is not of this form.
func (o *operation) match(parts []string) (values map[string]string, fixed int) {
	if len(parts) != len(o.parts) {
		return nil, 0
	}
	values = map[string]string{}
	for i, want := range o.parts {
		name := segmentName.FindStringSubmatch(want)
		if name == nil {
			if parts[i] != want {
				return nil, 0
			}
			fixed++
			continue
		}
		v, err := url.PathUnescape(parts[i])
		if err != nil {
			return nil, 0
		}
		values[name[1]] = v
	}
	return values, fixed
}
