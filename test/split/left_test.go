package split

import (
	"strings"
	"testing"
	"time"
)

// TestLeftBehind: what a server did on the other side of a fork, and left behind when it came back by another server's word, is nothing that
// it goes on from, nor anything that who comes after it has to know.
func TestLeftBehind(t *testing.T) {
	makeTemplate(t)
	const after = 20 * time.Second
	for name, steps := range map[string][]step{
		"nobody is told of it whom it had kicked": {
			{op: "break", at: 1, a: 0b010},
			{op: "kick", at: 1, b: 2, wait: time.Second},
			{op: "kick", at: 0, b: 1, wait: time.Second},
			{op: "leave", at: 1, wait: time.Second},
			{op: "heal", wait: after},
			{op: "join", at: 1, wait: after},
		},
		"its leave would take it out again": {
			{op: "break", at: 1, a: 0b001},
			{op: "kick", at: 0, b: 1},
			{op: "kick", at: 1, b: 2, wait: time.Second},
			{op: "leave", at: 1, wait: time.Second},
			{op: "heal", wait: after},
			{op: "join", at: 1, wait: time.Second},
			{op: "upgrade", at: 1, wait: after},
		},
		"nobody is told of it who was out": {
			{op: "break", at: 2, a: 0b100},
			{op: "kick", at: 0, b: 2, wait: time.Second},
			{op: "leave", at: 0},
			{op: "leave", at: 2, wait: time.Second},
			{op: "heal", wait: after},
			{op: "join", at: 2, b: 1, wait: after},
			{op: "join", at: 0, b: 1, wait: after},
		},
		"nobody is told of it who was out, and came back while it was": {
			{op: "break", at: 1, a: 0b100},
			{op: "kick", at: 1, b: 2, wait: time.Second},
			{op: "leave", at: 1, wait: time.Second},
			{op: "send", at: 2, wait: time.Second},
			{op: "heal", wait: after},
			{op: "join", at: 1, wait: after},
			{op: "join", at: 2, wait: after},
		},
		"it was a kick that the server by which it came back had not heard of": {
			{op: "break", at: 1, a: 0b001},
			{op: "kick", at: 1, b: 2, wait: time.Second},
			{op: "leave", at: 1},
			{op: "rules", at: 0, a: 2, wait: time.Second},
			{op: "break", at: 1, a: 0b010, wait: after},
			{op: "join", at: 2, wait: after},
			{op: "leave", at: 0, wait: after},
		},
	} {
		for _, seed := range []uint64{0, 3} { // rooms of the versions 12 and 11
			t.Run(name+" in "+versions[seed], func(t *testing.T) {
				out := play(t, seed, 3, steps)
				if len(out.faults) > 0 {
					t.Errorf("%s\nit fails:\n%s", strings.Join(out.diary, "\n"), strings.Join(out.faults, "\n"))
				}
			})
		}
	}
}
