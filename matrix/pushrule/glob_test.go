package pushrule

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func compiledGlob(t *testing.T, pattern string) *glob {
	t.Helper()
	g, ok := compileGlob(pattern)
	if !ok {
		t.Fatalf("%q cannot be compiled", pattern)
	}
	return g
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, in string
		want        bool
	}{
		{"", "", true},
		{"", "x", false},
		{"*", "", true},
		{"*", "x", true},
		{"?", "", false},
		{"?", "x", true},
		{"?", "é", true},
		{"?", "xy", false},
		{"lunc?*", "Lunch plans", true}, // the specification's example
		{"lunc?*", "LUNCH", true},
		{"lunc?*", " lunch", false},
		{"lunc?*", "lunc", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*?a", "aa", false},
		{"a*?a", "aba", true},
		{"*a?c*", "xxabcxx", true},
		{"*a?c*", "xxacxx", false},
		{"a*b*c", "abbc", true},
		{"a*b*c", "acb", false},
		{"?*?", "x", false},
		{"?*?", "xy", true},
		{"??*", "é", false},
		{"M.ROOM.*", "m.room.message", true},
		{"ÄÖ", "äö", true},
		{"[a-z]", "a", false},
		{`a\*`, `a\b`, true},
		{".", "x", false},
	} {
		if got := compiledGlob(t, tt.pattern).match(strings.ToLower(tt.in)); got != tt.want {
			t.Errorf("%q on %q: got %v, want %v", tt.pattern, tt.in, got, tt.want)
		}
	}
	if _, ok := compileGlob(strings.Repeat("x", 64) + "?"); ok {
		t.Error("a piece of 65 characters with a ? was taken")
	}
	if _, ok := compileGlob(strings.Repeat("?", 64) + "*" + strings.Repeat("?", 64)); !ok {
		t.Error("pieces of 64 characters were refused")
	}
}

func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		pattern, in string
		want        bool
	}{
		{"ex*ple", "An example event.", true}, // the specification's examples
		{"ex*ple", "exple", true},
		{"ex*ple", "An exciting triple-whammy", true},
		{"ex*ple", "An exciting triples", false},
		{"ex*ple", "an unexample", false},
		{"cake", "I like cake", true},
		{"cake", "CAKE!", true},
		{"cake", "cakes", false},
		{"cake", "cheesecake", false},
		{"cake", "cheesecake cake", true},
		{"cake", "cake_x cake2 cake", true},
		{"cake", "_cake", false},
		{"cake", "écake", true}, // é is no letter here
		{"cake*lie", "the cake is a lie", true},
		{"cake*lie", "the cake is a lies", false},
		{"cake*lie", "cakelie", true},
		{"cake*", "the cakes", true},
		{"*cake", "cheesecake", true},
		{"c?ke", "a coke", true},
		{"c?ke", "a cooke", false},
		{"@room", "@room", true},
		{"@room", "hey @room!", true},
		{"@room", "@rooms", false},
		{"@room", "x@room", true}, // @ is a boundary itself
		{"?", "", false},
		{"?", "ab", false},
		{"?", "a b", true},
		{"*", "", true},
		{"", "anything", true},
		{"aa", "aaa aa", true},
		{"a a", "a a a", true},
		{"bob", "@bob:example.org hi", true},
		{"дмитрий", "Привет, Дмитрий!", true},
	} {
		if got := compiledGlob(t, tt.pattern).within(&text{s: strings.ToLower(tt.in)}); got != tt.want {
			t.Errorf("%q in %q: got %v, want %v", tt.pattern, tt.in, got, tt.want)
		}
	}
}

func TestSays(t *testing.T) {
	long := strings.Repeat("lorem ipsum ", 200)
	for _, tt := range []struct {
		name, in string
		want     bool
	}{
		{"alice", "hi alice", true},
		{"alice", "malice", false},
		{"alice b", "hi alice b.", true},
		{"alice b", "hi alice bo", false},
		{"", "x", false},
		{"😀", "hi 😀", true},
		{"(alice)", "hi (alice)", true},
		{"[bot] al", "the [bot] al.", true},
		{"дми", "дмитрий", true}, // no letters in the sense of the specification
	} {
		for _, in := range []string{tt.in, long + tt.in, tt.in + " " + long} {
			if got := (&text{s: in}).says(tt.name); got != tt.want {
				t.Errorf("%q in %.20q (%d bytes): got %v, want %v", tt.name, in, len(in), got, tt.want)
			}
		}
	}
}

// TestNoPatternIsSlow: the worst there is, against the longest body there can be.
func TestNoPatternIsSlow(t *testing.T) {
	body := strings.Repeat("a", 64<<10)
	for _, in := range []string{body, strings.Repeat("a ", 32<<10), strings.Repeat("aa ", 20<<10)} {
		for _, pattern := range []string{
			strings.Repeat("a*", 127) + "b", strings.Repeat("*a", 128), strings.Repeat("?*", 127) + "b",
			strings.Repeat("?", 64), strings.Repeat("a?", 32) + "*b", strings.Repeat("a", 255) + "b", strings.Repeat("aa ", 80) + "a",
			strings.Repeat("*", 256),
		} {
			g := compiledGlob(t, pattern)
			begin := time.Now()
			g.match(in)
			g.within(&text{s: in})
			if took := time.Since(begin); took > 20*time.Second { // some ms, on a machine that does nothing else; without bound it is for ever
				t.Errorf("%.20s: took %s", pattern, took)
			}
		}
	}
}

// slow is the definition of a glob as a table: row i, column j says that the first i of the pattern match the first j of s.
func slow(pattern, s []rune) bool {
	row := make([]bool, len(s)+1)
	row[0] = true
	for _, p := range pattern {
		next := make([]bool, len(s)+1)
		next[0] = row[0] && p == '*'
		for j, c := range s {
			next[j+1] = p == '*' && (row[j+1] || next[j]) || (p == '?' || p == c && p != '*') && row[j]
		}
		row = next
	}
	return row[len(s)]
}

func slowWithin(pattern []rune, s string) bool {
	t := text{s: s}
	for i := range len(s) + 1 {
		for j := i; j <= len(s); j++ {
			if t.boundary(i) && t.boundary(j) && utf8.ValidString(s[i:j]) && slow(pattern, []rune(s[i:j])) {
				return true
			}
		}
	}
	return false
}

func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"a*b?c", "aXbYc"}, {"?é*", "éé x"}, {"ex*ple", "An example"}, {"**??", "ab"}, {"a b", "x a b c"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, in string) {
		pattern, in = strings.ToLower(pattern), strings.ToLower(in)
		if len(pattern) > 12 || len(in) > 24 || !utf8.ValidString(pattern) || !utf8.ValidString(in) {
			return
		}
		g := compiledGlob(t, pattern)
		if got, want := g.match(in), slow([]rune(pattern), []rune(in)); got != want {
			t.Errorf("%q on %q: got %v, want %v", pattern, in, got, want)
		}
		want := slowWithin([]rune(pattern), in)
		if got := g.within(&text{s: in}); got != want {
			t.Errorf("%q in %q: got %v, want %v", pattern, in, got, want)
		}
		if pattern != "" && !strings.ContainsAny(pattern, "*?") {
			for _, in := range []string{in, in + strings.Repeat(" .", longText)} {
				if got, want := (&text{s: in}).says(pattern), g.within(&text{s: in}); got != want {
					t.Errorf("name %q in %.30q: got %v, want %v", pattern, in, got, want)
				}
			}
		}
	})
}
