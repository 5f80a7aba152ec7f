package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// bound is a line of docs/limits.md, from a comment `limit: what | size | what happens beyond it`. In the size of a
// comment above a constant, %d stands for its value, %b for that as bytes, %t as a time.
type bound struct {
	where, what, size, beyond string
}

// pack is what a folder's files say of themselves.
type pack struct {
	fset   *token.FileSet
	files  map[string]*ast.File
	values map[string]ast.Expr // of constants
}

// packs parses the program, without tests.
func packs(t *testing.T) map[string]*pack {
	t.Helper()
	all := map[string]*pack{}
	for _, floor := range []string{"matrix", "base", "core", "api", "server"} {
		err := filepath.WalkDir(filepath.Join(root, floor), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			path = filepath.ToSlash(path)
			dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), root+"/")
			p := all[dir]
			if p == nil {
				p = &pack{fset: token.NewFileSet(), files: map[string]*ast.File{}, values: map[string]ast.Expr{}}
				all[dir] = p
			}
			file, err := parser.ParseFile(p.fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			p.files[path] = file
			ast.Inspect(file, func(n ast.Node) bool {
				if spec, ok := n.(*ast.ValueSpec); ok {
					for i, v := range spec.Values {
						p.values[spec.Names[i].Name] = v
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

var operators = map[token.Token]func(x, y int64) int64{
	token.MUL: func(x, y int64) int64 { return x * y },
	token.SHL: func(x, y int64) int64 { return x << y },
	token.ADD: func(x, y int64) int64 { return x + y },
	token.SUB: func(x, y int64) int64 { return x - y },
}

// value computes a constant of integers; durations are in nanoseconds.
func (p *pack) value(e ast.Expr) (int64, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strconv.ParseInt(strings.ReplaceAll(e.Value, "_", ""), 0, 64)
	case *ast.ParenExpr:
		return p.value(e.X)
	case *ast.Ident:
		if v, ok := p.values[e.Name]; ok {
			return p.value(v)
		}
	case *ast.SelectorExpr:
		if d, err := time.ParseDuration("1" + map[string]string{"Second": "s", "Minute": "m", "Hour": "h", "Millisecond": "ms"}[e.Sel.Name]); err == nil {
			return int64(d), nil
		}
	case *ast.BinaryExpr:
		x, errX := p.value(e.X)
		y, errY := p.value(e.Y)
		if errX != nil || errY != nil {
			break
		}
		if compute := operators[e.Op]; compute != nil {
			return compute(x, y), nil
		}
	}
	return 0, fmt.Errorf("%T cannot be computed", e)
}

// amount writes bytes as people read them.
func amount(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size && n%unit.size == 0 {
			return fmt.Sprintf("%s %s", thousands(n/unit.size), unit.name)
		}
	}
	return thousands(n) + " bytes"
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bounds reads the comments of a package.
func (p *pack) bounds(t *testing.T, dir string) (all []bound) {
	t.Helper()
	constant := map[*ast.CommentGroup]ast.Expr{} // what stands under, or before, a comment
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if len(n.Values) == 1 {
					constant[n.Doc], constant[n.Comment] = n.Values[0], n.Values[0]
				}
			case *ast.GenDecl:
				if len(n.Specs) == 1 {
					if spec, ok := n.Specs[0].(*ast.ValueSpec); ok && len(spec.Values) == 1 {
						constant[n.Doc] = spec.Values[0]
					}
				}
			}
			return true
		})
		for _, group := range file.Comments {
			for line := range strings.Lines(group.Text()) {
				text, ok := strings.CutPrefix(strings.TrimSpace(line), "limit: ")
				if !ok {
					continue
				}
				at := p.fset.Position(group.Pos())
				part := strings.Split(text, " | ")
				if len(part) != 3 {
					t.Errorf("%s: want limit: what | size | what happens beyond it", at)
					continue
				}
				b := bound{where: dir, what: part[0], size: part[1], beyond: part[2]}
				if strings.Contains(b.size, "%") {
					e := constant[group]
					if e == nil {
						t.Errorf("%s: there is no constant here for %q", at, b.size)
						continue
					}
					n, err := p.value(e)
					if err != nil {
						t.Errorf("%s: %v", at, err)
						continue
					}
					b.size = strings.NewReplacer("%d", thousands(n), "%b", amount(n), "%t", time.Duration(n).String()).Replace(b.size)
				}
				all = append(all, b)
			}
		}
	}
	slices.SortFunc(all, func(a, b bound) int { return strings.Compare(a.what, b.what) })
	return all
}

// docs/limits.md lists what keeps the server's memory and disk bounded, and what happens at each bound.
func TestDocsLimits(t *testing.T) {
	all := packs(t)
	var b strings.Builder
	b.WriteString("# Limits\n\n<!-- Made from the `limit:` comments beside the code by `make gen`. -->\n\n" +
		"Everything that can grow, how far, and what happens then. The largest body of each request is in [routes.md](routes.md), how\n" +
		"often each may come in [config.md](config.md); sizes in memory are upper bounds, reached by nobody who is not trying to.\n\n" +
		"| what | size | beyond it | where |\n|---|---|---|---|\n")
	dirs := make([]string, 0, len(all))
	for dir := range all {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	for _, dir := range dirs {
		for _, l := range all[dir].bounds(t, dir) {
			fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", l.what, l.size, l.beyond, l.where)
		}
	}
	compare(t, root+"/docs/limits.md", b.String())
}

// What several goroutines share and can grow says how far: in a struct with a lock, each map, list, slice and channel has
// the word limit or bounded in its comment, or in that of the struct. So does every channel with a size.
func TestGrowthIsBounded(t *testing.T) {
	for _, p := range packs(t) {
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				decl, ok := n.(*ast.GenDecl)
				if !ok {
					return true
				}
				for _, spec := range decl.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok {
						p.checkStruct(t, s, decl.Doc, s.Doc)
					}
				}
				return true
			})
		}
	}
}

func (p *pack) checkStruct(t *testing.T, s *ast.TypeSpec, docs ...*ast.CommentGroup) {
	t.Helper()
	fields, ok := s.Type.(*ast.StructType)
	if !ok || says(docs...) {
		return
	}
	shared := false
	for _, f := range fields.Fields.List {
		shared = shared || isLock(f.Type)
	}
	for _, f := range fields.Fields.List {
		if shared && grows(f.Type) && !says(f.Doc, f.Comment) && len(f.Names) > 0 {
			t.Errorf("%s: nothing says how far %s.%s may grow", p.fset.Position(f.Pos()), s.Name.Name, f.Names[0].Name)
		}
	}
}

// says looks for the words.
func says(comments ...*ast.CommentGroup) bool {
	for _, c := range comments {
		if text := strings.ToLower(c.Text()); strings.Contains(text, "limit:") || strings.Contains(text, "bounded") {
			return true
		}
	}
	return false
}

func isLock(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "sync" && (s.Sel.Name == "Mutex" || s.Sel.Name == "RWMutex")
}

func grows(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.MapType, *ast.ChanType:
		return true
	case *ast.ArrayType:
		return e.Len == nil || grows(e.Elt)
	case *ast.StarExpr:
		return grows(e.X)
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		return ok && (pkg.Name == "list" && e.Sel.Name == "List" || pkg.Name == "sync" && e.Sel.Name == "Map")
	}
	return false
}
