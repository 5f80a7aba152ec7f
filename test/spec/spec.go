// Package spec holds what travels between a client and the server against the Matrix specification: its OpenAPI files and
// event schemas. Tests put a [Watch] between: as the transport of their client, or as a proxy before the server. What
// deviates fails the test, unless it stands with its reason in deviations.txt.
//
// Of a request answered 2xx the parameters and the body are checked; of every answer the status, the content type and the
// body, and wherever it is in the body, every event: its frame, and its content by its type. Contents that a client sent in the
// same form are the client's affair.
package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Spec is a loaded specification, for concurrent use. Schemas are compiled when they are first needed.
type Spec struct {
	dir string // data/ of the specification, absolute
	ops []*operation
	// codes are the error codes that are named anywhere in the files of the APIs.
	codes map[string]bool

	mu       sync.Mutex // guards the next two
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema

	docsMu sync.Mutex
	docs   map[string]map[string]any // by path: what was read
}

// ErrMissing says that there is no specification, and how to get it.
var ErrMissing = errors.New("the Matrix specification is not on this machine, and these tests hold the server against it:\n" +
	"  git clone --depth 1 --branch v1.19 https://github.com/matrix-org/matrix-spec ../shared/matrix-spec\n" +
	"beside the project, or name a clone (or its folder data) in MATRIX_SPEC")

// Load reads the specification from where MATRIX_SPEC says, or from ../shared/matrix-spec beside the project.
func Load() (*Spec, error) {
	dir := os.Getenv("MATRIX_SPEC")
	if dir == "" {
		root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "freehold.example").Output()
		if err != nil {
			return nil, fmt.Errorf("find the root of the module: %w", err)
		}
		dir = filepath.Join(strings.TrimSpace(string(root)), "..", "shared", "matrix-spec")
	}
	if data := filepath.Join(dir, "data"); exists(data) {
		dir = data
	}
	if !exists(filepath.Join(dir, "api", "client-server")) {
		return nil, ErrMissing
	}
	return open(dir)
}

var errorCode = regexp.MustCompile(`\bM_[A-Z0-9_]+`)

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func open(dir string) (*Spec, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Spec{
		dir: dir, codes: map[string]bool{}, compiler: newCompiler(),
		schemas: map[string]*jsonschema.Schema{}, docs: map[string]map[string]any{},
	}
	s.compiler.UseLoader(s)
	for _, api := range []string{"client-server", "application-service", "push-gateway"} {
		files, err := filepath.Glob(filepath.Join(dir, "api", api, "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			for _, code := range errorCode.FindAll(text, -1) {
				s.codes[string(code)] = true
			}
			if err := s.addOperations(file); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	if len(s.ops) == 0 {
		return nil, fmt.Errorf("%s has no operations", dir)
	}
	return s, nil
}

// Load is the compiler's way to a document: uri is file:///...
func (s *Spec) Load(uri string) (any, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return nil, err
	}
	return s.doc(u.Path)
}

// doc is a YAML file as JSON values.
func (s *Spec) doc(file string) (map[string]any, error) {
	s.docsMu.Lock()
	defer s.docsMu.Unlock()
	if d, ok := s.docs[file]; ok {
		return d, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	d, ok := plain(v).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s holds no mapping", file)
	}
	s.docs[file] = d
	return d, nil
}

// plain is a YAML value with keys as JSON has them: strings, also for 200.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
	case map[any]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[fmt.Sprint(k)] = plain(e)
		}
		return m
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
	}
	return v
}

// node is a place in a document: the file, the JSON pointer, and the value there.
type node struct {
	file, pointer string
	value         map[string]any
}

// child is the node below, with a $ref followed. The zero node is none.
func (s *Spec) child(n node, keys ...string) (node, error) {
	for _, k := range keys {
		v, ok := n.value[k].(map[string]any)
		if !ok {
			return node{}, nil
		}
		n = node{n.file, n.pointer + "/" + escape(k), v}
		var err error
		if n, err = s.follow(n); err != nil {
			return node{}, err
		}
	}
	return n, nil
}

// follow is where a $ref leads to, or the node itself.
func (s *Spec) follow(n node) (node, error) {
	for {
		ref, ok := n.value["$ref"].(string)
		if !ok {
			return n, nil
		}
		file, pointer, _ := strings.Cut(ref, "#")
		if file == "" {
			file = n.file
		} else {
			file = filepath.Join(filepath.Dir(n.file), file)
		}
		d, err := s.doc(file)
		if err != nil {
			return node{}, err
		}
		n = node{file, pointer, d}
		for k := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
			if k == "" {
				continue
			}
			v, ok := n.value[unescape(k)].(map[string]any)
			if !ok {
				return node{}, fmt.Errorf("%s: no %s", file, pointer)
			}
			n.value = v
		}
	}
}

func escape(k string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(k) }

func unescape(k string) string { return strings.NewReplacer("~1", "/", "~0", "~").Replace(k) }

// schema compiles the schema at a node, once.
func (s *Spec) schema(n node) (*jsonschema.Schema, error) {
	at := (&url.URL{Scheme: "file", Path: n.file, Fragment: n.pointer}).String()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.schemas[at]; ok {
		return c, nil
	}
	c, err := s.compiler.Compile(at)
	if err != nil {
		return nil, fmt.Errorf("the schema %s: %w", at, err)
	}
	s.schemas[at] = c
	return c, nil
}

// fileSchema compiles a schema in a file below data/, or a part of it. It is nil where there is none.
func (s *Spec) fileSchema(file, pointer string) (*jsonschema.Schema, error) {
	file = filepath.Join(s.dir, filepath.FromSlash(file))
	d, err := s.doc(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n := node{file: file, value: d}
	for k := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if k == "" {
			continue
		}
		v, ok := n.value[k].(map[string]any)
		if !ok {
			return nil, nil
		}
		n.pointer, n.value = n.pointer+"/"+k, v
	}
	return s.schema(n)
}
