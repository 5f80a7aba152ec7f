package canon

import (
	"slices"
	"testing"
)

func TestSplitPath(t *testing.T) {
	for in, want := range map[string][]string{
		`content.body`:            {"content", "body"},
		`content.m\.relates_to.x`: {"content", "m.relates_to", "x"},
		`content.m\\foo`:          {"content", `m\foo`},
		`content.m\\.foo`:         {"content", `m\`, "foo"},
		`a\x`:                     {`a\x`},
		`a\`:                      {`a\`},
		``:                        {""},
		`.`:                       {"", ""},
	} {
		got := SplitPath(in)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
		var joined []byte
		for _, name := range got {
			joined = AppendPath(joined, name)
		}
		if again := SplitPath(string(joined)); want[0] != "" && !slices.Equal(again, want) {
			t.Errorf("%s: got %q after joining, want %q", in, again, want)
		}
	}
}
