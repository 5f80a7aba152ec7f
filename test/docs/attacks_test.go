package docs

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// attacks is what there is against each line of the attack checklist.
const attacks = "../conformance/attacks.txt"

var (
	testRef  = regexp.MustCompile(`^([a-z0-9/]+) ((?:Test|Fuzz)\w+)$`)
	openLine = regexp.MustCompile(`^(issue \d+|deviates): \S`)
)

// functions are the tests of a folder.
func functions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(dir), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "func "); ok {
				name, _, _ := strings.Cut(rest, "(")
				found[name] = true
			}
		}
	}
	return found
}

// docs/attacks.md says what shows that each attack comes to nothing. Every test that it names is there.
func TestDocsAttacks(t *testing.T) {
	f, err := os.Open(attacks)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	known := map[string]map[string]bool{}
	var b strings.Builder
	b.WriteString("# Attacks\n\n<!-- Made from test/conformance/attacks.txt by `make gen`. -->\n\n" +
		"What a hostile client, picture, page, disk or clock may try, and the tests that show what comes of it.\n")
	for s, at := bufio.NewScanner(f), 1; s.Scan(); at++ {
		line := s.Text()
		if title, ok := strings.CutPrefix(line, "## "); ok {
			fmt.Fprintf(&b, "\n## %s\n\n| what | tests |\n|---|---|\n", title)
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		what, tests, ok := strings.Cut(line, " | ")
		if !ok {
			t.Errorf("%s:%d: want what | tests", attacks, at)
			continue
		}
		if openLine.MatchString(tests) {
			fmt.Fprintf(&b, "| %s | %s |\n", what, tests)
			continue
		}
		var names []string
		for ref := range strings.SplitSeq(tests, ", ") {
			m := testRef.FindStringSubmatch(ref)
			if m == nil {
				t.Errorf("%s:%d: %q is no test", attacks, at, ref)
				continue
			}
			if known[m[1]] == nil {
				known[m[1]] = functions(t, m[1])
			}
			if !known[m[1]][m[2]] {
				t.Errorf("%s:%d: there is no %s in %s", attacks, at, m[2], m[1])
			}
			names = append(names, fmt.Sprintf("%s (%s)", m[2], m[1]))
		}
		fmt.Fprintf(&b, "| %s | %s |\n", what, strings.Join(names, ", "))
	}
	compare(t, root+"/docs/attacks.md", b.String())
}
