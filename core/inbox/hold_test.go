package inbox

import (
	"fmt"
	"testing"

	"freehold.example/matrix/fault"
)

// What is held is read in parts, again and again, and stays.
func TestHeld(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 5
		for i := range n {
			w.send(t, fmt.Sprint(i), one(bob, "B1", fmt.Sprintf(`{"n":%d}`, i)))
		}
		for range 2 {
			var got, parts int
			for from, last := "", false; !last; parts++ {
				var messages []Message
				var err error
				if messages, from, last, err = w.Held(t.Context(), bob, "B1", from, 2); err != nil {
					t.Fatal(err)
				}
				got += len(messages)
			}
			if got != n || parts != 3 {
				t.Errorf("got %d messages in %d parts, want %d in 3", got, parts, n)
			}
		}
		if _, _, last, err := w.Held(t.Context(), bob, "B2", "", 2); !last || err != nil {
			t.Errorf("of another device: last %v (%v)", last, err)
		}
		for _, bad := range []string{"x", "h", "h-1", "hx", "1", "h99999999999999999999"} {
			if _, _, _, err := w.Held(t.Context(), bob, "B1", bad, 2); !fault.Is(err, fault.InvalidParam) {
				t.Errorf("%q: got %v, want M_INVALID_PARAM", bad, err)
			}
		}
		if messages, _, last, err := w.Held(t.Context(), bob, "B1", "h9999999999", 2); len(messages) > 0 || !last || err != nil {
			t.Errorf("beyond the end: got %d (%v)", len(messages), err)
		}
	})
}
