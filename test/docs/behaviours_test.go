// Package docs makes docs/behaviours.md and docs/limits.md from the source, and fails when they are not what it says.
package docs

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the generated documents instead of comparing them")

const (
	root = "../.."
	// behaviours is the list of lines; it is not part of this repository.
	behaviours = root + "/../shared/design/behaviours.md"
	// verdicts is what is said of lines that have no test, or not a whole one.
	verdicts = "../conformance/behaviours.txt"
)

func compare(t *testing.T, path, want string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the source says: run make gen", path)
	}
}

// section is a chapter of behaviours.md.
type section struct {
	title string // "9 Joining, leaving, ..."
	lines []int
}

var (
	sectionTitle = regexp.MustCompile(`^## (\d+ .*)`)
	// sectionLine is a line of behaviours.md, or of our list of them.
	sectionLine = regexp.MustCompile(`^(?:- \*\*|\| )B(\d+)(?:\*\*| \|)`)
)

// sections reads the chapters and the numbers of their lines.
func sections(t *testing.T, path string) (all []section) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	next := 1
	for line := range strings.Lines(string(text)) {
		if m := sectionTitle.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			all = append(all, section{title: m[1]})
		} else if m := sectionLine.FindStringSubmatch(line); m != nil {
			if n, _ := strconv.Atoi(m[1]); n != next || len(all) == 0 {
				t.Fatalf("%s: got B%d, want B%d", path, n, next)
			}
			last := &all[len(all)-1]
			last.lines = append(last.lines, next)
			next++
		}
	}
	return all
}

var (
	testName = regexp.MustCompile(`^Test((?:B\d+)+)(?:[A-Z]\w*)?$`)
	each     = regexp.MustCompile(`B(\d+)`)
	literal  = regexp.MustCompile(`^(?:B\d+[ ,]*)*B\d+(?:\W|$)`)
	further  = regexp.MustCompile(`^and B\d+`)
	upTo     = regexp.MustCompile(`^to B(\d+)`)
	number   = regexp.MustCompile(`\bB(\d+)\b`)
)

// tested finds the tests of each line, as "TestB1 (conformance/surface_test.go)". A test is one of B12 if it is named
// TestB12, TestB11B12 or TestB12Something, if "B12" or "B11 B12" stands at the beginning of one of its string literals (a
// subtest's name, or what it says when it fails), or if it is named TestB11 and a comment behind its first line begins with
// "and B12" or "to B12".
func tested(t *testing.T) map[int][]string {
	t.Helper()
	found := map[int][]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "../docs/") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		behind := map[int]string{} // line of the file -> comment on it
		for _, group := range file.Comments {
			behind[fset.Position(group.Pos()).Line] = group.Text()
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			where := fmt.Sprintf("%s (%s)", f.Name.Name, filepath.ToSlash(strings.TrimPrefix(path, "../")))
			for _, n := range covers(f, behind[fset.Position(f.Pos()).Line]) {
				found[n] = append(found[n], where)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func covers(f *ast.FuncDecl, comment string) []int {
	lines := map[int]bool{}
	add := func(text string) {
		for _, m := range number.FindAllStringSubmatch(text, -1) {
			n, _ := strconv.Atoi(m[1])
			lines[n] = true
		}
	}
	if m := testName.FindStringSubmatch(f.Name.Name); m != nil {
		var first int
		for i, one := range each.FindAllStringSubmatch(m[1], -1) {
			n, _ := strconv.Atoi(one[1])
			lines[n] = true
			if i == 0 {
				first = n
			}
		}
		if further.MatchString(comment) {
			add(comment)
		}
		if m := upTo.FindStringSubmatch(comment); m != nil {
			last, _ := strconv.Atoi(m[1])
			for n := first; n <= last; n++ {
				lines[n] = true
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				add(literal.FindString(s))
			}
		}
		return true
	})
	return slices.Sorted(maps.Keys(lines))
}

// verdict is what verdicts says of a line.
type verdict struct{ status, why string }

// partly is the status of a line whose tests are not the whole of it.
const partly = "partly"

var (
	status = regexp.MustCompile(`^(issue \d+|not planned|deviates|` + partly + `)$`)
	span   = regexp.MustCompile(`^B(\d+)(?:-B(\d+))?$`)
)

// readVerdicts reads lines of the form "B7-B8 B76 | issue 5 | the reason".
func readVerdicts(t *testing.T) map[int]verdict {
	t.Helper()
	f, err := os.Open(verdicts)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[int]verdict{}
	for s, at := bufio.NewScanner(f), 1; s.Scan(); at++ {
		if s.Text() == "" || strings.HasPrefix(s.Text(), "#") {
			continue
		}
		fail := func(what string) { t.Fatalf("%s:%d: %s: %s", verdicts, at, what, s.Text()) }
		part := strings.SplitN(s.Text(), "|", 3)
		if len(part) != 3 {
			fail("want lines | status | reason")
		}
		v := verdict{strings.TrimSpace(part[1]), strings.TrimSpace(part[2])}
		if !status.MatchString(v.status) || v.why == "" {
			fail("no such status, or no reason")
		}
		for field := range strings.FieldsSeq(part[0]) {
			m := span.FindStringSubmatch(field)
			if m == nil {
				fail("no such lines")
			}
			first, _ := strconv.Atoi(m[1])
			last, _ := strconv.Atoi(cmp.Or(m[2], m[1]))
			for n := first; n <= last; n++ {
				if _, twice := all[n]; twice {
					fail(fmt.Sprintf("B%d is here twice", n))
				}
				all[n] = v
			}
		}
	}
	return all
}

// docs/behaviours.md says of each line whether a test shows it, or when it will be, or why not.
func TestDocsBehaviours(t *testing.T) {
	const document = root + "/docs/behaviours.md"
	from := behaviours
	if _, err := os.Stat(from); os.IsNotExist(err) {
		t.Logf("%s is not on this machine: whether docs/behaviours.md has all of its lines was not checked", behaviours)
		from = document
	}
	tests, said := tested(t), readVerdicts(t)
	counts := map[string]int{}
	var body strings.Builder
	for _, s := range sections(t, from) {
		fmt.Fprintf(&body, "\n## %s\n\n| line | status | test, or reason |\n|---|---|---|\n", s.title)
		for _, n := range s.lines {
			names, v := strings.Join(tests[n], ", "), said[n]
			switch {
			case names == "" && (v.status == "" || v.status == partly):
				t.Errorf("B%d has no test, and %s does not say why", n, verdicts)
			case names != "" && v.status != "" && v.status != partly:
				t.Errorf("B%d is %s in %s, but has a test: %s", n, v.status, verdicts, names)
			case v.status == "":
				v.status, v.why = "passes", names
			case v.status == partly:
				v.why = names + "; " + v.why
			}
			fmt.Fprintf(&body, "| B%d | %s | %s |\n", n, v.status, v.why)
			counts[v.status]++
			delete(tests, n)
			delete(said, n)
		}
	}
	for n := range tests {
		t.Errorf("B%d has a test and is no line: %v", n, tests[n])
	}
	for n := range said {
		t.Errorf("B%d is in %s and is no line", n, verdicts)
	}
	var b strings.Builder
	b.WriteString("# Behaviours\n\n<!-- Made from the tests in test/ and test/conformance/behaviours.txt by `make gen`. -->\n\n" +
		"The numbered lines of the list of behaviours that this project was given, and what becomes of each: *passes* (the tests that show it,\n" +
		"against the running program), *partly* (what the tests leave out), *issue N* (comes with that one), *deviates* and *not planned* (why).\n\n" +
		"| status | lines |\n|---|---|\n")
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "| %s | %d |\n", status, counts[status])
	}
	b.WriteString(body.String())
	compare(t, document, b.String())
}
