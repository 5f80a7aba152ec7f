// Package freehold_test holds what keeps the house in order: which package may import which, what the protocol packages
// may not touch, who owns which table, and how long a file may be. CONTRIBUTING.md explains each rule.
package freehold_test

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "freehold.example"

// floors, from the ground up: a package imports lower floors and its own, never a higher one. test/ stands outside:
// it may import everything and nothing imports it. web holds files to embed and imports nothing.
var floors = []string{"matrix", "web", "base", "core", "api", "server", "cmd"}

// coreOrder is the order inside core: a package may import those before it.
var coreOrder = []string{
	"schema", "audit", "identity", "peer", "account", "room", "outbox", "arrival", "keys", "backup", "inbox", "ephemeral", "thread", "person", "directory", "wake", "reach", "handshake", "space", "report", "notice", "delayed", "media", "preview",
	"notify", "push", "search", "feed", "relay", "courier", "appservice", "call", "budget", "drill", "removal",
}

// impure is what the protocol as pure functions has no use for.
var impure = map[string]string{
	"os": "files", "net": "network", "net/http": "network", "database/sql": "a database", "log": "logging", "log/slog": "logging",
	"sync": "shared state", "os/exec": "processes", "io/ioutil": "files", "math/rand": "chance", "math/rand/v2": "chance",
}

const longestFile = 600

// file is one parsed source file of this module.
type file struct {
	path string // "core/room/send.go"
	dir  string // "core/room"
	test bool
	ast  *ast.File
	fset *token.FileSet
	text []byte
}

func (f *file) floor() string { first, _, _ := strings.Cut(f.path, "/"); return first }

func (f *file) at(p token.Pos) string { return f.path + ":" + strconv.Itoa(f.fset.Position(p).Line) }

// sources parses every Go file of this module; folders with their own go.mod are other modules.
func sources(t *testing.T) []*file {
	t.Helper()
	var files []*file
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if p != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || exists(filepath.Join(p, "go.mod"))) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, p, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p = filepath.ToSlash(p)
		files = append(files, &file{path: p, dir: path.Dir(p), test: strings.HasSuffix(p, "_test.go"), ast: tree, fset: fset, text: text})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func exists(p string) bool { _, err := os.Stat(p); return err == nil }

func TestFloors(t *testing.T) {
	for _, f := range sources(t) {
		own := slices.Index(floors, f.floor())
		if f.dir == "." || f.floor() == "test" {
			continue
		}
		if own < 0 {
			t.Errorf("%s: %s is not a floor of this house (%s)", f.path, f.floor(), strings.Join(floors, " < "))
			continue
		}
		for _, spec := range f.ast.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			rel, ours := strings.CutPrefix(target, module+"/")
			if !ours || f.test {
				continue
			}
			top, _, _ := strings.Cut(rel, "/")
			switch floor := slices.Index(floors, top); {
			case top == "test":
				t.Errorf("%s imports %s: nothing imports test/", f.at(spec.Pos()), rel)
			case floor > own:
				t.Errorf("%s imports %s: %s is above %s", f.at(spec.Pos()), rel, top, f.floor())
			case f.floor() == "base" && top == "matrix" && rel != "matrix/id" && rel != "matrix/fault":
				t.Errorf("%s imports %s: base knows matrix/id and matrix/fault only", f.at(spec.Pos()), rel)
			case f.floor() == "core" && top == "core":
				checkCoreOrder(t, f, rel, spec)
			}
		}
	}
}

func checkCoreOrder(t *testing.T, f *file, rel string, spec *ast.ImportSpec) {
	t.Helper()
	name := func(p string) string { return strings.Split(p, "/")[1] }
	from, to := slices.Index(coreOrder, name(f.dir)), slices.Index(coreOrder, name(rel))
	if from < 0 || to < 0 {
		t.Errorf("%s imports %s: both need a place in coreOrder", f.at(spec.Pos()), rel)
	} else if from < to {
		t.Errorf("%s imports %s: in core, %s comes after %s", f.at(spec.Pos()), rel, name(rel), name(f.dir))
	}
}

// matrix/ is computed, not done: no input or output, no clock, no goroutines. It is what is fuzzed and compared with
// other implementations.
func TestMatrixIsPure(t *testing.T) {
	for _, f := range sources(t) {
		if f.floor() != "matrix" || f.test {
			continue
		}
		for _, spec := range f.ast.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			if why, bad := impure[p]; bad && !allowed[f.dir+" "+p] {
				t.Errorf("%s imports %s (%s)", f.at(spec.Pos()), p, why)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", f.at(n.Pos()))
			case *ast.SelectorExpr:
				if isSelector(n, "time", "Now", "Since", "After", "Sleep", "NewTimer", "Tick") {
					t.Errorf("%s asks the clock", f.at(n.Pos()))
				}
			}
			return true
		})
	}
}

// allowed are the exceptions, each for one harmless use.
var allowed = map[string]bool{
	"matrix/fault net/http": true, // the names of status codes
	"matrix/canon sync":     true, // sync.Pool
	"matrix/event sync":     true, // sync.OnceValue
}

// The guard of the configuration shares nothing with who judges it: only how files are written.
func TestGuardStandsAlone(t *testing.T) {
	for _, f := range sources(t) {
		if f.dir != "server/guard" || f.test {
			continue
		}
		for _, spec := range f.ast.Imports {
			if p, _ := strconv.Unquote(spec.Path.Value); p != module+"/base/durable" && strings.Contains(strings.Split(p, "/")[0], ".") {
				t.Errorf("%s imports %s", f.at(spec.Pos()), p)
			}
		}
	}
}

// Time comes from one place (D11): core and api ask Config.Now.
func TestTimeComesFromConfig(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.floor() != "core" && f.floor() != "api" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr) // time.Now as a Config's default is not a call
			if !ok {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && isSelector(s, "time", "Now", "Since", "Until") {
				t.Errorf("%s asks the clock: use Config.Now", f.at(s.Pos()))
			}
			return true
		})
	}
}

func isSelector(s *ast.SelectorExpr, pkg string, names ...string) bool {
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg && slices.Contains(names, s.Sel.Name)
}

func TestOnePackageComment(t *testing.T) {
	commented := map[string][]string{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		if _, ok := commented[f.dir]; !ok {
			commented[f.dir] = nil
		}
		if f.ast.Doc != nil {
			commented[f.dir] = append(commented[f.dir], f.path)
		}
	}
	for dir, in := range commented {
		if len(in) != 1 {
			t.Errorf("%s: want one package comment, got %d %v", dir, len(in), in)
		}
	}
}

func TestFileLength(t *testing.T) {
	for _, f := range sources(t) {
		if n := bytes.Count(f.text, []byte("\n")); n > longestFile && !f.test {
			t.Errorf("%s has %d lines: over %d, a second thing has crept in", f.path, n, longestFile)
		}
	}
}

var todo = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

func TestTodoNamesAnIssue(t *testing.T) {
	good := regexp.MustCompile(`^//\s*TODO\(#\d+\): \S`)
	for _, f := range sources(t) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if todo.MatchString(c.Text) && !good.MatchString(c.Text) && f.dir != "." {
					t.Errorf("%s: write TODO(#issue): what", f.at(c.Pos()))
				}
			}
		}
	}
}

var (
	ownerLine   = regexp.MustCompile(`^--\s*owner:\s*(\S+)`)
	createTable = regexp.MustCompile(`^CREATE TABLE (?:IF NOT EXISTS )?([a-z_0-9]+)`)
	tableUse    = regexp.MustCompile(`\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+([a-z][a-z_0-9]*)`)
)

// Each table has one package that reads and writes it; others call that package's functions with their transaction.
func TestTablesHaveOneOwner(t *testing.T) {
	owner := tableOwners(t)
	for _, f := range sources(t) {
		if f.test || f.floor() == "test" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				return true
			}
			for _, m := range tableUse.FindAllStringSubmatch(text, -1) {
				if o, known := owner[m[1]]; known && o != f.dir {
					t.Errorf("%s uses table %s, which belongs to %s", f.at(lit.Pos()), m[1], o)
				}
			}
			return true
		})
	}
}

func tableOwners(t *testing.T) map[string]string {
	t.Helper()
	owner := map[string]string{}
	names, err := filepath.Glob("core/schema/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		current := ""
		for s, line := bufio.NewScanner(bytes.NewReader(text)), 1; s.Scan(); line++ {
			if m := ownerLine.FindStringSubmatch(s.Text()); m != nil {
				current = m[1]
				if !exists(current) {
					t.Errorf("%s:%d: there is no package %s", name, line, current)
				}
			}
			m := createTable.FindStringSubmatch(s.Text())
			switch {
			case m == nil:
			case current == "":
				t.Errorf("%s:%d: table %s has no `-- owner:` line above it", name, line, m[1])
			case owner[m[1]] != "":
				t.Errorf("%s:%d: table %s is made twice", name, line, m[1])
			default:
				owner[m[1]] = current
			}
		}
	}
	return owner
}

// One SQL text serves both databases (D2). What cannot be written once has a budget.
func TestEngineSpecificCodeHasABudget(t *testing.T) {
	const budget = 300
	total := 0
	for _, f := range sources(t) {
		if base := strings.TrimSuffix(f.path, ".go"); !f.test && f.floor() == "core" &&
			(strings.HasSuffix(base, "_sqlite") || strings.HasSuffix(base, "_postgres")) {
			total += bytes.Count(f.text, []byte("\n"))
		}
	}
	if total > budget {
		t.Errorf("%d lines for one database or the other, want at most %d", total, budget)
	}
}
