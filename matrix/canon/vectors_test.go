package canon_test

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"freehold.example/matrix/canon"
)

var rewrite = flag.Bool("rewrite", false, "write the vectors' results anew")

var modes = []struct {
	name string
	mode canon.Mode
}{{"strict", canon.Strict}, {"lenient", canon.Lenient}, {"unique", canon.Unique}}

// TestVectors runs test/vectors/canon/canonical.txt.
func TestVectors(t *testing.T) {
	const file = "../../test/vectors/canon/canonical.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var name, in string
	results := make(map[string]string)
	flush := func() {
		if name == "" {
			return
		}
		for _, m := range modes {
			got := outcome(in, m.mode)
			if want := results[m.name]; got != want && !*rewrite {
				t.Errorf("%s, %s: got %s, want %s", name, m.name, got, want)
			}
			out.WriteString(m.name + ": " + got + "\n")
		}
		out.WriteString("\n")
		name = ""
		clear(results)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			flush()
			if strings.HasSuffix(out.String(), "\n\n") {
				continue
			}
		case strings.HasPrefix(line, "-- "):
			name = strings.TrimPrefix(line, "-- ")
		case key == "in":
			in = value
		case key == "quoted":
			if in, err = strconv.Unquote(value); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		case key == "strict" || key == "lenient" || key == "unique":
			results[key] = value
			continue
		}
		out.WriteString(line + "\n")
	}
	flush()
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.TrimSuffix(out.String(), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// outcome is what a mode makes of an input, in the words of the vectors.
func outcome(in string, mode canon.Mode) string {
	b, err := canon.Canonical([]byte(in), mode)
	if err != nil {
		return "! " + err.Error()
	}
	return string(b)
}

func TestNesting(t *testing.T) {
	for _, c := range []struct {
		depth int
		ok    bool
	}{{canon.MaxNesting, true}, {canon.MaxNesting + 1, false}, {100_000, false}} {
		for _, mode := range modes {
			_, err := canon.Canonical([]byte(strings.Repeat("[", c.depth)+" "+strings.Repeat("]", c.depth)), mode.mode)
			if (err == nil) != c.ok {
				t.Errorf("%s, %d deep: got %v, want ok %v", mode.name, c.depth, err, c.ok)
			}
		}
	}
}
