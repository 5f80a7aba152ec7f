package spec

import (
	"bufio"
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed deviations.txt
var deviationsText []byte

// listed is a line of deviations.txt: what is known, and why it stays.
type listed struct {
	pattern string
	form    *regexp.Regexp
	runs    []string // in which runs it shows
	reason  string
}

// readList reads lines of the form of deviations.txt.
func readList(text []byte) (list []listed, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, "|")
		if len(parts) != 6 {
			return nil, fmt.Errorf("line %d has %d fields, want operation | side | at | what | runs | reason", n, len(parts))
		}
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		if parts[5] == "" {
			return nil, fmt.Errorf("line %d has no reason", n)
		}
		pattern := strings.Join(parts[:4], " | ")
		form := "^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + "$"
		list = append(list, listed{pattern, regexp.MustCompile(form), strings.Fields(parts[4]), parts[5]})
	}
	return list, lines.Err()
}

// stale are the lines that should have shown in a run and did not.
func stale(list []listed, seen map[string]bool, run string) (all []string) {
	for _, l := range list {
		if slices.Contains(l.runs, run) && !seen[l.pattern] {
			all = append(all, l.pattern)
		}
	}
	return all
}

// Run is the name of a run for [Watch.End] if all tests of the package take part in it, and otherwise empty. The flags must have
// been parsed.
func Run(name string) string {
	for _, f := range []string{"test.run", "test.skip", "test.short"} {
		if f := flag.Lookup(f); f != nil && f.Value.String() != f.DefValue {
			return ""
		}
	}
	return name
}
