package space

import (
	"slices"
	"strings"
	"testing"

	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// TestOrder has the example of the specification, and what decides where that does not.
func TestOrder(t *testing.T) {
	c := func(room id.Room, order string, ts int64) child {
		if !validOrder(order) {
			order = ""
		}
		return child{room: room, order: order, link: csapi.ChildLink{Timestamp: ts}}
	}
	for _, test := range []struct {
		children []child
		want     string
	}{
		{[]child{c("!b", " ", 3), c("!a", "aaaa", 1), c("!c", "first", 8), c("!e", "", 6), c("!d", "", 7)}, "!b !a !c !e !d"},
		{[]child{c("!b", "x", 2), c("!a", "x", 1), c("!d", "x", 3), c("!c", "x", 3)}, "!a !b !c !d"},
		{[]child{c("!c", "", 1), c("!a", "", 1), c("!b", "z", 9)}, "!b !a !c"},
		{[]child{c("!long", strings.Repeat("a", 51), 2), c("!bad", "a\x7f", 1), c("!b", strings.Repeat("z", 50), 3)}, "!b !bad !long"},
		{[]child{c("!lower", "a", 1), c("!upper", "B", 2), c("!tilde", "~", 0)}, "!upper !lower !tilde"},
	} {
		for range 3 {
			slices.SortFunc(test.children, compare)
			var got []string
			for _, c := range test.children {
				got = append(got, string(c.room))
			}
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("got %s, want %s", s, test.want)
			}
			slices.Reverse(test.children)
		}
	}
}
